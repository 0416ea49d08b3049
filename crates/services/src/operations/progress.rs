//! What is under way, and how far it is: for whoever waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pilotdeck_domain::times::WireTime;

/// Work that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A backup is made, and proven.
    Backup,
    /// A kept backup is proven.
    Proof,
    /// The kept backups are compared with what was written.
    Check,
    /// A file becomes the database.
    Restore,
}

impl Task {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Proof => "proof",
            Self::Check => "check",
            Self::Restore => "restore",
        }
    }
}

/// A part of such work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It begins.
    Preparing,
    /// A file arrives; in bytes.
    Uploading,
    /// The database is copied; in bytes.
    Copying,
    /// A file is read to its end, and its digest computed; in bytes.
    Hashing,
    /// A backup is copied to where it is opened; in bytes.
    Restoring,
    /// SQLite examines the whole file, and its schema and rows are looked at.
    Examining,
    /// The lines of the ledger are verified; in lines.
    Verifying,
    /// The files change their names.
    Switching,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Uploading => "uploading",
            Self::Copying => "copying",
            Self::Hashing => "hashing",
            Self::Restoring => "restoring",
            Self::Examining => "examining",
            Self::Verifying => "verifying",
            Self::Switching => "switching",
        }
    }
}

/// How far a piece of work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub task: Task,
    /// To which backup, if there is one.
    pub subject: Option<String>,
    /// The part that it is at.
    pub phase: Phase,
    /// How much of that part is done.
    pub done: u64,
    /// Of how much; none where nobody knows.
    pub total: Option<u64>,
    /// When it began.
    pub began_at: WireTime,
}

/// The work that is under way.
#[derive(Clone, Debug, Default)]
pub struct Works(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    count: u64,
    works: Vec<(u64, Progress)>,
}

impl Works {
    /// What is under way now.
    #[must_use]
    pub fn list(&self) -> Vec<Progress> {
        self.board().works.iter().map(|(_, progress)| progress.clone()).collect()
    }

    /// Says that `task` begins; it is under way until what is returned is dropped.
    pub(crate) fn begin(&self, task: Task, began_at: WireTime) -> Meter {
        let mut board = self.board();
        board.count += 1;
        let number = board.count;
        let phase = Phase::Preparing;
        let progress = Progress { task, subject: None, phase, done: 0, total: None, began_at };
        board.works.push((number, progress));
        Meter { works: self.clone(), number }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // No entry is ever half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how far a piece of work is.
#[derive(Debug)]
pub(crate) struct Meter {
    works: Works,
    number: u64,
}

impl Meter {
    pub(crate) fn about(&self, subject: &str) {
        self.change(|progress| progress.subject = Some(subject.to_owned()));
    }

    /// Goes on with the next part.
    pub(crate) fn phase(&self, phase: Phase, total: Option<u64>) {
        self.change(|progress| (progress.phase, progress.done, progress.total) = (phase, 0, total));
    }

    /// This much of the part is done.
    pub(crate) fn reach(&self, done: u64) {
        self.change(|progress| progress.done = done);
    }

    /// This much of so much is done.
    pub(crate) fn reach_of(&self, done: u64, total: u64) {
        self.change(|progress| (progress.done, progress.total) = (done, Some(total)));
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        let mut board = self.works.board();
        if let Some((_, progress)) =
            board.works.iter_mut().find(|(number, _)| *number == self.number)
        {
            change(progress);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.works.board().works.retain(|(number, _)| *number != self.number);
    }
}
