//! The commands beside serving. They work on the database file; a server may be running on it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pilotdeck_storage::{Database, Durability, join};

use crate::settings::DatabaseArgs;

pub(crate) mod database;
pub(crate) mod deploy;
pub(crate) mod ledger;
pub(crate) mod people;

/// How often the progress is shown, at most.
const SHOW_PER_SECOND: u8 = 10;
const OF_BYTES: &str = "[{bar:40}] {bytes} of {total_bytes}, {eta} left";

/// Prints the OpenAPI document.
pub(crate) fn print_openapi() -> Result<()> {
    io::stdout().write_all(pilotdeck_api::document_text().as_bytes())?;
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
