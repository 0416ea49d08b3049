//! `cargo xtask faults`: builds the server as users would get it, and the campaign that kills it.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use xtask::workspace::{Profile, Workspace};

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often the server is killed and started again, or a restore is killed [default: 200, of restores 50].
    #[arg(long)]
    rounds: Option<u64>,
    /// Kill restores.
    #[arg(long)]
    restores: bool,
    /// What everything random depends on: the seed that a failure printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Take a debug build of the server.
    #[arg(long)]
    dev: bool,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let profile = if arguments.dev { Profile::Dev } else { Profile::Release };
    let server = workspace.build_server(profile)?;
    let campaign = workspace.build("pilotdeck-faults", "pilotdeck-faults", profile)?;
    let mut command = Command::new(campaign);
    command.arg(if arguments.restores { "restores" } else { "run" }).arg("--server").arg(server);
    command.arg("--folder").arg(workspace.scratch("faults")?);
    if let Some(rounds) = arguments.rounds {
        command.arg("--rounds").arg(rounds.to_string());
    }
    if let Some(seed) = arguments.seed {
        command.arg("--seed").arg(seed.to_string());
    }
    if arguments.json {
        command.arg("--json");
    }
    // It says itself what was violated.
    let status = command.status().context("cannot start the campaign")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
