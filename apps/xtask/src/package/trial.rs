//! The whole life of a package: installed, used, upgraded, removed, purged.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::programs;
use xtask::server_process::ServerProcess;
use xtask::workspace::Workspace;

use super::deb::{self, Pressing};
use super::machine::{self, Machine};

const SETTINGS: &str = "/etc/pilotdeck/server.env";
const DATA: &str = "/var/lib/pilotdeck";
const DATABASE: &str = "/var/lib/pilotdeck/pm.db";
const BACKUPS: &str = "/var/lib/pilotdeck/backups";
const MARK: &str = "/var/lib/pilotdeck/REMOVE-AT-PURGE";
const PROJECT: &str = r#"{"id":"proj-kept","name":"Kept"}"#;
const WITHIN: Duration = Duration::from_secs(10);

/// Tries a package, and one that is newer by its number alone.
pub(super) fn run(workspace: &Workspace, package: &Path, version: &str) -> Result<()> {
    if let Some(objection) = machine::objection() {
        println!("\nThe package was not tried: {objection}.");
        return Ok(());
    }
    let machine = Machine::start(workspace)?;
    let folder = workspace.scratch("package-newer")?;
    let newer_version = format!("{version}+newer");
    let newer = deb::build(workspace, &folder, &newer_version, Pressing::Fast)?;
    let log = folder.join("server.log");
    let before = machine.files()?;

    machine.install(package)?;
    check_installed(&machine)?;
    // What an administrator sets; the port is a free one, so that whatever runs here is not in the way.
    let settings = format!("{}PM_PORT=0\n", machine.read(SETTINGS)?);
    fs::write(machine.path(SETTINGS), &settings)?;
    serve(&machine, &log, |server| {
        check_served(&machine, server)?;
        ensure!(ask(server, "POST", "/api/projects", PROJECT)?.0 == 201, "no project was made");
        Ok(())
    })?;
    done("installed; it serves as its unit says");

    let backup = machine.unit("pilotdeck-backup.service")?;
    programs::run(&mut machine.call_of(&backup, &[]))?;
    let kept = fs::read_dir(machine.path(BACKUPS))?.count();
    ensure!(kept > 0, "the backup's unit left nothing in {BACKUPS}");
    done("backed up as its unit says");

    machine.install(&newer)?;
    let installed =
        programs::read(&mut machine.call(&["dpkg-query", "-Wf", "${Version}", "pilotdeck"]))?;
    ensure!(installed == newer_version, "{installed} is installed after the upgrade");
    ensure!(machine.read(SETTINGS)? == settings, "an upgrade changed the settings");
    serve(&machine, &log, has_project)?;
    done("upgraded; settings and data are the same");

    programs::run(&mut machine.call(&["dpkg", "--remove", "pilotdeck"]))?;
    ensure!(!machine.has("/usr/bin/pilotdeck"), "the program is there after it was removed");
    ensure!(machine.has(SETTINGS) && machine.has(DATABASE), "removing took more than the program");
    programs::run(&mut machine.call(&["dpkg", "--purge", "pilotdeck"]))?;
    ensure!(!machine.has("/etc/pilotdeck"), "settings are there after a purge");
    ensure!(machine.has(DATABASE), "a purge took data that was not marked for it");
    done("removed and purged; the data stays");

    machine.install(package)?;
    fs::write(machine.path(SETTINGS), &settings)?;
    serve(&machine, &log, has_project)?;
    done("installed again; the data is served again");

    fs::write(machine.path(MARK), "")?;
    programs::run(&mut machine.call(&["dpkg", "--purge", "pilotdeck"]))?;
    let after = machine.files()?;
    let left: Vec<_> = after.difference(&before).collect();
    let lost: Vec<_> = before.difference(&after).collect();
    ensure!(left.is_empty() && lost.is_empty(), "a purge left {left:?} and took {lost:?}");
    ensure!(!machine.read("/etc/passwd")?.contains("pilotdeck"), "the user is there after a purge");
    done("purged with its data; nothing is left");
    Ok(())
}

fn done(what: &str) {
    println!("tried: {what}");
}

fn check_installed(machine: &Machine) -> Result<()> {
    for (path, mode) in [
        ("/usr/bin/pilotdeck", 0o755),
        ("/usr/lib/systemd/system/pilotdeck.service", 0o644),
        ("/usr/lib/systemd/system/pilotdeck-backup.service", 0o644),
        ("/usr/lib/systemd/system/pilotdeck-backup.timer", 0o644),
        (SETTINGS, 0o640),
        ("/etc/pilotdeck/backup.env", 0o600),
        (DATA, 0o750),
    ] {
        let found = machine.path(path).symlink_metadata().with_context(|| path.to_owned())?;
        let found_mode = found.permissions().mode() & 0o7777;
        ensure!(found_mode == mode, "{path} has the mode {found_mode:o}");
        ensure!((found.uid() == 0) == (path != DATA), "{path} belongs to {}", found.uid());
    }
    // Which link says that it starts with the machine: the server's does, the timer's is up to the administrator.
    let wants = "/etc/systemd/system";
    ensure!(
        machine.has(&format!("{wants}/multi-user.target.wants/pilotdeck.service")),
        "the service is not enabled"
    );
    ensure!(
        !machine.has(&format!("{wants}/timers.target.wants/pilotdeck-backup.timer")),
        "the timer is enabled"
    );
    Ok(())
}

/// Starts the server as its unit says, does something with it, and stops it.
fn serve(
    machine: &Machine,
    log: &Path,
    work: impl FnOnce(&ServerProcess) -> Result<()>,
) -> Result<()> {
    let unit = machine.unit("pilotdeck.service")?;
    let server = ServerProcess::start(&mut machine.call_of(&unit, &[]), log)?;
    if let Err(error) = work(&server) {
        bail!(server.failure(&format!("{error:#}")));
    }
    server.stop()
}

fn check_served(machine: &Machine, server: &ServerProcess) -> Result<()> {
    let owner = fs::metadata(format!("/proc/{}", server.id()))?.uid();
    let data = fs::metadata(machine.path(DATABASE))?;
    ensure!(owner != 0 && owner == data.uid(), "it runs as {owner}, the data is {}'s", data.uid());
    programs::run(&mut machine.call(&["pilotdeck", "health", "--url", server.base_url()]))?;
    let (status, page) = ask(server, "GET", "/", "")?;
    ensure!(status == 200 && page.contains("/assets/"), "the web console is not in the program");
    Ok(())
}

fn has_project(server: &ServerProcess) -> Result<()> {
    let (status, project) = ask(server, "GET", "/api/projects/proj-kept", "")?;
    ensure!(status == 200 && project.contains("Kept"), "the project is lost: {status} {project}");
    Ok(())
}

/// One request over HTTP from outside of that Debian: the status and the body of the answer.
fn ask(server: &ServerProcess, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let address = server.base_url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(WITHIN))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("there is no whole answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("the answer has no status")?, body.to_owned()))
}
