//! Commands about the database as a file: copy it, replace it.

use std::fs;
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::Actor;
use pilotdeck_services::Services;
use pilotdeck_services::operations::{Restored, Works, import_archive, restore_file};
use pilotdeck_storage::{Claim, Scratch, StoreError, machine_time_zone};
use tokio::time::interval;

use super::{LOOK_EVERY, OF_BYTES, bar, open, shown, write_to};
use crate::settings::{BackupArgs, ImportArgs, OutputArgs, RestoreArgs};

/// Copies the database, and says how large the copy is and its digest.
pub(crate) async fn back_up(args: &BackupArgs) -> Result<()> {
    let output = &args.output;
    if fs::symlink_metadata(output).is_ok() {
        bail!("{} is there already: name another file", output.display());
    }
    let services = Services::new(open(&args.database).await?, Clock::default());
    let copied = copy(&services, output).await;
    services.close().await;
    let (bytes, sha256) =
        copied.with_context(|| format!("{} cannot be written", output.display()))?;
    println!("{}: {bytes} bytes, sha256 {sha256}", output.display());
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

/// Writes all rows of the database to an archive.
pub(crate) async fn export(args: &OutputArgs) -> Result<()> {
    let services = Services::new(open(&args.database).await?, Clock::default());
    let written = write_to(args.output.as_deref(), async |file| {
        let mut archive = services.operations.export(&Actor::system()).await?;
        while let Some(piece) = archive.next().await? {
            file.write_all(&piece)?;
        }
        Ok(())
    })
    .await;
    services.close().await;
    written
}

/// Makes a database of an archive.
pub(crate) async fn import(args: &ImportArgs) -> Result<()> {
    let claim = Claim::of(&args.database.path(), args.force)?;
    let is_served = claim.is_served();
    let (works, clock) = (Works::default(), Clock::default());
    let source = &args.archive;
    let importing = async {
        if source.as_os_str() == "-" {
            let input = io::stdin().lock();
            return import_archive(input, claim, &clock, &machine_time_zone, &works).await;
        }
        let file = fs::File::open(source).map_err(StoreError::from)?;
        let input = BufReader::new(file);
        import_archive(input, claim, &clock, &machine_time_zone, &works).await
    };
    let imported = shown(|| works.list(), importing).await;
    let (restored, summary) = imported
        .with_context(|| format!("{} was not imported; nothing changed", source.display()))?;
    println!("imported {}: {} rows, its ledger holds", restored.file.display(), summary.rows);
    say_what_was_before(&restored, is_served);
    Ok(())
}

/// Makes a file the database, and says where the one before is.
pub(crate) async fn restore(args: &RestoreArgs) -> Result<()> {
    let claim = Claim::of(&args.database.path(), args.force)?;
    let is_served = claim.is_served();
    let (works, clock) = (Works::default(), Clock::default());
    let restoring = restore_file(&args.file, claim, &clock, &machine_time_zone, &works);
    let restored = shown(|| works.list(), restoring).await;
    let (restored, bytes) = restored
        .with_context(|| format!("{} was not restored; nothing changed", args.file.display()))?;
    println!("restored {}: {bytes} bytes, its ledger holds", restored.file.display());
    say_what_was_before(&restored, is_served);
    Ok(())
}

fn say_what_was_before(restored: &Restored, is_served: bool) {
    match &restored.previous {
        Some(previous) => println!("as it was before: {}", previous.display()),
        None => println!("there was no database before"),
    }
    if is_served {
        eprintln!(
            "a server still has the file open that was the database before: stop it now, what it writes is lost"
        );
    }
}
