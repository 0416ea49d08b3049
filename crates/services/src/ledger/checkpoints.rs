//! Checkpoints: who signs when.

use std::time::Duration;

use chrono::TimeDelta;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::Head;
use pilotdeck_domain::ledger::checkpoint::{PublicKey, SignedCheckpoint, SigningKey};
use pilotdeck_domain::times::WireTime;
use tokio::time::{MissedTickBehavior, interval};

use super::Ledger;
use crate::{Error, Unavailable};

/// A checkpoint is signed at every multiple of this place.
pub const EVERY_LINES: i64 = 10_000;
/// A line does not wait longer than this for a checkpoint.
const EVERY: TimeDelta = TimeDelta::days(1);
/// How often it is looked whether a checkpoint is due. None is missed in between: lines stay as they are, and those at
/// the multiples are signed later, too.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a checkpoint would follow.
struct Standing {
    head: Head,
    last: Option<SignedCheckpoint>,
}

impl Standing {
    fn signed(&self) -> i64 {
        self.last.as_ref().map_or(0, |last| last.checkpoint.seq)
    }
}

impl Ledger {
    /// The key that proves checkpoints, and the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::NoLedgerKey`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn key(&self, actor: &Actor) -> Result<(PublicKey, Option<SignedCheckpoint>), Error> {
        actor.require(Permission::ProveLedger)?;
        let key = self.signing_key()?.public();
        Ok((key, self.store.db.read().await?.checkpoints().last().await?))
    }

    /// Signs where the ledger stands, unless its last line is signed already; returns the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Tampered`] if the ledger is not the one that was signed before; [`Error::NoLedgerKey`],
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn checkpoint(&self, actor: &Actor) -> Result<SignedCheckpoint, Error> {
        actor.require(Permission::Administer)?;
        loop {
            let standing = self.standing().await?;
            if let Some(last) = &standing.last
                && last.checkpoint.seq == standing.head.seq
            {
                return Ok(last.clone());
            }
            if let Some(signed) = self.sign(&standing.head, standing.signed()).await? {
                return Ok(signed);
            }
        }
    }

    /// Signs what is due: the lines at the multiples of [`EVERY_LINES`], and the last one if the checkpoint before is a
    /// day old. Returns how many checkpoints that took.
    ///
    /// # Errors
    ///
    /// [`Error::Tampered`] if the ledger is not the one that was signed before; [`Error::NoLedgerKey`],
    /// [`Error::Store`].
    pub async fn checkpoint_if_due(&self) -> Result<u64, Error> {
        let mut signed = 0;
        loop {
            let standing = self.standing().await?;
            let multiple = (standing.signed() / EVERY_LINES + 1) * EVERY_LINES;
            let head = if multiple <= standing.head.seq {
                self.store.db.read().await?.ledger().head_at(multiple).await?.ok_or_else(|| {
                    Error::Tampered(format!("seq {multiple} is missing from the ledger"))
                })?
            } else if standing.head.seq > standing.signed() && self.is_a_day_old(&standing) {
                standing.head.clone()
            } else {
                return Ok(signed);
            };
            signed += u64::from(self.sign(&head, standing.signed()).await?.is_some());
        }
    }

    /// Signs what is due from now on, without an end; stop it by dropping it.
    pub async fn keep_checkpoints(&self) {
        let mut turns = interval(LOOK_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        loop {
            turns.tick().await;
            let failure = match self.checkpoint_if_due().await {
                // The next look finds the other database.
                Ok(_) | Err(Error::Unavailable(Unavailable::Restoring)) => String::new(),
                Err(Error::NoLedgerKey) => return,
                Err(error) => error.to_string(),
            };
            // A failure that lasts is said once.
            if failure != said {
                if !failure.is_empty() {
                    tracing::error!("no checkpoint of the ledger could be signed: {failure}");
                }
                said = failure;
            }
        }
    }

    fn signing_key(&self) -> Result<&SigningKey, Error> {
        self.key.as_deref().ok_or(Error::NoLedgerKey)
    }

    /// Where the ledger stands. What was signed before must still be there: a signature would make a change of it look
    /// right.
    async fn standing(&self) -> Result<Standing, Error> {
        self.signing_key()?;
        let mut tx = self.store.db.snapshot().await?;
        let standing =
            Standing { head: tx.ledger().head().await?, last: tx.checkpoints().last().await? };
        if standing.head.seq < 1 {
            return Err(Error::Tampered("the ledger is empty".to_owned()));
        }
        if let Some(last) = &standing.last {
            let seq = last.checkpoint.seq;
            let line = tx.ledger().head_at(seq).await?;
            if line.is_none_or(|line| line.hash != last.checkpoint.hash) {
                return Err(Error::Tampered(format!(
                    "seq {seq} is not the line that was signed at {}",
                    last.checkpoint.ts
                )));
            }
        }
        Ok(standing)
    }

    fn is_a_day_old(&self, standing: &Standing) -> bool {
        standing
            .last
            .as_ref()
            .and_then(|last| WireTime::stored(last.checkpoint.ts.as_str()).instant())
            .is_none_or(|ts| self.store.clock.now() - ts >= EVERY)
    }

    /// Signs a line. There is no checkpoint if someone else signed one meanwhile.
    async fn sign(&self, head: &Head, previous: i64) -> Result<Option<SignedCheckpoint>, Error> {
        let ts = WireTime::from(self.store.clock.now());
        let signed = self.signing_key()?.sign(head, previous, &ts);
        let kept = self.store.db.write().await?.keep_checkpoint(&signed).await?;
        if kept {
            tracing::info!(ledger.seq = head.seq, "signed the ledger up to seq {}", head.seq);
        }
        Ok(kept.then_some(signed))
    }
}
