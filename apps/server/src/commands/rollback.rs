//! Going back to what the database was.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::operations::{
    Previous, PreviousKind, RolledBack, Works, previous_databases, roll_back as go_back,
};
use pilotdeck_storage::Claim;

use super::shown;
use crate::settings::RollbackArgs;

/// Makes a copy from before the database again, and says what is lost since.
pub(crate) async fn roll_back(args: &RollbackArgs) -> Result<()> {
    let database = args.database.path();
    if args.list {
        return list(&previous_databases(&database).await?, &database);
    }
    // Before anything is read: a server would go on writing.
    let claim = Claim::of(&database, false)?;
    let copies = previous_databases(claim.path()).await?;
    let chosen = match &args.copy {
        Some(copy) => named(&copies, copy).with_context(|| {
            format!("{} is none of the copies: `pilotdeck rollback --list` names them", copy.display())
        })?,
        None => copies.iter().find(|copy| copy.kind == PreviousKind::BeforeUpgrade).with_context(|| {
            format!(
                "{} has no copy from before an upgrade: `pilotdeck rollback --list` names what there is",
                database.display()
            )
        })?,
    };
    let (works, clock) = (Works::default(), Clock::default());
    let rolled_back = shown(|| works.list(), go_back(claim, chosen, &clock, &works)).await;
    let RolledBack { file, from, previous, lost } = rolled_back
        .with_context(|| format!("{} did not come back; nothing changed", chosen.path.display()))?;
    println!("{} is what it was {}: {}", file.display(), chosen.kind.as_str(), from.display());
    if let Some(previous) = previous {
        println!("as it was until now: {}", previous.display());
    }
    match lost.lines {
        Some(0) if lost.rows.is_empty() => println!("nothing is lost"),
        Some(lines) => println!("not in it any more: {lines} lines of the ledger"),
        None => println!("the two have another history: their ledgers have no line in common"),
    }
    for (table, now, then) in &lost.rows {
        println!("  {table}: {then} rows, and {now} before");
    }
    Ok(())
}

fn list(copies: &[Previous], database: &Path) -> Result<()> {
    if copies.is_empty() {
        bail!("{} has no copies to go back to", database.display());
    }
    for Previous { path, until, kind, census } in copies {
        let holds = census.as_ref().map(|census| {
            let seq = census.head.as_ref().map_or(0, |head| head.seq);
            let projects = census.rows.get("projects").copied().unwrap_or_default();
            format!(
                ", schema {}.{}, {projects} projects, ledger seq {seq}",
                census.user_version, census.migration
            )
        });
        let until = WireTime::from(*until);
        println!(
            "{}  until {until}, {}{}",
            path.display(),
            kind.as_str(),
            holds.unwrap_or_default()
        );
    }
    Ok(())
}

/// The copy of this path, or of this name.
fn named<'a>(copies: &'a [Previous], asked: &Path) -> Option<&'a Previous> {
    let is_it = |copy: &&Previous| {
        let is_path = std::path::absolute(asked).is_ok_and(|asked| asked == copy.path);
        is_path || copy.path.file_name() == Some(asked.as_os_str())
    };
    copies.iter().find(is_it)
}
