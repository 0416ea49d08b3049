//! Agent runs, and the client sessions that they are found by.

use std::collections::BTreeMap;

use pilotdeck_domain::paging::Cursor;
use pilotdeck_domain::runs::{Run, Session, is_final};
use pilotdeck_domain::times::WireTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::document::{Document, print};
use crate::paging::{Page, before};
use crate::statements::statements;
use crate::{StoreError, Tx};

/// A page of runs: each filter has an index in this order, so that rows that are skipped are only counted there.
macro_rules! list {
    ($that:literal) => {
        concat!(
            "SELECT payload_json, coalesce(created_at, ''), id, status FROM agent_runs WHERE ",
            $that,
            " AND ",
            before!("agent_runs", "coalesce(created_at, '')", "$4", "$5"),
            " ORDER BY coalesce(created_at, '') DESC, rowid DESC LIMIT $6 OFFSET $7"
        )
    };
}

statements! {
    FIND = "SELECT payload_json FROM agent_runs WHERE id = $1";
    FIND_BY_IDENTITY = "
        SELECT r.payload_json
          FROM run_sessions s JOIN agent_runs r ON r.id = s.run_id
         WHERE s.session_id = $1 AND s.source = $2";
    FIND_WITHIN = "
        SELECT payload_json FROM agent_runs
         WHERE id = $1 AND ($2 IS NULL OR project_id IN (SELECT value FROM json_each($2)))";
    FIND_BY_SESSION = "
        SELECT r.payload_json
          FROM run_sessions s JOIN agent_runs r ON r.id = s.run_id
         WHERE s.session_id = $1 AND ($2 IS NULL OR r.project_id IN (SELECT value FROM json_each($2)))
         ORDER BY r.created_at DESC, r.rowid DESC
         LIMIT 1";
    RESOLVE = "
        SELECT id, project_id FROM agent_runs
         WHERE id = $1 AND ($2 IS NULL OR project_id IN (SELECT value FROM json_each($2)))
         UNION ALL
        SELECT id, project_id
          FROM (SELECT r.id, r.project_id
                  FROM run_sessions s JOIN agent_runs r ON r.id = s.run_id
                 WHERE s.session_id = $1 AND ($2 IS NULL OR r.project_id IN (SELECT value FROM json_each($2)))
                 ORDER BY r.created_at DESC, r.rowid DESC
                 LIMIT 1)
         LIMIT 1";
    REMEMBER = "INSERT OR IGNORE INTO run_sessions (session_id, source, run_id) VALUES ($1, $2, $3)";
    INSERT = "
        INSERT INTO agent_runs (id, project_id, agent_id, status, created_at, updated_at, started_at, finished_at,
                                payload_json)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (id) DO NOTHING";
    /// The change of a run that stays where it is in every list. SQLite writes the indexes of all columns that a statement sets,
    /// and most changes of runs set none of theirs.
    SAVE_IN_PLACE = "
        UPDATE agent_runs
           SET updated_at = $7, started_at = $8, finished_at = $9, payload_json = $10
         WHERE id = $1 AND updated_at IS $2
           AND project_id IS $3 AND agent_id IS $4 AND status IS $5 AND created_at IS $6";
    /// After [`SAVE_IN_PLACE`] changed the run, it finds none: the version is another one.
    SAVE = "
        UPDATE agent_runs
           SET project_id = $3, agent_id = $4, status = $5, created_at = $6, updated_at = $7, started_at = $8,
               finished_at = $9, payload_json = $10
         WHERE id = $1 AND updated_at IS $2";
    DETACH = "
        UPDATE agent_runs
           SET project_id = NULL, payload_json = json_set(payload_json, '$.projectId', NULL)
         WHERE project_id = $1";
    LIST = list!("true");
    LIST_IN_PROJECT = list!("project_id = $1");
    LIST_OF_AGENT = list!("agent_id = $2");
    LIST_IN_STATUS = list!("status = $3");
    LIST_IN_PROJECT_OF_AGENT = list!("project_id = $1 AND agent_id = $2");
    LIST_IN_PROJECT_AND_STATUS = list!("project_id = $1 AND status = $3");
    LIST_OF_AGENT_IN_STATUS = list!("agent_id = $2 AND status = $3");
    LIST_IN_PROJECT_OF_AGENT_IN_STATUS = list!("project_id = $1 AND agent_id = $2 AND status = $3");
    // What the projects within have is read and sorted: who is a member of few reads little.
    LIST_WITHIN = concat!(
        "SELECT payload_json, coalesce(created_at, ''), id, status FROM agent_runs
          WHERE project_id IN (SELECT value FROM json_each($8)) AND ($2 IS NULL OR agent_id = $2)
            AND ($3 IS NULL OR status = $3) AND ",
        before!("agent_runs", "coalesce(created_at, '')", "$4", "$5"),
        " ORDER BY coalesce(created_at, '') DESC, rowid DESC LIMIT $6 OFFSET $7"
    );
    // Each index ends with the time: the newest entry of a run is its last one.
    SIGNS = "
        SELECT r.id, max(coalesce(r.updated_at, ''),
                         coalesce((SELECT max(ts) FROM agent_events
                                    WHERE run_id = r.id
                                      AND ($2 IS NULL OR project_id IN (SELECT value FROM json_each($2)))), ''),
                         coalesce((SELECT max(ts) FROM token_usage_records
                                    WHERE run_id = r.id
                                      AND ($2 IS NULL OR project_id IN (SELECT value FROM json_each($2)))), ''),
                         coalesce((SELECT max(ts) FROM token_usage_records
                                    WHERE run_id = r.payload_json ->> '$.sessionId'
                                      AND ($2 IS NULL OR project_id IN (SELECT value FROM json_each($2)))), ''))
          FROM json_each($1) wanted CROSS JOIN agent_runs r ON r.id = wanted.value";
    COUNT = "
        SELECT runs FROM run_counts
         WHERE project_id = coalesce($1, 0) AND agent_id = coalesce($2, 0) AND status = coalesce($3, 0)";
    COUNT_WITHIN = "
        SELECT coalesce(sum(c.runs), 0)
          FROM json_each($1) wanted CROSS JOIN run_counts c ON c.project_id = wanted.value
         WHERE c.agent_id = coalesce($2, 0) AND c.status = coalesce($3, 0)";
}

/// Which runs to list; every given field must match exactly.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// The project.
    pub project_id: Option<String>,
    /// The agent.
    pub agent_id: Option<String>,
    /// The status.
    pub status: Option<String>,
    /// At most this many.
    pub limit: i64,
    /// After skipping this many.
    pub offset: i64,
    /// After the page that ended here.
    pub after: Option<Cursor>,
    /// Only those of the projects whose ids are in this JSON array.
    pub within: Option<String>,
}

/// One page of runs.
#[derive(Clone, Debug, Default)]
pub struct RunList {
    /// The runs, newest first, and where the next page begins.
    pub page: Page,
    /// How many match in all.
    pub total: i64,
    /// Those of the page that are not over.
    pub going_on: Vec<String>,
}

/// What something that refers to a run needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRun {
    /// Identifies the run.
    pub id: String,
    /// Its project.
    pub project_id: Option<String>,
}

/// The table of agent runs.
pub struct Runs<'a>(&'a mut Tx);

impl Tx {
    /// Agent runs.
    pub const fn runs(&mut self) -> Runs<'_> {
        Runs(self)
    }
}

impl Runs<'_> {
    /// The run with this id, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&mut self, id: &str) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND).bind(id).fetch_optional(self.0.conn()).await?;
        Ok(found.map(Document::stored))
    }

    /// The run that a client's session is.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_by_identity(
        &mut self,
        session: &Session,
    ) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND_BY_IDENTITY)
            .bind(&session.session_id)
            .bind(&session.source)
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found.map(Document::stored))
    }

    /// The run with this id, or else the newest one of a session with this id; only one of the projects whose ids are in
    /// the JSON array `within`, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_by_reference(
        &mut self,
        reference: &str,
        within: Option<&str>,
    ) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND_WITHIN).bind(reference).bind(within);
        if let Some(run) = found.fetch_optional(self.0.conn()).await? {
            return Ok(Some(Document::stored(run)));
        }
        let found = sqlx::query_scalar(FIND_BY_SESSION)
            .bind(reference)
            .bind(within)
            .fetch_optional(self.0.conn())
            .await?;
        Ok(found.map(Document::stored))
    }

    /// What [`Self::find_by_reference`] finds, without its document.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn resolve(
        &mut self,
        reference: &str,
        within: Option<&str>,
    ) -> Result<Option<KnownRun>, StoreError> {
        Ok(sqlx::query(RESOLVE)
            .bind(reference)
            .bind(within)
            .try_map(|row: SqliteRow| {
                Ok(KnownRun { id: row.try_get("id")?, project_id: row.try_get("project_id")? })
            })
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// Adds `run`; false if its id is taken.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn insert(&mut self, run: &Run) -> Result<bool, StoreError> {
        let done = sqlx::query(INSERT)
            .bind(run.id().as_str())
            .bind(run.project_id())
            .bind(run.agent_id())
            .bind(run.status())
            .bind(run.created_at().as_str())
            .bind(run.updated_at().as_str())
            .bind(run.started_at().as_str())
            .bind(run.finished_at().map(WireTime::as_str))
            .bind(print(run.document()))
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Remembers which run a session is, if the session is not another run already.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn remember(&mut self, session: &Session, run: &Run) -> Result<(), StoreError> {
        sqlx::query(REMEMBER)
            .bind(&session.session_id)
            .bind(&session.source)
            .bind(run.id().as_str())
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// Saves `run` if the stored row is still the one that was `seen`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] if someone saved since, or the row is gone.
    pub async fn save(&mut self, run: &Run, seen: Option<&WireTime>) -> Result<(), StoreError> {
        let done = sqlx::query(AssertSqlSafe(format!("{SAVE_IN_PLACE}; {SAVE}")))
            .bind(run.id().as_str())
            .bind(seen.map(WireTime::as_str))
            .bind(run.project_id())
            .bind(run.agent_id())
            .bind(run.status())
            .bind(run.created_at().as_str())
            .bind(run.updated_at().as_str())
            .bind(run.started_at().as_str())
            .bind(run.finished_at().map(WireTime::as_str))
            .bind(print(run.document()))
            .execute(self.0.conn())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }

    /// Clears the project of all its runs, which stay; returns how many there were.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn detach(&mut self, project_id: &str) -> Result<u64, StoreError> {
        let done = sqlx::query(DETACH).bind(project_id).execute(self.0.conn()).await?;
        Ok(done.rows_affected())
    }

    /// One page of the runs that `filter` lets through, newest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, filter: &RunFilter) -> Result<RunList, StoreError> {
        let (project_id, agent_id, status) =
            (filter.project_id.as_deref(), filter.agent_id.as_deref(), filter.status.as_deref());
        // The project that is asked for is one of those within: the caller saw to that.
        let within = filter.within.as_deref().filter(|_| project_id.is_none());
        let total = sqlx::query_scalar(if within.is_some() { COUNT_WITHIN } else { COUNT })
            .bind(within.or(project_id))
            .bind(agent_id)
            .bind(status)
            .fetch_optional(self.0.conn())
            .await?
            .unwrap_or_default();
        if filter.offset >= total {
            return Ok(RunList { total, ..RunList::default() });
        }
        let list = match (project_id, agent_id, status) {
            _ if within.is_some() => LIST_WITHIN,
            (None, None, None) => LIST,
            (Some(_), None, None) => LIST_IN_PROJECT,
            (None, Some(_), None) => LIST_OF_AGENT,
            (None, None, Some(_)) => LIST_IN_STATUS,
            (Some(_), Some(_), None) => LIST_IN_PROJECT_OF_AGENT,
            (Some(_), None, Some(_)) => LIST_IN_PROJECT_AND_STATUS,
            (None, Some(_), Some(_)) => LIST_OF_AGENT_IN_STATUS,
            (Some(_), Some(_), Some(_)) => LIST_IN_PROJECT_OF_AGENT_IN_STATUS,
        };
        let rows = sqlx::query(list)
            .bind(project_id)
            .bind(agent_id)
            .bind(status)
            .bind(filter.after.as_ref().map(|after| &after.time))
            .bind(filter.after.as_ref().map(|after| &after.id))
            .bind(filter.limit.saturating_add(1))
            .bind(filter.offset)
            .bind(within)
            .fetch_all(self.0.conn())
            .await?;
        let mut going_on = Vec::new();
        for row in rows.iter().take(usize::try_from(filter.limit).unwrap_or_default()) {
            if !is_final(row.try_get::<Option<&str>, _>(3)?.unwrap_or_default()) {
                going_on.push(row.try_get(2)?);
            }
        }
        Ok(RunList { page: Page::of(rows, filter.limit)?, total, going_on })
    }

    /// When each of these runs last gave a sign of life: it was changed, or an event or a usage record names it. Runs that
    /// are not there, or never gave any, are left out. What belongs to no project of the JSON array `within` is no sign,
    /// if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn last_signs(
        &mut self,
        ids: &[String],
        within: Option<&str>,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let signs: Vec<(String, String)> = sqlx::query_as(SIGNS)
            .bind(serde_json::json!(ids).to_string())
            .bind(within)
            .fetch_all(self.0.conn())
            .await?;
        Ok(signs.into_iter().filter(|(_, sign)| !sign.is_empty()).collect())
    }
}
