//! Another file in the place of the database, while the process goes on.
//!
//! One rename makes the other file the database. Before it, nobody is admitted any more, everybody is disconnected, and the
//! write-ahead log is merged and gone, so that at any moment what lies in the place of the database is a whole file: the
//! one before or the next one. The one before stays under another name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::time::timeout;

use crate::database::{self, Connections, Database};
use crate::lock::Lock;
use crate::merger::KeptOpen;
use crate::open::{OpenError, claim, usable};
use crate::scratch::{beside, copy_name, remove_companions, sweep};
use crate::writer::Writer;
use crate::{Scratch, StoreError};

/// How long those who read or write may take to finish.
const PATIENCE: Duration = Duration::from_secs(30);
const MERGE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// Works only for the one connection that there is, whichever process has others.
const LEAVE_LOG: &str = "PRAGMA journal_mode = DELETE";
const KEEP_OTHERS_OUT: &str = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";

impl Database {
    /// A name beside the database for the file that is replaced, which is free.
    #[must_use]
    pub fn name_for_previous(&self, now: DateTime<Utc>) -> PathBuf {
        copy_name(self.path(), now)
    }

    /// Puts `next`, a whole database file, in the place of this one, which stays under the name `previous`.
    ///
    /// What was begun before is finished, and is in `previous`; what was asked for meanwhile is refused with
    /// [`StoreError::Replacing`]. It must not be given up half-way: have a task of its own do it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] if somebody else does not let go of the database. Whatever fails, the database is what it was.
    pub async fn replace(&self, next: Scratch, previous: &Path) -> Result<(), StoreError> {
        let whole = next.path().to_owned();
        off_thread(move || make_whole(&whole)).await?;
        let _alone = self.place.write().await;
        let shut = self.gate.shut();
        let mut writer = timeout(PATIENCE, Arc::clone(&self.writer).lock_owned())
            .await
            .map_err(|_| StoreError::Busy)?;
        let switched = self.switch(&mut writer, next, previous).await;
        if let Err(error) = switched {
            self.reconnect(&mut writer).await?;
            return Err(error);
        }
        match Connections::open(self.path(), self.durability()).await {
            Ok(connections) => {
                shut.replaced();
                self.install(connections, &mut writer).await
            }
            Err(error) => {
                tracing::error!(%error, "the restored database cannot be opened; the one before comes back");
                remove_companions(self.path());
                fs::rename(previous, self.path())?;
                sync_folder(self.path())?;
                self.reconnect(&mut writer).await?;
                Err(error)
            }
        }
    }

    /// Disconnects everybody and changes the names. Where it fails, the names are what they were.
    async fn switch(
        &self,
        writer: &mut Writer,
        next: Scratch,
        previous: &Path,
    ) -> Result<(), StoreError> {
        let merged = match self.merger.lock().await.take() {
            Some(merger) => merger.stop().await,
            None => None,
        };
        if let Some(readers) = self.take_readers() {
            timeout(PATIENCE, readers.close()).await.map_err(|_| StoreError::Busy)?;
        }
        let mut conn = writer.disconnect().await.ok_or(StoreError::Closed)?;
        let switched = match keep_others_out(&mut conn).await {
            Ok(()) => {
                let path = self.path().to_owned();
                let previous = previous.to_owned();
                off_thread(move || change_names(&path, next, &previous)).await
            }
            Err(error) => Err(error),
        };
        // What is open is rolled back: nothing was written.
        let closed = conn.close().await;
        merged.into_iter().for_each(KeptOpen::close);
        if let Err(error) = closed {
            tracing::warn!(%error, "the connection to the database before could not be closed in order");
        }
        switched
    }

    /// Goes on with the file that lies there.
    async fn reconnect(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let connected = async {
            let connections = Connections::open(self.path(), self.durability()).await?;
            self.install(connections, writer).await
        };
        connected.await.inspect_err(|error| {
            tracing::error!(%error, "the database cannot be opened again; restart PilotDeck");
        })
    }
}

/// The right to put another file in the place of a database that no server has open.
pub struct Claim {
    path: PathBuf,
    /// None where somebody insisted.
    lock: Option<Lock>,
}

impl Claim {
    /// Claims the database at `path`, which need not be there. Who insists gets it also while a server has it open.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] if a server has it open.
    pub fn of(path: &Path, insists: bool) -> Result<Self, OpenError> {
        let path = usable(path)?;
        match claim(&path) {
            Ok(lock) => {
                sweep(&path);
                Ok(Self { path, lock: Some(lock) })
            }
            Err(OpenError::InUse { .. }) if insists => Ok(Self { path, lock: None }),
            Err(error) => Err(error),
        }
    }

    /// Where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a server has it open.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        self.lock.is_none()
    }

    /// A name beside the database for the file that is replaced, which is free; none if there is no file.
    #[must_use]
    pub fn name_for_previous(&self, now: DateTime<Utc>) -> Option<PathBuf> {
        self.path.exists().then(|| copy_name(&self.path, now))
    }

    /// Puts `next`, a whole database file, in the place of the database, which stays under the name `previous`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] if somebody is connected to it. Whatever fails, the database is what it was.
    pub async fn replace(self, next: Scratch, previous: Option<&Path>) -> Result<(), StoreError> {
        make_whole(next.path())?;
        let Some(previous) = previous else {
            remove_companions(&self.path);
            fs::rename(next.path(), &self.path)?;
            next.keep();
            return Ok(sync_folder(&self.path)?);
        };
        let options = database::options(&self.path).foreign_keys(false);
        let mut conn = options.clone().connect().await?;
        if self.is_served() {
            // The server cannot write from here on. What it wrote is in the copy; what it believes to write later is lost.
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut conn).await?;
            let mut beside = options.read_only(true).connect().await?;
            let copy = sqlx::query("VACUUM INTO $1").bind(previous.to_string_lossy());
            copy.execute(&mut beside).await?;
            File::open(previous)?.sync_all()?;
            fs::set_permissions(previous, fs::metadata(&self.path)?.permissions())?;
            remove_companions(&self.path);
            fs::set_permissions(next.path(), fs::metadata(&self.path)?.permissions())?;
            fs::rename(next.path(), &self.path)?;
            next.keep();
            sync_folder(&self.path)?;
            // Closed last: they know the file by its old name.
            let _ = beside.close().await;
            let _ = conn.close().await;
            return Ok(());
        }
        let switched = match keep_others_out(&mut conn).await {
            Ok(()) => change_names(&self.path, next, previous),
            Err(error) => Err(error),
        };
        let _ = conn.close().await;
        switched
    }
}

/// Merges the log and locks the file: no other process is connected, and none can read or write.
async fn keep_others_out(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query(MERGE).execute(&mut *conn).await?;
    let mode: String = sqlx::query_scalar(LEAVE_LOG).fetch_one(&mut *conn).await?;
    if !mode.eq_ignore_ascii_case("delete") {
        return Err(StoreError::Busy);
    }
    sqlx::raw_sql(KEEP_OTHERS_OUT).execute(&mut *conn).await?;
    Ok(())
}

/// Makes a file durable that has nothing beside it.
fn make_whole(file: &Path) -> Result<(), StoreError> {
    let log = beside(file, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let reason = format!("{} was not merged", log.display());
        return Err(StoreError::File(io::Error::other(reason)));
    }
    remove_companions(file);
    Ok(File::open(file)?.sync_all()?)
}

/// One file gets a second name, the other takes its first one. A process that ends in between leaves a second name,
/// which the next start removes.
fn change_names(path: &Path, next: Scratch, previous: &Path) -> Result<(), StoreError> {
    remove_companions(path);
    fs::set_permissions(next.path(), fs::metadata(path)?.permissions())?;
    if let Err(error) = fs::hard_link(path, previous) {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Err(error.into());
        }
        // Not every file system has second names.
        fs::copy(path, previous).inspect_err(|_| drop(fs::remove_file(previous)))?;
        File::open(previous)?.sync_all()?;
    }
    if let Err(error) = fs::rename(next.path(), path) {
        let _ = fs::remove_file(previous);
        return Err(error.into());
    }
    next.keep();
    if let Err(error) = sync_folder(path) {
        tracing::warn!(%error, "the new names may not survive a power failure");
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}
