//! What a database holds, in figures: how many rows each table has, and where its ledger stands. Two files with the same
//! ones are copies of one state.

use std::collections::BTreeMap;
use std::path::Path;

use pilotdeck_domain::ledger::Head;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::database::{self, Database};
use crate::{StoreError, ledger, migrations};

macro_rules! tables {
    ($($table:literal)*) => {
        const TABLES: &[(&str, &str)] = &[$(($table, concat!("SELECT count(*) FROM ", $table))),*];
    };
}

// Not those that follow from them, and not what is forgotten by itself: sessions and receipts.
tables! {
    "projects" "project_members" "agent_runs" "agent_events" "agent_profiles" "agent_capabilities"
    "token_usage_records" "users" "people" "api_keys" "invitations" "second_factors" "recovery_codes" "ledger"
    "ledger_checkpoints"
}

const IS_THERE: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1";
const USER_VERSION: &str = "PRAGMA user_version";
const EXAMINE: &str = "PRAGMA integrity_check(1)";
const HAS_LINE: &str = "SELECT EXISTS (SELECT 1 FROM ledger WHERE seq = $1 AND hash = $2)";
const MIGRATIONS: &str = "_sqlx_migrations";
const LEDGER: &str = "ledger";

/// What a database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The rows of each table that is there.
    pub rows: BTreeMap<String, i64>,
    /// Where the ledger stands; none if there is no ledger.
    pub head: Option<Head>,
    /// The newest migration; 0 for a database of an older PilotDeck.
    pub migration: i64,
    /// The `user_version`.
    pub user_version: i64,
}

impl Census {
    /// Counts the rows of a file that nobody writes to, without touching it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn of_file(file: &Path) -> Result<Self, StoreError> {
        // Nothing is made beside it, and a log that lies there is none of its own.
        let options = database::options(file).read_only(true).immutable(true);
        let options = options.pragma("trusted_schema", "OFF");
        let mut conn = options.connect().await?;
        let taken = Self::take(&mut conn).await;
        conn.close().await?;
        taken
    }

    /// Counts the rows of a database that no server has open, with what its log holds.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn of_database(file: &Path) -> Result<Self, StoreError> {
        let mut conn = database::options(file).foreign_keys(false).connect().await?;
        let taken = Self::take(&mut conn).await;
        conn.close().await?;
        taken
    }

    /// Whether a database that no server has open has this line in its ledger.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn has_line(file: &Path, line: &Head) -> Result<bool, StoreError> {
        let mut conn = database::options(file).foreign_keys(false).connect().await?;
        let found =
            sqlx::query_scalar(HAS_LINE).bind(line.seq).bind(&line.hash).fetch_one(&mut conn).await;
        conn.close().await?;
        Ok(found?)
    }

    /// What is wrong with a file that nobody writes to, if anything: the first thing that SQLite's own examination finds.
    ///
    /// # Errors
    ///
    /// If it cannot be examined.
    pub async fn damage_of(file: &Path) -> Result<Option<String>, StoreError> {
        let options = database::options(file).read_only(true).immutable(true);
        let mut conn = options.connect().await?;
        let found: Result<String, _> = sqlx::query_scalar(EXAMINE).fetch_one(&mut conn).await;
        conn.close().await?;
        Ok(Some(found?).filter(|found| found != "ok"))
    }

    async fn take(conn: &mut SqliteConnection) -> Result<Self, StoreError> {
        let mut census = Self {
            user_version: sqlx::query_scalar(USER_VERSION).fetch_one(&mut *conn).await?,
            ..Self::default()
        };
        for (table, count) in TABLES {
            if is_there(conn, table).await? {
                let rows = sqlx::query_scalar(*count).fetch_one(&mut *conn).await?;
                census.rows.insert((*table).to_owned(), rows);
            }
        }
        if census.rows.contains_key(LEDGER) {
            census.head = Some(ledger::head(conn).await?);
        }
        if is_there(conn, MIGRATIONS).await? {
            census.migration = migrations::applied(conn).await?;
        }
        Ok(census)
    }
}

async fn is_there(conn: &mut SqliteConnection, table: &str) -> Result<bool, StoreError> {
    let found: i64 = sqlx::query_scalar(IS_THERE).bind(table).fetch_one(conn).await?;
    Ok(found > 0)
}

impl Database {
    /// Counts the rows of one state.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn census(&self) -> Result<Census, StoreError> {
        Census::take(self.snapshot().await?.conn()).await
    }
}
