//! The `pilotdeck` binary: settings, the server, and the commands that work on its database.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

mod commands;
mod exposure;
mod logging;
mod secret;
mod serve;
mod settings;

use settings::{Cli, Command, LedgerCommand, UserCommand};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pilotdeck: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            None => serve::serve(cli.serve).await,
            Some(Command::Serve(args)) => serve::serve(args).await,
            Some(Command::Openapi) => commands::print_openapi(),
            Some(Command::Ledger { command: LedgerCommand::Verify(args) }) => {
                commands::verify_ledger(&args).await
            }
            Some(Command::User { command: UserCommand::SetPassword(args) }) => {
                commands::set_password(&args).await
            }
        }
    })
}
