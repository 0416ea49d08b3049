//! Pages of events, read while others write.

use pilotdeck_domain::events::Level;
use proptest::prelude::*;

use super::{EventFilter, MOST_PASSED};
use crate::testing::database;
use crate::{Database, Document};

/// Project, run, agent, type and second of an event, and whether nobody can read it.
type Row = ([Option<u8>; 3], u8, u8, bool);

const APPEND: &str = "
    INSERT INTO agent_events (id, project_id, run_id, agent_id, type, ts, payload_json)
    VALUES ($1, $2, $3, $4, $5, $6, iif($7, 'null', json_object('id', $1)))";
const MATCHING: &str = "
    SELECT id FROM agent_events
     WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR run_id = $2) AND ($3 IS NULL OR agent_id = $3)
       AND ($4 IS NULL OR type = $4) AND ts >= $5 AND payload_json <> 'null'
     ORDER BY ts DESC, rowid DESC";

fn row() -> impl Strategy<Value = Row> {
    let words = prop::array::uniform(prop::option::weighted(0.8, 0..3_u8));
    (words, 0..3_u8, 0..5_u8, prop::bool::weighted(0.2))
}

fn word(prefix: &str, word: Option<u8>) -> Option<String> {
    word.map(|word| format!("{prefix}{word}"))
}

fn time(second: u8) -> String {
    format!("2026-02-11T12:00:0{second}.000000Z")
}

async fn append(database: &Database, place: usize, row: &Row) {
    let ([project, run, agent], kind, second, is_unreadable) = row;
    let mut tx = database.write().await.unwrap();
    sqlx::query(APPEND)
        .bind(format!("evt-{place}"))
        .bind(word("p", *project))
        .bind(word("r", *run))
        .bind(word("a", *agent))
        .bind(word("t", Some(*kind)))
        .bind(time(*second))
        .bind(is_unreadable)
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit_without_lines().await.unwrap();
}

/// All pages from the newest to the oldest, put together oldest first; `later` rows are appended in between, each newer
/// than all others.
async fn walked(
    database: &Database,
    mut filter: EventFilter,
    later: &mut dyn Iterator<Item = (usize, Row)>,
) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = database.read().await.unwrap().events().list(&filter).await.unwrap();
        let id = |event: &Document| event.fields().unwrap()["id"].as_str().unwrap().to_owned();
        let mut earlier: Vec<String> = page.documents.iter().map(id).collect();
        earlier.append(&mut ids);
        ids = earlier;
        filter.before = page.next;
        if filter.before.is_none() {
            return ids;
        }
        if let Some((place, (words, kind, _, is_unreadable))) = later.next() {
            append(database, place, &(words, kind, 9, is_unreadable)).await;
        }
    }
}

async fn pages_agree(rows: Vec<Row>, later: Vec<Row>, limit: i64) {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    for (place, row) in rows.iter().enumerate() {
        append(&database, place, row).await;
    }
    let mut later = later.into_iter().enumerate().map(|(place, row)| (rows.len() + place, row));
    let choices = |prefix| [None, word(prefix, Some(0)), word(prefix, Some(1))];
    for project_id in choices("p") {
        for run_id in choices("r") {
            for agent_id in choices("a") {
                for (kind, since) in
                    [(None, 0), (None, 3), (word("t", Some(0)), 0), (word("t", Some(1)), 2)]
                {
                    let filter = EventFilter {
                        project_id: project_id.clone(),
                        run_id: run_id.clone(),
                        agent_id: agent_id.clone(),
                        kind,
                        level: None,
                        since: Some(time(since)),
                        before: None,
                        limit,
                        within: None,
                    };
                    let mut wanted: Vec<String> = sqlx::query_scalar(MATCHING)
                        .bind(&filter.project_id)
                        .bind(&filter.run_id)
                        .bind(&filter.agent_id)
                        .bind(&filter.kind)
                        .bind(&filter.since)
                        .fetch_all(database.read().await.unwrap().conn())
                        .await
                        .unwrap();
                    wanted.reverse();
                    assert_eq!(
                        walked(&database, filter.clone(), &mut later).await,
                        wanted,
                        "{filter:?}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn pages_neither_repeat_nor_miss_an_event_whatever_is_appended_meanwhile(
        rows in prop::collection::vec(row(), 0..60),
        later in prop::collection::vec(row(), 0..20),
        limit in 1..6_i64,
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(pages_agree(rows, later, limit));
    }
}

/// Events of one moment after another, `$1` of them: every `$2`nd is an error, the others are for whoever looks for a fault.
const APPEND_LEVELS: &str = "
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
    INSERT INTO agent_events (id, ts, type, level, payload_json)
    SELECT 'evt-' || i, printf('2026-02-11T12:00:%09.6fZ', i / 1000.0), 'note', iif(i % $2, 'debug', 'Error'),
           json_object('id', 'evt-' || i)
      FROM n";

#[tokio::test]
async fn a_page_of_a_level_walks_past_so_many_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    let mut tx = database.write().await.unwrap();
    let (events, every) = (MOST_PASSED * 2 + 10, MOST_PASSED / 2 + 3);
    sqlx::query(APPEND_LEVELS).bind(events).bind(every).execute(tx.conn()).await.unwrap();
    tx.commit_without_lines().await.unwrap();
    let mut filter = EventFilter { level: Some(Level::Warn), limit: 50, ..EventFilter::default() };
    let (mut found, mut pages) = (Vec::new(), 0);

    loop {
        let page = database.read().await.unwrap().events().list(&filter).await.unwrap();
        found.extend(page.documents.iter().rev().map(|event| event.as_str().to_owned()));
        pages += 1;
        filter.before = page.next;
        if filter.before.is_none() {
            break;
        }
    }

    let wanted: Vec<String> =
        (1..=3).rev().map(|turn| format!(r#"{{"id":"evt-{}"}}"#, turn * every)).collect();
    assert_eq!((found, pages), (wanted, 3));
}
