//! Files beside the database that are on their way to be something: a copy that is being made, an upload.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::StoreError;

/// What stands between the name of the database and the rest of the name.
const MARK: &str = ".tmp-";
/// What SQLite keeps beside a file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A file beside the database, for its owner alone. It is removed when this is dropped; what a process that was killed
/// left behind is removed when the database is opened.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    is_kept: bool,
}

impl Scratch {
    /// Makes an empty file beside `database`; `purpose` is a word for whoever finds it.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn beside(database: &Path, purpose: &str) -> io::Result<(Self, File)> {
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = beside(database, &format!("{MARK}{purpose}-{}-{count}", std::process::id()));
            // Made anew: where a link stands, nothing is written through it.
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)
            {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (Self { path, is_kept: false }, file)),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes its name and keeps its content for whoever reads on; it is gone for good when that file is closed,
    /// however the process ends.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn into_nameless(self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Leaves it where it is: it became something.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

/// Removes what is left of a process that was killed. The right to serve the file must be held: nobody else works
/// beside it.
pub(crate) fn sweep(database: &Path) {
    let Some(name) = database.file_name() else { return };
    let start = |mark: &str| {
        let mut start = name.to_owned();
        start.push(mark);
        start.into_encoded_bytes()
    };
    let (scratch, copy) = (start(MARK), start(COPY));
    let entries = database.parent().and_then(|folder| fs::read_dir(folder).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let found = entry.file_name().into_encoded_bytes();
        if found.starts_with(&scratch) {
            tracing::info!("removed {}, which was left behind", entry.path().display());
            let _ = fs::remove_file(entry.path());
        } else if found.starts_with(&copy) && is_same_file(database, &entry.path()) {
            // A restore ended after it named the file that it was about to replace; as a copy it would change along.
            tracing::info!("removed {}, a second name of the database", entry.path().display());
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What stands between the name of the database and the time of a copy.
const COPY: &str = ".bak.";
/// How that time is written.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// A name beside `database` for what it was before it was changed, which is free.
pub(crate) fn copy_name(database: &Path, now: DateTime<Utc>) -> PathBuf {
    let stamp = now.format(STAMP);
    let mut name = beside(database, &format!("{COPY}{stamp}"));
    let mut turn = 1;
    while name.exists() {
        turn += 1;
        name = beside(database, &format!("{COPY}{stamp}-{turn}"));
    }
    name
}

/// What the database was before it was changed, as far as it was kept: the files, newest first, and when they were.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn previous_files(database: &Path) -> io::Result<Vec<(PathBuf, DateTime<Utc>)>> {
    let Some(name) = database.file_name() else { return Ok(Vec::new()) };
    let mut start = name.to_owned();
    start.push(COPY);
    let start = start.into_encoded_bytes();
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name().into_encoded_bytes();
        let Some(stamp) = name.strip_prefix(&*start) else { continue };
        let Ok(stamp) = std::str::from_utf8(stamp) else { continue };
        let (time, turn) = stamp.split_once('-').unwrap_or((stamp, "1"));
        let (Ok(time), Ok(turn)) =
            (NaiveDateTime::parse_from_str(time, STAMP), turn.parse::<u32>())
        else {
            continue;
        };
        // Neither links nor pipes: only what PilotDeck put there.
        if entry.file_type()?.is_file() {
            found.push((time.and_utc(), turn, entry.path()));
        }
    }
    found.sort_by(|one, other| other.cmp(one));
    Ok(found.into_iter().map(|(time, _, path)| (path, time)).collect())
}

/// The path of the database and `ending`.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Removes a database file and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    remove_companions(path);
}

/// Removes what SQLite keeps beside a file.
pub(crate) fn remove_companions(path: &Path) {
    for companion in COMPANIONS {
        let _ = fs::remove_file(beside(path, companion));
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let one = id(one);
    one.is_some() && one == id(other)
}

/// How many bytes may still be written beside `database`.
///
/// # Errors
///
/// If the file system does not say.
pub fn room_beside(database: &Path) -> Result<u64, StoreError> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let found = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).map_err(io::Error::from)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_swept_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");
        fs::write(&database, "database").unwrap();
        let names = ["pm.db.tmp-upload-1-0", "pm.db.tmp-upload-1-0-wal"];
        let stay = ["pm.db.bak.20260211T150000Z", "pm.db.secret", "other.db.tmp-upload-1-0"];
        for name in names.iter().chain(&stay) {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let second_name = folder.path().join("pm.db.bak.20260211T150001Z");
        fs::hard_link(&database, &second_name).unwrap();

        sweep(&database);

        assert!(database.exists() && !second_name.exists());
        assert!(names.iter().all(|name| !folder.path().join(name).exists()));
        assert!(stay.iter().all(|name| folder.path().join(name).exists()));
    }

    #[test]
    fn a_scratch_file_is_its_owners_and_goes_with_what_sqlite_put_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");

        let (scratch, file) = Scratch::beside(&database, "copy").unwrap();
        fs::write(beside(scratch.path(), "-wal"), "").unwrap();
        let mode = file.metadata().unwrap().mode() & 0o777;
        drop(scratch);

        assert_eq!(mode, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}
