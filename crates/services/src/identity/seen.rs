//! When sessions and keys were last used, written down at most once a minute each.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};

/// How exact it is.
const EVERY: Duration = Duration::minutes(1);
/// How many are remembered before those that may be written again are forgotten.
const MOST: usize = 10_000;

/// What was written down in the last minute.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<String, DateTime<Utc>>>);

impl Seen {
    /// Whether it is time to write down that this was used now; `last` is what was written before.
    pub(super) fn is_due(&self, id: &str, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        if last.is_some_and(|last| now < last + EVERY) {
            return false;
        }
        let mut written = self.0.lock().expect("looking up does not panic");
        // Several requests at once, or a database that cannot be written: once is enough.
        if written.get(id).is_some_and(|last| now < *last + EVERY) {
            return false;
        }
        if written.len() >= MOST {
            written.retain(|_, last| now < *last + EVERY);
        }
        written.insert(id.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_written_down_once_a_minute() {
        let at = |seconds: i64| DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap();
        let seen = Seen::default();

        let due: Vec<bool> =
            [0, 1, 59, 60, 61].map(|second| seen.is_due("a", None, at(second))).into();

        assert_eq!(due, [true, false, false, true, false]);
        assert!(!seen.is_due("b", Some(at(0)), at(59)));
        assert!(seen.is_due("b", Some(at(0)), at(60)));
    }
}
