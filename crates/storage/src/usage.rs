//! Token usage.

use pilotdeck_domain::paging::Cursor;
use pilotdeck_domain::usage::UsageRecord;
use serde::{Deserialize, Serialize};

use crate::document::{Document, print};
use crate::paging::{Page, before};
use crate::statements::statements;
use crate::{StoreError, Tx};

/// How many steps through an index a list may take to gather the newest records of several groups.
const STEPS: i64 = 100_000;

/// What a [`UsageFilter`] lets through, but for the time; `$within` is the parameter of its projects.
macro_rules! that_match {
    ($within:literal) => {
        concat!(
            "($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR agent_id = $2) AND ($3 IS NULL OR workspace = $3)
             AND ($4 IS NULL OR source = $4) AND (",
            $within,
            " IS NULL OR project_id IN (SELECT value FROM json_each(",
            $within,
            ")))"
        )
    };
}

/// Whether a record is of the group `g`.
macro_rules! in_group {
    ($record:literal) => {
        concat!(
            $record,
            ".project_id IS g.project_id AND ",
            $record,
            ".agent_id IS g.agent_id AND ",
            $record,
            ".workspace IS g.workspace AND ",
            $record,
            ".source IS g.source AND ",
            $record,
            ".model IS g.model"
        )
    };
}

/// Whether a record counts: a run's total does not where records of single calls take its place.
macro_rules! counts {
    ($record:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM usage_totals t WHERE t.record_id = ",
            $record,
            ".id AND NOT t.is_counted)"
        )
    };
}

/// A page of records, out of the index that has those `that` the condition names in their order.
macro_rules! list {
    ($that:literal) => {
        concat!(
            "SELECT payload_json, ts, id FROM token_usage_records WHERE ",
            $that,
            " AND ",
            that_match!("$9"),
            " AND ts >= $5 AND ",
            before!("token_usage_records", "ts", "$6", "$7"),
            " AND ",
            counts!("token_usage_records"),
            " ORDER BY ts DESC, rowid DESC LIMIT $8"
        )
    };
}

pub(crate) use {counts, in_group, that_match};

statements! {
    FIND = "SELECT payload_json FROM token_usage_records WHERE id = $1";
    // A record of the run that is no total itself: what names the run, or its client's session in its place.
    MARK_TOTAL = "
        INSERT INTO usage_totals (record_id, run_id, session_id, is_counted)
        VALUES ($1, $2, $3,
                NOT EXISTS (SELECT 1 FROM token_usage_records
                             WHERE run_id IN ($2, $3) AND id <> $1 AND id NOT IN (SELECT record_id FROM usage_totals))
                AND NOT EXISTS (SELECT 1 FROM token_usage_records
                                 WHERE session_id = $3 AND coalesce(run_id, '') = '' AND id <> $1
                                   AND id NOT IN (SELECT record_id FROM usage_totals)))
            ON CONFLICT (record_id) DO UPDATE
           SET run_id = excluded.run_id, session_id = excluded.session_id, is_counted = excluded.is_counted";
    /// Part of a commit.
    pub(crate) APPEND_MANY = "
        INSERT INTO token_usage_records (id, ts, project_id, run_id, agent_id, workspace, session_id, source, model,
                                         prompt_tokens, completion_tokens, total_tokens, cost, payload_json,
                                         cache_read_tokens, cache_write_tokens)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
               value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
               value ->> 15
          FROM jsonb_each($3)";
    REPLACE = "
        UPDATE token_usage_records
           SET ts = $2, project_id = $3, run_id = $4, agent_id = $5, workspace = $6, session_id = $7, source = $8,
               model = $9, prompt_tokens = $10, completion_tokens = $11, total_tokens = $12, cost = $13,
               payload_json = $14, cache_read_tokens = $15, cache_write_tokens = $16
         WHERE id = $1";
    LIST = list!("true");
    LIST_IN_PROJECT = list!("project_id = $1");
    LIST_OF_AGENT = list!("agent_id = $2");
    LIST_IN_WORKSPACE = list!("workspace = $3");
    LIST_FROM_SOURCE = list!("source = $4");
    GROUPS = concat!("SELECT count(*) FROM (SELECT 1 FROM usage_groups WHERE ", that_match!("$6"), " LIMIT $5)");
    // Of each group its newest records, and of these the newest: what no index answers alone.
    LIST_IN_GROUPS = concat!(
        "WITH chosen AS MATERIALIZED (SELECT * FROM usage_groups WHERE ", that_match!("$9"), "),
        recent AS MATERIALIZED (
            SELECT u.ts AS ts, u.rowid AS place
              FROM chosen g CROSS JOIN token_usage_records u INDEXED BY usage_by_group
                ON ", in_group!("u"), " AND u.ts >= coalesce(
                   (SELECT v.ts FROM token_usage_records v INDEXED BY usage_by_group
                     WHERE ", in_group!("v"), " AND v.ts >= $5 AND v.ts <= coalesce($6, x'')
                     ORDER BY v.ts DESC LIMIT 1 OFFSET $8), $5)
             WHERE (u.ts, u.rowid) < (coalesce($6, x''), coalesce((SELECT l.rowid FROM token_usage_records l WHERE l.id = $7),
                                                                  iif($7 IS NULL, 9223372036854775807, 0)))
               AND u.ts <= coalesce($6, x'') AND ", counts!("u"), "
             ORDER BY u.ts DESC, u.rowid DESC LIMIT $8)
        SELECT u.payload_json, u.ts, u.id FROM recent r CROSS JOIN token_usage_records u ON u.rowid = r.place
         ORDER BY r.ts DESC, r.place DESC");
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
    /// Only what belongs to the projects whose ids are in this JSON array.
    pub within: Option<String>,
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

    /// Says that `record`, which is about to be stored or replaced, is the total that a run reported: it does not count
    /// where records of single calls name the run, or its client's session in place of a run.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn mark_total(&mut self, record: &UsageRecord) -> Result<(), StoreError> {
        sqlx::query(MARK_TOTAL)
            .bind(record.id().as_str())
            .bind(record.run_id().unwrap_or_default())
            .bind(record.session_id().filter(|session| !session.trim().is_empty()))
            .execute(self.0.conn())
            .await?;
        Ok(())
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
            .bind(record.cache().read)
            .bind(record.cache().write)
            .execute(self.0.conn())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }

    /// The newest `limit` records that `filter` lets through and that count, newest first, after the page that ended at
    /// `after`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(
        &mut self,
        filter: &UsageFilter,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Page, StoreError> {
        let limit_and_one = limit.saturating_add(1);
        let Some(sql) = self.narrowest(filter, limit_and_one).await? else {
            return Ok(Page::default());
        };
        // The upper bound is the earlier one: the end of the page before, or `until` itself.
        let until = filter.until.as_deref();
        let (time, id) = match after {
            Some(after) if until.is_none_or(|until| after.time.as_str() <= until) => {
                (Some(after.time.as_str()), Some(after.id.as_str()))
            }
            _ => (until, None),
        };
        let rows = sqlx::query(sql)
            .bind(filter.project_id.as_deref())
            .bind(filter.agent_id.as_deref())
            .bind(filter.workspace.as_deref())
            .bind(filter.source.as_deref())
            .bind(filter.since.as_deref().unwrap_or_default())
            .bind(time)
            .bind(id)
            .bind(limit_and_one)
            .bind(filter.within.as_deref())
            .fetch_all(self.0.conn())
            .await?;
        Ok(Page::of(rows, limit)?)
    }

    /// The statement that walks past the fewest records; none where no record can match.
    async fn narrowest(
        &mut self,
        filter: &UsageFilter,
        limit: i64,
    ) -> Result<Option<&'static str>, StoreError> {
        let UsageFilter { project_id, agent_id, workspace, source, within, .. } = filter;
        let by_one = match (project_id, agent_id, workspace, source) {
            (Some(_), ..) => LIST_IN_PROJECT,
            (_, Some(_), ..) => LIST_OF_AGENT,
            (_, _, Some(_), _) => LIST_IN_WORKSPACE,
            (.., Some(_)) => LIST_FROM_SOURCE,
            _ => LIST,
        };
        // Of one project, all are within or none.
        let within = within.as_ref().filter(|_| project_id.is_none());
        let filters = [project_id, agent_id, workspace, source].into_iter().flatten().count();
        if filters < 2 && within.is_none() {
            return Ok(Some(by_one));
        }
        let most = (STEPS / limit.max(1)).max(1);
        let groups: i64 = sqlx::query_scalar(GROUPS)
            .bind(project_id.as_deref())
            .bind(agent_id.as_deref())
            .bind(workspace.as_deref())
            .bind(source.as_deref())
            .bind(most + 1)
            .bind(filter.within.as_deref())
            .fetch_one(self.0.conn())
            .await?;
        Ok(match groups {
            0 => None,
            groups if groups <= most => Some(LIST_IN_GROUPS),
            _ => Some(by_one),
        })
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
            record.cache().read,
            record.cache().write,
        );
        let columns = serde_json::to_string(&columns).expect("texts and numbers print");
        Self { columns, document: Document::stored(document) }
    }
}
