//! The log is merged while others write, and whatever ends in between.

use std::fs;

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use serde_json::json;

use super::*;
use crate::testing::{database, now};
use crate::{Database, LedgerFilter};

async fn write(database: &Database, subject: &str) {
    let author = Actor::system().require(Permission::Administer).unwrap();
    let change = Change::of(&json!({ "n": subject }));
    let mut tx = database.write().await.unwrap();
    let operation = Operation::EventAppended;
    tx.record(&author, now(), Entry::new(operation, SubjectKind::Event, subject, change));
    tx.commit().await.unwrap();
}

/// The pages in the log.
async fn log(looking: &mut SqliteConnection) -> i64 {
    let (_, in_log, _): (i64, i64, i64) = sqlx::query_as(LOOK).fetch_one(looking).await.unwrap();
    in_log
}

async fn lines(database: &Database) -> usize {
    let filter = LedgerFilter { since: Some(0), limit: i64::MAX, ..LedgerFilter::default() };
    database.read().await.unwrap().ledger().list(&filter).await.unwrap().len()
}

#[tokio::test]
async fn the_log_begins_anew_again_and_again_while_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;

    let mut looking = crate::database::options(database.path()).connect().await.unwrap();
    let before = lines(&database).await;
    let (mut longest, mut last, mut begun_anew, mut written) = (0, 0, 0, 0_usize);
    while begun_anew < 3 {
        for _ in 0..COMMITS {
            write(&database, &format!("line-{written}")).await;
            written += 1;
        }
        let in_log = log(&mut looking).await;
        longest = longest.max(in_log);
        begun_anew += usize::from(in_log < last);
        last = in_log;
        assert!(written < 100_000, "the log was never merged: {in_log} pages");
    }

    assert!(longest > ENOUGH / 2, "merged too eagerly, at {longest} pages");
    assert_eq!(lines(&database).await, before + written);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_merge_that_waits_for_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    let before = lines(&database).await;
    for turn in 0..500 {
        write(&database, &format!("line-{turn}")).await;
    }
    let turn = database.write().await.unwrap();

    let closing = tokio::spawn({
        let database = database.clone();
        async move { database.close().await }
    });
    tokio::task::yield_now().await;
    drop(turn);
    closing.await.unwrap();

    assert!(!fs::exists(folder.path().join("pm.db-wal")).unwrap(), "all is merged at the end");
    let again = crate::testing::database(&folder).await;
    assert_eq!(lines(&again).await, before + 500);
}

#[tokio::test]
async fn what_a_reader_kept_from_the_passes_is_merged_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    write(&database, "before").await;
    let mut reading = database.snapshot().await.unwrap();
    reading.ledger().head().await.unwrap();
    for turn in 0..200 {
        write(&database, &format!("line-{turn}")).await;
    }
    let options = crate::database::options(database.path());
    let mut merging = Merging::start(&options).await.unwrap();

    merging.beside_the_writer().await.unwrap();
    let left = merging.unmerged(LOOK).await.unwrap();
    reading.commit().await.unwrap();
    let turn = database.turn(database.generation()).await;
    merging.all().await.unwrap();

    assert!(left > ENOUGH, "{left}");
    assert_eq!(merging.unmerged(LOOK).await.unwrap(), 0);
    drop(turn);
}
