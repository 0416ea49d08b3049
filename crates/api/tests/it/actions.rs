//! Semantic actions: each applied once, with its event and its ledger line, or not at all.

use chrono::TimeDelta;
use futures_util::future::join_all;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

const ACTIONS: &str = "/api/agent/actions";

async fn act(app: &TestApp, body: Value) -> Answer {
    app.post(ACTIONS).json(&body).send().await
}

/// Sends one action on project `p` and returns its result.
async fn result(app: &TestApp, action: Value) -> Value {
    let answer = act(app, json!({ "projectId": "p", "actions": [action] })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["data"]["results"][0].clone()
}

async fn event(app: &TestApp, id: &str) -> Option<Value> {
    let events = app.data("/api/agent/events?limit=2000").await;
    events.as_array().unwrap().iter().find(|event| event["id"] == id).cloned()
}

async fn an_app_with_a_project() -> TestApp {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let fields = json!({
        "id": "p", "status": "planning", "priority": "medium", "progress": 10, "tags": ["a", "b", "a"], "notes": "old ",
    });
    app.a_project(fields).await;
    app
}

/// Each type with parameters, the field that it changes, the value which that field then has, and what the event says.
fn effects() -> Vec<(&'static str, Value, &'static str, Value, &'static str)> {
    vec![
        (
            "set_status",
            json!({ "status": " paused " }),
            "status",
            json!("paused"),
            "set status -> paused",
        ),
        (
            "set_priority",
            json!({ "priority": "urgent" }),
            "priority",
            json!("urgent"),
            "set priority -> urgent",
        ),
        ("set_progress", json!({ "progress": "55" }), "progress", json!(55), "set progress -> 55%"),
        ("set_progress", json!({ "progress": 55.9 }), "progress", json!(55), "set progress -> 55%"),
        (
            "set_progress",
            json!({ "progress": 150 }),
            "progress",
            json!(100),
            "set progress -> 100%",
        ),
        (
            "bump_progress",
            json!({ "delta": 5.9, "reason": "r" }),
            "progress",
            json!(15),
            "bump progress 5 -> 15%",
        ),
        (
            "bump_progress",
            json!({ "delta": "-50" }),
            "progress",
            json!(0),
            "bump progress -50 -> 0%",
        ),
        (
            "bump_progress",
            json!({ "delta": 1_000 }),
            "progress",
            json!(100),
            "bump progress 1000 -> 100%",
        ),
        ("append_note", json!({ "note": " done " }), "notes", json!("old "), "done"),
        (
            "append_note",
            json!({ "note": "done", "alsoWriteToProjectNotes": true }),
            "notes",
            json!("old\n[2026-02-11 15:00] (ada) done"),
            "done",
        ),
        (
            "append_note",
            json!({ "note": "done", "alsoWriteToProjectNotes": "false" }),
            "notes",
            json!("old "),
            "done",
        ),
        ("add_tag", json!({ "tag": " c " }), "tags", json!(["a", "b", "c"]), "add tag: c"),
        ("remove_tag", json!({ "tag": "a" }), "tags", json!(["b"]), "remove tag: a"),
    ]
}

#[tokio::test]
async fn each_type_changes_its_field_and_says_so_in_its_event() {
    for (kind, params, field, value, message) in effects() {
        let app = an_app_with_a_project().await;
        app.clock.turn(TimeDelta::seconds(5));
        let action = json!({ "id": "act-1", "type": kind, "params": params });

        let answer = act(
            &app,
            json!({ "projectId": "p", "agentId": "ada", "runId": "r", "actions": [action] }),
        )
        .await;

        let data = &answer.body["data"];
        let result = &data["results"][0];
        let project = app.data("/api/projects/p").await;
        let changed = kind != "append_note" || value != "old ";
        assert_eq!((answer.status.as_u16(), &project[field]), (200, &value), "{kind} {params}");
        assert_eq!(
            *data,
            json!({ "results": [result], "changed": changed, "lastUpdated": project["updatedAt"] })
        );
        let event = event(&app, "act-1").await.unwrap();
        let expected = json!({
            "id": "act-1", "success": true, "status": 200, "projectId": "p", "changed": changed, "project": project,
            "event": event,
        });
        assert_eq!(*result, expected);
        assert_eq!(
            ["type", "level", "title", "message", "projectId", "runId", "agentId"]
                .map(|key| event[key].as_str().unwrap()),
            [&format!("action.{kind}"), "info", kind, message, "p", "r", "ada"]
        );
        let shown = |key: &str| {
            if key == field { value.clone() } else { event["data"]["before"][key].clone() }
        };
        let expected = json!({
            "action": { "type": kind, "params": params, "recordOnly": false, "ifUpdatedAt": null },
            "before": { "status": "planning", "priority": "medium", "progress": 10, "tags": ["a", "b", "a"] },
            "after": {
                "status": shown("status"), "priority": shown("priority"), "progress": shown("progress"),
                "tags": shown("tags"),
            },
            "projectUpdatedAt": project["updatedAt"],
        });
        assert_eq!(event["data"], expected, "{kind}");
    }
}

#[tokio::test]
async fn an_action_that_changes_nothing_is_recorded_and_leaves_the_project_alone() {
    let app = an_app_with_a_project().await;
    let before = app.data("/api/projects/p").await;
    app.clock.turn(TimeDelta::seconds(5));

    for (n, (kind, params)) in [
        ("set_status", json!({ "status": "planning" })),
        ("set_priority", json!({ "priority": "medium" })),
        ("set_progress", json!({ "progress": 10 })),
        ("bump_progress", json!({ "delta": 0 })),
        ("add_tag", json!({ "tag": "a" })),
        ("remove_tag", json!({ "tag": "z" })),
        ("append_note", json!({ "note": "n" })),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("act-{n}");
        let result = result(&app, json!({ "id": id, "type": kind, "params": params })).await;

        assert_eq!((&result["changed"], &result["project"]), (&json!(false), &before), "{kind}");
        assert_eq!(event(&app, &id).await.as_ref(), Some(&result["event"]), "{kind}");
    }
    assert_eq!(app.data("/api/projects/p").await, before);
    assert_eq!(app.data("/api/meta").await["dataLastUpdated"], before["updatedAt"]);
}

#[tokio::test]
async fn an_action_that_is_recorded_only_shows_what_would_have_been() {
    for (flag, recorded_only) in [
        (json!(true), true),
        (json!("yes"), true),
        (json!("false"), false),
        (json!("0"), false),
        (json!(null), false),
    ] {
        let app = an_app_with_a_project().await;
        let action = json!({ "id": "x", "type": "set_progress", "params": { "progress": 50 }, "recordOnly": flag });

        let result = result(&app, action).await;

        let progress = if recorded_only { 10 } else { 50 };
        assert_eq!(app.data("/api/projects/p").await["progress"], progress, "{flag}");
        assert_eq!(result["changed"], !recorded_only, "{flag}");
        let data = &result["event"]["data"];
        assert_eq!(
            (&data["action"]["recordOnly"], &data["after"]["progress"]),
            (&json!(recorded_only), &json!(50))
        );
    }
}

#[tokio::test]
async fn a_repeated_action_answers_what_was_done_before() {
    let app = an_app_with_a_project().await;
    let bump = json!({ "id": " x ", "type": "bump_progress", "params": { "delta": 5 } });
    let first = result(&app, bump.clone()).await;
    app.patch("/api/projects/p").json(&json!({ "status": "paused" })).send().await;

    let answer = act(&app, json!({ "projectId": "p", "actions": [bump] })).await;
    let elsewhere =
        act(&app, json!({ "projectId": "gone", "actions": [{ "id": "x", "type": "nonsense" }] }))
            .await;
    let nowhere = act(&app, json!({ "actions": [{ "id": "x" }] })).await;

    let project = app.data("/api/projects/p").await;
    assert_eq!(project["progress"], 15);
    let repeated = |project_id: &str, project: &Value| {
        json!({
            "id": "x", "success": true, "status": 200, "projectId": project_id, "event": first["event"],
            "project": project, "message": "action exists",
        })
    };
    assert_eq!(answer.body["data"]["results"], json!([repeated("p", &project)]));
    assert_eq!(answer.body["data"]["changed"], false);
    assert_eq!(elsewhere.body["data"]["results"][0]["message"], "action exists");
    assert_eq!(nowhere.body["data"]["results"], json!([repeated("p", &project)]));
}

#[tokio::test]
async fn an_id_that_is_another_events_is_a_conflict() {
    let app = an_app_with_a_project().await;
    app.an_event(json!({ "id": "evt-1", "type": "note" })).await;

    let result =
        result(&app, json!({ "id": "evt-1", "type": "bump_progress", "params": { "delta": 1 } }))
            .await;

    assert_eq!(
        (&result["id"], &result["success"], &result["status"]),
        (&json!("evt-1"), &json!(false), &json!(409))
    );
    assert_eq!((&result["projectId"], result["error"].is_string()), (&json!("p"), true));
    assert_eq!(app.data("/api/projects/p").await["progress"], 10);
}

#[tokio::test]
async fn an_action_on_a_project_that_there_is_not_is_a_404_of_its_own() {
    let app = TestApp::start().await;

    let result = result(&app, json!({ "id": "x", "type": "nonsense" })).await;

    let expected = json!({ "id": "x", "success": false, "status": 404, "projectId": "p", "error": "Project not found: p" });
    assert_eq!(result, expected);
    assert_eq!(event(&app, "x").await, None);
}

#[tokio::test]
async fn an_action_on_another_version_is_a_conflict_and_its_id_stays_free() {
    let app = an_app_with_a_project().await;
    let version = app.data("/api/projects/p").await["updatedAt"].clone();
    let bump = |seen: Value| json!({ "id": "x", "type": "bump_progress", "params": { "delta": 1 }, "ifUpdatedAt": seen });

    let stale = result(&app, bump(json!("2026-02-11T15:00:00Z"))).await;
    let nonsense =
        result(&app, json!({ "id": "x", "type": "nonsense", "ifUpdatedAt": "old" })).await;
    let none = event(&app, "x").await;
    let fresh = result(&app, bump(version.clone())).await;

    let expected = json!({
        "id": "x", "success": false, "status": 409, "projectId": "p", "error": "Conflict: updatedAt mismatch",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(stale[key], *value);
    }
    assert_eq!(stale["data"]["expectedUpdatedAt"], "2026-02-11T15:00:00Z");
    assert_eq!(stale["data"]["actualUpdatedAt"], version);
    assert_eq!((&nonsense["status"], none), (&json!(409), None));
    assert_eq!((&fresh["status"], &fresh["changed"]), (&json!(200), &json!(true)));
    assert_eq!(fresh["event"]["data"]["action"]["ifUpdatedAt"], version);
}

#[tokio::test]
async fn an_invalid_action_is_shown_with_its_id_and_what_is_wrong() {
    let app = an_app_with_a_project().await;
    for (action, says) in [
        (json!({ "id": "x" }), "type"),
        (json!({ "id": "x", "type": "explode" }), "type"),
        (json!({ "id": "x", "type": "set_status", "params": { "status": "done" } }), "status"),
        (json!({ "id": "x", "type": "set_priority", "params": {} }), "priority"),
        (
            json!({ "id": "x", "type": "set_progress", "params": { "progress": "half" } }),
            "progress",
        ),
        (json!({ "id": "x", "type": "set_progress" }), "progress"),
        (
            json!({ "id": "x", "type": "bump_progress", "params": { "delta": null } }),
            "delta must be an integer",
        ),
        (json!({ "id": "x", "type": "append_note", "params": { "note": " " } }), "note"),
        (json!({ "id": "x", "type": "add_tag", "params": { "tag": {} } }), "tag"),
        (json!({ "id": "x", "type": "remove_tag", "params": [] }), "params"),
        (
            json!({ "id": "x", "type": "add_tag", "params": { "tag": "t" }, "recordOnly": "perhaps" }),
            "recordOnly",
        ),
        (
            json!({ "id": "x", "projectId": 5, "type": "add_tag", "params": { "tag": "t" } }),
            "projectId",
        ),
    ] {
        let result = result(&app, action.clone()).await;

        let error = result["error"].as_str().unwrap();
        let expected =
            json!({ "id": "x", "success": false, "status": 400, "error": error, "action": action });
        assert!(error.contains(says), "{error}");
        assert_eq!(result, expected);
    }
    let no_object = result(&app, json!("bump")).await;
    assert_eq!((&no_object["status"], &no_object["action"]), (&json!(400), &json!("bump")));
    let minted = result(&app, json!({ "type": "explode" })).await;
    assert!(minted["id"].as_str().unwrap().starts_with("act-"));
    assert_eq!(event(&app, "x").await, None);
}

#[tokio::test]
async fn items_run_in_order_and_one_that_fails_does_not_stop_the_rest() {
    let app = an_app_with_a_project().await;
    app.a_project(json!({ "id": "q" })).await;
    let bump = |id: &str, delta: i64| json!({ "id": id, "type": "bump_progress", "params": { "delta": delta } });
    let mut elsewhere = bump("e", 3);
    elsewhere["projectId"] = json!("q");

    let actions = json!([
        bump("a", 80), 5, { "id": "b", "type": "explode" }, bump("c", 80), bump("a", 1), bump("d", -30), elsewhere
    ]);
    let answer = act(&app, json!({ "projectId": "p", "actions": actions })).await;

    let results = answer.body["data"]["results"].as_array().unwrap();
    let statuses: Vec<_> =
        results.iter().map(|result| result["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [200, 400, 400, 200, 200, 200, 200]);
    let after = |n: usize| &results[n]["event"]["data"]["after"]["progress"];
    assert_eq!(
        [after(0), after(3), after(5), after(6)],
        [90, 100, 70, 3].map(|n| json!(n)).each_ref()
    );
    assert_eq!(results[4]["message"], "action exists");
    assert_eq!(answer.body["data"]["changed"], true);
    assert_eq!(app.data("/api/projects/p").await["progress"], 70);
}

#[tokio::test]
async fn one_action_may_be_the_whole_body() {
    let app = an_app_with_a_project().await;

    let named = act(
        &app,
        json!({ "id": "x", "projectId": "p", "runId": "r", "agentId": "ada", "action": "append_note",
                "params": { "note": "kept" } }),
    )
    .await;
    let typed = act(
        &app,
        json!({ "id": "y", "projectId": "p", "type": "append_note", "params": { "note": "not kept" } }),
    )
    .await;
    let flagged = act(
        &app,
        json!({ "id": "z", "projectId": "p", "action": "append_note",
                "params": { "note": "not kept", "alsoWriteToProjectNotes": false } }),
    )
    .await;

    for answer in [&named, &typed, &flagged] {
        let data = &answer.body["data"];
        assert_eq!(answer.status, 200);
        assert_eq!(data["results"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&data["project"], &data["event"]),
            (&data["results"][0]["project"], &data["results"][0]["event"])
        );
    }
    assert_eq!(named.body["data"]["event"]["runId"], "r");
    assert_eq!(app.data("/api/projects/p").await["notes"], "old\n[2026-02-11 15:00] (ada) kept");
}

#[tokio::test]
async fn a_body_without_actions_is_refused() {
    let app = an_app_with_a_project().await;

    for body in [
        json!({}),
        json!({ "actions": [] }),
        json!({ "actions": null }),
        json!({ "actions": { "type": "add_tag" } }),
        json!({ "type": "add_tag" }),
    ] {
        let answer = act(&app, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.body["error"], "actions must be a non-empty array", "{body}");
    }
    for body in ["", "{", "[]", "5"] {
        assert_eq!(app.post(ACTIONS).raw_json(body).send().await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn one_action_sent_32_times_at_once_is_applied_once() {
    let app = an_app_with_a_project().await;
    let body = json!({
        "projectId": "p", "actions": [{ "id": "x", "type": "bump_progress", "params": { "delta": 1 } }],
    });

    let answers = join_all((0..32).map(|_| app.post(ACTIONS).json(&body).send())).await;

    let results: Vec<_> = answers.iter().map(|answer| &answer.body["data"]["results"][0]).collect();
    assert_eq!(results.iter().filter(|result| result["changed"] == true).count(), 1);
    assert_eq!(results.iter().filter(|result| result["message"] == "action exists").count(), 31);
    assert!(results.iter().all(|result| result["event"] == results[0]["event"]));
    assert_eq!(app.data("/api/projects/p").await["progress"], 11);
}

#[tokio::test]
async fn bumps_of_32_clients_at_once_are_all_counted() {
    let app = an_app_with_a_project().await;
    let body = json!({ "projectId": "p", "actions": [{ "type": "bump_progress", "params": { "delta": 1 } }] });

    let answers = join_all((0..32).map(|_| app.post(ACTIONS).json(&body).send())).await;

    assert!(answers.iter().all(|answer| answer.body["data"]["changed"] == true));
    assert_eq!(app.data("/api/projects/p").await["progress"], 42);
}

#[tokio::test]
async fn project_event_and_ledger_lines_come_together() {
    let app = an_app_with_a_project().await;
    let cookie = app.sign_in("admin", "admin").await;
    let seq =
        app.get("/api/ledger?limit=1").with_cookie(&cookie).send().await.body["lastSeq"].clone();

    let body = json!({
        "projectId": "p", "runId": "r",
        "actions": [{ "id": "x", "type": "bump_progress", "params": { "delta": 1 } }, { "id": "y", "type": "explode" }],
    });
    let answer = act(&app, body).await;

    let lines = app.get(&format!("/api/ledger?since={seq}")).with_cookie(&cookie).send().await;
    let lines = lines.body["data"].as_array().unwrap();
    let operations: Vec<_> = lines
        .iter()
        .map(|line| (line["operation"].as_str().unwrap(), line["subjectId"].as_str().unwrap()))
        .collect();
    assert_eq!(operations, [("project.updated", "p"), ("action.applied", "x")]);
    assert_eq!(lines[0]["change"]["after"]["progress"], 11);
    for line in lines {
        assert_eq!(line["requestId"].as_str(), answer.header("x-request-id"));
        assert_eq!(line["projectId"], "p");
    }
}

#[tokio::test]
async fn an_action_in_a_session_belongs_to_the_run_of_that_session() {
    let app = an_app_with_a_project().await;
    app.a_run(json!({ "id": "run-1", "sessionId": "ses_1", "projectId": "p" })).await;
    let bump = json!({ "id": "x", "type": "bump_progress", "params": { "delta": 1 } });

    act(&app, json!({ "projectId": "p", "runId": "ses_1", "actions": [bump] })).await;

    let events = app.data("/api/agent/events?runId=run-1").await;
    assert_eq!((&events[0]["id"], &events[0]["runId"]), (&json!("x"), &json!("run-1")));
}
