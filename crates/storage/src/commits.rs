//! What this process commits, told to whoever follows.

use std::sync::Arc;

use pilotdeck_domain::ledger::Line;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::gate::{Gate, Generation};

/// Commits that wait for one who follows; the table has what was passed over.
const CAPACITY: usize = 256;

/// Tells followers what was committed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Announcer {
    followers: broadcast::Sender<Commit>,
    gate: Gate,
}

/// The lines of a commit, in order.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The file that they were written to.
    pub generation: Generation,
    /// What was written.
    pub lines: Arc<[Line]>,
}

impl Announcer {
    pub(crate) fn new(gate: Gate) -> Self {
        Self { followers: broadcast::Sender::new(CAPACITY), gate }
    }

    /// Tells the lines of a commit, in the order of commits; the writer's turn must not be over.
    pub(crate) fn tell(&self, lines: Vec<Line>) {
        if self.followers.receiver_count() > 0 {
            let commit = Commit { generation: self.gate.generation(), lines: lines.into() };
            // It fails when the last follower just left.
            let _ = self.followers.send(commit);
        }
    }

    pub(crate) fn follow(&self) -> Commits {
        Commits(self.followers.subscribe())
    }
}

/// The commits of this process from some moment on, in the order of the ledger.
///
/// Where the places of lines are not consecutive, the lines between are in the table: another process wrote them, or
/// they were passed over because too many commits waited.
pub struct Commits(broadcast::Receiver<Commit>);

impl Commits {
    /// Waits for the next commit; none when the database is gone.
    pub async fn next(&mut self) -> Option<Commit> {
        loop {
            match self.0.recv().await {
                Ok(commit) => return Some(commit),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
