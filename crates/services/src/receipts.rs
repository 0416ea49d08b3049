//! Receipts: a request that carries a key is done once; whoever repeats it hears what became of it then.
//!
//! A receipt is written in the transaction of the change and belongs to the one in whose name it was made. Refusals
//! leave none: what was refused may be tried again.

use pilotdeck_domain::identity::{Actor, Author};
use pilotdeck_storage::{Receipt, StoreError, Tx, Wanted};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::identity::hex;
use crate::{Error, Store};

/// The key of a request, as receipts know it.
pub(crate) struct Key {
    /// The digest of the key and of whose it is.
    pub(crate) hash: String,
    fingerprint: String,
}

impl Key {
    /// The key of the request, if it has one.
    pub(crate) fn of(actor: &Actor, author: &Author) -> Option<Self> {
        let intent = actor.intent()?;
        let digest = Sha256::new()
            .chain_update(author.kind.as_str())
            .chain_update([0])
            .chain_update(author.id.as_deref().unwrap_or_default())
            .chain_update([0])
            .chain_update(&intent.key)
            .finalize();
        Some(Self { hash: hex(&digest), fingerprint: hex(&intent.fingerprint) })
    }

    /// What became of the request when it was made before.
    ///
    /// # Errors
    ///
    /// [`Error::KeyReused`] if it was another request.
    pub(crate) fn outcome<T: DeserializeOwned>(&self, receipt: &Receipt) -> Result<T, Error> {
        if receipt.fingerprint != self.fingerprint {
            return Err(Error::KeyReused);
        }
        serde_json::from_str(&receipt.outcome).map_err(|error| {
            Error::Store(StoreError::Corrupt { table: "receipts", reason: error.to_string() })
        })
    }

    /// The receipt of a request that had this outcome.
    pub(crate) fn receipt(&self, outcome: &impl Serialize) -> Receipt {
        Receipt {
            key_hash: self.hash.clone(),
            fingerprint: self.fingerprint.clone(),
            outcome: serde_json::to_string(outcome).expect("outcomes are JSON"),
        }
    }
}

impl Store {
    /// Begins a change, and says what became of the same request before, if it was made before.
    pub(crate) async fn begin<T: DeserializeOwned>(
        &self,
        actor: &Actor,
        author: &Author,
    ) -> Result<(Tx, Option<T>), Error> {
        let Some(key) = Key::of(actor, author) else { return Ok((self.db.write().await?, None)) };
        let wanted = Wanted { receipts: vec![&key.hash], ..Wanted::default() };
        let turn = self.db.next(self.db.generation()).await;
        let (tx, found) = turn.begin(&wanted, self.clock.now()).await?;
        let before =
            found.receipts.get(&key.hash).map(|receipt| key.outcome(receipt)).transpose()?;
        Ok((tx, before))
    }

    /// Commits a change, with its receipt.
    pub(crate) async fn finish<T: Serialize>(
        &self,
        mut tx: Tx,
        actor: &Actor,
        author: &Author,
        outcome: T,
    ) -> Result<T, Error> {
        self.keep(&mut tx, actor, author, &outcome);
        tx.commit().await?;
        Ok(outcome)
    }

    /// Ends a transaction in which there was nothing to change, and keeps the receipt.
    pub(crate) async fn finish_unchanged<T: Serialize>(
        &self,
        mut tx: Tx,
        actor: &Actor,
        author: &Author,
        outcome: T,
    ) -> Result<T, Error> {
        if self.keep(&mut tx, actor, author, &outcome) {
            tx.commit_receipts().await?;
        }
        Ok(outcome)
    }

    /// Whether the request has a key, so that there is a receipt to keep.
    fn keep(&self, tx: &mut Tx, actor: &Actor, author: &Author, outcome: &impl Serialize) -> bool {
        let key = Key::of(actor, author);
        if let Some(key) = &key {
            tx.keep_receipt(&key.receipt(outcome), self.clock.now());
        }
        key.is_some()
    }
}
