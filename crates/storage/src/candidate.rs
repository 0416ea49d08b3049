//! A file that is to become the database: examined and brought up to date before anything else is touched.
//!
//! Whoever made the file may mean ill. It is read with the schema distrusted, nothing but PilotDeck's own triggers and views
//! is let in, and its rows are brought into the form that is served, whatever they claim to be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::adoption::{self, AdoptError, Report};
use crate::database::{self, Database, Durability};
use crate::open::{LocalTime, MAGIC, Need, OpenError, need, update};
use crate::{Scratch, StoreError, migrations};

const EXAMINE: &str = "PRAGMA integrity_check(1)";
const SCHEMA: &str = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
/// The least bytes of a SQLite file: one page.
const LEAST_BYTES: u64 = 512;

/// A file that may become the database, beside it, and open.
pub struct Candidate {
    database: Database,
    scratch: Scratch,
    report: Report,
}

/// Why a file cannot become the database.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// It is damaged, or something else.
    #[error("integrity_check failed")]
    Damaged(String),
    /// There is nothing in it.
    #[error("the database is empty")]
    Empty,
    /// It is not PilotDeck's, or not one that this program knows.
    #[error("{0}")]
    Unusable(AdoptError),
    /// A newer PilotDeck wrote it.
    #[error(
        "the database was written by a newer PilotDeck (migration {found}; this program knows {known}): upgrade the \
         program"
    )]
    Newer {
        /// The newest migration that it has.
        found: i64,
        /// The newest one that we know.
        known: i64,
    },
    /// There is something in it that PilotDeck does not put there and that would act by itself.
    #[error("the database has a {kind} {name}, which is not PilotDeck's")]
    Stranger {
        /// What it is.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Something of PilotDeck's is not there, or something else.
    #[error("the database has no {kind} {name} as PilotDeck makes it")]
    Missing {
        /// What it would be.
        kind: String,
        /// Its name.
        name: String,
    },
    /// It cannot be brought up to date.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(String),
    /// Our side failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<OpenError> for CandidateError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused { source: AdoptError::NotSqlite, .. } => {
                Self::Damaged("it is no SQLite database".to_owned())
            }
            OpenError::Refused { source: AdoptError::Damaged(cause), .. } => {
                Self::Damaged(cause.to_string())
            }
            OpenError::Refused { source, .. } => Self::Unusable(source),
            OpenError::Newer { found, known, .. } => Self::Newer { found, known },
            OpenError::Store { source: StoreError::Engine(cause), .. } => engine(cause),
            OpenError::Store { source, .. } => Self::Store(source),
            other => Self::Migration(other.to_string()),
        }
    }
}

/// What the engine says of a file that somebody else made is about the file.
fn engine(error: sqlx::Error) -> CandidateError {
    match StoreError::from(error) {
        StoreError::Engine(cause) if cause.as_database_error().is_some() => {
            CandidateError::Damaged(cause.to_string())
        }
        other => CandidateError::Store(other),
    }
}

impl Candidate {
    /// Examines a file and brings it up to date. Nothing else is touched, and the file is gone if it is refused.
    ///
    /// # Errors
    ///
    /// [`CandidateError`], which says why it cannot become the database.
    pub async fn examine(
        scratch: Scratch,
        local_time: &LocalTime,
        now: DateTime<Utc>,
    ) -> Result<Self, CandidateError> {
        let mut start = [0; MAGIC.len()];
        let mut file = File::open(scratch.path()).map_err(StoreError::from)?;
        let bytes = file.metadata().map_err(StoreError::from)?.len();
        if bytes < LEAST_BYTES || file.read_exact(&mut start).is_err() || start != *MAGIC {
            return Err(CandidateError::Damaged("it is no SQLite database".to_owned()));
        }
        drop(file);
        let options = database::options(scratch.path())
            .foreign_keys(false)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        let mut conn = options.connect().await.map_err(engine)?;
        let updated = examine(&mut conn, &scratch, local_time, now).await;
        let closed = conn.close().await;
        let report = updated?;
        closed.map_err(engine)?;
        let connected =
            Database::connect(scratch.path().to_owned(), Durability::default(), None).await;
        Ok(Self { database: connected?, scratch, report })
    }

    /// The database in it.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// What was done to bring it up to date.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Closes it: what remains is one file.
    pub async fn close(self) -> Scratch {
        self.database.close().await;
        self.scratch
    }
}

async fn examine(
    conn: &mut SqliteConnection,
    scratch: &Scratch,
    local_time: &LocalTime,
    now: DateTime<Utc>,
) -> Result<Report, CandidateError> {
    let found: String = sqlx::query_scalar(EXAMINE).fetch_one(&mut *conn).await.map_err(engine)?;
    if found != "ok" {
        return Err(CandidateError::Damaged(found));
    }
    let ours = reference().await?;
    let found = schema(conn).await.map_err(engine)?;
    hold(&found, &ours, false)?;
    let (version, is_due) = match need(conn, scratch.path()).await? {
        Need::Creation => return Err(CandidateError::Empty),
        Need::Adoption { version } => (version, true),
        Need::Nothing => {
            hold(&found, &ours, true)?;
            (adoption::VERSION, false)
        }
    };
    let report = update(conn, scratch.path(), Some(version), is_due, local_time, now).await?;
    hold(&schema(conn).await.map_err(engine)?, &ours, true)?;
    report.ok_or(CandidateError::Empty)
}

/// What is in a database, by name.
type Schema = BTreeMap<String, Item>;

/// Something in a database.
#[derive(Debug)]
struct Item {
    kind: String,
    /// The table that it is, or belongs to.
    table: String,
    /// The statement that made it.
    sql: String,
}

/// The schema of a database that is made now.
async fn reference() -> Result<Schema, CandidateError> {
    let mut conn = SqliteConnectOptions::new()
        .in_memory(true)
        .foreign_keys(false)
        .connect()
        .await
        .map_err(StoreError::from)?;
    adoption::create_schema(&mut conn).await.map_err(CandidateError::Unusable)?;
    let migrated = migrations::run(&mut conn).await;
    migrated.map_err(|error| CandidateError::Migration(error.to_string()))?;
    let schema = schema(&mut conn).await.map_err(StoreError::from)?;
    conn.close().await.map_err(StoreError::from)?;
    Ok(schema)
}

async fn schema(conn: &mut SqliteConnection) -> Result<Schema, sqlx::Error> {
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(SCHEMA).fetch_all(conn).await?;
    let item = |(kind, name, table, sql)| (name, Item { kind, table, sql });
    Ok(rows.into_iter().map(item).collect())
}

/// Refuses what acts by itself and is not ours, and, of a file that is up to date, what is not there.
fn hold(found: &Schema, ours: &Schema, is_current: bool) -> Result<(), CandidateError> {
    for (name, item) in found {
        let is_ours = match ours.get(name) {
            Some(our) if our.kind != item.kind => false,
            Some(our) if item.acts() => !is_current || our.sql == item.sql,
            Some(our) => our.sql == item.sql || item.is_harmless(&our.sql, is_current),
            // Tables and indexes of others do nothing by themselves, unless they reach out for what is ours.
            None if item.acts() || item.is_virtual() => false,
            None if item.kind == "index" => {
                !ours.contains_key(&item.table) || item.is_harmless("", true)
            }
            None => !item.has("REFERENCES"),
        };
        if !is_ours {
            let (kind, name) = (item.kind.clone(), name.clone());
            return Err(CandidateError::Stranger { kind, name });
        }
    }
    let missing = ours.iter().find(|(name, _)| is_current && !found.contains_key(*name));
    match missing {
        Some((name, item)) => {
            Err(CandidateError::Missing { kind: item.kind.clone(), name: name.clone() })
        }
        None => Ok(()),
    }
}

/// What makes a table or an index compute, refuse or change something when a row is written or read.
const ACTIVE: [&str; 10] = [
    "AS",
    "CASCADE",
    "CHECK",
    "COLLATE",
    "CONFLICT",
    "GENERATED",
    "REFERENCES",
    "RESTRICT",
    "UNIQUE",
    "WHERE",
];

impl Item {
    fn acts(&self) -> bool {
        matches!(self.kind.as_str(), "trigger" | "view")
    }

    fn is_virtual(&self) -> bool {
        self.words().nth(1).is_some_and(|word| word.eq_ignore_ascii_case("VIRTUAL"))
    }

    /// Whether a table or an index has nothing active that the one of PilotDeck has not. The texts themselves differ: older
    /// programs wrote them in their own way, and referred from runs to projects.
    fn is_harmless(&self, ours: &str, is_current: bool) -> bool {
        let ours = Self { sql: ours.to_owned(), kind: String::new(), table: String::new() };
        let is_expression = self.kind == "index" && self.sql.matches('(').count() > 1;
        let may = |word: &str| ours.has(word) || (word == "REFERENCES" && !is_current);
        !is_expression && ACTIVE.iter().all(|word| !self.has(word) || may(word))
    }

    fn has(&self, word: &str) -> bool {
        self.words().any(|found| found.eq_ignore_ascii_case(word))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.sql
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
    }
}
