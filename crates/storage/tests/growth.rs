//! How long lists and statistics take when there is much more than they show, and what that costs whoever writes.
//!
//! Prints tables, and fails where a page of a million rows takes much longer than one of ten thousand:
//! `cargo nextest run -p pilotdeck-storage --test growth --run-ignored only --no-capture --release`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::paging::Cursor;
use pilotdeck_storage::{
    Database, Durability, EventFilter, OpenOptions, RunFilter, Tx, UsageFilter, machine_time_zone,
    open,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

const FEW: i64 = 10_000;
const MANY: i64 = 1_000_000;
const ROUNDS: usize = 15;

/// Rows numbered `i`, the newest last, ten seconds apart. Most are of one project, agent and kind; some words never meet
/// (`quiet` and `busy`), one is rare and old.
const EVENTS: &str = "
    WITH RECURSIVE numbers(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM numbers WHERE i < $2)
    INSERT INTO agent_events (id, ts, type, level, project_id, run_id, agent_id, payload_json)
    SELECT 'evt-' || i, ts, type, 'info', project, run, agent,
           json_object('id', 'evt-' || i, 'ts', ts, 'type', type, 'level', 'info', 'projectId', project, 'runId', run,
                       'agentId', agent, 'title', 'a line about what happened', 'message', NULL, 'data', json('{}'))
      FROM (SELECT i, strftime('%Y-%m-%dT%H:%M:%f', 1760000000 + i * 10, 'unixepoch') || '000Z' AS ts,
                   CASE WHEN i < 30 THEN 'rare' WHEN i % 10 < 6 THEN 'note' WHEN i % 10 < 8 THEN 'busy' ELSE 'quiet' END
                       AS type,
                   CASE WHEN i % 10 < 6 THEN 'huge' WHEN i % 10 < 8 THEN 'quiet' WHEN i % 10 < 9 THEN 'busy'
                        ELSE 'small-' || (i % 997) END AS project,
                   CASE WHEN i % 10 < 4 THEN 'long' ELSE 'run-' || (i / 100) END AS run,
                   CASE WHEN i % 10 < 5 THEN 'main' WHEN i % 10 < 8 THEN 'quiet' ELSE 'busy' END AS agent
              FROM numbers)";
const RUNS: &str = "
    WITH RECURSIVE numbers(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM numbers WHERE i < $2)
    INSERT INTO agent_runs (id, project_id, agent_id, status, created_at, updated_at, started_at, payload_json)
    SELECT 'run-' || i, project, agent, status, ts, ts, ts,
           json_object('id', 'run-' || i, 'projectId', project, 'agentId', agent, 'status', status, 'title', 'the work',
                       'createdAt', ts, 'updatedAt', ts, 'startedAt', ts, 'finishedAt', NULL)
      FROM (SELECT i, strftime('%Y-%m-%dT%H:%M:%f', 1760000000 + i * 10, 'unixepoch') || '000Z' AS ts,
                   CASE WHEN i % 10 < 6 THEN 'huge' WHEN i % 10 < 8 THEN 'quiet' ELSE 'small-' || (i % 997) END AS project,
                   CASE WHEN i % 10 < 5 THEN 'main' WHEN i % 10 < 8 THEN 'quiet' ELSE 'busy' END AS agent,
                   CASE WHEN i < 30 THEN 'rare' WHEN i % 10 < 7 THEN 'completed' ELSE 'failed' END AS status
              FROM numbers)";
const USAGE: &str = "
    WITH RECURSIVE numbers(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM numbers WHERE i < $2)
    INSERT INTO token_usage_records (id, ts, project_id, run_id, agent_id, workspace, session_id, source, model,
                                     prompt_tokens, completion_tokens, total_tokens, cost, payload_json)
    SELECT 'usage-' || i, ts, project, 'run-' || (i / 50), agent, workspace, 'ses-' || (i / 50), source, 'model-' || (i % 4),
           1000, 100, 1100, 0.0123,
           json_object('id', 'usage-' || i, 'ts', ts, 'projectId', project, 'runId', 'run-' || (i / 50), 'agentId', agent,
                       'workspace', workspace, 'sessionId', 'ses-' || (i / 50), 'source', source, 'model', 'model-' || (i % 4),
                       'promptTokens', 1000, 'completionTokens', 100, 'totalTokens', 1100, 'cost', 0.0123,
                       'data', json('{}'))
      FROM (SELECT i, strftime('%Y-%m-%dT%H:%M:%f', 1760000000 + i * 30, 'unixepoch') || '000Z' AS ts,
                   CASE WHEN i % 10 < 6 THEN 'huge' WHEN i % 10 < 8 THEN 'quiet' ELSE 'small-' || (i % 20) END AS project,
                   CASE WHEN i % 10 < 5 THEN 'main' WHEN i % 10 < 8 THEN 'quiet' ELSE 'busy' END AS agent,
                   CASE WHEN i < 30 THEN 'rare' ELSE '/srv/' || (i % 5) END AS workspace,
                   CASE WHEN i % 10 < 9 THEN 'opencode' ELSE 'other' END AS source
              FROM numbers)";

async fn opened(path: &Path) -> Database {
    let options = OpenOptions {
        path,
        durability: Durability::Process,
        clock: &Clock::default(),
        local_time: &machine_time_zone,
    };
    open(options).await.unwrap().0
}

async fn connected(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    options.pragma("synchronous", "NORMAL").pragma("cache_size", "-200000").connect().await.unwrap()
}

/// A database of so many rows, written to a file whose schema `changes` changed.
async fn filled(folder: &Path, rows: i64, changes: &'static str) -> PathBuf {
    let path = folder.join(format!("{rows}.db"));
    opened(&path).await.close().await;
    let mut conn = connected(&path).await;
    sqlx::raw_sql(changes).execute(&mut conn).await.unwrap();
    for sql in [EVENTS, RUNS, USAGE] {
        for first in (0..rows).step_by(50_000) {
            let last = (first + 50_000).min(rows) - 1;
            sqlx::query(sql).bind(first).bind(last).execute(&mut conn).await.unwrap();
        }
    }
    conn.close().await.unwrap();
    path
}

fn word(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The time of row `i` of lists whose rows are `seconds` apart.
fn time(i: i64, seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(1_760_000_000 + i * seconds, 0).unwrap();
    time.format("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

/// A question, and how it is put to a database of so many rows.
#[derive(Clone)]
enum Question {
    Events(EventFilter),
    Runs(RunFilter),
    Usage(UsageFilter, Option<Cursor>),
    Tokens(UsageFilter),
}

impl Question {
    async fn ask(&self, tx: &mut Tx) -> usize {
        match self {
            Self::Events(filter) => tx.events().list(filter).await.unwrap().documents.len(),
            Self::Runs(filter) => tx.runs().list(filter).await.unwrap().page.documents.len(),
            Self::Usage(filter, after) => {
                tx.usage().list(filter, after.as_ref(), 200).await.unwrap().documents.len()
            }
            Self::Tokens(filter) => {
                tx.insights().tokens(&filter.clone().into()).await.unwrap().len()
            }
        }
    }
}

/// All questions, for a database of `rows` rows.
fn questions(rows: i64) -> Vec<(String, Question)> {
    [questions_about_events(rows), questions_about_runs(rows), questions_about_usage(rows)].concat()
}

/// The end of a page in the middle of a list of so many rows.
fn middle(rows: i64, seconds: i64) -> Cursor {
    Cursor { time: time(rows / 2, seconds), id: String::new() }
}

/// Pages of events.
fn questions_about_events(rows: i64) -> Vec<(String, Question)> {
    let mut all = Vec::new();
    for [project, run, agent, kind] in [
        ["", "", "", ""],
        ["huge", "", "", ""],
        ["", "long", "", ""],
        ["", "", "main", ""],
        ["", "", "", "note"],
        ["", "", "", "rare"],
        ["nowhere", "", "", ""],
        ["huge", "", "main", ""],
        ["huge", "", "busy", ""],
        ["huge", "", "", "note"],
        ["huge", "", "", "rare"],
        ["quiet", "", "", "quiet"],
        ["", "", "main", "note"],
        ["", "", "main", "rare"],
        ["", "", "main", "quiet"],
        ["huge", "", "main", "note"],
        ["huge", "", "main", "rare"],
        ["huge", "", "main", "quiet"],
        ["huge", "", "quiet", "busy"],
        ["huge", "run-50", "", ""],
        ["huge", "long", "", ""],
        ["huge", "long", "", "rare"],
        ["busy", "long", "", ""],
        ["", "long", "busy", ""],
        ["", "long", "", "quiet"],
        ["huge", "long", "main", "note"],
        ["busy", "long", "busy", "quiet"],
    ] {
        let filter = EventFilter {
            project_id: word(project),
            run_id: word(run),
            agent_id: word(agent),
            kind: word(kind),
            limit: 200,
            ..EventFilter::default()
        };
        all.push((format!("events {project}/{run}/{agent}/{kind}"), Question::Events(filter)));
    }
    let event = EventFilter { limit: 200, ..EventFilter::default() };
    let huge = EventFilter { project_id: word("huge"), ..event.clone() };
    let old = EventFilter { before: Some(middle(rows, 10)), ..huge.clone() };
    let recent = EventFilter { since: Some(time(rows - 100, 10)), ..huge.clone() };
    let none = EventFilter { since: Some(time(rows + 100, 10)), ..huge };
    all.push(("events huge, before the middle".into(), Question::Events(old)));
    all.push(("events huge, since lately".into(), Question::Events(recent)));
    all.push(("events huge, since later".into(), Question::Events(none)));
    all
}

/// Pages of runs, with their totals.
fn questions_about_runs(rows: i64) -> Vec<(String, Question)> {
    let mut all = Vec::new();
    for [project, agent, status] in [
        ["", "", ""],
        ["huge", "", ""],
        ["", "main", ""],
        ["", "", "completed"],
        ["", "", "rare"],
        ["huge", "main", ""],
        ["huge", "busy", ""],
        ["huge", "", "rare"],
        ["quiet", "", "failed"],
        ["", "main", "failed"],
        ["", "busy", "rare"],
        ["huge", "main", "rare"],
        ["huge", "main", "failed"],
        ["quiet", "quiet", "completed"],
    ] {
        let filter = RunFilter {
            project_id: word(project),
            agent_id: word(agent),
            status: word(status),
            limit: 50,
            ..RunFilter::default()
        };
        all.push((format!("runs {project}/{agent}/{status}"), Question::Runs(filter)));
    }
    let run = RunFilter { limit: 50, ..RunFilter::default() };
    let huge = RunFilter { project_id: word("huge"), ..run };
    let after = RunFilter { after: Some(middle(rows, 10)), ..huge.clone() };
    let offset = RunFilter { offset: rows / 2, ..huge.clone() };
    let beyond = RunFilter { offset: rows, ..huge };
    all.push(("runs huge, after the middle".into(), Question::Runs(after)));
    all.push((format!("runs huge, offset of half ({OFFSET})"), Question::Runs(offset)));
    all.push(("runs huge, offset beyond the end".into(), Question::Runs(beyond)));
    all
}

/// Pages of usage, and what it adds up to.
fn questions_about_usage(rows: i64) -> Vec<(String, Question)> {
    let mut all = Vec::new();
    for [project, agent, workspace, source] in [
        ["", "", "", ""],
        ["huge", "", "", ""],
        ["", "main", "", ""],
        ["", "", "/srv/1", ""],
        ["", "", "rare", ""],
        ["", "", "", "other"],
        ["huge", "main", "", ""],
        ["huge", "busy", "", ""],
        ["huge", "", "rare", ""],
        ["huge", "", "/srv/1", ""],
        ["quiet", "", "", "other"],
        ["", "main", "/srv/1", ""],
        ["", "main", "", "other"],
        ["", "main", "", "opencode"],
        ["", "", "/srv/4", "other"],
        ["", "", "/srv/1", "other"],
        ["huge", "main", "/srv/1", ""],
        ["huge", "main", "", "opencode"],
        ["huge", "main", "rare", "opencode"],
        ["huge", "main", "/srv/4", "opencode"],
        ["huge", "main", "/srv/4", "other"],
    ] {
        let filter = UsageFilter {
            project_id: word(project),
            agent_id: word(agent),
            workspace: word(workspace),
            source: word(source),
            ..UsageFilter::default()
        };
        let name = format!("{project}/{agent}/{workspace}/{source}");
        all.push((format!("usage {name}"), Question::Usage(filter.clone(), None)));
        all.push((format!("tokens {name}"), Question::Tokens(filter)));
    }
    let huge = || UsageFilter { project_id: word("huge"), ..UsageFilter::default() };
    let old = UsageFilter { until: Some(time(rows / 2, 30)), ..huge() };
    let recent = UsageFilter { since: Some(time(rows - 2000, 30)), ..huge() };
    let window = UsageFilter {
        since: Some(time(rows / 2 - 1500, 30)),
        until: Some(time(rows / 2 + 1500, 30)),
        ..UsageFilter::default()
    };
    all.push((
        "usage huge, after the middle".into(),
        Question::Usage(huge(), Some(middle(rows, 30))),
    ));
    let both = UsageFilter { agent_id: word("main"), ..old.clone() };
    all.push(("usage huge/main, until the middle".into(), Question::Usage(both, None)));
    all.push(("usage huge, until the middle".into(), Question::Usage(old.clone(), None)));
    all.push(("usage a day in the middle".into(), Question::Usage(window.clone(), None)));
    all.push(("tokens huge, until the middle".into(), Question::Tokens(old)));
    all.push(("tokens huge, since lately".into(), Question::Tokens(recent)));
    all.push(("tokens a day in the middle".into(), Question::Tokens(window)));
    all
}

/// An offset walks the index alone; it grows, which is why there are cursors.
const OFFSET: &str = "grows";

/// What takes longer the more there is, and how long it may take, in milliseconds.
fn most(name: &str, short: f64) -> f64 {
    if name.contains(OFFSET) {
        return 200.0;
    }
    // The sums of each day and group are added up: they grow with the days.
    if name.starts_with("tokens") {
        return 100.0;
    }
    // Hundreds of thousands of events of one run, none of which matches: they are passed over in the index.
    let never_meet = [
        "events busy/long//",
        "events /long/busy/",
        "events /long//quiet",
        "events busy/long/busy/quiet",
    ];
    if never_meet.contains(&name) {
        return 250.0;
    }
    // Three times and a millisecond: what a disturbed machine adds is no growth.
    short * 3.0 + 1.0
}

/// What only a tenth was faster than: the machine has other work, too.
fn undisturbed(mut took: Vec<Duration>) -> f64 {
    took.sort();
    took[took.len() / 10].as_secs_f64() * 1000.0
}

async fn measured(database: &Database, question: &Question) -> (f64, usize) {
    let mut tx = database.read().await.unwrap();
    let shown = question.ask(&mut tx).await;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        question.ask(&mut tx).await;
        took.push(started.elapsed());
        if started.elapsed() > Duration::from_secs(1) {
            break;
        }
    }
    (undisturbed(took), shown)
}

#[tokio::test]
#[ignore = "measures: takes some minutes and two gigabytes"]
async fn pages_of_a_million_rows_take_as_long_as_pages_of_ten_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let (few, many) = (filled(folder.path(), FEW, "").await, filled(folder.path(), MANY, "").await);
    let (of_few, of_many) = (opened(&few).await, opened(&many).await);
    let mut slow = Vec::new();
    println!("| question | shown | ms of {FEW} | ms of {MANY} |\n| --- | ---: | ---: | ---: |");
    for ((name, from_few), (_, from_many)) in questions(FEW).iter().zip(&questions(MANY)) {
        let ((short, _), (long, shown)) =
            (measured(&of_few, from_few).await, measured(&of_many, from_many).await);
        println!("| {name} | {shown} | {short:.2} | {long:.2} |");
        if long > most(name, short) {
            slow.push(name.clone());
        }
    }
    of_few.close().await;
    of_many.close().await;
    sizes(&many).await;
    assert_eq!(slow, Vec::<String>::new());
}

/// Prints what each table and index takes.
async fn sizes(path: &Path) {
    let mut conn = connected(path).await;
    let sizes: Vec<(String, i64)> = sqlx::query_as(
        "SELECT name, sum(pgsize) FROM dbstat WHERE name LIKE '%run%' OR name LIKE '%event%' OR name LIKE '%usage%'
          GROUP BY name ORDER BY 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    println!("\n| table or index | bytes a row |\n| --- | ---: |");
    for (name, bytes) in sizes {
        println!("| {name} | {} |", bytes / MANY);
    }
}

/// The indexes that the statistics used before sums were kept.
const BEFORE: &str = "
    DROP TRIGGER usage_is_added_up;
    DROP TRIGGER usage_of_calls_replaces_totals;
    DROP INDEX usage_by_group;
    CREATE INDEX usage_by_day ON token_usage_records
        (substr(ts, 1, 10), project_id, ts, agent_id, workspace, source, prompt_tokens, completion_tokens, total_tokens, cost);
    CREATE INDEX usage_by_kind ON token_usage_records
        (agent_id, workspace, model, ts, project_id, source, prompt_tokens, completion_tokens, total_tokens, cost);
    DROP INDEX events_by_project_agent;
    DROP INDEX events_by_project_type;
    DROP INDEX events_by_agent_type;
    DROP TRIGGER runs_are_counted;
    DROP INDEX runs_by_project_agent;
    DROP INDEX runs_by_project_status;
    DROP INDEX runs_by_agent_status;
    DROP INDEX runs_by_project_agent_status";

#[tokio::test]
#[ignore = "measures: takes a minute and a gigabyte"]
async fn what_keeping_counts_sums_and_indexes_costs_whoever_writes() {
    const ROWS: i64 = 200_000;
    const BATCH: i64 = 64;
    let (now, then) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let after = filled(now.path(), ROWS, "").await;
    let before = filled(then.path(), ROWS, BEFORE).await;
    let (mut after, mut before) = (connected(&after).await, connected(&before).await);
    println!(
        "| rows of 64 a transaction | µs a row before | µs a row now |\n| --- | ---: | ---: |"
    );
    for (name, sql) in [("events", EVENTS), ("runs", RUNS), ("usage", USAGE)] {
        let mut took = [Vec::new(), Vec::new()];
        for batch in 0..400 {
            let first = ROWS + batch * BATCH;
            for (conn, took) in [&mut before, &mut after].into_iter().zip(&mut took) {
                let started = Instant::now();
                sqlx::query(sql).bind(first).bind(first + BATCH - 1).execute(conn).await.unwrap();
                took.push(started.elapsed());
            }
        }
        let [before, after] = took.map(|took| undisturbed(took) * 1000.0 / 64.0);
        println!("| {name} | {before:.1} | {after:.1} |");
    }
}
