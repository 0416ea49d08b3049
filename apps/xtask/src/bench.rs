//! `cargo xtask bench`: builds the server and the measurements as users would get them, and runs them.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use xtask::workspace::{Profile, Workspace};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Measure shorter and on less data: enough to see whether it works.
    #[arg(long)]
    quick: bool,
    /// Also write the results to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only these rows (see `--help` of the measurements for their names).
    #[arg(long, value_delimiter = ',', value_name = "ROWS")]
    only: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let server = workspace.build_server(Profile::Release)?;
    let measurements = workspace.build("pilotdeck-bench", "pilotdeck-bench", Profile::Release)?;
    let mut command = Command::new(measurements);
    command
        .arg("measure")
        .arg("--server")
        .arg(server)
        .arg("--folder")
        .arg(workspace.scratch("bench")?);
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(file) = &arguments.json {
        command.arg("--json").arg(file);
    }
    if !arguments.only.is_empty() {
        command.arg("--only").arg(arguments.only.join(","));
    }
    // It says itself which bar is not met.
    let status = command.status().context("cannot start the measurements")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
