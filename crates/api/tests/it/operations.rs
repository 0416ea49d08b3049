//! Backup and restore over HTTP, and deploy jobs where there is nothing to deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pilotdeck_domain::identity::Actor;
use pilotdeck_services::ledger::LedgerFilter;
use pilotdeck_services::operations::Settings;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const OLDER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../storage/tests/fixtures/pilotdeck-v4.db");
/// Where a database file says its `user_version`.
const USER_VERSION_AT: usize = 60;

async fn app() -> TestApp {
    TestApp::builder().with_admin_token().start().await
}

async fn backup(app: &TestApp) -> Vec<u8> {
    let (answer, bytes) = app.get("/api/admin/backup").as_admin().download().await;
    assert_eq!(answer.status, 200);
    bytes
}

async fn restore(app: &TestApp, file: &[u8]) -> Answer {
    app.post("/api/admin/restore").as_admin().upload("file", file).send().await
}

/// What lies beside the database and is not there to stay.
fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.contains(".tmp-")).collect()
}

async fn operations(app: &TestApp) -> Vec<String> {
    let filter = LedgerFilter { limit: 2_000, ..LedgerFilter::default() };
    let (lines, _) = app.services.ledger.list(&Actor::system(), &filter).await.unwrap();
    lines.into_iter().map(|line| line.operation).collect()
}

#[tokio::test]
async fn a_backup_is_a_whole_database_with_its_name_length_and_digest() {
    let app = app().await;
    app.a_project(json!({ "id": "p1" })).await;

    let (answer, bytes) = app.get("/api/admin/backup").as_admin().download().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
    let disposition = answer.header("content-disposition").unwrap();
    let time = disposition.strip_prefix("attachment; filename=pm_backup_").unwrap();
    assert_eq!(time.len(), "20260211T150000Z.db".len(), "{disposition}");
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    assert_eq!(bytes[18..20], [2, 2], "it keeps the write-ahead log");
    let digits: Vec<_> = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = digits.concat();
    assert_eq!(answer.header("etag"), Some(format!("\"sha256-{digest}\"").as_str()));
    let filter = LedgerFilter {
        operation: Some("database.backed_up".to_owned()),
        limit: 10,
        ..LedgerFilter::default()
    };
    let (lines, _) = app.services.ledger.list(&Actor::system(), &filter).await.unwrap();
    let change: Value = serde_json::from_str(&lines[0].change).unwrap();
    assert_eq!(change, json!({ "bytes": bytes.len(), "sha256": digest }));
    assert_eq!(lines[0].actor_kind, "administrator");
    assert!(leftovers(app.folder()).is_empty());
}

#[tokio::test]
async fn a_restore_brings_everything_back_and_keeps_what_was() {
    let app = app().await;
    let cookie = app.sign_in("admin", "admin").await;
    app.a_project(json!({ "id": "before", "name": "Before" })).await;
    let file = backup(&app).await;
    app.a_project(json!({ "id": "after" })).await;
    let later = app.sign_in("admin", "admin").await;
    // Remembered, so that it could be answered from memory.
    assert_eq!(app.data("/api/projects").await.as_array().unwrap().len(), 2);
    let mut stream = app.get("/api/stream").with_cookie(&cookie).follow().await.unwrap();
    let mut ended = app.get("/api/stream").with_cookie(&later).follow().await.unwrap();
    assert_eq!(stream.next().await.unwrap().name, "hello");
    assert_eq!(ended.next().await.unwrap().name, "hello");

    let restored = restore(&app, &file).await;

    assert_eq!(restored.status, 200, "{}", restored.text);
    let projects = app.data("/api/projects").await;
    assert_eq!(projects.as_array().unwrap().len(), 1);
    assert_eq!(projects[0]["id"], "before");
    let (last, _) = app.ledger_head().await;
    let mut told = Vec::new();
    while told.last() != Some(&"resync".to_owned()) {
        told.push(stream.next().await.expect("the stream goes on").name);
    }
    assert_eq!(ended_with(&mut ended).await, "session_ended");
    let me = |cookie: &str| app.get("/api/auth/me").with_cookie(cookie).send();
    assert_eq!(me(&cookie).await.status, 200, "this session is older than the backup");
    assert_eq!(me(&later).await.status, 401);

    app.a_project(json!({ "id": "next" })).await;
    let line = loop {
        let block = stream.next().await.expect("the stream goes on");
        if !block.name.is_empty() {
            break block;
        }
    };
    assert_eq!((line.name.as_str(), line.id), ("project.created", Some(last + 1)));

    let data = &restored.body["data"];
    assert!(data["dbFile"].as_str().unwrap().ends_with("/pm.db"));
    let previous = data["previousDbBackup"].as_str().unwrap();
    let (_, previous) = previous.rsplit_once('/').unwrap();
    let kept = app.services_of(previous).await;
    let ids = [app.data("/api/projects").await.as_array().unwrap().len()];
    assert_eq!(ids, [2]);
    let filter =
        LedgerFilter { subject_id: Some("after".to_owned()), limit: 9, ..LedgerFilter::default() };
    assert_eq!(kept.ledger.list(&Actor::system(), &filter).await.unwrap().0.len(), 1);
    kept.close().await;
    assert!(operations(&app).await.contains(&"database.restored".to_owned()));
    assert!(app.services.ledger.verify(&Actor::system()).await.unwrap().faults.is_empty());
    assert!(leftovers(app.folder()).is_empty());
}

async fn ended_with(stream: &mut pilotdeck_testkit::EventStream) -> String {
    loop {
        let block = stream.next().await.expect("the end is told");
        if block.name == "ended" {
            return block.data["reason"].as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test]
async fn a_database_of_an_older_pilotdeck_is_taken_over_on_the_way() {
    let app = app().await;
    app.a_project(json!({ "id": "mine" })).await;

    let restored = restore(&app, &fs::read(OLDER).unwrap()).await;

    assert_eq!(restored.status, 200, "{}", restored.text);
    assert!(
        app.data("/api/projects")
            .await
            .as_array()
            .unwrap()
            .iter()
            .all(|project| project["id"] != "mine")
    );
    let operations = operations(&app).await;
    assert_eq!(operations[0], "database.adopted");
    assert!(operations.contains(&"database.restored".to_owned()));
    let names: Vec<_> =
        fs::read_dir(app.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(
        names.iter().filter(|name| name.to_string_lossy().contains(".bak.")).count(),
        1,
        "{names:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_the_database_is_refused_and_nothing_changes() {
    let app = app().await;
    app.a_project(json!({ "id": "p1" })).await;
    let good = backup(&app).await;
    let head = app.ledger_head().await;
    let mut newer = good.clone();
    newer[USER_VERSION_AT..USER_VERSION_AT + 4].copy_from_slice(&9_u32.to_be_bytes());
    let mut foreign = good.clone();
    foreign[USER_VERSION_AT..USER_VERSION_AT + 4].copy_from_slice(&0_u32.to_be_bytes());
    // A header that promises more pages than there are, and one with pages larger than the file.
    let mut promising = good.clone();
    promising[28..32].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut large_pages = good.clone();
    large_pages[16..18].copy_from_slice(&1_u16.to_be_bytes());
    let mut scratched = good.clone();
    let middle = scratched.len() / 2;
    scratched[middle..middle + 4096].fill(0xff);

    for (what, file, says) in [
        ("nothing", Vec::new(), "integrity_check failed"),
        ("text", b"not a database".repeat(100), "integrity_check failed"),
        ("a header alone", good[..100].to_vec(), "integrity_check failed"),
        ("half a file", good[..good.len() / 2].to_vec(), "integrity_check failed"),
        ("a header and noise", [&good[..100], &[7; 9000]].concat(), "integrity_check failed"),
        ("too many pages", promising, "integrity_check failed"),
        ("large pages", large_pages, "integrity_check failed"),
        ("a scratched page", scratched, "integrity_check failed"),
        ("a newer one", newer, "newer than this program"),
        ("a foreign one", foreign, "not one of PilotDeck's"),
    ] {
        let answer = restore(&app, &file).await;

        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_backup"),
            "{what}: {}",
            answer.text
        );
        let error = answer.body["error"].as_str().unwrap();
        assert!(
            error.starts_with("Invalid SQLite backup (") && error.contains(says),
            "{what}: {error}"
        );
        assert_eq!(app.ledger_head().await, head, "{what}");
        assert!(leftovers(app.folder()).is_empty(), "{what}");
    }
    assert_eq!(app.data("/api/projects").await.as_array().unwrap().len(), 1);
    app.a_project(json!({ "id": "p2" })).await;
}

#[tokio::test]
async fn a_request_without_the_file_says_which_field_is_missing() {
    let app = app().await;
    let post = || app.post("/api/admin/restore").as_admin();

    for answer in [
        post().send().await,
        post().json(&json!({ "file": "pm.db" })).send().await,
        post().upload("database", b"SQLite format 3\0").send().await,
        post().body("multipart/form-data; boundary=x", "--x--\r\n").send().await,
    ] {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "malformed_upload"),
            "{}",
            answer.text
        );
        assert_eq!(answer.body["error"], "Missing upload file (field name: file)");
    }
    let cut_off = post()
        .body(
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nSQLite",
        )
        .send()
        .await;
    assert_eq!((cut_off.status.as_u16(), cut_off.code()), (400, "malformed_upload"));
    assert!(leftovers(app.folder()).is_empty());
}

#[tokio::test]
async fn copies_and_uploads_leave_room_on_the_disk_and_are_bounded() {
    let full = TestApp::builder()
        .with_admin_token()
        .with_operations(|settings| settings.reserve_bytes = u64::MAX)
        .start()
        .await;
    let small = TestApp::builder()
        .with_admin_token()
        .with_operations(|settings: &mut Settings| settings.max_restore_bytes = 10_000)
        .start()
        .await;

    let (no_room, _) = full.get("/api/admin/backup").as_admin().download().await;
    let no_room_either = restore(&full, b"SQLite format 3\0").await;
    let too_large = restore(&small, &[0; 10_001]).await;

    assert_eq!(no_room.status, 507);
    assert_eq!((no_room_either.status.as_u16(), no_room_either.code()), (507, "storage_full"));
    assert_eq!((too_large.status.as_u16(), too_large.code()), (413, "upload_too_large"));
    assert!(leftovers(full.folder()).is_empty() && leftovers(small.folder()).is_empty());
}

#[tokio::test]
async fn a_server_that_others_reach_takes_no_database_with_the_default_password() {
    let app = TestApp::builder()
        .with_admin_token()
        .with_operations(|settings| settings.is_reachable = true)
        .start()
        .await;
    let file = backup(&app).await;

    let answer = restore(&app, &file).await;

    assert_eq!((answer.status.as_u16(), answer.code()), (409, "would_be_open"), "{}", answer.text);
    assert!(leftovers(app.folder()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_under_load_leaves_each_acknowledged_write_in_the_file_that_it_belongs_to() {
    let app = Arc::new(app().await);
    app.a_project(json!({ "id": "p1" })).await;
    let file = backup(&app).await;
    let is_over = Arc::new(AtomicBool::new(false));
    // Restores that began, and those that were answered.
    let (begun, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (app, is_over) = (Arc::clone(&app), Arc::clone(&is_over));
            let (begun, answered) = (Arc::clone(&begun), Arc::clone(&answered));
            tokio::spawn(async move {
                let (mut kept, mut refused) = (BTreeMap::new(), BTreeSet::new());
                for turn in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let id = format!("e-{writer}-{turn}");
                    // Half of them come through the intake, half take a turn of their own.
                    let (path, body) = match turn % 2 {
                        0 => ("/api/agent/events", json!({ "id": id, "title": "x" })),
                        _ => ("/api/agent/runs", json!({ "id": id, "title": "x" })),
                    };
                    let earliest = answered.load(Ordering::SeqCst);
                    let answer = app.post(path).json(&body).send().await;
                    let latest = begun.load(Ordering::SeqCst);
                    match answer.status.as_u16() {
                        201 => drop(kept.insert(id, earliest..=latest)),
                        503 if answer.code() == "restoring" => drop(refused.insert(id)),
                        _ => panic!("{}: {}", answer.status, answer.text),
                    }
                }
                (kept, refused)
            })
        })
        .collect();

    let mut previous = Vec::new();
    for _ in 0..3 {
        begun.fetch_add(1, Ordering::SeqCst);
        let restored = restore(&app, &file).await;
        answered.fetch_add(1, Ordering::SeqCst);
        assert_eq!(restored.status, 200, "{}", restored.text);
        let name = restored.body["data"]["previousDbBackup"].as_str().unwrap().to_owned();
        previous.push(name.rsplit_once('/').unwrap().1.to_owned());
    }
    is_over.store(true, Ordering::SeqCst);
    let (mut kept, mut refused) = (BTreeMap::new(), BTreeSet::new());
    for writer in writers {
        let (mine, not_mine) = writer.await.unwrap();
        kept.extend(mine);
        refused.extend(not_mine);
    }

    // The files in the order in which they were the database.
    let mut stored: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, name) in previous.iter().map(String::as_str).chain(["pm.db"]).enumerate() {
        let services = app.services_of(name).await;
        for id in services_ids(&services).await.into_iter().collect::<BTreeSet<_>>() {
            stored.entry(id).or_default().push(place);
        }
        services.close().await;
    }
    assert!(kept.len() > 20, "the load is one: {}", kept.len());
    for (id, possible) in &kept {
        // In one file, and in one that was the database between asking and hearing.
        let places = stored.get(id).cloned().unwrap_or_default();
        let is_right = matches!(*places, [place] if possible.contains(&place));
        assert!(is_right, "{id} was acknowledged in {possible:?} and is in {places:?}");
    }
    let admitted: Vec<_> = refused.iter().filter(|id| stored.contains_key(*id)).collect();
    assert!(admitted.is_empty(), "refused and stored: {admitted:?}");
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_is_refused_and_nothing_changes() {
    let app = app().await;
    for number in 0..20 {
        app.a_project(json!({ "id": format!("p{number}"), "notes": "x".repeat(2_000) })).await;
    }
    let good = backup(&app).await;
    let head = app.ledger_head().await;
    let page = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let pages = good.len() / page;
    // At both ends, between pages and inside of them.
    let cuts = (1..=24).map(|part| good.len() * part / 25);
    let cuts = cuts.chain([1, 15, 16, 17, 99, 100, 101, 511, 512, 513, page - 1, page, page + 1]);
    let cuts = cuts.chain([(pages - 1) * page, good.len() - page / 2, good.len() - 1]);

    for cut in cuts {
        let answer = restore(&app, &good[..cut]).await;

        assert_eq!(refusal(&answer), (400, "invalid_backup"), "{cut}: {}", answer.text);
    }
    assert_eq!(app.ledger_head().await, head);
    assert!(leftovers(app.folder()).is_empty());
    assert_eq!(restore(&app, &good).await.status, 200);
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

/// The subjects of all lines, in a ledger that holds.
async fn services_ids(services: &pilotdeck_services::Services) -> Vec<String> {
    let verified = services.ledger.verify(&Actor::system()).await.unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    let (mut ids, mut since) = (Vec::new(), 0);
    loop {
        let filter = LedgerFilter { since: Some(since), limit: 2_000, ..LedgerFilter::default() };
        let (lines, _) = services.ledger.list(&Actor::system(), &filter).await.unwrap();
        let Some(last) = lines.last() else { return ids };
        since = last.seq;
        ids.extend(lines.into_iter().filter_map(|line| line.subject_id));
    }
}

#[tokio::test]
async fn without_a_script_there_is_nothing_to_deploy_and_nothing_to_cancel() {
    let app = app().await;
    let get = |path: &str| app.get(path).as_admin().send();

    let started = app.post("/api/admin/deploy").as_admin().send().await;
    let cancelled = app.post("/api/admin/deploy/cancel").as_admin().send().await;
    let status = get("/api/admin/deploy/status").await;
    let log = get("/api/admin/deploy/log").await;

    assert_eq!((started.status.as_u16(), started.code()), (500, "not_deployable"));
    assert_eq!((cancelled.status.as_u16(), cancelled.code()), (409, "no_deploy_job"));
    assert_eq!(status.body["data"]["state"], "unknown");
    assert_eq!(status.body["data"]["exitCode"], Value::Null);
    assert_eq!(log.body, json!({ "success": true, "lines": [] }));
    let meta = app.data("/api/meta").await;
    for capability in ["backup", "restore", "deploy"] {
        assert_eq!(meta["capabilities"][capability], true);
    }
}

#[tokio::test]
async fn an_archive_has_every_row_and_says_that_it_is_whole() {
    let app = app().await;
    app.a_project(json!({ "id": "p1", "name": "Archived" })).await;

    let (answer, bytes) = app.get("/api/admin/export").as_admin().download().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let disposition = answer.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; filename=pilotdeck_export_"), "{disposition}");
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["archive"], "pilotdeck");
    assert!(lines.iter().any(|line| line[0] == "p1"));
    let rows = lines.iter().filter(|line| line.is_array()).count();
    let tail = lines.last().unwrap();
    assert_eq!(tail["rows"], rows);
    let before = text.trim_end().rfind('\n').unwrap() + 1;
    let digest = Sha256::digest(&text.as_bytes()[..before]);
    assert_eq!(tail["sha256"], pilotdeck_domain::ledger::hex(&digest));
    assert_eq!(operations(&app).await.last().unwrap(), "database.exported");
    assert!(leftovers(app.folder()).is_empty());
}
