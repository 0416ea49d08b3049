//! Whether the server lives and can do its work.

use pilotdeck_testkit::TestApp;
use serde_json::json;

#[tokio::test]
async fn a_server_that_can_write_is_ready() {
    let app = TestApp::start().await;
    let head = app.ledger_head().await;

    let root = app.get("/health").send().await;
    let live = app.get("/health/live").send().await;
    let ready = app.get("/health/ready").send().await;

    assert_eq!(root.body["status"], "healthy");
    assert_eq!(root.body["version"], env!("CARGO_PKG_VERSION"));
    assert!(root.body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!((live.status.as_u16(), &live.body), (200, &json!({ "status": "alive" })));
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert_eq!(
        ready.body,
        json!({ "ready": true, "dependencies": { "database": "connected", "disk": "ok" }, "reasons": [] })
    );
    assert_eq!(app.ledger_head().await, head, "a probe is no change");
}

#[tokio::test]
async fn probes_may_name_any_host_and_nothing_else_may() {
    let app = TestApp::start().await;

    for (path, status) in [
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/health", 403),
        ("/api/health", 403),
        ("/metrics", 403),
        ("/health/ready/", 403),
    ] {
        let answer = app.get(path).header("host", "10.1.2.3:8689").send().await;

        assert_eq!(answer.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_database_that_takes_no_write_makes_the_server_unready_but_not_dead() {
    let app = TestApp::start().await;
    let occupied = app.occupied().await;

    let unready = app.get("/health/ready").send().await;
    let live = app.get("/health/live").send().await;
    drop(occupied);
    let mut again = app.get("/health/ready").send().await;
    for _ in 0..50 {
        if again.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        again = app.get("/health/ready").send().await;
    }

    assert_eq!((unready.status.as_u16(), live.status.as_u16()), (503, 200));
    assert_eq!(unready.body["reasons"], json!(["database_busy"]));
    assert_eq!(unready.body["dependencies"]["database"], "error: database_busy");
    assert_eq!(again.status, 200, "{}", again.text);
}

#[tokio::test]
async fn a_disk_without_the_room_that_is_kept_free_makes_the_server_unready() {
    let app = TestApp::builder()
        .with_operations(|settings| settings.reserve_bytes = u64::MAX)
        .start()
        .await;

    let answer = app.get("/health/ready").send().await;

    assert_eq!((answer.status.as_u16(), &answer.body["reasons"]), (503, &json!(["disk_low"])));
    assert_eq!(answer.body["dependencies"], json!({ "database": "connected", "disk": "low" }));
}

#[tokio::test]
async fn a_closed_database_makes_the_server_unready_and_says_no_more_than_that() {
    let app = TestApp::start().await;
    app.services.close().await;

    let answer = app.get("/health/ready").send().await;

    assert_eq!(
        (answer.status.as_u16(), &answer.body["reasons"]),
        (503, &json!(["database_failing"]))
    );
}
