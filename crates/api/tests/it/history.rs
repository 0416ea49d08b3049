//! Projects as they were, what became of them, and undoing it.

use std::path::Path;

use chrono::TimeDelta;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

/// A database of the PilotDeck before this one.
const ADOPTED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../storage/tests/fixtures/pilotdeck-v4.db");

async fn an_app_with_a_project() -> TestApp {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    app.a_project(json!({ "id": "p", "progress": 10, "tags": ["a"] })).await;
    app
}

async fn act(app: &TestApp, action: Value) {
    let body = json!({ "projectId": "p", "agentId": "ada", "runId": "r", "actions": [action] });
    let answer = app.post("/api/agent/actions").json(&body).send().await;
    assert_eq!(answer.body["data"]["results"][0]["success"], true, "{}", answer.text);
}

async fn bump(app: &TestApp, id: &str, delta: i64) {
    let params = json!({ "delta": delta, "reason": "tests" });
    act(app, json!({ "id": id, "type": "bump_progress", "params": params })).await;
}

async fn change(app: &TestApp, patch: Value) -> i64 {
    app.clock.turn(TimeDelta::seconds(1));
    let answer = app.patch("/api/projects/p").json(&patch).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    app.ledger_head().await.0
}

async fn undo(app: &TestApp, path: &str, body: Value) -> Answer {
    app.post(&format!("{path}/undo")).json(&body).send().await
}

async fn history(app: &TestApp, query: &str) -> Answer {
    let answer = app.get(&format!("/api/projects/p/history{query}")).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn an_undone_action_leaves_the_project_as_it_was_and_says_so_on_the_timeline() {
    let app = an_app_with_a_project().await;
    bump(&app, "act-1", 30).await;
    change(&app, json!({ "name": "Gemini" })).await;

    let body = json!({ "agentId": "ada", "reason": "too early" });
    let answer = undo(&app, "/api/agent/actions/act-1", body).await;

    let data = &answer.body["data"];
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((&data["id"], &data["changed"]), (&json!("act-1.undo"), &json!(true)));
    let project = app.data("/api/projects/p").await;
    assert_eq!(data["project"], project);
    assert_eq!((&project["progress"], &project["name"]), (&json!(10), &json!("Gemini")));
    let event = &data["event"];
    assert_eq!(event["type"], "action.undo");
    assert_eq!(event["message"], "undo act-1: progress");
    assert_eq!((&event["agentId"], &event["projectId"]), (&json!("ada"), &json!("p")));
    assert_eq!(event["data"]["before"]["progress"], 40);
    assert_eq!(event["data"]["after"]["progress"], 10);
    assert_eq!(event["data"]["reason"], "too early");
    assert_eq!(event["data"]["projectUpdatedAt"], project["updatedAt"]);
    assert_eq!(app.operations_on("act-1.undo").await, ["action.applied"]);
    assert_eq!(app.operations_on("p").await.len(), 4);
}

#[tokio::test]
async fn a_repeated_undo_changes_nothing_and_undoing_the_undo_does_it_again() {
    let app = an_app_with_a_project().await;
    bump(&app, "act-1", 30).await;
    undo(&app, "/api/agent/actions/act-1", json!({})).await;
    let head = app.ledger_head().await;

    let again = app.post("/api/agent/actions/act-1/undo").send().await;

    assert_eq!((again.status.as_u16(), &again.body["message"]), (200, &json!("action exists")));
    assert_eq!(again.body["data"]["changed"], false);
    assert_eq!(app.ledger_head().await, head);

    let redone = undo(&app, "/api/agent/actions/act-1.undo", json!({ "id": "redo" })).await;

    assert_eq!(redone.body["data"]["project"]["progress"], 40, "{}", redone.text);
    let third = undo(&app, "/api/agent/actions/redo", json!({})).await;
    assert_eq!(third.body["data"]["project"]["progress"], 10, "{}", third.text);
    let other = undo(&app, "/api/agent/actions/act-1", json!({ "id": "redo" })).await;
    assert_eq!(refusal(&other), (409, "id_taken"));
}

#[tokio::test]
async fn an_event_that_looks_like_an_undo_is_none() {
    let app = an_app_with_a_project().await;
    bump(&app, "act-1", 30).await;
    let seq = app.ledger_head().await.0 - 1;
    let data = json!({ "action": { "type": "undo", "params": { "seq": seq } } });
    app.an_event(json!({ "id": "act-1.undo", "type": "action.undo", "data": data })).await;

    let answer = undo(&app, "/api/agent/actions/act-1", json!({})).await;

    assert_eq!(refusal(&answer), (409, "id_taken"));
    let other = undo(&app, "/api/agent/actions/act-1", json!({ "id": "u" })).await;
    assert_eq!(other.body["data"]["project"]["progress"], 10, "{}", other.text);
    let of_event = undo(&app, "/api/agent/actions/act-1.undo", json!({})).await;
    assert_eq!(refusal(&of_event), (409, "not_an_action"));
}

#[tokio::test]
async fn what_was_changed_since_is_not_undone_but_named() {
    let app = an_app_with_a_project().await;
    bump(&app, "act-1", 30).await;
    let cookie = app.sign_in("admin", "admin").await;
    let patch = json!({ "progress": 50 });
    app.patch("/api/projects/p").with_cookie(&cookie).json(&patch).send().await;
    let head = app.ledger_head().await;

    let answer = undo(&app, "/api/agent/actions/act-1", json!({})).await;

    assert_eq!(refusal(&answer), (409, "changed_since"));
    assert_eq!(app.ledger_head().await, head);
    let data = &answer.body["data"];
    assert_eq!(data["current"], app.data("/api/projects/p").await);
    let since = data["changedSince"].as_array().unwrap();
    assert_eq!(since.len(), 1);
    assert_eq!(
        (&since[0]["field"], &since[0]["given"], &since[0]["now"], &since[0]["seq"]),
        (&json!("progress"), &json!(40), &json!(50), &json!(head.0))
    );
    assert_eq!(
        (&since[0]["by"]["kind"], &since[0]["by"]["name"]),
        (&json!("person"), &json!("admin"))
    );
}

#[tokio::test]
async fn an_undo_is_refused_where_there_is_nothing_to_undo_or_the_version_is_another() {
    let app = an_app_with_a_project().await;
    act(&app, json!({ "id": "note", "type": "append_note", "params": { "note": "n" } })).await;
    let only =
        json!({ "id": "only", "type": "add_tag", "params": { "tag": "t" }, "recordOnly": true });
    act(&app, only).await;
    act(&app, json!({ "id": "same", "type": "add_tag", "params": { "tag": "a" } })).await;
    bump(&app, "act-1", 1).await;
    app.an_event(json!({ "id": "evt-1" })).await;
    let touched = change(&app, json!({})).await;

    for (path, expected) in [
        ("/api/agent/actions/note".to_owned(), (409, "nothing_to_undo")),
        ("/api/agent/actions/only".to_owned(), (409, "nothing_to_undo")),
        ("/api/agent/actions/same".to_owned(), (409, "nothing_to_undo")),
        ("/api/agent/actions/evt-1".to_owned(), (409, "not_an_action")),
        ("/api/agent/actions/p".to_owned(), (404, "not_found")),
        (format!("/api/projects/p/history/{touched}"), (409, "nothing_to_undo")),
        (format!("/api/projects/q/history/{touched}"), (404, "not_found")),
        ("/api/projects/p/history/1".to_owned(), (404, "not_found")),
        ("/api/projects/p/history/999999".to_owned(), (404, "not_found")),
        ("/api/projects/p/history/x".to_owned(), (400, "invalid_field")),
        ("/api/projects/p/history/-1".to_owned(), (400, "invalid_field")),
    ] {
        assert_eq!(refusal(&undo(&app, &path, json!({})).await), expected, "{path}");
    }
    let stale = undo(&app, "/api/agent/actions/act-1", json!({ "ifUpdatedAt": "another" })).await;
    assert_eq!(refusal(&stale), (409, "version_mismatch"));
    let creation = app.data("/api/projects/p/history").await;
    let seq = creation.as_array().unwrap().last().unwrap()["seq"].clone();
    let created = undo(&app, &format!("/api/projects/p/history/{seq}"), json!({})).await;
    assert_eq!(refusal(&created), (409, "not_undoable"));
}

#[tokio::test]
async fn a_change_is_undone_by_its_place_and_one_by_an_action_is_the_same_undo() {
    let app = an_app_with_a_project().await;
    let seq = change(&app, json!({ "name": "Gemini", "custom": { "a": [1, null] } })).await;
    bump(&app, "act-1", 30).await;
    let of_action = app.ledger_head().await.0 - 1;

    let answer = undo(&app, &format!("/api/projects/p/history/{seq}"), json!({})).await;
    let first = undo(&app, &format!("/api/projects/p/history/{of_action}"), json!({})).await;
    let second = undo(&app, "/api/agent/actions/act-1", json!({})).await;

    let project = &answer.body["data"]["project"];
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(project["name"], "Apollo");
    assert!(project.get("custom").is_none(), "{project}");
    assert_eq!(answer.body["data"]["id"], format!("change-{seq}.undo"));
    assert_eq!(first.body["data"]["id"], "act-1.undo");
    assert_eq!(second.body["message"], "action exists");
    assert_eq!(app.data("/api/projects/p").await["progress"], 10);
}

#[tokio::test]
async fn a_decision_about_a_proposal_can_be_undone() {
    let app = an_app_with_a_project().await;
    let cookie = app.sign_in("admin", "admin").await;
    let proposal = json!({
        "id": "prop-1", "projectId": "p", "type": "update_milestone", "payload": { "name": "M1" },
        "status": "pending_review",
    });
    app.post("/api/agent/actions").json(&proposal).send().await;
    let decision = json!({ "reason": "agreed" });
    let path = "/api/agent/proposals/prop-1/accept";
    app.post(path).with_cookie(&cookie).json(&decision).send().await;

    let newest = history(&app, "?limit=1").await.body["data"][0].clone();
    let answer = undo(&app, "/api/agent/actions/prop-1.decision", json!({})).await;

    assert_eq!(newest["action"]["type"], "update_milestone");
    assert_eq!((&newest["reason"], &newest["actor"]["name"]), (&json!("agreed"), &json!("admin")));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.body["data"]["project"].get("milestones").is_none());
    let proposal = undo(&app, "/api/agent/actions/prop-1", json!({})).await;
    assert_eq!(refusal(&proposal), (409, "not_an_action"));
}

#[tokio::test]
async fn a_project_is_read_as_it_was_at_a_place_and_at_a_time() {
    let app = an_app_with_a_project().await;
    let created = app.ledger_head().await.0;
    let first = app.data("/api/projects/p").await;
    change(&app, json!({ "progress": 20, "budget": 500 })).await;
    app.clock.turn(TimeDelta::seconds(1));
    app.delete("/api/projects/p").send().await;
    let deleted = app.ledger_head().await.0;

    let at = |at: &str| app.get(&format!("/api/projects/p?at={at}"));
    let then = at(&created.to_string()).send().await;
    let before = at(&(deleted - 1).to_string()).send().await;

    assert_eq!(then.body["data"], first, "{}", then.text);
    assert_eq!(then.body["at"], json!({ "seq": created, "ts": "2026-02-11T15:00:00.000000Z" }));
    assert_eq!(before.body["data"]["budget"], json!(500.0));
    for time in ["2026-02-11T15:00:00Z", "2026-02-11T15:00:00.5", "2026-02-11T23:00+08:00"] {
        assert_eq!(at(time).send().await.body["data"], first, "{time}");
    }
    for (place, expected) in [
        ("0", (404, "not_found")),
        ("2026-02-10", (404, "not_found")),
        ("2026-02-12", (404, "not_found")),
        (&deleted.to_string(), (404, "not_found")),
        (&(deleted + 1).to_string(), (400, "invalid_field")),
        ("99999999999999999999", (400, "invalid_field")),
        ("soon", (400, "invalid_time")),
        ("-1", (400, "invalid_time")),
    ] {
        assert_eq!(refusal(&at(place).send().await), expected, "{place}");
    }
    let unknown = app.get("/api/projects/nobody?at=1").send().await;
    assert_eq!(refusal(&unknown), (404, "not_found"));
}

#[tokio::test]
async fn the_history_tells_who_did_what_and_why_and_what_can_be_undone() {
    let app = an_app_with_a_project().await;
    change(&app, json!({ "progress": 20 })).await;
    bump(&app, "act-1", 30).await;
    undo(&app, "/api/agent/actions/act-1", json!({ "reason": "too early" })).await;

    let answer = history(&app, "").await;

    let changes = answer.body["data"].as_array().unwrap();
    assert_eq!((&answer.body["total"], &answer.body["nextBefore"]), (&json!(4), &Value::Null));
    let told: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change["operation"].as_str().unwrap(),
                change["action"]["id"].as_str(),
                change["reason"].as_str(),
                change["after"]["progress"].as_i64().unwrap(),
                change["undoable"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("project.updated", Some("act-1.undo"), Some("too early"), 20, true),
            ("project.updated", Some("act-1"), Some("tests"), 50, false),
            ("project.updated", None, None, 20, true),
            ("project.created", None, None, 10, false),
        ]
    );
    let action = json!({ "id": "act-1", "type": "bump_progress", "agentId": "ada", "runId": "r" });
    assert_eq!(changes[1]["action"], action);
    assert_eq!(changes[1]["before"]["progress"], 20);
    assert_eq!(changes[0]["actor"], json!({ "kind": "anybody", "id": null, "name": null }));
    assert!(changes.iter().all(|change| change["requestId"].is_string()));
    assert_eq!(changes[3]["before"], Value::Null);

    app.delete("/api/projects/p").send().await;

    let gone = history(&app, "?limit=2").await;
    assert_eq!(gone.body["data"][0]["operation"], "project.deleted");
    assert_eq!(gone.body["data"][0]["after"], Value::Null);
    assert_eq!(gone.body["data"][0]["before"]["progress"], 20);
    assert_eq!(gone.body["data"][1]["undoable"], false);
    let unknown = app.get("/api/projects/nobody/history").send().await;
    assert_eq!(refusal(&unknown), (404, "not_found"));
}

#[tokio::test]
async fn a_long_history_is_read_page_by_page_to_its_beginning() {
    let app = an_app_with_a_project().await;
    for batch in 0..6 {
        let op = |turn| json!({ "id": "p", "patch": { "x": batch * 200 + turn } });
        let ops: Vec<Value> = (0..200).map(op).collect();
        app.post("/api/projects/batch").json(&json!({ "ops": ops })).send().await;
    }

    let mut seen = Vec::new();
    let mut query = "?limit=170".to_owned();
    loop {
        let page = history(&app, &query).await;
        let changes = page.body["data"].as_array().unwrap();
        seen.extend(changes.iter().map(|change| change["seq"].as_i64().unwrap()));
        // What is written meanwhile moves no page.
        change(&app, json!({ "y": seen.len() })).await;
        match page.body["nextBefore"].as_i64() {
            Some(before) => query = format!("?limit=170&before={before}"),
            None => break,
        }
    }

    assert_eq!(seen.len(), 1_201);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1] + 1), "newest first, without gaps");
    for query in ["before=x", "before=-1", "before=1.5"] {
        let answer = app.get(&format!("/api/projects/p/history?{query}")).send().await;
        assert_eq!(refusal(&answer), (400, "invalid_field"), "{query}");
    }
    assert_eq!(history(&app, "?before=1").await.body["data"], json!([]));
}

#[tokio::test]
async fn large_changes_come_in_smaller_pages() {
    let app = an_app_with_a_project().await;
    for turn in 0..4 {
        change(&app, json!({ "notes": format!("{turn}").repeat(3 << 20) })).await;
    }

    let mut totals = Vec::new();
    let mut query = String::new();
    while totals.len() < 5 {
        let page = history(&app, &query).await;
        totals.push(page.body["total"].as_u64().unwrap());
        match page.body["nextBefore"].as_i64() {
            Some(before) => query = format!("?before={before}"),
            None => break,
        }
    }

    assert_eq!(totals, [2, 2, 1]);
}

#[tokio::test]
async fn projects_of_an_adopted_database_are_known_from_the_adoption_on() {
    let app = TestApp::builder().on_copy_of(Path::new(ADOPTED)).start().await;
    let projects = app.data("/api/projects").await;
    for project in projects.as_array().unwrap() {
        let one = format!("/api/projects/{}", project["id"].as_str().unwrap());
        let none = app.data(&format!("{one}/history")).await;
        app.patch(&one).json(&json!({ "name": "changed", "x": { "y": null } })).send().await;

        let then = app.get(&format!("{one}?at=1")).send().await;
        let before = app.get(&format!("{one}?at=0")).send().await;
        let long_ago = app.get(&format!("{one}?at=2001-01-01")).send().await;
        let changes = app.data(&format!("{one}/history")).await;
        let undone = undo(&app, &format!("{one}/history/{}", changes[0]["seq"]), json!({})).await;

        assert_eq!(none, json!([]));
        assert_eq!(then.body["data"], *project, "{}", then.text);
        assert_eq!(then.body["at"]["seq"], 1);
        assert_eq!(refusal(&before), (404, "unrecorded"));
        assert_eq!(refusal(&long_ago), (404, "unrecorded"));
        assert_eq!(changes.as_array().unwrap().len(), 1);
        assert_eq!(undone.body["data"]["project"]["name"], project["name"], "{}", undone.text);
        assert!(undone.body["data"]["project"].get("x").is_none());
    }
    let events = app.data("/api/agent/events?limit=2000").await;
    let action = events
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("action.")));
    let id = action.expect("the fixture has an action")["id"].as_str().unwrap();
    let old = undo(&app, &format!("/api/agent/actions/{id}"), json!({})).await;
    assert_eq!(refusal(&old), (409, "not_undoable"));
}
