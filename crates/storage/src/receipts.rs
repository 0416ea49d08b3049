//! Receipts: what became of requests that carried a key, so that whoever repeats one hears the same again.
//!
//! They are looked up by [`crate::Next::begin`] and written with the commit.

use chrono::{DateTime, TimeDelta, Utc};
use pilotdeck_domain::times::WireTime;

use crate::Tx;
use crate::statements::statements;

/// How long receipts are kept: twice as long as is promised.
const KEPT: TimeDelta = TimeDelta::hours(48);

statements! {
    /// Part of a commit that keeps some: those that are over go, more at a time than one commit keeps.
    pub(crate) FORGET = "
        DELETE FROM receipts
         WHERE key_hash IN (SELECT key_hash FROM receipts WHERE created_at < $5 ORDER BY created_at LIMIT 1000)";
    /// Part of a commit. One that is over may still be there.
    pub(crate) KEEP_MANY = "
        INSERT OR REPLACE INTO receipts (key_hash, fingerprint, outcome, created_at)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($6)";
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The digest of the key, and of whose it is.
    pub key_hash: String,
    /// The digest of the request.
    pub fingerprint: String,
    /// What became of it, as JSON.
    pub outcome: String,
}

/// The time before which receipts are over.
pub(crate) fn horizon(now: DateTime<Utc>) -> WireTime {
    WireTime::from(now - KEPT)
}

impl Tx {
    /// Keeps a receipt, with the commit.
    ///
    /// # Panics
    ///
    /// If this is no write transaction.
    pub fn keep_receipt(&mut self, receipt: &Receipt, now: DateTime<Utc>) {
        let pending = self.pending();
        pending.receipts_before = Some(horizon(now));
        pending.receipts.push(&(
            &receipt.key_hash,
            &receipt.fingerprint,
            &receipt.outcome,
            WireTime::from(now),
        ));
    }
}
