//! Odd values in known fields: refused by name, or brought into form.

use std::collections::BTreeSet;

use pilotdeck_testkit::TestApp;
use serde_json::{Value, json};

use crate::input::{
    assert_failure, assert_readable, assert_sound, furnished, shortened, with_body,
};

/// Every operation with a body, a body that it accepts, and the fields to spoil.
const SPOILED: &[(&str, &str, &str, &str)] = &[
    (
        "POST",
        "/api/projects",
        r#"{"name": "Apollo"}"#,
        "id name status priority category progress description notes tags cost revenue \
         budget actualCost actual_cost createdAt updatedAt ifUpdatedAt orders",
    ),
    (
        "PATCH",
        "/api/projects/x",
        "{}",
        "id name status category progress notes tags cost budget createdAt updatedAt ifUpdatedAt",
    ),
    ("PUT", "/api/projects/x", "{}", "name revenue actualCost ifUpdatedAt other"),
    (
        "POST",
        "/api/projects/x/members",
        r#"{"username": "admin", "role": "viewer"}"#,
        "userId username role",
    ),
    ("PATCH", "/api/projects/x/members/x", r#"{"role": "viewer"}"#, "role"),
    ("POST", "/api/projects/reorder", r#"{"ids": ["x"]}"#, "ids"),
    ("POST", "/api/projects/batch", r#"{"ops": []}"#, "ops"),
    (
        "POST",
        "/api/projects/batch",
        r#"{"ops": [{"id": "x", "patch": {}}]}"#,
        "/ops/0 /ops/0/opId /ops/0/id /ops/0/patch /ops/0/ifUpdatedAt",
    ),
    (
        "POST",
        "/api/agent/runs",
        "{}",
        "id projectId agentId agent status title summary links tags metrics meta source \
         sessionId createdAt updatedAt startedAt finishedAt usage error",
    ),
    (
        "PATCH",
        "/api/agent/runs/x",
        "{}",
        "id projectId agentId status links tags metrics meta startedAt finishedAt usage sessionId",
    ),
    (
        "POST",
        "/api/agent/events",
        "{}",
        "id type level projectId runId agentId title message data ts description \
         evidence createdBy idempotencyKey",
    ),
    (
        "POST",
        "/api/agent/actions",
        r#"{"projectId": "x", "actions": [{"type": "set_status", "params": {"status": "paused"}}]}"#,
        "actions agentId runId projectId /actions/0 /actions/0/id /actions/0/type \
         /actions/0/params /actions/0/projectId /actions/0/recordOnly /actions/0/ifUpdatedAt /actions/0/params/status",
    ),
    (
        "POST",
        "/api/agent/actions",
        r#"{"projectId": "x", "actions": [{"type": "bump_progress", "params": {"delta": 1}}]}"#,
        "/actions/0/params/delta",
    ),
    (
        "POST",
        "/api/agent/actions",
        r#"{"projectId": "x", "actions": [{"type": "append_note", "params": {"note": "n", "alsoWriteToProjectNotes": true}}]}"#,
        "/actions/0/params/note /actions/0/params/alsoWriteToProjectNotes",
    ),
    (
        "POST",
        "/api/agent/actions",
        r#"{"runId": "x", "type": "add_note", "payload": {"note": "n"}, "status": "pending_review"}"#,
        "runId type payload rationale status proposedBy idempotencyKey projectId action params id",
    ),
    (
        "POST",
        "/api/agent/profiles",
        r#"{"name": "p"}"#,
        "id name role description styleTags skills permissions meta enabled createdAt updatedAt",
    ),
    (
        "PATCH",
        "/api/agent/profiles/x",
        "{}",
        "id name role skills permissions enabled createdAt updatedAt",
    ),
    (
        "POST",
        "/api/agent/capabilities",
        r#"{"name": "c"}"#,
        "id name description promptPack skillPack constraints meta enabled createdAt updatedAt",
    ),
    ("PATCH", "/api/agent/capabilities/x", "{}", "id name promptPack skillPack enabled updatedAt"),
    (
        "POST",
        "/api/agent/usage",
        r#"{"totalTokens": 1}"#,
        "records id ts projectId runId agentId workspace sessionId model source \
         promptTokens completionTokens totalTokens cost data",
    ),
    (
        "POST",
        "/api/agent/usage",
        r#"{"records": [{}]}"#,
        "/records/0 /records/0/id /records/0/totalTokens /records/0/ts",
    ),
    ("POST", "/api/agent/actions/none/undo", "{}", "id agentId runId reason ifUpdatedAt"),
    ("POST", "/api/projects/none/history/1/undo", "{}", "id agentId runId reason ifUpdatedAt"),
    ("POST", "/api/agent/proposals/none/accept", "{}", "reason"),
    ("POST", "/api/agent/proposals/none/reject", "{}", "reason"),
    ("POST", "/api/auth/login", r#"{"username": "nobody", "password": "x"}"#, "username"),
    ("POST", "/api/auth/change-password", r#"{"newPassword": "x"}"#, "newPassword"),
    // What is missing keeps these from counting as guesses.
    ("POST", "/api/auth/second-factor", "{}", "other"),
    ("POST", "/api/auth/second-factor/confirm", "{}", "other"),
    ("POST", "/api/auth/second-factor/disable", "{}", "other"),
    ("POST", "/api/auth/second-factor/recovery-codes", "{}", "other"),
    (
        "POST",
        "/api/auth/join",
        r#"{"token": "x", "username": "ada", "password": "short"}"#,
        "token username fullName",
    ),
    (
        "POST",
        "/api/users",
        r#"{"username": "ada", "password": "short"}"#,
        "username role fullName email password",
    ),
    ("PATCH", "/api/users/x", "{}", "username role isActive fullName email"),
    (
        "POST",
        "/api/keys",
        r#"{"name": "k", "scopes": ["read"]}"#,
        "name scopes projectId expiresAt /scopes/0",
    ),
    (
        "POST",
        "/api/invitations",
        r#"{"projects": [{"projectId": "x", "role": "editor"}]}"#,
        "role fullName email projects expiresAt /projects/0 /projects/0/projectId /projects/0/role",
    ),
];

/// Values that hardly any field is made for.
fn odd_values() -> Vec<Value> {
    let whole = |digits: usize| serde_json::from_str::<Value>(&"9".repeat(digits)).unwrap();
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(-0.0),
        json!(1e308),
        json!(5e-324),
        json!(u64::MAX),
        json!(i64::MIN),
        whole(60),
        json!(""),
        json!(" \t"),
        json!("nan"),
        json!("-inf"),
        json!("1e999"),
        json!("0x10"),
        json!("9".repeat(60)),
        json!("x".repeat(256)),
        json!("深".repeat(300)),
        json!("a\u{1}b\r\n\u{7f}\u{85}"),
        json!("\u{202e}\u{feff}\u{fffd}\u{10ffff}"),
        json!("'; DROP TABLE projects; --"),
        json!("../../etc/passwd"),
        json!("2026-02-30T00:00:00Z"),
        json!("2026-13-01"),
        json!("soon"),
        json!("123456789012-01-01T00:00:00Z"),
        json!("-0001-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("0000-01-01T00:00:00+23:59"),
        json!("2016-12-31T23:59:60Z"),
        json!([]),
        json!([null, 1, "a", {}, [[]]]),
        json!({}),
        json!({ "total": "nan", "planned": {}, "a": { "b": [] } }),
        json!({ "$ref": "#", "__proto__": {}, "constructor": 1 }),
        json!(vec![json!("x"); 50]),
        deep,
    ]
}

#[test]
fn every_operation_with_a_body_is_in_the_table() {
    let spoiled: BTreeSet<(&str, String)> =
        SPOILED.iter().map(|(method, path, ..)| (*method, path.replace("/none/", "/x/"))).collect();

    for (method, _, address) in with_body() {
        assert!(spoiled.contains(&(method.as_str(), address.clone())), "{method} {address}");
    }
}

fn spoiled(body: &Value, field: &str, value: &Value) -> Value {
    let mut body = body.clone();
    if let Some(place) = field.starts_with('/').then(|| body.pointer_mut(field)).flatten() {
        *place = value.clone();
        return body;
    }
    let (parent, field) = field.rsplit_once('/').unwrap_or(("", field));
    body.pointer_mut(parent).unwrap()[field] = value.clone();
    body
}

#[tokio::test]
async fn odd_values_in_known_fields_are_refused_or_brought_into_form() {
    let (app, cookie) = furnished().await;
    let mut head = app.ledger_head().await;

    for (method, path, body, fields) in SPOILED {
        let body = serde_json::from_str(body).unwrap();
        for (field, value) in fields
            .split_whitespace()
            .flat_map(|field| odd_values().into_iter().map(move |value| (field, value)))
        {
            let what = format!("{method} {path} {field}: {}", shortened(&value.to_string()));
            // A sign-in that is refused is counted and recorded; these are not about guessing.
            if *path == "/api/auth/login"
                && value.as_str().is_some_and(|name| !name.trim().is_empty())
            {
                continue;
            }

            let request = app.request(method.parse().unwrap(), path).with_cookie(&cookie);
            let answer = request.json(&spoiled(&body, field, &value)).send().await;

            assert_sound(&answer, &what);
            if answer.status.is_success() {
                head = app.ledger_head().await;
            }
            assert_eq!(app.ledger_head().await, head, "{what}");
        }
        assert_readable(&app, &cookie, &format!("{method} {path}")).await;
    }
}

#[tokio::test]
async fn ids_that_cannot_be_ids_are_refused_and_blank_ones_count_as_none() {
    let (app, _) = furnished().await;

    for (path, body) in [
        ("/api/projects", json!({ "name": "Apollo" })),
        ("/api/agent/runs", json!({})),
        ("/api/agent/events", json!({})),
        ("/api/agent/profiles", json!({ "name": "p" })),
        ("/api/agent/capabilities", json!({ "name": "c" })),
    ] {
        for id in [
            "x".repeat(256),
            "深".repeat(256),
            "a\nb".to_owned(),
            "\u{1b}[2J".to_owned(),
            "a\u{85}b".to_owned(),
        ] {
            let before = app.ledger_head().await;

            let answer = app.post(path).json(&spoiled(&body, "id", &json!(id))).send().await;

            assert_failure(&answer, &[400], &format!("{path} {id:?}"));
            assert_eq!(answer.code(), "invalid_id", "{path} {id:?}");
            assert_eq!(app.ledger_head().await, before);
        }
        for id in [json!(""), json!("  "), json!(null)] {
            let answer = app.post(path).json(&spoiled(&body, "id", &id)).send().await;

            assert_eq!(answer.status, 201, "{path} {id}: {}", answer.text);
            assert!(answer.body["data"]["id"].as_str().unwrap().contains('-'), "{path} {id}");
        }
    }
}

#[tokio::test]
async fn what_is_no_time_is_refused_by_name() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;

    for (method, path, body, fields) in [
        (
            "POST",
            "/api/projects",
            json!({ "name": "Apollo" }),
            &["createdAt", "updatedAt"] as &[&str],
        ),
        (
            "POST",
            "/api/agent/runs",
            json!({}),
            &["createdAt", "updatedAt", "startedAt", "finishedAt"],
        ),
        ("PATCH", "/api/agent/runs/x", json!({}), &["startedAt", "finishedAt"]),
        ("POST", "/api/agent/profiles", json!({}), &["createdAt", "updatedAt"]),
        ("POST", "/api/agent/capabilities", json!({}), &["createdAt", "updatedAt"]),
    ] {
        for field in fields {
            for time in [
                "soon",
                "2026-02-30",
                "2026-02-11T25:00:00Z",
                "123456789012-01-01T00:00:00Z",
                "11/02/2026",
                "1770000000",
            ] {
                let request = app.request(method.parse().unwrap(), path).with_cookie(&cookie);

                let answer = request.json(&spoiled(&body, field, &json!(time))).send().await;

                assert_failure(&answer, &[400], &format!("{path} {field} {time}"));
                assert_eq!(answer.code(), "invalid_time", "{path} {field} {time}");
                assert_eq!(answer.body["details"][0]["field"], *field);
            }
        }
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn integers_beyond_64_bits_stay_numbers_and_exact_ones_stay_exact() {
    let app = TestApp::start().await;

    let body = format!(
        r#"{{"name":"Apollo","cost":9007199254740993,"big":{},"progress":{},"small":18446744073709551615}}"#,
        "9".repeat(60),
        "9".repeat(60)
    );
    let answer = app.post("/api/projects").raw_json(body).send().await;

    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(answer.text.contains(r#""cost":{"total":9007199254740993}"#), "{}", answer.text);
    assert!(answer.text.contains(r#""small":18446744073709551615"#), "{}", answer.text);
    assert_eq!(
        (&answer.body["data"]["progress"], &answer.body["data"]["big"]),
        (&json!(100), &json!(1e60))
    );
}
