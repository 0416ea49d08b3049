//! Reading a page of the events of one project, out of many and out of few.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use xtask::server_process::ServerProcess;

use crate::http::Connection;
use crate::load::{Target, in_turn};
use crate::report::{Bar, Row, rounded};
use crate::tables::{self, Shape};
use crate::{Plan, subject};

const FEW: u32 = 10_000;
const PATH: &str = "/api/agent/events?projectId=project-3&limit=200";
/// Events of ten projects lie between each other, as in life.
const PROJECTS: u32 = 10;
const STATEMENT: u32 = 50_000;

/// Measures how much longer a page takes when there are many more events than it shows.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let server = subject::start(plan, "events")?;
    Connection::open(server.base_url()).await?.post("/api/agent/events", &shown_event()).await?;
    server.stop()?;

    let few = seeded(plan, "events-few", FEW).await?;
    let many = seeded(plan, "events-many", plan.many_events).await?;
    let (from_many, from_few) =
        (Target::get(many.base_url(), PATH), Target::get(few.base_url(), PATH));
    let [subject, floor] = in_turn([&from_many, &from_few], plan.load, plan.rounds).await?;

    let connections = f64::from(u32::try_from(plan.load.connections)?);
    Ok(vec![Row {
        work: format!("events of a project, 200 of {}", plan.many_events),
        subject: connections * 1000.0 / subject.per_second,
        floor: Some(connections * 1000.0 / floor.per_second),
        unit: "ms",
        bar: Bar::Times(1.3),
        note: format!(
            "floor: 200 of {FEW}; {} and {} answers/s, so the mean time at {connections} connections is compared",
            rounded(subject.per_second),
            rounded(floor.per_second)
        ),
    }])
}

/// A server on a copy of the first database with this many events.
async fn seeded(plan: &Plan, name: &str, count: u32) -> Result<ServerProcess> {
    let started = Instant::now();
    let mut database = tables::open(&subject::copy(plan, "events", name)?).await?;
    let shape = Shape::read(&mut database, "agent_events", "run_id = 'run-0'").await?;
    let sql = shape.insert_numbered(|column| expression(&shape, column));
    for first in (1..=count).step_by(STATEMENT as usize) {
        let last = (first + STATEMENT - 1).min(count);
        sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(first)
            .bind(last)
            .execute(&mut database)
            .await?;
    }
    sqlx::Connection::close(database).await?;
    eprintln!("  wrote {count} events in {:.1} s", started.elapsed().as_secs_f64());

    let server = subject::start(plan, name)?;
    let page: Value =
        serde_json::from_slice(&Connection::open(server.base_url()).await?.get(PATH).await?)?;
    let shown = page["data"].as_array().map_or(0, Vec::len);
    ensure!(shown == 200, "a page shows {shown} events instead of 200");
    Ok(server)
}

/// What distinguishes one event from the next, in terms of its number.
fn expression(shape: &Shape, column: &str) -> Option<String> {
    let id = "'evt-bench-' || printf('%08d', i)";
    let ts = "strftime('%Y-%m-%dT%H:%M:%f', 1760000000 + i * 10, 'unixepoch') || '000Z'";
    let project = format!("'project-' || (i % {PROJECTS})");
    let run = "'run-' || (i / 100)";
    match column {
        "id" => Some(id.to_owned()),
        "ts" => Some(ts.to_owned()),
        "project_id" => Some(project),
        "run_id" => Some(run.to_owned()),
        "seq" => Some("NULL".to_owned()),
        "payload_json" => Some(format!(
            "json_set({}, '$.id', {id}, '$.ts', {ts}, '$.projectId', {project}, '$.runId', {run})",
            tables::quoted(shape.text("payload_json"))
        )),
        _ => None,
    }
}

fn shown_event() -> Value {
    let mut event = subject::event("project-0");
    event["runId"] = "run-0".into();
    event
}
