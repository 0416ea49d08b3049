//! The old schema, version by version, and the steps from one to the next.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{Row as _, SqliteConnection};

use pilotdeck_domain::times::WireTime;

use super::{AdoptError, VERSION, payload};

const TABLES_1: &str = "
    CREATE TABLE IF NOT EXISTS meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS projects (
        id TEXT PRIMARY KEY,
        sort_order INTEGER NOT NULL DEFAULT 0,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        priority TEXT NOT NULL,
        category TEXT,
        progress INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        payload_json TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS agent_runs (
        id TEXT PRIMARY KEY,
        project_id TEXT,
        agent_id TEXT,
        status TEXT,
        created_at TEXT,
        updated_at TEXT,
        started_at TEXT,
        finished_at TEXT,
        payload_json TEXT NOT NULL,
        FOREIGN KEY(project_id) REFERENCES projects(id) ON DELETE SET NULL
    );
    CREATE TABLE IF NOT EXISTS agent_events (
        id TEXT PRIMARY KEY,
        ts TEXT,
        type TEXT,
        level TEXT,
        project_id TEXT,
        run_id TEXT,
        agent_id TEXT,
        title TEXT,
        message TEXT,
        payload_json TEXT NOT NULL
    );";
const TABLES_3: &str = "
    CREATE TABLE IF NOT EXISTS agent_profiles (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        role TEXT,
        enabled INTEGER NOT NULL DEFAULT 1,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        payload_json TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS agent_capabilities (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        payload_json TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS token_usage_records (
        id TEXT PRIMARY KEY,
        ts TEXT NOT NULL,
        project_id TEXT,
        run_id TEXT,
        agent_id TEXT,
        workspace TEXT,
        session_id TEXT,
        source TEXT,
        model TEXT,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        completion_tokens INTEGER NOT NULL DEFAULT 0,
        total_tokens INTEGER NOT NULL DEFAULT 0,
        cost REAL NOT NULL DEFAULT 0,
        payload_json TEXT NOT NULL
    );";
const TABLES_4: &str = "
    CREATE TABLE IF NOT EXISTS users (
        id TEXT PRIMARY KEY,
        username TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL DEFAULT 'admin',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        last_login_at TEXT
    );";
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS idx_projects_sort_order ON projects(sort_order);
    CREATE INDEX IF NOT EXISTS idx_projects_status ON projects(status);
    CREATE INDEX IF NOT EXISTS idx_projects_priority ON projects(priority);
    CREATE INDEX IF NOT EXISTS idx_projects_category ON projects(category);
    CREATE INDEX IF NOT EXISTS idx_projects_updated_at ON projects(updated_at);
    CREATE INDEX IF NOT EXISTS idx_runs_created_at ON agent_runs(created_at);
    CREATE INDEX IF NOT EXISTS idx_runs_project_id ON agent_runs(project_id);
    CREATE INDEX IF NOT EXISTS idx_runs_agent_id ON agent_runs(agent_id);
    CREATE INDEX IF NOT EXISTS idx_runs_status ON agent_runs(status);
    CREATE INDEX IF NOT EXISTS idx_events_ts ON agent_events(ts);
    CREATE INDEX IF NOT EXISTS idx_events_project_id ON agent_events(project_id);
    CREATE INDEX IF NOT EXISTS idx_events_run_id ON agent_events(run_id);
    CREATE INDEX IF NOT EXISTS idx_events_agent_id ON agent_events(agent_id);
    CREATE INDEX IF NOT EXISTS idx_events_type ON agent_events(type);
    CREATE INDEX IF NOT EXISTS idx_agent_profiles_updated_at ON agent_profiles(updated_at);
    CREATE INDEX IF NOT EXISTS idx_agent_profiles_name ON agent_profiles(name);
    CREATE INDEX IF NOT EXISTS idx_agent_capabilities_updated_at ON agent_capabilities(updated_at);
    CREATE INDEX IF NOT EXISTS idx_agent_capabilities_name ON agent_capabilities(name);
    CREATE INDEX IF NOT EXISTS idx_usage_ts ON token_usage_records(ts);
    CREATE INDEX IF NOT EXISTS idx_usage_project ON token_usage_records(project_id);
    CREATE INDEX IF NOT EXISTS idx_usage_agent ON token_usage_records(agent_id);
    CREATE INDEX IF NOT EXISTS idx_usage_workspace ON token_usage_records(workspace);
    CREATE INDEX IF NOT EXISTS idx_usage_source ON token_usage_records(source);
    CREATE INDEX IF NOT EXISTS idx_usage_session ON token_usage_records(session_id);
    CREATE INDEX IF NOT EXISTS idx_users_username ON users(username);";

const HAS_COLUMN: &str = "SELECT 1 FROM pragma_table_info($1) WHERE name = $2";
const ADD_BUDGET: &str = "ALTER TABLE projects ADD COLUMN budget REAL NOT NULL DEFAULT 0";
const ADD_ACTUAL_COST: &str = "ALTER TABLE projects ADD COLUMN actual_cost REAL NOT NULL DEFAULT 0";
const PROJECT_AFTER: &str = "SELECT rowid, CAST(payload_json AS BLOB) FROM projects WHERE rowid > $1 ORDER BY rowid LIMIT 1";
const FILL_MONEY: &str = "UPDATE projects SET budget = $2, actual_cost = $3 WHERE rowid = $1";
const ADMIN_EXISTS: &str = "SELECT 1 FROM users WHERE username = 'admin'";
const ADD_ADMIN: &str = "
    INSERT INTO users (id, username, password_hash, role, created_at, updated_at)
    VALUES ($1, 'admin', $2, 'admin', $3, $3)";
const RANDOM: &str = "SELECT randomblob(22)";
const SET_VERSION: &str = "PRAGMA user_version = 4";

/// The unsalted SHA-256 of `admin`, which is what the old server gave a new account; sign-in replaces it.
const ADMIN_HASH: &str = "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918";

/// The columns that a file must have, and the version that brought them.
const REQUIRED: &[(i64, &str, &[&str])] = &[
    (1, "meta", &["key", "value"]),
    (
        1,
        "projects",
        &[
            "id",
            "sort_order",
            "name",
            "status",
            "priority",
            "category",
            "progress",
            "created_at",
            "updated_at",
            "payload_json",
        ],
    ),
    (
        1,
        "agent_runs",
        &[
            "id",
            "project_id",
            "agent_id",
            "status",
            "created_at",
            "updated_at",
            "started_at",
            "finished_at",
            "payload_json",
        ],
    ),
    (
        1,
        "agent_events",
        &[
            "id",
            "ts",
            "type",
            "level",
            "project_id",
            "run_id",
            "agent_id",
            "title",
            "message",
            "payload_json",
        ],
    ),
    (2, "projects", &["budget", "actual_cost"]),
    (
        3,
        "agent_profiles",
        &["id", "name", "role", "enabled", "created_at", "updated_at", "payload_json"],
    ),
    (
        3,
        "agent_capabilities",
        &["id", "name", "enabled", "created_at", "updated_at", "payload_json"],
    ),
    (
        3,
        "token_usage_records",
        &[
            "id",
            "ts",
            "project_id",
            "run_id",
            "agent_id",
            "workspace",
            "session_id",
            "source",
            "model",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "cost",
            "payload_json",
        ],
    ),
    (
        4,
        "users",
        &["id", "username", "password_hash", "role", "created_at", "updated_at", "last_login_at"],
    ),
];

/// Refuses a file that lacks a part of its version.
pub(super) async fn check(conn: &mut SqliteConnection, version: i64) -> Result<(), AdoptError> {
    for (_, table, columns) in REQUIRED.iter().filter(|(since, ..)| *since <= version) {
        for (index, column) in columns.iter().enumerate() {
            if has_column(conn, table, column).await? {
                continue;
            }
            let has_table = index > 0 || has_any_column(conn, table, columns).await?;
            let missing = if has_table {
                format!("column {table}.{column}")
            } else {
                format!("table {table}")
            };
            return Err(AdoptError::Incomplete { version, missing });
        }
    }
    Ok(())
}

/// Makes all tables in an empty file.
pub(super) async fn create(conn: &mut SqliteConnection) -> Result<(), AdoptError> {
    let some: Option<String> =
        sqlx::query_scalar(super::SOME_TABLE).fetch_optional(&mut *conn).await?;
    if let Some(table) = some {
        return Err(AdoptError::Foreign { found: format!("a table {table}"), version: 0 });
    }
    for statements in
        [TABLES_1, ADD_BUDGET, ADD_ACTUAL_COST, TABLES_3, TABLES_4, INDEXES, SET_VERSION]
    {
        execute(conn, statements).await?;
    }
    Ok(())
}

/// Brings a file from `version` to 4; says whether the account `admin` was added.
pub(super) async fn upgrade(
    conn: &mut SqliteConnection,
    version: i64,
    now: DateTime<Utc>,
) -> Result<bool, AdoptError> {
    if version > VERSION {
        return Err(AdoptError::Newer { version });
    }
    check(conn, version).await?;
    let mut admin_added = false;
    if version < 2 {
        add_money(conn).await?;
    }
    if version < 3 {
        execute(conn, TABLES_3).await?;
    }
    if version < 4 {
        execute(conn, TABLES_4).await?;
        check(conn, VERSION).await?;
        admin_added = add_admin(conn, now).await?;
        execute(conn, SET_VERSION).await?;
    }
    // Our migrations replaced some of these; they must not come back.
    if !super::has_our_migrations(conn).await? {
        execute(conn, INDEXES).await?;
    }
    Ok(admin_added)
}

async fn execute(conn: &mut SqliteConnection, statements: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statements).execute(conn).await.map(drop)
}

async fn has_column(
    conn: &mut SqliteConnection,
    table: &str,
    column: &str,
) -> Result<bool, sqlx::Error> {
    let found: Option<i64> =
        sqlx::query_scalar(HAS_COLUMN).bind(table).bind(column).fetch_optional(&mut *conn).await?;
    Ok(found.is_some())
}

async fn has_any_column(
    conn: &mut SqliteConnection,
    table: &str,
    columns: &[&str],
) -> Result<bool, sqlx::Error> {
    for column in columns {
        if has_column(conn, table, column).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Version 2: budget and actual cost get columns.
async fn add_money(conn: &mut SqliteConnection) -> Result<(), AdoptError> {
    for (column, add) in [("budget", ADD_BUDGET), ("actual_cost", ADD_ACTUAL_COST)] {
        if !has_column(conn, "projects", column).await? {
            execute(conn, add).await?;
        }
    }
    let mut after = i64::MIN;
    while let Some(row) = sqlx::query(PROJECT_AFTER).bind(after).fetch_optional(&mut *conn).await? {
        after = row.try_get(0)?;
        let text: Option<Vec<u8>> = row.try_get(1)?;
        let project = payload::read(&text.unwrap_or_default()).object.unwrap_or_default();
        let money =
            sqlx::query(FILL_MONEY).bind(after).bind(budget(&project)).bind(actual_cost(&project));
        money.execute(&mut *conn).await?;
    }
    Ok(())
}

async fn add_admin(conn: &mut SqliteConnection, now: DateTime<Utc>) -> Result<bool, AdoptError> {
    let exists: Option<i64> = sqlx::query_scalar(ADMIN_EXISTS).fetch_optional(&mut *conn).await?;
    if exists.is_some() {
        return Ok(false);
    }
    let random: Vec<u8> = sqlx::query_scalar(RANDOM).fetch_one(&mut *conn).await?;
    let now = WireTime::from(now);
    let admin = sqlx::query(ADD_ADMIN).bind(url_safe(&random)).bind(ADMIN_HASH).bind(now.as_str());
    admin.execute(&mut *conn).await?;
    Ok(true)
}

/// One URL-safe character for six bits of each byte.
fn url_safe(random: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
}

fn budget(project: &Map<String, Value>) -> f64 {
    let budget = match project.get("budget") {
        Some(Value::Object(parts)) => {
            first_given(&[parts.get("planned"), parts.get("total"), parts.get("amount")])
        }
        other => other,
    };
    amount(budget)
}

fn actual_cost(project: &Map<String, Value>) -> f64 {
    let cost = match project.get("cost") {
        Some(Value::Object(cost)) => cost.get("total"),
        number @ Some(Value::Number(_)) => number,
        _ => None,
    };
    amount(first_given(&[project.get("actualCost"), project.get("actual_cost"), cost]))
}

fn first_given<'a>(values: &[Option<&'a Value>]) -> Option<&'a Value> {
    values.iter().copied().flatten().find(|value| !value.is_null())
}

/// A number, a truth value or a numeric text; zero if it is none, or negative.
fn amount(value: Option<&Value>) -> f64 {
    let amount = match value {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::Bool(is_true)) => Some(f64::from(u8::from(*is_true))),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    amount.filter(|amount| amount.is_finite() && *amount > 0.0).unwrap_or(0.0)
}
