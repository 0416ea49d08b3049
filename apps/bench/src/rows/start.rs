//! Cold start and idle memory.

use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::server_process::ServerProcess;

use crate::http::Connection;
use crate::memory::Memory;
use crate::report::{Bar, Row, median, rounded};
use crate::{Plan, memory, subject};

/// Measures from the start of the process to its first answer, on a database that exists.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let (first, server) = start(plan).await?;
    server.stop()?;
    let (mut starts, mut memories) = (Vec::new(), Vec::<Memory>::new());
    for _ in 0..plan.starts {
        let (took, server) = start(plan).await?;
        starts.push(took.as_secs_f64() * 1000.0);
        memories.push(memory::of(server.id())?);
        server.stop()?;
    }
    let slowest = starts.iter().copied().fold(0.0, f64::max);
    let proportional = median(memories.iter().map(|memory| memory.proportional_mib));
    Ok(vec![
        Row {
            work: "cold start to the first answer".to_owned(),
            subject: median(starts),
            floor: None,
            unit: "ms",
            bar: Bar::AtMost(100.0),
            note: format!(
                "median of {}, slowest {} ms; the very first, which creates the database, {} ms",
                plan.starts,
                rounded(slowest),
                rounded(first.as_secs_f64() * 1000.0)
            ),
        },
        Row {
            work: "idle memory".to_owned(),
            subject: median(memories.iter().map(|memory| memory.resident_mib)),
            floor: None,
            unit: "MiB",
            bar: Bar::AtMost(40.0),
            note: format!(
                "resident after the first answer; {} MiB proportional",
                rounded(proportional)
            ),
        },
    ])
}

async fn start(plan: &Plan) -> Result<(Duration, ServerProcess)> {
    let started = Instant::now();
    let server = subject::start(plan, "start")?;
    Connection::open(server.base_url()).await?.get("/api/health").await?;
    Ok((started.elapsed(), server))
}
