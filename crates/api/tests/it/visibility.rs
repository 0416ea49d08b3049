//! Who may do what where: every operation about projects, asked by every kind of caller of a project of which they are
//! each kind of member; and every place where a project, or a thing of one, can be named, probed with one that the
//! caller may not see.

use std::collections::{BTreeMap, BTreeSet};

use pilotdeck_testkit::{ADMIN_TOKEN, AGENT_TOKEN, Answer, Method, TestApp};
use serde_json::{Value, json};

use crate::guard::operations;

/// The callers, in the order of the columns of [`TABLE`]: the role of a person, and what they are in the project.
/// Keys belong here, too: one column for each scope.
const CALLERS: [(&str, &str); 12] = [
    ("a stranger", ""),
    ("an agent", ""),
    ("the administrator's token", ""),
    ("admin", ""),
    ("member", ""),
    ("member", "viewer"),
    ("member", "editor"),
    ("member", "owner"),
    ("viewer", ""),
    ("viewer", "viewer"),
    ("viewer", "editor"),
    ("viewer", "owner"),
];

/// What each operation about projects answers to each caller: `+` lets them pass; 404: the project does not exist for
/// them; `-`: the same as if there were nothing. In this order, which deletes at last.
const TABLE: &[(&str, &str)] = &[
    ("GET /api/projects", "401 + 403 + - + + + - + + +"),
    ("POST /api/projects/reorder", "401 + 403 + 403 403 + + 403 403 403 403"),
    ("POST /api/projects/batch", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/projects/{id}", "401 + 403 + 404 + + + 404 + + +"),
    ("PUT /api/projects/{id}", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("PATCH /api/projects/{id}", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/projects/{id}/history", "401 + 403 + 404 + + + 404 + + +"),
    ("POST /api/projects/{id}/history/{seq}/undo", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/projects/{id}/members", "401 + 403 + 404 + + + 404 + + +"),
    ("POST /api/projects/{id}/members", "401 403 403 + 404 403 403 + 403 403 403 403"),
    ("PATCH /api/projects/{id}/members/{userId}", "401 403 403 + 404 403 403 + 403 403 403 403"),
    ("DELETE /api/projects/{id}/members/{userId}", "401 403 403 + 404 403 403 + 403 403 403 403"),
    ("GET /api/people", "401 403 403 + 403 403 403 + 403 403 403 403"),
    ("GET /api/stats", "401 + 403 + - + + + - + + +"),
    ("GET /api/stats/tokens", "401 + 403 + - + + + - + + +"),
    ("GET /api/agent/runs", "401 + 403 + - + + + - + + +"),
    ("POST /api/agent/runs", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/agent/runs/{id}", "401 + 403 + 404 + + + 404 + + +"),
    ("PATCH /api/agent/runs/{id}", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/agent/events", "401 + 403 + - + + + - + + +"),
    ("POST /api/agent/events", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("POST /api/agent/actions", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("POST /api/agent/actions/{id}/undo", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/agent/proposals", "401 + 403 + - + + + - + + +"),
    ("POST /api/agent/proposals/{id}/accept", "401 403 403 + 404 403 + + 403 403 403 403"),
    ("POST /api/agent/proposals/{id}/reject", "401 403 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/agent/usage", "401 + 403 + - + + + - + + +"),
    ("POST /api/agent/usage", "401 + 403 + 404 403 + + 403 403 403 403"),
    ("GET /api/ledger", "401 403 + + - + + + - + + +"),
    ("GET /api/stream", "401 403 + + + + + + + + + +"),
    ("POST /api/projects", "401 + 403 + + + + + 403 403 403 403"),
    ("DELETE /api/projects/{id}", "401 + 403 + 404 403 403 + 403 403 403 403"),
];

/// Operations that are about no project, whoever asks: `guard.rs` has them.
const ABOUT_NO_PROJECT: [&str; 7] = [
    "public",
    "account",
    "keys.manage",
    "catalog.read",
    "catalog.write",
    "administer",
    "ledger.prove",
];

async fn made(app: &TestApp, path: &str, body: Value) {
    let answer = app.post(path).as_agent().json(&body).send().await;
    assert!(answer.status.is_success(), "{path} {body}: {}", answer.text);
}

/// Makes the project `p-{name}` with a thing of each kind, whose ids end with the same name. Returns the place of a
/// change that can be undone.
async fn furnish(app: &TestApp, name: &str) -> i64 {
    let project = format!("p-{name}");
    made(app, "/api/projects", json!({ "id": project, "name": "Apollo" })).await;
    let run = json!({ "id": format!("r-{name}"), "projectId": project, "sessionId": format!("s-{name}") });
    made(app, "/api/agent/runs", run).await;
    let run = format!("r-{name}");
    made(app, "/api/agent/events", json!({ "id": format!("e-{name}"), "runId": run })).await;
    let usage =
        json!({ "id": format!("u-{name}"), "projectId": project, "runId": run, "totalTokens": 5 });
    made(app, "/api/agent/usage", usage).await;
    for proposal in ["yes", "no"] {
        let proposal = json!({
            "id": format!("{proposal}-{name}"), "status": "pending_review", "type": "add_note", "projectId": project,
            "payload": { "note": "n" },
        });
        made(app, "/api/agent/actions", proposal).await;
    }
    let action = json!({ "id": format!("a-{name}"), "type": "add_tag", "params": { "tag": "t" } });
    made(app, "/api/agent/actions", json!({ "projectId": project, "actions": [action] })).await;
    let path = format!("/api/projects/{project}");
    let changed = app.patch(&path).as_agent().json(&json!({ "progress": 9 })).send().await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    app.ledger_head().await.0
}

/// A request of an operation about the project `p-{name}`.
fn request(operation: &str, name: &str, seq: i64) -> (Method, String, Value) {
    let (method, pattern) = operation.split_once(' ').unwrap();
    let project = format!("p-{name}");
    let id = match pattern {
        "/api/agent/runs/{id}" => format!("r-{name}"),
        "/api/agent/actions/{id}/undo" => format!("a-{name}"),
        "/api/agent/proposals/{id}/accept" => format!("yes-{name}"),
        "/api/agent/proposals/{id}/reject" => format!("no-{name}"),
        _ => project.clone(),
    };
    let body = match operation {
        "POST /api/projects" => json!({ "name": "Another" }),
        "POST /api/projects/reorder" => json!({ "ids": [project] }),
        "POST /api/projects/batch" => {
            json!({ "ops": [{ "id": project, "patch": { "notes": "n" } }] })
        }
        "POST /api/projects/{id}/members" => json!({ "username": "new", "role": "viewer" }),
        "PATCH /api/projects/{id}/members/{userId}" => json!({ "role": "editor" }),
        "PUT /api/projects/{id}" | "PATCH /api/projects/{id}" => json!({ "notes": operation }),
        "POST /api/agent/runs" | "POST /api/agent/events" => json!({ "projectId": project }),
        "PATCH /api/agent/runs/{id}" => json!({ "title": "t" }),
        "POST /api/agent/usage" => json!({ "projectId": project, "totalTokens": 1 }),
        "POST /api/agent/actions" => {
            json!({ "projectId": project, "actions": [{ "type": "set_priority", "params": { "priority": "low" } }] })
        }
        _ => json!({}),
    };
    let query = match operation {
        "GET /api/ledger" | "GET /api/agent/runs" | "GET /api/agent/events" => "?limit=500",
        _ => "",
    };
    let path = pattern
        .replace("{id}", &id)
        .replace("{seq}", &seq.to_string())
        .replace("{userId}", "dummy");
    (method.parse().unwrap(), format!("{path}{query}"), body)
}

async fn send(
    app: &TestApp,
    (method, path, body): &(Method, String, Value),
    credential: Option<(&str, &str)>,
) -> Answer {
    let mut request = app.request(method.clone(), path).with(credential);
    if path.starts_with("/api/stream") {
        // An answer without end is not waited for: whoever may follow hears that this is no place to begin.
        request = request.header("last-event-id", "no-such-thing");
    }
    if *method == Method::GET { request } else { request.json(body) }.send().await
}

/// How an answer appears in the table.
fn verdict(answer: &Answer, operation: &str, name: &str) -> String {
    let status = answer.status.as_u16();
    // What was done to one of many has its own status.
    let of_item = answer.body.pointer("/data/results/0/status").and_then(Value::as_u64);
    let is_list = match operation {
        "POST /api/projects/reorder"
        | "GET /api/ledger"
        | "GET /api/agent/proposals"
        | "GET /api/stats"
        | "GET /api/projects" => true,
        _ => operation.starts_with("GET /api/agent/") && !operation.ends_with("{id}"),
    };
    match (status, answer.code()) {
        (200 | 201, _) => match of_item {
            Some(404) => "404".to_owned(),
            Some(403) => "403".to_owned(),
            _ if operation == "GET /api/stats" && answer.body["data"]["total"] == 0 => {
                "-".to_owned()
            }
            _ if operation == "GET /api/stats/tokens"
                && answer.body["data"]["totals"]["totalTokens"] == 0 =>
            {
                "-".to_owned()
            }
            _ if is_list
                && operation != "GET /api/stats"
                && !answer.text.contains(&format!("p-{name}\"")) =>
            {
                "-".to_owned()
            }
            _ => "+".to_owned(),
        },
        (400, _) if operation == "GET /api/stream" => "+".to_owned(),
        (401, "unauthenticated") => "401".to_owned(),
        (403, "forbidden") => "403".to_owned(),
        (404, "not_found") if answer.text.contains(" not found: ") => "404".to_owned(),
        _ => format!("?{status}{}", answer.code()),
    }
}

#[tokio::test]
async fn every_operation_about_projects_answers_every_caller_as_the_table_says() {
    let app = TestApp::builder().with_agent_token().with_admin_token().start().await;
    let admin = app.sign_in("admin", "admin").await;
    for name in ["new", "dummy"] {
        app.a_person(name, "member").await;
    }
    let (mut cookies, mut seqs) = (Vec::new(), Vec::new());
    for (place, (kind, membership)) in CALLERS.iter().enumerate() {
        let name = format!("{place:02}");
        let seq = furnish(&app, &name).await;
        let mut members = vec![("dummy", "viewer")];
        let person = format!("person-{name}");
        cookies.push(match *kind {
            "admin" => admin.clone(),
            "member" | "viewer" => {
                app.a_person(&person, kind).await;
                if !membership.is_empty() {
                    members.push((&person, membership));
                }
                app.sign_in(&person, "password").await
            }
            _ => String::new(),
        });
        for (username, role) in members {
            let path = format!("/api/projects/p-{name}/members");
            let body = json!({ "username": username, "role": role });
            let added = app.post(&path).with_cookie(&admin).json(&body).send().await;
            assert_eq!(added.status, 201, "{}", added.text);
        }
        seqs.push(seq);
    }

    let mut differences = Vec::new();
    for (operation, expected) in TABLE {
        let mut row = Vec::new();
        for (place, (kind, _)) in CALLERS.iter().enumerate() {
            let name = format!("{place:02}");
            let credential = match *kind {
                "a stranger" => None,
                "an agent" => Some(("x-pm-agent-token", AGENT_TOKEN)),
                "the administrator's token" => Some(("x-pm-token", ADMIN_TOKEN)),
                _ => Some(("cookie", cookies[place].as_str())),
            };
            let answer = send(&app, &request(operation, &name, seqs[place]), credential).await;
            row.push(verdict(&answer, operation, &name));
        }
        if row.join(" ") != *expected {
            differences.push(format!("(\"{operation}\", \"{}\"),", row.join(" ")));
        }
    }

    assert!(differences.is_empty(), "not as in the table:\n{}", differences.join("\n"));
    let table: BTreeSet<String> =
        TABLE.iter().map(|(operation, _)| (*operation).to_owned()).collect();
    let about_projects = operations().into_iter().filter_map(|(method, path, operation)| {
        let permission = operation["x-permission"].as_str().unwrap();
        let is_elsewhere = ABOUT_NO_PROJECT.contains(&permission);
        (!is_elsewhere).then(|| format!("{method} {path}"))
    });
    assert_eq!(table, about_projects.collect::<BTreeSet<_>>(), "the table lacks operations");
}

/// Where a project, or a thing of one, can be named: the operation, the parameter or field, what is asked (`@` is the
/// place of the id), and the id of a thing of the hidden project.
const PROBES: &[(&str, &str, &str, &str, &str)] = &[
    ("GET /api/projects/{id}", "id", "/api/projects/@", "", "p-hid"),
    ("GET /api/projects/{id}", "id", "/api/projects/@?at=3", "", "p-hid"),
    ("GET /api/projects/{id}", "id", "/api/projects/@?at=999999", "", "p-hid"),
    ("PUT /api/projects/{id}", "id", "/api/projects/@", r#"{"progress":1}"#, "p-hid"),
    (
        "PATCH /api/projects/{id}",
        "id",
        "/api/projects/@",
        r#"{"progress":1,"ifUpdatedAt":"2020-01-01"}"#,
        "p-hid",
    ),
    ("PATCH /api/projects/{id}", "id", "/api/projects/@", r#"{"status":{}}"#, "p-hid"),
    ("DELETE /api/projects/{id}", "id", "/api/projects/@", "{}", "p-hid"),
    (
        "POST /api/projects/reorder",
        "ids",
        "/api/projects/reorder",
        r#"{"ids":["@","p-own"]}"#,
        "p-hid",
    ),
    (
        "POST /api/projects/batch",
        "id",
        "/api/projects/batch",
        r#"{"ops":[{"id":"@","patch":{"progress":1}}]}"#,
        "p-hid",
    ),
    (
        "POST /api/projects/batch",
        "id",
        "/api/projects/batch",
        r#"{"ops":[{"id":"@","patch":{},"ifUpdatedAt":"2020-01-01"}]}"#,
        "p-hid",
    ),
    ("GET /api/projects/{id}/history", "id", "/api/projects/@/history", "", "p-hid"),
    (
        "POST /api/projects/{id}/history/{seq}/undo",
        "id",
        "/api/projects/@/history/SEQ/undo",
        "{}",
        "p-hid",
    ),
    (
        "POST /api/projects/{id}/history/{seq}/undo",
        "seq",
        "/api/projects/p-own/history/@/undo",
        "{}",
        "SEQ",
    ),
    (
        "POST /api/projects/{id}/history/{seq}/undo",
        "runId",
        "/api/projects/p-own/history/OWN/undo",
        r#"{"runId":"@"}"#,
        "r-hid",
    ),
    ("GET /api/projects/{id}/members", "id", "/api/projects/@/members", "", "p-hid"),
    (
        "POST /api/projects/{id}/members",
        "id",
        "/api/projects/@/members",
        r#"{"username":"bob","role":"viewer"}"#,
        "p-hid",
    ),
    (
        "PATCH /api/projects/{id}/members/{userId}",
        "id",
        "/api/projects/@/members/bob",
        r#"{"role":"viewer"}"#,
        "p-hid",
    ),
    (
        "PATCH /api/projects/{id}/members/{userId}",
        "userId",
        "/api/projects/p-own/members/@",
        r#"{"role":"viewer"}"#,
        "bob",
    ),
    (
        "DELETE /api/projects/{id}/members/{userId}",
        "id",
        "/api/projects/@/members/bob",
        "{}",
        "p-hid",
    ),
    (
        "DELETE /api/projects/{id}/members/{userId}",
        "id",
        "/api/projects/@/members/ada",
        "{}",
        "p-hid",
    ),
    (
        "DELETE /api/projects/{id}/members/{userId}",
        "userId",
        "/api/projects/p-own/members/@",
        "{}",
        "bob",
    ),
    ("GET /api/stats/tokens", "projectId", "/api/stats/tokens?projectId=@", "", "p-hid"),
    (
        "GET /api/stats/tokens",
        "projectId",
        "/api/stats/tokens?projectId=@&series=model",
        "",
        "p-hid",
    ),
    ("GET /api/agent/runs", "projectId", "/api/agent/runs?projectId=@", "", "p-hid"),
    ("POST /api/agent/runs", "projectId", "/api/agent/runs", r#"{"projectId":"@"}"#, "p-hid"),
    ("GET /api/agent/runs/{id}", "id", "/api/agent/runs/@", "", "r-hid"),
    ("GET /api/agent/runs/{id}", "id", "/api/agent/runs/@", "", "s-hid"),
    ("PATCH /api/agent/runs/{id}", "id", "/api/agent/runs/@", r#"{"status":"done"}"#, "r-hid"),
    ("PATCH /api/agent/runs/{id}", "id", "/api/agent/runs/@", r#"{"projectId":"p-own"}"#, "s-hid"),
    (
        "PATCH /api/agent/runs/{id}",
        "projectId",
        "/api/agent/runs/r-own",
        r#"{"projectId":"@"}"#,
        "p-hid",
    ),
    ("GET /api/agent/events", "projectId", "/api/agent/events?projectId=@", "", "p-hid"),
    ("GET /api/agent/events", "runId", "/api/agent/events?runId=@", "", "r-hid"),
    ("GET /api/agent/events", "runId", "/api/agent/events?runId=@&projectId=p-own", "", "s-hid"),
    ("POST /api/agent/events", "projectId", "/api/agent/events", r#"{"projectId":"@"}"#, "p-hid"),
    ("POST /api/agent/events", "runId", "/api/agent/events", r#"{"runId":"@"}"#, "r-hid"),
    (
        "POST /api/agent/events",
        "runId",
        "/api/agent/events",
        r#"{"runId":"@","projectId":"p-own"}"#,
        "s-hid",
    ),
    (
        "POST /api/agent/actions",
        "projectId",
        "/api/agent/actions",
        r#"{"projectId":"@","actions":[{"id":"x","type":"add_tag","params":{"tag":"t"}}]}"#,
        "p-hid",
    ),
    (
        "POST /api/agent/actions",
        "projectId",
        "/api/agent/actions",
        r#"{"actions":[{"id":"x","projectId":"@","type":"add_tag","params":{"tag":"t"},"ifUpdatedAt":"2020-01-01"}]}"#,
        "p-hid",
    ),
    (
        "POST /api/agent/actions",
        "projectId",
        "/api/agent/actions",
        r#"{"id":"x","status":"pending_review","type":"add_note","projectId":"@","payload":{"note":"n"}}"#,
        "p-hid",
    ),
    (
        "POST /api/agent/actions",
        "runId",
        "/api/agent/actions",
        r#"{"projectId":"p-own","runId":"@","actions":[{"id":"x","type":"add_tag","params":{"tag":"t"}}]}"#,
        "r-hid",
    ),
    (
        "POST /api/agent/actions",
        "runId",
        "/api/agent/actions",
        r#"{"id":"x","status":"pending_review","type":"add_note","projectId":"p-own","runId":"@","payload":{"note":"n"}}"#,
        "s-hid",
    ),
    ("POST /api/agent/actions/{id}/undo", "id", "/api/agent/actions/@/undo", "{}", "a-hid"),
    ("POST /api/agent/actions/{id}/undo", "id", "/api/agent/actions/@/undo", "{}", "e-hid"),
    (
        "POST /api/agent/actions/{id}/undo",
        "runId",
        "/api/agent/actions/a-own/undo",
        r#"{"runId":"@"}"#,
        "r-hid",
    ),
    ("GET /api/agent/proposals", "projectId", "/api/agent/proposals?projectId=@", "", "p-hid"),
    (
        "POST /api/agent/proposals/{id}/accept",
        "id",
        "/api/agent/proposals/@/accept",
        "{}",
        "yes-hid",
    ),
    (
        "POST /api/agent/proposals/{id}/reject",
        "id",
        "/api/agent/proposals/@/reject",
        "{}",
        "no-hid",
    ),
    ("POST /api/agent/proposals/{id}/reject", "id", "/api/agent/proposals/@/reject", "{}", "e-hid"),
    ("GET /api/agent/usage", "projectId", "/api/agent/usage?projectId=@", "", "p-hid"),
    (
        "POST /api/agent/usage",
        "projectId",
        "/api/agent/usage",
        r#"{"projectId":"@","totalTokens":1}"#,
        "p-hid",
    ),
    (
        "POST /api/agent/usage",
        "projectId",
        "/api/agent/usage",
        r#"{"records":[{"projectId":"@","totalTokens":1}]}"#,
        "p-hid",
    ),
    (
        "POST /api/agent/usage",
        "runId",
        "/api/agent/usage",
        r#"{"records":[{"projectId":"p-own","runId":"@","totalTokens":1}]}"#,
        "r-hid",
    ),
    (
        "POST /api/agent/usage",
        "runId",
        "/api/agent/usage",
        r#"{"projectId":"p-own","runId":"@","totalTokens":1}"#,
        "s-hid",
    ),
    ("GET /api/ledger", "projectId", "/api/ledger?projectId=@", "", "p-hid"),
    ("GET /api/ledger", "projectId", "/api/ledger?projectId=@&since=0", "", "p-hid"),
    ("GET /api/ledger", "subjectId", "/api/ledger?subjectId=@", "", "e-hid"),
    ("GET /api/ledger", "subjectId", "/api/ledger?subjectId=@&since=0", "", "u-hid"),
];

/// The names under which queries and bodies name projects, and things of them.
const NAMING: [&str; 4] = ["projectId", "runId", "subjectId", "ids"];

/// An app where `ada` owns `p-own`, and `bob` is the only member of `p-hid`. Her cookie, the administrator's, and the
/// places of a change of each.
async fn two_projects() -> (TestApp, String, String, [i64; 2]) {
    let app = TestApp::builder().with_agent_token().with_admin_token().start().await;
    let admin = app.sign_in("admin", "admin").await;
    let mut seqs = [0; 2];
    for (place, (name, person)) in [("own", "ada"), ("hid", "bob")].into_iter().enumerate() {
        seqs[place] = furnish(&app, name).await;
        app.a_person(person, "member").await;
        let path = format!("/api/projects/p-{name}/members");
        let body = json!({ "username": person, "role": "owner" });
        let added = app.post(&path).with_cookie(&admin).json(&body).send().await;
        assert_eq!(added.status, 201, "{}", added.text);
    }
    let ada = app.sign_in("ada", "password").await;
    (app, ada, admin, seqs)
}

#[tokio::test]
async fn what_one_may_not_see_answers_exactly_like_what_is_not_there() {
    let (app, ada, _, [own, hidden]) = two_projects().await;
    let credential = Some(("cookie", ada.as_str()));

    for (operation, parameter, path, body, id) in PROBES {
        let (method, _) = operation.split_once(' ').unwrap();
        let id = id.replace("SEQ", &hidden.to_string());
        let made_up =
            if id == hidden.to_string() { "987654".to_owned() } else { "made-up".to_owned() };
        let ask = |name: &str| {
            let place = |text: &str| {
                let text = text.replace("OWN", &own.to_string()).replace('@', name);
                text.replace("SEQ", &hidden.to_string())
            };
            let body = serde_json::from_str(&place(body)).unwrap_or(Value::Null);
            (method.parse::<Method>().unwrap(), place(path), body)
        };

        let before = app.ledger_head().await;
        let answered = send(&app, &ask(&id), credential).await;
        let changed = app.ledger_head().await != before;
        let other = send(&app, &ask(&made_up), credential).await;

        let what = format!("{operation} {parameter}={id}: {}", answered.text);
        assert_eq!(answered.status, other.status, "{what} / {}", other.text);
        // Times of a change to something else may differ; nothing else does.
        let essence = |answer: &Answer, id: &str| {
            let mut body = answer.body.clone();
            if let Some(fields) = body.as_object_mut() {
                for field in ["lastSeq", "lastHash"] {
                    fields.remove(field);
                }
            }
            body.to_string().replace(&format!("{id}\""), "ID\"").replace(&format!(": {id}"), ": ID")
        };
        assert_eq!(essence(&answered, &id), essence(&other, &made_up), "{what}");
        let is_order = *operation == "POST /api/projects/reorder";
        assert_eq!(changed, is_order, "{what}");
        for name in ["Apollo-hid", "p-hid"] {
            let mentioned = answered.text.replace(&id, "");
            assert!(!mentioned.contains(name), "{what}");
        }
    }
}

#[test]
fn every_place_that_names_a_thing_of_a_project_is_probed() {
    let document: Value = serde_json::from_str(&pilotdeck_api::document_text()).unwrap();
    let probed: BTreeSet<(String, String)> =
        PROBES.iter().map(|probe| (probe.0.to_owned(), probe.1.to_owned())).collect();
    let mut missing = Vec::new();
    for (method, path, operation) in operations() {
        let name = format!("{method} {path}");
        let permission = operation["x-permission"].as_str().unwrap();
        if ABOUT_NO_PROJECT.contains(&permission) {
            continue;
        }
        let mut named = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter_name = parameter["name"].as_str().unwrap_or_default();
            let is_in_path = parameter["in"] == "path";
            if is_in_path || NAMING.contains(&parameter_name) {
                named.insert(parameter_name.to_owned());
            }
        }
        fields_of(&document, &operation["requestBody"], &mut named, 0);
        // A stream does not end: what it tells has tests of its own.
        named.retain(|_| path != "/api/stream" && path != "/api/projects");
        missing.extend(
            named
                .into_iter()
                .map(|field| (name.clone(), field))
                .filter(|one| !probed.contains(one)),
        );
    }

    assert_eq!(missing, Vec::new());
}

/// The fields of a body that name a thing of a project, however deep they lie.
fn fields_of(document: &Value, schema: &Value, named: &mut BTreeSet<String>, depth: usize) {
    if depth > 12 {
        return;
    }
    match schema {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
                && let Some(schema) = document.pointer(reference.trim_start_matches('#'))
            {
                fields_of(document, schema, named, depth + 1);
            }
            for (key, value) in fields {
                if let (true, Some(properties)) = (key == "properties", value.as_object()) {
                    named.extend(
                        properties.keys().filter(|key| NAMING.contains(&key.as_str())).cloned(),
                    );
                }
                if key != "example" && key != "examples" {
                    fields_of(document, value, named, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                fields_of(document, item, named, depth + 1);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn an_id_that_a_hidden_thing_has_is_taken_and_says_no_more() {
    let (app, ada, ..) = two_projects().await;

    for (path, body) in [
        ("/api/projects", json!({ "id": "p-hid", "name": "n" })),
        ("/api/agent/runs", json!({ "id": "r-hid", "projectId": "p-own" })),
        ("/api/agent/runs", json!({ "sessionId": "s-hid", "projectId": "p-own" })),
        ("/api/agent/events", json!({ "id": "e-hid", "projectId": "p-own" })),
        ("/api/agent/usage", json!({ "id": "u-hid", "projectId": "p-own", "totalTokens": 1 })),
        (
            "/api/agent/usage",
            json!({ "sessionId": "s-hid", "projectId": "p-own", "totalTokens": 1 }),
        ),
        (
            "/api/agent/actions",
            json!({ "id": "yes-hid", "status": "pending_review", "type": "add_note", "projectId": "p-own",
                    "payload": { "note": "n" } }),
        ),
    ] {
        let before = app.ledger_head().await;
        let answer = app.post(path).with_cookie(&ada).json(&body).send().await;

        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (409, "id_taken"),
            "{path} {body}: {}",
            answer.text
        );
        assert!(answer.body.get("data").is_none(), "{}", answer.text);
        assert_eq!(app.ledger_head().await, before);
    }
    let act = json!({ "projectId": "p-own", "actions": [{ "id": "a-hid", "type": "add_tag", "params": { "tag": "t" } }] });
    let answer = app.post("/api/agent/actions").with_cookie(&ada).json(&act).send().await;
    assert_eq!(answer.body["data"]["results"][0]["status"], 409, "{}", answer.text);
    assert!(answer.body["data"]["results"][0].get("event").is_none());
}

#[tokio::test]
async fn what_is_left_of_a_deleted_project_is_not_for_whoever_takes_its_id() {
    let (app, ada, ..) = two_projects().await;
    assert_eq!(app.delete("/api/projects/p-hid").as_agent().send().await.status, 200);

    let taken =
        app.post("/api/projects").with_cookie(&ada).json(&json!({ "id": "p-hid", "name": "n" }));
    let taken = taken.send().await;
    let events = app.get("/api/agent/events?projectId=p-hid").with_cookie(&ada).send().await;

    assert_eq!((taken.status.as_u16(), taken.code()), (409, "id_taken"));
    assert_eq!(events.body["total"], 0);
    assert_eq!(
        app.post("/api/projects")
            .as_agent()
            .json(&json!({ "id": "p-hid", "name": "n" }))
            .send()
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_member_orders_their_own_projects_among_their_own_places() {
    let app = TestApp::builder().with_agent_token().start().await;
    let admin = app.sign_in("admin", "admin").await;
    app.a_person("ada", "member").await;
    for id in ["a", "X", "b", "Y", "c"] {
        made(&app, "/api/projects", json!({ "id": id, "name": id })).await;
        if id.chars().all(char::is_lowercase) {
            let body = json!({ "username": "ada", "role": "editor" });
            app.post(&format!("/api/projects/{id}/members"))
                .with_cookie(&admin)
                .json(&body)
                .send()
                .await;
        }
    }
    let ada = app.sign_in("ada", "password").await;
    let ids = |answer: &Answer| -> Vec<String> {
        let projects = answer.body["data"].as_array().unwrap().iter();
        projects.map(|project| project["id"].as_str().unwrap().to_owned()).collect()
    };

    let body = json!({ "ids": ["X", "c", "Y", "a"] });
    let theirs = app.post("/api/projects/reorder").with_cookie(&ada).json(&body).send().await;
    let all = app.get("/api/projects").with_cookie(&admin).send().await;

    assert_eq!(ids(&theirs), ["c", "a", "b"]);
    assert_eq!(ids(&all), ["c", "X", "a", "Y", "b"]);
}

#[tokio::test]
async fn what_was_answered_once_is_not_answered_again_to_whoever_left() {
    let (app, ada, admin, _) = two_projects().await;
    let again = json!({ "username": "bob", "role": "owner" });
    let added =
        app.post("/api/projects/p-own/members").with_cookie(&admin).json(&again).send().await;
    assert_eq!(added.status, 201);
    let requests: Vec<(Method, &str, Value)> = vec![
        (Method::POST, "/api/agent/actions/a-own/undo", json!({})),
        (Method::PATCH, "/api/projects/p-own", json!({ "progress": 3 })),
        (
            Method::POST,
            "/api/projects/batch",
            json!({ "ops": [{ "id": "p-own", "patch": { "notes": "n" } }] }),
        ),
        (Method::POST, "/api/projects/reorder", json!({ "ids": ["p-own"] })),
        (Method::POST, "/api/agent/runs", json!({ "projectId": "p-own" })),
        (Method::PATCH, "/api/agent/runs/r-own", json!({ "title": "t" })),
        (Method::POST, "/api/agent/events", json!({ "projectId": "p-own", "title": "p-own" })),
        (Method::POST, "/api/agent/usage", json!({ "projectId": "p-own", "totalTokens": 1 })),
        (
            Method::POST,
            "/api/agent/usage",
            json!({ "records": [{ "projectId": "p-own", "totalTokens": 1 }] }),
        ),
        (
            Method::POST,
            "/api/agent/actions",
            json!({ "projectId": "p-own", "actions": [{ "type": "add_tag", "params": { "tag": "z" } }] }),
        ),
        (Method::POST, "/api/agent/proposals/yes-own/accept", json!({})),
    ];
    let ask = |place: usize, (method, path, body): &(Method, &str, Value)| {
        let request = app.request(method.clone(), path).with_cookie(&ada).json(body);
        request.header("idempotency-key", format!("key-{place}"))
    };
    let mut first = BTreeMap::new();
    for (place, request) in requests.iter().enumerate() {
        let answer = ask(place, request).send().await;
        assert!(answer.status.is_success(), "{request:?}: {}", answer.text);
        first.insert(place, answer.text);
    }
    for (place, text) in &first {
        assert_eq!(&ask(*place, &requests[*place]).send().await.text, text);
    }

    let left = app.delete("/api/projects/p-own/members/ada").with_cookie(&ada).send().await;

    assert_eq!(left.status, 200, "{}", left.text);
    for (place, request) in requests.iter().enumerate() {
        let answer = ask(place, request).send().await;
        // Who has no project left has nothing to order.
        let is_whole = answer.status == 404 || answer.status == 403;
        let results = &answer.body["data"]["results"][0];
        let is_hidden = is_whole
            || results["status"] == 404
            || results["success"] == false
            || answer.body["data"].as_array().is_some_and(Vec::is_empty);
        assert!(is_hidden, "{request:?}: {}", answer.text);
        assert!(!answer.text.contains("Apollo"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_stream_tells_a_person_of_their_projects_for_as_long_as_they_are_members() {
    let (app, ada, admin, _) = two_projects().await;
    let mut stream = app.get("/api/stream?since=0").with_cookie(&ada).follow().await.unwrap();
    assert_eq!(stream.event().await.name, "hello");
    made(&app, "/api/agent/events", json!({ "id": "e-not", "projectId": "p-hid" })).await;
    made(&app, "/api/agent/events", json!({ "id": "e-last", "projectId": "p-own" })).await;

    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|block: &pilotdeck_testkit::Block| block.data["subjectId"] != "e-last")
    {
        told.push(stream.event().await);
    }
    assert!(told.iter().all(|block| block.data["projectId"] == "p-own"), "{told:?}");

    // More: the reader begins anew, and is told of both.
    let members = "/api/projects/p-hid/members";
    let body = json!({ "username": "ada", "role": "viewer" });
    assert_eq!(app.post(members).with_cookie(&admin).json(&body).send().await.status, 201);
    assert_eq!(stream.event().await.data, json!({ "reason": "access_changed" }));
    let mut stream = app.get("/api/stream").with_cookie(&ada).follow().await.unwrap();
    assert_eq!(stream.event().await.name, "hello");
    made(&app, "/api/agent/events", json!({ "id": "e-seen", "projectId": "p-hid" })).await;
    assert_eq!(stream.event().await.data["subjectId"], "e-seen");

    // Less: nothing of what comes later, wherever the reader begins.
    let gone = app.delete("/api/projects/p-hid/members/ada").with_cookie(&admin).send().await;
    assert_eq!(gone.status, 200);
    made(&app, "/api/agent/events", json!({ "id": "e-after", "projectId": "p-hid" })).await;
    made(&app, "/api/agent/events", json!({ "id": "e-own-2", "projectId": "p-own" })).await;
    assert_eq!(stream.event().await.data, json!({ "reason": "access_changed" }));
    let mut stream = app.get("/api/stream?since=0").with_cookie(&ada).follow().await.unwrap();
    let mut next = stream.event().await;
    while next.data["subjectId"] != "e-own-2" {
        assert_ne!(next.data["projectId"], "p-hid", "{next:?}");
        next = stream.event().await;
    }
}
