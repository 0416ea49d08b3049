//! Streams of the ledger: what an idle subscriber costs, and how soon a thousand have a line.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pilotdeck_load::{Events, Request, Work as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use xtask::server_process::{ServerProcess, serve};

use crate::http::Connection;
use crate::report::{Bar, Row, rounded};
use crate::{Plan, memory, subject};

const TOKEN: &str = "measuring";
/// Connections that are opened at the same time.
const OPENED_AT_ONCE: usize = 64;
/// Longer than the time between two heartbeats, all of which have been heard then.
const A_HEARTBEAT: Duration = Duration::from_secs(17);
/// How long anything may take.
const IN_TIME: Duration = Duration::from_mins(1);

/// Measures both on servers of their own.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let is_quick = plan.rounds == 1;
    let (idle, rounds) = if is_quick { (1_000, 20) } else { (10_000, 200) };
    Ok(vec![cost(plan, idle, is_quick).await?, fan_out(plan, 1_000, rounds).await?])
}

/// What an idle subscriber costs.
async fn cost(plan: &Plan, subscribers: usize, is_quick: bool) -> Result<Row> {
    let server = start(plan)?;
    // What the first one costs is not paid again.
    drop(open(&server, 1).await?);
    let before = memory::of(server.id())?;
    let streams = open(&server, subscribers).await?;
    let opened = memory::of(server.id())?;
    if !is_quick {
        tokio::time::sleep(A_HEARTBEAT).await;
    }
    let after = memory::of(server.id())?;
    drop(streams);
    server.stop()?;
    let each = |resident_mib: f64| {
        (resident_mib - before.resident_mib) * 1024.0
            / f64::from(u32::try_from(subscribers).unwrap_or(1))
    };
    Ok(Row {
        work: "SSE memory per idle subscriber".to_owned(),
        subject: each(after.resident_mib),
        floor: None,
        unit: "KiB",
        bar: Bar::AtMost(10.0),
        note: format!(
            "{subscribers} subscribers; {} KiB each when they had all come; the server had {} MiB resident before, {} MiB \
             after",
            rounded(each(opened.resident_mib)),
            rounded(before.resident_mib),
            rounded(after.resident_mib),
        ),
    })
}

/// How long it takes until the last subscriber has a line.
async fn fan_out(plan: &Plan, subscribers: usize, rounds: usize) -> Result<Row> {
    let server = start(plan)?;
    let project_id = subject::create_projects(&server, 1).await?.remove(0);
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    for stream in open(&server, subscribers).await? {
        readers.spawn(stream.tell(told.clone()));
    }
    let mut writer = Connection::open(server.base_url()).await?;
    let events = Events::of(&[project_id], 3);
    let (mut body, mut answer) = (Vec::new(), Vec::new());
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        body.clear();
        let ask = events.next(&mut body);
        let (method, path) = (ask.method, &*ask.path);
        let request = Request { method, path, headers: &[], body: &body };
        let status = writer.exchange(request, &mut answer).await?;
        ensure!(status == ask.expected, "POST {path} answered {status}");
        let committed = Instant::now();
        let mut last = committed;
        for _ in 0..subscribers {
            let at = timeout(IN_TIME, heard.recv()).await.context("a subscriber misses a line")?;
            last = last.max(at.context("a subscriber is gone")?);
        }
        took.push((last - committed).as_secs_f64() * 1000.0);
    }
    readers.abort_all();
    server.stop()?;
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    Ok(Row {
        work: "SSE fan-out".to_owned(),
        subject: at(99),
        floor: None,
        unit: "ms",
        bar: Bar::AtMost(100.0),
        note: format!(
            "{subscribers} subscribers in one process with the writer; from the answer to the last reader, {rounds} times: \
             p50 {} ms, p99 {} ms",
            rounded(at(50)),
            rounded(at(99)),
        ),
    })
}

fn start(plan: &Plan) -> Result<ServerProcess> {
    let mut command = serve(&plan.server, &subject::file(plan, "streams"));
    command.env("PM_ADMIN_TOKEN", TOKEN).env("PM_MAX_STREAMS", "100000");
    ServerProcess::start(&mut command, &plan.folder.join("streams.log"))
}

/// Opens streams and waits until each was greeted.
async fn open(server: &ServerProcess, count: usize) -> Result<Vec<Stream>> {
    let mut opening = JoinSet::new();
    let mut streams = Vec::with_capacity(count);
    for begun in 0..count {
        if begun >= OPENED_AT_ONCE
            && let Some(opened) = opening.join_next().await
        {
            streams.push(opened???);
        }
        opening.spawn(timeout(IN_TIME, Stream::open(server.base_url().to_owned())));
    }
    while let Some(opened) = opening.join_next().await {
        streams.push(opened???);
    }
    Ok(streams)
}

/// A subscriber.
struct Stream(TcpStream);

impl Stream {
    async fn open(base_url: String) -> Result<Self> {
        let address = base_url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.with_context(|| {
            format!("cannot connect to {address}; `ulimit -n` may have to be raised")
        })?;
        let request =
            format!("GET /api/stream HTTP/1.1\r\nhost: {address}\r\nx-pm-token: {TOKEN}\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"}\n\n") {
            let read = connection.read_buf(&mut greeting).await?;
            ensure!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&greeting));
        }
        Ok(Self(connection))
    }

    /// Tells when each line came.
    async fn tell(mut self, told: mpsc::UnboundedSender<Instant>) -> Result<()> {
        let mut text = Vec::new();
        while self.0.read_buf(&mut text).await? > 0 {
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                if text.starts_with(b"id:") {
                    told.send(Instant::now())?;
                }
                text.drain(..end + 2);
            }
        }
        Ok(())
    }
}
