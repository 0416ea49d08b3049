//! Whether the server can do its work now.

use std::sync::Arc;
use std::time::Duration;

use pilotdeck_storage::{StoreError, room_beside};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Operations;

/// How long an answer holds, however many ask.
const HOLDS: Duration = Duration::from_secs(1);
/// How long a write may take before the database counts as busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the server is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// The database is being replaced.
    Restoring,
    /// The disk is nearly full.
    DiskLow,
    /// The disk is full.
    DiskFull,
    /// The database can only be read.
    ReadOnly,
    /// The database does not take a write in time.
    Busy,
    /// The database fails otherwise.
    Failing,
}

impl NotReady {
    /// The word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::DiskLow => "disk_low",
            Self::DiskFull => "storage_full",
            Self::ReadOnly => "database_read_only",
            Self::Busy => "database_busy",
            Self::Failing => "database_failing",
        }
    }
}

/// Whether the server is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why it cannot change anything, if it cannot.
    pub database: Option<NotReady>,
    /// Whether the disk has less room than is kept free of it.
    pub disk_is_low: bool,
}

impl Readiness {
    /// Everything that keeps the server from being ready.
    #[must_use]
    pub fn reasons(&self) -> Vec<NotReady> {
        let disk = self.disk_is_low.then_some(NotReady::DiskLow);
        self.database.into_iter().chain(disk).collect()
    }
}

/// What was found out last, and when.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<Option<(Instant, Readiness)>>>);

impl Operations {
    /// Whether the server can do its work: the database is written to (one page, as it is), at most once a second.
    pub async fn readiness(&self) -> Readiness {
        if self.is_restoring() {
            return Readiness { database: Some(NotReady::Restoring), disk_is_low: false };
        }
        let mut known = self.readiness.0.lock().await;
        if let Some((when, readiness)) = &*known
            && when.elapsed() < HOLDS
        {
            return readiness.clone();
        }
        let readiness = self.find_out().await;
        *known = Some((Instant::now(), readiness.clone()));
        readiness
    }

    async fn find_out(&self) -> Readiness {
        let db = &self.store.db;
        let database = match timeout(PATIENCE, db.try_write()).await {
            Ok(Ok(())) => None,
            Ok(Err(StoreError::Replacing)) => Some(NotReady::Restoring),
            Ok(Err(StoreError::Full)) => Some(NotReady::DiskFull),
            Ok(Err(StoreError::ReadOnly)) => Some(NotReady::ReadOnly),
            Ok(Err(StoreError::Busy)) | Err(_) => Some(NotReady::Busy),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database cannot be written to");
                Some(NotReady::Failing)
            }
        };
        // A file system that does not say how much room it has is not taken for full.
        let disk_is_low =
            room_beside(db.path()).is_ok_and(|free| free < self.settings.reserve_bytes);
        Readiness { database, disk_is_low }
    }
}
