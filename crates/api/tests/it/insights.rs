//! Statistics, against numbers that were added up by hand.

use pilotdeck_testkit::TestApp;
use serde_json::{Value, json};

async fn record(app: &TestApp, records: Value) {
    let answer = app.post("/api/agent/usage").json(&json!({ "records": records })).send().await;
    assert_eq!(answer.body["data"]["created"], answer.body["data"]["received"], "{}", answer.text);
}

fn sum(records: i64, prompt: i64, completion: i64, total: i64, cost: f64) -> Value {
    json!({
        "records": records, "promptTokens": prompt, "completionTokens": completion, "totalTokens": total, "cost": cost,
    })
}

fn named(key: &str, name: &str, mut sum: Value) -> Value {
    sum[key] = json!(name);
    sum
}

#[tokio::test]
async fn an_empty_database_adds_up_to_zero() {
    let app = TestApp::start().await;

    let stats = app.data("/api/stats").await;
    let tokens = app.data("/api/stats/tokens").await;

    let financial =
        json!({ "totalBudget": 0.0, "totalCost": 0.0, "totalRevenue": 0.0, "netProfit": 0.0 });
    let expected = json!({ "total": 0, "byStatus": {}, "byPriority": {}, "byCategory": {}, "financial": financial });
    assert_eq!(stats, expected);
    let expected = json!({
        "totals": sum(0, 0, 0, 0, 0.0), "byDay": [], "byProject": [], "byAgent": [], "byWorkspace": [], "byModel": [],
    });
    assert_eq!(tokens, expected);
}

#[tokio::test]
async fn projects_are_counted_and_their_money_is_added_up() {
    let app = TestApp::start().await;
    for fields in [
        json!({ "status": "planning", "priority": "low", "category": "web", "budget": 100, "cost": 10.5 }),
        json!({ "status": "planning", "priority": "high", "category": "", "budget": "50.5", "cost": { "total": "2" } }),
        json!({ "status": "odd word", "revenue": { "total": 40, "x": 1 }, "cost": { "total": true } }),
        json!({ "category": null, "budget": { "planned": 1 }, "cost": "12", "revenue": -5 }),
        json!({ "category": "web", "cost": { "total": "many" }, "revenue": { "total": "0.5" } }),
    ] {
        app.a_project(fields).await;
    }

    let stats = app.data("/api/stats").await;

    let expected = json!({
        "total": 5,
        "byStatus": { "planning": 4, "odd word": 1 },
        "byPriority": { "low": 1, "high": 1, "medium": 3 },
        "byCategory": { "web": 2, "未分类": 3 },
        "financial": { "totalBudget": 151.5, "totalCost": 13.5, "totalRevenue": 40.5, "netProfit": 27.0 },
    });
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn tokens_are_added_up_in_every_way() {
    let app = TestApp::start().await;
    let record_of = |ts: &str, names: [Option<&str>; 4], counts: (i64, i64, i64), cost: f64| {
        let [project, agent, workspace, model] = names;
        json!({
            "ts": ts, "projectId": project, "agentId": agent, "workspace": workspace, "model": model,
            "promptTokens": counts.0, "completionTokens": counts.1, "totalTokens": counts.2, "cost": cost,
        })
    };
    let records = json!([
        record_of(
            "2026-02-10T10:00:00Z",
            [Some("p"), Some("ada"), Some("/w"), Some("m1")],
            (10, 5, 15),
            0.5
        ),
        record_of(
            "2026-02-11T10:00:00Z",
            [Some("p"), Some("bob"), None, Some("m2")],
            (1, 2, 100),
            0.25
        ),
        record_of(
            "2026-02-11T11:00:00Z",
            [Some("q"), Some("ada"), Some("/w"), Some("")],
            (7, 8, 115),
            0.0
        ),
        // 01:00 at +02:00 is the day before in UTC.
        record_of("2026-02-12T01:00:00+02:00", [None, None, Some(""), None], (0, 0, 7), 0.25),
    ]);
    record(&app, records).await;

    let tokens = app.data("/api/stats/tokens").await;
    let of_ada = app
        .data("/api/stats/tokens?agentId=ada&since=2026-02-10T10:00:00&until=2026-02-11T11:00:00Z")
        .await;
    let until_a_day = app.data("/api/stats/tokens?until=2026-02-11").await;

    let expected = json!({
        "totals": sum(4, 18, 15, 237, 1.0),
        "byDay": [
            named("day", "2026-02-10", sum(1, 10, 5, 15, 0.5)), named("day", "2026-02-11", sum(3, 8, 10, 222, 0.5)),
        ],
        // p and q have the same total: the one that was used last comes first.
        "byProject": [
            named("projectId", "q", sum(1, 7, 8, 115, 0.0)), named("projectId", "p", sum(2, 11, 7, 115, 0.75)),
            named("projectId", "unassigned", sum(1, 0, 0, 7, 0.25)),
        ],
        "byAgent": [
            named("agentId", "ada", sum(2, 17, 13, 130, 0.5)), named("agentId", "bob", sum(1, 1, 2, 100, 0.25)),
            named("agentId", "unassigned", sum(1, 0, 0, 7, 0.25)),
        ],
        "byWorkspace": [
            named("workspace", "/w", sum(2, 17, 13, 130, 0.5)), named("workspace", "unknown", sum(2, 1, 2, 107, 0.5)),
        ],
        "byModel": [
            named("model", "unknown", sum(2, 7, 8, 122, 0.25)), named("model", "m2", sum(1, 1, 2, 100, 0.25)),
            named("model", "m1", sum(1, 10, 5, 15, 0.5)),
        ],
    });
    assert_eq!(tokens, expected);
    assert_eq!(of_ada["totals"], sum(2, 17, 13, 130, 0.5));
    assert_eq!(until_a_day["totals"], sum(1, 10, 5, 15, 0.5));
}

#[tokio::test]
async fn no_record_is_left_out() {
    let app = TestApp::start().await;
    record(
        &app,
        json!(vec![json!({ "projectId": "p", "totalTokens": 3, "promptTokens": 2 }); 6_000]),
    )
    .await;

    let tokens = app.data("/api/stats/tokens").await;

    assert_eq!(tokens["totals"], sum(6_000, 12_000, 0, 18_000, 0.0));
    assert_eq!(
        tokens["byProject"],
        json!([named("projectId", "p", sum(6_000, 12_000, 0, 18_000, 0.0))])
    );
}

#[tokio::test]
async fn sums_beyond_64_bits_stay_valid_json() {
    let app = TestApp::start().await;
    record(
        &app,
        json!(vec![json!({ "totalTokens": i64::MAX, "promptTokens": i64::MAX, "cost": 1e308 }); 4]),
    )
    .await;
    record(&app, json!([{ "promptTokens": 1, "agentId": "a" }])).await;

    let answer = app.get("/api/stats/tokens").send().await;
    let pair = app.get("/api/stats/tokens?agentId=a").send().await;

    assert_eq!(answer.status, 200);
    let totals = &answer.body["data"]["totals"];
    assert_eq!(totals["totalTokens"].as_f64(), Some(4.0 * 2.0_f64.powi(63)), "{}", answer.text);
    // No record costs more whole units than 64 bits hold.
    assert_eq!(totals["cost"].as_f64(), Some(4.0 * 2.0_f64.powi(63)));
    assert_eq!(pair.body["data"]["totals"], sum(1, 1, 0, 0, 0.0));
}

#[tokio::test]
async fn money_that_no_number_holds_stays_valid_json() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.a_project(json!({ "budget": 1.5e308, "cost": 1.5e308, "revenue": 1.5e308 })).await;
    }

    let answer = app.get("/api/stats").send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body["data"]["financial"]["totalBudget"].as_f64(),
        Some(f64::MAX),
        "{}",
        answer.text
    );
}
