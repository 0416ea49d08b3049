//! Events, append-only.

use futures_util::TryStreamExt as _;
use pilotdeck_domain::events::{Event, Level, LevelWords};
use pilotdeck_domain::paging::Cursor;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, ValueRef as _};

use crate::document::Document;
use crate::paging::{Page, before};
use crate::statements::statements;
use crate::{StoreError, Tx};

/// A page of events, out of the index that has those `that` the condition names in their order. The index is named: to
/// the engine, which knows nothing about how often a word occurs, one is as good as another.
macro_rules! list {
    ($index:literal, $that:literal) => {
        concat!(
            "SELECT CASE WHEN $9 IS NULL
                           OR (coalesce(lower(level), 'info') IN (SELECT value FROM json_each($9))) = $10
                         THEN payload_json END,
                    ts, id
               FROM agent_events INDEXED BY ",
            $index,
            " WHERE ", $that,
            " AND ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR run_id = $2) AND ($3 IS NULL OR agent_id = $3)
              AND ($4 IS NULL OR type = $4) AND ts >= $5 AND ", before!("agent_events", "ts", "$6", "$7"),
            " ORDER BY ts DESC, rowid DESC LIMIT $8"
        )
    };
}

/// A page of the events of several projects, out of the index of each of them: what the projects have is read there and
/// sorted, and only what is on the page is read itself.
macro_rules! within {
    ($index:literal, $that:literal) => {
        concat!(
            "WITH recent AS MATERIALIZED (
                SELECT e.ts AS ts, e.rowid AS place
                  FROM json_each($11) wanted CROSS JOIN agent_events e INDEXED BY ",
            $index,
            "       ON e.project_id = wanted.value AND ", $that, "
                 WHERE ($3 IS NULL OR e.agent_id = $3) AND ($4 IS NULL OR e.type = $4) AND e.ts >= $5
                   AND e.ts <= coalesce($6, x'')
                   AND (e.ts, e.rowid) < (coalesce($6, x''), coalesce(
                       (SELECT last.rowid FROM agent_events last WHERE last.id = $7),
                       iif($7 IS NULL, 9223372036854775807, 0)))
                 ORDER BY e.ts DESC, e.rowid DESC LIMIT $8)
             SELECT CASE WHEN $9 IS NULL
                           OR (coalesce(lower(l.level), 'info') IN (SELECT value FROM json_each($9))) = $10
                         THEN l.payload_json END,
                    l.ts, l.id
               FROM recent CROSS JOIN agent_events l ON l.rowid = recent.place
              ORDER BY recent.ts DESC, recent.place DESC"
        )
    };
}

/// Whether an index has few enough rows that all of them can be walked past.
macro_rules! few {
    ($index:literal, $that:literal) => {
        concat!(
            "(SELECT count(*) FROM (SELECT 1 FROM agent_events INDEXED BY ",
            $index,
            " WHERE ",
            $that,
            " AND ts >= $5 AND ts <= coalesce($6, x'') LIMIT 1000)) < 1000"
        )
    };
}

/// As many events are walked past at most for one page of those of a level.
const MOST_PASSED: i64 = 20_000;

statements! {
    FIND = "SELECT payload_json FROM agent_events WHERE id = $1";
    APPEND = "
        INSERT INTO agent_events (id, ts, type, level, project_id, run_id, agent_id, title, message, payload_json)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (id) DO NOTHING";
    /// Part of a commit.
    pub(crate) APPEND_MANY = "
        INSERT INTO agent_events (id, ts, type, level, project_id, run_id, agent_id, title, message, payload_json)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
               value ->> 8, value ->> 9
          FROM jsonb_each($2)";
    LIST = list!("idx_events_ts", "true");
    LIST_IN_PROJECT = list!("events_by_project", "project_id = $1");
    LIST_IN_RUN = list!("events_by_run", "run_id = $2");
    LIST_IN_RUN_WITHIN =
        list!("events_by_run", "run_id = $2 AND project_id IN (SELECT value FROM json_each($11))");
    LIST_WITHIN = within!("events_by_project", "true");
    LIST_WITHIN_OF_AGENT = within!("events_by_project_agent", "e.agent_id = $3");
    LIST_WITHIN_OF_TYPE = within!("events_by_project_type", "e.type = $4");
    LIST_OF_AGENT = list!("events_by_agent", "agent_id = $3");
    LIST_OF_TYPE = list!("events_by_type", "type = $4");
    LIST_IN_PROJECT_OF_AGENT = list!("events_by_project_agent", "project_id = $1 AND agent_id = $3");
    LIST_IN_PROJECT_OF_TYPE = list!("events_by_project_type", "project_id = $1 AND type = $4");
    LIST_OF_AGENT_OF_TYPE = list!("events_by_agent_type", "agent_id = $3 AND type = $4");
    // What no index answers alone: the first of the filters' indexes that has few rows is the one to walk.
    NARROWEST = concat!(
        "SELECT CASE WHEN $2 IS NOT NULL AND ", few!("events_by_run", "run_id = $2"), " THEN 1
                     WHEN $1 IS NOT NULL AND $3 IS NOT NULL AND ", few!("events_by_project_agent", "project_id = $1 AND agent_id = $3"), " THEN 2
                     WHEN $1 IS NOT NULL AND $4 IS NOT NULL AND ", few!("events_by_project_type", "project_id = $1 AND type = $4"), " THEN 3
                     WHEN $3 IS NOT NULL AND $4 IS NOT NULL AND ", few!("events_by_agent_type", "agent_id = $3 AND type = $4"), " THEN 4
                     WHEN $1 IS NOT NULL AND ", few!("events_by_project", "project_id = $1"), " THEN 5
                     WHEN $3 IS NOT NULL AND ", few!("events_by_agent", "agent_id = $3"), " THEN 6
                     WHEN $4 IS NOT NULL AND ", few!("events_by_type", "type = $4"), " THEN 7
                     ELSE 0 END");
    PROPOSALS = "
        SELECT p.payload_json AS proposal, d.payload_json AS decision
          FROM agent_events p INDEXED BY events_that_propose
               LEFT JOIN agent_events d ON d.id = p.id || '.decision'
         WHERE p.type >= 'proposal.' AND p.type < 'proposal/' AND p.type <> 'proposal.rejected'
           AND ($1 IS NULL OR p.project_id = $1)
           AND ($2 IS NULL OR (d.id IS NULL) = $2)
           AND ($4 IS NULL OR p.project_id IN (SELECT value FROM json_each($4)))
         ORDER BY p.ts DESC, p.rowid DESC LIMIT $3";
}

/// Which events to list; every given field must match exactly.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// The project.
    pub project_id: Option<String>,
    /// The run.
    pub run_id: Option<String>,
    /// The agent.
    pub agent_id: Option<String>,
    /// The type.
    pub kind: Option<String>,
    /// The least level.
    pub level: Option<Level>,
    /// Not before this time.
    pub since: Option<String>,
    /// Before the page that ended here.
    pub before: Option<Cursor>,
    /// At most this many, the newest ones.
    pub limit: i64,
    /// Only those of the projects whose ids are in this JSON array.
    pub within: Option<String>,
}

/// A proposal with what became of it.
#[derive(Clone, Debug)]
pub struct StoredProposal {
    /// The event that recorded it.
    pub proposal: Document,
    /// The event that decided it.
    pub decision: Option<Document>,
}

impl StoredProposal {
    /// `pending`, `accepted` or `rejected`.
    ///
    /// The event that accepts a proposal is the action that it proposed; only a rejection is an event of its own type.
    #[must_use]
    pub fn state(&self) -> &'static str {
        let decision = self.decision.as_ref().and_then(|decision| decision.fields().ok());
        match decision.as_ref().and_then(|decision| decision.get("type")?.as_str()) {
            None => "pending",
            Some("proposal.rejected") => "rejected",
            Some(_) => "accepted",
        }
    }
}

/// The table of events.
pub struct Events<'a>(&'a mut Tx);

impl Tx {
    /// Events.
    pub const fn events(&mut self) -> Events<'_> {
        Events(self)
    }
}

impl Events<'_> {
    /// The event with this id, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&mut self, id: &str) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND).bind(id).fetch_optional(self.0.conn()).await?;
        Ok(found.map(Document::stored))
    }

    /// Appends `event`; `None` if its id is taken. The document is the stored one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn append(&mut self, event: &Event) -> Result<Option<Document>, StoreError> {
        let done = sqlx::query(APPEND)
            .bind(event.id().as_str())
            .bind(event.ts().as_str())
            .bind(event.kind())
            .bind(event.level())
            .bind(event.project_id())
            .bind(event.run_id())
            .bind(event.agent_id())
            .bind(event.title())
            .bind(event.message())
            .bind(event.as_json())
            .execute(self.0.conn())
            .await?;
        Ok((done.rows_affected() == 1).then(|| Document::from(event)))
    }

    /// Appends `event`, whose id is known to be free, with the commit.
    ///
    /// # Panics
    ///
    /// If this is no write transaction.
    pub fn append_with_commit(&mut self, event: &Event) {
        self.0.pending().events.push(&(
            event.id(),
            event.ts(),
            event.kind(),
            event.level(),
            event.project_id(),
            event.run_id(),
            event.agent_id(),
            event.title(),
            event.message(),
            event.as_json(),
        ));
    }

    /// A page of the newest events that `filter` lets through, oldest first. Where a level is asked for, it may be a short
    /// one though more follows.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, filter: &EventFilter) -> Result<Page, StoreError> {
        let sql = self.narrowest(filter).await?;
        let words = filter.level.and_then(Level::and_above);
        let (words, is_in) = match words {
            None => (None, true),
            Some(LevelWords::Only(words)) => (Some(words), true),
            Some(LevelWords::AllBut(words)) => (Some(words), false),
        };
        let limit = filter.limit.saturating_add(1);
        let mut rows = sqlx::query(sql)
            .bind(filter.project_id.as_deref())
            .bind(filter.run_id.as_deref())
            .bind(filter.agent_id.as_deref())
            .bind(filter.kind.as_deref())
            .bind(filter.since.as_deref().unwrap_or_default())
            .bind(filter.before.as_ref().map(|before| &before.time))
            .bind(filter.before.as_ref().map(|before| &before.id))
            .bind(if words.is_some() { limit.max(MOST_PASSED) } else { limit })
            .bind(words.map(|words| serde_json::json!(words).to_string()))
            .bind(is_in)
            .bind(filter.within.as_deref())
            .fetch(self.0.conn());
        let (mut found, mut passed, mut passed_over) = (Vec::new(), 0, None);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        while found.len() < most
            && let Some(row) = rows.try_next().await?
        {
            passed += 1;
            if row.try_get_raw(0)?.is_null() {
                passed_over = Some(row);
            } else {
                passed_over = None;
                found.push(row);
            }
        }
        drop(rows);
        // There may be more: the next page goes on where this one gave up.
        let is_given_up = words.is_some() && found.len() < most && passed >= MOST_PASSED;
        let end = passed_over.as_ref().or(found.last()).filter(|_| is_given_up);
        let end = match end {
            Some(end) => Some(Cursor { time: end.try_get(1)?, id: end.try_get(2)? }),
            None => None,
        };
        let mut page = Page::of(found, filter.limit)?;
        page.next = page.next.or(end);
        page.documents.reverse();
        Ok(page)
    }

    /// The statement that walks past the fewest events.
    async fn narrowest(&mut self, filter: &EventFilter) -> Result<&'static str, StoreError> {
        let EventFilter { project_id, run_id, agent_id, kind, within, .. } = filter;
        // Of one project, all are within or none.
        if within.is_some() && project_id.is_none() {
            return Ok(match (run_id, agent_id, kind) {
                (Some(_), ..) => LIST_IN_RUN_WITHIN,
                (_, Some(_), _) => LIST_WITHIN_OF_AGENT,
                (.., Some(_)) => LIST_WITHIN_OF_TYPE,
                _ => LIST_WITHIN,
            });
        }
        let otherwise = match (project_id, run_id, agent_id, kind) {
            (None, None, None, None) => return Ok(LIST),
            (Some(_), None, None, None) => return Ok(LIST_IN_PROJECT),
            (None, Some(_), None, None) => return Ok(LIST_IN_RUN),
            (None, None, Some(_), None) => return Ok(LIST_OF_AGENT),
            (None, None, None, Some(_)) => return Ok(LIST_OF_TYPE),
            (Some(_), None, Some(_), None) => return Ok(LIST_IN_PROJECT_OF_AGENT),
            (Some(_), None, None, Some(_)) => return Ok(LIST_IN_PROJECT_OF_TYPE),
            (None, None, Some(_), Some(_)) => return Ok(LIST_OF_AGENT_OF_TYPE),
            (_, Some(_), _, _) => LIST_IN_RUN,
            (Some(_), None, Some(_), Some(_)) => LIST_IN_PROJECT_OF_TYPE,
        };
        let narrowest: i64 = sqlx::query_scalar(NARROWEST)
            .bind(project_id.as_deref())
            .bind(run_id.as_deref())
            .bind(agent_id.as_deref())
            .bind(kind.as_deref())
            .bind(filter.since.as_deref().unwrap_or_default())
            .bind(filter.before.as_ref().map(|before| &before.time))
            .fetch_one(self.0.conn())
            .await?;
        Ok(match narrowest {
            1 => LIST_IN_RUN,
            2 => LIST_IN_PROJECT_OF_AGENT,
            3 => LIST_IN_PROJECT_OF_TYPE,
            4 => LIST_OF_AGENT_OF_TYPE,
            5 => LIST_IN_PROJECT,
            6 => LIST_OF_AGENT,
            7 => LIST_OF_TYPE,
            _ => otherwise,
        })
    }

    /// The newest proposals, newest first: all, only those that wait (`pending`), or only those that were decided; only
    /// those of the projects whose ids are in the JSON array `within`, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn proposals(
        &mut self,
        project_id: Option<&str>,
        pending: Option<bool>,
        limit: i64,
        within: Option<&str>,
    ) -> Result<Vec<StoredProposal>, StoreError> {
        Ok(sqlx::query(PROPOSALS)
            .bind(project_id)
            .bind(pending)
            .bind(limit)
            .bind(within)
            .try_map(|row: SqliteRow| {
                Ok(StoredProposal {
                    proposal: row.try_get("proposal").map(Document::stored)?,
                    decision: row.try_get::<Option<String>, _>("decision")?.map(Document::stored),
                })
            })
            .fetch_all(self.0.conn())
            .await?)
    }
}

#[cfg(test)]
mod tests;
