//! Runs the fault campaign and prints what it came to.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use pilotdeck_faults::{DiskFault, Outcome, Plan, kill_and_restart, try_fault};
use serde_json::json;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Kill a server again and again, fill its disk, and compare
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// The program of the server
    #[arg(long)]
    server: PathBuf,
    /// An empty folder for its files
    #[arg(long)]
    folder: PathBuf,
    /// How often the server is killed and started again
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// What everything random depends on [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// The longest that a load lasts before the kill, in milliseconds
    #[arg(long, default_value_t = 600)]
    longest: u64,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let Task::Run(run) = Arguments::parse().task;
    let seed = run.seed.unwrap_or_else(rand::random);
    eprintln!("the seed is {seed}");
    let kills = run.folder.join("kills");
    std::fs::create_dir_all(&kills)?;
    let longest = Duration::from_millis(run.longest);
    let plan =
        Plan { server: run.server.clone(), folder: kills, rounds: run.rounds, seed, longest };
    let shows_progress = io::stderr().is_terminal();
    let summary = kill_and_restart(&plan, |so_far| {
        let (rounds, writes) = (so_far.rounds(), so_far.acknowledged());
        if shows_progress {
            eprint!(
                "\rround {rounds} of {}: {writes} writes, {} violations ",
                run.rounds,
                so_far.violations()
            );
        }
    })
    .await?;
    if shows_progress {
        eprintln!();
    }

    let (mut is_clean, mut disks) = (summary.is_clean(), Vec::new());
    for fault in DiskFault::ALL {
        let folder = run.folder.join(format!("{fault:?}"));
        std::fs::create_dir_all(&folder)?;
        let (result, detail) = match try_fault(&run.server, &folder, fault).await {
            Ok(Outcome::Passed(detail)) => ("passed", detail),
            Ok(Outcome::Skipped(reason)) => ("skipped", reason),
            Err(error) => {
                is_clean = false;
                ("FAILED", format!("{error:#}"))
            }
        };
        disks.push((fault.as_str(), result, detail));
    }
    if run.json {
        let mut document = summary.to_json();
        let list = disks.iter().map(
            |(fault, result, detail)| json!({ "fault": fault, "result": result, "detail": detail }),
        );
        document["disk"] = list.collect();
        println!("{document:#}");
    } else {
        println!("{summary}");
        for (fault, result, detail) in disks {
            println!("{fault}: {result}: {detail}");
        }
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
