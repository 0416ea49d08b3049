//! Following the ledger, without HTTP.

use std::time::Duration;

use pilotdeck_domain::identity::{Actor, Permission, Reach};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::stream::Interest;
use pilotdeck_services::Error;
use pilotdeck_services::stream::{End, Message, Subscribe, Subscription};
use pilotdeck_storage::{Durability, join};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tokio::time::timeout;

use crate::world::{World, agent, stranger};

const EVERYTHING: Subscribe = Subscribe {
    since: None,
    interest: Interest { project_id: None, operations: None, reach: Reach::Everything },
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
    let author = Actor::system().require(Permission::Administer).unwrap();
    let mut tx = world.database.write().await.unwrap();
    for number in 0..count {
        let change = Change::of(&json!({ "number": number }));
        let entry = Entry::new(Operation::EventAppended, SubjectKind::Event, "e", change);
        tx.record(&author, world.clock.now(), entry);
    }
    tx.commit().await.unwrap();
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

/// Writes `count` lines in transactions of random sizes, now and then from another process; each names its number.
async fn write_at_random(world: &World, count: usize, seed: u64) {
    let elsewhere = join(&world.path(), Durability::Process).await.unwrap();
    let mut random = SmallRng::seed_from_u64(seed);
    let author = Actor::system().require(Permission::Administer).unwrap();
    let mut written = 0;
    while written < count {
        let database = if random.random_ratio(1, 50) { &elsewhere } else { &world.database };
        let size = if random.random_ratio(1, 200) { 10_000 } else { random.random_range(1..=100) };
        let size = size.min(count - written);
        let mut tx = database.write().await.unwrap();
        for _ in 0..size {
            let change = Change::of(&json!({ "number": written }));
            let entry = Entry::new(Operation::EventAppended, SubjectKind::Event, "e", change);
            tx.record(&author, world.clock.now(), entry);
            written += 1;
        }
        tx.commit().await.unwrap();
        tokio::time::sleep(Duration::from_micros(random.random_range(0..2_000))).await;
    }
}

/// A reader that comes back `times` times while `count` lines are written, at a random moment each, and hears each once.
async fn come_back_at_random(count: usize, times: usize, seed: u64) {
    let world = world().await;
    let begin = last(&world).await;
    let end = begin + i64::try_from(count).unwrap();
    let writer = async {
        write_at_random(&world, count, seed).await;
        // What another process wrote last is told with the next beat.
        world.services.stream.beat().await;
    };
    let reader = async {
        let mut random = SmallRng::seed_from_u64(!seed);
        let (mut known, mut came, mut heard) = (begin, 0, Vec::with_capacity(count));
        while known < end || came < times {
            let mut subscription = follow(&world, Some(known)).await;
            came += 1;
            // Every time but the last ones it leaves soon, so that there are as many returns as lines to return for.
            let share = count / times * 2;
            let patience = if came < times { random.random_range(0..=share) } else { usize::MAX };
            let mut lines = 0;
            while lines < patience && known < end {
                match next(&mut subscription).await {
                    Message::Lines(told) => {
                        // A reader that hangs up has read as much as it has read.
                        let read = told.len().min(patience - lines);
                        heard.extend(told[..read].iter().map(|told| told.line().clone()));
                        known = heard.last().unwrap().seq;
                        lines += read;
                    }
                    Message::Hello { since, .. } => assert_eq!(since, known),
                    Message::Beat { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        (heard, came)
    };

    let ((), (heard, came)) = tokio::join!(writer, reader);

    assert!(came >= times, "{came}");
    assert_eq!(heard.len(), count);
    for (number, line) in heard.iter().enumerate() {
        assert_eq!(line.seq, begin + 1 + i64::try_from(number).unwrap());
        assert_eq!(line.change, format!("{{\"number\":{number}}}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_1000_times_hears_100_000_lines_once_and_in_order() {
    come_back_at_random(100_000, 1_000, 0x5eed).await;
}

#[tokio::test]
async fn a_reader_that_was_waited_for_while_the_newest_lines_went_by_is_dropped_and_resumes() {
    let world = world().await;
    let mut subscription = follow(&world, None).await;
    write(&world, 1).await;
    assert_eq!(places(&mut subscription, 1).await, [3]);
    world.services.stream.beat().await;
    let reached_the_end = next(&mut subscription).await;
    assert!(matches!(reached_the_end, Message::Beat { seq: None }));

    subscription.reader_is_slow();
    write(&world, 9_000).await;
    world.services.stream.beat().await;
    let dropped = next(&mut subscription).await;

    assert!(matches!(dropped, Message::Ended(End::SlowReader)), "{dropped:?}");
    let mut again = follow(&world, Some(subscription.cursor())).await;
    assert_eq!(places(&mut again, 9_000).await, (4..=9_003).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_waited_for_two_beats() {
    let world = world().await;
    let subscription = follow(&world, None).await;
    let mut patience = Box::pin(subscription.patience());
    let waits =
        async |patience: &mut _| timeout(Duration::from_millis(50), patience).await.is_err();

    assert!(waits(&mut patience).await);
    world.services.stream.beat().await;
    assert!(waits(&mut patience).await);
    world.services.stream.beat().await;

    timeout(Duration::from_secs(5), patience).await.expect("patience ends");
}

#[tokio::test]
async fn giving_up_a_wait_loses_nothing() {
    let world = world().await;
    let mut subscription = follow(&world, Some(0)).await;
    let mut told = Vec::new();
    for turn in 0_u64..400 {
        if turn % 20 == 0 {
            write(&world, 50).await;
        }
        // Sometimes there is time for an answer, and sometimes not.
        let wait = Duration::from_micros(turn * 13 % 700);
        if let Ok(Message::Lines(lines)) = timeout(wait, subscription.next()).await {
            told.extend(lines.iter().map(|told| told.line().seq));
        }
    }
    let end = last(&world).await;
    let missing = usize::try_from(end).unwrap() - told.len();
    told.extend(places(&mut subscription, missing).await);

    assert_eq!(told, (1..=end).collect::<Vec<_>>());
}

#[tokio::test]
async fn following_takes_the_permission_to_read_the_ledger() {
    let world = world().await;

    for actor in [agent(), stranger()] {
        let refused = world.services.stream.subscribe(&actor, EVERYTHING).await;
        assert!(matches!(refused, Err(Error::Denied(_))));
    }
}
