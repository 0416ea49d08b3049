//! `pilotdeck bench`: a load on a running server, and what came of it.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pilotdeck_load::{Endpoint, Load, Measured, Run, Stage, Struck, WorkKind};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::settings::BenchArgs;

/// What is not answered within this has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const PROGRESS: Duration = Duration::from_secs(1);

/// Puts the load on the server, and prints what was reached.
pub(crate) async fn bench(args: &BenchArgs) -> Result<()> {
    let mut endpoint: Endpoint = args.url.parse().context("--url")?;
    if let Some(token) = args.agent_token()? {
        endpoint = endpoint.with_token(token)?;
    }
    let endpoint = Arc::new(endpoint);
    let stage = Stage::set(&endpoint, args.work)
        .await
        .with_context(|| format!("the server at {} cannot be asked", args.url))?;
    say(&announced(args, stage.projects()))?;

    let load = Load {
        connections: args.connections.into(),
        lasts: Duration::from_secs(args.seconds.into()),
        rate: args.rate.map(f64::from),
        patience: PATIENCE,
    };
    let mut run = Run::start(Arc::clone(&endpoint), stage.work(args.work, rand::random()), load);
    let was_interrupted = watch(&mut run, load).await?;
    let measured = run.measured();
    run.stop();

    // Printed before anything else can go wrong: this is what it was for.
    let document = args.json.then(|| document(args, &measured, was_interrupted));
    if document.is_none() {
        print(&format!("{measured}\n"))?;
    }
    let struck = stage.strike().await;
    match document {
        Some(mut document) => {
            document["projectsDeleted"] = json!(struck.deleted);
            document["projectsLeft"] = json!(struck.left);
            print(&format!("{document:#}\n"))?;
        }
        None => print(&left(args.work, &struck))?,
    }
    if measured.answers() == 0 {
        bail!("no request succeeded");
    }
    Ok(())
}

/// Shows how it goes until it is over; whether it was ended early.
async fn watch(run: &mut Run, load: Load) -> Result<bool> {
    let shows_progress = io::stderr().is_terminal();
    let mut ticks = interval(PROGRESS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let was_interrupted = loop {
        tokio::select! {
            () = run.ended() => break false,
            signal = &mut interrupted => {
                signal.context("cannot wait for Ctrl-C")?;
                break true;
            }
            _ = ticks.tick(), if shows_progress => {
                let so_far = run.measured();
                eprint!(
                    "\r{:.0} of {} s: {:.0} a second, {} errors   ",
                    so_far.lasted().as_secs_f64(),
                    load.lasts.as_secs(),
                    so_far.per_second(),
                    so_far.failures()
                );
            }
        }
    };
    if shows_progress {
        eprintln!();
    }
    Ok(was_interrupted)
}

fn announced(args: &BenchArgs, projects: &[String]) -> String {
    let rate = args.rate.map_or_else(String::new, |rate| format!(", {rate} requests a second"));
    let (work, seconds, connections) = (args.work.as_str(), args.seconds, args.connections);
    let ids = projects.join(", ");
    let writes = match args.work {
        WorkKind::Projects => "reads",
        WorkKind::Events => "appends events to",
        WorkKind::Mixed => "appends events to, reads and changes",
    };
    format!(
        "{work} at {} over {connections} connections for {seconds} s{rate}; it {writes} {} projects made for this: {ids}\n",
        args.url,
        projects.len(),
    )
}

fn left(work: WorkKind, struck: &Struck) -> String {
    let mut lines = vec![format!("{} projects made for this were deleted", struck.deleted)];
    if work != WorkKind::Projects {
        lines.push(
            "what the agent `pilotdeck-bench` wrote stays: events are never deleted".to_owned(),
        );
    }
    if !struck.left.is_empty() {
        lines.push(format!("these could not be deleted: {}", struck.left.join(", ")));
    }
    lines.join("\n") + "\n"
}

fn document(args: &BenchArgs, measured: &Measured, was_interrupted: bool) -> serde_json::Value {
    let mut document = json!({
        "work": args.work.as_str(),
        "url": args.url,
        "connections": args.connections,
        "rate": args.rate,
        "interrupted": was_interrupted,
    });
    if let (Some(all), serde_json::Value::Object(figures)) =
        (document.as_object_mut(), measured.to_json())
    {
        all.extend(figures);
    }
    document
}

/// What is said beside the result.
fn say(text: &str) -> Result<()> {
    io::stderr().write_all(text.as_bytes()).context("cannot write to standard error")
}

fn print(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
