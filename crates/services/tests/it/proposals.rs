//! Proposals.

use pilotdeck_domain::identity::{Actor, Denied};
use pilotdeck_services::actions::proposals::ProposalFilter;
use pilotdeck_services::{Error, Kind};
use serde_json::{Value, json};

use crate::world::{World, agent, fields, proposal, race, value};

fn pause() -> Value {
    json!({ "runId": "ses_1", "type": "update_status", "payload": { "status": "paused" }, "rationale": "waiting",
            "status": "pending_review", "proposedBy": "build", "idempotencyKey": "ses_1: 暂停" })
}

async fn world() -> World {
    let world = World::with_project().await;
    let run =
        json!({ "id": "run-1", "sessionId": "ses_1", "source": "opencode", "projectId": "p" });
    world.services.runs.start(&agent(), fields(run)).await.unwrap();
    world
}

async fn propose(world: &World, body: Value) -> String {
    world.services.actions.propose(&agent(), &proposal(body)).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_recorded_once_on_the_timeline_of_its_run_and_changes_nothing() {
    let world = world().await;
    let before = world.project().await;

    let recorded = race(|_| {
        let services = world.services.clone();
        async move { services.actions.propose(&agent(), &proposal(pause())).await.unwrap() }
    })
    .await;

    assert_eq!(recorded.iter().filter(|proposal| proposal.created).count(), 1);
    let event = value(&recorded[0].event);
    assert_eq!((&event["runId"], &event["projectId"]), (&json!("run-1"), &json!("p")));
    assert_eq!(world.project().await, before);
    assert_eq!(world.operations().await.last().unwrap(), "proposal.recorded");
    assert_eq!(world.lines().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_does_what_was_proposed_once() {
    let world = world().await;
    let id = propose(&world, pause()).await;

    let decisions = race(|_| {
        let (services, id) = (world.services.clone(), id.clone());
        async move { services.actions.accept(&Actor::system(), &id, Some("yes")).await.unwrap() }
    })
    .await;

    assert_eq!(decisions.iter().filter(|decision| decision.decided).count(), 1);
    assert_eq!(world.project().await["status"], json!("paused"));
    assert!(decisions.iter().all(|decision| {
        value(decision.project.as_ref().unwrap())["status"] == json!("paused")
    }));
    assert_eq!(world.operations().await[4..], ["project.updated", "proposal.accepted"]);
    assert_eq!(world.count("agent_events WHERE type = 'action.set_status'").await, 1);
    let rejected = world.services.actions.reject(&Actor::system(), &id, None).await;
    assert!(matches!(rejected, Err(Error::AlreadyDecided { decision: "accepted", .. })));
    world.assert_holds().await;
}

#[tokio::test]
async fn rejecting_is_final_and_repeating_it_harmless() {
    let world = world().await;
    let id = propose(&world, pause()).await;

    let first = world.services.actions.reject(&Actor::system(), &id, Some("no")).await.unwrap();
    let second = world.services.actions.reject(&Actor::system(), &id, None).await.unwrap();
    let accepted = world.services.actions.accept(&Actor::system(), &id, None).await;

    assert!(first.decided && !second.decided);
    assert_eq!(first.event, second.event);
    assert!(matches!(accepted, Err(Error::AlreadyDecided { decision: "rejected", .. })));
    assert_eq!(world.project().await["status"], json!("planning"));
}

#[tokio::test]
async fn agents_may_propose_but_not_decide() {
    let world = world().await;
    let id = propose(&world, pause()).await;

    for actor in [agent(), Actor::default()] {
        let accepted = world.services.actions.accept(&actor, &id, None).await;
        let rejected = world.services.actions.reject(&actor, &id, None).await;
        assert!(matches!(
            accepted,
            Err(Error::Denied(Denied::Forbidden | Denied::Unauthenticated))
        ));
        assert!(matches!(rejected, Err(Error::Denied(_))));
    }
    assert_eq!(world.count("agent_events").await, 1);
}

#[tokio::test]
async fn lists_tell_what_waits_from_what_was_decided() {
    let world = world().await;
    let mut ids = Vec::new();
    for turn in 0..3 {
        let mut body = pause();
        body["idempotencyKey"] = json!(turn.to_string());
        ids.push(propose(&world, body).await);
        world.clock.turn(chrono::Duration::seconds(1));
    }
    world.services.actions.accept(&Actor::system(), &ids[0], None).await.unwrap();
    world.services.actions.reject(&Actor::system(), &ids[1], None).await.unwrap();

    let list = async |pending: Option<bool>| -> Vec<Value> {
        let filter = ProposalFilter { project_id: Some("p".into()), pending, limit: 10 };
        let found = world.services.actions.proposals(&agent(), &filter).await.unwrap();
        found.iter().map(|found| value(&found.proposal)["id"].clone()).collect()
    };

    assert_eq!(list(None).await, [json!(ids[2]), json!(ids[1]), json!(ids[0])]);
    assert_eq!(list(Some(true)).await, [json!(ids[2])]);
    assert_eq!(list(Some(false)).await, [json!(ids[1]), json!(ids[0])]);
}

#[tokio::test]
async fn what_is_no_proposal_cannot_be_decided_and_its_id_not_be_proposed() {
    let world = world().await;
    world.services.events.append(&agent(), fields(json!({ "id": "note" }))).await.unwrap();
    let mut body = pause();
    body["id"] = json!("note");

    let proposed = world.services.actions.propose(&agent(), &proposal(body)).await;

    assert!(matches!(proposed, Err(Error::Taken { kind: Kind::Proposal, .. })), "{proposed:?}");
    for id in ["note", "nothing"] {
        let accepted = world.services.actions.accept(&Actor::system(), id, None).await;
        assert!(matches!(accepted, Err(Error::NotFound { kind: Kind::Proposal, .. })));
    }
}
