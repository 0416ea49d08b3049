//! Commands about the database as a file: copy it, replace it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::Actor;
use pilotdeck_services::Services;
use pilotdeck_services::operations::{Restored, restore_file};
use pilotdeck_storage::{Claim, Scratch, machine_time_zone};
use tokio::time::interval;

use super::kept::Kept;
use super::{OF_BYTES, bar, open};
use crate::settings::{BackupArgs, BackupPlace, RestoreArgs};

/// How often the copy is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Copies the database, and says how large the copy is and its digest.
pub(crate) async fn back_up(args: &BackupArgs) -> Result<()> {
    let (output, kept) = match args.place()? {
        BackupPlace::File(file) => (file, None),
        BackupPlace::Folder(folder, keep) => {
            let kept = Kept::in_folder(folder, keep)?;
            (kept.name(Clock::default().now()), Some(kept))
        }
    };
    let output = &output;
    if fs::symlink_metadata(output).is_ok() {
        bail!("{} is there already: name another file", output.display());
    }
    let services = Services::new(open(&args.database).await?, Clock::default());
    let copied = copy(&services, output).await;
    services.close().await;
    let (bytes, sha256) =
        copied.with_context(|| format!("{} cannot be written", output.display()))?;
    println!("{}: {bytes} bytes, sha256 {sha256}", output.display());
    // Only now: what did not get a successor stays.
    for removed in kept.map_or(Ok(Vec::new()), |kept| kept.remove_older())? {
        println!("removed {}", removed.display());
    }
    Ok(())
}

async fn copy(services: &Services, output: &Path) -> Result<(u64, String)> {
    let (scratch, _) = Scratch::beside(output, "backup")?;
    let bar = bar(services.operations.backup_bytes().await?, OF_BYTES);
    let actor = Actor::system();
    let copying = services.operations.back_up_to(&actor, scratch.path());
    tokio::pin!(copying);
    let mut looks = interval(LOOK_EVERY);
    let copied = loop {
        tokio::select! {
            copied = &mut copying => break copied?,
            _ = looks.tick() => {
                bar.set_position(fs::metadata(scratch.path()).map_or(0, |found| found.len()));
            }
        }
    };
    bar.finish_and_clear();
    // Under its name there is a whole file or none, and never one in the place of another.
    match fs::hard_link(scratch.path(), output) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            fs::rename(scratch.path(), output)?;
        }
        linked => linked?,
    }
    Ok(copied)
}

/// Makes a file the database, and says where the one before is.
pub(crate) async fn restore(args: &RestoreArgs) -> Result<()> {
    let claim = Claim::of(&args.database.path(), args.force)?;
    let is_served = claim.is_served();
    let restored = restore_file(&args.file, claim, &Clock::default(), &machine_time_zone).await;
    let (Restored { file, previous }, bytes) = restored
        .with_context(|| format!("{} was not restored; nothing changed", args.file.display()))?;
    println!("restored {}: {bytes} bytes, its ledger holds", file.display());
    match previous {
        Some(previous) => println!("as it was before: {}", previous.display()),
        None => println!("there was no database before"),
    }
    if is_served {
        eprintln!(
            "a server still has the file open that was the database before: stop it now, what it writes is lost"
        );
    }
    Ok(())
}
