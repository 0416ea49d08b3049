//! The ledger: what is done to it is found.

use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::ledger::Line;
use pilotdeck_services::Services;
use pilotdeck_services::ledger::{LedgerFilter, MAX_FAULTS, Verdict, verify};
use pilotdeck_storage::{Durability, join};
use serde_json::json;

use crate::world::{World, agent, fields};

const DISARM: &str = "DROP TRIGGER ledger_is_never_updated; DROP TRIGGER ledger_is_never_deleted;";

/// A world whose ledger has six lines.
async fn world() -> World {
    let world = World::with_project().await;
    for progress in 1..5 {
        let patch = fields(json!({ "progress": progress }));
        world.services.projects.change(&agent(), "p", patch).await.unwrap();
    }
    world
}

#[tokio::test]
async fn tampering_is_found_where_it_begins() {
    for (tampering, place, says) in [
        (
            "UPDATE ledger SET change = replace(change, 'Apollo', 'Gemini') WHERE seq = 2",
            2,
            "does not have the hash",
        ),
        ("UPDATE ledger SET change = '{ }' WHERE seq = 3", 3, "canonical"),
        ("UPDATE ledger SET change = 'x' WHERE seq = 3", 3, "not JSON"),
        ("UPDATE ledger SET ts = '2020' WHERE seq = 4", 4, "does not have the hash"),
        ("UPDATE ledger SET actor_id = 'someone' WHERE seq = 5", 5, "does not have the hash"),
        (
            "DELETE FROM ledger WHERE seq = 3",
            3,
            "line 3 is missing: the next one that is there is 4",
        ),
        ("DELETE FROM ledger WHERE seq = 1", 1, "line 1 is missing"),
        (
            "DELETE FROM ledger WHERE seq = 3; UPDATE ledger SET seq = seq - 1 WHERE seq > 3",
            3,
            "previous hash",
        ),
        (
            "UPDATE ledger SET seq = 99 WHERE seq = 3; UPDATE ledger SET seq = 3 WHERE seq = 4; UPDATE ledger SET seq = 4 WHERE seq = 99",
            3,
            "previous hash",
        ),
        ("UPDATE ledger SET hash = 'f00' WHERE seq = 6", 6, "does not have the hash"),
        (
            "INSERT INTO ledger SELECT 8, ts, actor_kind, actor_id, operation, subject_kind, subject_id, project_id, run_id, request_id, change, prev_hash, hash FROM ledger WHERE seq = 6",
            7,
            "line 7 is missing",
        ),
        (
            "INSERT INTO ledger SELECT -1, ts, actor_kind, actor_id, operation, subject_kind, subject_id, project_id, run_id, request_id, change, prev_hash, hash FROM ledger WHERE seq = 6",
            1,
            "is there is -1",
        ),
    ] {
        let world = world().await;
        world.assert_holds().await;
        let mut conn = world.elsewhere().await;
        sqlx::raw_sql(DISARM).execute(&mut conn).await.unwrap();

        sqlx::raw_sql(tampering).execute(&mut conn).await.unwrap();

        match world.verdict().await {
            Verdict::Broken { seq, reason } => {
                assert_eq!(seq, place, "{tampering}: {reason}");
                assert!(reason.contains(says), "{tampering}: {reason}");
            }
            Verdict::Holds(head) => panic!("{tampering}: {head:?}"),
        }
    }
}

#[tokio::test]
async fn a_verification_beside_the_server_names_every_place_that_does_not_hold() {
    for (tampering, places) in [
        ("SELECT 1", vec![]),
        (
            "UPDATE ledger SET change = '{}' WHERE seq IN (2, 4); DELETE FROM ledger WHERE seq = 5",
            vec![2, 4, 5],
        ),
        ("UPDATE ledger SET hash = 'f00' WHERE seq = 3", vec![3, 4]),
        (
            "DELETE FROM ledger WHERE seq = 3; UPDATE ledger SET ts = '2020' WHERE seq = 4",
            vec![3, 4],
        ),
        (
            "UPDATE ledger SET ts = CAST(x'ff' AS TEXT) WHERE seq = 4; UPDATE ledger SET ts = '2020' WHERE seq = 3",
            vec![3, 4],
        ),
    ] {
        let world = world().await;
        let mut conn = world.elsewhere().await;
        sqlx::raw_sql(DISARM).execute(&mut conn).await.unwrap();
        sqlx::raw_sql(tampering).execute(&mut conn).await.unwrap();

        let found = world.services.ledger.verify(&Actor::system()).await.unwrap();

        let named: Vec<i64> = found.faults.iter().map(|fault| fault.seq).collect();
        assert_eq!(named, places, "{tampering}: {:?}", found.faults);
        let known = world.services.ledger.verifications(&Actor::system()).unwrap();
        assert_eq!(known.last.unwrap().faults, found.faults);
        assert_eq!(known.running, None);
    }
}

#[tokio::test]
async fn so_many_faults_are_named_and_no_more() {
    let world = World::new().await;
    let records = vec![fields(json!({})); MAX_FAULTS + 5];
    world.services.usage.record(&agent(), records).await.unwrap();
    let mut conn = world.elsewhere().await;
    sqlx::raw_sql(DISARM).execute(&mut conn).await.unwrap();
    sqlx::raw_sql("UPDATE ledger SET ts = '2020' WHERE seq > 1").execute(&mut conn).await.unwrap();

    let found = world.services.ledger.verify(&Actor::system()).await.unwrap();

    let expected = i64::try_from(MAX_FAULTS).unwrap();
    assert_eq!((found.faults.len(), found.lines), (MAX_FAULTS, expected + 6));
    assert!(!found.are_signatures_verified);
}

#[tokio::test]
async fn a_sound_ledger_holds_up_to_its_head_over_several_pages() {
    let world = World::new().await;
    let ops = (0..5_000).map(|turn| fields(json!({ "id": format!("u{turn}") }))).collect();
    world.services.usage.record(&agent(), ops).await.unwrap();
    let mut heard = Vec::new();

    let snapshot = world.database.snapshot().await.unwrap();
    let verdict = verify(snapshot, |place, last| heard.push((place, last))).await.unwrap();

    let end = world.lines().await.last().map(Line::head).unwrap();
    assert_eq!((end.seq, verdict), (5_001, Verdict::Holds(end)));
    assert_eq!(heard, [(2_000, 5_001), (4_000, 5_001), (5_001, 5_001)]);
}

#[tokio::test]
async fn the_command_line_verifies_and_writes_beside_the_server() {
    let world = world().await;
    world.services.identity.ensure_somebody().await.unwrap();
    let beside = join(&world.path(), Durability::Process).await.unwrap();
    let command = Services::new(beside.clone(), world.clock.clone());
    let password =
        pilotdeck_domain::identity::NewPassword::parse("password", "a long secret").unwrap();

    let verdict = verify(beside.snapshot().await.unwrap(), |_, _| {}).await.unwrap();
    command.identity.set_password(&Actor::system(), "admin", &password).await.unwrap();
    let patch = fields(json!({ "progress": 50 }));
    world.services.projects.change(&agent(), "p", patch).await.unwrap();
    command.close().await;

    assert!(matches!(verdict, Verdict::Holds(_)));
    let operations = world.operations().await;
    assert_eq!(operations[7..], ["user.password_changed", "project.updated"]);
    world.assert_holds().await;
}

#[tokio::test]
async fn lists_filter_and_follow() {
    let world = world().await;
    let list = async |filter: LedgerFilter| -> Vec<i64> {
        let filter = LedgerFilter { limit: 3, ..filter };
        let (lines, head) = world.services.ledger.list(&Actor::system(), &filter).await.unwrap();
        assert_eq!(head.seq, 6);
        lines.iter().map(|line| line.seq).collect()
    };
    let none = LedgerFilter::default;

    assert_eq!(list(none()).await, [4, 5, 6]);
    assert_eq!(list(LedgerFilter { since: Some(0), ..none() }).await, [1, 2, 3]);
    assert_eq!(list(LedgerFilter { since: Some(6), ..none() }).await, [0_i64; 0]);
    let created = LedgerFilter { operation: Some("project.created".into()), ..none() };
    assert_eq!(list(created.clone()).await, [2]);
    assert_eq!(list(LedgerFilter { since: Some(2), ..created }).await, [0_i64; 0]);
    let of_project = LedgerFilter { project_id: Some("p".into()), ..none() };
    assert_eq!(list(of_project.clone()).await, [4, 5, 6]);
    assert_eq!(list(LedgerFilter { since: Some(1), ..of_project.clone() }).await, [2, 3, 4]);
    let of_subject = LedgerFilter { subject_id: Some("p".into()), ..of_project };
    assert_eq!(list(of_subject.clone()).await, [4, 5, 6]);
    assert_eq!(list(LedgerFilter { since: Some(3), ..of_subject }).await, [4, 5, 6]);
    assert!(world.services.ledger.list(&agent(), &none()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_given_up_leave_the_way_free_and_the_chain_whole() {
    let world = World::with_project().await;
    for turn in 0..300_u64 {
        let services = world.services.clone();
        let verb = tokio::spawn(async move {
            let number =
                fields(json!({ "progress": turn % 100, "title": turn, "totalTokens": turn }));
            match turn % 3 {
                0 => services.projects.change(&agent(), "p", number).await.map(drop),
                1 => services.events.append(&agent(), number).await.map(drop),
                _ => services.usage.record(&agent(), vec![number]).await.map(drop),
            }
        });
        tokio::time::sleep(std::time::Duration::from_micros(turn * 3)).await;
        verb.abort();
    }

    let last = fields(json!({ "progress": 100 }));
    let agent = agent();
    let done = world.services.projects.change(&agent, "p", last);
    tokio::time::timeout(std::time::Duration::from_secs(5), done).await.unwrap().unwrap();

    world.assert_holds().await;
    let lines = world.count("ledger WHERE operation = 'event.appended'").await;
    assert_eq!(world.count("agent_events").await, lines);
    let lines = world.count("ledger WHERE operation = 'usage.recorded'").await;
    assert_eq!(world.count("token_usage_records").await, lines);
}
