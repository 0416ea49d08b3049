//! Commands about the backups that are kept.

use anyhow::{Context as _, Result, bail};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::Actor;
use pilotdeck_services::Services;
use pilotdeck_services::operations::{self, BackupState, Backups, KeptBackup};

use super::{open, shown};
use crate::settings::{BackupsArgs, ProveArgs};

/// Digits of a digest that tell backups apart.
const DIGITS: usize = 12;

/// Lists them, newest first.
pub(crate) async fn list(args: &BackupsArgs) -> Result<()> {
    let services = services(args).await?;
    let listed = services.operations.backups(&Actor::system()).await;
    services.close().await;
    let Backups { next_due, kept, .. } = listed?;
    if kept.is_empty() {
        println!("there are no backups yet");
    }
    for kept in &kept {
        println!("{}", line(kept));
    }
    if let Some(next_due) = next_due {
        println!("the next one is due at {next_due}");
    }
    Ok(())
}

/// Makes one and proves it.
pub(crate) async fn make(args: &BackupsArgs) -> Result<()> {
    let services = services(args).await?;
    let actor = Actor::system();
    let making = Box::pin(services.operations.make_backup(&actor));
    let made = shown(|| services.operations.under_way(), making).await;
    services.close().await;
    verdict(&made.context("no backup was made")?)
}

/// Proves one of them.
pub(crate) async fn prove(args: &ProveArgs) -> Result<()> {
    let services = services(&args.backups).await?;
    let proved = prove_one(&services, args.name.as_deref()).await;
    services.close().await;
    verdict(&proved?)
}

async fn prove_one(services: &Services, name: Option<&str>) -> Result<KeptBackup> {
    let actor = Actor::system();
    let name = if let Some(name) = name {
        name.to_owned()
    } else {
        let kept = services.operations.backups(&actor).await?.kept;
        let newest = kept.first().context("there are no backups yet")?;
        newest.name.as_str().to_owned()
    };
    let proving = Box::pin(services.operations.prove_backup(&actor, &name));
    Ok(shown(|| services.operations.under_way(), proving).await?)
}

async fn services(args: &BackupsArgs) -> Result<Services> {
    let settings =
        operations::Settings { backups: Some(args.settings()?), ..operations::Settings::default() };
    let services = Services::new(open(&args.database).await?, Clock::default());
    Ok(services.with_operations(settings))
}

fn verdict(kept: &KeptBackup) -> Result<()> {
    println!("{}", line(kept));
    match kept.state() {
        BackupState::Proved | BackupState::Unproved => Ok(()),
        state => bail!("{} is {}", kept.name, state.as_str()),
    }
}

fn line(kept: &KeptBackup) -> String {
    let known = match &kept.note {
        None => "(nothing is known of what was written)".to_owned(),
        Some(note) => {
            let digits = note.sha256.get(..DIGITS).unwrap_or_default();
            let mut found = note.check.iter().chain(note.proofs.first());
            let wrong = found.find_map(|found| Some(format!("  ({})", found.reason.as_ref()?)));
            let wrong = wrong.unwrap_or_default();
            format!("ledger seq {}  sha256 {digits}…{wrong}", note.ledger_seq)
        }
    };
    format!("{}  {:8}  {} bytes  {known}", kept.name, kept.state().as_str(), kept.bytes)
}
