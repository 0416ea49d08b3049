//! The ledger: reading it, and proving that it holds.

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Head, Line};
pub use pilotdeck_storage::LedgerFilter;
use pilotdeck_storage::Tx;

use crate::{Error, Store};

/// Lines read at a time while verifying.
const PAGE: i64 = 2_000;

/// What can be asked about the ledger.
#[derive(Clone)]
pub struct Ledger(Store);

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
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// The lines that `filter` lets through, oldest first, and where the chain stands.
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
        actor.require(Permission::ReadLedger)?;
        let mut tx = self.0.db.snapshot().await?;
        let lines = tx.ledger().list(filter).await?;
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
pub async fn verify(mut tx: Tx, mut progress: impl FnMut(i64, i64)) -> Result<Verdict, Error> {
    let last = tx.ledger().head().await?.seq;
    let mut head = Head::default();
    // No line is left of the first one's place, unless someone put it there.
    let mut since = i64::MIN;
    loop {
        let filter = LedgerFilter { since: Some(since), limit: PAGE, ..LedgerFilter::default() };
        let lines = tx.ledger().list(&filter).await?;
        if lines.is_empty() {
            return Ok(Verdict::Holds(head));
        }
        for line in lines {
            if let Err(reason) = line.verify(&head) {
                return Ok(Verdict::Broken { seq: head.seq + 1, reason });
            }
            head = line.head();
        }
        since = head.seq;
        progress(head.seq, last);
    }
}
