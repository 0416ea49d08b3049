//! The ledger as a file.

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::export::{write_checkpoint, write_line};
use pilotdeck_storage::{Database, Generation, StoreError};

use super::Ledger;
use crate::Error;

/// The most lines, and about as many bytes, that are held at a time.
const PAGE_LINES: i64 = 500;
const PAGE_BYTES: usize = 256 << 10;

/// An export of the ledger as it was when it began, read piece by piece.
///
/// No connection is held between two pieces: who reads slowly keeps nobody else waiting. Lines and checkpoints never
/// change, so that all pieces are of one state.
pub struct Export {
    db: Database,
    /// The file that it is of.
    generation: Generation,
    since: i64,
    until: i64,
    /// The last checkpoint that there was.
    signed_until: i64,
}

impl Ledger {
    /// Begins an export of the whole ledger.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn export(&self, actor: &Actor) -> Result<Export, Error> {
        actor.require(Permission::ProveLedger)?;
        let mut tx = self.store.db.snapshot().await?;
        let until = tx.ledger().head().await?.seq;
        let last = tx.checkpoints().last().await?;
        Ok(Export {
            db: self.store.db.clone(),
            generation: self.store.db.generation(),
            // Before the first place there is nothing, unless somebody put it there.
            since: i64::MIN,
            until,
            signed_until: last.map_or(0, |last| last.checkpoint.seq),
        })
    }
}

impl Export {
    /// The place of its last line.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        self.until
    }

    /// The place up to which it was read.
    #[must_use]
    pub fn reached(&self) -> i64 {
        self.since.max(0)
    }

    /// The next piece, whole lines of the file; none at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the database became another one; [`Error::Store`].
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        let mut tx = self.db.read().await?;
        if self.db.generation() != self.generation {
            return Err(StoreError::Replacing.into());
        }
        let lines = tx.ledger().page(self.since, self.until, PAGE_LINES, PAGE_BYTES).await?;
        let Some(last) = lines.last() else { return Ok(None) };
        let until = last.seq.min(self.signed_until);
        let checkpoints = tx.checkpoints().between(self.since, until).await?;
        drop(tx);
        self.since = last.seq;
        let mut checkpoints = checkpoints.iter().peekable();
        let mut piece = String::new();
        for line in &lines {
            write_line(&mut piece, line);
            while let Some(signed) = checkpoints.next_if(|signed| signed.checkpoint.seq <= line.seq)
            {
                write_checkpoint(&mut piece, signed);
            }
        }
        Ok(Some(piece))
    }
}
