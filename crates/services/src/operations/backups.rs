//! Kept backups: made when they are due or asked for, proven right away, watched, and removed when there are enough.
//!
//! A backup is believed when it was restored: to a file of its own, by the code that restores, with its rows counted and its
//! ledger verified. What was written is noted beside it, so that a bit that turns is noticed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, watch};

use super::progress::{Meter, Progress, Task, Works};
use super::{Backup, Operations, off_thread};
use crate::error::Kind;
use crate::{Error, Unavailable};

mod folder;
mod making;
mod proving;
mod schedule;

pub use folder::{BackupName, BackupNote, BackupState, Finding, KeptBackup};
use folder::{Folder, Held};

/// How long until the next backup, unless it is set otherwise.
pub const EVERY: Duration = Duration::from_hours(24);
/// How many backups are kept, unless it is set otherwise.
pub const KEEP: usize = 7;

/// Which backups are kept.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// The folder that they are in, and nothing else.
    pub folder: PathBuf,
    /// The time from one to the next.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

impl BackupSettings {
    fn step(&self) -> TimeDelta {
        TimeDelta::from_std(self.every).unwrap_or(TimeDelta::MAX)
    }
}

/// What went wrong when a backup was due or asked for, the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When.
    pub at: WireTime,
    /// Whether there was no room.
    pub is_full: bool,
    /// What, for a person.
    pub reason: String,
}

/// Everything about kept backups.
#[derive(Clone, Debug)]
pub struct Backups {
    /// How they are kept; none if they are not.
    pub settings: Option<BackupSettings>,
    /// When the next one is due.
    pub next_due: Option<WireTime>,
    /// What went wrong, until it goes right again.
    pub alert: Option<Alert>,
    /// What is under way, a restore included.
    pub under_way: Vec<Progress>,
    /// What is kept, newest first.
    pub kept: Vec<KeptBackup>,
}

/// Backups in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackupFigures {
    /// Whether there is a folder for them.
    pub is_on: bool,
    /// How many files are kept.
    pub kept: usize,
    /// How many of them were restored, and held.
    pub proved: usize,
    /// How many of them are not what was written, or could not be restored.
    pub bad: usize,
    /// The bytes of all of them.
    pub bytes: u64,
    /// When the newest one that is not bad was made.
    pub last_made_at: Option<DateTime<Utc>>,
    /// How old that one is.
    pub age: Option<Duration>,
    /// When one was restored for the last time.
    pub last_proof_at: Option<DateTime<Utc>>,
    /// Whether it held.
    pub last_proof_held: Option<bool>,
    /// When the next one is due.
    pub next_due_at: Option<DateTime<Utc>>,
    /// Whether the last attempt to make one went wrong.
    pub has_alert: bool,
}

/// What those who make and prove backups share.
#[derive(Clone)]
pub(super) struct Desk {
    /// One works at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) works: Works,
    alert: Arc<Mutex<Option<Alert>>>,
    tried: Arc<Mutex<Option<schedule::Tried>>>,
    stop: Arc<watch::Sender<bool>>,
    /// Where work goes on when the request is over that asked for it.
    runtime: Handle,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            turn: Arc::default(),
            works: Works::default(),
            alert: Arc::default(),
            tried: Arc::default(),
            stop: Arc::new(watch::Sender::new(false)),
            runtime: Handle::current(),
        }
    }

    fn alert(&self) -> Option<Alert> {
        self.alert.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_alert(&self, alert: Option<Alert>) {
        *self.alert.lock().unwrap_or_else(PoisonError::into_inner) = alert;
    }
}

/// The turn of one who works on the backups.
struct Turn {
    folder: Folder,
    settings: BackupSettings,
    meter: Meter,
    _held: (Held, OwnedMutexGuard<()>),
}

impl Operations {
    /// What is kept, and how things stand.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`]; [`Error::BackupFailed`] if the folder cannot be read.
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn backups(&self, actor: &Actor) -> Result<Backups, Error> {
        actor.require(Permission::Administer)?;
        let kept = self.kept().await?;
        let settings = self.settings.backups.clone();
        let due = settings
            .as_ref()
            .map(|settings| schedule::due(&kept, settings.step(), self.store.clock.now()));
        Ok(Backups {
            settings,
            next_due: due.map(WireTime::from),
            alert: self.desk.alert(),
            under_way: self.desk.works.list(),
            kept,
        })
    }

    /// What is under way: backups, proofs, restores.
    #[must_use]
    pub fn under_way(&self) -> Vec<Progress> {
        self.desk.works.list()
    }

    /// Backups in figures, for whoever watches the server.
    ///
    /// # Errors
    ///
    /// [`Error::BackupFailed`] if the folder cannot be read.
    pub async fn backup_figures(&self) -> Result<BackupFigures, Error> {
        let Some(settings) = &self.settings.backups else { return Ok(BackupFigures::default()) };
        let kept = self.kept().await?;
        let now = self.store.clock.now();
        let instant = |text: &str| WireTime::stored(text).instant();
        let bad =
            |kept: &&KeptBackup| matches!(kept.state(), BackupState::Rotten | BackupState::Failed);
        let newest = kept.iter().find(|kept| kept.counts());
        let last_made_at = newest.and_then(|kept| instant(&kept.note.as_ref()?.made_at));
        let notes = kept.iter().filter_map(|kept| kept.note.as_ref());
        let last_proof = notes.filter_map(|note| note.proofs.first()).max_by_key(|proof| &proof.at);
        Ok(BackupFigures {
            is_on: true,
            kept: kept.len(),
            proved: kept.iter().filter(|kept| kept.state() == BackupState::Proved).count(),
            bad: kept.iter().filter(bad).count(),
            bytes: kept.iter().map(|kept| kept.bytes).sum(),
            last_made_at,
            age: last_made_at.map(|made_at| (now - made_at).to_std().unwrap_or_default()),
            last_proof_at: last_proof.and_then(|proof| instant(&proof.at)),
            last_proof_held: last_proof.map(|proof| proof.holds),
            next_due_at: Some(schedule::due(&kept, settings.step(), now)),
            has_alert: self.desk.alert().is_some(),
        })
    }

    /// Opens a kept backup to be sent. The ledger says that it was.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn open_backup(&self, actor: &Actor, name: &str) -> Result<Backup, Error> {
        let author = actor.require(Permission::Administer)?;
        let (folder, kept) = self.find_backup(name).await?;
        let path = folder.file(&kept.name);
        let backup = off_thread(move || Backup::of_file(name_of(&kept), &path)).await?;
        let facts = json!({ "bytes": backup.bytes, "sha256": backup.sha256 });
        self.tell(&author, Operation::BackupSent, Some(&backup.name), &facts).await?;
        Ok(backup)
    }

    /// Removes a kept backup, also the last one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::UnderWay`] while one is made or proven; [`Error::Denied`],
    /// [`Error::BackupFailed`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn remove_backup(&self, actor: &Actor, name: &str) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let (_, kept) = self.find_backup(name).await?;
        let turn = self.take_turn(Task::Check).await?;
        self.remove_kept(&author, &turn.folder, &kept, "asked for").await
    }

    /// Waits until nobody works on the backups, after telling whoever does to stop. What was begun leaves nothing behind.
    pub async fn stop_backups(&self) {
        self.desk.stop.send_replace(true);
        drop(self.desk.turn.lock().await);
    }

    /// Takes the turn.
    async fn take_turn(&self, task: Task) -> Result<Turn, Error> {
        let settings = self.settings.backups.clone().ok_or(Error::BackupsOff)?;
        let under_way = || Error::UnderWay("another backup or proof");
        let turn = self.desk.turn.clone().try_lock_owned().map_err(|_| under_way())?;
        let folder = Folder::new(&settings.folder);
        let place = folder.clone();
        let held = off_thread(move || Ok(place.hold())).await?;
        let held = held.map_err(|error| unusable(&folder, &error))?.ok_or_else(under_way)?;
        let meter = self.desk.works.begin(task, self.store.clock.now().into());
        Ok(Turn { folder, settings, meter, _held: (held, turn) })
    }

    async fn kept(&self) -> Result<Vec<KeptBackup>, Error> {
        let Some(settings) = &self.settings.backups else { return Ok(Vec::new()) };
        list(&Folder::new(&settings.folder)).await
    }

    async fn find_backup(&self, name: &str) -> Result<(Folder, KeptBackup), Error> {
        let parsed: BackupName = name.parse()?;
        let missing = || Error::not_found(Kind::Backup, name);
        let settings = self.settings.backups.as_ref().ok_or_else(missing)?;
        let folder = Folder::new(&settings.folder);
        let place = folder.clone();
        let found = off_thread(move || Ok(place.find(&parsed))).await?;
        let kept = found.map_err(|error| unusable(&folder, &error))?.ok_or_else(missing)?;
        Ok((folder, kept))
    }

    /// Where a kept backup is.
    pub(super) async fn kept_file(&self, name: &str) -> Result<(PathBuf, KeptBackup), Error> {
        let (folder, kept) = self.find_backup(name).await?;
        Ok((folder.file(&kept.name), kept))
    }

    async fn remove_kept(
        &self,
        author: &Author,
        folder: &Folder,
        kept: &KeptBackup,
        reason: &str,
    ) -> Result<(), Error> {
        let (place, name) = (folder.clone(), kept.name.clone());
        let removed = off_thread(move || Ok(place.remove(&name))).await?;
        removed.map_err(|error| unusable(folder, &error))?;
        tracing::info!(reason, "removed the backup {}", kept.name);
        let sha256 = kept.note.as_ref().map(|note| &note.sha256);
        let facts = json!({ "bytes": kept.bytes, "sha256": sha256, "reason": reason });
        self.tell(author, Operation::BackupRemoved, Some(kept.name.as_str()), &facts).await
    }

    /// Says in the ledger what became of a backup.
    async fn tell(
        &self,
        author: &Author,
        operation: Operation,
        name: Option<&str>,
        facts: &Value,
    ) -> Result<(), Error> {
        let mut entry =
            Entry::new(operation, SubjectKind::Backup, name.unwrap_or_default(), Change::of(facts));
        entry.subject_id = name.map(str::to_owned);
        let mut tx = self.store.db.write().await?;
        tx.record(author, self.store.clock.now(), entry);
        Ok(tx.commit().await?)
    }

    /// Notes that a backup could not be made, where everybody who looks sees it.
    async fn raise_alert(&self, author: &Author, error: &Error) {
        let is_full = matches!(error, Error::Unavailable(Unavailable::Full));
        let reason = match error {
            Error::Unavailable(Unavailable::Full) => {
                "the disk has no room for a backup and its proof".to_owned()
            }
            error => error.to_string(),
        };
        let is_news = self.desk.alert().is_none_or(|alert| alert.reason != reason);
        let at = self.store.clock.now().into();
        self.desk.set_alert(Some(Alert { at, is_full, reason: reason.clone() }));
        if !is_news {
            return;
        }
        let operation = if is_full { Operation::BackupSkipped } else { Operation::BackupFailed };
        tracing::warn!(reason, "no backup was made");
        if let Err(error) = self.tell(author, operation, None, &json!({ "reason": reason })).await {
            tracing::warn!(%error, "the ledger does not say that no backup was made");
        }
    }
}

fn name_of(kept: &KeptBackup) -> String {
    kept.name.as_str().to_owned()
}

async fn list(folder: &Folder) -> Result<Vec<KeptBackup>, Error> {
    let place = folder.clone();
    let listed = off_thread(move || Ok(place.list())).await?;
    listed.map_err(|error| unusable(folder, &error))
}

fn unusable(folder: &Folder, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Unavailable::Full.into()
        }
        _ => Error::BackupFailed(format!("{} cannot be used: {error}", folder.path().display())),
    }
}
