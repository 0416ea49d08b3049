//! Restoring: an uploaded file becomes the database.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Change, Operation};
use pilotdeck_storage::{
    Candidate, CandidateError, Claim, LocalTime, Scratch, StoreError, room_beside,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;
use tokio::time::interval;

use super::backup::{entry, through};
use super::progress::{Meter, Phase, Task, Works};
use super::{Operations, off_thread, to_the_end};
use crate::identity::hex;
use crate::{Error, Services, Unavailable, ledger};

/// Bytes that are gathered before they are written.
const GATHERED_BYTES: usize = 1 << 20;
/// Bytes after which the disk is asked again whether it has room.
const LOOK_EVERY_BYTES: u64 = 64 << 20;
/// How often it is looked how far a verification is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A file that is being uploaded. It is gone when this is dropped.
pub struct Upload {
    scratch: Scratch,
    /// None while it is being written.
    file: Option<File>,
    digest: Sha256,
    gathered: Vec<u8>,
    bytes: u64,
    most: u64,
    reserve: u64,
    looked_at: u64,
    meter: Meter,
    /// There is one at a time.
    _turn: OwnedMutexGuard<()>,
}

/// A database that took the place of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The database.
    pub file: PathBuf,
    /// The file that was the database before, if there was one.
    pub previous: Option<PathBuf>,
}

impl Operations {
    /// Begins to take a database file.
    ///
    /// # Errors
    ///
    /// [`Error::UnderWay`] if there is another one; [`Unavailable::Full`] if there is no room for `announced` bytes;
    /// [`Error::TooLarge`], [`Error::Denied`], [`Error::Store`].
    pub async fn begin_upload(
        &self,
        actor: &Actor,
        announced: Option<u64>,
    ) -> Result<Upload, Error> {
        actor.require(Permission::Administer)?;
        let turn = self.restoring.clone().try_lock_owned();
        let turn = turn.map_err(|_| Error::UnderWay("another restore"))?;
        let (most, reserve) = (self.settings.max_restore_bytes, self.settings.reserve_bytes);
        // What is around the file in the request is little.
        if announced.is_some_and(|bytes| bytes > most.saturating_add(GATHERED_BYTES as u64)) {
            return Err(Error::TooLarge { most });
        }
        let room = room_beside(self.store.db.path())?;
        if announced.unwrap_or_default().saturating_add(reserve) > room {
            return Err(Unavailable::Full.into());
        }
        let database = self.store.db.path().to_owned();
        let (scratch, file) = off_thread(move || Scratch::beside(&database, "upload")).await?;
        let meter = self.desk.works.begin(Task::Restore, self.store.clock.now().into());
        meter.phase(Phase::Uploading, announced);
        Ok(Upload {
            scratch,
            file: Some(file),
            digest: Sha256::new(),
            gathered: Vec::new(),
            bytes: 0,
            most,
            reserve,
            looked_at: 0,
            meter,
            _turn: turn,
        })
    }

    /// Makes a kept backup the database, as if it were uploaded.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::NoDatabase`] if its bytes are not those that were written; as
    /// [`Operations::begin_upload`] and [`Operations::restore`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn restore_backup(&self, actor: &Actor, name: &str) -> Result<Restored, Error> {
        actor.require(Permission::Administer)?;
        let (path, kept) = self.kept_file(name).await?;
        let mut upload = self.begin_upload(actor, Some(kept.bytes)).await?;
        upload.meter.about(kept.name.as_str());
        let mut source = off_thread(move || File::open(path)).await?;
        loop {
            let piece;
            (source, piece) = off_thread(move || {
                let mut piece = Vec::with_capacity(GATHERED_BYTES);
                (&mut source).take(GATHERED_BYTES as u64).read_to_end(&mut piece)?;
                Ok((source, piece))
            })
            .await?;
            if piece.is_empty() {
                break;
            }
            upload.write(&piece).await?;
        }
        upload.write_gathered().await?;
        let sha256 = hex(&upload.digest.clone().finalize());
        if kept.note.is_some_and(|note| note.sha256 != sha256) {
            return Err(Error::NoDatabase("its bytes are not those that were written".to_owned()));
        }
        self.restore(actor, upload).await
    }

    /// Makes the uploaded file the database: examines it, brings it up to date, verifies its ledger, and then switches.
    /// The file before stays beside it. Whatever fails, the database is what it was.
    ///
    /// # Errors
    ///
    /// [`Error::NoDatabase`] if the file cannot be the database; [`Error::WouldBeOpen`]; [`Unavailable::Busy`] if
    /// somebody does not let go of the database; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn restore(&self, actor: &Actor, upload: Upload) -> Result<Restored, Error> {
        let author = actor.require(Permission::Administer)?;
        let operations = self.clone();
        to_the_end(async move { operations.take(&author, upload).await }).await
    }

    async fn take(&self, author: &Author, mut upload: Upload) -> Result<Restored, Error> {
        upload.write_gathered().await?;
        let Upload { scratch, digest, bytes, meter, _turn: turn, .. } = upload;
        meter.phase(Phase::Examining, None);
        let now = self.store.clock.now();
        let local_time = Arc::clone(&self.settings.local_time);
        let candidate = Candidate::examine(scratch, &*local_time, now).await?;
        let previous = self.store.db.name_for_previous(now);
        let sha256 = hex(&digest.finalize());
        let change = change(&candidate, bytes, &sha256, Some(&previous));
        let said = (Operation::DatabaseRestored, change);
        let is_reachable = self.settings.is_reachable;
        let clock = &self.store.clock;
        let next = prepare(candidate, clock, is_reachable, author, said, &meter).await?;
        meter.phase(Phase::Switching, None);
        self.store.db.replace(next, &previous).await?;
        self.ledger.forget_verification();
        self.stream.restart().await;
        drop((meter, turn));
        let file = self.database_file();
        tracing::warn!(
            bytes,
            "the database was restored: {}; as it was before: {}",
            file.display(),
            previous.display()
        );
        Ok(Restored { file, previous: Some(previous) })
    }
}

/// Makes `source` the database that `claim` is about. The file before stays beside it.
///
/// # Errors
///
/// [`Error::NoDatabase`] if the file cannot be the database; [`Unavailable::Full`], [`Unavailable::Busy`],
/// [`Error::Store`].
pub async fn restore_file(
    source: &Path,
    claim: Claim,
    clock: &Clock,
    local_time: &LocalTime,
    works: &Works,
) -> Result<(Restored, u64), Error> {
    let author = Actor::system().require(Permission::Administer)?;
    let meter = works.begin(Task::Restore, clock.now().into());
    let (from, database) = (source.to_owned(), claim.path().to_owned());
    let ((from, length), (scratch, target)) =
        off_thread(move || Ok((plain_file(&from)?, Scratch::beside(&database, "upload")?))).await?;
    meter.phase(Phase::Uploading, Some(length));
    let (bytes, sha256, _) = through(from, Some(target), |done| meter.reach(done)).await?;
    meter.phase(Phase::Examining, None);
    let now = clock.now();
    let candidate = Candidate::examine(scratch, local_time, now).await?;
    let previous = claim.name_for_previous(now);
    let change = change(&candidate, bytes, &sha256, previous.as_deref());
    let said = (Operation::DatabaseRestored, change);
    let next = prepare(candidate, clock, false, &author, said, &meter).await?;
    Ok((put(claim, next, previous, &meter).await?, bytes))
}

/// Puts a file that was prepared in the place of the database.
pub(super) async fn put(
    claim: Claim,
    next: Scratch,
    previous: Option<PathBuf>,
    meter: &Meter,
) -> Result<Restored, Error> {
    meter.phase(Phase::Switching, None);
    let file = claim.path().to_owned();
    claim.replace(next, previous.as_deref()).await?;
    Ok(Restored { file, previous })
}

/// Opens a file, also through links; says how many bytes it has.
pub(super) fn plain_file(source: &Path) -> std::io::Result<(File, u64)> {
    // Looked at first: opening a pipe would wait for somebody to write.
    let found = std::fs::metadata(source)?;
    if !found.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    Ok((File::open(source)?, found.len()))
}

/// What the ledger says of a restore.
fn change(candidate: &Candidate, bytes: u64, sha256: &str, previous: Option<&Path>) -> Change {
    let previous = previous.and_then(Path::file_name).map(|name| name.to_string_lossy());
    Change::of(&json!({
        "bytes": bytes,
        "sha256": sha256,
        "fromVersion": candidate.report().from_version,
        "previous": previous,
    }))
}

/// Proves the ledger of a candidate, looks who could sign in, and says in it that it becomes the database.
pub(super) async fn prepare(
    candidate: Candidate,
    clock: &Clock,
    is_reachable: bool,
    author: &Author,
    said: (Operation, Change),
    meter: &Meter,
) -> Result<Scratch, Error> {
    let services = Services::new(candidate.database().clone(), clock.clone());
    let prepared = prove(&services, is_reachable, author, said, meter).await;
    services.close().await;
    let next = candidate.close().await;
    prepared.map(|()| next)
}

async fn prove(
    services: &Services,
    is_reachable: bool,
    author: &Author,
    (operation, change): (Operation, Change),
    meter: &Meter,
) -> Result<(), Error> {
    meter.phase(Phase::Verifying, None);
    verified(services, meter).await?;
    services.identity.ensure_somebody().await?;
    if is_reachable && services.identity.default_password_in_use().await? {
        return Err(Error::WouldBeOpen);
    }
    let mut tx = services.store.db.write().await?;
    tx.record(author, services.clock().now(), entry(operation, change));
    Ok(tx.commit().await?)
}

/// Verifies the ledger of a database that was just opened.
pub(super) async fn verified(services: &Services, meter: &Meter) -> Result<(), Error> {
    let actor = Actor::system();
    let verifying = services.ledger.verify(&actor);
    tokio::pin!(verifying);
    let mut looks = interval(LOOK_EVERY);
    let verification = loop {
        tokio::select! {
            verification = &mut verifying => break verification?,
            _ = looks.tick() => {
                let progress = services.ledger.verifications(&actor)?.running;
                if let Some(ledger::Progress { line, of_lines }) = progress {
                    meter.reach_of(line.unsigned_abs(), of_lines.unsigned_abs());
                }
            }
        }
    };
    match verification.faults.first() {
        None => Ok(()),
        Some(fault) => Err(Error::NoDatabase(format!(
            "its ledger does not hold at seq {}: {}",
            fault.seq, fault.reason
        ))),
    }
}

impl Upload {
    /// Adds what arrived.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; [`Unavailable::Full`]; [`Error::Store`].
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.most {
            return Err(Error::TooLarge { most: self.most });
        }
        self.gathered.extend_from_slice(piece);
        self.meter.reach(self.bytes);
        if self.gathered.len() < GATHERED_BYTES {
            return Ok(());
        }
        if self.bytes - self.looked_at > LOOK_EVERY_BYTES {
            self.looked_at = self.bytes;
            if room_beside(self.scratch.path())? < self.reserve {
                return Err(Unavailable::Full.into());
            }
        }
        self.write_gathered().await
    }

    async fn write_gathered(&mut self) -> Result<(), Error> {
        let gathered = std::mem::take(&mut self.gathered);
        let gone = || StoreError::File(std::io::Error::other("an upload was given up half-way"));
        let mut file = self.file.take().ok_or_else(gone)?;
        let mut digest = self.digest.clone();
        (self.file, self.digest) = off_thread(move || {
            file.write_all(&gathered)?;
            digest.update(&gathered);
            Ok((Some(file), digest))
        })
        .await?;
        Ok(())
    }
}

impl From<CandidateError> for Error {
    fn from(error: CandidateError) -> Self {
        match error {
            CandidateError::Store(error) => error.into(),
            CandidateError::Damaged(reason) => {
                tracing::info!(reason, "an uploaded file is no whole database");
                Self::NoDatabase("integrity_check failed".to_owned())
            }
            other => Self::NoDatabase(other.to_string()),
        }
    }
}
