//! Where the time comes from.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SubsecRound as _, Utc};

/// A source of the current time, truncated to microseconds, the finest that every storage engine keeps.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Fixed(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands still until it is turned with [`Clock::turn`].
    #[must_use]
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self(Source::Fixed(Arc::new(Mutex::new(at))))
    }

    /// Moves a fixed clock forward; the system's clock turns by itself.
    ///
    /// # Panics
    ///
    /// If another thread panicked while it turned this clock.
    pub fn turn(&self, by: chrono::Duration) {
        if let Source::Fixed(at) = &self.0 {
            *at.lock().expect("turning a clock does not panic") += by;
        }
    }

    /// The time now.
    ///
    /// # Panics
    ///
    /// If another thread panicked while it turned this clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
            Source::System => Utc::now().trunc_subsecs(6),
            Source::Fixed(at) => {
                at.lock().expect("turning a clock does not panic").trunc_subsecs(6)
            }
        }
    }
}
