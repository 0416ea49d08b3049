//! Events: appended once, never changed, read newest-last.

use chrono::TimeDelta;
use futures_util::future::join_all;
use pilotdeck_testkit::TestApp;
use serde_json::{Value, json};

const EVENTS: &str = "/api/agent/events";

fn ids(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_event_needs_nothing_at_all_and_its_time_is_the_servers() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;

    let answer = app.post(EVENTS).json(&json!({ "ts": "1999-01-01", "unknown": 1 })).send().await;

    let id = answer.body["id"].as_str().unwrap();
    assert!(answer.status == 201 && id.starts_with("evt-"), "{}", answer.text);
    let event = json!({
        "id": id, "ts": "2026-02-11T15:00:00.000000Z", "type": "note", "level": "info", "projectId": null,
        "runId": null, "agentId": null, "title": null, "message": null, "data": null,
    });
    assert_eq!(answer.body, json!({ "success": true, "data": event, "id": id, "created": true }));
    assert_eq!(app.data(EVENTS).await, json!([event]));
}

#[tokio::test]
async fn an_event_keeps_every_field_as_text() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let sent = json!({
        "id": "  evt-1 ", "type": " risk ", "level": "WARN", "projectId": "p", "runId": 5, "agentId": true,
        "title": 7, "message": " as it is 进度 ", "data": { "before": [null, 1.5] },
    });

    let event = app.an_event(sent).await;

    let stored = json!({
        "id": "evt-1", "ts": "2026-02-11T15:00:00.000000Z", "type": "risk", "level": "WARN", "projectId": "p",
        "runId": "5", "agentId": "True", "title": "7", "message": " as it is 进度 ", "data": { "before": [null, 1.5] },
    });
    assert_eq!(event, stored);
    assert_eq!(app.data(EVENTS).await, json!([stored]));
}

#[tokio::test]
async fn repeating_an_event_answers_the_stored_one() {
    let app = TestApp::start().await;
    let event = app.an_event(json!({ "id": "evt-1", "title": "first" })).await;

    let again = app.post(EVENTS).json(&json!({ "id": " evt-1", "title": "second" })).send().await;

    let expected = json!({
        "success": true, "data": event, "message": "event exists", "id": "evt-1", "created": false,
    });
    assert_eq!((again.status.as_u16(), again.body), (200, expected));
}

#[tokio::test]
async fn one_event_id_sent_32_times_at_once_is_one_event() {
    let app = TestApp::start().await;
    let send =
        |n: i32| app.post(EVENTS).json(&json!({ "id": "evt-1", "title": format!("{n}") })).send();

    let answers = join_all((0..32).map(send)).await;

    let stored = app.data(EVENTS).await;
    assert_eq!(stored.as_array().unwrap().len(), 1);
    let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((statuses(201), statuses(200)), (1, 31));
    for answer in &answers {
        assert_eq!(answer.body["data"], stored[0]);
        assert_eq!(answer.body["message"] == "event exists", answer.status == 200);
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_one_event_of_many_requests() {
    let app = TestApp::start().await;
    let key = "ses_1: 完成 M1 ".repeat(10);
    let send =
        |key: &str| app.post(EVENTS).json(&json!({ "idempotencyKey": key, "title": "t" })).send();

    let first = send(&key).await;
    let again = join_all((0..8).map(|_| send(&key))).await;
    let other = send("another").await;
    let too_long = send(&"x".repeat(256)).await;

    assert_eq!((first.status.as_u16(), &first.body["data"]["idempotencyKey"]), (201, &json!(key)));
    for answer in again {
        assert_eq!((answer.status.as_u16(), &answer.body["data"]), (200, &first.body["data"]));
    }
    assert!(other.status == 201 && other.body["id"] != first.body["id"]);
    assert_eq!((too_long.status.as_u16(), &too_long.body["code"]), (400, &json!("invalid_field")));
}

#[tokio::test]
async fn data_may_be_any_json() {
    let app = TestApp::start().await;

    for (n, data) in [
        json!(null),
        json!(false),
        json!(9_007_199_254_740_993_i64),
        json!(0.1),
        json!(""),
        json!([[], {}]),
    ]
    .into_iter()
    .enumerate()
    {
        let event = app.an_event(json!({ "id": format!("e{n}"), "data": data })).await;
        assert_eq!(event["data"], data);
    }
}

#[tokio::test]
async fn an_event_takes_the_project_of_its_run_unless_it_names_one() {
    let app = TestApp::start().await;
    app.a_run(json!({ "id": "run-1", "sessionId": "ses_1", "projectId": "inbox" })).await;

    for (sent, project, run) in [
        (json!({ "runId": "run-1" }), json!("inbox"), "run-1"),
        (json!({ "runId": "ses_1" }), json!("inbox"), "run-1"),
        (json!({ "runId": "ses_1", "projectId": "p" }), json!("p"), "run-1"),
        (json!({ "runId": "unknown" }), json!(null), "unknown"),
    ] {
        let event = app.an_event(sent).await;
        assert_eq!((&event["projectId"], &event["runId"]), (&project, &json!(run)));
    }
    for reference in ["run-1", "ses_1"] {
        let events = app.data(&format!("{EVENTS}?runId={reference}")).await;
        assert_eq!(events.as_array().unwrap().len(), 3, "{reference}");
    }
}

#[tokio::test]
async fn the_newest_events_are_listed_oldest_first() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    for (id, project, run, agent, kind) in [
        ("a", "p", "r", "ada", "note"),
        ("b", "p", "r", "bob", "risk"),
        ("c", "q", "r", "ada", "note"),
        ("d", "p", "s", "ada", "note"),
    ] {
        app.an_event(
            json!({ "id": id, "projectId": project, "runId": run, "agentId": agent, "type": kind }),
        )
        .await;
        app.clock.turn(TimeDelta::seconds(1));
    }
    let same_instant = app.clock.now();
    app.an_event(json!({ "id": "e" })).await;
    app.an_event(json!({ "id": "f" })).await;
    assert_eq!(app.clock.now(), same_instant);

    for (query, found) in [
        ("", vec!["a", "b", "c", "d", "e", "f"]),
        ("limit=3", vec!["d", "e", "f"]),
        ("limit=0", vec!["f"]),
        ("limit=-99999999999999999999", vec!["f"]),
        ("limit=x", vec!["a", "b", "c", "d", "e", "f"]),
        ("projectId=p", vec!["a", "b", "d"]),
        ("projectId=p&limit=2", vec!["b", "d"]),
        ("runId=r", vec!["a", "b", "c"]),
        ("agentId=ada", vec!["a", "c", "d"]),
        ("type=risk", vec!["b"]),
        ("type=ris", vec![]),
        ("projectId=p&runId=r&agentId=ada&type=note", vec!["a"]),
        ("title=error&unknown=1", vec!["a", "b", "c", "d", "e", "f"]),
        ("since=2026-02-11T15:00:02Z", vec!["c", "d", "e", "f"]),
        ("since=2026-02-11T15:00:02", vec!["c", "d", "e", "f"]),
        ("since=2026-02-11T15:00:02.000001", vec!["d", "e", "f"]),
        ("since=2026-02-11T17:00:02%2B02:00", vec!["c", "d", "e", "f"]),
        // An offset whose plus sign was not escaped.
        ("since=2026-02-11T17:00:02+02:00", vec!["c", "d", "e", "f"]),
        ("since=2026-02-11+15:00:02", vec!["c", "d", "e", "f"]),
        ("since=2026-02-11", vec!["a", "b", "c", "d", "e", "f"]),
        ("since=2026-02-12", vec![]),
        ("since=2026-02-11T15:00:02Z&projectId=p&limit=1", vec!["d"]),
    ] {
        let answer = app.get(&format!("{EVENTS}?{query}")).send().await;

        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(ids(&answer.body["data"]), found, "{query}");
        assert_eq!(answer.body["total"], found.len(), "{query}");
    }
}

#[tokio::test]
async fn a_list_has_200_events_unless_asked_for_up_to_2000() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;
    let note = json!({ "type": "append_note", "params": { "note": "n" } });
    let notes = json!({ "projectId": "p", "actions": vec![note; 2_001] });
    app.post("/api/agent/actions").json(&notes).send().await;

    for (query, total) in
        [("", 200), ("limit=2000", 2_000), ("limit=99999999999999999999", 2_000), ("limit=x", 200)]
    {
        let answer = app.get(&format!("{EVENTS}?{query}")).send().await;
        assert_eq!(answer.body["total"], total, "{query}");
    }
}

#[tokio::test]
async fn a_since_that_is_no_time_is_refused() {
    let app = TestApp::start().await;

    for since in ["yesterday", "2026-02-30", "2026-13-01T00:00:00Z", "5"] {
        let answer = app.get(&format!("{EVENTS}?since={since}")).send().await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (400, &json!("invalid_time")),
            "{since}"
        );
    }
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_leaves_nothing_behind() {
    let app = TestApp::start().await;

    for (body, code) in [
        ("", "malformed_json"),
        ("not json", "malformed_json"),
        ("[]", "malformed_json"),
        ("\"text\"", "malformed_json"),
        (r#"{"message":{}}"#, "invalid_field"),
        (r#"{"agentId":[1]}"#, "invalid_field"),
        (r#"{"type":[]}"#, "invalid_field"),
        (r#"{"id":"p.decision"}"#, "invalid_id"),
    ] {
        let answer = app.post(EVENTS).raw_json(body).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["code"].as_str()),
            (400, Some(code)),
            "{body}"
        );
    }
    assert_eq!(app.data(EVENTS).await, json!([]));
}

#[tokio::test]
async fn an_event_can_neither_be_changed_nor_deleted() {
    let app = TestApp::start().await;
    app.an_event(json!({ "id": "evt-1" })).await;

    for path in ["/api/agent/events", "/api/agent/events/evt-1"] {
        for request in [app.put(path), app.patch(path), app.delete(path)] {
            let status = request.json(&json!({})).send().await.status;
            assert!(status == 404 || status == 405, "{path}: {status}");
        }
    }
    assert_eq!(ids(&app.data(EVENTS).await), ["evt-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_is_memory_for_is_refused_and_what_was_taken_is_written() {
    let app = TestApp::start().await;
    let occupied = app.occupied().await;
    let large = json!({ "message": "x".repeat(15 << 20) });
    let mut waiting: Vec<_> =
        (0..5).map(|_| tokio::spawn(app.post("/api/agent/events").json(&large).send())).collect();

    let (refused, _, rest) = futures_util::future::select_all(waiting).await;
    waiting = rest;
    drop(occupied);

    let refused = refused.unwrap();
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "overloaded"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    for taken in waiting {
        assert_eq!(taken.await.unwrap().status, 201);
    }
}

#[tokio::test]
async fn events_are_filtered_by_their_least_level_page_by_page() {
    let app = TestApp::start().await;
    let levels = ["debug", "info", "Warning", "error", "odd", "FATAL", "trace"];
    for (n, level) in levels.iter().cycle().take(21).enumerate() {
        app.an_event(json!({ "id": format!("evt-{n}"), "level": level, "projectId": "p" })).await;
    }
    let seen = async |query: &str| {
        let (mut ids, mut path) = (Vec::new(), format!("{EVENTS}?limit=2{query}"));
        loop {
            let page = app.get(&path).send().await.body;
            let mut levels: Vec<String> = page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["level"].as_str().unwrap().to_owned())
                .collect();
            levels.append(&mut ids);
            ids = levels;
            let Some(cursor) = page["nextCursor"].as_str() else { return ids };
            path = format!("{EVENTS}?limit=2{query}&before={cursor}");
        }
    };

    for (query, expected) in [
        ("&level=error", vec!["error", "FATAL"]),
        ("&level=Warn&projectId=p", vec!["Warning", "error", "FATAL"]),
        ("&level=warning&type=note", vec!["Warning", "error", "FATAL"]),
        ("&level=info", vec!["info", "Warning", "error", "odd", "FATAL"]),
        ("&level=debug", levels.to_vec()),
        ("&level=loud", levels.to_vec()),
        ("&level=", levels.to_vec()),
        ("&level=error&projectId=q", vec![]),
    ] {
        assert_eq!(seen(query).await, expected.repeat(3), "{query}");
    }
}
