//! How many tests passed and failed, as the test runners themselves report it.

use std::iter::Sum;

/// What a step counted; a step that counts nothing is one test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u32,
    /// Tests that failed.
    pub(crate) failed: u32,
}

impl Counts {
    /// A step that failed as a whole.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1 };
    /// A step that passed as a whole.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0 };

    /// The counts in the output of a test runner that ended with `success`.
    ///
    /// A runner that failed without a failing test, because something does not compile, counts as one failure.
    pub(crate) fn of_run(success: bool, lines: &[String]) -> Self {
        let mut counts = lines.iter().map(|line| Self::in_line(line)).sum::<Self>();
        if !success && counts.failed == 0 {
            counts.failed = 1;
        }
        counts
    }

    fn in_line(line: &str) -> Self {
        let line = line.trim();
        if let Some(total) = line.strip_prefix("ℹ ") {
            // The summary of Node's test runner: `ℹ pass 7`.
            return match total.split_once(' ') {
                Some(("pass", number)) => Self { passed: number.parse().unwrap_or(0), failed: 0 },
                Some(("fail" | "cancelled", number)) => {
                    Self { passed: 0, failed: number.parse().unwrap_or(0) }
                }
                _ => Self::default(),
            };
        }
        if let Some(total) = line.strip_prefix("Tests  ") {
            // The summary of Vitest: `Tests  1 failed | 11 passed (12)`.
            let (parts, _) = total.split_once(" (").unwrap_or((total, ""));
            return parts.split(" | ").filter_map(Self::of_part).sum();
        }
        if line.starts_with(|first: char| first.is_ascii_digit()) {
            // The summary of Playwright, a line for each: `23 passed (1.2m)`, `1 failed`.
            let (part, time) = line.split_once(" (").unwrap_or((line, ")"));
            return time.strip_suffix(')').and_then(|_| Self::of_part(part)).unwrap_or_default();
        }
        // cargo test:     `test result: ok. 3 passed; 0 failed; …`
        // cargo nextest:  `Summary [ 0.1s] 4 tests run: 2 passed (1 slow), 1 failed, 1 timed out, 0 skipped`
        let is_nextest = line.starts_with("Summary [") && line.contains(" run: ");
        if !is_nextest && !line.starts_with("test result: ") {
            return Self::default();
        }
        let words: Vec<&str> =
            line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let mut counts = Self::default();
        for three in words.windows(3) {
            match three {
                [number, "passed", _] => counts.passed += number.parse().unwrap_or(0),
                [number, "failed", _] | [number, "timed", "out"] | [number, "exec", "failed"] => {
                    counts.failed += number.parse().unwrap_or(0);
                }
                _ => {}
            }
        }
        counts
    }
}

impl Counts {
    /// What is said of some of the tests, such as `11 passed`; nothing if they were not run.
    fn of_part(part: &str) -> Option<Self> {
        let (number, what) = part.split_once(' ')?;
        let number = number.parse().ok()?;
        match what {
            // One that passed after all: Playwright names it, and what is retried is set there.
            "passed" | "flaky" => Some(Self { passed: number, failed: 0 }),
            "failed" | "interrupted" => Some(Self { passed: 0, failed: number }),
            _ => None,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |left, right| Self {
            passed: left.passed + right.passed,
            failed: left.failed + right.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_all_runners_are_understood() {
        let counts = |line: &str| {
            let Counts { passed, failed } = Counts::in_line(line);
            (passed, failed)
        };

        assert_eq!(
            counts("test result: ok. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out"),
            (3, 1)
        );
        assert_eq!(counts("     Summary [   0.123s] 5 tests run: 5 passed, 0 skipped"), (5, 0));
        assert_eq!(
            counts("     Summary [   1.1s] 1 test run: 1 passed (1 slow), 4 skipped"),
            (1, 0)
        );
        assert_eq!(
            counts(
                "Summary [ 9.0s] 9/12 tests run: 4 passed (1 slow), 2 failed, 1 exec failed, 2 timed out, 0 skipped"
            ),
            (4, 5)
        );
        assert_eq!(counts("ℹ pass 7"), (7, 0));
        assert_eq!(counts("ℹ fail 2"), (0, 2));
        assert_eq!(counts("ℹ tests 9"), (0, 0));
        assert_eq!(counts("      Tests  12 passed (12)"), (12, 0));
        assert_eq!(counts("      Tests  1 failed | 9 passed | 2 skipped | 1 todo (13)"), (9, 1));
        assert_eq!(counts("      Tests  2 skipped (2)"), (0, 0));
        assert_eq!(counts(" Test Files  3 passed (3)"), (0, 0));
        assert_eq!(counts("  23 passed (1.2m)"), (23, 0));
        assert_eq!(counts("  1 failed"), (0, 1));
        assert_eq!(counts("  2 flaky"), (2, 0));
        assert_eq!(counts("  1 interrupted"), (0, 1));
        assert_eq!(counts("  1 skipped"), (0, 0));
        assert_eq!(counts("  3 did not run"), (0, 0));
        assert_eq!(counts("a test says that 3 passed"), (0, 0));
        assert_eq!(counts("Tests  of the shell passed"), (0, 0));
        assert_eq!(counts("3 passed through here"), (0, 0));
        assert_eq!(counts("4 passed (and counting"), (0, 0));
    }

    #[test]
    fn a_runner_that_fails_without_a_failing_test_counts_as_one_failure() {
        let does_not_compile = ["error: could not compile".to_owned()];

        assert_eq!(Counts::of_run(false, &does_not_compile), Counts::FAILED);
        assert_eq!(Counts::of_run(true, &[]), Counts::default());
    }
}
