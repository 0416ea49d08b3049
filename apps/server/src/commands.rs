//! The commands beside serving. They work on the database file; a server may be running on it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};
use clap::CommandFactory as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, NewPassword};
use pilotdeck_services::Services;
use pilotdeck_storage::{Database, Durability, join};

use crate::settings::{Cli, DatabaseArgs, ManArgs, SetPasswordArgs};

pub(crate) mod database;
pub(crate) mod deploy;
pub(crate) mod health;
mod kept;
pub(crate) mod ledger;

/// How often the progress is shown, at most.
const SHOW_PER_SECOND: u8 = 10;
const OF_BYTES: &str = "[{bar:40}] {bytes} of {total_bytes}, {eta} left";

/// Prints the OpenAPI document.
pub(crate) fn print_openapi() -> Result<()> {
    io::stdout().write_all(pilotdeck_api::document_text().as_bytes())?;
    Ok(())
}

/// Writes a manual page for the program and one for each of its commands.
pub(crate) fn write_manual(args: &ManArgs) -> Result<()> {
    clap_mangen::generate_to(Cli::command(), &args.folder)
        .with_context(|| format!("cannot write to {}", args.folder.display()))
}

/// Replaces a password that is read from the terminal, or from a pipe.
pub(crate) async fn set_password(args: &SetPasswordArgs) -> Result<()> {
    let database = open(&args.database).await?;
    let password = read_password(&args.username)?;
    let password = NewPassword::parse("password", &password)?;
    let services = Services::new(database, Clock::default());
    services.identity.set_password(&Actor::system(), &args.username, &password).await?;
    services.close().await;
    println!("the password of {} is replaced; all their sessions are over", args.username);
    Ok(())
}

/// Shows how far a long command is, to a person at a terminal; nothing to anybody else.
fn bar(length: u64, template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(SHOW_PER_SECOND);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

async fn open(args: &DatabaseArgs) -> Result<Database> {
    Ok(join(&args.path(), Durability::default()).await?)
}

fn read_password(username: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("no password on standard input")?;
        return Ok(line);
    }
    let first = rpassword::prompt_password(format!("new password for {username}: "))?;
    let second = rpassword::prompt_password("once more: ")?;
    if first.trim() != second.trim() {
        bail!("the two passwords differ");
    }
    Ok(first)
}
