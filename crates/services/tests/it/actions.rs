//! Semantic actions.

use pilotdeck_services::actions::ActionOutcome;
use pilotdeck_services::events::EventFilter;
use serde_json::json;

use crate::world::{TASKS, World, act, agent, fields, race, value};

fn bump(id: Option<&str>) -> serde_json::Value {
    json!({ "projectId": "p", "agentId": "build",
            "actions": [{ "id": id, "type": "bump_progress", "params": { "delta": 1 } }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn bumps_at_once_all_count() {
    let world = World::with_project().await;

    race(|_| act(world.services.clone(), bump(None))).await;

    assert_eq!(world.project().await["progress"], json!(TASKS));
    assert_eq!(world.count("agent_events WHERE type = 'action.bump_progress'").await, 32);
    world.assert_holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_sent_many_times_at_once_is_done_once() {
    let world = World::with_project().await;

    let outcomes = race(|_| act(world.services.clone(), bump(Some("a1")))).await;

    let done = outcomes.iter().filter(|of| matches!(of[0], ActionOutcome::Done { .. })).count();
    let repeated =
        outcomes.iter().filter(|of| matches!(of[0], ActionOutcome::Repeated { .. })).count();
    assert_eq!((done, repeated), (1, TASKS - 1));
    assert_eq!(world.project().await["progress"], json!(1));
    assert_eq!(
        world.operations().await,
        ["database.created", "project.created", "project.updated", "action.applied"]
    );
}

#[tokio::test]
async fn an_action_repeated_within_one_request_is_done_once() {
    let world = World::with_project().await;
    let mut body = bump(Some("a1"));
    let twice = body["actions"][0].clone();
    body["actions"].as_array_mut().unwrap().push(twice);

    let outcomes = world.act(body).await;

    assert!(matches!(outcomes[..], [ActionOutcome::Done { .. }, ActionOutcome::Repeated { .. }]));
    assert_eq!(world.project().await["progress"], json!(1));
}

#[tokio::test]
async fn a_change_and_the_event_that_records_it_stand_or_fall_together() {
    let world = World::with_project().await;
    let mut conn = world.elsewhere().await;
    let refuse =
        "CREATE TRIGGER full BEFORE INSERT ON agent_events BEGIN SELECT RAISE(ABORT, 'no'); END";
    sqlx::raw_sql(refuse).execute(&mut conn).await.unwrap();
    let before = world.project().await;
    let body =
        |id: &str| match pilotdeck_domain::actions::ActionsBody::parse(fields(bump(Some(id)))) {
            Ok(pilotdeck_domain::actions::ActionsBody::Actions { context, items, .. }) => {
                (context, items)
            }
            other => panic!("{other:?}"),
        };

    let (context, items) = body("a1");
    let failed = world.services.actions.act(&agent(), &context, items).await;

    assert!(failed.is_err());
    assert_eq!(world.project().await, before);
    assert_eq!(world.lines().await.len(), 2);
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut conn).await.unwrap();
    let (context, items) = body("a1");
    let done = world.services.actions.act(&agent(), &context, items).await.unwrap();
    assert!(done.changed());
    let newest = EventFilter { limit: 1, ..EventFilter::default() };
    let event = value(&world.services.events.list(&agent(), newest).await.unwrap().documents[0]);
    assert_eq!(event["data"]["projectUpdatedAt"], world.project().await["updatedAt"]);
}

#[tokio::test]
async fn what_is_wrong_with_one_action_does_not_hold_up_the_others() {
    let world = World::with_project().await;
    world.services.events.append(&agent(), fields(json!({ "id": "note" }))).await.unwrap();
    let action = |id: &str, more: serde_json::Value| {
        let mut action =
            fields(json!({ "id": id, "type": "bump_progress", "params": { "delta": 1 } }));
        action.extend(fields(more));
        serde_json::Value::Object(action)
    };

    let outcomes = world
        .act(json!({ "projectId": "p", "actions": [
            action("a1", json!({ "projectId": "q" })),
            action("a2", json!({ "ifUpdatedAt": "2020-01-01" })),
            action("a3", json!({ "params": {} })),
            action("note", json!({})),
            7,
            action("a4", json!({ "recordOnly": true })),
            action("a5", json!({})),
        ] }))
        .await;

    assert!(matches!(
        outcomes[..],
        [
            ActionOutcome::UnknownProject { .. },
            ActionOutcome::Stale { .. },
            ActionOutcome::Invalid { .. },
            ActionOutcome::IdInUse { .. },
            ActionOutcome::Invalid { id: None, .. },
            ActionOutcome::Done { changed: false, .. },
            ActionOutcome::Done { changed: true, .. },
        ]
    ));
    assert_eq!(world.project().await["progress"], json!(1));
    assert!(matches!(world.act(bump(Some("a2"))).await[0], ActionOutcome::Done { .. }));
}

#[tokio::test]
async fn an_action_of_a_session_is_in_the_run_of_the_session() {
    let world = World::with_project().await;
    let run = fields(json!({ "id": "run-1", "sessionId": "ses_1", "source": "opencode" }));
    world.services.runs.start(&agent(), run).await.unwrap();
    let mut body = bump(Some("a1"));
    body["runId"] = json!("ses_1");

    world.act(body).await;

    let of_run =
        |run: &str| EventFilter { run_id: Some(run.into()), limit: 9, ..EventFilter::default() };
    for run in ["run-1", "ses_1"] {
        let events = world.services.events.list(&agent(), of_run(run)).await.unwrap().documents;
        assert_eq!(events.len(), 1, "{run}");
        assert_eq!(value(&events[0])["runId"], json!("run-1"));
    }
}
