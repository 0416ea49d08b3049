//! Events, append-only.

use pilotdeck_domain::events::Event;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::document::Document;
use crate::statements::statements;
use crate::{StoreError, Tx};

/// What a row holds whose event could not be read when it was adopted: lists pass over it.
const UNREADABLE: &str = "null";

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
    LIST = "
        SELECT payload_json FROM agent_events
         WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR run_id = $2) AND ($3 IS NULL OR agent_id = $3)
           AND ($4 IS NULL OR type = $4) AND ts >= $5
         ORDER BY ts DESC, rowid DESC LIMIT $6";
    LIST_IN_PROJECT = "
        SELECT payload_json FROM agent_events
         WHERE project_id = $1 AND ($2 IS NULL OR run_id = $2) AND ($3 IS NULL OR agent_id = $3)
           AND ($4 IS NULL OR type = $4) AND ts >= $5
         ORDER BY ts DESC, rowid DESC LIMIT $6";
    LIST_IN_RUN = "
        SELECT payload_json FROM agent_events
         WHERE ($1 IS NULL OR project_id = $1) AND run_id = $2 AND ($3 IS NULL OR agent_id = $3)
           AND ($4 IS NULL OR type = $4) AND ts >= $5
         ORDER BY ts DESC, rowid DESC LIMIT $6";
    LIST_OF_AGENT = "
        SELECT payload_json FROM agent_events
         WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR run_id = $2) AND agent_id = $3
           AND ($4 IS NULL OR type = $4) AND ts >= $5
         ORDER BY ts DESC, rowid DESC LIMIT $6";
    LIST_OF_TYPE = "
        SELECT payload_json FROM agent_events
         WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR run_id = $2) AND ($3 IS NULL OR agent_id = $3)
           AND type = $4 AND ts >= $5
         ORDER BY ts DESC, rowid DESC LIMIT $6";
    PROPOSALS = "
        SELECT p.payload_json AS proposal, d.payload_json AS decision
          FROM agent_events p INDEXED BY events_that_propose
               LEFT JOIN agent_events d ON d.id = p.id || '.decision'
         WHERE p.type >= 'proposal.' AND p.type < 'proposal/' AND p.type <> 'proposal.rejected'
           AND ($1 IS NULL OR p.project_id = $1)
           AND ($2 IS NULL OR (d.id IS NULL) = $2)
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
    /// Not before this time.
    pub since: Option<String>,
    /// At most this many, the newest ones.
    pub limit: i64,
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

    /// The newest events that `filter` lets through, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, filter: &EventFilter) -> Result<Vec<Document>, StoreError> {
        let sql = match filter {
            EventFilter { run_id: Some(_), .. } => LIST_IN_RUN,
            EventFilter { project_id: Some(_), .. } => LIST_IN_PROJECT,
            EventFilter { agent_id: Some(_), .. } => LIST_OF_AGENT,
            EventFilter { kind: Some(_), .. } => LIST_OF_TYPE,
            _ => LIST,
        };
        let mut events: Vec<Document> = sqlx::query(sql)
            .bind(filter.project_id.as_deref())
            .bind(filter.run_id.as_deref())
            .bind(filter.agent_id.as_deref())
            .bind(filter.kind.as_deref())
            .bind(filter.since.as_deref().unwrap_or_default())
            .bind(filter.limit)
            .try_map(|row: SqliteRow| row.try_get(0).map(Document::stored))
            .fetch_all(self.0.conn())
            .await?;
        events.retain(|event| event.as_str() != UNREADABLE);
        events.reverse();
        Ok(events)
    }

    /// The newest proposals, newest first: all, only those that wait (`pending`), or only those that were decided.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn proposals(
        &mut self,
        project_id: Option<&str>,
        pending: Option<bool>,
        limit: i64,
    ) -> Result<Vec<StoredProposal>, StoreError> {
        Ok(sqlx::query(PROPOSALS)
            .bind(project_id)
            .bind(pending)
            .bind(limit)
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
