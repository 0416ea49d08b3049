//! Agent runs: what identifies them, how they change, how they are listed, and the usage that they report.

use chrono::TimeDelta;
use futures_util::future::join_all;
use pilotdeck_testkit::TestApp;
use serde_json::{Value, json};

const RUNS: &str = "/api/agent/runs";

fn ids(runs: &Value) -> Vec<&str> {
    runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_run_needs_nothing_at_all() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;

    let answer = app.post(RUNS).json(&json!({})).send().await;

    let id = answer.body["id"].as_str().unwrap();
    assert!(answer.status == 201 && id.starts_with("run-"), "{}", answer.text);
    let now = "2026-02-11T15:00:00.000000Z";
    let run = json!({
        "id": id, "projectId": null, "agentId": null, "status": "running", "title": null, "summary": null,
        "links": [], "tags": [], "metrics": {}, "meta": {}, "createdAt": now, "updatedAt": now, "startedAt": now,
        "finishedAt": null,
    });
    let expected =
        json!({ "success": true, "data": run, "message": null, "id": id, "created": true });
    assert_eq!(answer.body, expected);
    assert_eq!(app.data(&format!("{RUNS}/{id}")).await, run);
}

#[tokio::test]
async fn repeating_a_run_answers_the_stored_one() {
    let app = TestApp::start().await;
    let run =
        app.a_run(json!({ "id": "run-1", "title": "first", "createdAt": "2020-01-01" })).await;
    let repeat = || app.post(RUNS).json(&json!({ "id": "run-1", "title": "second" })).send();

    let second = repeat().await;
    let patched =
        app.patch("/api/agent/runs/run-1").json(&json!({ "title": "third" })).send().await;
    let third = repeat().await;

    assert_eq!((second.status.as_u16(), &second.body["data"]), (200, &run));
    assert_eq!(
        (&second.body["message"], &second.body["created"]),
        (&json!("run exists"), &json!(false))
    );
    assert_eq!((third.status.as_u16(), &third.body["data"]), (200, &patched.body["data"]));
    assert_eq!(run["createdAt"], "2020-01-01T00:00:00.000000Z");
}

#[tokio::test]
async fn one_run_id_sent_32_times_at_once_is_one_run() {
    let app = TestApp::start().await;
    let send =
        |n: i32| app.post(RUNS).json(&json!({ "id": "run-1", "title": format!("{n}") })).send();

    let answers = join_all((0..32).map(send)).await;

    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let stored = app.data("/api/agent/runs/run-1").await;
    assert_eq!(created, 1);
    for answer in answers {
        assert!(answer.status == 201 || answer.body["message"] == "run exists", "{}", answer.text);
        assert_eq!(answer.body["data"], stored);
    }
}

#[tokio::test]
async fn without_an_id_the_session_and_its_source_identify_a_run() {
    let app = TestApp::start().await;
    let sent = json!({
        "source": "opencode", "sessionId": "ses_1", "projectId": "inbox", "agent": "build",
        "startedAt": "2026-02-11T15:00:00Z", "status": "running", "custom": { "a": [1] },
    });
    let start = |body: Value| app.post(RUNS).json(&body).send();

    let first = start(sent.clone()).await;
    let again = join_all((0..32).map(|_| start(sent.clone()))).await;
    let other_source = start(json!({ "source": "other", "sessionId": "ses_1" })).await;
    let no_source = start(json!({ "sessionId": "ses_1" })).await;
    let own_id = start(json!({ "id": "mine", "source": "opencode", "sessionId": "ses_1" })).await;

    assert_eq!(first.status, 201);
    let run = &first.body["data"];
    assert_eq!(
        (&run["agentId"], &run["agent"], &run["custom"]),
        (&json!("build"), &json!("build"), &sent["custom"])
    );
    assert_eq!(run["startedAt"], "2026-02-11T15:00:00.000000Z");
    for answer in again {
        assert_eq!((answer.status.as_u16(), &answer.body["data"]), (200, run));
    }
    for other in [other_source, no_source, own_id] {
        assert!(other.status == 201 && other.body["id"] != run["id"], "{}", other.text);
    }
}

#[tokio::test]
async fn a_project_that_is_unknown_stays_visible() {
    let app = TestApp::start().await;

    let run = app.a_run(json!({ "id": "run-1", "projectId": "inbox" })).await;
    let changed =
        app.patch("/api/agent/runs/run-1").json(&json!({ "status": "success" })).send().await;
    let moved =
        app.patch("/api/agent/runs/run-1").json(&json!({ "projectId": "elsewhere" })).send().await;

    assert_eq!(run["projectId"], "inbox");
    assert_eq!(
        (changed.status.as_u16(), &changed.body["data"]["projectId"]),
        (200, &json!("inbox"))
    );
    assert_eq!(
        (moved.status.as_u16(), &moved.body["data"]["projectId"]),
        (200, &json!("elsewhere"))
    );
    assert_eq!(ids(&app.data("/api/agent/runs?projectId=elsewhere").await), ["run-1"]);
    assert_eq!(ids(&app.data("/api/agent/runs?projectId=inbox").await), [""; 0]);
}

#[tokio::test]
async fn a_run_outlives_its_project() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;
    app.a_run(json!({ "id": "run-1", "projectId": "p" })).await;

    let deleted = app.delete("/api/projects/p").send().await;

    assert_eq!(deleted.status, 200);
    assert_eq!(app.data("/api/agent/runs/run-1").await["projectId"], Value::Null);
    assert_eq!(app.data(RUNS).await[0]["projectId"], Value::Null);
    let changed =
        app.patch("/api/agent/runs/run-1").json(&json!({ "status": "failed" })).send().await;
    assert_eq!((changed.status.as_u16(), &changed.body["data"]["projectId"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_run_is_found_by_its_id_before_a_session_of_that_name() {
    let app = TestApp::start().await;
    app.a_run(json!({ "id": "by-session", "sessionId": "x" })).await;
    app.a_run(json!({ "id": "x" })).await;
    app.a_run(json!({ "id": "other", "sessionId": "ses_1", "source": "opencode" })).await;
    let change = |reference: &str| {
        app.patch(&format!("{RUNS}/{reference}")).json(&json!({ "status": "completed" })).send()
    };

    let by_id = change("x").await;
    let by_session = change("ses_1").await;

    assert_eq!((by_id.status.as_u16(), &by_id.body["data"]["id"]), (200, &json!("x")));
    assert_eq!(
        (by_session.status.as_u16(), &by_session.body["data"]["id"]),
        (200, &json!("other"))
    );
    assert_eq!(app.data("/api/agent/runs/ses_1").await["status"], "completed");
    assert_eq!(app.data("/api/agent/runs/by-session").await["status"], "running");
}

#[tokio::test]
async fn a_change_merges_what_it_names_and_makes_a_new_version() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    app.a_run(json!({
        "id": "run-1", "status": "success", "startedAt": "2020-01-01", "title": "t", "extra": 1, "metrics": { "a": 1 },
    }))
    .await;
    let patch = |body: Value| app.patch("/api/agent/runs/run-1").json(&body).send();

    let same_instant = patch(json!({ "other": [1] })).await;
    app.clock.turn(TimeDelta::seconds(1));
    let later = patch(json!({
        "id": "run-2", "createdAt": "1999-01-01", "updatedAt": "1999-01-01", "status": null, "startedAt": null,
        "metrics": { "b": 2 }, "finishedAt": "2026-02-11T18:00:00+02:00", "extra": null,
    }))
    .await;

    assert_eq!(same_instant.body["data"]["updatedAt"], "2026-02-11T15:00:00.000001Z");
    let run = json!({
        "id": "run-1", "projectId": null, "agentId": null, "status": "running", "title": "t", "summary": null,
        "links": [], "tags": [], "metrics": { "b": 2 }, "meta": {}, "createdAt": "2026-02-11T15:00:00.000000Z",
        "updatedAt": "2026-02-11T15:00:01.000000Z", "startedAt": "2026-02-11T15:00:01.000000Z",
        "finishedAt": "2026-02-11T16:00:00.000000Z", "extra": null, "other": [1],
    });
    assert_eq!(later.body, json!({ "success": true, "data": run }));
    assert_eq!(app.data("/api/agent/runs/run-1").await, run);
}

#[tokio::test]
async fn lists_and_objects_of_another_type_are_passed_over() {
    let app = TestApp::start().await;
    let kept = json!({ "links": ["l"], "tags": ["t"], "metrics": { "a": 1 }, "meta": { "b": 2 } });
    let mut sent = kept.clone();
    sent["id"] = json!("run-1");
    app.a_run(sent).await;

    for wrong in [json!("x"), json!(5), json!(null), json!(true)] {
        let body = json!({ "links": wrong, "tags": wrong, "metrics": wrong, "meta": wrong });
        let answer = app.patch("/api/agent/runs/run-1").json(&body).send().await;

        assert_eq!(answer.status, 200);
        for field in ["links", "tags", "metrics", "meta"] {
            assert_eq!(answer.body["data"][field], kept[field], "{field}: {wrong}");
        }
    }
}

#[tokio::test]
async fn runs_are_listed_newest_first_in_pages() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;
    for (id, day, project, agent, status) in [
        ("b", 2, "p", "ada", "running"),
        ("d", 4, "p", "bob", "success"),
        ("a", 1, "q", "ada", "success"),
        ("c", 3, "p", "ada", "success"),
    ] {
        let created_at = format!("2026-02-0{day}");
        app.a_run(json!({ "id": id, "createdAt": created_at, "projectId": project, "agentId": agent, "status": status }))
            .await;
    }

    for (query, found, total, limit, offset) in [
        ("", vec!["d", "c", "b", "a"], 4, 50, 0),
        ("limit=2", vec!["d", "c"], 4, 2, 0),
        ("limit=2&offset=1", vec!["c", "b"], 4, 2, 1),
        ("offset=9", vec![], 4, 50, 9),
        ("limit=0&offset=-5", vec!["d"], 4, 1, 0),
        ("limit=501", vec!["d", "c", "b", "a"], 4, 500, 0),
        ("limit=many&offset=few", vec!["d", "c", "b", "a"], 4, 50, 0),
        ("limit=&projectId=", vec!["d", "c", "b", "a"], 4, 50, 0),
        ("limit=1&limit=3", vec!["d"], 4, 1, 0),
        ("projectId=p", vec!["d", "c", "b"], 3, 50, 0),
        ("agentId=ada", vec!["c", "b", "a"], 3, 50, 0),
        ("status=success&limit=1", vec!["d"], 3, 1, 0),
        ("status=succ", vec![], 0, 50, 0),
        ("projectId=p&agentId=ada&status=success", vec!["c"], 1, 50, 0),
    ] {
        let answer = app.get(&format!("{RUNS}?{query}")).send().await;

        assert_eq!(ids(&answer.body["data"]), found, "{query}");
        let numbers =
            ["total", "limit", "offset"].map(|field| answer.body[field].as_i64().unwrap());
        assert_eq!(numbers, [total, limit, offset], "{query}");
    }
}

#[tokio::test]
async fn a_run_that_there_is_not_is_named() {
    let app = TestApp::start().await;

    for answer in [
        app.get("/api/agent/runs/nobody").send().await,
        app.patch("/api/agent/runs/nobody").json(&json!({})).send().await,
    ] {
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (404, &json!("not_found")));
        assert_eq!(answer.body["error"], "Run not found: nobody");
    }
}

#[tokio::test]
async fn a_run_is_found_whatever_its_id_is_made_of() {
    let app = TestApp::start().await;

    for (id, path) in [
        ("a/b", "a%2Fb"),
        ("a b ", "a%20b%20"),
        ("50%", "50%25"),
        ("进度", "%E8%BF%9B%E5%BA%A6"),
        ("a+b?c#d", "a+b%3Fc%23d"),
    ] {
        let run = app.a_run(json!({ "id": id })).await;
        let changed =
            app.patch(&format!("{RUNS}/{path}")).json(&json!({ "title": "t" })).send().await;

        assert_eq!((&run["id"], changed.status.as_u16()), (&json!(id), 200), "{}", changed.text);
        assert_eq!(app.data(&format!("{RUNS}/{path}")).await["id"], id);
    }
}

#[tokio::test]
async fn what_is_no_run_is_refused_and_leaves_nothing_behind() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let run = app.a_run(json!({ "id": "run-1" })).await;

    for (body, code) in [
        ("", "malformed_json"),
        ("{", "malformed_json"),
        ("[]", "malformed_json"),
        ("null", "malformed_json"),
        (r#"{"title":{}}"#, "invalid_field"),
        (r#"{"agentId":[1]}"#, "invalid_field"),
        (r#"{"startedAt":"soon"}"#, "invalid_time"),
        (r#"{"finishedAt":"2026-02-30"}"#, "invalid_time"),
    ] {
        for request in [app.post(RUNS), app.patch("/api/agent/runs/run-1")] {
            let answer = request.raw_json(body).send().await;
            assert_eq!(
                (answer.status.as_u16(), answer.body["code"].as_str()),
                (400, Some(code)),
                "{body}"
            );
        }
    }
    assert_eq!(app.data(RUNS).await, json!([run]));
}

#[tokio::test]
async fn the_usage_of_a_run_is_counted_once_and_corrected() {
    let app = TestApp::start().await;
    app.a_run(json!({ "id": "run-1", "projectId": "p", "agentId": "ada", "sessionId": "s", "source": "opencode" })).await;
    let usage = |input: i64| {
        json!({
            "status": "completed", "finishedAt": "2026-02-11T15:00:00Z",
            "usage": { "inputTokens": input, "outputTokens": 5, "totalTokens": input + 5, "cost": 0.25, "model": "m" },
        })
    };
    let finish = |input: i64| app.patch("/api/agent/runs/run-1").json(&usage(input)).send();
    let total = |records: i64, prompt: i64| {
        json!({
            "records": records, "promptTokens": prompt, "completionTokens": 5 * records,
            "totalTokens": prompt + 5 * records, "cost": if records == 0 { 0.0 } else { 0.25 },
            "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 0, "cacheWriteTokens": 0,
        })
    };

    assert_eq!(app.data("/api/stats/tokens").await["totals"], total(0, 0));
    for (input, counted) in [(10, 10), (10, 10), (30, 30)] {
        assert_eq!(finish(input).await.status, 200);
        assert_eq!(app.data("/api/stats/tokens").await["totals"], total(1, counted));
    }
    app.patch("/api/agent/runs/run-1").json(&json!({ "title": "later" })).send().await;

    let records = app.data("/api/agent/usage").await;
    assert_eq!(records.as_array().unwrap().len(), 1);
    let facts = ["ts", "projectId", "runId", "agentId", "sessionId", "source", "model"];
    assert_eq!(
        facts.map(|field| records[0][field].as_str().unwrap()),
        ["2026-02-11T15:00:00.000000Z", "p", "run-1", "ada", "s", "opencode", "m"]
    );
    assert_eq!(app.data("/api/agent/runs/run-1").await["usage"]["inputTokens"], 30);
}

#[tokio::test]
async fn a_run_whose_calls_were_counted_one_by_one_is_not_counted_again() {
    let app = TestApp::start().await;
    app.a_run(json!({ "id": "run-1" })).await;
    app.post("/api/agent/usage").json(&json!({ "runId": "run-1", "totalTokens": 7 })).send().await;

    let finish = json!({ "usage": { "totalTokens": 7 } });
    app.patch("/api/agent/runs/run-1").json(&finish).send().await;

    let totals = &app.data("/api/stats/tokens").await["totals"];
    assert_eq!((&totals["records"], &totals["totalTokens"]), (&json!(1), &json!(7)));
}

#[tokio::test]
async fn lists_are_read_page_by_page_whatever_is_added_in_between() {
    let app = TestApp::start().await;
    for n in 0..7 {
        app.a_run(json!({ "id": format!("run-{n}"), "projectId": "p", "createdAt": format!("2026-01-0{}", 1 + n / 2) }))
            .await;
    }

    let mut seen = Vec::new();
    let mut path = format!("{RUNS}?projectId=p&limit=3");
    loop {
        let page = app.get(&path).send().await.body;
        seen.extend(ids(&page["data"]).into_iter().map(str::to_owned));
        app.a_run(json!({ "projectId": "p", "createdAt": "2026-02-01" })).await;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("{RUNS}?projectId=p&limit=3&cursor={cursor}");
    }

    assert_eq!(seen, ["run-6", "run-5", "run-4", "run-3", "run-2", "run-1", "run-0"]);
}

#[tokio::test]
async fn events_and_usage_are_read_page_by_page_whatever_is_added_in_between() {
    let app = TestApp::start().await;
    for n in 0..5 {
        let event = json!({ "id": format!("evt-{n}"), "projectId": "p" });
        app.post("/api/agent/events").json(&event).send().await;
        let usage = json!({ "id": format!("usage-{n}"), "projectId": "p", "ts": "2026-01-01" });
        app.post("/api/agent/usage").json(&usage).send().await;
    }

    for (list, parameter, expected) in [
        (
            "/api/agent/events",
            "before",
            vec![vec!["evt-3", "evt-4"], vec!["evt-1", "evt-2"], vec!["evt-0"]],
        ),
        (
            "/api/agent/usage",
            "cursor",
            vec![vec!["usage-4", "usage-3"], vec!["usage-2", "usage-1"], vec!["usage-0"]],
        ),
    ] {
        let mut path = format!("{list}?projectId=p&limit=2");
        for (place, expected) in expected.iter().enumerate() {
            let page = app.get(&path).send().await.body;
            app.post(list).json(&json!({ "projectId": "p", "ts": "2026-01-01" })).send().await;

            assert_eq!(
                (&ids(&page["data"]), page["total"].as_u64()),
                (expected, Some(expected.len() as u64))
            );
            assert_eq!(page["nextCursor"].is_null(), place == 2, "{page}");
            path = format!(
                "{list}?projectId=p&limit=2&{parameter}={}",
                page["nextCursor"].as_str().unwrap_or_default()
            );
        }
    }
}

#[tokio::test]
async fn a_cursor_that_is_none_of_this_list_is_refused() {
    let app = TestApp::start().await;
    for n in 0..2 {
        app.a_run(json!({ "id": format!("run-{n}") })).await;
    }
    let of_runs = app.get(&format!("{RUNS}?limit=1")).send().await.body["nextCursor"].clone();
    let of_runs = of_runs.as_str().unwrap();

    for path in [
        format!("{RUNS}?cursor=x"),
        format!("{RUNS}?cursor={}0", &of_runs[..of_runs.len() - 1]),
        format!("/api/agent/events?before={of_runs}"),
        format!("/api/agent/usage?cursor={of_runs}"),
    ] {
        let answer = app.get(&path).send().await;

        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_run_that_goes_on_says_when_it_last_gave_a_sign_of_life() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    for (id, status) in [
        ("quiet", "running"),
        ("talks", "Working on it"),
        ("spends", "running"),
        ("over", "Timed_Out"),
    ] {
        app.a_run(json!({ "id": id, "status": status, "sessionId": format!("ses-{id}") })).await;
    }
    app.clock.turn(TimeDelta::minutes(1));
    app.an_event(json!({ "runId": "ses-talks" })).await;
    app.an_event(json!({ "runId": "over" })).await;
    for (run, ts) in [("spends", "2026-02-11T15:00:30Z"), ("ses-spends", "2026-02-11T15:00:40Z")] {
        app.post("/api/agent/usage").json(&json!({ "runId": run, "ts": ts })).send().await;
    }

    let page = app.get(RUNS).send().await.body;
    let done = app.get(&format!("{RUNS}?status=Timed_Out")).send().await.body;

    let (start, minute) = ("2026-02-11T15:00:00.000000Z", "2026-02-11T15:01:00.000000Z");
    let expected =
        json!({ "quiet": start, "talks": minute, "spends": "2026-02-11T15:00:40.000000Z" });
    assert_eq!(page["signs"], expected);
    assert_eq!((&done["total"], &done["signs"]), (&json!(1), &json!({})));
    for (reference, sign) in [("ses-talks", minute), ("quiet", start), ("over", minute)] {
        let run = app.get(&format!("{RUNS}/{reference}")).send().await.body;
        assert_eq!(run["lastSignAt"], sign, "{run}");
        assert!(run["data"].get("lastSignAt").is_none());
    }
    app.clock.turn(TimeDelta::minutes(1));
    app.patch(&format!("{RUNS}/quiet")).json(&json!({ "title": "awake" })).send().await;
    let signs = app.get(&format!("{RUNS}?limit=4")).send().await.body["signs"].clone();
    assert_eq!(signs["quiet"], "2026-02-11T15:02:00.000000Z");
}
