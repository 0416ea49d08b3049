//! Checkpoints of the ledger, and the ledger read for an export.

use futures_util::TryStreamExt as _;
use pilotdeck_domain::ledger::checkpoint::{Checkpoint, SignedCheckpoint, TYPE};
use pilotdeck_domain::ledger::{Head, Line};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::ledger::line;
use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    LAST = "SELECT * FROM ledger_checkpoints WHERE seq <= $1 ORDER BY seq DESC LIMIT 1";
    BETWEEN = "SELECT * FROM ledger_checkpoints WHERE seq > $1 AND seq <= $2 ORDER BY seq";
    WITH_LINES = "
        SELECT checkpoint.*, ledger.hash AS line_hash
          FROM ledger_checkpoints checkpoint LEFT JOIN ledger ON ledger.seq = checkpoint.seq
         WHERE checkpoint.seq > $1
         ORDER BY checkpoint.seq LIMIT $2";
    KEEP = "
        INSERT INTO ledger_checkpoints (seq, hash, previous, ts, key, signature)
        SELECT $1, $2, $3, $4, $5, $6
         WHERE $3 = coalesce((SELECT seq FROM ledger_checkpoints WHERE seq > 0 ORDER BY seq DESC LIMIT 1), 0)
           AND $1 > $3";
    HASH_OF = "SELECT hash FROM ledger WHERE seq = $1";
    LINES = "SELECT * FROM ledger WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
}

/// Checkpoints of the ledger, borrowed from a unit of work.
pub struct Checkpoints<'a>(&'a mut Tx);

impl Tx {
    /// Checkpoints of the ledger.
    pub const fn checkpoints(&mut self) -> Checkpoints<'_> {
        Checkpoints(self)
    }

    /// Keeps `signed` and makes it durable, if its predecessor is still the last one; says whether it is. This is the
    /// one write without a line of its own: a checkpoint says nothing but what lines say.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn keep_checkpoint(mut self, signed: &SignedCheckpoint) -> Result<bool, StoreError> {
        let Checkpoint { hash, key, previous, seq, ts, .. } = &signed.checkpoint;
        let kept = sqlx::query(KEEP)
            .bind(seq)
            .bind(hash)
            .bind(previous)
            .bind(ts)
            .bind(key)
            .bind(&signed.signature)
            .execute(self.conn())
            .await?
            .rows_affected();
        self.commit_without_lines().await?;
        Ok(kept == 1)
    }
}

impl Checkpoints<'_> {
    /// The last one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn last(&mut self) -> Result<Option<SignedCheckpoint>, StoreError> {
        let found = sqlx::query(LAST)
            .bind(i64::MAX)
            .try_map(|row: SqliteRow| checkpoint(&row))
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found)
    }

    /// Those after the place `since`, up to the place `until`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn between(
        &mut self,
        since: i64,
        until: i64,
    ) -> Result<Vec<SignedCheckpoint>, StoreError> {
        let found = sqlx::query(BETWEEN)
            .bind(since)
            .bind(until)
            .try_map(|row: SqliteRow| checkpoint(&row))
            .fetch_all(self.0.conn())
            .await?;
        Ok(found)
    }

    /// Some of those after the place `since`, each with the hash that the line in its place really has.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn with_lines(
        &mut self,
        since: i64,
        limit: i64,
    ) -> Result<Vec<(SignedCheckpoint, Option<String>)>, StoreError> {
        let found = sqlx::query(WITH_LINES)
            .bind(since)
            .bind(limit)
            .try_map(|row: SqliteRow| Ok((checkpoint(&row)?, row.try_get("line_hash")?)))
            .fetch_all(self.0.conn())
            .await?;
        Ok(found)
    }
}

impl crate::Ledger<'_> {
    /// Where the chain stood at the place `seq`, if there is such a line.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn head_at(&mut self, seq: i64) -> Result<Option<Head>, StoreError> {
        let hash = sqlx::query_scalar(HASH_OF).bind(seq).fetch_optional(self.conn()).await?;
        Ok(hash.map(|hash| Head { seq, hash }))
    }

    /// Lines after the place `since`, up to the place `until`: at most `limit`, and no more once their changes have
    /// `bytes` bytes.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn page(
        &mut self,
        since: i64,
        until: i64,
        limit: i64,
        bytes: usize,
    ) -> Result<Vec<Line>, StoreError> {
        let mut rows = sqlx::query(LINES).bind(since).bind(until).bind(limit).fetch(self.conn());
        let mut lines = Vec::new();
        let mut size = 0;
        while size < bytes
            && let Some(row) = rows.try_next().await?
        {
            let line = line(&row)?;
            size += line.change.len();
            lines.push(line);
        }
        Ok(lines)
    }
}

fn checkpoint(row: &SqliteRow) -> Result<SignedCheckpoint, sqlx::Error> {
    let checkpoint = Checkpoint {
        hash: row.try_get("hash")?,
        key: row.try_get("key")?,
        previous: row.try_get("previous")?,
        seq: row.try_get("seq")?,
        ts: row.try_get("ts")?,
        kind: TYPE.to_owned(),
    };
    Ok(SignedCheckpoint { checkpoint, signature: row.try_get("signature")? })
}
