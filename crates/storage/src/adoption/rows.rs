//! Rewrites the rows of the old tables, a bounded page at a time.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::{
    AdoptError, TableReport,
    forms::{self, Column, Form, Kind},
    moments::{Moment, Moments},
};

const CREATE_ASIDE: &str = "
    CREATE TABLE IF NOT EXISTS adopted_payloads (
        table_name TEXT,
        row_id TEXT,
        payload TEXT,
        PRIMARY KEY (table_name, row_id)
    )";

const META: &str = "SELECT rowid, value FROM meta WHERE key LIKE '%.lastUpdated'";
const SAVE_META: &str = "UPDATE meta SET value = coalesce($2, value) WHERE rowid = $1";
const USERS: &str = "SELECT rowid, created_at, updated_at, last_login_at FROM users";
const SAVE_USER: &str = "
    UPDATE users
       SET created_at = coalesce($2, created_at),
           updated_at = coalesce($3, updated_at),
           last_login_at = coalesce($4, last_login_at)
     WHERE rowid = $1";

const EVENT_GUARDS: &str = "
    SELECT name, sql FROM sqlite_master
     WHERE type = 'trigger' AND tbl_name = 'agent_events' AND sql LIKE '%UPDATE%' AND sql LIKE '%RAISE%'";

/// One table with payloads, and its statements.
struct Shape {
    table: &'static str,
    columns: &'static [Column],
    form: Form,
    /// The last row of the page after row `$1`: 500 rows, or fewer that make 4 MiB.
    page_end: &'static str,
    /// The rows after `$1` up to `$2`: rowid, payload, columns.
    page: &'static str,
    /// Keeps the payloads of the rows whose numbers are listed in `$1`.
    set_aside: &'static str,
    /// Writes the rows listed in `$1`: rowid, payload, then the columns that adoption may write, null for what stays.
    save: &'static str,
}

/// Declares a [`Shape`]: the columns as they are read (`column key Kind`), then the written ones with their places in
/// the list that [`Shape::save`] is given.
macro_rules! shape {
    (
        $table:literal, $form:expr,
        reads [$($column:literal $key:literal $kind:ident),+ $(,)?],
        writes [$($written:literal $place:literal),+ $(,)?]
    ) => {
        Shape {
            table: $table,
            columns: &[$(Column { key: $key, kind: Kind::$kind }),+],
            form: $form,
            page_end: concat!(
                "SELECT max(row) FROM (SELECT row, sum(size) OVER (ORDER BY row) - size AS before FROM (",
                "SELECT rowid AS row, octet_length(payload_json) AS size FROM ", $table,
                " WHERE rowid > $1 ORDER BY rowid LIMIT 500)) WHERE before < 4194304",
            ),
            page: concat!(
                "SELECT rowid, CAST(payload_json AS BLOB)", $(", ", $column,)+ " FROM ", $table,
                " WHERE rowid > $1 AND rowid <= $2 ORDER BY rowid",
            ),
            set_aside: concat!(
                "INSERT OR REPLACE INTO adopted_payloads (table_name, row_id, payload) SELECT '", $table,
                "', id, payload_json FROM ", $table, " WHERE rowid IN (SELECT value FROM json_each($1))",
            ),
            save: concat!(
                "UPDATE ", $table, " SET payload_json = coalesce(new.value ->> 1, payload_json)",
                $(", ", $written, " = coalesce(new.value ->> ", $place, ", ", $written, ")",)+
                " FROM json_each($1) AS new WHERE ", $table, ".rowid = new.value ->> 0",
            ),
        }
    };
}

const SHAPES: [Shape; 6] = [
    shape! {
        "projects", Form::Columns(&[]),
        reads [
            "id" "id" Plain, "name" "name" Plain, "status" "status" Plain, "priority" "priority" Plain,
            "category" "category" Plain, "progress" "progress" Plain, "created_at" "createdAt" Time,
            "updated_at" "updatedAt" Time, "budget" "budget" Amount, "actual_cost" "actualCost" Amount,
        ],
        writes ["created_at" 2, "updated_at" 3, "budget" 4, "actual_cost" 5]
    },
    shape! {
        "agent_runs", Form::Columns(&[]),
        reads [
            "id" "id" Plain, "project_id" "projectId" Plain, "agent_id" "agentId" Plain, "status" "status" Plain,
            "created_at" "createdAt" Time, "updated_at" "updatedAt" Time, "started_at" "startedAt" Time,
            "finished_at" "finishedAt" Time,
        ],
        writes ["created_at" 2, "updated_at" 3, "started_at" 4, "finished_at" 5]
    },
    shape! {
        "agent_events", Form::Event,
        reads ["ts" "ts" Time],
        writes ["ts" 2]
    },
    shape! {
        "agent_profiles", Form::Columns(&[]),
        reads [
            "id" "id" Plain, "name" "name" Plain, "role" "role" Plain, "enabled" "enabled" Flag,
            "created_at" "createdAt" Time, "updated_at" "updatedAt" Time,
        ],
        writes ["created_at" 2, "updated_at" 3]
    },
    shape! {
        "agent_capabilities", Form::Columns(&[]),
        reads [
            "id" "id" Plain, "name" "name" Plain, "enabled" "enabled" Flag, "created_at" "createdAt" Time,
            "updated_at" "updatedAt" Time,
        ],
        writes ["created_at" 2, "updated_at" 3]
    },
    shape! {
        "token_usage_records", Form::Columns(&["data"]),
        reads [
            "id" "id" Plain, "ts" "ts" Time, "project_id" "projectId" Plain, "run_id" "runId" Plain,
            "agent_id" "agentId" Plain, "workspace" "workspace" Plain, "session_id" "sessionId" Plain,
            "source" "source" Plain, "model" "model" Plain, "prompt_tokens" "promptTokens" Plain,
            "completion_tokens" "completionTokens" Plain, "total_tokens" "totalTokens" Plain, "cost" "cost" Amount,
        ],
        writes ["ts" 2, "cost" 3]
    },
];

/// Makes the table of what is set aside, if it is not there.
pub(super) async fn create_aside(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CREATE_ASIDE).execute(conn).await.map(|_| ())
}

/// Rewrites every row that is not right yet.
pub(super) async fn rewrite(
    conn: &mut SqliteConnection,
    moments: &Moments<'_>,
) -> Result<Vec<TableReport>, AdoptError> {
    create_aside(conn).await?;
    let mut reports = Vec::new();
    for shape in &SHAPES {
        reports.push(table(conn, shape, moments).await?);
    }
    reports.push(texts(conn, "meta", META, SAVE_META, 1, moments).await?);
    reports.push(texts(conn, "users", USERS, SAVE_USER, 3, moments).await?);
    Ok(reports)
}

async fn table(
    conn: &mut SqliteConnection,
    shape: &Shape,
    moments: &Moments<'_>,
) -> Result<TableReport, AdoptError> {
    let mut report = TableReport { table: shape.table, ..TableReport::default() };
    let mut guards = None;
    let mut after = i64::MIN;
    while let Some(end) = sqlx::query_scalar::<_, Option<i64>>(shape.page_end)
        .bind(after)
        .fetch_one(&mut *conn)
        .await?
    {
        let page = Page::read(conn, shape, (after, end), moments, &mut report).await?;
        if !page.changed.is_empty() {
            if matches!(shape.form, Form::Event) && guards.is_none() {
                guards = Some(Guards::lift(conn).await?);
            }
            page.write(conn, shape).await?;
        }
        after = end;
    }
    if let Some(guards) = guards {
        guards.restore(conn).await?;
    }
    Ok(report)
}

/// The rows of one page that change.
#[derive(Default)]
struct Page {
    changed: Vec<Vec<Value>>,
    set_aside: Vec<i64>,
}

impl Page {
    async fn read(
        conn: &mut SqliteConnection,
        shape: &Shape,
        (after, end): (i64, i64),
        moments: &Moments<'_>,
        report: &mut TableReport,
    ) -> Result<Self, AdoptError> {
        let mut page = Self::default();
        for row in sqlx::query(shape.page).bind(after).bind(end).fetch_all(&mut *conn).await? {
            let outcome = forms::outcome(&row, shape.columns, shape.form, moments)?;
            report.seen += 1;
            report.times_left += u64::from(outcome.is_time_left);
            report.set_aside += u64::from(outcome.is_set_aside);
            if !outcome.is_change() {
                continue;
            }
            report.rewritten += 1;
            let rowid: i64 = row.try_get(0)?;
            if outcome.is_set_aside {
                page.set_aside.push(rowid);
            }
            let mut changed = vec![Value::from(rowid), Value::from(outcome.payload)];
            changed.extend(outcome.columns);
            page.changed.push(changed);
        }
        Ok(page)
    }

    async fn write(self, conn: &mut SqliteConnection, shape: &Shape) -> Result<(), AdoptError> {
        if !self.set_aside.is_empty() {
            sqlx::query(shape.set_aside)
                .bind(Value::from(self.set_aside).to_string())
                .execute(&mut *conn)
                .await?;
        }
        let changed = self.changed.into_iter().map(Value::Array).collect::<Value>().to_string();
        sqlx::query(shape.save).bind(changed).execute(&mut *conn).await?;
        Ok(())
    }
}

/// The triggers that refuse to change an event; nobody else than an adoption may pass them.
struct Guards(Vec<(String, String)>);

impl Guards {
    async fn lift(conn: &mut SqliteConnection) -> Result<Self, AdoptError> {
        let guards: Vec<(String, String)> =
            sqlx::query_as(EVENT_GUARDS).fetch_all(&mut *conn).await?;
        for (name, _) in &guards {
            let drop = format!("DROP TRIGGER \"{}\"", name.replace('"', "\"\""));
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *conn).await?;
        }
        Ok(Self(guards))
    }

    async fn restore(self, conn: &mut SqliteConnection) -> Result<(), AdoptError> {
        for (_, create) in self.0 {
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *conn).await?;
        }
        Ok(())
    }
}

/// Rewrites the times of a small table without payloads: `times` columns after the rowid.
async fn texts(
    conn: &mut SqliteConnection,
    table: &'static str,
    read: &'static str,
    save: &'static str,
    times: usize,
    moments: &Moments<'_>,
) -> Result<TableReport, AdoptError> {
    let mut report = TableReport { table, ..TableReport::default() };
    for row in sqlx::query(read).fetch_all(&mut *conn).await? {
        let mut new = Vec::with_capacity(times);
        let mut is_left = false;
        for column in 1..=times {
            let text = row.try_get_unchecked::<Option<Vec<u8>>, _>(column)?.unwrap_or_default();
            new.push(match moments.of(&String::from_utf8_lossy(&text)) {
                Moment::Right => None,
                Moment::Rewritten(time) => Some(time),
                Moment::Left => {
                    is_left = true;
                    None
                }
            });
        }
        report.seen += 1;
        report.times_left += u64::from(is_left);
        if new.iter().any(Option::is_some) {
            report.rewritten += 1;
            let rowid: i64 = row.try_get(0)?;
            let save =
                new.into_iter().fold(sqlx::query(save).bind(rowid), sqlx::query::Query::bind);
            save.execute(&mut *conn).await?;
        }
    }
    Ok(report)
}
