//! The commands beside serving. They work on the database file; a server may be running on it.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, BufWriter, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::CommandFactory as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pilotdeck_services::operations::{Phase, Progress};
use pilotdeck_storage::{Database, Durability, join};
use tokio::time::interval;

use crate::settings::{Cli, DatabaseArgs, ManArgs};

pub(crate) mod backups;
pub(crate) mod database;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod ledger;
pub(crate) mod people;
pub(crate) mod rollback;

/// How often the progress is shown, at most.
const SHOW_PER_SECOND: u8 = 10;
const OF_BYTES: &str = "[{bar:40}] {bytes} of {total_bytes}, {eta} left";
/// How often the progress is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const OF_BYTES_IN_PHASE: &str = "{msg} [{bar:40}] {bytes} of {total_bytes}";
const OF_LINES_IN_PHASE: &str = "{msg} [{bar:40}] {human_pos} of {human_len} lines";
const IN_PHASE: &str = "{msg} {spinner} {elapsed}";

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

/// Shows how far a long command is, to a person at a terminal; nothing to anybody else.
fn bar(length: u64, template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(SHOW_PER_SECOND);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Does `work` and shows how far it is, as `works` says.
async fn shown<T>(works: impl Fn() -> Vec<Progress>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let bar = bar(0, IN_PHASE);
    let mut looks = interval(LOOK_EVERY);
    let mut shown = None;
    loop {
        tokio::select! {
            done = &mut work => {
                bar.finish_and_clear();
                return done;
            }
            _ = looks.tick() => {
                let Some(progress) = works().pop() else { continue };
                if shown != Some((progress.phase, progress.total.is_some())) {
                    shown = Some((progress.phase, progress.total.is_some()));
                    let template = match (progress.phase, progress.total) {
                        (_, None) => IN_PHASE,
                        (Phase::Verifying, _) => OF_LINES_IN_PHASE,
                        _ => OF_BYTES_IN_PHASE,
                    };
                    if let Ok(style) = ProgressStyle::with_template(template) {
                        bar.set_style(style.progress_chars("=> "));
                    }
                    bar.set_message(progress.phase.as_str());
                }
                bar.set_length(progress.total.unwrap_or_default());
                bar.set_position(progress.done);
                bar.tick();
            }
        }
    }
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

/// Has a new file written, for its owner alone, or the standard output. Half a file does not stay.
async fn write_to(
    output: Option<&Path>,
    write: impl AsyncFnOnce(&mut dyn io::Write) -> Result<()>,
) -> Result<()> {
    let Some(path) = output else {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out).await?;
        return Ok(out.flush()?);
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file =
        BufWriter::new(file.with_context(|| format!("{} cannot be made", path.display()))?);
    let mut written = write(&mut file).await;
    if written.is_ok() {
        written = file.flush().and_then(|()| file.get_ref().sync_all()).map_err(Into::into);
    }
    if written.is_err() {
        // It would look like one that somebody cut off.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}
