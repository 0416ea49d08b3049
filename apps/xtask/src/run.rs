//! `cargo xtask run`: from a checkout to a running server.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use xtask::workspace::{Profile, Workspace};

use crate::node;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Build quickly, with debug assertions and without optimization.
    #[arg(long)]
    dev: bool,
    /// Handed to `pilotdeck serve`, such as `--port 9000`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS OF SERVE")]
    serve: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    node::build_frontend(workspace)?;
    let profile = if arguments.dev { Profile::Dev } else { Profile::Release };
    let mut server = Command::new(workspace.build_server(profile)?);
    if std::env::vars_os().all(|(name, value)| name != "PM_DB_FILE" || value.is_empty()) {
        // Wherever in the checkout the task is called from, it is the same database; `--db` still wins.
        server.env("PM_DB_FILE", workspace.root().join("data").join("pm.db"));
    }
    server.arg("serve").args(&arguments.serve);
    become_program(&mut server)
}

/// Lets the server take the place of this process: what the terminal or a supervisor signals reaches it directly.
#[cfg(unix)]
fn become_program(server: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    let error = server.exec();
    bail!("cannot start {}: {error}", server.get_program().display())
}

/// Waits for the server; Ctrl-C reaches both processes, and this one outlives the other.
#[cfg(not(unix))]
fn become_program(server: &mut Command) -> Result<ExitCode> {
    let status = server.status()?;
    if !status.success() {
        bail!("the server ended with {status}");
    }
    Ok(ExitCode::SUCCESS)
}
