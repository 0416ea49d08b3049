//! Runs and events.

use pilotdeck_services::events::EventFilter;
use serde_json::json;

use crate::world::{World, agent, fields, race, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_started_many_times_at_once_is_one_run() {
    for body in [
        json!({ "id": "run-1", "agentId": "build" }),
        json!({ "sessionId": "ses_1", "source": "opencode", "agent": "build" }),
    ] {
        let world = World::new().await;

        let started = race(|_| {
            let (services, body) = (world.services.clone(), fields(body.clone()));
            async move { services.runs.start(&agent(), body).await.unwrap() }
        })
        .await;

        assert_eq!(started.iter().filter(|run| run.created).count(), 1);
        assert!(started.iter().all(|run| run.id == started[0].id));
        assert_eq!(world.count("agent_runs").await, 1);
        assert_eq!(world.operations().await, ["database.created", "run.created"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_sent_many_times_at_once_is_one_event() {
    for body in [json!({ "id": "e1" }), json!({ "idempotencyKey": "ses_1: 完成 M1" })] {
        let world = World::new().await;

        let appended = race(|turn| {
            let mut body = fields(body.clone());
            body.insert("title".to_owned(), json!(turn));
            let services = world.services.clone();
            async move { services.events.append(&agent(), body).await.unwrap() }
        })
        .await;

        let winner = appended.iter().find(|event| event.created).unwrap();
        assert_eq!(appended.iter().filter(|event| event.created).count(), 1);
        assert!(appended.iter().all(|event| event.event == winner.event));
        assert_eq!(world.operations().await, ["database.created", "event.appended"]);
    }
}

#[tokio::test]
async fn events_of_a_session_belong_to_the_newest_run_that_has_it() {
    let world = World::with_project().await;
    for (source, project) in [("a", "other"), ("b", "p")] {
        let body =
            json!({ "sessionId": "ses_1", "source": source, "id": source, "projectId": project });
        world.services.runs.start(&agent(), fields(body)).await.unwrap();
        world.clock.turn(chrono::Duration::seconds(1));
    }

    let event = world.services.events.append(&agent(), fields(json!({ "runId": "ses_1" }))).await;
    let changed = world
        .services
        .runs
        .change(&agent(), "ses_1", fields(json!({ "status": "completed" })))
        .await;

    let event = value(&event.unwrap().event);
    assert_eq!((&event["runId"], &event["projectId"]), (&json!("b"), &json!("p")));
    assert_eq!(value(&changed.unwrap())["id"], json!("b"));
}

#[tokio::test]
async fn events_of_one_moment_keep_the_order_in_which_they_came() {
    let world = World::new().await;
    for turn in 0..5 {
        let body = fields(json!({ "id": format!("e{turn}") }));
        world.services.events.append(&agent(), body).await.unwrap();
    }

    let newest = EventFilter { limit: 3, ..EventFilter::default() };
    let events = world.services.events.list(&agent(), newest).await.unwrap().documents;

    let ids: Vec<_> = events.iter().map(|event| value(event)["id"].clone()).collect();
    assert_eq!(ids, [json!("e2"), json!("e3"), json!("e4")]);
}

#[tokio::test]
async fn a_row_without_a_creation_time_gets_one_that_lists_agree_with() {
    let world = World::new().await;
    world.services.runs.start(&agent(), fields(json!({ "id": "r" }))).await.unwrap();
    let mut conn = world.elsewhere().await;
    let forget = "UPDATE agent_runs SET created_at = NULL, payload_json = json_remove(payload_json, '$.createdAt')";
    sqlx::raw_sql(forget).execute(&mut conn).await.unwrap();

    let run = world.services.runs.change(&agent(), "r", fields(json!({}))).await.unwrap();

    assert_eq!(value(&run)["createdAt"], json!("2026-11-21T12:00:00.000000Z"));
    assert_eq!(world.count("agent_runs WHERE created_at = payload_json ->> 'createdAt'").await, 1);
}
