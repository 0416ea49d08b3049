//! The files: whose they are, who else may touch them, and what room is left for them.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pilotdeck_services::operations::BackupSettings;
use pilotdeck_storage::room_beside;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::Findings;
use crate::secret;
use crate::settings::{self, Settings, beside};

const FILES: &str = "permissions";
const DISK: &str = "disk";
pub(super) const BACKUPS: &str = "backups";
/// What the server keeps free.
const RESERVE: u64 = pilotdeck_services::operations::RESERVE_BYTES;
/// Less than this much is soon used up.
const SCARCE: u64 = 1 << 30;
/// A backup older than this would lose too much.
const OLD: Duration = Duration::from_hours(48);

pub(super) fn check(database: &Path, settings: Option<&Settings>, findings: &mut Findings) {
    permissions(database, findings);
    disk(database, findings);
    match settings.map(|settings| settings.backups.as_ref()) {
        Some(Some(backups)) => scheduled(backups, findings),
        Some(None) => unscheduled(database, findings),
        // What is wrong with the settings is said already.
        None => {}
    }
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

/// Without a schedule, backups are looked for beside the database.
fn unscheduled(database: &Path, findings: &mut Findings) {
    let name = database.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".bak.";
    let newest = newest(folder_of(database), &name).ok().flatten();
    let step = "let the server make them (PM_BACKUP_DIR), best on another disk";
    match newest.map(|newest| SystemTime::now().duration_since(newest).unwrap_or_default()) {
        None => findings.warn(BACKUPS, "none is made by a schedule, and none is here", step),
        Some(age) if age > OLD => {
            let hours = age.as_secs() / 3_600;
            findings.warn(BACKUPS, format!("the newest one here is {hours} hours old"), step);
        }
        Some(age) => {
            let hours = age.as_secs() / 3_600;
            findings.ok(BACKUPS, format!("the newest one here is {hours} hours old"));
        }
    }
}

/// Whether the server can keep backups where it is to.
fn scheduled(settings: &BackupSettings, findings: &mut Findings) {
    let folder = settings.folder.display();
    match access(&settings.folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => {}
        Err(Errno::NOENT) => {
            let step = format!("mkdir -p -m 700 {folder}, and give it to the user of the server");
            findings.warn(BACKUPS, format!("{folder} is not there yet"), step);
        }
        Err(error) => {
            let message = format!("nothing can be written to {folder}: {error}");
            findings.fail(BACKUPS, message, "give it to the user of the server: chown");
        }
    }
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
