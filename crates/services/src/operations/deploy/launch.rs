//! Starting and stopping the runner of a deploy job, which must outlive this process.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::DeploySettings;
use super::files::{DeployFiles, Record};

/// How long systemd may take to answer, and the runner to begin.
const WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Starts the runner: as a unit of systemd if that works, else as a process group of its own. Says why it did not begin.
pub(super) fn launch(settings: &DeploySettings, mut record: Record) -> Result<Record, String> {
    let files = DeployFiles::new(&settings.root);
    prepare(&files, &record).map_err(|error| {
        format!("the deploy job cannot begin in {}: {error}", settings.root.display())
    })?;
    let mut arguments = settings.runner.clone();
    arguments.extend([OsString::from("--job"), OsString::from(&record.job_id)]);
    arguments.extend([OsString::from("--root"), settings.root.clone().into_os_string()]);
    arguments.extend([OsString::from("--script"), settings.script.clone().into_os_string()]);
    let begun = if as_unit(settings, &record, &arguments) {
        "systemd-run".clone_into(&mut record.method);
        Ok(())
    } else {
        as_group(settings, &mut record, &arguments)
    };
    let begun = begun.and_then(|()| files.save(&record).map_err(|error| error.to_string()));
    begun.and_then(|()| has_begun(&files, &record)).map(|()| record)
}

fn prepare(files: &DeployFiles, record: &Record) -> std::io::Result<()> {
    files.save(record)?;
    writeln!(
        files.log()?,
        "\n{}\n[INFO] Deploy triggered at {}\n[INFO] JobId: {}",
        "=".repeat(60),
        record.started_at,
        record.job_id
    )
}

/// A unit of systemd is no part of ours: stopping ours does not stop it.
fn as_unit(settings: &DeploySettings, record: &Record, arguments: &[OsString]) -> bool {
    let mut command = Command::new("systemd-run");
    command
        .args(["--collect", "--quiet", "--no-ask-password"])
        .arg(format!("--unit={}", record.unit))
        .arg({
            let mut folder = OsString::from("--working-directory=");
            folder.push(&settings.root);
            folder
        })
        .arg("--")
        .args(arguments);
    succeeds(&mut command)
}

fn as_group(
    settings: &DeploySettings,
    record: &mut Record,
    arguments: &[OsString],
) -> Result<(), String> {
    let (program, arguments) = arguments.split_first().ok_or("there is no runner")?;
    let spawned = Command::new(program)
        .args(arguments)
        .current_dir(&settings.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child =
        spawned.map_err(|error| format!("the deploy job cannot be started: {error}"))?;
    record.pid = Some(child.id());
    // Somebody has to hear that it ended.
    thread::spawn(move || child.wait());
    Ok(())
}

/// Waits until the runner has the lock.
fn has_begun(files: &DeployFiles, record: &Record) -> Result<(), String> {
    let until = Instant::now() + WITHIN;
    while Instant::now() < until {
        if files.holder().is_some_and(|(job_id, _)| job_id == record.job_id) {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
    Err("the deploy job did not begin in time".to_owned())
}

/// Tells the runner to stop, which stops the script.
pub(super) fn cancel(files: &DeployFiles, record: &Record) -> Result<(), String> {
    let holder = files.holder().filter(|(job_id, _)| *job_id == record.job_id);
    let pid = holder.and_then(|(_, pid)| Pid::from_raw(pid.try_into().ok()?));
    // It holds the lock, so that the number is its own.
    let is_told = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
    if is_told {
        return Ok(());
    }
    let mut stop = Command::new("systemctl");
    stop.args(["stop", "--no-block", "--no-ask-password"]).arg(OsStr::new(&record.unit));
    if succeeds(&mut stop) {
        return Ok(());
    }
    Err("the deploy job cannot be told to stop: it runs as another user".to_owned())
}

/// Whether a command ends well, and soon.
fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let until = Instant::now() + WITHIN;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
