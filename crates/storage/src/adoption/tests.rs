//! Adoption as a whole, on real files.

mod found;
mod odd_rows;
mod upgrades;
mod whole;

use std::path::Path;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use pilotdeck_domain::times;

use super::{AdoptError, Report, adopt};

const BEGIN: &str = "BEGIN IMMEDIATE";
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pilotdeck-v4.db");

/// The schema as the old server made it, version by version.
const OLD_SCHEMA: [&str; 4] = [
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
     CREATE TABLE projects (id TEXT PRIMARY KEY, sort_order INTEGER NOT NULL DEFAULT 0, name TEXT NOT NULL,
       status TEXT NOT NULL, priority TEXT NOT NULL, category TEXT, progress INTEGER NOT NULL DEFAULT 0,
       created_at TEXT NOT NULL, updated_at TEXT NOT NULL, payload_json TEXT NOT NULL);
     CREATE TABLE agent_runs (id TEXT PRIMARY KEY, project_id TEXT, agent_id TEXT, status TEXT, created_at TEXT,
       updated_at TEXT, started_at TEXT, finished_at TEXT, payload_json TEXT NOT NULL,
       FOREIGN KEY(project_id) REFERENCES projects(id) ON DELETE SET NULL);
     CREATE TABLE agent_events (id TEXT PRIMARY KEY, ts TEXT, type TEXT, level TEXT, project_id TEXT, run_id TEXT,
       agent_id TEXT, title TEXT, message TEXT, payload_json TEXT NOT NULL);
     CREATE INDEX idx_events_ts ON agent_events(ts);
     PRAGMA user_version = 1;",
    "ALTER TABLE projects ADD COLUMN budget REAL NOT NULL DEFAULT 0;
     ALTER TABLE projects ADD COLUMN actual_cost REAL NOT NULL DEFAULT 0;
     PRAGMA user_version = 2;",
    "CREATE TABLE agent_profiles (id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT,
       enabled INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
       payload_json TEXT NOT NULL);
     CREATE TABLE agent_capabilities (id TEXT PRIMARY KEY, name TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1,
       created_at TEXT NOT NULL, updated_at TEXT NOT NULL, payload_json TEXT NOT NULL);
     CREATE TABLE token_usage_records (id TEXT PRIMARY KEY, ts TEXT NOT NULL, project_id TEXT, run_id TEXT,
       agent_id TEXT, workspace TEXT, session_id TEXT, source TEXT, model TEXT,
       prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0,
       total_tokens INTEGER NOT NULL DEFAULT 0, cost REAL NOT NULL DEFAULT 0, payload_json TEXT NOT NULL);
     PRAGMA user_version = 3;",
    "CREATE TABLE users (id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
       role TEXT NOT NULL DEFAULT 'admin', created_at TEXT NOT NULL, updated_at TEXT NOT NULL, last_login_at TEXT);
     PRAGMA user_version = 4;",
];

/// A database in a folder of its own.
struct File {
    conn: SqliteConnection,
    folder: TempDir,
}

impl File {
    async fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let conn = Self::connect(folder.path()).await;
        Self { conn, folder }
    }

    /// What the old server left at `version`.
    async fn old(version: usize) -> Self {
        let mut file = Self::empty().await;
        for statements in &OLD_SCHEMA[..version] {
            file.run(*statements).await;
        }
        file
    }

    async fn fixture() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::copy(FIXTURE, folder.path().join("pm.db")).unwrap();
        let conn = Self::connect(folder.path()).await;
        Self { conn, folder }
    }

    async fn connect(folder: &Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(folder.join("pm.db"));
        options.create_if_missing(true).foreign_keys(false).connect().await.unwrap()
    }

    async fn run(&mut self, statements: impl Into<String>) {
        self.try_run(statements).await.unwrap();
    }

    async fn try_run(&mut self, statements: impl Into<String>) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statements.into())).execute(&mut self.conn).await.map(drop)
    }

    async fn text(&mut self, query: impl Into<String>) -> Option<String> {
        sqlx::query_scalar(AssertSqlSafe(query.into())).fetch_one(&mut self.conn).await.unwrap()
    }

    async fn number(&mut self, query: impl Into<String>) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.into())).fetch_one(&mut self.conn).await.unwrap()
    }

    async fn payload(&mut self, table: &str, id: &str) -> Value {
        let text =
            self.text(format!("SELECT payload_json FROM {table} WHERE id = '{id}'")).await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn aside(&mut self, table: &str, id: &str) -> Option<String> {
        self.text(format!(
            "SELECT max(payload) FROM adopted_payloads WHERE table_name = '{table}' AND row_id = '{id}'"
        ))
        .await
    }

    /// Adopts in a transaction that is rolled back on failure, with a wall clock two hours ahead of UTC.
    async fn adopt(&mut self) -> Result<Report, AdoptError> {
        let version = self.number("PRAGMA user_version").await;
        self.run(BEGIN).await;
        let report = adopt(&mut self.conn, version, &two_hours_ahead, now()).await;
        self.run(if report.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        report
    }

    /// Everything in the file: the schema, and each cell of each row.
    async fn dump(&mut self) -> Vec<String> {
        let mut dump = vec![self.number("PRAGMA user_version").await.to_string()];
        let schema =
            "SELECT type || name || ifnull(sql, '') FROM sqlite_master ORDER BY type, name";
        dump.extend(self.texts(schema).await);
        for table in
            self.texts("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").await
        {
            let columns = "SELECT group_concat('quote(\"' || name || '\")', ' || '';'' || ') FROM pragma_table_info";
            let cells = self.text(format!("{columns}('{table}')")).await.unwrap();
            dump.extend(
                self.texts(format!(
                    "SELECT '{table};' || rowid || ';' || {cells} FROM {table} ORDER BY rowid"
                ))
                .await,
            );
        }
        dump
    }

    async fn texts(&mut self, query: impl Into<String>) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(query.into())).fetch_all(&mut self.conn).await.unwrap()
    }
}

fn two_hours_ahead(naive: NaiveDateTime) -> DateTime<Utc> {
    naive.and_utc() - TimeDelta::hours(2)
}

fn now() -> DateTime<Utc> {
    times::parse("2026-11-21T09:00:00Z").unwrap()
}
