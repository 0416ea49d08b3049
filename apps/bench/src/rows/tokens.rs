//! Token statistics beside the same SQL alone.

use std::time::Instant;

use anyhow::{Result, ensure};
use pilotdeck_storage::bench::TOKEN_STATS_SQL;
use serde_json::{Value, json};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use crate::http::Connection;
use crate::load::{Load, Target};
use crate::report::{Bar, Row, median, rounded};
use crate::{Plan, subject, tables};

const PATH: &str = "/api/stats/tokens";
const RECORDS_A_REQUEST: u32 = 1_000;

/// Measures both at one connection: each keeps a whole processor busy, more would only wait.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let server = subject::start(plan, "tokens")?;
    let started = Instant::now();
    let mut connection = Connection::open(server.base_url()).await?;
    for first in (0..plan.usage_records).step_by(RECORDS_A_REQUEST as usize) {
        let records: Vec<Value> = (first..first + RECORDS_A_REQUEST).map(record).collect();
        let answer = connection.post("/api/agent/usage", &json!({ "records": records })).await?;
        ensure!(
            answer["data"]["created"] == RECORDS_A_REQUEST,
            "not all usage records were created"
        );
    }
    eprintln!("  sent {} records in {:.1} s", plan.usage_records, started.elapsed().as_secs_f64());
    let statistics: Value = serde_json::from_slice(&connection.get(PATH).await?)?;
    ensure!(
        statistics["data"]["totals"]["records"] == plan.usage_records,
        "the statistics are not of all records"
    );

    let target = Target::get(server.base_url(), PATH);
    let load = Load { connections: 1, ..plan.load };
    let mut database = tables::open(&subject::file(plan, "tokens")).await?;
    let (mut answered, mut computed) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        answered.push(target.measure(load).await?.median_ms);
        computed.push(sql_alone(&mut database, load).await?);
    }

    Ok(vec![Row {
        work: format!("GET /api/stats/tokens, {} records", plan.usage_records),
        subject: median(answered),
        floor: Some(median(computed.iter().copied())),
        unit: "ms",
        bar: Bar::Times(1.3),
        note: format!(
            "floor: the same SQL alone, {} a second; one connection",
            rounded(1000.0 / median(computed))
        ),
    }])
}

/// The server's own statement, without a filter.
fn all_records<'q>() -> Query<'q, Sqlite, SqliteArguments> {
    let everything = None::<&str>;
    sqlx::query(TOKEN_STATS_SQL)
        .bind(everything)
        .bind(everything)
        .bind(everything)
        .bind(everything)
        .bind("")
        .bind(everything)
        .bind(everything)
        .bind(everything)
}

/// The median time of the statement, in milliseconds.
async fn sql_alone(database: &mut SqliteConnection, load: Load) -> Result<f64> {
    let end = Instant::now() + load.lasts;
    let mut took = Vec::new();
    while took.is_empty() || Instant::now() < end {
        let started = Instant::now();
        let rows = all_records().fetch_all(&mut *database).await?;
        ensure!(!rows.is_empty(), "the statement adds nothing up");
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(took))
}

fn record(index: u32) -> Value {
    let (day, hour, second) = (1 + index % 28, index / 28 % 24, index % 60);
    json!({
        "id": format!("usage-bench-{index:08}"),
        "ts": format!("2026-0{}-{day:02}T{hour:02}:00:{second:02}.000000Z", 1 + index % 3),
        "projectId": format!("project-{}", index % 20),
        "runId": format!("run-{}", index / 50),
        "agentId": format!("agent-{}", index % 8),
        "workspace": format!("/srv/work/{}", index % 5),
        "sessionId": format!("session-{}", index / 50),
        "source": "opencode",
        "model": format!("model-{}", index % 4),
        "promptTokens": 1_000 + index % 5_000,
        "completionTokens": 100 + index % 900,
        "totalTokens": 1_100 + index % 5_900,
        "cost": f64::from(index % 100) / 1000.0,
    })
}
