//! Agent profiles.

use chrono::TimeDelta;
use pilotdeck_testkit::TestApp;
use serde_json::{Value, json};

const PROFILES: &str = "/api/agent/profiles";

#[tokio::test]
async fn a_profile_needs_nothing_at_all() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;

    let answer = app.post(PROFILES).json(&json!({ "extra": [1] })).send().await;

    let id = answer.body["data"]["id"].as_str().unwrap();
    assert!(answer.status == 201 && id.starts_with("agent-"), "{}", answer.text);
    let now = "2026-02-11T15:00:00.000000Z";
    let profile = json!({
        "id": id, "name": "Agent", "role": "general", "description": "", "styleTags": [], "skills": [],
        "outputMode": "concise", "writebackPolicy": "minimal", "permissions": {}, "enabled": true, "meta": {},
        "createdAt": now, "updatedAt": now, "extra": [1],
    });
    assert_eq!(answer.body, json!({ "success": true, "data": profile }));
    assert_eq!(app.data(&format!("{PROFILES}/{id}")).await, profile);
}

#[tokio::test]
async fn a_profile_takes_its_normal_form() {
    let app = TestApp::start().await;

    for (field, sent, normal) in [
        ("name", json!("  Reviewer "), json!("Reviewer")),
        ("name", json!("  "), json!("Agent")),
        ("styleTags", json!("terse"), json!(["terse"])),
        ("skills", json!(" "), json!([])),
        ("skills", json!([1, null]), json!([1, null])),
        ("permissions", json!("x"), json!({})),
        ("outputMode", json!({ "a": 1 }), json!({ "a": 1 })),
        ("enabled", json!("OFF"), json!(false)),
        ("enabled", json!(0), json!(false)),
        ("enabled", json!(null), json!(true)),
        ("createdAt", json!("2026-02-11"), json!("2026-02-11T00:00:00.000000Z")),
    ] {
        let answer = app.post(PROFILES).json(&json!({ field: sent })).send().await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["data"][field]),
            (201, &normal),
            "{field}: {sent}"
        );
    }
}

#[tokio::test]
async fn repeating_a_profile_answers_the_stored_one() {
    let app = TestApp::start().await;
    let first = app.post(PROFILES).json(&json!({ "id": "a", "name": "first" })).send().await;

    let again = app.post(PROFILES).json(&json!({ "id": "a", "name": "second" })).send().await;

    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(again.body["data"], first.body["data"]);
}

#[tokio::test]
async fn a_change_merges_what_it_names_and_makes_a_new_version() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let made =
        app.post(PROFILES).json(&json!({ "id": "a", "skills": ["x"], "extra": 1 })).send().await;
    let patch = json!({ "id": "b", "createdAt": "1999-01-01", "name": "New", "enabled": "no", "meta": { "a": 1 } });

    let changed = app.patch("/api/agent/profiles/a").json(&patch).send().await;

    let mut expected = made.body["data"].clone();
    expected["name"] = json!("New");
    expected["enabled"] = json!(false);
    expected["meta"] = json!({ "a": 1 });
    expected["updatedAt"] = json!("2026-02-11T15:00:00.000001Z");
    assert_eq!(changed.body, json!({ "success": true, "data": expected }));
    assert_eq!(app.data("/api/agent/profiles/a").await, expected);
}

#[tokio::test]
async fn profiles_are_listed_by_their_last_change_and_by_being_enabled() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    for (id, enabled) in [("a", true), ("b", false), ("c", true)] {
        app.post(PROFILES).json(&json!({ "id": id, "enabled": enabled })).send().await;
        app.clock.turn(TimeDelta::seconds(1));
    }
    app.patch("/api/agent/profiles/a").json(&json!({ "role": "r" })).send().await;

    for (query, found) in [
        ("", vec!["a", "c", "b"]),
        ("enabled=1", vec!["a", "c"]),
        ("enabled=TRUE", vec!["a", "c"]),
        ("enabled=Yes", vec!["a", "c"]),
        ("enabled=on", vec!["a", "c"]),
        ("enabled=0", vec!["b"]),
        ("enabled=False", vec!["b"]),
        ("enabled=no", vec!["b"]),
        ("enabled=OFF", vec!["b"]),
        ("enabled=perhaps", vec!["a", "c", "b"]),
        ("enabled=", vec!["a", "c", "b"]),
    ] {
        let answer = app.get(&format!("{PROFILES}?{query}")).send().await;
        let listed = answer.body["data"].as_array().unwrap();
        let ids: Vec<_> = listed.iter().map(|profile| profile["id"].as_str().unwrap()).collect();
        assert_eq!((ids, &answer.body["total"]), (found.clone(), &json!(found.len())), "{query}");
    }
}

#[tokio::test]
async fn a_profile_that_is_deleted_is_gone() {
    let app = TestApp::start().await;
    app.post(PROFILES).json(&json!({ "id": "a" })).send().await;
    let path = "/api/agent/profiles/a";

    let deleted = app.delete(path).send().await;

    assert_eq!((deleted.status.as_u16(), deleted.body["message"].is_string()), (200, true));
    assert_eq!(deleted.body.get("data"), None);
    for answer in [
        app.get(path).send().await,
        app.delete(path).send().await,
        app.patch(path).json(&json!({})).send().await,
    ] {
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]),
            (404, &json!("Agent profile not found: a"))
        );
    }
    assert_eq!(app.data(PROFILES).await, json!([]));
}

#[tokio::test]
async fn what_is_no_profile_is_refused_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let made: Value =
        app.post(PROFILES).json(&json!({ "id": "a" })).send().await.body["data"].clone();

    for body in ["", "{", "[]", "null", r#"{"name":{}}"#, r#"{"role":[1]}"#] {
        for request in [app.post(PROFILES), app.patch("/api/agent/profiles/a")] {
            assert_eq!(request.raw_json(body).send().await.status, 400, "{body}");
        }
    }
    assert_eq!(app.data(PROFILES).await, json!([made]));
}
