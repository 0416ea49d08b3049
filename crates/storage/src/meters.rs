//! What the database costs, counted as it happens.

use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// Seconds: from what a cached page takes to what a client gives up on.
const SECONDS: [f64; 12] =
    [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Counters of a database. Clones are the same counters.
#[derive(Clone, Debug)]
pub struct Meters {
    /// Seconds that units of work had a reading connection.
    pub read: Histogram,
    /// Seconds that units of work had the writer's turn.
    pub write: Histogram,
    /// Seconds that they waited for it.
    pub wait: Histogram,
    /// How many wait for it.
    pub waiting: Gauge,
}

impl Default for Meters {
    fn default() -> Self {
        let histogram = || Histogram::new(SECONDS);
        Self { read: histogram(), write: histogram(), wait: histogram(), waiting: Gauge::default() }
    }
}

impl Meters {
    /// Counts one that waits for its turn, until what is returned is dropped.
    pub(crate) fn queue(&self) -> Waiting {
        self.waiting.inc();
        Waiting { _for: Timed::new(&self.wait), waiting: self.waiting.clone() }
    }
}

/// One who waits. Whoever gives up waits no longer.
pub(crate) struct Waiting {
    _for: Timed,
    waiting: Gauge,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiting.dec();
    }
}

/// Counts the seconds until it is dropped.
pub(crate) struct Timed {
    began: Instant,
    seconds: Histogram,
}

impl Timed {
    pub(crate) fn new(seconds: &Histogram) -> Self {
        Self { began: Instant::now(), seconds: seconds.clone() }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.seconds.observe(self.began.elapsed().as_secs_f64());
    }
}
