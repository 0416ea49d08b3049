//! What can go wrong between PilotDeck and its database.

use std::io::{self, ErrorKind};

/// The system refused to write: a quota, a limit on the size of files, a file system that became read-only.
const UNWRITTEN: i32 = 778;
/// To make it durable.
const UNSYNCED: i32 = 1034;
/// To make a file shorter.
const UNCUT: i32 = 1546;
/// To make the index of the write-ahead log longer.
const UNGROWN: i32 = 4874;

/// A statement, a transaction or a stored row that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row changed since it was read, or is gone.
    #[error("the row changed since it was read")]
    Stale,
    /// Another process held the database longer than we wait.
    #[error("the database is busy")]
    Busy,
    /// There is no room left for the database to grow.
    #[error("the disk is full")]
    Full,
    /// The database cannot be written, though it can be read.
    #[error("the database is read-only")]
    ReadOnly,
    /// The file is being replaced by another one.
    #[error("the database is being replaced")]
    Replacing,
    /// The database was closed: the program is ending.
    #[error("the database is closed")]
    Closed,
    /// A stored row is not what PilotDeck writes.
    #[error("a stored row of {table} cannot be read: {reason}")]
    Corrupt {
        /// The table it is in.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A transaction was about to change something without saying so in the ledger.
    #[error("a change without a ledger line was refused")]
    Unrecorded,
    /// The system failed at a file beside the database.
    #[error("a file beside the database failed: {0}")]
    File(io::Error),
    /// The engine failed in another way.
    #[error("the database failed: {0}")]
    Engine(sqlx::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::File(error),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    /// Tells by SQLite's result code (<https://www.sqlite.org/rescode.html>) what a caller can act on.
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|code| code.parse::<i32>().ok());
        match code.map(|extended| (extended, extended & 0xff)) {
            Some((_, 5 | 6)) => Self::Busy,
            Some((_, 8) | (UNWRITTEN | UNSYNCED | UNCUT | UNGROWN, _)) => Self::ReadOnly,
            Some((_, 13)) => Self::Full,
            _ => match error {
                sqlx::Error::PoolTimedOut => Self::Busy,
                sqlx::Error::PoolClosed => Self::Closed,
                other => Self::Engine(other),
            },
        }
    }
}
