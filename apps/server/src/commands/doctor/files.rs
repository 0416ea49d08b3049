//! The files: whose they are, who else may touch them, and what room is left for them.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pilotdeck_storage::room_beside;

use super::Findings;
use crate::secret;
use crate::settings::{self, beside};

const FILES: &str = "permissions";
const DISK: &str = "disk";
const BACKUPS: &str = "backups";
/// What the server keeps free.
const RESERVE: u64 = pilotdeck_services::operations::RESERVE_BYTES;
/// Less than this much is soon used up.
const SCARCE: u64 = 1 << 30;
/// A backup older than this would lose too much.
const OLD: Duration = Duration::from_hours(48);

pub(super) fn check(database: &Path, findings: &mut Findings) {
    permissions(database, findings);
    disk(database, findings);
    backups(database, findings);
}

/// What others may do with a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    /// Nothing.
    Owner,
    /// Nothing either, but it is no key.
    Data,
}

fn permissions(database: &Path, findings: &mut Findings) {
    let ledger_key = secret::ledger_key_path(database, settings::ledger_key());
    let files = [
        (database.to_owned(), Secrecy::Data),
        (beside(database, "-wal"), Secrecy::Data),
        (beside(database, "-shm"), Secrecy::Data),
        (beside(database, ".secret"), Secrecy::Owner),
        (ledger_key, Secrecy::Owner),
    ];
    let user = rustix::process::geteuid().as_raw();
    for (file, secrecy) in &files {
        match fs::metadata(file) {
            Ok(found) => permission(file, &found, *secrecy, user, findings),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => findings.fail(
                FILES,
                format!("{} cannot be looked at: {error}", file.display()),
                "run this as the user of the server",
            ),
        }
    }
    let folder = folder_of(database);
    if let Ok(found) = fs::metadata(folder)
        && found.mode() & 0o022 != 0
        && found.mode() & 0o1000 == 0
    {
        findings.warn(
            FILES,
            format!(
                "others may replace files in {} (mode {:04o})",
                folder.display(),
                found.mode() & 0o7777
            ),
            format!("chmod go-w {}", folder.display()),
        );
    }
    if findings.is_fine(FILES) {
        findings.ok(FILES, "the database and its keys are their owner's alone");
    }
}

fn permission(path: &Path, found: &Metadata, secrecy: Secrecy, user: u32, findings: &mut Findings) {
    let (mode, shown) = (found.mode() & 0o777, path.display());
    let step = format!("chmod 600 {shown}");
    if mode & 0o022 != 0 || (mode & 0o077 != 0 && secrecy == Secrecy::Owner) {
        findings.fail(FILES, format!("others may use {shown} (mode {mode:04o})"), step);
    } else if mode & 0o044 != 0 {
        findings.warn(FILES, format!("others may read {shown} (mode {mode:04o})"), step);
    }
    if found.uid() != user {
        findings.warn(
            FILES,
            format!("{shown} belongs to user {}, and this is user {user}", found.uid()),
            format!("run this as the user of the server, or: chown {user} {shown}"),
        );
    }
}

fn disk(database: &Path, findings: &mut Findings) {
    let folder = folder_of(database).display();
    let free = match room_beside(database) {
        Ok(free) => free,
        Err(error) => {
            let step = "make the folder, or name another database (PM_DB_FILE)";
            return findings.fail(DISK, format!("{folder} cannot be looked at: {error}"), step);
        }
    };
    let size = fs::metadata(database).map_or(0, |found| found.len());
    let shown = format!("{} free for {folder}", megabytes(free));
    if free < RESERVE {
        findings.fail(
            DISK,
            format!("{shown}: nothing more is restored or copied"),
            "make room on that disk now",
        );
    } else if free < SCARCE.max(size) {
        findings.warn(
            DISK,
            format!("{shown}, and the database has {}", megabytes(size)),
            "make room on that disk: a backup or a restore needs as much again",
        );
    } else {
        findings.ok(DISK, shown);
    }
}

/// Backups are looked for where they are kept, and beside the database.
fn backups(database: &Path, findings: &mut Findings) {
    let kept = settings::backup_folder();
    if let Some(folder) = &kept {
        let writable = tempfile_in(folder);
        if let Err(error) = writable {
            return findings.fail(
                BACKUPS,
                format!("nothing can be written to {}: {error}", folder.display()),
                format!(
                    "make it, and give it to the user of the server: mkdir -p {0} && chmod 700 {0}",
                    folder.display()
                ),
            );
        }
    }
    let folders: Vec<PathBuf> = kept.into_iter().chain([folder_of(database).to_owned()]).collect();
    let name = database.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".bak.";
    let newest = folders.iter().filter_map(|folder| newest(folder, &name).ok().flatten()).max();
    let step = "make one now: pilotdeck backup --output FILE, best on another disk";
    match newest.map(|newest| SystemTime::now().duration_since(newest).unwrap_or_default()) {
        None => findings.warn(BACKUPS, "there is none where this looks for them", step),
        Some(age) if age > OLD => {
            findings.warn(
                BACKUPS,
                format!("the newest is {} hours old", age.as_secs() / 3_600),
                step,
            );
        }
        Some(age) => {
            findings.ok(BACKUPS, format!("the newest is {} hours old", age.as_secs() / 3_600));
        }
    }
}

/// Writes a file and removes it again.
fn tempfile_in(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".pilotdeck-doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(&file)
}

/// When the newest backup in a folder was written.
fn newest(folder: &Path, of_database: &str) -> io::Result<Option<SystemTime>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_backup = name.starts_with(of_database)
            || (name.starts_with("pm_backup_") && name.strip_suffix(".db").is_some());
        if is_backup {
            newest = newest.max(entry.metadata()?.modified().ok());
        }
    }
    Ok(newest)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
