//! The folder with the kept backups: each is a database file, and a note beside it that says what was written.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::Kind;

const START: &str = "pm_backup_";
const ENDING: &str = ".db";
const NOTE: &str = ".json";
/// What stands in the name of a file that is being made.
const SCRATCH: &str = ".db.tmp-";
/// Held by whoever makes, proves or removes.
const LOCK: &str = ".pm_backups.lock";
const STAMP: &str = "%Y%m%dT%H%M%SZ";
/// The characters of a time in a name.
const STAMP_LENGTH: usize = "20260211T150000Z".len();
/// What a note says that it is.
const KIND: &str = "pilotdeck.backup/1";
/// The most bytes of a note that are read.
const MAX_NOTE_BYTES: u64 = 1 << 20;
/// The most backups of one second.
const MAX_TURN: u32 = 999;

/// The name of a kept backup: `pm_backup_<time>.db`, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupName {
    made_at: DateTime<Utc>,
    /// From 1: there may be several of one second.
    turn: u32,
    text: String,
}

impl BackupName {
    fn new(made_at: DateTime<Utc>, turn: u32) -> Self {
        let stamp = made_at.format(STAMP);
        let text = match turn {
            1 => format!("{START}{stamp}{ENDING}"),
            turn => format!("{START}{stamp}-{turn}{ENDING}"),
        };
        Self { made_at, turn, text }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When the backup was made, to the second.
    #[must_use]
    pub const fn made_at(&self) -> DateTime<Utc> {
        self.made_at
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for BackupName {
    type Err = Error;

    /// Takes a name as it is written, and nothing that only looks like one: it becomes part of a path.
    fn from_str(raw: &str) -> Result<Self, Error> {
        let parse = || {
            let stem = raw.strip_prefix(START)?.strip_suffix(ENDING)?;
            let stamp = stem.get(..STAMP_LENGTH)?;
            let turn = match stem.get(STAMP_LENGTH..)? {
                "" => 1,
                more => more.strip_prefix('-')?.parse().ok().filter(|turn| *turn <= MAX_TURN)?,
            };
            let made_at = NaiveDateTime::parse_from_str(stamp, STAMP).ok()?.and_utc();
            let name = Self::new(made_at, turn);
            (name.text == raw).then_some(name)
        };
        parse().ok_or_else(|| Error::not_found(Kind::Backup, raw))
    }
}

/// What a note says of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupNote {
    #[serde(rename = "type")]
    kind: String,
    /// How many bytes were written.
    pub bytes: u64,
    /// The SHA-256 of them, in lowercase hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    pub made_at: String,
    /// When it was due; null if somebody asked for it.
    pub due_at: Option<String>,
    /// The place of the last line of its ledger.
    pub ledger_seq: i64,
    /// The hash of that line.
    pub ledger_hash: String,
    /// How many rows each table has.
    pub rows: BTreeMap<String, i64>,
    /// What was last found when the file was compared with what was written.
    pub check: Option<Finding>,
    /// What was found when it was restored, newest first.
    pub proofs: Vec<Finding>,
}

/// What was found, when a backup was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// When.
    pub at: String,
    /// Whether all was as it should be.
    pub holds: bool,
    /// What was not, for a person.
    pub reason: Option<String>,
    /// How long the look took.
    pub took_ms: u64,
}

impl BackupNote {
    pub(super) fn new(bytes: u64, sha256: String, made_at: String, due_at: Option<String>) -> Self {
        Self {
            kind: KIND.to_owned(),
            bytes,
            sha256,
            made_at,
            due_at,
            ledger_seq: 0,
            ledger_hash: String::new(),
            rows: BTreeMap::new(),
            check: None,
            proofs: Vec::new(),
        }
    }

    /// Whether its bytes were not those that were written, when they were last looked at.
    #[must_use]
    pub fn is_rotten(&self) -> bool {
        self.check.as_ref().is_some_and(|check| !check.holds)
    }

    /// Whether it was restored, and held, the last time that it was tried.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.proofs.first().is_some_and(|proof| proof.holds)
    }

    fn has_failed(&self) -> bool {
        self.proofs.first().is_some_and(|proof| !proof.holds)
    }
}

/// A backup that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBackup {
    /// The name of its file.
    pub name: BackupName,
    /// How many bytes the file has.
    pub bytes: u64,
    /// What was written; none if nothing is known of that: somebody put the file there.
    pub note: Option<BackupNote>,
}

/// How a kept backup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupState {
    /// It was restored to a file of its own, and held.
    Proved,
    /// It was not restored yet.
    Unproved,
    /// It was restored and did not hold, or could not be restored.
    Failed,
    /// Its bytes are not those that were written.
    Rotten,
}

impl BackupState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Unproved => "unproved",
            Self::Failed => "failed",
            Self::Rotten => "rotten",
        }
    }
}

impl KeptBackup {
    /// How it stands.
    #[must_use]
    pub fn state(&self) -> BackupState {
        match &self.note {
            Some(note) if note.is_rotten() => BackupState::Rotten,
            Some(note) if note.is_proved() => BackupState::Proved,
            Some(note) if note.has_failed() => BackupState::Failed,
            _ => BackupState::Unproved,
        }
    }

    /// Whether it is one of those that are to be kept: written by PilotDeck, and nothing is known against it.
    pub(super) fn counts(&self) -> bool {
        self.note.is_some() && matches!(self.state(), BackupState::Proved | BackupState::Unproved)
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// The right to change what is in the folder; no other process has it.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "open is what it is for")] File);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &BackupName) -> PathBuf {
        self.0.join(name.as_str())
    }

    fn note(&self, name: &BackupName) -> PathBuf {
        self.0.join(format!("{}{NOTE}", name.as_str().trim_end_matches(ENDING)))
    }

    /// Makes the folder for its owner alone, if it is not there, takes the right to change it, and removes what a process
    /// that was killed left behind. None if another process has the right.
    pub(super) fn hold(&self) -> io::Result<Option<Held>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(self.0.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(START) && (name.contains(SCRATCH) || name.ends_with(".json.new")) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Some(Held(lock)))
    }

    /// A name for a backup that is made now.
    pub(super) fn free_name(&self, now: DateTime<Utc>) -> io::Result<BackupName> {
        let mut names = (1..=MAX_TURN).map(|turn| BackupName::new(now, turn));
        let is_free = |name: &BackupName| !self.file(name).exists() && !self.note(name).exists();
        names
            .find(is_free)
            .ok_or_else(|| io::Error::other("there are too many backups of one second"))
    }

    /// What is kept, newest first. Links, pipes and whatever else is no file of its own are none.
    pub(super) fn list(&self) -> io::Result<Vec<KeptBackup>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut kept = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().and_then(|name| name.parse().ok());
            let Some(name) = name else { continue };
            let found = match entry.metadata() {
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            if found.is_file() {
                let note = self.read_note(&name);
                kept.push(KeptBackup { name, bytes: found.len(), note });
            }
        }
        let place = |kept: &KeptBackup| (kept.name.made_at, kept.name.turn);
        kept.sort_by_key(|kept| std::cmp::Reverse(place(kept)));
        Ok(kept)
    }

    /// The backup of this name, if it is kept.
    pub(super) fn find(&self, name: &BackupName) -> io::Result<Option<KeptBackup>> {
        match fs::symlink_metadata(self.file(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(found) if !found.is_file() => Ok(None),
            Ok(found) => {
                let (name, bytes) = (name.clone(), found.len());
                let note = self.read_note(&name);
                Ok(Some(KeptBackup { name, bytes, note }))
            }
        }
    }

    /// The backups that there are notes of, and no files.
    pub(super) fn lost(&self) -> io::Result<Vec<BackupName>> {
        let mut lost = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let file = entry?.file_name().into_string().unwrap_or_default();
            let name =
                file.strip_suffix(NOTE).and_then(|stem| format!("{stem}{ENDING}").parse().ok());
            let Some(name) = name else { continue };
            if fs::symlink_metadata(self.file(&name)).is_err() {
                lost.push(name);
            }
        }
        Ok(lost)
    }

    /// What cannot be read as a note is none: then nothing is known of what was written.
    fn read_note(&self, name: &BackupName) -> Option<BackupNote> {
        let path = self.note(name);
        if !fs::symlink_metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = String::new();
        File::open(path).ok()?.take(MAX_NOTE_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok().filter(|note: &BackupNote| note.kind == KIND)
    }

    /// Writes a note whole, or not at all.
    pub(super) fn write_note(&self, name: &BackupName, note: &BackupNote) -> io::Result<()> {
        let path = self.note(name);
        let next = path.with_extension("json.new");
        let _ = fs::remove_file(&next);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        let text = serde_json::to_string_pretty(note).map_err(io::Error::other)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&next, &path)?;
        self.sync()
    }

    /// Removes a backup and its note. The file first: a note alone says that something is gone.
    pub(super) fn remove(&self, name: &BackupName) -> io::Result<()> {
        for path in [self.file(name), self.note(name)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_as_it_is_written_and_in_no_other_way() {
        for right in ["pm_backup_20260211T150000Z.db", "pm_backup_20260211T150000Z-2.db"] {
            assert_eq!(right.parse::<BackupName>().unwrap().as_str(), right);
        }
        for wrong in [
            "",
            "pm_backup_.db",
            "pm_backup_20260211T150000Z",
            "pm_backup_20260211T150000Z.db.tmp-backup-1-1",
            "pm_backup_20260211T150000Z-1.db",
            "pm_backup_20260211T150000Z-02.db",
            "pm_backup_20260211T150000Z-+2.db",
            "pm_backup_20260211T150000Z-1000.db",
            "pm_backup_20261311T150000Z.db",
            "pm_backup_20260211T1500 0Z.db",
            "pm_backup_20260211T150000Z.DB",
            "../pm_backup_20260211T150000Z.db",
            "pm_backup_20260211T150000Z/../pm.db",
            "pm_backup_20260211T150000Z.db/",
            "pm_backup_20260211T150000Z\0.db",
            "pm_backup_20260211T150000é.db",
            "pm.db",
        ] {
            assert!(wrong.parse::<BackupName>().is_err(), "{wrong}");
        }
    }
}
