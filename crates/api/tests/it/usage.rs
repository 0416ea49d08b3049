//! Token usage: recorded once per id, listed newest first.

use futures_util::future::join_all;
use pilotdeck_testkit::TestApp;
use serde_json::{Value, json};

const USAGE: &str = "/api/agent/usage";

async fn record(app: &TestApp, body: Value) -> Value {
    let answer = app.post(USAGE).json(&body).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["data"].clone()
}

fn ids(records: &Value) -> Vec<&str> {
    records.as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_record_needs_nothing_at_all() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;

    let data = record(&app, json!({ "extra": [1] })).await;

    let id = data["results"][0]["data"]["id"].as_str().unwrap();
    assert!(id.starts_with("usage-"), "{id}");
    let stored = json!({
        "id": id, "ts": "2026-02-11T15:00:00.000000Z", "projectId": null, "runId": null, "agentId": null,
        "workspace": null, "sessionId": null, "source": "opencode", "model": null, "promptTokens": 0,
        "completionTokens": 0, "totalTokens": 0, "cost": 0.0, "data": {}, "extra": [1],
    });
    let results = json!([{ "success": true, "created": true, "data": stored }]);
    assert_eq!(data, json!({ "received": 1, "created": 1, "results": results }));
    assert_eq!(app.data(USAGE).await, json!([stored]));
}

#[tokio::test]
async fn a_record_takes_its_normal_form() {
    let app = TestApp::start().await;

    for (field, sent, normal) in [
        ("ts", json!("2026-02-11T17:00:00+02:00"), json!("2026-02-11T15:00:00.000000Z")),
        ("promptTokens", json!("12"), json!(12)),
        ("promptTokens", json!(12.9), json!(12)),
        ("promptTokens", json!(-1), json!(0)),
        ("promptTokens", json!("12.9"), json!(0)),
        ("completionTokens", json!(true), json!(1)),
        ("totalTokens", json!(i64::MAX), json!(i64::MAX)),
        ("totalTokens", json!("9007199254740993"), json!(9_007_199_254_740_993_i64)),
        ("cost", json!(" 0.5 "), json!(0.5)),
        ("cost", json!("nan"), json!(0.0)),
        ("cost", json!("inf"), json!(0.0)),
        ("cost", json!(-1), json!(0.0)),
        ("source", json!(null), json!("opencode")),
        ("data", json!("raw"), json!({ "raw": "raw" })),
        ("data", json!({ "a": null }), json!({ "a": null })),
        ("model", json!(5), json!("5")),
    ] {
        let data = record(&app, json!({ field: sent })).await;
        assert_eq!(data["results"][0]["data"][field], normal, "{field}: {sent}");
    }
}

#[tokio::test]
async fn counts_of_64_bits_are_exact_everywhere() {
    let app = TestApp::start().await;

    let answer = app
        .post(USAGE)
        .raw_json(r#"{"id":"u","promptTokens":9007199254740993,"totalTokens":9223372036854775807}"#)
        .send()
        .await;

    let listed = app.get(USAGE).send().await;
    let sums = app.get("/api/stats/tokens").send().await;
    for text in [answer.text, listed.text, sums.text] {
        assert!(text.contains(r#""promptTokens":9007199254740993,"#), "{text}");
        assert!(text.contains(r#""totalTokens":9223372036854775807,"#), "{text}");
    }
}

#[tokio::test]
async fn records_are_stored_once_per_id_also_within_a_request() {
    let app = TestApp::start().await;
    record(&app, json!({ "id": "a", "totalTokens": 1 })).await;

    let records = json!([
        { "id": "b", "totalTokens": 2 }, { "id": "a", "totalTokens": 9 }, { "id": "b", "totalTokens": 9 }, {}, {}
    ]);
    let data = record(&app, json!({ "records": records })).await;

    assert_eq!((&data["received"], &data["created"]), (&json!(5), &json!(3)));
    let results = data["results"].as_array().unwrap();
    let created: Vec<_> =
        results.iter().map(|result| result["created"].as_bool().unwrap()).collect();
    assert_eq!(created, [true, false, false, true, true]);
    let tokens: Vec<_> =
        results.iter().map(|result| result["data"]["totalTokens"].as_i64().unwrap()).collect();
    assert_eq!(tokens, [2, 1, 2, 0, 0]);
    assert_eq!(app.data(USAGE).await.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn one_record_sent_32_times_at_once_is_counted_once() {
    let app = TestApp::start().await;
    let send = |n: i32| app.post(USAGE).json(&json!({ "id": "u", "totalTokens": n + 1 })).send();

    let answers = join_all((0..32).map(send)).await;

    let created = answers.iter().filter(|answer| answer.body["data"]["created"] == 1).count();
    let stored = app.data(USAGE).await;
    assert_eq!((created, stored.as_array().unwrap().len()), (1, 1));
    assert!(answers.iter().all(|answer| answer.body["data"]["results"][0]["data"] == stored[0]));
}

#[tokio::test]
async fn a_bad_record_fails_alone_in_a_batch_and_is_a_bad_request_by_itself() {
    let app = TestApp::start().await;

    for bad in [
        json!({ "promptTokens": u64::MAX }),
        json!({ "totalTokens": "9223372036854775808" }),
        json!({ "completionTokens": 1e30 }),
        json!({ "model": {} }),
        json!({ "projectId": [1] }),
        json!({ "ts": "soon" }),
        json!({ "id": "a\tb" }),
    ] {
        let single = app.post(USAGE).json(&bad).send().await;
        let batch = record(&app, json!({ "records": [bad, {}] })).await;

        assert_eq!(
            (single.status.as_u16(), &single.body["success"]),
            (400, &json!(false)),
            "{bad}"
        );
        assert_eq!((&batch["received"], &batch["created"]), (&json!(2), &json!(1)));
        let failed = &batch["results"][0];
        assert_eq!((&failed["success"], &failed["record"]), (&json!(false), &bad));
        assert_eq!(
            (&failed["error"], &batch["results"][1]["created"]),
            (&single.body["error"], &json!(true))
        );
    }
    let batch = record(&app, json!({ "records": [5, null, [], "x"] })).await;
    assert_eq!((&batch["received"], &batch["created"]), (&json!(4), &json!(0)));
    for (result, sent) in batch["results"].as_array().unwrap().iter().zip([
        json!(5),
        json!(null),
        json!([]),
        json!("x"),
    ]) {
        let expected =
            json!({ "success": false, "error": "record must be an object", "record": sent });
        assert_eq!(*result, expected);
    }
}

#[tokio::test]
async fn records_that_are_no_list_are_one_record() {
    let app = TestApp::start().await;

    let data = record(&app, json!({ "id": "u", "records": "none", "totalTokens": 3 })).await;
    let empty = record(&app, json!({ "records": [] })).await;

    let stored = &data["results"][0]["data"];
    assert_eq!((&stored["records"], &stored["totalTokens"]), (&json!("none"), &json!(3)));
    assert_eq!(empty, json!({ "received": 0, "created": 0, "results": [] }));
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused_and_nothing_is_stored() {
    let app = TestApp::start().await;

    for body in ["", "{", "[]", "null", "5", r#"{"cost":NaN}"#, r#"{"cost":1e999}"#] {
        let answer = app.post(USAGE).raw_json(body).send().await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (400, &json!("malformed_json")),
            "{body}"
        );
    }
    assert_eq!(app.data(USAGE).await, json!([]));
}

#[tokio::test]
async fn usage_is_listed_newest_first() {
    let app = TestApp::start().await;
    let records = json!([
        { "id": "b", "ts": "2026-02-11T09:00:00Z", "projectId": "p", "agentId": "ada", "workspace": "/w", "source": "s" },
        { "id": "d", "ts": "2026-02-12T09:00:00Z", "projectId": "p", "agentId": "bob", "workspace": "/w", "source": "s" },
        { "id": "a", "ts": "2026-02-10T09:00:00Z", "projectId": "q", "agentId": "ada", "workspace": "/v" },
        { "id": "c", "ts": "2026-02-11T23:00:00Z", "projectId": "p", "agentId": "ada", "workspace": "/v" },
    ]);
    record(&app, json!({ "records": records })).await;

    for (query, found) in [
        ("", vec!["d", "c", "b", "a"]),
        ("limit=2", vec!["d", "c"]),
        ("limit=0", vec!["d"]),
        ("limit=x", vec!["d", "c", "b", "a"]),
        ("projectId=p", vec!["d", "c", "b"]),
        ("agentId=ada", vec!["c", "b", "a"]),
        ("workspace=/v", vec!["c", "a"]),
        ("source=opencode", vec!["c", "a"]),
        ("projectId=p&agentId=ada&workspace=/w&source=s", vec!["b"]),
        ("since=2026-02-11T09:00:00Z", vec!["d", "c", "b"]),
        ("since=2026-02-11T10:00:00%2B01:00", vec!["d", "c", "b"]),
        ("until=2026-02-11T09:00:00", vec!["b", "a"]),
        ("until=2026-02-11", vec!["a"]),
        ("since=2026-02-11&until=2026-02-12", vec!["c", "b"]),
        ("runId=r&model=m", vec!["d", "c", "b", "a"]),
    ] {
        let answer = app.get(&format!("{USAGE}?{query}")).send().await;
        assert_eq!(ids(&answer.body["data"]), found, "{query}");
        assert_eq!(answer.body["total"], found.len(), "{query}");
    }
    for query in ["since=soon", "until=2026-02-30"] {
        for path in [USAGE, "/api/stats/tokens"] {
            let answer = app.get(&format!("{path}?{query}")).send().await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["code"]),
                (400, &json!("invalid_time"))
            );
        }
    }
}

#[tokio::test]
async fn a_list_has_200_records_unless_asked_for_up_to_5000() {
    let app = TestApp::start().await;
    record(&app, json!({ "records": vec![json!({}); 5_001] })).await;

    for (query, total) in [("", 200), ("limit=5000", 5_000), ("limit=5001", 5_000)] {
        let answer = app.get(&format!("{USAGE}?{query}")).send().await;
        assert_eq!(answer.body["total"], total, "{query}");
    }
}
