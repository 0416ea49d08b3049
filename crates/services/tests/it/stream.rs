//! Following the ledger, without HTTP.

use std::time::Duration;

use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::stream::Interest;
use pilotdeck_services::Error;
use pilotdeck_services::stream::{End, Message, Subscribe, Subscription};
use pilotdeck_storage::join;
use serde_json::json;
use tokio::time::timeout;

use crate::world::{World, agent, fields};

const EVERYTHING: Subscribe = Subscribe {
    since: None,
    interest: Interest { project_id: None, operations: None },
    session_key: None,
    address: None,
    most_streams: 64,
};

/// A world in which the ledger is followed.
async fn world() -> World {
    let world = World::with_project().await;
    tokio::spawn(world.services.stream.clone().run());
    world
}

async fn follow(world: &World, since: Option<i64>) -> Subscription {
    subscribe(world, Subscribe { since, ..EVERYTHING }).await
}

async fn subscribe(world: &World, subscribe: Subscribe) -> Subscription {
    world.services.stream.subscribe(&Actor::system(), subscribe).await.unwrap()
}

async fn next(subscription: &mut Subscription) -> Message {
    timeout(Duration::from_secs(20), subscription.next()).await.expect("something is told in time")
}

/// The places of the next lines that are told, at least `count`.
async fn places(subscription: &mut Subscription, count: usize) -> Vec<i64> {
    let mut places = Vec::new();
    while places.len() < count {
        match next(subscription).await {
            Message::Lines(lines) => places.extend(lines.iter().map(|told| told.line().seq)),
            Message::Hello { .. } | Message::Beat { .. } => {}
            other => panic!("{other:?} after {places:?}"),
        }
    }
    places
}

async fn write(world: &World, count: usize) {
    let items = (0..count).map(|n| fields(json!({ "message": n }))).collect();
    world.services.events.append_many(&agent(), items).await.unwrap();
}

async fn last(world: &World) -> i64 {
    world.lines().await.last().unwrap().seq
}

#[tokio::test]
async fn a_burst_that_no_ring_holds_is_told_whole() {
    let world = world().await;
    let mut subscription = follow(&world, None).await;
    assert!(matches!(next(&mut subscription).await, Message::Hello { since: 2, last_seq: 2 }));

    write(&world, 9_000).await;

    assert_eq!(places(&mut subscription, 9_000).await, (3..=9_002).collect::<Vec<_>>());
}
