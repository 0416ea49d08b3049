//! The `pilotdeck` binary: settings, the server, and the commands that work on its database.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

mod bench;
mod commands;
mod console;
mod exposure;
mod logging;
mod secret;
mod serve;
mod settings;

use settings::{BackupsCommand, Cli, Command, LedgerCommand};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pilotdeck: {}", line(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            None => Box::pin(serve::serve(cli.serve)).await,
            Some(Command::Serve(args)) => Box::pin(serve::serve(args)).await,
            Some(Command::Bench(args)) => bench::bench(&args).await,
            Some(Command::Openapi) => commands::print_openapi(),
            Some(Command::Man(args)) => commands::write_manual(&args),
            Some(Command::Health(args)) => commands::health::ask(&args).await,
            Some(Command::Doctor(args)) => return commands::doctor::examine(&args).await,
            Some(Command::Backup(args)) => commands::database::back_up(&args).await,
            Some(Command::Export(args)) => commands::database::export(&args).await,
            Some(Command::Import(args)) => commands::database::import(&args).await,
            Some(Command::Restore(args)) => commands::database::restore(&args).await,
            Some(Command::Rollback(args)) => commands::rollback::roll_back(&args).await,
            Some(Command::Backups { command }) => match command {
                BackupsCommand::List(args) => commands::backups::list(&args).await,
                BackupsCommand::Make(args) => commands::backups::make(&args).await,
                BackupsCommand::Prove(args) => commands::backups::prove(&args).await,
            },
            Some(Command::RunDeployJob(args)) => commands::deploy::run(args).await,
            Some(Command::Ledger { command }) => match command {
                LedgerCommand::Verify(args) => commands::ledger::verify(&args).await,
                LedgerCommand::Checkpoint(args) => commands::ledger::checkpoint(&args).await,
                LedgerCommand::Export(args) => commands::ledger::export(&args).await,
                LedgerCommand::Key(args) => commands::ledger::print_key(&args),
            },
            Some(Command::User { command }) => commands::people::run(command).await,
        }?;
        Ok(ExitCode::SUCCESS)
    })
}

/// An error and its causes in one line; what a text says already is not said again.
fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let text = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_says_nothing_twice() {
        let error = anyhow::anyhow!("no room").context("full: no room").context("cannot\n write");

        assert_eq!(line(&error), "cannot write: full: no room");
    }
}
