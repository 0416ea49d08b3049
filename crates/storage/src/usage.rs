//! Token usage.

use pilotdeck_domain::usage::UsageRecord;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::document::{Document, print};
use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    FIND = "SELECT payload_json FROM token_usage_records WHERE id = $1";
    IS_ITEMIZED = "
        SELECT EXISTS (SELECT 1 FROM token_usage_records WHERE run_id IN ($1, $2))
            OR EXISTS (SELECT 1 FROM token_usage_records WHERE session_id = $2 AND coalesce(run_id, '') = '')";
    /// Part of a commit.
    pub(crate) APPEND_MANY = "
        INSERT INTO token_usage_records (id, ts, project_id, run_id, agent_id, workspace, session_id, source, model,
                                         prompt_tokens, completion_tokens, total_tokens, cost, payload_json)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
               value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13
          FROM jsonb_each($3)";
    REPLACE = "
        UPDATE token_usage_records
           SET ts = $2, project_id = $3, run_id = $4, agent_id = $5, workspace = $6, session_id = $7, source = $8,
               model = $9, prompt_tokens = $10, completion_tokens = $11, total_tokens = $12, cost = $13,
               payload_json = $14
         WHERE id = $1";
    LIST = "
        SELECT payload_json FROM token_usage_records
         WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR agent_id = $2) AND ($3 IS NULL OR workspace = $3)
           AND ($4 IS NULL OR source = $4) AND ts >= $5 AND ($6 IS NULL OR ts <= $6)
         ORDER BY ts DESC, rowid DESC LIMIT $7";
    LIST_IN_PROJECT = "
        SELECT payload_json FROM token_usage_records
         WHERE project_id = $1 AND ($2 IS NULL OR agent_id = $2) AND ($3 IS NULL OR workspace = $3)
           AND ($4 IS NULL OR source = $4) AND ts >= $5 AND ($6 IS NULL OR ts <= $6)
         ORDER BY ts DESC, rowid DESC LIMIT $7";
    LIST_OF_AGENT = "
        SELECT payload_json FROM token_usage_records
         WHERE ($1 IS NULL OR project_id = $1) AND agent_id = $2 AND ($3 IS NULL OR workspace = $3)
           AND ($4 IS NULL OR source = $4) AND ts >= $5 AND ($6 IS NULL OR ts <= $6)
         ORDER BY ts DESC, rowid DESC LIMIT $7";
    LIST_IN_WORKSPACE = "
        SELECT payload_json FROM token_usage_records
         WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR agent_id = $2) AND workspace = $3
           AND ($4 IS NULL OR source = $4) AND ts >= $5 AND ($6 IS NULL OR ts <= $6)
         ORDER BY ts DESC, rowid DESC LIMIT $7";
    LIST_FROM_SOURCE = "
        SELECT payload_json FROM token_usage_records
         WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR agent_id = $2) AND ($3 IS NULL OR workspace = $3)
           AND source = $4 AND ts >= $5 AND ($6 IS NULL OR ts <= $6)
         ORDER BY ts DESC, rowid DESC LIMIT $7";
}

/// Which usage to list or to add up; every given field must match exactly, the bounds are inclusive.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// The project.
    pub project_id: Option<String>,
    /// The agent.
    pub agent_id: Option<String>,
    /// The workspace.
    pub workspace: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// Not before this time.
    pub since: Option<String>,
    /// Not after this time.
    pub until: Option<String>,
}

/// What became of one record of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredUsage {
    /// Whether this record was the one that was stored under its id.
    pub created: bool,
    /// What is stored under its id.
    pub document: Document,
}

/// The table of usage records.
pub struct Usage<'a>(&'a mut Tx);

impl Tx {
    /// Token usage.
    pub const fn usage(&mut self) -> Usage<'_> {
        Usage(self)
    }
}

impl Usage<'_> {
    /// The record with this id, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&mut self, id: &str) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND).bind(id).fetch_optional(self.0.conn()).await?;
        Ok(found.map(Document::stored))
    }

    /// Whether any record names this run, or its client's session in place of a run.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn is_itemized(
        &mut self,
        run_id: &str,
        session_id: Option<&str>,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_ITEMIZED)
            .bind(run_id)
            .bind(session_id)
            .fetch_one(self.0.conn())
            .await?)
    }

    /// Stores `row`, whose id is known to be free, with the commit.
    ///
    /// # Panics
    ///
    /// If this is no write transaction.
    pub fn append_with_commit(&mut self, row: &UsageRow) {
        self.0.pending().usage.push_json(&row.columns);
    }

    /// Replaces the record with the id of `record`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] if there is none.
    pub async fn replace(&mut self, record: &UsageRecord) -> Result<(), StoreError> {
        let done = sqlx::query(REPLACE)
            .bind(record.id().as_str())
            .bind(record.ts().as_str())
            .bind(record.project_id())
            .bind(record.run_id())
            .bind(record.agent_id())
            .bind(record.workspace())
            .bind(record.session_id())
            .bind(record.source())
            .bind(record.model())
            .bind(record.prompt_tokens())
            .bind(record.completion_tokens())
            .bind(record.total_tokens())
            .bind(record.cost())
            .bind(print(record.document()))
            .execute(self.0.conn())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }

    /// The newest `limit` records that `filter` lets through, newest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(
        &mut self,
        filter: &UsageFilter,
        limit: i64,
    ) -> Result<Vec<Document>, StoreError> {
        let sql = match filter {
            UsageFilter { project_id: Some(_), .. } => LIST_IN_PROJECT,
            UsageFilter { agent_id: Some(_), .. } => LIST_OF_AGENT,
            UsageFilter { workspace: Some(_), .. } => LIST_IN_WORKSPACE,
            UsageFilter { source: Some(_), .. } => LIST_FROM_SOURCE,
            _ => LIST,
        };
        Ok(sqlx::query(sql)
            .bind(filter.project_id.as_deref())
            .bind(filter.agent_id.as_deref())
            .bind(filter.workspace.as_deref())
            .bind(filter.source.as_deref())
            .bind(filter.since.as_deref().unwrap_or_default())
            .bind(filter.until.as_deref())
            .bind(limit)
            .try_map(|row: SqliteRow| row.try_get(0).map(Document::stored))
            .fetch_all(self.0.conn())
            .await?)
    }
}

/// A usage record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// What the columns hold, as JSON.
    columns: String,
    /// The record's document.
    pub document: Document,
}

impl UsageRow {
    /// How many bytes of memory it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.columns.len() + self.document.as_str().len()
    }
}

impl From<&UsageRecord> for UsageRow {
    fn from(record: &UsageRecord) -> Self {
        let document = print(record.document());
        let columns = (
            record.id(),
            record.ts(),
            record.project_id(),
            record.run_id(),
            record.agent_id(),
            record.workspace(),
            record.session_id(),
            record.source(),
            record.model(),
            record.prompt_tokens(),
            record.completion_tokens(),
            record.total_tokens(),
            record.cost(),
            &document,
        );
        let columns = serde_json::to_string(&columns).expect("texts and numbers print");
        Self { columns, document: Document::stored(document) }
    }
}
