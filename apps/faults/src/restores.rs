//! Restores that are killed: over HTTP with an upload, over HTTP with a kept backup, and by the command.
//!
//! Each round writes something that the backup has not, begins a restore, goes on writing beside it, and kills whoever
//! restores at a random moment. What lies in the place of the database must be whole then, and either the database of before
//! or the restored one; nothing is left behind; and what was acknowledged is in exactly the file that it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use pilotdeck_load::{Connection, Method, Request};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use xtask::programs;
use xtask::server_process::{ServerProcess, serve};

use crate::file::{Chain, File};
use crate::world::Table;

const TOKEN: &str = "restores-token";
const HEADERS: [(&str, &str); 1] = [("x-pm-token", TOKEN)];
const BACKUP: &str = "backup.db";
/// The events of the backup: it takes a while to look at them.
const EVENTS: usize = 3_000;
const BATCH: usize = 200;
/// Events that are acknowledged in a round before it restores.
const BEFORE: usize = 5;
/// When a kill comes, as a share of the time that a restore takes which nobody kills: at any moment, or about when the files
/// change their names.
const AT_ANY: Range<f64> = 0.0..1.2;
const ABOUT_THE_END: Range<f64> = 0.8..2.0;
/// What a name has of a file that is not there to stay.
const SCRATCH: &str = ".tmp-";
const PREVIOUS: &str = "pm.db.bak.";

/// How to make such a campaign.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// The program of the server.
    pub server: PathBuf,
    /// An empty folder for its files.
    pub folder: PathBuf,
    /// How often a restore is killed.
    pub rounds: u64,
    /// What everything random depends on, but for the time that things take.
    pub seed: u64,
}

/// How a database is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Upload,
    Kept,
    Command,
}

impl Way {
    const ALL: [Self; 3] = [Self::Upload, Self::Kept, Self::Command];

    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Kept => "kept backup",
            Self::Command => "command",
        }
    }
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct RestoreSummary {
    seed: u64,
    /// Kills, by way: those after which the database was that of before, and those after which it was the restored one.
    kills: BTreeMap<Way, (u64, u64)>,
    /// How long a restore takes that nobody kills.
    took: BTreeMap<Way, Duration>,
    acknowledged: u64,
    acknowledged_beside: u64,
    /// What must not be.
    pub violations: Vec<String>,
    lasted: Duration,
}

impl RestoreSummary {
    /// How often a restore was killed.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.kills.values().map(|(before, after)| before + after).sum()
    }

    /// Whether nothing was that must not be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// For a program.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kills = self.kills.iter().map(|(way, (before, after))| {
            json!({ "way": way.as_str(), "before": before, "restored": after })
        });
        json!({
            "seed": self.seed, "rounds": self.rounds(), "kills": kills.collect::<Vec<_>>(),
            "acknowledged": self.acknowledged, "acknowledgedBeside": self.acknowledged_beside,
            "violations": self.violations, "seconds": self.lasted.as_secs_f64(),
        })
    }
}

impl fmt::Display for RestoreSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rounds, seconds) = (self.rounds(), self.lasted.as_secs_f64());
        writeln!(f, "{rounds} restores killed in {seconds:.1} s, seed {}", self.seed)?;
        for (way, (before, after)) in &self.kills {
            let took = self.took.get(way).copied().unwrap_or_default().as_millis();
            writeln!(
                f,
                "  by {}: {before} times the database of before, {after} times the restored one ({took} ms unharmed)",
                way.as_str()
            )?;
        }
        writeln!(
            f,
            "  {} acknowledged writes looked for, {} of them sent while a restore was under way",
            self.acknowledged, self.acknowledged_beside
        )?;
        for violation in &self.violations {
            writeln!(f, "  VIOLATION: {violation}")?;
        }
        write!(f, "  {} violations", self.violations.len())
    }
}

/// The campaign while it lasts.
struct Campaign {
    plan: RestorePlan,
    database: PathBuf,
    random: StdRng,
    upload: Vec<u8>,
    kept: String,
    summary: RestoreSummary,
}

/// Kills restores, and looks at what is there then; `progress` is told after each round.
///
/// # Errors
///
/// If the campaign cannot go on. What must not be is no error; it is in the summary.
pub async fn kill_restores(
    plan: &RestorePlan,
    mut progress: impl FnMut(&RestoreSummary),
) -> Result<RestoreSummary> {
    let began = Instant::now();
    let mut campaign = Campaign {
        plan: plan.clone(),
        database: plan.folder.join("pm.db"),
        random: StdRng::seed_from_u64(plan.seed),
        upload: Vec::new(),
        kept: String::new(),
        summary: RestoreSummary { seed: plan.seed, ..RestoreSummary::default() },
    };
    let mut server = campaign.prepare().await?;
    for way in Way::ALL {
        let started = Instant::now();
        server = campaign.restore_unharmed(server, way).await.with_context(|| way.as_str())?;
        ensure!(started.elapsed() < Duration::from_mins(2), "a restore takes too long");
    }
    for round in 0..plan.rounds {
        let way = Way::ALL[usize::try_from(round)? % Way::ALL.len()];
        let context = || format!("round {round} of the seed {}", plan.seed);
        server = campaign.round(server, way, round).await.with_context(context)?;
        campaign.summary.lasted = began.elapsed();
        progress(&campaign.summary);
    }
    server.stop()?;
    campaign.summary.lasted = began.elapsed();
    Ok(campaign.summary)
}

impl Campaign {
    fn start(&self) -> Result<ServerProcess> {
        let mut command = serve(&self.plan.server, &self.database);
        // Kept backups are made when somebody asks for one: the first is due at once.
        command.env("PM_ADMIN_TOKEN", TOKEN).env("PM_BACKUP_DIR", self.plan.folder.join("kept"));
        ServerProcess::start(&mut command, &self.plan.folder.join("server.log"))
    }

    async fn prepare(&mut self) -> Result<ServerProcess> {
        let mut command = serve(&self.plan.server, &self.database);
        command.env("PM_ADMIN_TOKEN", TOKEN);
        let server = ServerProcess::start(&mut command, &self.plan.folder.join("server.log"))?;
        let mut connection = Connection::open(server.base_url()).await?;
        for batch in 0..EVENTS / BATCH {
            let records: Vec<_> = (0..BATCH)
                .map(|item| json!({ "id": format!("base-{batch}-{item}"), "totalTokens": item }))
                .collect();
            connection.post("/api/agent/usage", &json!({ "records": records })).await?;
        }
        event(&mut connection, "base").await.context("an event is refused")?;
        let (status, backup) = ask(&mut connection, Method::Get, "/api/admin/backup").await?;
        ensure!(status == 200, "no backup: {status}");
        fs::write(self.plan.folder.join(BACKUP), &backup)?;
        self.upload = form(&backup);
        server.stop()?;

        // The first backup is due at the first start with a folder for them.
        let server = self.start()?;
        let mut connection = Connection::open(server.base_url()).await?;
        let waited = Instant::now();
        while self.kept.is_empty() {
            ensure!(waited.elapsed() < Duration::from_mins(1), "no backup is kept");
            sleep(Duration::from_millis(20)).await;
            let (_, list) = ask(&mut connection, Method::Get, "/api/admin/backups").await?;
            let list: Value = serde_json::from_slice(&list)?;
            let first = &list["data"]["backups"][0];
            if first["state"] == "proved" {
                first["name"].as_str().unwrap_or_default().clone_into(&mut self.kept);
            }
        }
        Ok(server)
    }

    async fn restore_unharmed(&mut self, server: ServerProcess, way: Way) -> Result<ServerProcess> {
        let began = Instant::now();
        let server = if way == Way::Command {
            server.stop()?;
            let began = Instant::now();
            programs::read(&mut self.command())?;
            self.summary.took.insert(way, began.elapsed());
            return self.start();
        } else {
            // With a load beside it, as in the rounds.
            let writer = tokio::spawn(write(server.base_url().to_owned(), u64::MAX));
            let status = self.restoring(&server, way).await??;
            writer.abort();
            ensure!(status == 200, "the restore answered {status}");
            server
        };
        self.summary.took.insert(way, began.elapsed());
        Ok(server)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.plan.server);
        programs::without_settings(&mut command);
        command.arg("restore").arg(self.plan.folder.join(BACKUP)).arg("--db").arg(&self.database);
        command
    }

    fn restoring(&self, server: &ServerProcess, way: Way) -> JoinHandle<Result<u16>> {
        let address = server.base_url().trim_start_matches("http://").to_owned();
        let (path, content_type, body) = match way {
            Way::Upload => (
                "/api/admin/restore".to_owned(),
                "multipart/form-data; boundary=limit",
                self.upload.clone(),
            ),
            _ => (
                format!("/api/admin/backups/{}/restore", self.kept),
                "application/json",
                Vec::new(),
            ),
        };
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(&address).await?;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-PM-Token: {TOKEN}\r\nContent-Type: {content_type}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            let answer = String::from_utf8_lossy(&answer);
            let status = answer.split(' ').nth(1).context("there is no answer")?;
            Ok(status.parse()?)
        })
    }

    async fn round(
        &mut self,
        server: ServerProcess,
        way: Way,
        round: u64,
    ) -> Result<ServerProcess> {
        let mut connection = Connection::open(server.base_url()).await?;
        let mut before = BTreeSet::new();
        for number in 0..BEFORE {
            let id = format!("r{round}-before-{number}");
            ensure!(event(&mut connection, &id).await == Some(201), "{id} is refused");
            before.insert(id);
        }
        let seen = self.previous()?;
        let when = if round.is_multiple_of(2) { ABOUT_THE_END } else { AT_ANY };
        let after = self.summary.took[&way].mul_f64(self.random.random_range(when));
        let beside = self.kill(server, way, round, after).await?;

        self.look_at_rest(way, round);
        let server = self.start()?;
        let found = ids(&self.database).await?;
        let is_restored = before.iter().all(|id| !found.contains(id));
        let new: Vec<_> =
            self.previous()?.into_iter().filter(|path| !seen.contains(path)).collect();
        let mut files = vec![found];
        for path in &new {
            files.push(ids(path).await?);
        }
        let what = format!("round {round}, {}", way.as_str());
        if new.len() != usize::from(is_restored) {
            self.violated(format!("{what}: {} files of before beside the database", new.len()));
        }
        for id in before.iter().chain(&beside) {
            let places = files.iter().filter(|ids| ids.contains(id)).count();
            if places != 1 {
                self.violated(format!("{what}: {id} was acknowledged and is in {places} files"));
            }
            if before.contains(id) && !files.last().is_some_and(|ids| ids.contains(id)) {
                self.violated(format!("{what}: {id} is not in the file of before"));
            }
        }
        if files.iter().any(|ids| !ids.contains("base")) {
            self.violated(format!("{what}: what was in both is not in both"));
        }
        for path in new.iter().chain([&self.database.clone()]) {
            if let Some(wrong) = wrong_with(path).await? {
                self.violated(format!("{what}: {}: {wrong}", path.display()));
            }
        }
        // They are looked at; the disk is to hold the next ones, too.
        for path in new {
            fs::remove_file(path)?;
        }
        let kills = self.summary.kills.entry(way).or_default();
        *(if is_restored { &mut kills.1 } else { &mut kills.0 }) += 1;
        self.summary.acknowledged += (before.len() + beside.len()) as u64;
        self.summary.acknowledged_beside += beside.len() as u64;
        Ok(server)
    }

    /// Begins a restore and kills whoever does it; returns what was acknowledged beside it.
    async fn kill(
        &self,
        server: ServerProcess,
        way: Way,
        round: u64,
        after: Duration,
    ) -> Result<BTreeSet<String>> {
        if way == Way::Command {
            server.stop()?;
            let mut command = self.command();
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            sleep(after).await;
            child.kill()?;
            child.wait()?;
            return Ok(BTreeSet::new());
        }
        let writer = tokio::spawn(write(server.base_url().to_owned(), round));
        let restoring = self.restoring(&server, way);
        sleep(after).await;
        drop(server);
        let _ = restoring.await;
        writer.await?
    }

    /// Before anything is started on it: there is no moment without a database.
    fn look_at_rest(&mut self, way: Way, round: u64) {
        if !self.database.exists() {
            self.violated(format!("round {round}, {}: there is no database", way.as_str()));
        }
    }

    /// The files that the database was before.
    fn previous(&mut self) -> Result<Vec<PathBuf>> {
        let mut previous = Vec::new();
        let database = fs::metadata(&self.database)?.ino();
        for entry in fs::read_dir(&self.plan.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains(SCRATCH) {
                self.violated(format!("{name} was left behind"));
            }
            if name.starts_with(PREVIOUS) {
                if entry.metadata()?.ino() == database {
                    self.violated(format!("{name} is the database itself"));
                }
                previous.push(entry.path());
            }
        }
        Ok(previous)
    }

    fn violated(&mut self, text: String) {
        self.summary.violations.push(text);
    }
}

/// Writes events until nobody answers any more; returns those that were acknowledged.
async fn write(base_url: String, round: u64) -> Result<BTreeSet<String>> {
    let mut acknowledged = BTreeSet::new();
    let Ok(mut connection) = Connection::open(&base_url).await else { return Ok(acknowledged) };
    for number in 0.. {
        let id = format!("r{round}-beside-{number}");
        match event(&mut connection, &id).await {
            Some(201) => {
                acknowledged.insert(id);
            }
            // It says that a restore is under way.
            Some(503) => {}
            Some(status) => bail!("{id} was answered {status}"),
            None => break,
        }
    }
    Ok(acknowledged)
}

async fn event(connection: &mut Connection, id: &str) -> Option<u16> {
    let body = json!({ "id": id, "title": "x" }).to_string();
    let (method, path) = (Method::Post, "/api/agent/events");
    let request = Request { method, path, headers: &[], body: body.as_bytes() };
    connection.exchange(request, &mut Vec::new()).await.ok()
}

async fn ask(connection: &mut Connection, method: Method, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut answer = Vec::new();
    let request = Request { method, path, headers: &HEADERS, body: &[] };
    let status = connection.exchange(request, &mut answer).await?;
    Ok((status, answer))
}

fn form(file: &[u8]) -> Vec<u8> {
    let head =
        "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"pm.db\"\r\n\r\n";
    [head.as_bytes(), file, b"\r\n--limit--\r\n"].concat()
}

/// The events of a file.
async fn ids(path: &Path) -> Result<BTreeSet<String>> {
    let mut file = File::open(path).await?;
    let ids = file.all_documents(Table::Events).await?.into_keys().collect();
    file.close().await?;
    Ok(ids)
}

/// What is wrong with a file, if anything: its pages, or its ledger.
async fn wrong_with(path: &Path) -> Result<Option<String>> {
    let mut file = File::open(path).await?;
    let damage = file.damage(false).await?;
    let broken = file.follow(&mut Chain::default()).await?;
    file.close().await?;
    Ok(damage.or(broken))
}
