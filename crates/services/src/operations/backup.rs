//! Backups: copies of one state of the database, while others write.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Operations, off_thread, to_the_end};
use crate::Error;
use crate::identity::hex;

/// Bytes that are read at a time: to be sent, and to be hashed.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes that are read at a time where nobody waits for each piece.
const READ_BYTES: usize = 4 << 20;

/// A copy of the database, read piece by piece. It has no name on the disk any more, and is gone when this is dropped.
#[derive(Debug)]
pub struct Backup {
    /// What a file with it should be called.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The SHA-256 of them, in lowercase hexadecimal digits.
    pub sha256: String,
    file: Option<File>,
}

impl Operations {
    /// Makes a copy of the database as it is now. The ledger has a line about it, which the copy does not have yet.
    ///
    /// # Errors
    ///
    /// [`crate::Unavailable::Full`] if there is no room for it; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn back_up(&self, actor: &Actor) -> Result<Backup, Error> {
        let author = actor.require(Permission::Administer)?;
        let operations = self.clone();
        to_the_end(async move { operations.copy(&author).await }).await
    }

    async fn copy(&self, author: &Author) -> Result<Backup, Error> {
        let turn = self.copying.acquire().await;
        let scratch = self.store.db.copy(self.settings.reserve_bytes).await?;
        drop(turn);
        let (file, bytes, sha256) = off_thread(move || {
            let mut file = scratch.into_nameless()?;
            let (bytes, sha256) = digest(&mut file)?;
            file.rewind()?;
            Ok((file, bytes, sha256))
        })
        .await?;
        let name = format!("pm_backup_{}.db", self.store.clock.now().format("%Y%m%dT%H%M%SZ"));
        self.say_copied(author, bytes, &sha256).await?;
        Ok(Backup { name, bytes, sha256, file: Some(file) })
    }

    /// Copies the database as it is now to `target`, an empty file; returns its bytes and their SHA-256.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    pub async fn back_up_to(&self, actor: &Actor, target: &Path) -> Result<(u64, String), Error> {
        let author = actor.require(Permission::Administer)?;
        self.store.db.copy_to(target).await?;
        let target = target.to_owned();
        let (bytes, sha256) = off_thread(move || {
            let mut file = File::open(target)?;
            file.sync_all()?;
            digest(&mut file)
        })
        .await?;
        self.say_copied(&author, bytes, &sha256).await?;
        Ok((bytes, sha256))
    }

    /// About how many bytes a backup has.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn backup_bytes(&self) -> Result<u64, Error> {
        Ok(self.store.db.bytes().await?)
    }

    async fn say_copied(&self, author: &Author, bytes: u64, sha256: &str) -> Result<(), Error> {
        let change = Change::of(&json!({ "bytes": bytes, "sha256": sha256 }));
        let mut tx = self.store.db.write().await?;
        tx.record(author, self.store.clock.now(), entry(Operation::DatabaseBackedUp, change));
        tx.commit().await?;
        tracing::info!(bytes, sha256, "made a backup");
        Ok(())
    }
}

impl Backup {
    /// A file that is kept.
    pub(super) fn of_file(name: String, path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (bytes, sha256) = digest(&mut file)?;
        file.rewind()?;
        Ok(Self { name, bytes, sha256, file: Some(file) })
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let (file, piece) = off_thread(move || {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
            Ok((file, piece))
        })
        .await?;
        if piece.is_empty() {
            return Ok(None);
        }
        self.file = Some(file);
        Ok(Some(piece))
    }
}

/// How many bytes a file has, and the SHA-256 of them.
pub(super) fn digest(file: &mut File) -> io::Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((bytes, hex(&digest.finalize())));
        }
        digest.update(&piece[..read]);
        bytes += read as u64;
    }
}

/// Reads a file to its end, and writes it to `sink` on the way; says how many bytes that were, and their SHA-256. Between
/// two pieces it can be given up, and `reach` hears how far it is.
pub(super) async fn through(
    source: File,
    sink: Option<File>,
    reach: impl Fn(u64),
) -> Result<(u64, String, Option<File>), Error> {
    let (mut source, mut sink, mut digest, mut bytes) = (source, sink, Sha256::new(), 0);
    loop {
        let read;
        (source, sink, digest, read) = off_thread(move || {
            let mut piece = Vec::with_capacity(READ_BYTES);
            (&mut source).take(READ_BYTES as u64).read_to_end(&mut piece)?;
            digest.update(&piece);
            if let Some(sink) = &mut sink {
                sink.write_all(&piece)?;
            }
            Ok((source, sink, digest, piece.len()))
        })
        .await?;
        if read == 0 {
            return Ok((bytes, hex(&digest.finalize()), sink));
        }
        bytes += read as u64;
        reach(bytes);
    }
}

/// A line about the database as a whole.
pub(super) fn entry(operation: Operation, change: Change) -> Entry {
    let mut entry = Entry::new(operation, SubjectKind::Database, "", change);
    entry.subject_id = None;
    entry
}
