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
        "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 0, "cacheWriteTokens": 0,
    })
}

fn unpriced(records: i64, tokens: i64, mut sum: Value) -> Value {
    sum["unpricedRecords"] = json!(records);
    sum["unpricedTokens"] = json!(tokens);
    sum
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
        "bySource": [],
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
        "totals": unpriced(1, 115, sum(4, 18, 15, 237, 1.0)),
        "byDay": [
            named("day", "2026-02-10", sum(1, 10, 5, 15, 0.5)),
            named("day", "2026-02-11", unpriced(1, 115, sum(3, 8, 10, 222, 0.5))),
        ],
        // p and q have the same total: the one that was used last comes first.
        "byProject": [
            named("projectId", "q", unpriced(1, 115, sum(1, 7, 8, 115, 0.0))), named("projectId", "p", sum(2, 11, 7, 115, 0.75)),
            named("projectId", "unassigned", sum(1, 0, 0, 7, 0.25)),
        ],
        "byAgent": [
            named("agentId", "ada", unpriced(1, 115, sum(2, 17, 13, 130, 0.5))), named("agentId", "bob", sum(1, 1, 2, 100, 0.25)),
            named("agentId", "unassigned", sum(1, 0, 0, 7, 0.25)),
        ],
        "byWorkspace": [
            named("workspace", "/w", unpriced(1, 115, sum(2, 17, 13, 130, 0.5))), named("workspace", "unknown", sum(2, 1, 2, 107, 0.5)),
        ],
        "byModel": [
            named("model", "unknown", unpriced(1, 115, sum(2, 7, 8, 122, 0.25))), named("model", "m2", sum(1, 1, 2, 100, 0.25)),
            named("model", "m1", sum(1, 10, 5, 15, 0.5)),
        ],
        "bySource": [named("source", "opencode", unpriced(1, 115, sum(4, 18, 15, 237, 1.0)))],
    });
    assert_eq!(tokens, expected);
    assert_eq!(of_ada["totals"], unpriced(1, 115, sum(2, 17, 13, 130, 0.5)));
    assert_eq!(until_a_day["totals"], sum(1, 10, 5, 15, 0.5));
}

#[tokio::test]
async fn tokens_of_each_day_are_split_by_what_is_asked_for() {
    let app = TestApp::start().await;
    let used = |ts: &str, model: &str, project: &str, tokens: i64| json!({ "ts": ts, "model": model, "projectId": project, "source": "ci", "totalTokens": tokens, "cost": 1 });
    let records = json!([
        used("2026-02-11T10:00:00Z", "m2", "p", 1),
        used("2026-02-10T10:00:00Z", "m2", "p", 2),
        used("2026-02-10T11:00:00Z", "m1", "q", 4),
        used("2026-02-10T12:00:00Z", "m1", "", 8),
    ]);
    record(&app, records).await;
    let series = async |query: &str| {
        let tokens = app.data(&format!("/api/stats/tokens{query}")).await;
        let rows = tokens["series"].as_array().cloned();
        let facts = |row: &Value| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            (text("day"), text("key"), row["totalTokens"].as_i64().unwrap())
        };
        rows.map(|rows| rows.iter().map(facts).collect::<Vec<_>>())
    };
    let row = |day: &str, key: &str, tokens: i64| (day.to_owned(), key.to_owned(), tokens);

    let by_model = series("?series=model").await.unwrap();
    let by_project = series("?series=project&model=m1").await.unwrap();
    let by_source =
        series("?series=source&since=2026-02-10T11:00:00Z&until=2026-02-11").await.unwrap();
    let of_model = app.data("/api/stats/tokens?model=m2").await;
    let full = app.data("/api/stats/tokens?series=agent&model=m2&until=2026-02-11").await;

    let (first, second) = ("2026-02-10", "2026-02-11");
    assert_eq!(by_model, [row(first, "m1", 12), row(first, "m2", 2), row(second, "m2", 1)]);
    assert_eq!(by_project, [row(first, "q", 4), row(first, "unassigned", 8)]);
    assert_eq!(by_source, [row(first, "ci", 12)]);
    assert_eq!(of_model["totals"], sum(2, 0, 0, 3, 2.0));
    assert_eq!(of_model["byModel"], json!([named("model", "m2", sum(2, 0, 0, 3, 2.0))]));
    let expected = named("key", "unassigned", named("day", first, sum(1, 0, 0, 2, 1.0)));
    assert_eq!(full["series"], json!([expected]));
    for query in ["", "?series=", "?series=day", "?series=color"] {
        assert_eq!(series(query).await, None, "{query}");
    }
}

#[tokio::test]
async fn tokens_of_a_cache_are_found_under_their_usual_names() {
    let app = TestApp::start().await;
    let records = json!([
        { "id": "a", "model": "m", "cacheReadTokens": 5, "cacheWriteTokens": "2", "totalTokens": 9, "cost": 1 },
        { "model": "m", "cache_read_input_tokens": 7, "cache_creation_input_tokens": -3 },
        { "model": "n", "data": { "tokens": { "cache": { "read": 11, "write": 13 } } } },
        { "model": "n", "totalTokens": 3, "cacheReadTokens": "many" },
    ]);
    record(&app, records).await;

    let tokens = app.data("/api/stats/tokens?series=model").await;

    let cached = |read: i64, write: i64, mut sum: Value| {
        sum["cacheReadTokens"] = json!(read);
        sum["cacheWriteTokens"] = json!(write);
        sum
    };
    assert_eq!(tokens["totals"], cached(23, 15, unpriced(1, 3, sum(4, 0, 0, 12, 1.0))));
    let of_m = cached(12, 2, sum(2, 0, 0, 9, 1.0));
    let of_n = cached(11, 13, unpriced(1, 3, sum(2, 0, 0, 3, 0.0)));
    assert_eq!(
        tokens["byModel"],
        json!([named("model", "m", of_m.clone()), named("model", "n", of_n.clone())])
    );
    let days: Vec<&Value> = tokens["series"].as_array().unwrap().iter().collect();
    assert_eq!(days.iter().map(|row| &row["cacheReadTokens"]).collect::<Vec<_>>(), [12, 11]);
    let served = app.data("/api/agent/usage?limit=5").await;
    let served = served.as_array().unwrap().iter().find(|record| record["id"] == "a").unwrap();
    assert_eq!((&served["cacheReadTokens"], &served["cacheWriteTokens"]), (&json!(5), &json!("2")));
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

    let all = unpriced(6_000, 18_000, sum(6_000, 12_000, 0, 18_000, 0.0));
    assert_eq!(tokens["totals"], all);
    assert_eq!(tokens["byProject"], json!([named("projectId", "p", all)]));
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
