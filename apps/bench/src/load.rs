//! The load generator: connections that are kept open, each sending its next request when the last one was answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::Barrier;

use crate::http::Connection;
use crate::report::median;

const WARM_UP: Duration = Duration::from_millis(300);

/// How much is asked for at a time, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections that ask at the same time.
    pub(crate) connections: usize,
    /// How long a measurement lasts.
    pub(crate) lasts: Duration,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    base_url: String,
    method: Method,
    path: String,
    body: Bytes,
    expected: StatusCode,
}

/// What was reached in one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Answers in a second, over all connections.
    pub(crate) per_second: f64,
    /// Half of the answers took at most this many milliseconds.
    pub(crate) median_ms: f64,
}

impl Target {
    /// Reading a path; the answer is 200.
    pub(crate) fn get(base_url: &str, path: &str) -> Self {
        let (base_url, path) = (base_url.to_owned(), path.to_owned());
        Self { base_url, method: Method::GET, path, body: Bytes::new(), expected: StatusCode::OK }
    }

    /// Sending the same body again and again.
    pub(crate) fn post(base_url: &str, path: &str, body: &str, expected: StatusCode) -> Self {
        let (base_url, path) = (base_url.to_owned(), path.to_owned());
        Self { base_url, method: Method::POST, path, body: Bytes::from(body.to_owned()), expected }
    }

    /// Puts the load on the target and counts what is answered; an unexpected status ends it with an error.
    pub(crate) async fn measure(&self, load: Load) -> Result<Rate> {
        self.ask(Load { lasts: WARM_UP, ..load }).await?;
        self.ask(load).await
    }

    async fn ask(&self, load: Load) -> Result<Rate> {
        let ready = Arc::new(Barrier::new(load.connections));
        let askers: Vec<_> = (0..load.connections)
            .map(|_| tokio::spawn(self.clone().ask_in_turn(Arc::clone(&ready), load.lasts)))
            .collect();
        let mut took = Vec::new();
        for asker in askers {
            took.extend(asker.await??);
        }
        let answers = u32::try_from(took.len())?;
        ensure!(answers > 0, "nothing was answered in {:?}", load.lasts);
        Ok(Rate {
            per_second: f64::from(answers) / load.lasts.as_secs_f64(),
            median_ms: median(took.iter().map(|took| took.as_secs_f64() * 1000.0)),
        })
    }

    async fn ask_in_turn(self, ready: Arc<Barrier>, lasts: Duration) -> Result<Vec<Duration>> {
        let opened = Connection::open(&self.base_url).await;
        ready.wait().await;
        let mut connection = opened?;
        let end = Instant::now() + lasts;
        let mut took = Vec::new();
        loop {
            let asked = Instant::now();
            let status = connection.exchange(&self.method, &self.path, &self.body, None).await?;
            ensure!(status == self.expected, "{} {} answered {status}", self.method, self.path);
            let answered = Instant::now();
            // What is answered late does not count, but a request that takes longer than the whole measurement does.
            if answered > end && !took.is_empty() {
                return Ok(took);
            }
            took.push(answered - asked);
            if answered > end {
                return Ok(took);
            }
        }
    }
}

/// Measures several targets in turn, round by round, so that what else the machine does falls on all of them; returns
/// the median round of each.
pub(crate) async fn in_turn<const N: usize>(
    targets: [&Target; N],
    load: Load,
    rounds: usize,
) -> Result<[Rate; N]> {
    let mut measured: [Vec<Rate>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (target, rates) in targets.iter().zip(&mut measured) {
            rates.push(target.measure(load).await?);
        }
    }
    Ok(measured.map(|rates| median_rate(&rates)))
}

/// The median of several measurements of one target.
pub(crate) fn median_rate(rates: &[Rate]) -> Rate {
    Rate {
        per_second: median(rates.iter().map(|rate| rate.per_second)),
        median_ms: median(rates.iter().map(|rate| rate.median_ms)),
    }
}
