//! Operating the installation: backup, restore, deploy jobs.

use std::path::PathBuf;
use std::sync::Arc;

use pilotdeck_storage::{LocalTime, StoreError, machine_time_zone};
use tokio::sync::{Mutex, Semaphore};

use crate::ledger::Ledger;
use crate::stream::Stream;
use crate::{Error, Store};

mod archive;
mod backup;
mod backups;
mod deploy;
mod figures;
mod progress;
mod readiness;
mod restore;
mod rollback;

pub use archive::{Archive, import_archive};
pub use backup::Backup;
pub use backups::{
    Alert, BackupFigures, BackupName, BackupNote, BackupSettings, BackupState, Backups, EVERY,
    Finding, KEEP, KeptBackup,
};
pub use deploy::{DeployFiles, DeployJob, DeploySettings, DeployState, DeployStatus, Held};
pub use figures::Figures;
pub use progress::{Phase, Progress, Task, Works};
pub use readiness::{NotReady, Readiness};
pub use restore::{Restored, Upload, restore_file};
pub use rollback::{Lost, Previous, PreviousKind, RolledBack, previous_databases, roll_back};

/// The bytes of a database that may be uploaded, unless it is set otherwise.
pub const MAX_RESTORE_BYTES: u64 = 16 << 30;
/// What stays free of the disk, whatever is copied to it: the database wants to go on growing.
pub const RESERVE_BYTES: u64 = 64 << 20;

/// How the installation is operated.
#[derive(Clone)]
pub struct Settings {
    /// The bytes of a database that may be uploaded.
    pub max_restore_bytes: u64,
    /// What stays free of the disk.
    pub reserve_bytes: u64,
    /// Whether others than this machine's programs can reach the server.
    pub is_reachable: bool,
    /// Whose wall clock an older PilotDeck wrote.
    pub local_time: Arc<LocalTime>,
    /// How deploy jobs are run.
    pub deploy: DeploySettings,
    /// Which backups are kept; none: no backups are made but those that are sent.
    pub backups: Option<BackupSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_restore_bytes: MAX_RESTORE_BYTES,
            reserve_bytes: RESERVE_BYTES,
            is_reachable: false,
            local_time: Arc::new(machine_time_zone),
            deploy: DeploySettings::default(),
            backups: None,
        }
    }
}

/// What can be asked about the installation.
#[derive(Clone)]
pub struct Operations {
    store: Store,
    ledger: Ledger,
    stream: Stream,
    settings: Arc<Settings>,
    /// Copies that are made at a time: each keeps the disk busy.
    copying: Arc<Semaphore>,
    restoring: Arc<Mutex<()>>,
    /// One looks after deploy jobs at a time.
    deploying: Arc<Mutex<()>>,
    desk: backups::Desk,
    /// What was found out last.
    readiness: readiness::Known,
}

impl Operations {
    pub(crate) fn new(store: Store, ledger: Ledger, stream: Stream) -> Self {
        Self {
            store,
            ledger,
            stream,
            settings: Arc::default(),
            copying: Arc::new(Semaphore::new(1)),
            restoring: Arc::default(),
            deploying: Arc::default(),
            desk: backups::Desk::new(),
            readiness: readiness::Known::default(),
        }
    }

    pub(crate) fn set(&mut self, settings: Settings) {
        self.settings = Arc::new(settings);
    }

    /// Whether another file takes the place of the database: nothing can be changed, and maybe not read.
    #[must_use]
    pub fn is_restoring(&self) -> bool {
        self.store.db.is_being_replaced()
    }

    /// The database file.
    #[must_use]
    pub fn database_file(&self) -> PathBuf {
        self.store.db.path().to_owned()
    }
}

/// Does `work` in a task of its own, to its end, also when whoever asked for it hangs up.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(failed(error)))
}

/// Does what keeps a disk or a processor busy where no request waits for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.map_err(failed)?;
    done.map_err(|error| StoreError::from(error).into())
}

fn failed(error: tokio::task::JoinError) -> Error {
    StoreError::File(std::io::Error::other(error)).into()
}
