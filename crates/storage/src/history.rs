//! What the ledger and the timeline tell of one project.

use pilotdeck_domain::ledger::Line;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::document::Document;
use crate::ledger::line;
use crate::statements::statements;
use crate::{StoreError, Tx};

/// How much of the ledger is read at a time, in bytes: a line may hold a project of some MiB twice.
const MAX_BYTES: i64 = 8 << 20;

statements! {
    SIZES = "
        SELECT seq, octet_length(change) AS bytes FROM ledger
         WHERE subject_id = $1 AND subject_kind = 'project' AND seq < $2
         ORDER BY seq DESC LIMIT $3";
    LINES = "
        SELECT * FROM ledger
         WHERE subject_id = $1 AND subject_kind = 'project' AND seq < $2 AND seq >= $3
         ORDER BY seq DESC";
    FIRST = "SELECT * FROM ledger ORDER BY seq LIMIT 1";
    LINE = "SELECT * FROM ledger WHERE seq = $1";
    ACTION = "
        SELECT * FROM ledger
         WHERE subject_id = $1 AND operation IN ('action.applied', 'proposal.accepted')
         ORDER BY seq DESC LIMIT 1";
    CAUSES = "
        SELECT l.seq - 1 AS seq, l.change ->> '$.version' AS version, e.payload_json AS event
          FROM json_each($1) AS wanted
               JOIN ledger l ON l.seq = wanted.value + 1
               JOIN agent_events e ON e.id = l.subject_id
         WHERE l.operation IN ('action.applied', 'proposal.accepted')";
    DELETED = "
        SELECT seq FROM ledger INDEXED BY ledger_by_operation
         WHERE operation = 'project.deleted' AND subject_id = $1
         ORDER BY seq DESC LIMIT 1";
}

/// Lines about one project, newest first.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The lines.
    pub lines: Vec<Line>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// An action that made a change.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The place of the line of the change.
    pub seq: i64,
    /// The version that the action gave the project.
    pub version: Option<String>,
    /// The event that records the action.
    pub event: Document,
}

/// The past of projects.
pub struct History<'a>(&'a mut Tx);

impl Tx {
    /// The past of projects.
    pub const fn history(&mut self) -> History<'_> {
        History(self)
    }
}

impl History<'_> {
    /// The newest lines about the project before the place `before`: `limit` at most, fewer where they are large.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn of_project(
        &mut self,
        id: &str,
        before: i64,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let sizes: Vec<(i64, i64)> = sqlx::query(SIZES)
            .bind(id)
            .bind(before)
            .bind(wanted)
            .try_map(|row: SqliteRow| Ok((row.try_get("seq")?, row.try_get("bytes")?)))
            .fetch_all(self.0.conn())
            .await?;
        let mut left = MAX_BYTES;
        let fitting = sizes.iter().take(limit).take_while(|(_, bytes)| {
            let fits = left > 0;
            left -= bytes;
            fits
        });
        let Some((oldest, _)) = fitting.last() else {
            return Ok(HistoryPage { lines: Vec::new(), has_more: false });
        };
        let lines: Vec<Line> = sqlx::query(LINES)
            .bind(id)
            .bind(before)
            .bind(oldest)
            .try_map(|row: SqliteRow| line(&row))
            .fetch_all(self.0.conn())
            .await?;
        let has_more = sizes.last().is_some_and(|(seq, _)| seq < oldest);
        Ok(HistoryPage { lines, has_more })
    }

    /// The oldest line of all.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn first(&mut self) -> Result<Option<Line>, StoreError> {
        let found = sqlx::query(FIRST).try_map(|row: SqliteRow| line(&row));
        Ok(found.fetch_optional(self.0.conn()).await?)
    }

    /// The line at a place.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn line(&mut self, seq: i64) -> Result<Option<Line>, StoreError> {
        let found = sqlx::query(LINE).bind(seq).try_map(|row: SqliteRow| line(&row));
        Ok(found.fetch_optional(self.0.conn()).await?)
    }

    /// The line of the action with this id, or of the acceptance of a proposal.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn action(&mut self, id: &str) -> Result<Option<Line>, StoreError> {
        let found = sqlx::query(ACTION).bind(id).try_map(|row: SqliteRow| line(&row));
        Ok(found.fetch_optional(self.0.conn()).await?)
    }

    /// The actions whose lines follow the changes at `seqs`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn causes(&mut self, seqs: &[i64]) -> Result<Vec<Cause>, StoreError> {
        Ok(sqlx::query(CAUSES)
            .bind(Value::from(seqs).to_string())
            .try_map(|row: SqliteRow| {
                Ok(Cause {
                    seq: row.try_get("seq")?,
                    version: row.try_get("version")?,
                    event: row.try_get("event").map(Document::stored)?,
                })
            })
            .fetch_all(self.0.conn())
            .await?)
    }

    /// The place of the line that tells of the project's last deletion.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn deleted(&mut self, id: &str) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(DELETED).bind(id).fetch_optional(self.0.conn()).await?)
    }
}
