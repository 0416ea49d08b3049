//! What came of a load.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::failure::{Failure, FailureKind};

/// Longer than anybody waits, in microseconds.
const LONGEST: u64 = 600_000_000;
const DIGITS: u8 = 3;
/// Of a failure's text that is shown.
const EXAMPLE: usize = 200;

/// Answers and failures while they are counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Of expected answers, in microseconds.
    histogram: Histogram<u64>,
    in_time: u64,
    errors: BTreeMap<FailureKind, (u64, String)>,
}

/// What was reached in one measurement.
#[derive(Clone, Debug)]
pub struct Measured {
    histogram: Histogram<u64>,
    in_time: u64,
    lasted: Duration,
    unsent: u64,
    errors: Vec<ErrorCount>,
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCount {
    /// Which.
    pub kind: FailureKind,
    /// How many.
    pub count: u64,
    /// What the first one said.
    pub example: String,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS);
        let histogram = histogram.expect("the bounds are constants that go together");
        Self { histogram, in_time: 0, errors: BTreeMap::new() }
    }

    pub(crate) fn answered(&mut self, took: Duration, is_in_time: bool) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
        self.histogram.saturating_record(micros);
        self.in_time += u64::from(is_in_time);
    }

    pub(crate) fn failed(&mut self, failure: &Failure) {
        let seen = self.errors.entry(failure.kind()).or_insert_with(|| {
            let text: String = failure.to_string().chars().take(EXAMPLE).collect();
            (0, text.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        seen.0 += 1;
    }

    /// Whether there are answers, and all came after the time was over.
    pub(crate) fn is_late(&self) -> bool {
        self.in_time == 0 && !self.histogram.is_empty()
    }

    pub(crate) fn measured(&self, lasted: Duration, unsent: u64) -> Measured {
        let errors = self.errors.iter().map(|(&kind, (count, example))| ErrorCount {
            kind,
            count: *count,
            example: example.clone(),
        });
        Measured {
            histogram: self.histogram.clone(),
            in_time: self.in_time,
            lasted,
            unsent,
            errors: errors.collect(),
        }
    }
}

impl Measured {
    /// Expected answers, also those that came after the time was over.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.histogram.len()
    }

    /// Expected answers in a second, over all connections, while the load lasted.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        // A request that took longer than the whole measurement is an answer, too.
        let counted = if self.in_time == 0 { self.answers() } else { self.in_time };
        let seconds = self.lasted.as_secs_f64();
        if seconds > 0.0 { precise(counted) / seconds } else { 0.0 }
    }

    /// How many milliseconds that share of the answers took at most; 0 if there are none.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        precise(self.histogram.value_at_quantile(share)) / 1000.0
    }

    /// What an answer took on average, in milliseconds.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        self.histogram.mean() / 1000.0
    }

    /// What the slowest answer took, in milliseconds.
    #[must_use]
    pub fn longest_ms(&self) -> f64 {
        precise(self.histogram.max()) / 1000.0
    }

    /// How long it lasted.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.lasted
    }

    /// Requests that were due, and for which no connection was free until the end.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// What failed, by kind.
    #[must_use]
    pub fn errors(&self) -> &[ErrorCount] {
        &self.errors
    }

    /// How many requests failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.errors.iter().map(|error| error.count).sum()
    }

    /// As a document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let errors: Vec<Value> = self
            .errors
            .iter()
            .map(|error| {
                let kind = error.kind.to_string();
                json!({ "kind": kind, "count": error.count, "example": error.example })
            })
            .collect();
        json!({
            "seconds": self.lasted.as_secs_f64(),
            "answers": self.answers(),
            "perSecond": self.per_second(),
            "latencyMs": {
                "mean": self.mean_ms(),
                "p50": self.quantile_ms(0.5),
                "p90": self.quantile_ms(0.9),
                "p99": self.quantile_ms(0.99),
                "p99.9": self.quantile_ms(0.999),
                "max": self.longest_ms(),
            },
            "unsent": self.unsent,
            "failures": self.failures(),
            "errors": errors,
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers = self.answers();
        let (rate, seconds) = (self.per_second(), self.lasted.as_secs_f64());
        writeln!(f, "{answers} answers in {seconds:.1} s: {rate:.0} a second")?;
        if answers > 0 {
            for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
                writeln!(f, "  {name:<6} {:>10.2} ms", self.quantile_ms(share))?;
            }
            writeln!(f, "  {:<6} {:>10.2} ms", "max", self.longest_ms())?;
        }
        if self.unsent > 0 {
            writeln!(
                f,
                "{} more were due, and no connection was free for them: this rate is more than was reached",
                self.unsent
            )?;
        }
        write!(f, "{} errors", self.failures())?;
        for error in &self.errors {
            write!(f, "\n  {:<16} {:>8}   {}", error.kind.to_string(), error.count, error.example)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds stay far below 2^53")]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_answers_are_told_within_a_thousandth() {
        let mut tally = Tally::new();
        for millis in 1..=1000 {
            tally.answered(Duration::from_millis(millis), millis <= 500);
        }
        let measured = tally.measured(Duration::from_secs(10), 0);

        assert_eq!(measured.answers(), 1000);
        assert!((measured.per_second() - 50.0).abs() < f64::EPSILON, "late ones do not count");
        assert!((measured.quantile_ms(0.5) - 500.0).abs() < 1.0);
        assert!((measured.quantile_ms(0.999) - 999.0).abs() < 1.0);
    }

    #[test]
    fn failures_are_counted_by_kind_with_the_first_as_example() {
        let status = |body: &str| Failure::Status {
            asked: "GET /".to_owned(),
            status: 503,
            body: body.to_owned(),
        };
        let mut tally = Tally::new();
        tally.failed(&status("full"));
        tally.failed(&status("still full"));
        tally.failed(&Failure::TimedOut);
        let measured = tally.measured(Duration::from_secs(1), 7);

        assert_eq!(measured.failures(), 3);
        let text = measured.to_string();
        assert!(text.contains("status 503              2   GET / answered 503: full"), "{text}");
        assert!(text.contains("7 more were due"), "{text}");
        assert_eq!(measured.to_json()["errors"][1]["kind"], "status 503");
    }
}
