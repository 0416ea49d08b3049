//! Requests that carry an idempotency key: made once, answered the same each time.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use pilotdeck_testkit::{Answer, Method, Request, TestApp};
use serde_json::{Value, json};

const KEY: &str = "idempotency-key";

/// What is the same in an answer and its repetition: all but what is about the exchange itself.
fn essence(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.text.clone())
}

/// An app, a person's session, and the place of a change of a project in the ledger.
async fn an_app() -> (TestApp, String, i64) {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    app.a_person("ada", "member").await;
    let cookie = app.sign_in("admin", "admin").await;
    for id in ["p", "q", "gone"] {
        app.a_project(json!({ "id": id })).await;
    }
    app.a_run(json!({ "id": "r", "sessionId": "ses_1" })).await;
    for (path, id) in [
        ("profiles", "a"),
        ("profiles", "a-gone"),
        ("capabilities", "c"),
        ("capabilities", "c-gone"),
    ] {
        let made = app
            .post(&format!("/api/agent/{path}"))
            .json(&json!({ "id": id, "name": id }))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    for id in ["prop-a", "prop-r"] {
        let proposal = json!({
            "id": id, "status": "pending_review", "type": "update_status", "projectId": "p",
            "payload": { "status": "paused" },
        });
        let made = app.post("/api/agent/actions").json(&proposal).send().await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    for id in ["acted-on", "changed"] {
        app.a_project(json!({ "id": id })).await;
    }
    let action = json!({ "id": "act-0", "type": "bump_progress", "params": { "delta": 5 } });
    let act = json!({ "projectId": "acted-on", "actions": [action] });
    assert_eq!(app.post("/api/agent/actions").json(&act).send().await.status, 200);
    let change = json!({ "progress": 9 });
    assert_eq!(app.patch("/api/projects/changed").json(&change).send().await.status, 200);
    let (seq, _) = app.ledger_head().await;
    (app, cookie, seq)
}

type Change = (Method, String, Value, u16);

/// Every kind of change, with the status of its answer. The one at `seq` is there to be undone.
fn changes(seq: i64) -> Vec<Change> {
    let (post, patch) = (Method::POST, Method::PATCH);
    let action = |id: &str| json!({ "id": id, "type": "bump_progress", "params": { "delta": 5 } });
    let changes = vec![
        (post.clone(), "/api/projects", json!({ "name": "Minted" }), 201),
        (patch.clone(), "/api/projects/p", json!({ "progress": 5 }), 200),
        (Method::PUT, "/api/projects/p?x=1", json!({ "progress": 6 }), 200),
        (
            post.clone(),
            "/api/projects/batch",
            json!({ "ops": [
                { "id": "p", "patch": { "progress": 7 } }, { "id": "none", "patch": {} }, { "id": "p" }, 5,
                { "id": "p", "patch": {}, "ifUpdatedAt": "2020-01-01" },
                { "id": "p", "patch": { "status": {} } },
            ] }),
            200,
        ),
        (
            post.clone(),
            "/api/projects/batch",
            json!({ "ops": [{ "id": "none", "patch": {} }] }),
            200,
        ),
        (post.clone(), "/api/projects/reorder", json!({ "ids": ["q", "p"] }), 200),
        (Method::DELETE, "/api/projects/gone", Value::Null, 200),
        (
            post.clone(),
            "/api/projects/p/members",
            json!({ "username": "ada", "role": "viewer" }),
            201,
        ),
        (
            post.clone(),
            "/api/projects/p/members",
            json!({ "username": "ada", "role": "owner" }),
            200,
        ),
        (patch.clone(), "/api/projects/p/members/ada", json!({ "role": "editor" }), 200),
        (Method::DELETE, "/api/projects/p/members/ada", Value::Null, 200),
        (
            post.clone(),
            "/api/agent/runs",
            json!({ "agentId": "a", "usage": { "totalTokens": 5 } }),
            201,
        ),
        (post.clone(), "/api/agent/runs", json!({ "id": "r" }), 200),
        (patch.clone(), "/api/agent/runs/ses_1", json!({ "status": "completed" }), 200),
        (post.clone(), "/api/agent/events", json!({ "title": "Minted" }), 201),
        (post.clone(), "/api/agent/events", json!({ "id": "prop-a" }), 200),
        (
            post.clone(),
            "/api/agent/usage",
            json!({ "records": [{ "totalTokens": 1, "cost": 0.1 }, { "model": {} }, 5, { "id": "u" }, { "id": "u" }] }),
            200,
        ),
        (post.clone(), "/api/agent/usage", json!({ "totalTokens": 2 }), 200),
        (post.clone(), "/api/agent/usage", json!({ "records": [{ "model": {} }] }), 200),
        (post.clone(), "/api/agent/usage", json!({ "records": [] }), 200),
        (
            post.clone(),
            "/api/agent/actions",
            json!({ "projectId": "p", "actions": [
                action("act-1"), action("act-1"), action("prop-a"), { "type": "set_status", "params": {} }, 5,
                { "id": "act-2", "type": "add_tag", "projectId": "none", "params": { "tag": "x" } },
                { "id": "act-3", "type": "add_tag", "params": { "tag": "x" }, "ifUpdatedAt": "2020-01-01" },
                { "type": "add_tag", "params": { "tag": "minted" } },
            ] }),
            200,
        ),
        (
            post.clone(),
            "/api/agent/actions",
            json!({ "status": "pending_review", "type": "add_note", "projectId": "p", "payload": { "note": "n" } }),
            201,
        ),
        (post.clone(), "/api/agent/actions/act-0/undo", json!({ "reason": "no" }), 200),
        (post.clone(), "/api/projects/changed/history/{seq}/undo", Value::Null, 200),
        (post.clone(), "/api/agent/proposals/prop-a/accept", json!({ "reason": "yes" }), 200),
        (post.clone(), "/api/agent/proposals/prop-r/reject", Value::Null, 200),
        (post.clone(), "/api/agent/profiles", json!({ "name": "Minted" }), 201),
        (post.clone(), "/api/agent/profiles", json!({ "id": "a" }), 200),
        (patch.clone(), "/api/agent/profiles/a", json!({ "enabled": false }), 200),
        (Method::DELETE, "/api/agent/profiles/a-gone", Value::Null, 200),
        (post.clone(), "/api/agent/capabilities", json!({ "name": "Minted" }), 201),
        (post, "/api/agent/capabilities", json!({ "id": "c" }), 200),
        (patch, "/api/agent/capabilities/c", json!({ "enabled": false }), 200),
        (Method::DELETE, "/api/agent/capabilities/c-gone", Value::Null, 200),
    ];
    let placed = |path: &str| path.replace("{seq}", &seq.to_string());
    changes
        .into_iter()
        .map(|(method, path, body, status)| (method, placed(path), body, status))
        .collect()
}

fn asked(app: &TestApp, cookie: &str, change: &Change, key: &str) -> Request {
    let (method, path, body, _) = change;
    let request = app.request(method.clone(), path).with_cookie(cookie).header(KEY, key);
    if body.is_null() { request } else { request.json(body) }
}

#[tokio::test]
async fn every_kind_of_change_is_made_once_and_answered_the_same_also_after_a_restart() {
    let (mut app, cookie, seq) = an_app().await;
    let changes = changes(seq);
    let mut first = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        let answer = asked(&app, &cookie, change, &format!("key-{place}")).send().await;
        assert_eq!(answer.status, change.3, "{} {}: {}", change.0, change.1, answer.text);
        first.push(essence(&answer));
    }
    let head = app.ledger_head().await;

    for is_restarted in [false, true] {
        if is_restarted {
            app = app.restart().await;
        }
        app.clock.turn(TimeDelta::hours(11));
        for (place, change) in changes.iter().enumerate() {
            let again = asked(&app, &cookie, change, &format!("key-{place}")).send().await;
            assert_eq!(essence(&again), first[place], "{} {}", change.0, change.1);
        }
        assert_eq!(app.ledger_head().await, head);
    }
}

#[tokio::test]
async fn every_change_of_the_document_is_among_them() {
    let app = TestApp::start().await;
    let document = app.get("/api/openapi.json").send().await.body;
    let fits = |pattern: &str, path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        let (pattern, path): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(one, other)| one.starts_with('{') || one == other)
    };
    let mut missing = BTreeSet::new();

    for (pattern, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let takes_key = operation["parameters"].as_array().is_some_and(|all| {
                all.iter().any(|one| one["$ref"] == "#/components/parameters/IdempotencyKey")
            });
            let is_tested = changes(1).iter().any(|(change, path, _, _)| {
                change.as_str().eq_ignore_ascii_case(method) && fits(pattern, path)
            });
            if takes_key != is_tested {
                missing.insert(format!("{method} {pattern}"));
            }
            assert_eq!(
                takes_key,
                operation["responses"].get("422").is_some(),
                "{method} {pattern}"
            );
        }
    }

    assert_eq!(missing, BTreeSet::new());
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_principal() {
    let (app, cookie, _) = an_app().await;
    let event = |body: Value| app.post("/api/agent/events").header(KEY, "k").json(&body);
    let made = event(json!({ "title": "one" })).send().await;
    assert_eq!(made.status, 201);

    let project = json!({ "progress": 50 });
    for other in [
        event(json!({ "title": "two" })),
        app.post("/api/agent/usage").header(KEY, "k").json(&json!({ "title": "one" })),
        app.post("/api/agent/events?x=1").header(KEY, "k").json(&json!({ "title": "one" })),
        app.patch("/api/projects/p").header(KEY, "k").json(&project),
        app.delete("/api/projects/p").header(KEY, "k"),
    ] {
        let answer = other.send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "idempotency_key_reused"));
    }
    let person = event(json!({ "title": "two" })).with_cookie(&cookie).send().await;

    assert_eq!(person.status, 201);
    assert_ne!(person.body["data"]["id"], made.body["data"]["id"]);
    assert_eq!(app.data("/api/projects/p").await["progress"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_with_one_key_one_is_done_and_all_hear_the_same() {
    let (alone, cookie, seq) = an_app().await;
    for (place, change) in changes(seq).iter().enumerate() {
        asked(&alone, &cookie, change, &format!("key-{place}")).send().await;
    }

    let (app, cookie, seq) = an_app().await;
    for (place, change) in changes(seq).iter().enumerate() {
        let key = format!("key-{place}");
        let asking = (0..8).map(|_| asked(&app, &cookie, change, &key).send());
        let answers = join_all(asking).await;
        let (_, path, _, status) = change;
        assert_eq!(answers[0].status, *status, "{path}: {}", answers[0].text);
        assert!(answers.iter().all(|answer| essence(answer) == essence(&answers[0])), "{path}");
    }

    assert_eq!(app.ledger_head().await.0, alone.ledger_head().await.0);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_under_its_key() {
    let app = TestApp::start().await;
    let change = |body: Value| app.patch("/api/projects/p").header(KEY, "k").json(&body);
    assert_eq!(change(json!({ "progress": 5 })).send().await.status, 404);
    app.a_project(json!({ "id": "p" })).await;
    assert_eq!(change(json!({ "name": "" })).send().await.status, 400);

    let made = change(json!({ "progress": 5 })).send().await;

    assert_eq!(made.status, 200, "{}", made.text);
}

#[tokio::test]
async fn a_receipt_is_forgotten_some_time_after_the_promised_day() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let event = |body: Value| app.post("/api/agent/events").header(KEY, "k").json(&body);
    assert_eq!(event(json!({ "title": "one" })).send().await.status, 201);
    app.clock.turn(TimeDelta::hours(24));
    assert_eq!(event(json!({ "title": "two" })).send().await.status, 422);

    app.clock.turn(TimeDelta::hours(25));
    let answer = event(json!({ "title": "two" })).send().await;

    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(event(json!({ "title": "two" })).send().await.text, answer.text);
    assert_eq!(event(json!({ "title": "one" })).send().await.status, 422);
}

#[tokio::test]
async fn a_key_must_be_one() {
    let app = TestApp::start().await;
    let event = || app.post("/api/agent/events").json(&json!({}));

    for request in [
        event().header(KEY, ""),
        event().header(KEY, "a b"),
        event().header(KEY, "深"),
        event().header(KEY, "k".repeat(256)),
        event().header(KEY, "k").header(KEY, "l"),
    ] {
        let answer = request.send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_field"),
            "{}",
            answer.text
        );
    }
    assert_eq!(event().header(KEY, "k".repeat(255)).send().await.status, 201);
    assert_eq!(app.get("/api/projects").header(KEY, "").send().await.status, 200);
    let large = app
        .post("/api/agent/events")
        .header(KEY, "l")
        .json(&json!({ "message": "x".repeat(17 << 20) }));
    assert_eq!(large.send().await.status, 413);
}

#[tokio::test]
async fn signing_in_takes_the_header_and_keeps_nothing() {
    let app = TestApp::start().await;
    let body = json!({ "username": "admin", "password": "admin" });
    let sign_in = || app.post("/api/auth/login").header(KEY, "k").json(&body).send();

    let (first, second) = (sign_in().await, sign_in().await);

    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_ne!(first.header("set-cookie"), second.header("set-cookie"));
    let cookie = app.sign_in("admin", "admin").await;
    let body = json!({ "currentPassword": "admin", "newPassword": "correct horse" });
    let change = || {
        app.post("/api/auth/change-password")
            .with_cookie(&cookie)
            .header(KEY, "k")
            .json(&body)
            .send()
    };
    let (first, second) = (change().await, change().await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 401), "{}", second.text);
}
