//! `cargo xtask run | test | check | openapi | bench | faults | package`: what a newcomer, a developer and CI run.

mod bench;
mod faults;
mod node;
mod openapi;
mod package;
mod run;
mod suite;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::workspace::Workspace;

/// The tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build PilotDeck and serve it on 127.0.0.1:8689 with the database data/pm.db.
    Run(run::Arguments),
    /// Install what is missing and run every test.
    Test(suite::Arguments),
    /// Check format, lints, licences and forbidden packages: the quick part of `test`.
    Check,
    /// Write openapi/openapi.json from the routes of the server.
    Openapi,
    /// Measure the server beside its floors and print the ratios.
    Bench(bench::Arguments),
    /// Kill the server at random moments under load, fill its disk, and see whether anything is lost.
    Faults(faults::Arguments),
    /// Build the Debian package, with lists of what is in it and digests.
    Package(package::Arguments),
}

fn main() -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match Arguments::parse().task {
        Task::Run(arguments) => run::run(&workspace, &arguments),
        Task::Test(arguments) => Ok(suite::run(&workspace, &arguments.steps())),
        Task::Check => Ok(suite::run(&workspace, suite::QUICK)),
        Task::Openapi => openapi::write(&workspace).map(|()| ExitCode::SUCCESS),
        Task::Bench(arguments) => bench::run(&workspace, &arguments),
        Task::Faults(arguments) => faults::run(&workspace, &arguments),
        Task::Package(arguments) => package::run(&workspace, &arguments),
    }
}
