//! A disk that takes no more: full, beyond a quota, or read-only. The server says so, goes on reading, and goes on
//! writing by itself as soon as it can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use pilotdeck_load::{Connection, Method, Request};
use serde_json::{Value, json};
use xtask::programs;
use xtask::server_process::ServerProcess;

use crate::server::Site;

/// The small file system, and what is in the way on it.
const DISK: &str = "size=4m";
const BALLAST: usize = 1 << 20;
/// What a quota leaves for the files to grow.
const QUOTA_LEFT: u64 = 200 << 10;
/// What an event of these tests has for a message.
const MESSAGE: usize = 20_000;
const MOST_EVENTS: usize = 1_000;
/// A server that can write again does so within this.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);
const AGENT: &str = "disk";

/// What happens to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// A small file system fills up (a tmpfs; needs the right to mount).
    Full,
    /// The same, and the server is killed and started on it while it is full.
    FullAndKilled,
    /// Files may not grow beyond a limit (`RLIMIT_FSIZE`; needs `prlimit`).
    Quota,
    /// The files become immutable (`chattr +i`; needs its right, and a file system that knows it).
    ReadOnly,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did all that it must.
    Passed(String),
    /// This machine cannot do it, for this reason.
    Skipped(String),
}

impl DiskFault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::FullAndKilled, Self::Quota, Self::ReadOnly];

    /// For a person.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full disk",
            Self::FullAndKilled => "full disk, killed and started on it",
            Self::Quota => "quota",
            Self::ReadOnly => "read-only files",
        }
    }
}

/// Puts a server through a fault, in an empty folder.
///
/// # Errors
///
/// What the server did that it must not.
pub async fn try_fault(program: &Path, folder: &Path, fault: DiskFault) -> Result<Outcome> {
    match fault {
        DiskFault::Full => full(program, folder, false).await,
        DiskFault::FullAndKilled => full(program, folder, true).await,
        DiskFault::Quota => quota(program, folder).await,
        DiskFault::ReadOnly => read_only(program, folder).await,
    }
}

/// A small file system in memory. Dropping it unmounts it.
struct SmallDisk<'a>(&'a Path);

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = call("umount", &["-l".as_ref(), self.0]);
    }
}

/// Files that nobody can change. Dropping it lets go of them.
struct Immutable(Vec<PathBuf>);

impl Drop for Immutable {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = call("chattr", &["-i".as_ref(), file]);
        }
    }
}

async fn full(program: &Path, folder: &Path, is_killed: bool) -> Result<Outcome> {
    let options: [&Path; 5] =
        ["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), DISK.as_ref(), "tmpfs".as_ref()];
    if let Some(reason) = call("mount", &[&options[..], &[folder]].concat()) {
        return Ok(Outcome::Skipped(format!("no file system can be mounted: {reason}")));
    }
    let disk = SmallDisk(folder);
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; BALLAST])?;
    // Its log is on the disk, too: lines that find no room must not harm it.
    let place = Site::new(program, folder);
    let mut client = Client::start(&place).await?;
    client.append_until_refused(&[507]).await?;
    client.is_refused_and_reads(&[507]).await?;
    if is_killed {
        client = client.killed_and_started(&place).await?;
        client.reads().await?;
    }
    fs::remove_file(&ballast)?;
    client.recovers().await?;
    client.ends_whole(&place).await
}

async fn quota(program: &Path, folder: &Path) -> Result<Outcome> {
    let place = Site::new(program, folder);
    let mut client = Client::start(&place).await?;
    client.append().await?;
    let id = client.server.id().to_string();
    let limit = |limit: &str| {
        let limit = format!("--fsize={limit}:");
        call("prlimit", &["--pid".as_ref(), id.as_ref(), limit.as_ref()])
    };
    let size = |name: &str| fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    let allowed = size("pm.db-wal").max(size("pm.db")) + QUOTA_LEFT;
    if let Some(reason) = limit(&allowed.to_string()) {
        return Ok(Outcome::Skipped(format!("no limit can be set: {reason}")));
    }
    client.append_until_refused(&[507, 503]).await?;
    client.is_refused_and_reads(&[507, 503]).await?;
    if let Some(reason) = limit("unlimited") {
        bail!("the limit cannot be lifted: {reason}");
    }
    client.recovers().await?;
    client.ends_whole(&place).await
}

async fn read_only(program: &Path, folder: &Path) -> Result<Outcome> {
    let place = Site::new(program, folder);
    let mut client = Client::start(&place).await?;
    client.append().await?;
    let mut held = Immutable(Vec::new());
    for name in ["pm.db", "pm.db-wal"] {
        let file = folder.join(name);
        if let Some(reason) = call("chattr", &["+i".as_ref(), &file]) {
            return Ok(Outcome::Skipped(format!("files cannot be made immutable: {reason}")));
        }
        held.0.push(file);
    }
    client.append_until_refused(&[503]).await?;
    client.is_refused_and_reads(&[503]).await?;
    drop(held);
    client.recovers().await?;
    client.ends_whole(&place).await
}

/// A client that knows what was acknowledged.
struct Client {
    server: ServerProcess,
    connection: Connection,
    acknowledged: usize,
    refusals: Vec<u16>,
}

impl Client {
    async fn start(place: &Site) -> Result<Self> {
        let (server, _) = place.start()?;
        let connection = Connection::open(server.base_url()).await?;
        Ok(Self { server, connection, acknowledged: 0, refusals: Vec::new() })
    }

    /// Appends an event; what is answered otherwise than by 201 is a refusal.
    async fn append(&mut self) -> Result<Option<(u16, Value)>> {
        let event = json!({
            "id": format!("event-{}", self.acknowledged), "agentId": AGENT, "message": "x".repeat(MESSAGE),
        });
        let body = event.to_string();
        let path = "/api/agent/events";
        let request = Request { method: Method::Post, path, headers: &[], body: body.as_bytes() };
        let mut answer = Vec::new();
        let status = self.connection.exchange(request, &mut answer).await?;
        if status == 201 {
            self.acknowledged += 1;
            return Ok(None);
        }
        Ok(Some((status, serde_json::from_slice(&answer)?)))
    }

    async fn append_until_refused(&mut self, allowed: &[u16]) -> Result<()> {
        while self.acknowledged < MOST_EVENTS {
            if let Some(refusal) = self.append().await? {
                return self.is_clear(allowed, &refusal);
            }
        }
        bail!("{MOST_EVENTS} events were taken, and none was refused");
    }

    async fn is_refused_and_reads(&mut self, allowed: &[u16]) -> Result<()> {
        for _ in 0..3 {
            // A smaller one may still have found room.
            if let Some(refusal) = self.append().await? {
                self.is_clear(allowed, &refusal)?;
            }
            self.reads().await?;
        }
        Ok(())
    }

    fn is_clear(&mut self, allowed: &[u16], refusal: &(u16, Value)) -> Result<()> {
        let (status, answer) = refusal;
        let code = answer["code"].as_str().unwrap_or_default();
        let is_clear =
            allowed.contains(status) && ["storage_full", "database_read_only"].contains(&code);
        ensure!(is_clear, self.server.failure(&format!("a refusal is {status} {answer}")));
        self.refusals.push(*status);
        Ok(())
    }

    /// What was acknowledged is there, once.
    async fn reads(&mut self) -> Result<()> {
        let path = format!("/api/agent/events?agentId={AGENT}&limit=2000");
        let answer: Value = serde_json::from_slice(&self.connection.get(&path).await?)?;
        let shown = answer["data"].as_array().map_or(0, Vec::len);
        ensure!(shown == self.acknowledged, "{shown} events are there, not {}", self.acknowledged);
        self.connection.get("/api/health").await?;
        Ok(())
    }

    /// Writes succeed again without anybody's help.
    async fn recovers(&mut self) -> Result<()> {
        let since = Instant::now();
        let mut written = 0;
        while written < 3 {
            match self.append().await? {
                None => written += 1,
                Some((status, answer)) => {
                    ensure!(
                        since.elapsed() < RECOVERED_WITHIN,
                        self.server.failure(&format!("it does not recover: {status} {answer}"))
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        self.reads().await
    }

    async fn killed_and_started(self, place: &Site) -> Result<Self> {
        let Self { server, acknowledged, refusals, .. } = self;
        drop(server);
        let client = Self::start(&place.logging_beside())
            .await
            .context("on the full disk it does not start")?;
        Ok(Self { acknowledged, refusals, ..client })
    }

    async fn ends_whole(self, place: &Site) -> Result<Outcome> {
        let Self { server, acknowledged, refusals, .. } = self;
        server.stop()?;
        place.verify()?;
        let mut again =
            Self { acknowledged, refusals, ..Self::start(&place.logging_beside()).await? };
        again.reads().await?;
        again.server.stop()?;
        again.refusals.dedup();
        let statuses: Vec<String> = again.refusals.iter().map(u16::to_string).collect();
        Ok(Outcome::Passed(format!(
            "{acknowledged} events kept, refused with {}",
            statuses.join(", ")
        )))
    }
}

/// Why a call of a program failed, if it did.
fn call(program: &str, arguments: &[&Path]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(Output { status, .. }) if status.success() => None,
        Ok(Output { stderr, .. }) => {
            Some(programs::without_colours(String::from_utf8_lossy(&stderr).trim()))
        }
        Err(error) => Some(format!("{program}: {error}")),
    }
}
