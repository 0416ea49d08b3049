//! Token usage.

use pilotdeck_domain::actions::ActionsBody;
use pilotdeck_services::Error;
use pilotdeck_services::insights::{TokenFilter, TokenSum};
use pilotdeck_services::projects::BatchOp;
use pilotdeck_services::usage::UsageFilter;
use serde_json::{Value, json};

use crate::world::{World, agent, fields, race, value};

async fn total(world: &World) -> Option<TokenSum> {
    let filter = TokenFilter::default();
    world.services.insights.tokens(&agent(), &filter, None).await.unwrap().totals
}

async fn record(world: &World, items: Value) -> Vec<Option<bool>> {
    let items = items.as_array().unwrap().iter().cloned().map(fields).collect();
    let results = world.services.usage.record(&agent(), items).await.unwrap();
    results.into_iter().map(|result| result.ok().map(|stored| stored.created)).collect()
}

#[tokio::test]
async fn each_record_of_a_batch_is_stored_once_and_a_bad_one_fails_alone() {
    let world = World::new().await;

    let first = record(
        &world,
        json!([
            { "id": "u1", "totalTokens": 1 },
            { "id": "u1", "totalTokens": 50 },
            { "id": "u2", "model": { "name": "x" } },
            { "id": "u2", "totalTokens": 2 },
            { "totalTokens": 4 },
        ]),
    )
    .await;
    let second = record(&world, json!([{ "id": "u2" }, { "id": "u3", "totalTokens": 8 }])).await;

    assert_eq!(first, [Some(true), Some(false), None, Some(true), Some(true)]);
    assert_eq!(second, [Some(false), Some(true)]);
    let total = total(&world).await.unwrap();
    assert_eq!((total.records, total.total_tokens), (4, 15));
    assert_eq!(world.operations().await.iter().filter(|made| *made == "usage.recorded").count(), 4);
    assert_eq!(record(&world, json!([{ "id": "u1" }])).await, [Some(false)]);
    assert_eq!(world.lines().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_sent_many_times_at_once_counts_once() {
    let world = World::new().await;

    race(|_| {
        let services = world.services.clone();
        let items = vec![fields(json!({ "id": "u1", "totalTokens": 3 }))];
        async move { services.usage.record(&agent(), items).await.unwrap() }
    })
    .await;

    assert_eq!(total(&world).await.unwrap().total_tokens, 3);
}

#[tokio::test]
async fn the_total_that_a_run_reports_counts_once_and_follows_its_corrections() {
    let world = World::new().await;
    let report = |tokens: i64| {
        fields(
            json!({ "status": "completed", "usage": { "totalTokens": tokens, "cost": 0.5, "model": "m" } }),
        )
    };
    world.services.runs.start(&agent(), fields(json!({ "id": "r" }))).await.unwrap();

    for tokens in [100, 100, 120] {
        world.services.runs.change(&agent(), "r", report(tokens)).await.unwrap();
        world.clock.turn(chrono::Duration::minutes(1));
    }

    let total = total(&world).await.unwrap();
    assert_eq!((total.records, total.total_tokens), (1, 120));
    let operations = world.operations().await;
    let of = |word: &str| operations.iter().filter(|operation| *operation == word).count();
    assert_eq!((of("usage.recorded"), of("usage.corrected"), of("run.updated")), (1, 1, 3));
}

#[tokio::test]
async fn the_total_of_a_run_does_not_count_beside_its_items() {
    for item in [
        json!({ "id": "u", "runId": "r", "totalTokens": 7 }),
        json!({ "id": "u", "runId": "ses_1", "totalTokens": 7 }),
        json!({ "id": "u", "sessionId": "ses_1", "totalTokens": 7 }),
    ] {
        let world = World::new().await;
        let run = fields(json!({ "id": "r", "sessionId": "ses_1" }));
        world.services.runs.start(&agent(), run).await.unwrap();
        record(&world, json!([item])).await;

        let report = fields(json!({ "usage": { "totalTokens": 7 } }));
        world.services.runs.change(&agent(), "r", report).await.unwrap();

        assert_eq!(total(&world).await.unwrap().total_tokens, 7, "{item}");
    }
}

/// All orders of `steps`.
fn orders<T: Clone>(steps: &[T]) -> Vec<Vec<T>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..steps.len() {
        let mut rest = steps.to_vec();
        let step = rest.remove(first);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, step.clone());
            order
        }));
    }
    all
}

#[tokio::test]
async fn reports_and_items_add_up_to_the_same_in_every_order() {
    // Two reports of one run, with other totals; a batch of its calls, and one that names the session alone; a run of
    // another session, which has no calls.
    let steps = [
        ("report", json!({ "usage": { "totalTokens": 70, "cost": 0.7, "model": "m" } })),
        (
            "report",
            json!({ "usage": { "totalTokens": 100, "cost": 1, "model": "m" }, "status": "completed" }),
        ),
        (
            "items",
            json!([{ "id": "a", "runId": "r", "totalTokens": 60 }, { "id": "b", "runId": "ses_1", "totalTokens": 10 }]),
        ),
        ("items", json!([{ "id": "c", "sessionId": "ses_1", "totalTokens": 30 }])),
        ("other", json!({ "usage": { "totalTokens": 5 } })),
    ];
    for order in orders(&steps) {
        let world = World::new().await;
        for (id, session) in [("r", "ses_1"), ("other", "ses_2")] {
            let run = fields(json!({ "id": id, "sessionId": session }));
            world.services.runs.start(&agent(), run).await.unwrap();
        }

        for (step, body) in &order {
            match *step {
                "items" => {
                    record(&world, body.clone()).await;
                }
                step => {
                    let run = if step == "other" { "other" } else { "r" };
                    world.services.runs.change(&agent(), run, fields(body.clone())).await.unwrap();
                }
            }
        }

        let total = total(&world).await.unwrap();
        assert_eq!((total.records, total.total_tokens), (4, 105), "{order:?}");
        let list = world.services.usage.list(&agent(), &UsageFilter::default(), None, 10).await;
        let listed: i64 = list
            .unwrap()
            .documents
            .iter()
            .map(|record| value(record)["totalTokens"].as_i64().unwrap())
            .sum();
        assert_eq!(listed, 105, "{order:?}");
        world.assert_holds().await;
    }
}

#[tokio::test]
async fn sums_stay_exact_beyond_64_bits_and_group_what_is_unnamed() {
    let world = World::new().await;
    let large = i64::MAX;
    record(
        &world,
        json!([
            { "id": "a", "totalTokens": large, "promptTokens": large, "completionTokens": large, "model": "m", "ts": "2026-01-02" },
            { "id": "b", "totalTokens": large, "promptTokens": 1, "agentId": "build", "ts": "2026-01-01" },
            { "id": "c", "totalTokens": 5, "projectId": "", "workspace": "w", "ts": "2026-01-02T23:59:59Z" },
        ]),
    )
    .await;

    let filter = UsageFilter::default();
    let stats =
        world.services.insights.tokens(&agent(), &filter.clone().into(), None).await.unwrap();

    let sums = |sums: &[TokenSum]| -> Vec<(String, i64, i128)> {
        sums.iter().map(|sum| (sum.name.clone(), sum.records, sum.total_tokens)).collect()
    };
    let large = i128::from(large);
    let total = stats.totals.unwrap();
    assert_eq!((total.records, total.total_tokens), (3, 2 * large + 5));
    assert_eq!((total.prompt_tokens, total.completion_tokens), (large + 1, large));
    assert_eq!(
        sums(&stats.by_day),
        [("2026-01-01".to_owned(), 1, large), ("2026-01-02".to_owned(), 2, large + 5)]
    );
    assert_eq!(sums(&stats.by_project), [("unassigned".to_owned(), 3, 2 * large + 5)]);
    assert_eq!(
        sums(&stats.by_agent),
        [("unassigned".to_owned(), 2, large + 5), ("build".to_owned(), 1, large)]
    );
    assert_eq!(
        sums(&stats.by_model),
        [("unknown".to_owned(), 2, large + 5), ("m".to_owned(), 1, large)]
    );
    let stored = world.services.usage.list(&agent(), &filter, None, 1).await.unwrap().documents;
    assert_eq!(value(&stored[0])["id"], json!("c"));
    let day =
        UsageFilter { until: Some("2026-01-01T12:00:00.000000Z".into()), ..UsageFilter::default() };
    let stats = world.services.insights.tokens(&agent(), &day.into(), None).await.unwrap();
    assert_eq!(stats.totals.unwrap().records, 1);
    let none = UsageFilter { source: Some("nobody".into()), ..UsageFilter::default() };
    assert!(
        world
            .services
            .insights
            .tokens(&agent(), &none.into(), None)
            .await
            .unwrap()
            .totals
            .is_none()
    );
}

#[tokio::test]
async fn a_small_request_about_large_things_is_refused_and_does_nothing() {
    let world = World::new().await;
    let large = "x".repeat(9 << 20);
    assert_eq!(record(&world, json!([{ "id": "u", "note": large }])).await, [Some(true)]);
    let project = fields(json!({ "id": "p", "name": "Large", "note": large }));
    world.services.projects.create(&agent(), project).await.unwrap();
    let before = world.lines().await.len();

    let again = |times| std::iter::repeat_n(json!({ "id": "u" }), times);
    assert_eq!(record(&world, again(14).collect()).await, [Some(false); 14]);
    let items = again(15).chain([json!({ "id": "new" })]).map(fields).collect();
    let refused = world.services.usage.record(&agent(), items).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let ops = (0..15).map(|progress| {
        let patch = fields(json!({ "progress": progress }));
        Ok(BatchOp { id: "p".to_owned(), patch, expected_version: None })
    });
    let refused = world.services.projects.batch(&agent(), ops.collect()).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
    let action = json!({ "type": "bump_progress", "params": { "delta": 1 } });
    let body = json!({ "projectId": "p", "actions": vec![action; 15] });
    let ActionsBody::Actions { context, items, .. } = ActionsBody::parse(fields(body)).unwrap()
    else {
        panic!("a proposal");
    };
    let refused = world.services.actions.act(&agent(), &context, items).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));

    assert_eq!(world.lines().await.len(), before);
    assert_eq!(world.count("token_usage_records").await, 1);
    assert_eq!(world.project().await["progress"], 0);
}
