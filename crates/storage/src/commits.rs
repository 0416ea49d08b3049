//! What this process commits, told to whoever follows.

use std::sync::Arc;

use pilotdeck_domain::ledger::Line;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Commits that wait for one who follows; the table has what was passed over.
const CAPACITY: usize = 256;

/// Tells followers what was committed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Announcer(broadcast::Sender<Arc<[Line]>>);

impl Announcer {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Tells the lines of a commit, in the order of commits; the writer's turn must not be over.
    pub(crate) fn tell(&self, lines: Vec<Line>) {
        if self.0.receiver_count() > 0 {
            // It fails when the last follower just left.
            let _ = self.0.send(lines.into());
        }
    }

    pub(crate) fn follow(&self) -> Commits {
        Commits(self.0.subscribe())
    }
}

/// The commits of this process from some moment on, in the order of the ledger.
///
/// Where the places of lines are not consecutive, the lines between are in the table: another process wrote them, or
/// they were passed over because too many commits waited.
pub struct Commits(broadcast::Receiver<Arc<[Line]>>);

impl Commits {
    /// Waits for the next commit and returns its lines; none when the database is gone.
    pub async fn next(&mut self) -> Option<Arc<[Line]>> {
        loop {
            match self.0.recv().await {
                Ok(lines) => return Some(lines),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
