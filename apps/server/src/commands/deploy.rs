//! The runner of a deploy job: a process that outlives the server that started it.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use pilotdeck_services::operations::DeployFiles;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::settings::DeployJobArgs;

/// How long the script may take to stop when it is told to.
const PATIENCE: Duration = Duration::from_secs(10);
/// What shells say of a program that cannot be started, and add to the signal that ended one.
const NOT_STARTED: i32 = 127;
const SIGNALLED: i32 = 128;

/// Runs the script to its end, or until this process is told to stop.
pub(crate) async fn run(args: DeployJobArgs) -> Result<()> {
    let files = DeployFiles::new(&args.root);
    // First of all: who waits for the lock may tell us to stop from then on.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let Some(_held) = files.hold(&args.job, std::process::id())? else {
        bail!("another deploy job is running");
    };
    let mut log = files.log()?;
    let spawned = Command::new(&args.script)
        .current_dir(files.root())
        .env("PILOTDECK_DEPLOY_JOB", &args.job)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .process_group(0)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            writeln!(log, "[ERROR] {} cannot be started: {error}", args.script.display())?;
            return Ok(files.mark_finish(&args.job, NOT_STARTED)?);
        }
    };
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    let status = tokio::select! {
        ended = &mut ended => ended??,
        _ = terminate.recv() => stop(group, &mut ended).await?,
        _ = interrupt.recv() => stop(group, &mut ended).await?,
    };
    let code = status.code().unwrap_or(SIGNALLED + status.signal().unwrap_or_default());
    Ok(files.mark_finish(&args.job, code)?)
}

/// Stops the script and what it started: politely first.
async fn stop(
    group: Option<Pid>,
    ended: &mut tokio::task::JoinHandle<std::io::Result<ExitStatus>>,
) -> Result<ExitStatus> {
    let tell = |signal| group.is_some_and(|group| kill_process_group(group, signal).is_ok());
    tell(Signal::TERM);
    if let Ok(ended) = timeout(PATIENCE, &mut *ended).await {
        return Ok(ended??);
    }
    tell(Signal::KILL);
    Ok(ended.await??)
}
