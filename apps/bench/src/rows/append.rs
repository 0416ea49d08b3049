//! Appending one event per request, with its ledger line.

use std::time::{Duration, Instant};

use anyhow::Result;
use pilotdeck_load::Events;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::http::Connection;
use crate::load::{Target, at, median_rate};
use crate::report::{Bar, Row, median, rounded};
use crate::tables::{self, Shape};
use crate::{Plan, floor_server, memory, subject};

/// The connections that the bar is about.
const BARRED: usize = 64;

/// Measures the server beside both floors: bulk writing without HTTP, and HTTP without writing.
pub(crate) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let server = subject::start(plan, "append")?;
    let projects = subject::create_projects(&server, 5).await?;
    let mut connection = Connection::open(server.base_url()).await?;
    connection.post("/api/agent/events", &subject::event(&projects[0])).await?;
    server.stop()?;

    let mut bulk = Bulk::open(plan).await?;
    let server = subject::start(plan, "append")?;
    let floor = floor_server::start(plan, &[])?;
    let append = Target::events(server.base_url(), Events::of(&projects, 1));
    let echo = Target::events(floor.base_url(), Events::of(&projects, 2).sent_to("/echo", 200));
    let mut rows = Vec::new();
    for load in plan.all_connections() {
        let (mut appended, mut echoed, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            appended.push(append.measure(load).await?);
            echoed.push(echo.measure(load).await?);
            written.push(bulk.write(load.lasts, load.connections as u64).await?);
        }
        let after_load = memory::of(server.id())?;
        let (appended, echoed, written) =
            (median_rate(&appended), median_rate(&echoed), median(written));
        rows.push(Row {
            work: at("append an event, with its ledger line", load),
            subject: appended.per_second,
            floor: Some(echoed.per_second.min(written)),
            unit: "/s",
            bar: if load.connections == BARRED { Bar::Share(0.5) } else { Bar::None },
            note: format!(
                "floors: {} rows/s in bulk of {}, {} echoes/s; {} (echo {}); {} MiB resident after the load",
                rounded(written),
                load.connections,
                rounded(echoed.per_second),
                appended.latencies(),
                echoed.latencies(),
                rounded(after_load.resident_mib),
            ),
        });
    }
    Ok(rows)
}

/// Writes the same rows as the server does, many at a time.
struct Bulk {
    database: SqliteConnection,
    events: Shape,
    ledger: Shape,
    next: u64,
    previous_hash: String,
}

impl Bulk {
    /// Opens a copy of what the server made, with the few events that show their shape.
    async fn open(plan: &Plan) -> Result<Self> {
        let mut database = tables::open(&subject::copy(plan, "append", "bulk")?).await?;
        let line = "seq = (SELECT max(seq) FROM ledger WHERE operation = 'event.appended')";
        let ledger = Shape::read(&mut database, "ledger", line).await?;
        let condition = format!("id = {}", tables::quoted(ledger.text("subject_id")));
        let events = Shape::read(&mut database, "agent_events", &condition).await?;
        let last: i64 =
            sqlx::query_scalar("SELECT max(seq) FROM ledger").fetch_one(&mut database).await?;
        Ok(Self {
            database,
            events,
            ledger,
            next: u64::try_from(last)? + 1,
            previous_hash: hash(0),
        })
    }

    /// Writes for some time, as many rows per statement as there are connections, which is the most that requests in lockstep
    /// could share; returns how many events a second were written, each with its ledger line.
    async fn write(&mut self, lasts: Duration, batch: u64) -> Result<f64> {
        let (insert_events, insert_lines) = (self.events.insert_list(), self.ledger.insert_list());
        let mut took = Duration::ZERO;
        let mut rows = 0_u32;
        while took < lasts {
            let (events, lines) = self.next_batch(batch);
            let started = Instant::now();
            let mut transaction = self.database.begin_with("BEGIN IMMEDIATE").await?;
            for (sql, list) in [(&insert_events, events), (&insert_lines, lines)] {
                sqlx::query(AssertSqlSafe(sql.as_str()))
                    .bind(list)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            took += started.elapsed();
            rows += u32::try_from(batch)?;
        }
        Ok(f64::from(rows) / took.as_secs_f64())
    }

    fn next_batch(&mut self, batch: u64) -> (String, String) {
        let shown_id = self.events.text("id").to_owned();
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        for seq in self.next..self.next + batch {
            let id = numbered(&shown_id, seq);
            let renamed = |value: &Value| match value {
                Value::String(text) => Value::String(text.replace(&shown_id, &id)),
                other => other.clone(),
            };
            let (previous, own) = (self.previous_hash.clone(), hash(seq));
            events.push(self.events.row(|_, value| renamed(value)));
            lines.push(self.ledger.row(|column, value| match column {
                "seq" => json!(seq),
                "prev_hash" => json!(previous),
                "hash" => json!(own),
                _ => renamed(value),
            }));
            self.previous_hash = own;
        }
        self.next += batch;
        (Value::Array(events).to_string(), Value::Array(lines).to_string())
    }
}

/// An id as long as the one shown, and as random where it is compared first: ids that ascend flatter an index.
fn numbered(shown: &str, seq: u64) -> String {
    let kept = shown.len().saturating_sub(20);
    format!("{}{seq:020}", shown.get(..kept).unwrap_or("evt-"))
}

/// As long as a SHA-256 and different for each line; whether it is right is nobody's question here.
fn hash(seq: u64) -> String {
    format!("{seq:064x}")
}
