//! Following the ledger as server-sent events.

use std::time::Duration;

use pilotdeck_domain::identity::Actor;
use pilotdeck_testkit::{Block, EventStream, TestApp};
use serde_json::{Value, json};

async fn an_app() -> TestApp {
    TestApp::builder().with_admin_token().start().await
}

/// Follows as the administrator, and returns the stream after its first event.
async fn follow(app: &TestApp, query: &str) -> (EventStream, Block) {
    let request = app.get(&format!("/api/stream?{query}")).as_admin();
    let mut stream = request.follow().await.expect("a stream");
    let first = stream.event().await;
    (stream, first)
}

async fn ledger(app: &TestApp, query: &str) -> Vec<Value> {
    let answer = app.get(&format!("/api/ledger?{query}")).as_admin().send().await;
    answer.body["data"].as_array().unwrap().clone()
}

async fn head(app: &TestApp) -> i64 {
    app.ledger_head().await.0
}

#[tokio::test]
async fn what_is_in_the_table_comes_first_and_then_every_line_as_it_is_written() {
    let app = an_app().await;
    app.a_project(json!({ "id": "p" })).await;

    let (mut stream, hello) = follow(&app, "since=0").await;
    let before = head(&app).await;
    let mut events = stream.events(usize::try_from(before).unwrap()).await;
    for n in 0..5 {
        app.an_event(json!({ "id": format!("evt-{n}"), "projectId": "p" })).await;
        events.push(stream.event().await);
    }

    assert_eq!((hello.name.as_str(), hello.id), ("hello", Some(0)));
    assert_eq!(hello.data, json!({ "since": 0, "lastSeq": before }));
    assert!(hello.text.starts_with("retry: 1000\n"), "{}", hello.text);
    let lines = ledger(&app, "since=0").await;
    assert_eq!(events.len(), lines.len());
    for (event, line) in events.iter().zip(&lines) {
        assert_eq!(&event.data, line);
        assert_eq!(event.id, line["seq"].as_i64());
        assert_eq!(event.name, line["operation"]);
    }
}

#[tokio::test]
async fn the_answer_is_an_event_stream_that_nobody_keeps() {
    let app = an_app().await;

    let (stream, _) = follow(&app, "").await;
    let head = app.request(pilotdeck_testkit::Method::HEAD, "/api/stream").as_admin().send().await;

    for headers in [&stream.headers, &head.headers] {
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-accel-buffering"], "no");
        assert!(headers.contains_key("x-request-id"));
    }
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn without_a_place_the_stream_begins_with_the_next_line() {
    let app = an_app().await;
    app.a_project(json!({ "id": "old" })).await;

    let (mut stream, hello) = follow(&app, "").await;
    app.a_project(json!({ "id": "new" })).await;

    assert_eq!(hello.id, Some(3));
    let event = stream.event().await;
    assert_eq!((event.id, &event.data["subjectId"]), (Some(4), &json!("new")));
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_stood() {
    let app = an_app().await;
    let (stream, hello) = follow(&app, "").await;
    drop(stream);
    app.a_project(json!({ "id": "missed" })).await;

    let id = hello.id.unwrap().to_string();
    let request = app.get("/api/stream?since=0").as_admin().header("last-event-id", &id);
    let mut stream = request.follow().await.unwrap();

    assert_eq!(stream.event().await.data["since"], hello.id.unwrap());
    assert_eq!(stream.event().await.data["subjectId"], "missed");
}

#[tokio::test]
async fn only_lines_of_interest_are_told_and_the_rest_is_counted() {
    let app = an_app().await;
    for id in ["p", "q"] {
        app.a_project(json!({ "id": id })).await;
    }
    let (mut of_p, _) = follow(&app, "since=0&projectId=p").await;
    let (mut of_events, _) = follow(&app, "since=0&operations=event.*,run.created").await;
    let (mut both, _) = follow(&app, "since=0&projectId=q&operations=event.appended").await;
    app.an_event(json!({ "id": "e", "projectId": "p" })).await;
    app.a_run(json!({ "id": "r", "projectId": "q" })).await;
    app.a_project(json!({ "id": "last" })).await;
    let last = head(&app).await;

    let told = |events: Vec<Block>| -> Vec<String> {
        events.iter().map(|event| format!("{} {}", event.name, event.data["subjectId"])).collect()
    };
    assert_eq!(told(of_p.events(2).await), ["project.created \"p\"", "event.appended \"e\""]);
    assert_eq!(told(of_events.events(2).await), ["event.appended \"e\"", "run.created \"r\""]);
    app.services.stream.beat().await;
    for stream in [&mut of_p, &mut of_events, &mut both] {
        let beat = stream.next().await.unwrap();
        assert_eq!((beat.text.as_str(), beat.id), (format!(":\nid: {last}").as_str(), Some(last)));
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let app = an_app().await;
    for (query, field) in [
        ("operations=event.*,project.exploded", "operations"),
        ("operations=,", "operations"),
        ("operations=*", "operations"),
        ("since=-1", "since"),
        ("since=now", "since"),
    ] {
        let answer = app.get(&format!("/api/stream?{query}")).as_admin().send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_field"), "{query}");
        assert_eq!(answer.body["details"][0]["field"], field);
    }
    let answer = app.get("/api/stream").as_admin().header("last-event-id", "x").send().await;
    assert_eq!(answer.body["details"][0]["field"], "Last-Event-ID");
    assert_eq!(app.get("/api/stream").send().await.status, 401);
}

#[tokio::test]
async fn a_place_that_is_not_there_is_answered_with_one_resync() {
    let app = an_app().await;
    app.a_project(json!({ "id": "p" })).await;

    let (mut stream, resync) = follow(&app, "since=1000").await;
    app.a_project(json!({ "id": "q" })).await;

    assert_eq!((resync.name.as_str(), resync.id), ("resync", Some(3)));
    assert_eq!(resync.data, json!({ "firstSeq": 1, "lastSeq": 3 }));
    let next = stream.event().await;
    assert_eq!((next.id, &next.data["subjectId"]), (Some(4), &json!("q")));
}

#[tokio::test]
async fn a_heartbeat_is_a_comment() {
    let app = an_app().await;
    let (mut stream, _) = follow(&app, "").await;

    app.services.stream.beat().await;

    assert_eq!(stream.next().await.unwrap().text, ":");
}

#[tokio::test]
async fn lines_of_another_process_come_with_the_next_beat_or_commit() {
    let app = an_app().await;
    let (mut stream, _) = follow(&app, "").await;
    let elsewhere = app.elsewhere().await;
    let create = async |id: &str| {
        let Value::Object(fields) = json!({ "id": id, "name": id }) else { unreachable!() };
        elsewhere.projects.create(&Actor::system(), fields).await.unwrap();
    };

    create("one").await;
    app.services.stream.beat().await;
    assert_eq!(stream.event().await.data["subjectId"], "one");
    create("two").await;
    app.a_project(json!({ "id": "three" })).await;

    let told: Vec<Value> =
        stream.events(2).await.into_iter().map(|event| event.data["subjectId"].clone()).collect();
    assert_eq!(told, ["two", "three"]);
}

#[tokio::test]
async fn the_stream_of_a_session_ends_with_it() {
    let app = an_app().await;
    let (mine, other) = (app.sign_in("admin", "admin").await, app.sign_in("admin", "admin").await);
    let mut stays = app.get("/api/stream").with_cookie(&other).follow().await.unwrap();
    let mut ends = app.get("/api/stream").with_cookie(&mine).follow().await.unwrap();
    ends.event().await;

    app.post("/api/auth/logout").with_cookie(&mine).send().await;

    let ended = ends.event().await;
    assert_eq!(
        (ended.name.as_str(), &ended.data),
        ("ended", &json!({ "reason": "session_ended" }))
    );
    assert_eq!(ends.next().await, None);
    assert_eq!(stays.events(2).await[1].name, "user.signed_out");
}

#[tokio::test]
async fn the_streams_of_other_sessions_end_with_a_new_password() {
    let app = an_app().await;
    let (mine, other) = (app.sign_in("admin", "admin").await, app.sign_in("admin", "admin").await);
    let mut stays = app.get("/api/stream").with_cookie(&mine).follow().await.unwrap();
    let mut ends = app.get("/api/stream").with_cookie(&other).follow().await.unwrap();

    let passwords = json!({ "currentPassword": "admin", "newPassword": "correct horse battery" });
    let request = app.post("/api/auth/change-password").with_cookie(&mine);
    assert_eq!(request.json(&passwords).send().await.status, 200);

    assert_eq!(ends.events(2).await[1].data, json!({ "reason": "session_ended" }));
    assert_eq!(stays.events(2).await[1].name, "user.password_changed");
}

#[tokio::test]
async fn the_stream_of_a_session_that_expires_ends_with_the_next_beat() {
    let app = TestApp::builder().at("2026-11-21T12:00:00Z").start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let mut stream = app.get("/api/stream").with_cookie(&cookie).follow().await.unwrap();

    app.clock.turn(chrono::Duration::hours(25));
    app.services.stream.beat().await;

    assert_eq!(stream.events(2).await[1].data, json!({ "reason": "session_ended" }));
}

#[tokio::test]
async fn one_may_hold_so_many_streams_and_gets_a_slot_back_by_hanging_up() {
    let app = TestApp::builder()
        .with_admin_token()
        .with_setup(|setup| setup.max_streams = 2)
        .start()
        .await;
    let (first, _) = follow(&app, "").await;
    let (_second, _) = follow(&app, "").await;
    let cookie = app.sign_in("admin", "admin").await;

    let refused = app.get("/api/stream").as_admin().send().await;
    let of_somebody_else = app.get("/api/stream").with_cookie(&cookie).follow().await;
    drop(first);
    let again = async {
        loop {
            match app.get("/api/stream").as_admin().follow().await {
                Ok(stream) => break stream,
                Err(refused) => assert_eq!(refused.status, 429),
            }
        }
    };
    let mut again = tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();

    assert_eq!((refused.status.as_u16(), refused.code()), (429, "too_many_streams"));
    assert_eq!(refused.header("retry-after"), Some("15"));
    assert!(of_somebody_else.is_ok());
    assert_eq!(again.event().await.name, "hello");
}

#[tokio::test]
async fn streams_are_told_that_the_server_stops() {
    let app = an_app().await;
    let (mut stream, _) = follow(&app, "").await;

    let began = std::time::Instant::now();
    app.services.stream.close().await;

    assert_eq!(stream.event().await.data, json!({ "reason": "stopping" }));
    assert_eq!(stream.next().await, None);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_hangs_up_again_and_again_hears_every_line_once_and_in_order() {
    const LINES: usize = 5_000;
    let app = an_app().await;
    let begin = head(&app).await;
    let writer = async {
        for batch in 0..LINES / 50 {
            let records: Vec<Value> =
                (0..50).map(|n| json!({ "id": format!("u-{}", batch * 50 + n) })).collect();
            let answer =
                app.post("/api/agent/usage").json(&json!({ "records": records })).send().await;
            assert!(answer.status.is_success(), "{}", answer.text);
        }
    };
    let reader = async {
        let (mut known, mut heard) = (begin, Vec::new());
        let mut came = 0_usize;
        while heard.len() < LINES {
            let request = app.get("/api/stream").as_admin();
            let request = request.header("last-event-id", known.to_string());
            let mut stream = request.follow().await.unwrap();
            came += 1;
            // It stays for between none and a hundred blocks, and reads the last ones to the end.
            for _ in 0..came * 37 % 101 {
                if heard.len() == LINES {
                    break;
                }
                let block = stream.next().await.unwrap();
                known = block.id.unwrap_or(known);
                if block.name == "usage.recorded" {
                    heard.push((known, block.data["subjectId"].as_str().unwrap().to_owned()));
                }
            }
        }
        (heard, came)
    };

    let ((), (heard, came)) = tokio::join!(writer, reader);

    assert!(came > 50, "{came}");
    let expected: Vec<_> =
        (0..LINES).map(|n| (begin + 1 + i64::try_from(n).unwrap(), format!("u-{n}"))).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_with_a_reason_and_resumes() {
    const CHANGES: usize = 14;
    let app = an_app().await;
    app.a_project(json!({ "id": "p" })).await;
    let (mut stream, hello) = follow(&app, "").await;
    for n in 0..CHANGES {
        // More than the connection and the newest lines hold together.
        let notes = n.to_string().repeat(1 << 20);
        let answer = app.patch("/api/projects/p").json(&json!({ "notes": notes })).send().await;
        assert_eq!(answer.status, 200);
    }

    let mut known = hello.id.unwrap();
    let dropped = loop {
        let event = stream.event().await;
        let Some(id) = event.id else { break event };
        assert_eq!(id, known + 1);
        known = id;
    };

    assert_eq!(
        (dropped.name.as_str(), &dropped.data),
        ("dropped", &json!({ "reason": "slow_reader" }))
    );
    assert_eq!(stream.next().await, None);
    let end = hello.id.unwrap() + i64::try_from(CHANGES).unwrap();
    assert!(known < end, "{known}");
    let (mut again, _) = follow(&app, &format!("since={known}")).await;
    while known < end {
        let id = again.event().await.id.unwrap();
        assert_eq!(id, known + 1);
        known = id;
    }
}
