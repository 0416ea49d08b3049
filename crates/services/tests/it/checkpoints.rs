//! Checkpoints: signed when they are due, and held against what is there.

use chrono::Duration;
use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::ledger::checkpoint::{PublicKey, SigningKey};
use pilotdeck_services::ledger::{EVERY_LINES, Signed, Verdict, prove, verify_signed};
use pilotdeck_services::{Error, Services};
use serde_json::json;

use crate::world::{World, agent, fields};

const DISARM: &str = "
    DROP TRIGGER ledger_is_never_updated; DROP TRIGGER ledger_is_never_deleted;
    DROP TRIGGER ledger_checkpoints_are_never_updated; DROP TRIGGER ledger_checkpoints_are_never_deleted;";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn services(world: &World) -> Services {
    world.services.clone().with_ledger_key(key())
}

/// Writes as many lines.
async fn write(world: &World, lines: usize) {
    let records = vec![fields(json!({})); lines];
    world.services.usage.record(&agent(), records).await.unwrap();
}

async fn signed_places(world: &World) -> Vec<i64> {
    let mut tx = world.database.read().await.unwrap();
    let all = tx.checkpoints().between(0, i64::MAX).await.unwrap();
    all.into_iter().map(|signed| signed.checkpoint.seq).collect()
}

async fn verified(world: &World, keys: Option<&[PublicKey]>) -> Signed {
    verify_signed(world.database.snapshot().await.unwrap(), keys, |_, _| {}).await.unwrap()
}

async fn exported(services: &Services) -> String {
    let mut export = services.ledger.export(&Actor::system()).await.unwrap();
    let mut file = String::new();
    while let Some(piece) = export.next().await.unwrap() {
        file.push_str(&piece);
    }
    file
}

#[tokio::test]
async fn a_checkpoint_is_due_at_every_ten_thousandth_line_and_every_day() {
    let world = World::new().await;
    let ledger = services(&world).ledger;
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 1, "nothing was signed before");
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 0);

    write(&world, 9_998).await;
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 0, "one line is lacking");
    // Nobody looks in between: the places are the same.
    write(&world, 10_000).await;
    write(&world, 6).await;
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 2);

    world.clock.turn(Duration::days(1) - Duration::microseconds(1));
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 0);
    world.clock.turn(Duration::microseconds(1));
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 1);
    world.clock.turn(Duration::days(3));
    assert_eq!(ledger.checkpoint_if_due().await.unwrap(), 0, "no line was added");

    assert_eq!(signed_places(&world).await, [1, 10_000, 20_000, 20_005]);
    let keys = [key().public()];
    let verified = verified(&world, Some(&keys)).await;
    assert!(matches!(verified.verdict, Verdict::Holds(head) if head.seq == 20_005));
    assert_eq!((verified.checkpoints, verified.last.unwrap().seq), (4, 20_005));
    let file = exported(&services(&world)).await;
    let proof = prove(file.as_bytes(), &keys, |_| {}).unwrap().unwrap();
    assert_eq!((proof.seq, proof.proven(), proof.checkpoints), (20_005, 20_005, 4));
    assert_eq!(EVERY_LINES, 10_000);
}

#[tokio::test]
async fn a_checkpoint_that_is_asked_for_signs_the_last_line_once() {
    let world = World::new().await;
    let ledger = services(&world).ledger;
    write(&world, 5).await;

    let first = ledger.checkpoint(&Actor::system()).await.unwrap();
    let second = ledger.checkpoint(&Actor::system()).await.unwrap();

    assert_eq!(first, second);
    assert_eq!(first.checkpoint.seq, 6);
    assert_eq!(first.verify(&[key().public()]), Ok(()));
    assert_eq!(world.lines().await.len(), 6, "a checkpoint is no line");
    assert!(matches!(ledger.checkpoint(&agent()).await, Err(Error::Denied(_))));
    let keyless = world.services.ledger.checkpoint(&Actor::system()).await;
    assert!(matches!(keyless, Err(Error::NoLedgerKey)));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_that_are_signed_at_once_follow_each_other() {
    let world = World::new().await;
    for _ in 0..4 {
        write(&world, 3).await;
        let services = services(&world);
        crate::world::race(|turn| {
            let (ledger, usage) = (services.ledger.clone(), services.usage.clone());
            async move {
                if turn % 4 == 0 {
                    usage.record(&agent(), vec![fields(json!({}))]).await.unwrap();
                }
                ledger.checkpoint(&Actor::system()).await.unwrap();
            }
        })
        .await;
    }

    let keys = [key().public()];
    let verdict = verified(&world, Some(&keys)).await.verdict;
    assert!(matches!(verdict, Verdict::Holds(_)), "{verdict:?}");
    let file = exported(&services(&world)).await;
    assert!(prove(file.as_bytes(), &keys, |_| {}).unwrap().is_ok());
}

#[tokio::test]
async fn tampering_is_found_that_the_chain_alone_does_not_show() {
    const FORGED: &str = "UPDATE ledger_checkpoints SET";
    for (tampering, place, says) in [
        ("DELETE FROM ledger WHERE seq > 7".to_owned(), 8, "up to seq 9"),
        ("DELETE FROM ledger_checkpoints WHERE seq = 4".to_owned(), 4, "checkpoint is missing"),
        (format!("{FORGED} ts = '2020' WHERE seq = 9"), 9, "signature is not the one"),
        (format!("{FORGED} hash = replace(hash, substr(hash, 1, 1), 'x')"), 4, "signature is not"),
        (format!("{FORGED} signature = upper(signature)"), 4, "lowercase"),
        (format!("{FORGED} key = 'ed25519:00' WHERE seq = 4"), 4, "not the one given"),
        (format!("{FORGED} seq = 8 WHERE seq = 9"), 8, "signature is not the one"),
    ] {
        let world = World::new().await;
        let ledger = services(&world).ledger;
        for lines in [3, 5] {
            write(&world, lines).await;
            ledger.checkpoint(&Actor::system()).await.unwrap();
        }
        write(&world, 2).await;
        let mut conn = world.elsewhere().await;
        sqlx::raw_sql(DISARM).execute(&mut conn).await.unwrap();

        sqlx::raw_sql(sqlx::AssertSqlSafe(tampering.clone())).execute(&mut conn).await.unwrap();

        match verified(&world, Some(&[key().public()])).await.verdict {
            Verdict::Broken { seq, reason } => {
                assert_eq!(seq, place, "{tampering}: {reason}");
                assert!(reason.contains(says), "{tampering}: {reason}");
            }
            Verdict::Holds(head) => panic!("{tampering}: {head:?}"),
        }
        let file = exported(&services(&world)).await;
        let found = prove(file.as_bytes(), &[key().public()], |_| {}).unwrap();
        // What was cut off together with its checkpoint is an older export.
        let is_older = tampering.starts_with("DELETE FROM ledger ");
        assert_eq!(found.is_err(), !is_older, "{tampering}: {found:?}");
    }
}

#[tokio::test]
async fn a_ledger_that_was_sealed_anew_is_found_and_not_signed() {
    let world = World::new().await;
    write(&world, 3).await;
    let ledger = services(&world).ledger;
    ledger.checkpoint(&Actor::system()).await.unwrap();
    // Another ledger with as many lines, each of which fits to the one before it.
    let other = World::new().await;
    other.clock.turn(Duration::seconds(1));
    write(&other, 5).await;
    let mut conn = world.elsewhere().await;
    sqlx::raw_sql(DISARM).execute(&mut conn).await.unwrap();
    let replace = format!(
        "ATTACH '{}' AS other; DELETE FROM ledger; INSERT INTO ledger SELECT * FROM other.ledger;",
        other.path().display()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(replace)).execute(&mut conn).await.unwrap();

    world.assert_holds().await;
    let found = verified(&world, Some(&[key().public()])).await.verdict;
    let refused = ledger.checkpoint(&Actor::system()).await;
    world.clock.turn(Duration::days(2));
    let not_due = ledger.checkpoint_if_due().await;

    let Verdict::Broken { seq: 4, reason } = found else { panic!("{found:?}") };
    assert!(reason.contains("another hash was signed"), "{reason}");
    assert!(matches!(refused, Err(Error::Tampered(_))), "{refused:?}");
    assert!(matches!(not_due, Err(Error::Tampered(_))), "{not_due:?}");
}

#[tokio::test]
async fn a_key_that_was_replaced_goes_on_to_prove_what_it_signed() {
    let world = World::new().await;
    write(&world, 3).await;
    services(&world).ledger.checkpoint(&Actor::system()).await.unwrap();
    let new = SigningKey::from_seed(&[8; 32]);
    let keys = [key().public(), new.public()];
    let replaced = world.services.clone().with_ledger_key(new);
    write(&world, 3).await;
    replaced.ledger.checkpoint(&Actor::system()).await.unwrap();

    let file = exported(&replaced).await;

    let prove = |keys: &[PublicKey]| prove(file.as_bytes(), keys, |_| {}).unwrap();
    assert_eq!(prove(&keys).unwrap().proven(), 7);
    assert_eq!(prove(&keys[1..]).unwrap_err().line, 5);
    assert_eq!(prove(&keys[..1]).unwrap_err().line, 9);
    assert!(matches!(verified(&world, Some(&keys)).await.verdict, Verdict::Holds(_)));
    assert!(matches!(verified(&world, Some(&keys[1..])).await.verdict, Verdict::Broken { .. }));
    assert!(matches!(verified(&world, None).await.verdict, Verdict::Holds(_)));
}

#[tokio::test]
async fn an_export_is_of_the_state_in_which_it_began() {
    let world = World::new().await;
    let services = services(&world);
    write(&world, 2_000).await;
    let mut export = services.ledger.export(&Actor::system()).await.unwrap();
    let mut file = export.next().await.unwrap().unwrap();

    write(&world, 9_000).await;
    services.ledger.checkpoint_if_due().await.unwrap();
    while let Some(piece) = export.next().await.unwrap() {
        file.push_str(&piece);
    }

    let proof = prove(file.as_bytes(), &[key().public()], |_| {}).unwrap().unwrap();
    assert_eq!((proof.seq, proof.checkpoints), (2_001, 0));
}

#[tokio::test]
async fn a_long_export_is_proven_in_pieces_and_its_first_wrong_line_is_named() {
    let world = World::new().await;
    let services = services(&world);
    write(&world, 9_000).await;
    services.ledger.checkpoint(&Actor::system()).await.unwrap();
    let mut bytes = exported(&services).await.into_bytes();
    let keys = [key().public()];
    let mut heard = Vec::new();

    let proof = prove(bytes.as_slice(), &keys, |bytes| heard.push(bytes)).unwrap().unwrap();
    let at = bytes.len() / 2;
    let line = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
    bytes[at] ^= 1;
    let found = prove(bytes.as_slice(), &keys, |_| {}).unwrap().unwrap_err();

    assert_eq!(proof.proven(), 9_001);
    assert!(heard.len() > 3 && heard.is_sorted(), "{heard:?}");
    assert_eq!(heard.last(), Some(&(bytes.len() as u64)));
    assert_eq!(found.line, line);
}
