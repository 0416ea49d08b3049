//! Rounds of load, kill, restart and comparison.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use pilotdeck_load::{Connection, Endpoint};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::sleep;
use xtask::server_process::ServerProcess;

use crate::check::{check, check_all};
use crate::file::Chain;
use crate::load::{self, WRITERS, Writer, lock};
use crate::repeat::{Kept, repeat};
use crate::server::Site;
use crate::summary::{Phase, Summary};
use crate::world::{ViolationKind, World};

/// An orderly stop is cut short within this.
const STOPPING: Duration = Duration::from_millis(80);
/// A campaign that found this many violations has found enough.
const ENOUGH: usize = 100;

/// How to make a campaign.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program of the server.
    pub server: PathBuf,
    /// An empty folder for its files.
    pub folder: PathBuf,
    /// How often it is killed and started again.
    pub rounds: u64,
    /// What everything random depends on, but for the time that things take.
    pub seed: u64,
    /// The load lasts at most this long before the kill.
    pub longest: Duration,
}

/// The campaign while it lasts.
struct Campaign {
    site: Site,
    random: StdRng,
    longest: Duration,
    world: Arc<Mutex<World>>,
    chain: Chain,
    kept: Kept,
    sends_keys: bool,
    summary: Summary,
}

/// Kills and restarts the server, and compares; `progress` is told after each round.
///
/// # Errors
///
/// If the campaign cannot go on: the server does not start, or goes away while nobody killed it. What must not be is no
/// error; it is in the summary.
pub async fn kill_and_restart(plan: &Plan, mut progress: impl FnMut(&Summary)) -> Result<Summary> {
    let began = Instant::now();
    let site = Site::new(&plan.server, &plan.folder);
    let (mut server, _) = site.start()?;
    let mut campaign = Campaign {
        site,
        random: StdRng::seed_from_u64(plan.seed),
        longest: plan.longest,
        world: Arc::default(),
        chain: Chain::default(),
        kept: Kept::default(),
        sends_keys: false,
        summary: Summary { seed: plan.seed, ..Summary::default() },
    };
    campaign.prepare(&server).await?;
    for round in 1..=plan.rounds {
        let context = || format!("round {round} of the seed {}", plan.seed);
        server = campaign.round(server).await.with_context(context)?;
        campaign.summary.rounds = round;
        campaign.sum_up(began);
        progress(&campaign.summary);
        if campaign.summary.violations.len() > ENOUGH {
            break;
        }
    }
    server.stop()?;
    let Campaign { site, world, chain, .. } = &mut campaign;
    check_all(world, &site.database, chain).await?;
    match site.verify() {
        Ok(said) if said.contains(&chain.hash) => campaign.summary.verified = said,
        Ok(said) => lock(world).violated(ViolationKind::Ledger, said),
        Err(error) => lock(world).violated(ViolationKind::Ledger, error.to_string()),
    }
    campaign.sum_up(began);
    Ok(campaign.summary)
}

impl Campaign {
    async fn prepare(&mut self, server: &ServerProcess) -> Result<()> {
        let mut connection = Connection::open(server.base_url()).await?;
        let document = connection.get("/api/openapi.json").await?;
        let document = String::from_utf8_lossy(&document).to_ascii_lowercase();
        self.sends_keys = document.contains("\"idempotency-key\"");
        self.summary.repeated_with_key = self.sends_keys.then_some(0);
        for id in load::lasting_projects() {
            let number = lock(&self.world).number();
            let sent = load::create(number, &id);
            lock(&self.world).attempt(&sent);
            let Some((status, answer)) = load::send(&mut connection, &sent).await else {
                bail!("the server went away before anything began");
            };
            lock(&self.world).acknowledge(sent, status, answer);
        }
        Ok(())
    }

    async fn round(&mut self, mut server: ServerProcess) -> Result<ServerProcess> {
        let endpoint: Arc<Endpoint> = Arc::new(server.base_url().parse()?);
        let mut clients = Vec::new();
        for index in 0..WRITERS {
            let seed = self.random.random();
            let writer = Writer::ready(&endpoint, &self.world, index, seed, self.sends_keys).await;
            clients.push(tokio::spawn(writer.context("the server cannot be reached")?.write()));
        }
        clients.push(tokio::spawn(load::read(Arc::clone(&endpoint), Arc::clone(&self.world))));

        sleep(self.random_time(self.longest)).await;
        if !server.is_running() {
            bail!(server.failure("the server ended while nobody killed it"));
        }
        self.kill(server).await?;
        for client in clients {
            client.await?;
        }
        let (server, took) = self.site.start()?;
        self.summary.restarts.push(took);

        let unanswered = lock(&self.world).unanswered.len() as u64;
        let mut connection = Connection::open(server.base_url()).await?;
        let (world, site) = (&self.world, &self.site);
        let checked = check(world, &mut connection, &site.database, &mut self.chain).await?;
        let repeated =
            repeat(world, &mut connection, &mut self.kept, &checked.applied, &mut self.random)
                .await?;
        let summary = &mut self.summary;
        summary.unanswered += unanswered;
        summary.unanswered_and_done += repeated.unanswered_and_done;
        summary.repeated += repeated.answered + repeated.unanswered;
        if let Some(with_key) = &mut summary.repeated_with_key {
            *with_key += repeated.with_key;
        }
        Ok(server)
    }

    async fn kill(&mut self, server: ServerProcess) -> Result<()> {
        let phase = match self.random.random_range(0..100) {
            0..60 => Phase::UnderLoad,
            60..80 => Phase::WhileStarting,
            _ => Phase::WhileStopping,
        };
        if phase == Phase::WhileStopping {
            server.signal("TERM")?;
            sleep(self.random_time(STOPPING)).await;
            drop(server);
            self.killed(phase);
            return Ok(());
        }
        drop(server);
        self.killed(Phase::UnderLoad);
        if phase == Phase::WhileStarting {
            let usual = self.summary.restarts.last().copied().unwrap_or(STOPPING);
            for _ in 0..self.random.random_range(1..=3) {
                let after = self.random_time(usual.mul_f64(1.2));
                self.site.start_and_kill(after)?;
                self.killed(phase);
            }
        }
        Ok(())
    }

    fn killed(&mut self, phase: Phase) {
        *self.summary.kills.entry(phase).or_default() += 1;
    }

    fn random_time(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.random.random())
    }

    fn sum_up(&mut self, began: Instant) {
        let world = lock(&self.world);
        self.summary.acknowledged.clone_from(&world.acknowledged);
        self.summary.violations.clone_from(&world.violations);
        self.summary.ledger_lines = self.chain.last;
        self.summary.took = began.elapsed();
    }
}
