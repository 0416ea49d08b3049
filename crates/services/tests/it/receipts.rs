//! Receipts: what is kept with a change, and only with it.

use chrono::TimeDelta;
use pilotdeck_domain::identity::{Actor, Intent};
use pilotdeck_domain::ids::UserId;
use pilotdeck_services::{Error, Services};
use pilotdeck_storage::StoreError;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::world::{World, agent, fields, person, race, value};

/// An agent whose request has this key, and asks for what `body` says.
fn with_key(key: &str, body: &Value) -> Actor {
    let mut actor = agent();
    let mut fingerprint = [0; 32];
    for (place, byte) in body.to_string().bytes().enumerate() {
        fingerprint[place % 32] ^= byte.rotate_left(u32::try_from(place / 32).unwrap());
    }
    actor.intend(Intent { key: key.to_owned(), fingerprint });
    actor
}

async fn append(services: Services, key: String, body: Value) -> Result<(Value, bool), Error> {
    let actor = with_key(&key, &body);
    let appended = services.events.append(&actor, fields(body)).await?;
    Ok((value(&appended.event), appended.created))
}

async fn create(world: &World, key: &str, id: &str) -> Result<Value, Error> {
    let body = json!({ "id": id, "name": id });
    let created = world.services.projects.create(&with_key(key, &body), fields(body)).await?;
    Ok(value(&created))
}

async fn execute(world: &World, sql: &str) {
    let mut elsewhere = world.elsewhere().await;
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut elsewhere).await.unwrap();
}

#[tokio::test]
async fn requests_with_one_key_that_wait_together_are_one() {
    let world = World::new().await;
    let writer = world.database.write().await.unwrap();
    let bodies = [json!({ "title": "one" }), json!({ "title": "one" }), json!({ "title": "two" })];
    let waiting =
        bodies.map(|body| tokio::spawn(append(world.services.clone(), "k".to_owned(), body)));
    tokio::task::yield_now().await;
    drop(writer);

    let [first, second, other] = waiting;
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert!(matches!(other.await.unwrap(), Err(Error::KeyReused)));
    assert_eq!(first, second);
    assert_eq!((first.0["title"].clone(), first.1), (json!("one"), true));
    assert_eq!(world.count("agent_events").await, 1);
    assert_eq!(world.count("receipts").await, 1);
    world.assert_holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_each_key_is_done_once() {
    let world = World::new().await;

    let answers = race(|turn| {
        let key = format!("k{}", turn % 4);
        append(world.services.clone(), key.clone(), json!({ "title": key }))
    })
    .await;

    for (turn, answer) in answers.iter().enumerate() {
        assert_eq!(answer.as_ref().unwrap(), answers[turn % 4].as_ref().unwrap());
    }
    assert_eq!(world.count("agent_events").await, 4);
    assert_eq!(world.count("receipts").await, 4);
    world.assert_holds().await;
}

#[tokio::test]
async fn the_keys_of_two_people_are_two() {
    let world = World::new().await;
    let body = json!({ "name": "Atlas" });
    let make = async |author: Actor| {
        let created = world.services.projects.create(&author, fields(body.clone())).await;
        value(&created.unwrap())["id"].as_str().unwrap().to_owned()
    };
    let intent = with_key("k", &body).intent().unwrap().clone();
    let [ada, grace] = ["user-ada", "user-grace"].map(|id| {
        let mut actor = person(&UserId::parse("id", id).unwrap());
        actor.intend(intent.clone());
        actor
    });

    let of_ada = make(ada.clone()).await;
    let of_grace = make(grace).await;

    assert_ne!(of_ada, of_grace);
    assert_eq!(make(ada).await, of_ada);
    assert_eq!(world.count("projects").await, 2);
}

#[tokio::test]
async fn a_change_that_is_rolled_back_keeps_no_receipt() {
    let world = World::new().await;
    let event = || append(world.services.clone(), "e".to_owned(), json!({ "title": "one" }));
    // The last thing that a commit writes.
    execute(
        &world,
        "CREATE TRIGGER refuse BEFORE INSERT ON receipts BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await;

    let refused = create(&world, "p", "p").await;
    assert!(matches!(refused, Err(Error::Store(StoreError::Engine(_)))), "{refused:?}");
    let refused = event().await;
    assert!(matches!(refused, Err(Error::Store(StoreError::Engine(_)))), "{refused:?}");
    assert_eq!((world.count("projects").await, world.count("agent_events").await), (0, 0));

    // Something before it.
    execute(&world, "DROP TRIGGER refuse").await;
    execute(
        &world,
        "CREATE TRIGGER refuse BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await;
    assert!(create(&world, "p", "p").await.is_err());
    assert!(event().await.is_err());
    assert_eq!(world.count("receipts").await, 0);

    execute(&world, "DROP TRIGGER refuse").await;
    assert_eq!(create(&world, "p", "p").await.unwrap()["id"], "p");
    assert!(event().await.unwrap().1);
    world.assert_holds().await;
}

#[tokio::test]
async fn of_neighbours_of_a_bad_row_each_keeps_its_own_receipt() {
    let world = World::new().await;
    execute(
        &world,
        "CREATE TRIGGER refuse BEFORE INSERT ON agent_events WHEN NEW.id = 'bad'
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await;
    let writer = world.database.write().await.unwrap();
    let waiting = ["good", "bad", "better"]
        .map(|id| tokio::spawn(append(world.services.clone(), id.to_owned(), json!({ "id": id }))));
    tokio::task::yield_now().await;
    drop(writer);

    let [good, bad, better] = waiting;
    let good = good.await.unwrap().unwrap();
    assert!(bad.await.unwrap().is_err() && better.await.unwrap().is_ok());

    assert_eq!(world.count("receipts").await, 2);
    let again = append(world.services.clone(), "good".to_owned(), json!({ "id": "good" })).await;
    assert_eq!(again.unwrap(), good);
    execute(&world, "DROP TRIGGER refuse").await;
    let bad = append(world.services.clone(), "bad".to_owned(), json!({ "id": "bad" })).await;
    assert!(bad.unwrap().1);
}

#[tokio::test]
async fn a_refusal_keeps_no_receipt_and_what_changes_nothing_keeps_one_without_a_line() {
    let world = World::with_project().await;
    let body = json!({ "id": "r" });
    world.services.runs.start(&agent(), fields(body.clone())).await.unwrap();
    let head = world.lines().await.len();

    assert!(matches!(create(&world, "k", "p").await, Err(Error::Taken { .. })));
    assert_eq!(world.count("receipts").await, 0);
    let again = world.services.runs.start(&with_key("k", &body), fields(body)).await.unwrap();

    assert!(!again.created);
    assert_eq!(world.count("receipts").await, 1);
    assert_eq!(world.lines().await.len(), head);
    assert!(matches!(create(&world, "k", "q").await, Err(Error::KeyReused)));
}

#[tokio::test]
async fn receipts_that_are_over_are_removed_when_others_are_kept() {
    let world = World::new().await;
    for turn in 0..5 {
        append(world.services.clone(), format!("k{turn}"), json!({})).await.unwrap();
    }
    world.clock.turn(TimeDelta::hours(24));
    append(world.services.clone(), "later".to_owned(), json!({})).await.unwrap();
    assert_eq!(world.count("receipts").await, 6);

    world.clock.turn(TimeDelta::hours(25));
    append(world.services.clone(), "last".to_owned(), json!({})).await.unwrap();

    assert_eq!(world.count("receipts").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_at_any_point_and_repeated_is_done_once() {
    let world = World::new().await;
    // Yields before giving up: from the first poll to after the commit.
    for patience in (0..20).chain((1..60).map(|turn| turn * 25)) {
        let key = patience.to_string();
        let body = json!({ "name": key });
        let actor = with_key(&key, &body);
        let start = || world.services.projects.create(&actor, fields(body.clone()));
        let given_up = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            created = start() => drop(created.unwrap()),
            () = given_up => {}
        }
        let event = append(world.services.clone(), format!("e{key}"), body.clone());
        let given_up = tokio::spawn(event);
        tokio::task::yield_now().await;
        given_up.abort();

        let created = start().await.unwrap();
        assert_eq!(created, start().await.unwrap());
        append(world.services.clone(), format!("e{key}"), body.clone()).await.unwrap();
    }

    assert_eq!(world.count("projects").await, 79);
    assert_eq!(world.count("agent_events").await, 79);
    assert_eq!(world.count("receipts").await, 2 * 79);
    world.assert_holds().await;
}
