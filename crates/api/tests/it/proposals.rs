//! Proposals: recorded once, and nothing else happens until a person decides.

use futures_util::future::join_all;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

const ACTIONS: &str = "/api/agent/actions";

/// An app whose session `ses_1` works on project `p`, and the cookie of a person.
async fn an_app() -> (TestApp, String) {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").with_agent_token().start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let project = json!({ "id": "p", "name": "Apollo", "notes": "old" });
    app.post("/api/projects").as_agent().json(&project).send().await;
    let run =
        json!({ "id": "run-1", "sessionId": "ses_1", "source": "opencode", "projectId": "p" });
    app.post("/api/agent/runs").as_agent().json(&run).send().await;
    (app, cookie)
}

async fn propose(app: &TestApp, kind: &str, payload: Value, key: &str) -> Answer {
    let body = json!({
        "runId": "ses_1", "type": kind, "payload": payload, "rationale": "because", "status": "pending_review",
        "proposedBy": "build", "idempotencyKey": key,
    });
    app.post(ACTIONS).as_agent().json(&body).send().await
}

async fn a_proposal(app: &TestApp, kind: &str, payload: Value) -> String {
    let answer = propose(app, kind, payload, &format!("ses_1: {kind}")).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn decide(app: &TestApp, cookie: &str, id: &str, verdict: &str) -> Answer {
    let reason = json!({ "reason": "seen" });
    app.post(&format!("/api/agent/proposals/{id}/{verdict}"))
        .with_cookie(cookie)
        .json(&reason)
        .send()
        .await
}

async fn project(app: &TestApp) -> Value {
    app.get("/api/projects/p").as_agent().send().await.body["data"].clone()
}

#[tokio::test]
async fn a_proposal_is_recorded_once_and_touches_nothing() {
    let (app, _) = an_app().await;
    let before = project(&app).await;

    let first = propose(&app, "update_status", json!({ "status": "paused" }), "ses_1: 暂停").await;
    let again = join_all(
        (0..8)
            .map(|_| propose(&app, "update_status", json!({ "status": "paused" }), "ses_1: 暂停")),
    )
    .await;

    let id = first.body["id"].as_str().unwrap();
    assert!(first.status == 201 && id.starts_with("prop-"), "{}", first.text);
    assert_eq!(first.body["created"], true);
    let event = &first.body["data"]["event"];
    let facts = ["id", "type", "projectId", "runId", "agentId", "title", "message"];
    assert_eq!(
        facts.map(|key| event[key].as_str().unwrap()),
        [id, "proposal.update_status", "p", "run-1", "build", "update_status", "because"]
    );
    assert_eq!(event["data"]["payload"], json!({ "status": "paused" }));
    assert_eq!(event["data"]["status"], "pending_review");
    for answer in again {
        assert_eq!(answer.status, 200);
        assert_eq!((&answer.body["id"], &answer.body["created"]), (&json!(id), &json!(false)));
        assert_eq!(answer.body["data"]["event"], *event);
    }
    assert_eq!(project(&app).await, before);
    let events = app.get("/api/agent/events?projectId=p").as_agent().send().await;
    assert_eq!(events.body["data"], json!([event]));
}

#[tokio::test]
async fn accepting_does_what_is_proposed() {
    for (kind, payload, field, value, action) in [
        (
            "update_status",
            json!({ "status": "in-progress" }),
            "status",
            json!("in-progress"),
            "set_status",
        ),
        (
            "update_priority",
            json!({ "priority": "high" }),
            "priority",
            json!("high"),
            "set_priority",
        ),
        (
            "add_note",
            json!({ "note": "n" }),
            "notes",
            json!("old\n[2026-02-11 15:00] (build) n"),
            "append_note",
        ),
        (
            "update_milestone",
            json!({ "name": "M1", "status": "done" }),
            "milestones",
            json!([{ "name": "M1", "status": "done" }]),
            "update_milestone",
        ),
    ] {
        let (app, cookie) = an_app().await;
        let id = a_proposal(&app, kind, payload).await;

        let accepted = decide(&app, &cookie, &id, "accept").await;
        let again = decide(&app, &cookie, &id, "accept").await;
        let rejected = decide(&app, &cookie, &id, "reject").await;

        let project = project(&app).await;
        assert_eq!((accepted.status.as_u16(), &project[field]), (200, &value), "{kind}");
        let data = &accepted.body["data"];
        assert_eq!((&data["project"], &accepted.body["message"]), (&project, &Value::Null));
        assert_eq!(
            (&data["event"]["type"], &data["event"]["id"]),
            (&json!(format!("action.{action}")), &json!(format!("{id}.decision")))
        );
        let facts = &data["event"]["data"];
        assert_eq!(
            (&facts["proposalId"], &facts["decidedBy"], &facts["reason"]),
            (&json!(id), &json!("admin"), &json!("seen"))
        );
        assert_eq!(
            (again.status.as_u16(), &again.body["message"]),
            (200, &json!("already accepted"))
        );
        assert_eq!(again.body["data"], *data);
        assert_eq!(
            (rejected.status.as_u16(), &rejected.body["code"]),
            (409, &json!("already_decided"))
        );
    }
}

#[tokio::test]
async fn rejecting_leaves_the_project_as_it_is() {
    let (app, cookie) = an_app().await;
    let before = project(&app).await;
    let id = a_proposal(&app, "update_status", json!({ "status": "paused" })).await;

    let rejected = decide(&app, &cookie, &id, "reject").await;
    let again = decide(&app, &cookie, &id, "reject").await;
    let accepted = decide(&app, &cookie, &id, "accept").await;

    let event = &rejected.body["data"]["event"];
    assert_eq!((rejected.status.as_u16(), &event["type"]), (200, &json!("proposal.rejected")));
    assert_eq!((again.status.as_u16(), &again.body["message"]), (200, &json!("already rejected")));
    assert_eq!(again.body["data"]["event"], *event);
    assert_eq!(
        (accepted.status.as_u16(), &accepted.body["code"]),
        (409, &json!("already_decided"))
    );
    assert_eq!(accepted.body["data"]["decision"], "rejected");
    assert_eq!(project(&app).await, before);
}

#[tokio::test]
async fn a_proposal_accepted_32_times_at_once_is_done_once() {
    let (app, cookie) = an_app().await;
    let id = a_proposal(&app, "add_note", json!({ "note": "n" })).await;

    let answers = join_all((0..32).map(|_| decide(&app, &cookie, &id, "accept"))).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(answers.iter().filter(|answer| answer.body["message"].is_null()).count(), 1);
    assert_eq!(project(&app).await["notes"], "old\n[2026-02-11 15:00] (build) n");
}

#[tokio::test]
async fn proposals_are_listed_with_what_became_of_them() {
    let (app, cookie) = an_app().await;
    let a = a_proposal(&app, "update_status", json!({ "status": "paused" })).await;
    let b = a_proposal(&app, "update_priority", json!({ "priority": "low" })).await;
    let c = a_proposal(&app, "add_note", json!({ "note": "n" })).await;
    decide(&app, &cookie, &a, "accept").await;
    decide(&app, &cookie, &b, "reject").await;

    for (query, found) in [
        ("", vec![(&c, "pending"), (&b, "rejected"), (&a, "accepted")]),
        ("pending=true", vec![(&c, "pending")]),
        ("pending=no", vec![(&b, "rejected"), (&a, "accepted")]),
        ("limit=1", vec![(&c, "pending")]),
        ("projectId=p&limit=0", vec![(&c, "pending")]),
        ("projectId=q", vec![]),
    ] {
        let answer = app.get(&format!("/api/agent/proposals?{query}")).as_agent().send().await;

        let listed: Vec<_> = answer.body["data"].as_array().unwrap().iter().collect();
        assert_eq!(answer.body["total"], found.len(), "{query}");
        assert_eq!(listed.len(), found.len(), "{query}");
        for (listed, (id, state)) in listed.into_iter().zip(found) {
            assert_eq!(
                (&listed["proposal"]["id"], &listed["state"]),
                (&json!(id), &json!(state)),
                "{query}"
            );
            assert_eq!(listed["decision"].is_null(), state == "pending", "{query}");
        }
    }
}

#[tokio::test]
async fn only_a_person_decides() {
    let (app, cookie) = an_app().await;
    let id = a_proposal(&app, "update_status", json!({ "status": "paused" })).await;

    for verdict in ["accept", "reject"] {
        let path = format!("/api/agent/proposals/{id}/{verdict}");
        let by_agent = app.post(&path).as_agent().send().await;
        let by_stranger = app.post(&path).send().await;
        assert_eq!((by_agent.status.as_u16(), &by_agent.body["code"]), (403, &json!("forbidden")));
        assert_eq!(by_stranger.status, 401);
    }
    assert_eq!(
        app.post(&format!("/api/agent/proposals/{id}/accept"))
            .with_cookie(&cookie)
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_cannot_be_decided_says_why() {
    let (app, cookie) = an_app().await;
    app.post("/api/agent/events").as_agent().json(&json!({ "id": "evt-1" })).send().await;
    let nonsense = a_proposal(&app, "update_status", json!({ "status": "someday" })).await;
    let homeless =
        json!({ "type": "add_note", "payload": { "note": "n" }, "status": "pending_review" });
    let homeless = app.post(ACTIONS).as_agent().json(&homeless).send().await.body["id"].clone();
    let lost = json!({ "type": "add_note", "payload": { "note": "n" }, "status": "pending_review", "projectId": "gone" });
    let lost = app.post(ACTIONS).as_agent().json(&lost).send().await.body["id"].clone();

    for (id, status, code) in [
        ("nobody", 404, "not_found"),
        ("evt-1", 404, "not_found"),
        (&nonsense, 409, "proposal_not_doable"),
        (homeless.as_str().unwrap(), 409, "proposal_without_project"),
        (lost.as_str().unwrap(), 404, "not_found"),
    ] {
        let answer = decide(&app, &cookie, id, "accept").await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            answer.text
        );
    }
    assert_eq!(decide(&app, &cookie, "nobody", "reject").await.status, 404);
    assert_eq!(decide(&app, &cookie, &nonsense, "reject").await.status, 200);
    assert_eq!(decide(&app, &cookie, homeless.as_str().unwrap(), "reject").await.status, 200);
    let path = "/api/agent/proposals/nobody/accept";
    assert_eq!(
        app.post(path).with_cookie(&cookie).json(&json!({ "reason": 5 })).send().await.status,
        400
    );
}
