//! What arrives in streams (events, usage) is looked up and written many rows at a time: one statement to begin and to
//! find what is there, one to write and to commit.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::database::Database;
use crate::gate::Generation;
use crate::receipts::{Receipt, horizon};
use crate::runs::KnownRun;
use crate::statements::statements;
use crate::writer::Turn;
use crate::{Document, StoreError, Tx};

statements! {
    FIND = "
        SELECT 'event' AS kind, e.id AS name, e.payload_json AS document, NULL AS run_id, NULL AS project_id,
               NULL AS created_at, NULL AS place
          FROM json_each($1) wanted CROSS JOIN agent_events e ON e.id = wanted.value
         UNION ALL
        SELECT 'usage', u.id, u.payload_json, NULL, NULL, NULL, NULL
          FROM json_each($2) wanted CROSS JOIN token_usage_records u ON u.id = wanted.value
         UNION ALL
        SELECT 'run', r.id, NULL, r.id, r.project_id, NULL, NULL
          FROM json_each($3) wanted CROSS JOIN agent_runs r ON r.id = wanted.value
         UNION ALL
        SELECT 'session', s.session_id, NULL, r.id, r.project_id, r.created_at, r.rowid
          FROM json_each($3) wanted
               CROSS JOIN run_sessions s ON s.session_id = wanted.value
               CROSS JOIN agent_runs r ON r.id = s.run_id";
    FIND_RECEIPTS = "
        SELECT 'receipt' AS kind, c.key_hash AS name, c.outcome, c.fingerprint
          FROM json_each($4) wanted CROSS JOIN receipts c ON c.key_hash = wanted.value
         WHERE c.created_at >= $5";
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Ids of events.
    pub events: Vec<&'a str>,
    /// Ids of usage records.
    pub usage: Vec<&'a str>,
    /// Ids of runs, or of their clients' sessions.
    pub runs: Vec<&'a str>,
    /// Digests of the keys of receipts.
    pub receipts: Vec<&'a str>,
}

/// What there is, by the names under which it was wanted.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Events.
    pub events: HashMap<String, Document>,
    /// Usage records.
    pub usage: HashMap<String, Document>,
    /// Receipts.
    pub receipts: HashMap<String, Receipt>,
    runs: HashMap<String, KnownRun>,
    /// The newest one last.
    sessions: HashMap<String, Vec<(Newest, KnownRun)>>,
}

/// Of several runs of a session the newest counts: its time, and its row where times are alike.
type Newest = (Option<String>, i64);

impl Found {
    /// The run with this id, or else the newest one of a session with this id; others than those that `is_seen` are not
    /// there.
    #[must_use]
    pub fn run(&self, reference: &str, is_seen: impl Fn(&KnownRun) -> bool) -> Option<&KnownRun> {
        let by_id = self.runs.get(reference).filter(|run| is_seen(run));
        by_id.or_else(|| {
            let of_session = self.sessions.get(reference)?.iter().rev();
            of_session.map(|(_, run)| run).find(|run| is_seen(run))
        })
    }

    fn take(&mut self, row: &SqliteRow) -> Result<(), sqlx::Error> {
        let name: String = row.try_get("name")?;
        let document = || row.try_get("document").map(Document::stored);
        let run = || {
            Ok::<_, sqlx::Error>(KnownRun {
                id: row.try_get("run_id")?,
                project_id: row.try_get("project_id")?,
            })
        };
        match row.try_get("kind")? {
            "event" => {
                self.events.insert(name, document()?);
            }
            "usage" => {
                self.usage.insert(name, document()?);
            }
            "receipt" => {
                let (fingerprint, outcome) = (row.try_get("fingerprint")?, row.try_get("outcome")?);
                let receipt = Receipt { key_hash: name.clone(), fingerprint, outcome };
                self.receipts.insert(name, receipt);
            }
            "run" => {
                self.runs.insert(name, run()?);
            }
            _ => {
                let newest = (row.try_get("created_at")?, row.try_get("place")?);
                let of_session = self.sessions.entry(name).or_default();
                let place = of_session.partition_point(|(other, _)| *other < newest);
                of_session.insert(place, (newest, run()?));
            }
        }
        Ok(())
    }
}

/// The right to change next. Nothing is begun yet.
pub struct Next(Turn);

impl Database {
    /// Waits for the right to change, as [`Database::write`] does, and leaves it to the caller when to begin. `asked` is
    /// the file that it was when the change was asked for ([`Database::generation`]).
    pub async fn next(&self, asked: Generation) -> Next {
        Next(self.turn(asked).await)
    }
}

impl Next {
    /// Begins a unit of work that changes, and looks up what is `wanted` in it, all on one way to the thread of the
    /// connection. Receipts that are over at `now` are not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] if another process holds the database for longer than five seconds;
    /// [`StoreError::Replacing`] if the file is another one than the one that was asked for.
    pub async fn begin(
        mut self,
        wanted: &Wanted<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Tx, Found), StoreError> {
        let Wanted { events, usage, runs, receipts } = wanted;
        let rows = !(events.is_empty() && usage.is_empty() && runs.is_empty());
        let questions = [(rows, FIND), (!receipts.is_empty(), FIND_RECEIPTS)];
        let questions: Vec<&str> = questions
            .into_iter()
            .filter_map(|(is_asked, question)| is_asked.then_some(question))
            .collect();
        let [events, usage, runs, receipts] =
            [events, usage, runs, receipts].map(|names| serde_json::json!(names).to_string());
        let arguments = [events, usage, runs, receipts, horizon(now).as_str().to_owned()];
        let mut found = Found::default();
        for row in self.0.begin(&questions, &arguments).await? {
            found.take(&row)?;
        }
        Ok((Tx::write(self.0), found))
    }
}
