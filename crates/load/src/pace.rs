//! The pace of an open loop: when each request is due.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Requests are handed out at least this often, all that are due at once.
const TICK: Duration = Duration::from_micros(100);
/// A pace that was stopped ends after this at the latest.
const LOOK: Duration = Duration::from_millis(50);
/// For what became due at the very end.
const GRACE: Duration = Duration::from_millis(100);

/// A fixed number of requests in a second.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: f64,
    total: u64,
    due: Semaphore,
    given: AtomicU64,
    taken: AtomicU64,
}

impl Pace {
    pub(crate) fn new(rate: f64, lasts: Duration) -> Self {
        let total = rounded(rate * lasts.as_secs_f64());
        let due = Semaphore::new(0);
        Self { rate, total, due, given: AtomicU64::new(0), taken: AtomicU64::new(0) }
    }

    /// Waits for a request that is due, and says when it was; nothing once all is over.
    pub(crate) async fn next(&self, started: Instant) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        Some(started + self.after(turn))
    }

    /// Requests that were due so far and not taken.
    pub(crate) fn unsent(&self) -> u64 {
        let taken = self.taken.load(Ordering::Relaxed);
        self.given.load(Ordering::Relaxed).saturating_sub(taken)
    }

    /// Hands out requests as they become due. It sleeps as a thread, for the clock of the connections' tasks only ticks
    /// every millisecond.
    pub(crate) fn keep(&self, started: &OnceLock<Instant>, stopped: &AtomicBool) {
        let started = *started.wait();
        let mut given = 0;
        while given < self.total && !stopped.load(Ordering::Relaxed) {
            let due = rounded((started.elapsed().as_secs_f64() * self.rate).floor()) + 1;
            let due = due.min(self.total);
            if due > given {
                self.given.store(due, Ordering::Relaxed);
                self.due.add_permits(usize::try_from(due - given).unwrap_or(usize::MAX >> 4));
                given = due;
            }
            let next = (started + self.after(given)).saturating_duration_since(Instant::now());
            thread::sleep(next.clamp(TICK, LOOK));
        }
        let end = Instant::now() + GRACE;
        while self.unsent() > 0 && Instant::now() < end && !stopped.load(Ordering::Relaxed) {
            thread::sleep(TICK);
        }
        self.due.close();
    }

    fn after(&self, turn: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "turns stay far below 2^53")]
        let turn = turn as f64;
        Duration::from_secs_f64(turn / self.rate)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are positive, and a cast of floats saturates"
)]
fn rounded(count: f64) -> u64 {
    count.round() as u64
}
