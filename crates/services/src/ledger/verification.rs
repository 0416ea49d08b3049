//! Verifying the ledger of the running server.
//!
//! The chain is read piece by piece up to the line that was the last one at the beginning; lines never change, so that all
//! pieces are of one state. No connection is held between two of them, and hashing has a thread of its own: nobody waits.
//! There is one verification at a time, whoever asks meanwhile gets its result, and it goes on if all of them hang up.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::checkpoint::{PublicKey, SignedCheckpoint};
use pilotdeck_domain::ledger::{Head, Line};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::StoreError;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{Chain, Fault, Ledger, hold};
use crate::{Error, Store};

/// As many faults are named.
pub const MAX_FAULTS: usize = 20;
/// The most lines, and about as many bytes, that are held at a time.
const PAGE_LINES: i64 = 2_000;
const PAGE_BYTES: usize = 4 << 20;
/// Checkpoints that are held at a time.
const PAGE_CHECKPOINTS: i64 = 200;

/// What a verification found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// How many lines there were.
    pub lines: i64,
    /// Where the chain stood.
    pub head: Head,
    /// How many checkpoints there were.
    pub checkpoints: i64,
    /// The last line that was signed; 0 if none was.
    pub last_signed_seq: i64,
    /// Whether the signatures of checkpoints were looked at: not without a key.
    pub are_signatures_verified: bool,
    /// When it began.
    pub verified_at: WireTime,
    /// How long it took.
    pub took: Duration,
    /// What does not hold: the first [`MAX_FAULTS`]. Without any, the ledger is intact.
    pub faults: Vec<Fault>,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The place reached.
    pub line: i64,
    /// The place of the last line.
    pub of_lines: i64,
}

/// The last verification, and the one that is on its way.
#[derive(Clone, Debug, Default)]
pub struct Verifications {
    /// The last one since the server started.
    pub last: Option<Arc<Verification>>,
    /// How far the present one is.
    pub running: Option<Progress>,
}

/// What became of a verification; none while it is on its way.
type Outcome = Option<Result<Arc<Verification>, Failure>>;

/// Why there is no result, for as many as asked for it.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Busy,
    Replaced,
    Closed,
    Failed,
}

/// Verifies, one at a time.
#[derive(Default)]
pub(crate) struct Verifier(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Arc<Verification>>,
    running: Option<Running>,
}

#[derive(Clone)]
struct Running {
    reached: Arc<Reached>,
    outcome: watch::Receiver<Outcome>,
}

impl Running {
    /// Whether somebody works on it: its task may have ended with the thread that it was on.
    fn is_alive(&self) -> bool {
        self.outcome.has_changed().is_ok()
    }
}

#[derive(Default)]
struct Reached {
    line: AtomicI64,
    of_lines: AtomicI64,
}

impl Verifier {
    fn state(&self) -> MutexGuard<'_, State> {
        // No state is ever half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Verifies all lines and checkpoints that there are now, or waits for the verification that is on its way.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn verify(&self, actor: &Actor) -> Result<Arc<Verification>, Error> {
        actor.require(Permission::ProveLedger)?;
        let mut outcome = self.join_or_begin();
        let outcome = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        match outcome {
            Ok(Some(Ok(verification))) => Ok(verification),
            Ok(Some(Err(Failure::Busy))) => Err(StoreError::Busy.into()),
            Ok(Some(Err(Failure::Replaced))) => Err(StoreError::Replacing.into()),
            Ok(Some(Err(Failure::Failed))) => {
                let reason = "the ledger could not be verified".to_owned();
                Err(StoreError::Corrupt { table: "ledger", reason }.into())
            }
            Ok(None | Some(Err(Failure::Closed))) | Err(_) => Err(StoreError::Closed.into()),
        }
    }

    /// The last verification since the server started, and how far the present one is.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn verifications(&self, actor: &Actor) -> Result<Verifications, Error> {
        actor.require(Permission::ProveLedger)?;
        let state = self.verifier.state();
        let running = state.running.as_ref().filter(|running| running.is_alive());
        let running = running.map(|running| Progress {
            line: running.reached.line.load(Ordering::Relaxed),
            of_lines: running.reached.of_lines.load(Ordering::Relaxed),
        });
        Ok(Verifications { last: state.last.clone(), running })
    }

    /// Forgets the last verification: the database is another one.
    pub(crate) fn forget_verification(&self) {
        self.verifier.state().last = None;
    }

    fn join_or_begin(&self) -> watch::Receiver<Outcome> {
        let mut state = self.verifier.state();
        if let Some(running) = state.running.as_ref().filter(|running| running.is_alive()) {
            return running.outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        let reached = Arc::new(Reached::default());
        state.running = Some(Running { reached: Arc::clone(&reached), outcome: outcome.clone() });
        drop(state);
        let (store, verifier) = (self.store.clone(), Arc::clone(&self.verifier));
        let keys = self.key.as_ref().map(|key| vec![key.public()]);
        tokio::spawn(async move {
            let generation = store.db.generation();
            let found = match verify(&store, keys, &reached).await {
                // What was read of two databases says nothing about either.
                Ok(_) if store.db.generation() != generation => Err(StoreError::Replacing),
                found => found,
            };
            let result = found.map(Arc::new).map_err(|error| {
                tracing::error!(error = %error, "the ledger could not be verified");
                match error {
                    StoreError::Busy => Failure::Busy,
                    StoreError::Replacing => Failure::Replaced,
                    StoreError::Closed => Failure::Closed,
                    _ => Failure::Failed,
                }
            });
            let mut state = verifier.state();
            if let Ok(verification) = &result {
                tell(verification);
                state.last = Some(Arc::clone(verification));
            }
            state.running = None;
            drop(state);
            sender.send_replace(Some(result));
        });
        outcome
    }
}

fn tell(verification: &Verification) {
    let (seq, duration_ms) = (verification.head.seq, verification.took.as_millis());
    match verification.faults.first() {
        None => {
            tracing::info!(ledger.seq = seq, duration_ms, "the ledger is intact up to seq {seq}");
        }
        Some(Fault { seq, reason }) => {
            tracing::error!(
                ledger.seq = seq,
                duration_ms,
                "the ledger does not hold at seq {seq}: {reason}"
            );
        }
    }
}

async fn verify(
    store: &Store,
    keys: Option<Vec<PublicKey>>,
    reached: &Reached,
) -> Result<Verification, StoreError> {
    let verified_at = WireTime::from(store.clock.now());
    let started = Instant::now();
    let mut tx = store.db.snapshot().await?;
    let end = tx.ledger().head().await?.seq;
    let signed = tx.checkpoints().last().await?.map_or(0, |last| last.checkpoint.seq);
    drop(tx);
    reached.of_lines.store(end, Ordering::Relaxed);
    let chain = follow(store, end, reached).await?;
    let are_signatures_verified = keys.is_some();
    let (chain, checkpoints) = check(store, chain, signed, keys).await?;
    let mut faults = chain.faults;
    faults.truncate(MAX_FAULTS);
    Ok(Verification {
        lines: chain.lines,
        head: chain.head,
        checkpoints,
        last_signed_seq: signed,
        are_signatures_verified,
        verified_at,
        took: started.elapsed(),
        faults,
    })
}

/// Follows the chain up to the place `end`.
async fn follow(store: &Store, end: i64, reached: &Reached) -> Result<Chain, StoreError> {
    let mut chain = Chain::default();
    // Before the first place there is nothing, unless somebody put it there.
    let mut since = i64::MIN;
    let mut limit = PAGE_LINES;
    loop {
        let page = page(store, since, end, limit).await;
        let lines = match page {
            Ok(lines) => lines,
            // Whatever can still be read before it is looked at first.
            Err(error) if is_damage(&error) && limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) if is_damage(&error) => {
                chain
                    .fault(chain.head.seq.saturating_add(1), format!("it cannot be read: {error}"));
                return Ok(chain);
            }
            Err(error) => return Err(error),
        };
        let Some(last) = lines.last() else { return Ok(chain) };
        since = last.seq;
        chain = off_thread(move || {
            chain.follow(&lines);
            chain
        })
        .await?;
        reached.line.store(chain.head.seq, Ordering::Relaxed);
    }
}

async fn page(store: &Store, since: i64, until: i64, limit: i64) -> Result<Vec<Line>, StoreError> {
    store.db.read().await?.ledger().page(since, until, limit, PAGE_BYTES).await
}

/// Whether what is stored is at fault, and not the way to it.
fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. } | StoreError::Engine(_))
}

/// Holds the checkpoints up to the place `signed` against the chain; says how many there are.
async fn check(
    store: &Store,
    mut chain: Chain,
    signed: i64,
    keys: Option<Vec<PublicKey>>,
) -> Result<(Chain, i64), StoreError> {
    let keys = Arc::new(keys);
    let (mut previous, mut checkpoints) = (0, 0);
    loop {
        let page =
            store.db.read().await?.checkpoints().with_lines(previous, PAGE_CHECKPOINTS).await;
        let mut page: Vec<(SignedCheckpoint, Option<String>)> = match page {
            Ok(page) => page,
            Err(error) if is_damage(&error) => {
                let reason = format!("a checkpoint after it cannot be read: {error}");
                chain.fault(previous, reason);
                return Ok((chain, checkpoints));
            }
            Err(error) => return Err(error),
        };
        page.retain(|(checkpoint, _)| checkpoint.checkpoint.seq <= signed);
        let Some((last, _)) = page.last() else { return Ok((chain, checkpoints)) };
        let (before, keys) = (previous, Arc::clone(&keys));
        previous = last.checkpoint.seq;
        checkpoints += i64::try_from(page.len()).unwrap_or(i64::MAX);
        chain = off_thread(move || {
            let (mut before, end) = (before, chain.head.seq);
            for (checkpoint, line) in page {
                let held = hold(&checkpoint, line.as_deref(), before, end, keys.as_deref());
                if let Err((seq, reason)) = held {
                    chain.fault(seq, reason);
                }
                before = checkpoint.checkpoint.seq;
            }
            chain
        })
        .await?;
    }
}

/// Runs what keeps a processor busy where no request waits for it. It ends early with the program alone.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(|_| StoreError::Closed)
}
