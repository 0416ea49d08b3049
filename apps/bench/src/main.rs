//! Measures the server beside its floors, in one run on one machine, and prints ratios.
//!
//! A floor is the least that the work could cost: the same bytes answered by a handler that does nothing else, the same
//! rows written by one bulk statement, the same SQL without HTTP. Absolute figures differ from machine to machine; the
//! ratios are what `cargo xtask bench` is for.

mod floor_server;
mod http;
mod load;
mod memory;
mod report;
mod rows;
mod subject;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::load::Load;
use crate::report::Report;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure and print the table.
    Measure(Measure),
    /// Serve the floor of HTTP: fixed bytes, and an echo.
    #[command(hide = true)]
    Floor(floor_server::Arguments),
}

#[derive(Args)]
struct Measure {
    /// The program of the server, as users get it.
    #[arg(long)]
    server: PathBuf,
    /// An empty folder for databases; some gigabytes.
    #[arg(long)]
    folder: PathBuf,
    /// Measure shorter and on less data.
    #[arg(long)]
    quick: bool,
    /// Also write the results to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure only these rows.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<RowName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RowName {
    /// Append one event per request, with its ledger line, at 1 to 256 connections.
    Append,
    /// Read one project, at 1 to 256 connections.
    Project,
    /// List 60 projects.
    Projects,
    /// Read a page of many events.
    Events,
    /// Token statistics over many records.
    Tokens,
    /// Cold start and idle memory.
    Start,
    /// Streams of the ledger: what an idle one costs, and how soon all have a line.
    Streams,
}

/// What every row needs to know.
#[derive(Clone, Debug)]
struct Plan {
    server: PathBuf,
    folder: PathBuf,
    load: Load,
    rounds: usize,
    many_events: u32,
    usage_records: u32,
    starts: usize,
}

impl Plan {
    /// The same load at few and at many connections.
    fn all_connections(&self) -> [Load; 4] {
        [1, 16, 64, 256].map(|connections| Load { connections, ..self.load })
    }

    fn new(arguments: &Measure) -> Self {
        let (server, folder) = (arguments.server.clone(), arguments.folder.clone());
        if arguments.quick {
            let load = Load { connections: 64, lasts: Duration::from_secs(1) };
            Self {
                server,
                folder,
                load,
                rounds: 1,
                many_events: 100_000,
                usage_records: 10_000,
                starts: 3,
            }
        } else {
            let load = Load { connections: 64, lasts: Duration::from_secs(4) };
            Self {
                server,
                folder,
                load,
                rounds: 3,
                many_events: 1_000_000,
                usage_records: 100_000,
                starts: 10,
            }
        }
    }
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().task {
        Task::Measure(arguments) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(measure(&arguments))
        }
        Task::Floor(arguments) => floor_server::serve(&arguments).map(|()| ExitCode::SUCCESS),
    }
}

/// Fails when a bar is not met.
async fn measure(arguments: &Measure) -> Result<ExitCode> {
    let plan = Plan::new(arguments);
    let mut report = Report::default();
    for name in RowName::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(name) {
            continue;
        }
        eprintln!("measuring {name:?} …");
        let rows = match name {
            RowName::Append => rows::append::measure(&plan).await,
            RowName::Project => rows::reads::one_project(&plan).await,
            RowName::Projects => rows::reads::all_projects(&plan).await,
            RowName::Events => rows::events::measure(&plan).await,
            RowName::Tokens => rows::tokens::measure(&plan).await,
            RowName::Start => rows::start::measure(&plan).await,
            RowName::Streams => rows::streams::measure(&plan).await,
        };
        report.add(rows.with_context(|| format!("cannot measure {name:?}"))?);
    }
    println!("{report}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.to_json())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed = report.missed();
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("below the bar: {}", missed.join("; "));
    Ok(ExitCode::FAILURE)
}
