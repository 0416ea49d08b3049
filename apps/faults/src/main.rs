//! Runs the fault campaign and prints what it came to.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use pilotdeck_faults::{
    DiskFault, Outcome, Plan, RestorePlan, kill_and_restart, kill_restores, try_fault,
};
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
    /// Kill restores, again and again, and look at what is there then
    Restores(Restores),
}

#[derive(Args)]
struct Restores {
    /// The program of the server
    #[arg(long)]
    server: PathBuf,
    /// An empty folder for its files
    #[arg(long)]
    folder: PathBuf,
    /// How often a restore is killed
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// What everything random depends on [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
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
    match Arguments::parse().task {
        Task::Run(run) => run_campaign(run).await,
        Task::Restores(restores) => run_restores(restores).await,
    }
}

async fn run_restores(restores: Restores) -> Result<ExitCode> {
    let Restores { server, folder, rounds, seed, json } = restores;
    let seed = seed.unwrap_or_else(rand::random);
    eprintln!("the seed is {seed}");
    std::fs::create_dir_all(&folder)?;
    let shows_progress = io::stderr().is_terminal();
    let plan = RestorePlan { server, folder, rounds, seed };
    let summary = kill_restores(&plan, |so_far| {
        if shows_progress {
            let (done, violations) = (so_far.rounds(), so_far.violations.len());
            eprint!("\rround {done} of {rounds}: {violations} violations ");
        }
    })
    .await?;
    if shows_progress {
        eprintln!();
    }
    if json {
        println!("{:#}", summary.to_json());
    } else {
        println!("{summary}");
    }
    Ok(if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run_campaign(run: Run) -> Result<ExitCode> {
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
