//! A session as the published agent plugin sends it. It retries whatever it has no answer to, so every call is sent twice.

use pilotdeck_testkit::{Answer, Request, TestApp};
use serde_json::{Value, json};

/// Sends a call as the plugin does, then once more, and expects the same thing to be named both times.
async fn twice(request: impl Fn() -> Request, body: &Value) -> (Answer, Answer) {
    let send = || request().as_agent().json(body).send();
    let (first, second) = (send().await, send().await);
    for answer in [&first, &second] {
        assert!(answer.status.is_success() && answer.body.is_object(), "{}", answer.text);
    }
    assert_eq!(first.body["id"], second.body["id"]);
    (first, second)
}

#[tokio::test]
async fn a_whole_session_of_the_plugin_is_recorded_once() {
    let app = TestApp::builder().with_agent_token().start().await;
    let started = json!({
        "source": "opencode", "sessionId": "ses_1", "projectId": "inbox", "agent": "build",
        "startedAt": "2026-02-11T15:00:00.000Z", "status": "running",
    });
    let event = json!({
        "runId": "ses_1", "type": "task_completed", "title": "M1", "description": "finished: 登录页",
        "evidence": ["commit:1", { "url": "x" }], "createdBy": "build",
        "idempotencyKey": "ses_1:task_completed:M1 登录页",
    });
    let action = json!({
        "runId": "ses_1", "type": "update_status", "payload": { "status": "completed" }, "rationale": "all green",
        "status": "pending_review", "proposedBy": "build", "idempotencyKey": "ses_1:update_status",
    });
    let finished = json!({
        "status": "completed", "finishedAt": "2026-02-11T15:30:00.000Z", "summary": "done",
        "usage": { "inputTokens": 100, "outputTokens": 20, "totalTokens": 120, "cost": 0.5, "model": "m" },
    });

    let (run, run_again) = twice(|| app.post("/api/agent/runs"), &started).await;
    let (event, event_again) = twice(|| app.post("/api/agent/events"), &event).await;
    let (proposal, proposal_again) = twice(|| app.post("/api/agent/actions"), &action).await;
    let (_, finished_again) = twice(|| app.patch("/api/agent/runs/ses_1"), &finished).await;

    for (first, second) in
        [(&run, &run_again), (&event, &event_again), (&proposal, &proposal_again)]
    {
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
        assert_eq!(
            (&first.body["created"], &second.body["created"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(first.body["data"], second.body["data"]);
    }
    let read =
        |path: &'static str| async { app.get(path).as_agent().send().await.body["data"].clone() };
    let run_id = &run.body["id"];
    let stored = &read("/api/agent/runs").await[0];
    assert_eq!(*stored, finished_again.body["data"]);
    assert_eq!(
        ["projectId", "agentId", "agent", "sessionId", "source", "status", "finishedAt", "summary"]
            .map(|key| stored[key].as_str().unwrap()),
        [
            "inbox",
            "build",
            "build",
            "ses_1",
            "opencode",
            "completed",
            "2026-02-11T15:30:00.000000Z",
            "done"
        ]
    );
    let timeline = read("/api/agent/events?projectId=inbox").await;
    assert_eq!(timeline, json!([event.body["data"], proposal.body["data"]["event"]]));
    assert_eq!(
        (
            &timeline[0]["runId"],
            &timeline[0]["message"],
            &timeline[0]["agentId"],
            &timeline[0]["data"]
        ),
        (
            run_id,
            &json!("finished: 登录页"),
            &json!("build"),
            &json!({ "evidence": ["commit:1", { "url": "x" }] })
        )
    );
    assert_eq!(
        (&timeline[1]["runId"], &timeline[1]["type"]),
        (run_id, &json!("proposal.update_status"))
    );
    let tokens = read("/api/stats/tokens").await;
    assert_eq!(
        (&tokens["totals"]["records"], &tokens["totals"]["totalTokens"]),
        (&json!(1), &json!(120))
    );
    assert_eq!(tokens["byProject"][0]["projectId"], "inbox");
}

#[tokio::test]
async fn a_session_that_failed_keeps_its_error() {
    let app = TestApp::builder().with_agent_token().start().await;
    let started = json!({ "source": "opencode", "sessionId": "ses_1", "projectId": "inbox", "agent": "build" });
    app.post("/api/agent/runs").as_agent().json(&started).send().await;

    let failed = json!({ "status": "failed", "finishedAt": "2026-02-11T15:30:00Z", "error": { "name": "Aborted" } });
    let answer = app.patch("/api/agent/runs/ses_1").as_agent().json(&failed).send().await;

    let run = &answer.body["data"];
    assert_eq!((&run["status"], &run["error"]), (&json!("failed"), &json!({ "name": "Aborted" })));
}
