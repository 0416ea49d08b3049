//! The ledger: reading it, and proving that it holds.

use std::cmp::Ordering;
use std::sync::Arc;

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::checkpoint::{Checkpoint, PublicKey, SignedCheckpoint, SigningKey};
use pilotdeck_domain::ledger::{Head, Line};
pub use pilotdeck_storage::LedgerFilter;
use pilotdeck_storage::Tx;

use crate::access::Access;
use crate::{Error, Store};

mod checkpoints;
mod export;
mod proof;
mod verification;

pub use checkpoints::EVERY_LINES;
pub use export::Export;
pub use proof::prove;
pub use verification::{MAX_FAULTS, Progress, Verification, Verifications};

use verification::Verifier;

/// Lines read at a time while verifying.
const PAGE: i64 = 2_000;

/// What can be asked about the ledger.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    /// What signs checkpoints.
    pub(crate) key: Option<Arc<SigningKey>>,
    verifier: Arc<Verifier>,
}

/// A place that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place.
    pub seq: i64,
    /// Why, for a person.
    pub reason: String,
}

/// The chain, as far as it was followed.
#[derive(Debug, Default)]
struct Chain {
    head: Head,
    lines: i64,
    /// What did not hold; beyond some the rest is as good as known.
    faults: Vec<Fault>,
}

impl Chain {
    /// Follows it to the end of `lines`. After a line that does not belong where it stands, it goes on from there.
    fn follow(&mut self, lines: &[Line]) {
        for line in lines {
            if let Err(reason) = line.verify(&self.head) {
                self.fault(self.head.seq.saturating_add(1), reason);
                // What it says itself is looked at where it stands.
                let before = Head { seq: line.seq.saturating_sub(1), hash: line.prev_hash.clone() };
                if before != self.head
                    && let Err(reason) = line.verify(&before)
                {
                    self.fault(line.seq, reason);
                }
            }
            self.head = line.head();
            self.lines += 1;
        }
    }

    fn fault(&mut self, seq: i64, reason: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { seq, reason });
        }
    }

    /// The head, if everything held so far, or the first place that did not.
    fn verdict(self) -> Verdict {
        match self.faults.into_iter().next() {
            None => Verdict::Holds(self.head),
            Some(Fault { seq, reason }) => Verdict::Broken { seq, reason },
        }
    }
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every line is the one that belongs after the line before it.
    Holds(Head),
    /// A line is not.
    Broken {
        /// The first place that does not hold.
        seq: i64,
        /// Why, for a person.
        reason: String,
    },
}

impl Ledger {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, key: None, verifier: Arc::default() }
    }

    /// The lines that `filter` lets through and the actor is told, oldest first, and where the chain stands.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &LedgerFilter,
    ) -> Result<(Vec<Line>, Head), Error> {
        let access = Access::new(actor, Permission::ReadLedger)?;
        let filter = LedgerFilter { within: access.within().map(str::to_owned), ..filter.clone() };
        let mut tx = self.store.db.snapshot().await?;
        let is_seen = filter.project_id.is_none() || access.sees(filter.project_id.as_deref());
        let lines = if is_seen { tx.ledger().list(&filter).await? } else { Vec::new() };
        let head = tx.ledger().head().await?;
        Ok((lines, head))
    }
}

/// Reads the whole ledger in one state of the database and checks every line; `progress` hears the place reached and
/// the place of the last line.
///
/// # Errors
///
/// [`Error::Store`] if the database cannot be read.
pub async fn verify(mut tx: Tx, progress: impl FnMut(i64, i64)) -> Result<Verdict, Error> {
    follow(&mut tx, progress).await
}

/// What the checkpoints in a database say about its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whether the chain holds, and every checkpoint is about a line that is there.
    pub verdict: Verdict,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// The last one.
    pub last: Option<Checkpoint>,
}

/// Does what [`verify`] does, and holds every checkpoint against the line that it is about: with them, lines that were
/// cut off at the end are noticed, and a ledger that was written anew is not the one that was signed. Without `keys`,
/// the signatures themselves are not looked at.
///
/// # Errors
///
/// [`Error::Store`] if the database cannot be read.
pub async fn verify_signed(
    mut tx: Tx,
    keys: Option<&[PublicKey]>,
    progress: impl FnMut(i64, i64),
) -> Result<Signed, Error> {
    let mut signed =
        Signed { verdict: follow(&mut tx, progress).await?, checkpoints: 0, last: None };
    let Verdict::Holds(head) = &signed.verdict else { return Ok(signed) };
    let mut previous = 0;
    loop {
        let page = tx.checkpoints().with_lines(previous, PAGE).await?;
        if page.is_empty() {
            return Ok(signed);
        }
        for (checkpoint, line) in page {
            let line = line.as_deref();
            if let Err((seq, reason)) = hold(&checkpoint, line, previous, head.seq, keys) {
                return Ok(Signed { verdict: Verdict::Broken { seq, reason }, ..signed });
            }
            previous = checkpoint.checkpoint.seq;
            signed.checkpoints += 1;
            signed.last = Some(checkpoint.checkpoint);
        }
    }
}

/// Holds a checkpoint against the hash that its line has, the place of the checkpoint before it and of the last line.
/// Says which place does not hold, and why.
fn hold(
    signed: &SignedCheckpoint,
    line: Option<&str>,
    before: i64,
    end: i64,
    keys: Option<&[PublicKey]>,
) -> Result<(), (i64, String)> {
    let Checkpoint { seq, hash, ts, previous, .. } = &signed.checkpoint;
    if let Some(keys) = keys {
        signed.verify(keys).map_err(|reason| (*seq, format!("of its checkpoint, {reason}")))?;
    }
    match previous.cmp(&before) {
        Ordering::Equal => {}
        Ordering::Greater => return Err((*previous, "its checkpoint is missing".to_owned())),
        Ordering::Less => {
            let reason = format!(
                "its checkpoint was signed when the one before it was that of seq {previous}, and here it is that of seq \
                 {before}; two ledgers were signed with this key"
            );
            return Err((*seq, reason));
        }
    }
    match line {
        Some(found) if found == hash => Ok(()),
        Some(_) => {
            let reason = format!(
                "another hash was signed for it at {ts}; some line after seq {before} was altered, and every hash since \
                 computed anew"
            );
            Err((*seq, reason))
        }
        None => Err((
            end.saturating_add(1),
            format!("it is missing: at {ts} there were lines up to seq {seq}"),
        )),
    }
}

async fn follow(tx: &mut Tx, mut progress: impl FnMut(i64, i64)) -> Result<Verdict, Error> {
    let last = tx.ledger().head().await?.seq;
    let mut chain = Chain::default();
    // No line is left of the first one's place, unless someone put it there.
    let mut since = i64::MIN;
    loop {
        let filter = LedgerFilter { since: Some(since), limit: PAGE, ..LedgerFilter::default() };
        let lines = tx.ledger().list(&filter).await?;
        chain.follow(&lines);
        if lines.is_empty() || !chain.faults.is_empty() {
            return Ok(chain.verdict());
        }
        since = chain.head.seq;
        progress(since, last);
    }
}
