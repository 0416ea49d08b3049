//! Where the installation stands, in numbers.

use std::fs;
use std::path::Path;

use pilotdeck_storage::{Meters, room_beside};

use super::{BackupFigures, Operations};

/// What is measured when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The last line of the ledger; none while the database cannot be read.
    pub ledger_seq: Option<i64>,
    /// The size of the database file.
    pub database_bytes: u64,
    /// The size of its write-ahead log.
    pub log_bytes: u64,
    /// What is free on its disk, if the file system says so.
    pub free_bytes: Option<u64>,
    /// What was accepted and waits to be written.
    pub waiting_bytes: usize,
    /// Open streams of the ledger.
    pub streams: usize,
    /// The scheduled backups, where there are any.
    pub backups: Option<BackupFigures>,
}

impl Operations {
    /// What the database costs.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        self.store.db.meters()
    }

    /// Where the installation stands.
    pub async fn figures(&self) -> Figures {
        let file = self.store.db.path();
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        Figures {
            ledger_seq: self.ledger_seq().await,
            database_bytes: bytes(file),
            log_bytes: bytes(Path::new(&log)),
            free_bytes: room_beside(file).ok(),
            waiting_bytes: self.store.intake.waiting_bytes(),
            streams: self.stream.count(),
            backups: self.backup_figures().await.ok().filter(|backups| backups.is_on),
        }
    }

    async fn ledger_seq(&self) -> Option<i64> {
        let mut tx = self.store.db.read().await.ok()?;
        tx.ledger().head().await.ok().map(|head| head.seq)
    }
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}
