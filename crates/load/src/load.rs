//! Putting a load on a server.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Request, unexpected};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::measured::{Measured, Tally};
use crate::pace::Pace;
use crate::work::Work;

/// A server that is not there is not asked more often than this by one connection.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// How much is asked for at a time, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections that ask at the same time.
    pub connections: usize,
    /// How long it lasts.
    pub lasts: Duration,
    /// Requests that become due in a second; without it, each connection asks again when it was answered.
    pub rate: Option<f64>,
    /// How long an answer is waited for.
    pub patience: Duration,
}

impl Load {
    /// A closed loop.
    #[must_use]
    pub fn closed(connections: usize, lasts: Duration) -> Self {
        Self { connections, lasts, rate: None, patience: Duration::from_secs(30) }
    }

    /// Half of the processors, for the server needs some, too.
    fn threads(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (processors / 2).clamp(1, self.connections.max(1))
    }
}

/// A load that is being put on a server. Dropping it ends it.
#[derive(Debug)]
pub struct Run {
    site: Arc<Site>,
    stop: watch::Sender<bool>,
    /// Yields nothing but the end: every thread holds a sender.
    ended: mpsc::Receiver<Infallible>,
}

/// What all connections share.
struct Site {
    endpoint: Arc<Endpoint>,
    work: Arc<dyn Work>,
    load: Load,
    pace: Option<Pace>,
    all_connected: Barrier,
    started: OnceLock<Instant>,
    stopped: AtomicBool,
    tally: Mutex<Tally>,
}

impl Run {
    /// Connects, and begins when all connections are there.
    #[must_use]
    pub fn start(endpoint: Arc<Endpoint>, work: Arc<dyn Work>, load: Load) -> Self {
        let site = Arc::new(Site {
            endpoint,
            work,
            load,
            pace: load.rate.map(|rate| Pace::new(rate, load.lasts)),
            all_connected: Barrier::new(load.connections),
            started: OnceLock::new(),
            stopped: AtomicBool::new(false),
            tally: Mutex::new(Tally::new()),
        });
        let (stop, stopping) = watch::channel(false);
        let (running, ended) = mpsc::channel(1);
        let threads = load.threads();
        for index in 0..threads {
            let (site, stopping, running) = (Arc::clone(&site), stopping.clone(), running.clone());
            let share = (load.connections + threads - 1 - index) / threads;
            thread::spawn(move || {
                ask_on_one_thread(&site, share, stopping);
                drop(running);
            });
        }
        if site.pace.is_some() {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                if let Some(pace) = &site.pace {
                    pace.keep(&site.started, &site.stopped);
                }
            });
        }
        Self { site, stop, ended }
    }

    /// Waits until the time is over and what was asked is answered.
    pub async fn ended(&mut self) {
        let _ = self.ended.recv().await;
    }

    /// Ends it now; what is not answered yet does not count.
    pub fn stop(&self) {
        self.site.stopped.store(true, Ordering::Relaxed);
        // Threads that are at their end listen no more.
        let _ = self.stop.send(true);
    }

    /// What was measured so far.
    #[must_use]
    pub fn measured(&self) -> Measured {
        let lasted = self.site.started.get().map_or(Duration::ZERO, Instant::elapsed);
        let unsent = self.site.pace.as_ref().map_or(0, Pace::unsent);
        let tally = self.site.tally().clone();
        let has_late_ones_alone = tally.is_late();
        let lasted = if has_late_ones_alone { lasted } else { lasted.min(self.site.load.lasts) };
        tally.measured(lasted, unsent)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
        // A pace that never began still waits for the beginning.
        self.site.started.get_or_init(Instant::now);
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("endpoint", &self.endpoint)
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}

impl Site {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection's part.
    async fn ask_in_turn(self: Arc<Self>) {
        let mut connection = Connection::to(&self.endpoint).await;
        self.all_connected.wait().await;
        let started = *self.started.get_or_init(Instant::now);
        let end = started + self.load.lasts;
        let (mut body, mut answer) = (Vec::new(), Vec::new());
        loop {
            let due = match &self.pace {
                Some(pace) => match pace.next(started).await {
                    Some(due) => due,
                    None => return,
                },
                None => Instant::now(),
            };
            // What becomes due just before the end is still asked.
            if self.pace.is_none() && due >= end {
                return;
            }
            let asked = async {
                if connection.is_err() {
                    connection = Connection::to(&self.endpoint).await;
                }
                let open = match &mut connection {
                    Ok(open) => open,
                    Err(error) => return Err(std::mem::replace(error, Failure::TimedOut)),
                };
                body.clear();
                answer.clear();
                let ask = self.work.next(&mut body);
                let (method, path) = (ask.method, &*ask.path);
                let request = Request { method, path, headers: &[], body: &body };
                let status = open.exchange_briefly(request, &mut answer).await?;
                if status == ask.expected {
                    Ok(())
                } else {
                    Err(unexpected(method, path, status, &answer))
                }
            };
            let outcome = timeout(self.load.patience, asked).await;
            let answered = Instant::now();
            match outcome.unwrap_or(Err(Failure::TimedOut)) {
                Ok(()) => self.tally().answered(answered - due, answered <= end),
                Err(failure) => {
                    self.tally().failed(&failure);
                    if matches!(failure, Failure::CannotConnect(_)) {
                        sleep(AFTER_REFUSAL).await;
                    }
                }
            }
        }
    }
}

fn ask_on_one_thread(site: &Arc<Site>, connections: usize, mut stopping: watch::Receiver<bool>) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return site.tally().failed(&Failure::CannotConnect(error)),
    };
    runtime.block_on(async {
        let mut askers = JoinSet::new();
        for _ in 0..connections {
            askers.spawn(Arc::clone(site).ask_in_turn());
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => {}
            () = async { while askers.join_next().await.is_some() {} } => {}
        }
    });
    // A look-up of a name may still be on its way; nobody waits for it.
    runtime.shutdown_background();
}
