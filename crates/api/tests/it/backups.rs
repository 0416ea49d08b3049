//! Kept backups: made, proven, watched, restored, removed, and when they are due.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use pilotdeck_domain::identity::Actor;
use pilotdeck_services::Error;
use pilotdeck_services::operations::{BackupName, BackupSettings, BackupState, KeptBackup};
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

const LIST: &str = "/api/admin/backups";

/// An app that keeps backups in a folder of its own.
async fn app(keep: usize) -> TestApp {
    TestApp::builder()
        .with_admin_token()
        .at("2026-02-11T15:00:00Z")
        .in_its_folder(|settings, folder| {
            let (folder, every) = (folder.join("kept"), Duration::from_hours(24));
            settings.backups = Some(BackupSettings { folder, every, keep });
        })
        .start()
        .await
}

fn kept(app: &TestApp) -> PathBuf {
    app.folder().join("kept")
}

async fn made(app: &TestApp) -> KeptBackup {
    let made = app.services.operations.make_backup(&Actor::system()).await.unwrap();
    app.clock.turn(TimeDelta::minutes(1));
    made
}

async fn list(app: &TestApp) -> Value {
    app.get(LIST).as_admin().send().await.body["data"].clone()
}

fn states(list: &Value) -> Vec<&str> {
    let backups = list["backups"].as_array().unwrap();
    backups.iter().map(|backup| backup["state"].as_str().unwrap()).collect()
}

/// Waits until nothing is under way any more.
async fn idle(app: &TestApp) -> Value {
    loop {
        let list = list(app).await;
        if list["underWay"].as_array().unwrap().is_empty() {
            return list;
        }
        tokio::task::yield_now().await;
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Turns a bit in the middle.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

fn refused(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn a_backup_that_is_asked_for_is_made_proven_and_listed() {
    let app = app(7).await;
    app.a_project(json!({ "id": "p1" })).await;
    assert_eq!(list(&app).await["backups"], json!([]));

    let asked = app.post(LIST).as_admin().send().await;
    let list = idle(&app).await;

    assert_eq!(asked.status, 202, "{}", asked.text);
    assert_eq!(asked.body["underWay"][0]["task"], "backup");
    let backup = &list["backups"][0];
    let name = "pm_backup_20260211T150000Z.db";
    assert_eq!((backup["name"].as_str(), backup["state"].as_str()), (Some(name), Some("proved")));
    assert_eq!(backup["proofs"][0]["holds"], true);
    assert_eq!(backup["rows"]["projects"], 1);
    assert_eq!(backup["rows"]["ledger"], backup["ledgerSeq"]);
    assert_eq!(backup["dueAt"], Value::Null);
    assert_eq!(list["alert"], Value::Null);
    assert_eq!(list["settings"]["everyHours"], 24.0);
    assert_eq!(list["nextDueAt"], "2026-02-12T15:00:00.000000Z");
    assert_eq!(app.operations_on(name).await, ["backup.made", "backup.proved"]);
    let note = "pm_backup_20260211T150000Z.json";
    assert_eq!(names(&kept(&app)), [".pm_backups.lock", name, note]);
    for (file, mode) in [("", 0o700), (name, 0o600), (note, 0o600)] {
        let found = fs::metadata(kept(&app).join(file)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{file}");
    }
    let figures = app.services.operations.backup_figures().await.unwrap();
    assert_eq!((figures.kept, figures.proved, figures.bad), (1, 1, 0));
    assert_eq!((figures.last_proof_held, figures.age), (Some(true), Some(Duration::ZERO)));
}

#[tokio::test]
async fn a_kept_backup_is_sent_restored_proven_again_and_removed() {
    let app = app(7).await;
    app.a_project(json!({ "id": "before" })).await;
    let backup = made(&app).await;
    let path = format!("{LIST}/{}", backup.name);
    app.a_project(json!({ "id": "after" })).await;

    let (sent, bytes) = app.get(&path).as_admin().download().await;
    let proving = app.post(&format!("{path}/prove")).as_admin().send().await;
    let proved = idle(&app).await;
    let restored = app.post(&format!("{path}/restore")).as_admin().send().await;
    let after = app.data("/api/projects").await;
    let removed = app.delete(&path).as_admin().send().await;
    let again = app.delete(&path).as_admin().send().await;

    assert_eq!(sent.status, 200);
    assert_eq!(bytes.len() as u64, backup.bytes);
    let sha256 = &backup.note.as_ref().unwrap().sha256;
    assert_eq!(sent.header("etag"), Some(format!("\"sha256-{sha256}\"").as_str()));
    assert_eq!(proving.status, 202, "{}", proving.text);
    assert_eq!(proved["backups"][0]["proofs"].as_array().unwrap().len(), 2);
    assert_eq!(restored.status, 200, "{}", restored.text);
    assert_eq!(after.as_array().unwrap().len(), 1);
    assert_eq!(removed.status, 200, "{}", removed.text);
    assert_eq!(refused(&again), (404, "not_found"));
    assert_eq!(names(&kept(&app)), [".pm_backups.lock"]);
    // The lines from before the restore are in the file before.
    assert_eq!(app.operations_on(backup.name.as_str()).await, ["backup.removed"]);
}

#[tokio::test]
async fn names_that_are_none_lead_nowhere() {
    let app = app(7).await;
    made(&app).await;
    fs::write(kept(&app).join("pm.db"), "SQLite format 3\0").unwrap();
    symlink(app.folder().join("pm.db"), kept(&app).join("pm_backup_20260101T000000Z.db")).unwrap();
    fs::create_dir(kept(&app).join("pm_backup_20260102T000000Z.db")).unwrap();

    for name in [
        "pm.db",
        "..%2Fpm.db",
        "%2e%2e%2fpm.db",
        "pm_backup_20260211T150000Z.json",
        "pm_backup_20260211T150000Z.db%00",
        "pm_backup_20260101T000000Z.db",
        "pm_backup_20260102T000000Z.db",
        "pm_backup_20260103T000000Z.db",
    ] {
        let path = format!("{LIST}/{name}");
        for answer in [
            app.get(&path).as_admin().send().await,
            app.delete(&path).as_admin().send().await,
            app.post(&format!("{path}/prove")).as_admin().send().await,
            app.post(&format!("{path}/restore")).as_admin().send().await,
        ] {
            assert!([400, 404].contains(&answer.status.as_u16()), "{name}: {}", answer.text);
        }
    }
    assert_eq!(list(&app).await["backups"].as_array().unwrap().len(), 1);
    assert!(app.folder().join("pm.db").exists());
}

#[tokio::test]
async fn a_bit_that_turned_is_noticed_and_such_a_backup_neither_counts_nor_is_restored() {
    let app = app(2).await;
    let rotten = made(&app).await;
    let path = kept(&app).join(rotten.name.as_str());
    flip(&path);

    let second = made(&app).await;
    let noticed = list(&app).await;
    let restored = app.post(&format!("{LIST}/{}/restore", rotten.name)).as_admin().send().await;
    let proved = app.services.operations.prove_backup(&Actor::system(), rotten.name.as_str()).await;
    let third = made(&app).await;

    assert_eq!(states(&noticed), ["proved", "rotten"]);
    assert_eq!(noticed["backups"][1]["check"]["holds"], false);
    assert_eq!(refused(&restored), (400, "invalid_backup"), "{}", restored.text);
    assert_eq!(proved.unwrap().state(), BackupState::Rotten);
    let lines = app.operations_on(rotten.name.as_str()).await;
    assert_eq!(lines, ["backup.made", "backup.proved", "backup.rotten", "backup.removed"]);
    let left: Vec<_> =
        names(&kept(&app)).into_iter().filter(|name| name.parse::<BackupName>().is_ok()).collect();
    assert_eq!(left, [second.name.as_str(), third.name.as_str()]);
    let figures = app.services.operations.backup_figures().await.unwrap();
    assert_eq!((figures.kept, figures.bad), (2, 0));
}

#[tokio::test]
async fn as_many_as_are_kept_stay_and_what_somebody_put_there_does_too() {
    let app = app(2).await;
    let first = made(&app).await;
    let stranger = kept(&app).join("pm_backup_20250101T000000Z.db");
    fs::copy(kept(&app).join(first.name.as_str()), &stranger).unwrap();

    let second = made(&app).await;
    let third = made(&app).await;
    let unproved = list(&app).await;
    let proved = app
        .services
        .operations
        .prove_backup(&Actor::system(), "pm_backup_20250101T000000Z.db")
        .await;

    let (proved, names) = (proved.unwrap(), names(&kept(&app)));
    assert!(!names.contains(&first.name.as_str().to_owned()), "{names:?}");
    assert!(names.contains(&second.name.as_str().to_owned()), "{names:?}");
    assert!(names.contains(&third.name.as_str().to_owned()), "{names:?}");
    assert_eq!(states(&unproved), ["proved", "proved", "unproved"]);
    assert_eq!(proved.state(), BackupState::Proved);
    assert_eq!(proved.note.unwrap().rows, first.note.unwrap().rows);
    assert_eq!(app.operations_on(first.name.as_str()).await.last().unwrap(), "backup.removed");
}

#[tokio::test]
async fn backups_are_made_when_they_are_due_also_after_a_restart_and_never_drift() {
    let app = app(7).await;
    let at = |made: Option<KeptBackup>| made.map(|made| made.note.unwrap().due_at.unwrap());
    let due = |app: &TestApp| {
        let operations = app.services.operations.clone();
        async move { at(operations.backup_if_due().await.unwrap()) }
    };

    assert_eq!(due(&app).await.as_deref(), Some("2026-02-11T15:00:00.000000Z"));
    assert_eq!(due(&app).await, None);
    app.clock.turn(TimeDelta::minutes(24 * 60 + 7));
    assert_eq!(due(&app).await.as_deref(), Some("2026-02-12T15:00:00.000000Z"));
    // One that is asked for does not move the next one.
    made(&app).await;
    let app = app.restart().await;
    assert_eq!(due(&app).await, None);
    app.clock.turn(TimeDelta::hours(3 * 24));
    assert_eq!(due(&app).await.as_deref(), Some("2026-02-15T15:00:00.000000Z"));
    assert_eq!(due(&app).await, None);
    assert_eq!(list(&app).await["nextDueAt"], "2026-02-16T15:00:00.000000Z");
}

#[tokio::test]
async fn what_there_is_no_room_for_is_skipped_said_once_and_tried_again() {
    let app = TestApp::builder()
        .with_admin_token()
        .at("2026-02-11T15:00:00Z")
        .in_its_folder(|settings, folder| {
            let (folder, every) = (folder.join("kept"), Duration::from_hours(24));
            settings.backups = Some(BackupSettings { folder, every, keep: 7 });
            settings.reserve_bytes = u64::MAX;
        })
        .start()
        .await;
    let operations = &app.services.operations;

    let asked = app.post(LIST).as_admin().send().await;
    let skipped = operations.backup_if_due().await;
    let rested = operations.backup_if_due().await;
    app.clock.turn(TimeDelta::minutes(16));
    let again = operations.backup_if_due().await;

    assert_eq!(refused(&asked), (507, "storage_full"));
    assert!(matches!(skipped, Err(Error::Unavailable(_))), "{skipped:?}");
    assert!(matches!(rested, Ok(None)), "{rested:?}");
    assert!(again.is_err());
    let list = list(&app).await;
    assert_eq!(list["alert"]["isFull"], true);
    assert_eq!(list["alert"]["at"], "2026-02-11T15:16:00.000000Z");
    assert!(operations.backup_figures().await.unwrap().has_alert);
    let filter = pilotdeck_services::ledger::LedgerFilter {
        operation: Some("backup.skipped".to_owned()),
        limit: 9,
        ..Default::default()
    };
    let (lines, _) = app.services.ledger.list(&Actor::system(), &filter).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(names(&kept(&app)), [".pm_backups.lock"]);
}

#[tokio::test]
async fn one_works_at_a_time_and_what_a_kill_left_behind_is_swept_away() {
    let app = app(7).await;
    made(&app).await;
    let left = kept(&app).join("pm_backup_20260211T150000Z.db.tmp-backup-1-1");
    fs::write(&left, "half a copy").unwrap();
    // A note whose file never came to its place.
    let note = fs::read(kept(&app).join("pm_backup_20260211T150000Z.json")).unwrap();
    fs::write(kept(&app).join("pm_backup_20260210T150000Z.json"), note).unwrap();
    let lock = fs::File::open(kept(&app).join(".pm_backups.lock")).unwrap();
    lock.lock().unwrap();

    let elsewhere = app.post(LIST).as_admin().send().await;
    lock.unlock().unwrap();
    let operations = app.services.operations.clone();
    let first = tokio::spawn(async move { operations.make_backup(&Actor::system()).await });
    while app.services.operations.under_way().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = app.post(LIST).as_admin().send().await;
    let first = first.await.unwrap();

    assert_eq!(refused(&elsewhere), (409, "under_way"));
    assert_eq!(refused(&second), (409, "under_way"));
    assert_eq!(first.unwrap().state(), BackupState::Proved);
    assert!(!left.exists());
    assert!(!kept(&app).join("pm_backup_20260210T150000Z.json").exists());
    assert_eq!(app.operations_on("pm_backup_20260210T150000Z.db").await, ["backup.removed"]);
}

#[tokio::test]
async fn who_stops_the_server_stops_a_backup_that_is_under_way() {
    let app = app(7).await;
    let asked = app.post(LIST).as_admin().send().await;
    assert_eq!(asked.status, 202);

    app.services.operations.stop_backups().await;

    assert!(app.services.operations.under_way().is_empty());
    let left = names(&kept(&app));
    assert!(left.iter().all(|name| !name.contains(".tmp-")), "{left:?}");
}

#[tokio::test]
async fn without_a_folder_no_backups_are_kept() {
    let app = TestApp::builder().with_admin_token().start().await;

    let asked = app.post(LIST).as_admin().send().await;
    let named = app.get(&format!("{LIST}/pm_backup_20260211T150000Z.db")).as_admin().send().await;

    assert_eq!(refused(&asked), (409, "backups_off"));
    assert!(asked.body["error"].as_str().unwrap().contains("PM_BACKUP_DIR"));
    assert_eq!(refused(&named), (404, "not_found"));
    let list = list(&app).await;
    assert_eq!((&list["settings"], &list["nextDueAt"]), (&Value::Null, &Value::Null));
    assert!(app.services.operations.backup_if_due().await.unwrap().is_none());
}
