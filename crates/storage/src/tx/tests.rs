//! Units of work, alone and against each other.

use std::time::Duration;

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, SubjectKind};
use pilotdeck_domain::projects::Project;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::testing::{self, now};
use crate::{Collection, Database, Durability, LedgerFilter, Receipt, Wanted, join};

async fn database() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = testing::database(&folder).await;
    (folder, database)
}

fn author() -> Author {
    Actor::system().require(Permission::Administer).unwrap()
}

fn entry(subject: &str) -> Entry {
    let operation = pilotdeck_domain::ledger::Operation::EventAppended;
    Entry::new(operation, SubjectKind::Event, subject, Change::of(&json!({ "n": subject })))
}

async fn write_line(database: &Database, subject: &str) -> Result<(), StoreError> {
    let mut tx = database.write().await?;
    tx.touch(Collection::Runs, now());
    tx.record(&author(), now(), entry(subject));
    tx.commit().await
}

/// All lines, after checking that each is the one that belongs after the one before it.
async fn chain(database: &Database) -> Vec<Line> {
    let filter = LedgerFilter { since: Some(0), limit: i64::MAX, ..LedgerFilter::default() };
    let lines = database.snapshot().await.unwrap().ledger().list(&filter).await.unwrap();
    let mut head = Head::default();
    for line in &lines {
        line.verify(&head).unwrap();
        head = line.head();
    }
    lines
}

async fn runs_touched(database: &Database) -> bool {
    database.read().await.unwrap().last_updated(Collection::Runs).await.unwrap().is_some()
}

#[tokio::test]
async fn a_change_without_a_line_is_refused_and_undone() {
    let (_folder, database) = database().await;
    let mut tx = database.write().await.unwrap();
    tx.touch(Collection::Runs, now());

    let refused = tx.commit().await;

    assert!(matches!(refused, Err(StoreError::Unrecorded)));
    assert!(!runs_touched(&database).await);
    assert_eq!(chain(&database).await.len(), 1);
}

#[tokio::test]
async fn a_dropped_unit_is_undone_and_the_next_writer_comes_at_once() {
    let (_folder, database) = database().await;
    let mut tx = database.write().await.unwrap();
    tx.touch(Collection::Runs, now());
    tx.record(&author(), now(), entry("dropped"));
    drop(tx);

    tokio::time::timeout(Duration::from_secs(2), write_line(&database, "next"))
        .await
        .unwrap()
        .unwrap();

    let lines = chain(&database).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1].subject_id.as_deref(), Some("next"));
}

#[tokio::test]
async fn readers_do_not_wait_for_the_writer_and_see_only_what_was_committed() {
    let (_folder, database) = database().await;
    let mut writer = database.write().await.unwrap();
    writer.touch(Collection::Runs, now());

    assert!(!runs_touched(&database).await);
    let mut snapshot = database.snapshot().await.unwrap();
    assert_eq!(snapshot.ledger().head().await.unwrap().seq, 1);
    writer.record(&author(), now(), entry("a"));
    writer.commit().await.unwrap();

    assert_eq!(snapshot.ledger().head().await.unwrap().seq, 1);
    assert!(runs_touched(&database).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_many_writers_at_once_make_one_chain_without_gaps() {
    let (_folder, database) = database().await;
    let writers: Vec<_> = (0..64)
        .map(|writer| {
            let database = database.clone();
            tokio::spawn(async move {
                for turn in 0..5 {
                    write_line(&database, &format!("{writer}-{turn}")).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }

    let lines = chain(&database).await;

    assert_eq!(lines.len(), 1 + 64 * 5);
}

#[tokio::test]
async fn several_lines_of_one_unit_keep_their_order() {
    let (_folder, database) = database().await;
    let mut tx = database.write().await.unwrap();
    for subject in ["a", "b", "c"] {
        tx.record(&author(), now(), entry(subject));
    }
    tx.commit().await.unwrap();

    let lines = chain(&database).await;

    let subjects: Vec<_> = lines.iter().filter_map(|line| line.subject_id.as_deref()).collect();
    assert_eq!(subjects, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_may_write_in_between() {
    let (folder, server) = database().await;
    let command = join(&folder.path().join("pm.db"), Durability::Process).await.unwrap();

    for turn in 0..3 {
        write_line(&server, &format!("server-{turn}")).await.unwrap();
        write_line(&command, &format!("command-{turn}")).await.unwrap();
    }
    let at_once = |database: &Database, name: &'static str| {
        let database = database.clone();
        tokio::spawn(async move {
            for turn in 0..50 {
                write_line(&database, &format!("{name}-at-once-{turn}")).await.unwrap();
            }
        })
    };
    let both = (at_once(&server, "server"), at_once(&command, "command"));
    both.0.await.unwrap();
    both.1.await.unwrap();
    command.close().await;
    write_line(&server, "last").await.unwrap();

    assert_eq!(chain(&server).await.len(), 1 + 6 + 100 + 1);
}

#[tokio::test]
async fn lines_and_events_cannot_be_changed_or_deleted() {
    let (_folder, database) = database().await;
    let event = pilotdeck_domain::events::Event::create(serde_json::Map::new(), now()).unwrap();
    let mut tx = database.write().await.unwrap();
    tx.events().append(&event).await.unwrap();
    tx.record(&author(), now(), entry("event"));
    tx.commit().await.unwrap();

    let mut tx = database.write().await.unwrap();
    for change in [
        "UPDATE ledger SET ts = ''",
        "DELETE FROM ledger WHERE seq = 1",
        "UPDATE agent_events SET title = ''",
        "DELETE FROM agent_events",
    ] {
        let refused = sqlx::query(change).execute(tx.conn()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{change}: {refused}");
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_writing_goes_on_once_there_is_room() {
    let (_folder, database) = database().await;
    let limit = |pages: i64| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    let mut tx = database.write().await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(tx.conn()).await.unwrap();
    sqlx::query(limit(pages)).execute(tx.conn()).await.unwrap();
    let long = entry(&"x".repeat(200)).in_project(Some(&"p".repeat(100_000)));
    tx.record(&author(), now(), long);

    let full = tx.commit().await;

    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    let still_full = write_line(&database, &"y".repeat(100_000)).await;
    assert!(matches!(still_full, Err(StoreError::Full)), "{still_full:?}");
    assert_eq!(chain(&database).await.len(), 1);

    let mut tx = database.write().await.unwrap();
    sqlx::query(limit(1_000_000)).execute(tx.conn()).await.unwrap();
    drop(tx);
    write_line(&database, "fits").await.unwrap();
    assert_eq!(chain(&database).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_give_up_at_any_point_leave_the_way_free_and_the_chain_whole() {
    let (_folder, database) = database().await;
    // Yields before giving up: from the first poll to after the commit.
    for patience in (0..40).chain((0..400).map(|turn| turn * 25)) {
        tokio::select! {
            biased;
            written = write_line(&database, "given up") => written.unwrap(),
            () = async { for _ in 0..patience { tokio::task::yield_now().await } } => {}
        }
    }
    let writers: Vec<_> = (0..64)
        .map(|turn: u32| {
            let database = database.clone();
            let writer = tokio::spawn(async move {
                for _ in 0..8 {
                    write_line(&database, "aborted").await.unwrap();
                }
            });
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(u64::from(turn) * 150)).await;
                writer.abort();
                let _ = writer.await;
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }

    tokio::time::timeout(Duration::from_secs(5), write_line(&database, "last"))
        .await
        .unwrap()
        .unwrap();

    let lines = chain(&database).await;
    assert_eq!(lines.last().unwrap().subject_id.as_deref(), Some("last"));
}

#[tokio::test]
async fn followers_are_told_what_was_committed_and_nothing_else() {
    let (_folder, database) = database().await;
    write_line(&database, "before").await.unwrap();
    let mut commits = database.follow();

    let mut dropped = database.write().await.unwrap();
    dropped.record(&author(), now(), entry("dropped"));
    drop(dropped);
    write_line(&database, "one").await.unwrap();
    let mut tx = database.write().await.unwrap();
    tx.record(&author(), now(), entry("two"));
    tx.record(&author(), now(), entry("three"));
    tx.commit().await.unwrap();

    let told = [commits.next().await.unwrap().lines, commits.next().await.unwrap().lines];
    assert_eq!(told.concat(), chain(&database).await[2..]);
    assert_eq!(told[1].len(), 2);
}

#[tokio::test]
async fn receipts_alone_make_nothing_else_durable() {
    let (_folder, database) = database().await;
    let receipt = |name: &str| Receipt {
        key_hash: name.to_owned(),
        fingerprint: "f".to_owned(),
        outcome: r#"{"a":"\u0000\"é"}"#.to_owned(),
    };

    let mut tx = database.write().await.unwrap();
    let body = json!({ "id": "p", "name": "Unrecorded" }).as_object().unwrap().clone();
    assert!(tx.projects().insert(&Project::create(body, now()).unwrap()).await.unwrap());
    tx.keep_receipt(&receipt("kept"), now());
    tx.commit_receipts().await.unwrap();
    let mut tx = database.write().await.unwrap();
    tx.touch(Collection::Runs, now());
    tx.keep_receipt(&receipt("refused"), now());
    assert!(matches!(tx.commit_receipts().await, Err(StoreError::Unrecorded)));
    let mut tx = database.write().await.unwrap();
    tx.keep_receipt(&receipt("dropped"), now());
    drop(tx);

    let wanted = Wanted { receipts: vec!["kept", "refused", "dropped"], ..Wanted::default() };
    let (mut tx, found) =
        database.next(database.generation()).await.begin(&wanted, now()).await.unwrap();
    assert!(tx.projects().find("p").await.unwrap().is_none());
    assert_eq!(found.receipts.into_values().collect::<Vec<_>>(), [receipt("kept")]);
    drop(tx);
    let later = now() + chrono::TimeDelta::hours(49);
    let (_, found) =
        database.next(database.generation()).await.begin(&wanted, later).await.unwrap();
    assert!(found.receipts.is_empty());
}
