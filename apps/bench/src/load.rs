//! The load of the rows: a closed loop, after a short one that does not count.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use pilotdeck_load::{Endpoint, Events, Fixed, Run, Work};

use crate::report::{median, rounded};

const WARM_UP: Duration = Duration::from_millis(300);

/// How much is asked for at a time, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections that ask at the same time.
    pub(crate) connections: usize,
    /// How long a measurement lasts.
    pub(crate) lasts: Duration,
}

/// What is asked, and where.
#[derive(Clone)]
pub(crate) struct Target {
    base_url: String,
    work: Arc<dyn Work>,
}

/// What was reached in one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Answers in a second, over all connections.
    pub(crate) per_second: f64,
    /// Half of the answers took at most this many milliseconds.
    pub(crate) median_ms: f64,
    /// All but one in a hundred.
    pub(crate) p99_ms: f64,
    /// All but one in a thousand.
    pub(crate) p999_ms: f64,
}

impl Target {
    /// Reading a path; the answer is 200.
    pub(crate) fn get(base_url: &str, path: &str) -> Self {
        Self { base_url: base_url.to_owned(), work: Arc::new(Fixed::get(path)) }
    }

    /// Sending events, each with an id of its own.
    pub(crate) fn events(base_url: &str, events: Events) -> Self {
        Self { base_url: base_url.to_owned(), work: Arc::new(events) }
    }

    /// Puts the load on the target and counts what is answered; an unexpected answer is an error.
    pub(crate) async fn measure(&self, load: Load) -> Result<Rate> {
        self.ask(Load { lasts: WARM_UP, ..load }).await?;
        self.ask(load).await
    }

    async fn ask(&self, load: Load) -> Result<Rate> {
        let endpoint = Arc::new(self.base_url.parse::<Endpoint>()?);
        let load = pilotdeck_load::Load::closed(load.connections, load.lasts);
        let mut run = Run::start(endpoint, Arc::clone(&self.work), load);
        run.ended().await;
        let measured = run.measured();
        ensure!(measured.failures() == 0 && measured.answers() > 0, "{measured}");
        Ok(Rate {
            per_second: measured.per_second(),
            median_ms: measured.quantile_ms(0.5),
            p99_ms: measured.quantile_ms(0.99),
            p999_ms: measured.quantile_ms(0.999),
        })
    }
}

impl Rate {
    /// Its latencies, for a note.
    pub(crate) fn latencies(&self) -> String {
        let Self { median_ms, p99_ms, p999_ms, .. } = *self;
        format!(
            "p50 {}, p99 {}, p99.9 {} ms",
            rounded(median_ms),
            rounded(p99_ms),
            rounded(p999_ms)
        )
    }
}

/// Measures several targets in turn, round by round, so that what else the machine does falls on all of them; returns
/// the median round of each.
pub(crate) async fn in_turn<const N: usize>(
    targets: [&Target; N],
    load: Load,
    rounds: usize,
) -> Result<[Rate; N]> {
    let mut measured: [Vec<Rate>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (target, rates) in targets.iter().zip(&mut measured) {
            rates.push(target.measure(load).await?);
        }
    }
    Ok(measured.map(|rates| median_rate(&rates)))
}

/// The work with the number of connections that do it.
pub(crate) fn at(work: &str, load: Load) -> String {
    format!("{work}, at {}", load.connections)
}

/// The median of several measurements of one target.
pub(crate) fn median_rate(rates: &[Rate]) -> Rate {
    let median_of = |figure: fn(&Rate) -> f64| median(rates.iter().map(figure));
    Rate {
        per_second: median_of(|rate| rate.per_second),
        median_ms: median_of(|rate| rate.median_ms),
        p99_ms: median_of(|rate| rate.p99_ms),
        p999_ms: median_of(|rate| rate.p999_ms),
    }
}
