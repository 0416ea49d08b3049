//! What arrives in streams, from many at once.

use std::sync::Arc;
use std::time::Duration;

use pilotdeck_services::{Error, Services, Unavailable};
use pilotdeck_storage::{Database, StoreError};
use serde_json::{Value, json};
use tokio::runtime;
use tokio::task::JoinHandle;

use crate::world::{TASKS, World, agent, fields, race, value};

async fn append(services: Services, body: Value) -> Result<(Value, bool), Error> {
    let appended = services.events.append(&agent(), fields(body)).await?;
    Ok((value(&appended.event), appended.created))
}

async fn record(services: Services, items: Value) -> Result<Vec<bool>, Error> {
    let items = items.as_array().unwrap().iter().cloned().map(fields).collect();
    let stored = services.usage.record(&agent(), items).await?;
    Ok(stored.into_iter().map(|stored| stored.unwrap().created).collect())
}

/// Requests that wait together while somebody else is the writer.
async fn together<T: Send + 'static>(
    database: &Database,
    requests: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<JoinHandle<T>> {
    let writer = database.write().await.unwrap();
    let mut waiting = Vec::new();
    for request in requests {
        waiting.push(tokio::spawn(request));
        tokio::task::yield_now().await;
    }
    drop(writer);
    waiting
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_requests_at_once_hears_what_became_of_its_own() {
    let world = World::with_project().await;
    let run = fields(json!({ "id": "r", "projectId": "p", "sessionId": "ses_1" }));
    world.services.runs.start(&agent(), run).await.unwrap();

    let answers = race(|turn| {
        let services = world.services.clone();
        async move {
            let own = json!({ "id": format!("own-{turn}"), "runId": "ses_1", "message": turn });
            let shared = json!({ "id": format!("shared-{}", turn % 2), "title": turn });
            let usage =
                json!([{ "id": format!("u-{turn}") }, { "id": "u" }, { "id": format!("u-{turn}") }]);
            (
                append(services.clone(), own).await.unwrap(),
                append(services.clone(), shared).await.unwrap(),
                append(services.clone(), json!({ "idempotencyKey": "k" })).await.unwrap(),
                record(services, usage).await.unwrap(),
            )
        }
    })
    .await;

    let made =
        |made: fn(&bool) -> bool, which: Vec<bool>| which.iter().filter(|one| made(one)).count();
    for (turn, ((own, created), _, _, usage)) in answers.iter().enumerate() {
        assert_eq!((own["id"].clone(), created), (json!(format!("own-{turn}")), &true));
        assert_eq!((&own["runId"], &own["projectId"]), (&json!("r"), &json!("p")));
        assert_eq!((&own["message"], usage[0], usage[2]), (&json!(turn.to_string()), true, false));
    }
    for name in ["shared-0", "shared-1"] {
        let of: Vec<_> = answers
            .iter()
            .map(|answer| &answer.1)
            .filter(|(event, _)| event["id"] == name)
            .collect();
        assert_eq!(of.len(), TASKS / 2);
        assert_eq!(made(|made| *made, of.iter().map(|(_, created)| *created).collect()), 1);
        assert!(of.iter().all(|(event, _)| *event == of[0].0), "{of:?}");
    }
    assert_eq!(made(|made| *made, answers.iter().map(|answer| answer.2.1).collect()), 1);
    assert_eq!(made(|made| *made, answers.iter().map(|answer| answer.3[1]).collect()), 1);
    assert_eq!(world.count("agent_events").await, i64::try_from(TASKS).unwrap() + 3);
    assert_eq!(world.count("token_usage_records").await, i64::try_from(TASKS).unwrap() + 1);
    world.assert_holds().await;
}

#[tokio::test]
async fn requests_that_wait_together_are_written_in_the_order_in_which_they_came() {
    let world = World::new().await;
    let requests: Vec<_> = (0..100)
        .map(|turn| append(world.services.clone(), json!({ "id": format!("e{turn}") })))
        .collect();

    let waiting = together(&world.database, requests).await;
    for request in waiting {
        assert!(request.await.unwrap().unwrap().1);
    }

    let order: Vec<_> =
        world.lines().await.into_iter().filter_map(|line| line.subject_id).collect();
    assert_eq!(order, (0..100).map(|turn| format!("e{turn}")).collect::<Vec<_>>());
    world.assert_holds().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_written_does_not_fail_its_neighbours() {
    let world = World::new().await;
    let mut elsewhere = world.elsewhere().await;
    sqlx::query(
        "CREATE TRIGGER refuse BEFORE INSERT ON agent_events WHEN NEW.id = 'bad'
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .execute(&mut elsewhere)
    .await
    .unwrap();
    let requests: Vec<_> = ["e1", "bad", "e2", "e1"]
        .map(|id| append(world.services.clone(), json!({ "id": id })))
        .into_iter()
        .collect();

    let mut outcomes = Vec::new();
    for request in together(&world.database, requests).await {
        outcomes.push(request.await.unwrap().map(|(_, created)| created));
    }

    assert!(matches!(
        outcomes[..],
        [Ok(true), Err(Error::Store(StoreError::Engine(_))), Ok(true), Ok(false)]
    ));
    assert_eq!(world.count("agent_events").await, 2);
    world.assert_holds().await;
}

#[tokio::test]
async fn more_than_memory_is_set_aside_for_is_refused_until_there_is_room() {
    let world = World::new().await;
    let large = Arc::new("x".repeat(15 << 20));
    let writer = world.database.write().await.unwrap();
    let mut waiting = Vec::new();
    for turn in 0..6 {
        let body = json!({ "id": format!("e{turn}"), "message": *large });
        waiting.push(tokio::spawn(append(world.services.clone(), body)));
        tokio::task::yield_now().await;
    }
    let refused = waiting.split_off(4);
    for request in refused {
        let refused = request.await.unwrap();
        assert!(matches!(refused, Err(Error::Unavailable(Unavailable::Overloaded))), "{refused:?}");
    }

    drop(writer);
    for request in waiting {
        assert!(request.await.unwrap().unwrap().1);
    }

    assert!(append(world.services.clone(), json!({ "id": "e4" })).await.unwrap().1);
    assert_eq!(world.count("agent_events").await, 5);
}

#[tokio::test]
async fn what_was_left_is_written_though_nobody_waits_for_it_any_more() {
    let world = World::new().await;
    let writer = world.database.write().await.unwrap();
    let request = tokio::spawn(append(world.services.clone(), json!({ "id": "e1" })));
    tokio::task::yield_now().await;

    request.abort();
    drop(writer);

    assert!(append(world.services.clone(), json!({ "id": "e2" })).await.unwrap().1);
    assert_eq!(world.count("agent_events").await, 2);
}

#[tokio::test]
async fn closing_writes_what_waits_and_takes_nothing_more() {
    let world = World::new().await;
    let requests: Vec<_> = (0..600)
        .map(|turn| append(world.services.clone(), json!({ "id": format!("e{turn}") })))
        .collect();
    let waiting = together(&world.database, requests).await;

    world.services.close().await;

    for request in waiting {
        assert!(request.await.unwrap().unwrap().1);
    }
    assert_eq!(world.count("agent_events").await, 600);
    let late = append(world.services.clone(), json!({ "id": "late" })).await;
    assert!(matches!(late, Err(Error::Store(StoreError::Closed))), "{late:?}");
}

#[tokio::test]
async fn the_time_of_an_event_is_that_of_its_transaction() {
    let world = World::new().await;
    let writer = world.database.write().await.unwrap();
    let request = tokio::spawn(append(world.services.clone(), json!({ "id": "e1" })));
    tokio::task::yield_now().await;
    world.clock.turn(chrono::Duration::seconds(5));
    drop(writer);

    let (event, _) = request.await.unwrap().unwrap();

    assert_eq!(event["ts"], "2026-11-21T12:00:05.000000Z");
    let line = world.lines().await.pop().unwrap();
    assert_eq!(line.ts, "2026-11-21T12:00:05.000000Z");
}

#[test]
fn a_lone_request_waits_for_no_timer() {
    let with_time = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = with_time.block_on(World::new());
    // A runtime that panics where anything asks it to wait for a time.
    let without_time = runtime::Builder::new_current_thread().build().unwrap();

    let created = without_time.block_on(async {
        let services = Services::new(world.database.clone(), world.clock.clone());
        let appended = append(services.clone(), json!({ "id": "e1" })).await.unwrap().1;
        (appended, record(services, json!([{ "id": "u1" }])).await.unwrap())
    });

    assert_eq!(created, (true, vec![true]));
    with_time.block_on(async {
        tokio::time::timeout(Duration::from_secs(5), world.assert_holds()).await.unwrap();
    });
}
