//! The ledger: one line for every change, tied to the line before it.

use pilotdeck_testkit::{ADMIN_TOKEN, TestApp};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

mod export;
mod verification;

const PASSWORD: &str = "correct horse battery staple";

async fn lines(app: &TestApp, query: &str) -> Vec<Value> {
    let answer = app.get(&format!("/api/ledger?{query}")).as_admin().send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["total"], answer.body["data"].as_array().unwrap().len());
    answer.body["data"].as_array().unwrap().clone()
}

async fn an_app() -> TestApp {
    TestApp::builder().with_admin_token().start().await
}

/// Changes something of every kind, and returns the operations with their subjects as the ledger must have them.
async fn change_everything(app: &TestApp) -> Vec<(&'static str, Option<&'static str>)> {
    let post = |path: &'static str, body: Value| async move {
        let answer = app.post(path).json(&body).send().await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer
    };
    let patch = |path: &'static str, body: Value| async move {
        let answer = app.patch(path).json(&body).send().await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    };
    post("/api/projects", json!({ "id": "p", "name": "P" })).await;
    post("/api/projects", json!({ "id": "q", "name": "Q" })).await;
    patch("/api/projects/p", json!({ "progress": 5 })).await;
    app.put("/api/projects/p").json(&json!({ "progress": 6 })).send().await;
    post("/api/projects/reorder", json!({ "ids": ["q", "p"] })).await;
    let ops = json!([
        { "id": "p", "patch": { "progress": 7 } }, { "id": "nobody", "patch": {} }, { "id": "q", "patch": { "tags": ["t"] } }
    ]);
    post("/api/projects/batch", json!({ "ops": ops })).await;
    post("/api/agent/runs", json!({ "id": "run-1", "projectId": "p", "sessionId": "ses_1" })).await;
    patch("/api/agent/runs/ses_1", json!({ "status": "success", "usage": { "totalTokens": 5 } }))
        .await;
    patch("/api/agent/runs/run-1", json!({ "usage": { "totalTokens": 6 } })).await;
    post("/api/agent/events", json!({ "id": "evt-1", "runId": "run-1" })).await;
    let actions = json!([
        { "id": "act-1", "type": "bump_progress", "params": { "delta": 1 } },
        { "id": "act-2", "type": "append_note", "params": { "note": "n" } },
        { "id": "act-3", "type": "explode" },
    ]);
    post("/api/agent/actions", json!({ "projectId": "p", "actions": actions })).await;
    for id in ["prop-1", "prop-2"] {
        let body = json!({
            "id": id, "projectId": "p", "type": "update_status", "payload": { "status": "paused" }, "status": "pending_review",
        });
        post("/api/agent/actions", body).await;
    }
    for (collection, id) in [("/api/agent/profiles", "a"), ("/api/agent/capabilities", "c")] {
        let one = format!("{collection}/{id}");
        post(collection, json!({ "id": id })).await;
        app.patch(&one).json(&json!({ "name": "N" })).send().await;
        app.delete(&one).send().await;
    }
    post(
        "/api/agent/usage",
        json!({ "records": [{ "id": "u-1" }, { "id": "u-1" }, { "id": "u-2" }] }),
    )
    .await;
    app.post("/api/auth/login")
        .json(&json!({ "username": "admin", "password": "wrong" }))
        .send()
        .await;
    let cookie = app.sign_in("admin", "admin").await;
    app.post("/api/agent/proposals/prop-1/accept").with_cookie(&cookie).send().await;
    app.post("/api/agent/proposals/prop-2/reject").with_cookie(&cookie).send().await;
    let passwords = json!({ "currentPassword": "admin", "newPassword": PASSWORD });
    let changed =
        app.post("/api/auth/change-password").with_cookie(&cookie).json(&passwords).send().await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    app.post("/api/auth/logout").with_cookie(&cookie).send().await;
    app.delete("/api/projects/p").send().await;
    vec![
        ("project.created", Some("p")),
        ("project.created", Some("q")),
        ("project.updated", Some("p")),
        ("project.updated", Some("p")),
        ("projects.reordered", None),
        ("project.updated", Some("p")),
        ("project.updated", Some("q")),
        ("run.created", Some("run-1")),
        ("run.updated", Some("run-1")),
        ("usage.recorded", None),
        ("run.updated", Some("run-1")),
        ("usage.corrected", None),
        ("event.appended", Some("evt-1")),
        ("project.updated", Some("p")),
        ("action.applied", Some("act-1")),
        ("action.applied", Some("act-2")),
        ("proposal.recorded", Some("prop-1")),
        ("proposal.recorded", Some("prop-2")),
        ("profile.created", Some("a")),
        ("profile.updated", Some("a")),
        ("profile.deleted", Some("a")),
        ("capability.created", Some("c")),
        ("capability.updated", Some("c")),
        ("capability.deleted", Some("c")),
        ("usage.recorded", Some("u-1")),
        ("usage.recorded", Some("u-2")),
        ("user.sign_in_refused", None),
        ("user.signed_in", None),
        ("project.updated", Some("p")),
        ("proposal.accepted", Some("prop-1.decision")),
        ("proposal.rejected", Some("prop-2.decision")),
        ("user.password_changed", None),
        ("user.signed_out", None),
        ("project.deleted", Some("p")),
    ]
}

#[tokio::test]
async fn every_change_has_its_line() {
    let app = an_app().await;
    let before = lines(&app, "limit=1").await[0]["seq"].clone();

    let expected = change_everything(&app).await;

    let lines = lines(&app, &format!("since={before}&limit=2000")).await;
    let operations: Vec<_> = lines.iter().map(|line| line["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, expected.iter().map(|(operation, _)| *operation).collect::<Vec<_>>());
    for (line, (operation, subject)) in lines.iter().zip(expected) {
        if let Some(subject) = subject {
            assert_eq!(line["subjectId"], subject, "{operation}");
        }
    }
}

#[tokio::test]
async fn the_newest_lines_are_read_backwards_whatever_is_added_in_between() {
    let app = an_app().await;
    change_everything(&app).await;
    let places = |lines: &[Value]| -> Vec<u64> {
        lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect()
    };
    let all = places(&lines(&app, "limit=2000").await);

    let mut walked: Vec<u64> = Vec::new();
    loop {
        let before = walked.first().map(|first| format!("&before={first}")).unwrap_or_default();
        let mut page = places(&lines(&app, &format!("limit=7{before}")).await);
        if page.is_empty() {
            break;
        }
        page.append(&mut walked);
        walked = page;
        app.post("/api/agent/events").json(&json!({})).send().await;
    }

    assert_eq!(walked, all);
    let answer = app.get("/api/ledger?before=x").as_admin().send().await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}

#[tokio::test]
async fn the_first_lines_tell_how_the_database_began() {
    let app = an_app().await;

    let lines = lines(&app, "since=0").await;

    assert_eq!((&lines[0]["operation"], &lines[0]["seq"]), (&json!("database.created"), &json!(1)));
    assert_eq!(
        (&lines[1]["operation"], &lines[1]["actorKind"]),
        (&json!("user.created"), &json!("system"))
    );
    assert_eq!(lines[0]["prevHash"], "0".repeat(64));
}

#[tokio::test]
async fn the_chain_holds_when_it_is_computed_anew() {
    let app = an_app().await;
    change_everything(&app).await;
    let body = json!({ "id": "numbers", "name": "é\u{2028}", "x": [1e21, 0.1, -0.0, 9_007_199_254_740_993_i64] });
    app.post("/api/projects").json(&body).send().await;

    let answer = app.get("/api/ledger?since=0&limit=2000").as_admin().send().await;

    let mut previous = "0".repeat(64);
    for (n, line) in answer.body["data"].as_array().unwrap().iter().enumerate() {
        let mut hashed: Map<String, Value> = line.as_object().unwrap().clone();
        let hash = hashed.remove("hash").unwrap();
        let canonical = serde_json_canonicalizer::to_vec(&hashed).unwrap();
        let digits: Vec<_> =
            Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect();
        let computed = digits.concat();
        assert_eq!((&line["seq"], &line["prevHash"]), (&json!(n + 1), &json!(previous)));
        assert_eq!(hash, computed, "{line}");
        previous = computed;
    }
    let last = answer.body["data"].as_array().unwrap().last().unwrap();
    assert_eq!((&answer.body["lastSeq"], &answer.body["lastHash"]), (&last["seq"], &last["hash"]));
}

#[tokio::test]
async fn what_changes_nothing_has_no_line() {
    let app = an_app().await;
    change_everything(&app).await;
    let before = app.get("/api/ledger").as_admin().send().await.body["lastSeq"].clone();

    for (path, body) in [
        ("/api/agent/runs", json!({ "id": "run-1" })),
        ("/api/agent/events", json!({ "id": "evt-1" })),
        ("/api/agent/usage", json!({ "id": "u-1" })),
        (
            "/api/agent/actions",
            json!({ "projectId": "q", "actions": [{ "id": "act-1" }, { "type": "explode" }] }),
        ),
        ("/api/projects", json!({ "id": "q", "name": "again" })),
        ("/api/projects", json!({ "name": " " })),
        ("/api/projects/batch", json!({ "ops": [{ "id": "nobody", "patch": {} }] })),
    ] {
        app.post(path).json(&body).send().await;
    }
    app.patch("/api/projects/q").json(&json!({ "name": "x", "ifUpdatedAt": "old" })).send().await;
    app.delete("/api/projects/nobody").send().await;
    app.post("/api/auth/logout").send().await;

    assert_eq!(app.get("/api/ledger").as_admin().send().await.body["lastSeq"], before);
}

#[tokio::test]
async fn lines_are_found_by_place_project_subject_and_operation() {
    let app = an_app().await;
    change_everything(&app).await;
    let all = lines(&app, "since=0&limit=2000").await;
    let count = all.len();
    let operations = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| line["operation"].as_str().unwrap().to_owned()).collect()
    };
    let seqs = |lines: &[Value]| -> Vec<i64> {
        lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect()
    };

    assert_eq!(seqs(&lines(&app, "since=2&limit=3").await), [3, 4, 5]);
    assert_eq!(seqs(&lines(&app, "limit=2").await), seqs(&all[count - 2..]));
    assert_eq!(lines(&app, &format!("since={count}")).await, Vec::<Value>::new());
    assert_eq!(operations(&lines(&app, "operation=run.updated").await), ["run.updated"; 2]);
    assert_eq!(
        operations(&lines(&app, "subjectId=a").await),
        ["profile.created", "profile.updated", "profile.deleted"]
    );
    let of_project = lines(&app, "projectId=p&since=0").await;
    assert!(of_project.iter().all(|line| line["projectId"] == "p"));
    assert_eq!(of_project.len(), all.iter().filter(|line| line["projectId"] == "p").count());
    assert_eq!(lines(&app, "projectId=p&operation=event.appended&subjectId=evt-1").await.len(), 1);
    assert_eq!(lines(&app, "limit=0").await.len(), 1);
    for since in ["-1", "x", "1.5"] {
        let answer = app.get(&format!("/api/ledger?since={since}")).as_admin().send().await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["success"]),
            (400, &json!(false)),
            "{since}"
        );
    }
}

#[tokio::test]
async fn a_list_has_200_lines_unless_asked_for_up_to_2000() {
    let app = an_app().await;
    let records = json!({ "records": vec![json!({}); 2_001] });
    app.post("/api/agent/usage").json(&records).send().await;

    assert_eq!(lines(&app, "").await.len(), 200);
    assert_eq!(lines(&app, "limit=x").await.len(), 200);
    assert_eq!(lines(&app, "limit=5000").await.len(), 2_000);
}

#[tokio::test]
async fn only_a_person_and_the_administrator_read_the_ledger() {
    let app = TestApp::builder().with_admin_token().with_agent_token().start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let read = || app.get("/api/ledger");

    assert_eq!(read().with_cookie(&cookie).send().await.status, 200);
    assert_eq!(read().as_admin().send().await.status, 200);
    assert_eq!(read().as_agent().send().await.status, 403);
    assert_eq!(read().send().await.status, 401);
    assert_eq!(read().header("x-pm-token", format!("{ADMIN_TOKEN}x")).send().await.status, 401);
    let open = an_app().await;
    assert_eq!(open.get("/api/ledger").send().await.status, 401);
}

#[tokio::test]
async fn a_line_names_its_author_and_its_request() {
    let app = TestApp::builder().with_admin_token().with_agent_token().start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let me = app.get("/api/auth/me").with_cookie(&cookie).send().await.body["data"]["user"]["id"]
        .clone();

    let by_person = app
        .post("/api/projects")
        .with_cookie(&cookie)
        .header("x-request-id", "my.request-1")
        .json(&json!({ "name": "P" }));
    let by_person = by_person.send().await;
    let by_agent = app.post("/api/projects").as_agent().json(&json!({ "name": "Q" })).send().await;

    let lines = lines(&app, "limit=2").await;
    for (line, (answer, kind, id)) in
        lines.iter().zip([(&by_person, "person", me), (&by_agent, "agent", json!(null))])
    {
        assert_eq!((&line["actorKind"], &line["actorId"]), (&json!(kind), &id));
        assert_eq!(line["requestId"].as_str(), answer.header("x-request-id"));
    }
    assert_eq!(lines[0]["requestId"], "my.request-1");
}

#[tokio::test]
async fn no_secret_is_in_the_ledger() {
    let app = TestApp::builder().with_admin_token().start().await;
    change_everything(&app).await;
    let capabilities = "/api/agent/capabilities";
    let one = format!("{capabilities}/secretive");
    app.post(capabilities)
        .json(&json!({ "id": "secretive", "promptPack": "never tell" }))
        .send()
        .await;
    app.patch(&one).json(&json!({ "promptPack": "never tell, either" })).send().await;
    app.delete(&one).send().await;
    let cookie = app.sign_in("admin", PASSWORD).await;

    let text = app.get("/api/ledger?since=0&limit=2000").as_admin().send().await.text;

    let key = cookie.split_once('=').unwrap().1;
    for secret in [PASSWORD, "$argon2", "never tell", ADMIN_TOKEN, key, &key[key.len() - 20..]] {
        assert!(!text.contains(secret), "{secret}");
    }
}
