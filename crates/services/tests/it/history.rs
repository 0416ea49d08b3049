//! The past of projects.

use chrono::TimeDelta;
use pilotdeck_domain::actions::UndoRequest;
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::history::{At, ChangedSince, Undone};
use pilotdeck_services::projects::BatchOp;
use pilotdeck_services::{Error, Kind};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::world::{World, agent, fields, person, proposal, race, value};

const PROJECTS: [&str; 3] = ["p", "q", "深"];

/// What may happen.
#[derive(Clone, Debug)]
enum Deed {
    Create(&'static str, Value),
    Change(&'static str, Value),
    Batch(Vec<(&'static str, Value)>),
    Act(&'static str, Vec<Value>),
    Decide(&'static str, Value),
    Reorder(Vec<&'static str>),
    Delete(&'static str),
    UndoAction(usize),
    UndoChange(usize),
}

fn project() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("p"), 2 => Just("q"), 1 => Just("深")]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        (-200..200_i64).prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        select(vec![0.5, -1e-7, 1e300]).prop_map(|number| json!(number)),
        "\\PC{0,8}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z/~深]{1,3}", inner), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn patch() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        (
            select(vec!["x", "y", "a/b", "~", "深", "notes", "description", "milestones"]),
            anything()
        )
            .prop_map(|(field, value)| (field.to_owned(), value)),
        (0..120_i64).prop_map(|progress| ("progress".to_owned(), json!(progress))),
        (0..9_i64).prop_map(|budget| ("budget".to_owned(), json!(budget * 500))),
        "[a-c]{1,2}".prop_map(|name| ("name".to_owned(), json!(name))),
        prop::collection::vec("[a-c]", 0..3).prop_map(|tags| ("tags".to_owned(), json!(tags))),
        (1..99_u32).prop_map(|cost| ("cost".to_owned(), json!({ "total": cost, "by": "深" }))),
    ];
    prop::collection::vec(field, 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn action() -> impl Strategy<Value = Value> {
    let action = prop_oneof![
        select(vec!["paused", "completed"])
            .prop_map(|status| ("set_status", json!({ "status": status }))),
        (-30..60_i32).prop_map(|delta| ("bump_progress", json!({ "delta": delta }))),
        Just(("append_note", json!({ "note": "n", "alsoWriteToProjectNotes": true }))),
        Just(("append_note", json!({ "note": "n" }))),
        "[a-c]".prop_map(|tag| ("add_tag", json!({ "tag": tag }))),
        "[a-c]".prop_map(|tag| ("remove_tag", json!({ "tag": tag }))),
    ];
    (action, prop::bool::weighted(0.1)).prop_map(|((kind, params), record_only)| {
        json!({ "type": kind, "params": params, "recordOnly": record_only })
    })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (project(), patch()).prop_map(|(id, body)| Deed::Create(id, body)),
        4 => (project(), patch()).prop_map(|(id, patch)| Deed::Change(id, patch)),
        2 => prop::collection::vec((project(), patch()), 1..4).prop_map(Deed::Batch),
        3 => (project(), prop::collection::vec(action(), 1..3)).prop_map(|(id, actions)| Deed::Act(id, actions)),
        1 => (project(), "[a-c]").prop_map(|(id, name)| Deed::Decide(id, json!({ "name": name, "status": "done" }))),
        1 => prop::collection::vec(project(), 0..3).prop_map(Deed::Reorder),
        1 => project().prop_map(Deed::Delete),
        3 => any::<usize>().prop_map(Deed::UndoAction),
        2 => any::<usize>().prop_map(Deed::UndoChange),
    ]
}

/// Does what may or may not be possible.
async fn perform(world: &World, turn: usize, deed: Deed) {
    let services = &world.services;
    let person = person(&UserId::stored("1"));
    match deed {
        Deed::Create(id, mut body) => {
            body["id"] = json!(id);
            body["name"] = json!("Apollo");
            let _ = services.projects.create(&agent(), fields(body)).await;
        }
        Deed::Change(id, patch) => {
            let _ = services.projects.change(&agent(), id, fields(patch)).await;
        }
        Deed::Batch(ops) => {
            let op = |(id, patch): (&str, Value)| {
                Ok(BatchOp { id: id.to_owned(), patch: fields(patch), expected_version: None })
            };
            let _ = services.projects.batch(&agent(), ops.into_iter().map(op).collect()).await;
        }
        Deed::Act(id, actions) => {
            world.act(json!({ "projectId": id, "actions": actions })).await;
        }
        Deed::Decide(id, payload) => {
            let proposed = json!({
                "id": format!("prop-{turn}"), "projectId": id, "type": "update_milestone", "payload": payload,
                "status": "pending_review",
            });
            services.actions.propose(&agent(), &proposal(proposed)).await.unwrap();
            let _ = services.actions.accept(&person, &format!("prop-{turn}"), None).await;
        }
        Deed::Reorder(ids) => {
            let ids = ids.into_iter().map(str::to_owned).collect();
            services.projects.reorder(&agent(), ids).await.unwrap();
        }
        Deed::Delete(id) => {
            let _ = services.projects.delete(&agent(), id).await;
        }
        Deed::UndoAction(choice) => {
            let lines = world.lines().await;
            let actions = lines.into_iter().filter(|line| {
                ["action.applied", "proposal.accepted"].contains(&line.operation.as_str())
            });
            let ids: Vec<_> = actions.filter_map(|line| line.subject_id).collect();
            if let Some(id) = ids.get(choice % ids.len().max(1)) {
                refused_well(
                    services.history.undo_action(&agent(), id, UndoRequest::default()).await,
                );
            }
        }
        Deed::UndoChange(choice) => {
            let lines = world.lines().await;
            let line = &lines[choice % lines.len()];
            let id = line.subject_id.clone().unwrap_or_default();
            let request = UndoRequest::default();
            refused_well(services.history.undo_change(&person, &id, line.seq, request).await);
        }
    }
}

/// What cannot be undone is refused for one of the reasons that there are.
fn refused_well(undone: Result<Undone, Error>) {
    match undone {
        Ok(_)
        | Err(
            Error::NotFound { .. }
            | Error::NothingToUndo
            | Error::ChangedSince(_)
            | Error::NotUndoable(_),
        ) => {}
        Err(error) => panic!("{error:?}"),
    }
}

async fn now(world: &World, id: &str) -> Value {
    match world.services.projects.get(&agent(), id).await {
        Ok(project) => value(&project),
        Err(Error::NotFound { .. }) => Value::Null,
        Err(error) => panic!("{error:?}"),
    }
}

async fn then(world: &World, id: &str, at: &At) -> Value {
    match world.services.history.at(&agent(), id, at).await {
        Ok(past) => value(&past.project),
        Err(Error::NotFound { kind: Kind::Project, .. }) => Value::Null,
        Err(error) => panic!("{id} at {at:?}: {error:?}"),
    }
}

async fn replay(deeds: Vec<Deed>) {
    let world = World::new().await;
    let mut states = Vec::new();
    for (turn, deed) in deeds.into_iter().enumerate() {
        world.clock.turn(TimeDelta::seconds(1));
        perform(&world, turn, deed).await;
        let mut state = Vec::new();
        for id in PROJECTS {
            state.push(now(&world, id).await);
        }
        let last = world.lines().await.last().map_or(0, |line| line.seq);
        states.push((last, WireTime::from(world.clock.now()), state));
    }

    for (seq, time, state) in states {
        for (id, expected) in PROJECTS.iter().zip(state) {
            assert_eq!(then(&world, id, &At::Seq(seq)).await, expected, "{id} after {seq}");
            let at = At::Time(time.clone());
            assert_eq!(then(&world, id, &at).await, expected, "{id} at {time}");
        }
    }
    for id in PROJECTS {
        assert_eq!(then(&world, id, &At::Seq(0)).await, Value::Null);
        let Ok(history) = world.services.history.list(&agent(), id, None, 500).await else {
            continue;
        };
        for change in history.changes {
            let seq = change.line.seq;
            let undone = world.services.history.undo_change(&agent(), id, seq, a_trial()).await;
            let would_be = matches!(undone, Err(Error::Stale(_) | Error::NothingToUndo));
            assert!(would_be || !change.is_undoable, "{id} {seq}: {undone:?}");
        }
    }
    world.assert_holds().await;
}

/// An undo that is refused, if for no other reason, for the version that it asks for.
fn a_trial() -> UndoRequest {
    let body = json!({ "id": "a-trial", "ifUpdatedAt": "another" });
    UndoRequest::parse(&fields(body)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_state_there_was_can_be_read_again(deeds in prop::collection::vec(deed(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(replay(deeds));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_undo_one_action_exactly_one_does() {
    let world = World::with_project().await;
    let deed = json!({ "id": "a", "type": "set_progress", "params": { "progress": 40 } });
    world.act(json!({ "projectId": "p", "actions": [deed] })).await;

    let undone =
        race(|_| {
            let services = world.services.clone();
            async move {
                services.history.undo_action(&agent(), "a", UndoRequest::default()).await.unwrap()
            }
        })
        .await;

    assert_eq!(undone.iter().filter(|undone| undone.is_new).count(), 1);
    assert!(undone.iter().all(|undone| undone.id == "a.undo"));
    assert_eq!(world.project().await["progress"], 0);
    assert_eq!(world.operations().await[4..], ["project.updated", "action.applied"]);
    world.assert_holds().await;
}

#[tokio::test]
async fn a_field_that_came_with_a_change_goes_with_its_undo_and_integers_of_any_size_come_back() {
    let world = World::with_project().await;
    let services = &world.services;
    let agent = agent();
    let change = |patch: Value| services.projects.change(&agent, "p", fields(patch));
    change(json!({ "big": u64::MAX, "deep": [{ "a/b": i64::MIN }] })).await.unwrap();
    let before = world.project().await;
    change(json!({ "big": 1, "deep": "9007199254740993", "new": null })).await.unwrap();
    let last = world.lines().await.last().unwrap().seq;

    let undone =
        services.history.undo_change(&agent, "p", last, UndoRequest::default()).await.unwrap();

    let mut after = value(&undone.project.unwrap());
    after["updatedAt"] = before["updatedAt"].clone();
    assert_eq!(after, Value::Object(before));
}

#[tokio::test]
async fn a_refused_undo_says_what_changed_since_and_who_changed_it() {
    let world = World::with_project().await;
    world.services.identity.ensure_somebody().await.unwrap();
    let admin = world.lines().await.last().unwrap().subject_id.clone().unwrap();
    let admin = person(&UserId::stored(admin));
    let services = &world.services;
    let agent = agent();
    let change = |patch: Value| services.projects.change(&agent, "p", fields(patch));
    change(json!({ "x": 1, "y": 1, "z": 1 })).await.unwrap();
    let seq = world.lines().await.last().unwrap().seq;
    change(json!({ "x": 2 })).await.unwrap();
    services.projects.change(&admin, "p", fields(json!({ "x": 3, "other": 1 }))).await.unwrap();
    change(json!({ "y": 2 })).await.unwrap();
    let before = world.lines().await.len();

    let refused = services.history.undo_change(&agent, "p", seq, UndoRequest::default()).await;

    let Err(Error::ChangedSince(since)) = refused else { panic!("{refused:?}") };
    let ChangedSince { fields: changed, current } = *since;
    let told: Vec<_> = changed
        .iter()
        .map(|field| {
            let (line, name) = field.by.as_ref().unwrap();
            let Value::Number(now) = field.differing.now.as_ref().unwrap() else { panic!() };
            (field.differing.field.as_str(), now.as_i64().unwrap(), line.seq - seq, name.as_deref())
        })
        .collect();
    assert_eq!(told, [("x", 3, 2, Some("admin")), ("y", 2, 3, None)]);
    assert_eq!(value(&current), Value::Object(world.project().await));
    assert_eq!(world.lines().await.len(), before);
}

#[tokio::test]
async fn a_new_project_with_the_id_of_a_deleted_one_is_not_touched() {
    let world = World::with_project().await;
    let deed = json!({ "id": "a", "type": "set_progress", "params": { "progress": 40 } });
    world.act(json!({ "projectId": "p", "actions": [deed] })).await;
    let services = &world.services;
    services.projects.delete(&agent(), "p").await.unwrap();

    let gone = services.history.undo_action(&agent(), "a", UndoRequest::default()).await;
    let body = fields(json!({ "id": "p", "name": "Apollo", "progress": 40 }));
    services.projects.create(&agent(), body).await.unwrap();
    let new = services.history.undo_action(&agent(), "a", UndoRequest::default()).await;

    assert!(matches!(gone, Err(Error::NotFound { kind: Kind::Project, .. })), "{gone:?}");
    assert!(matches!(new, Err(Error::NotUndoable(_))), "{new:?}");
    assert_eq!(world.project().await["progress"], 40);
}

#[tokio::test]
async fn what_something_else_wrote_is_told_as_not_recorded() {
    let world = World::with_project().await;
    world.services.projects.change(&agent(), "p", fields(json!({ "x": 1 }))).await.unwrap();
    let mut elsewhere = world.elsewhere().await;
    sqlx::query("DELETE FROM projects").execute(&mut elsewhere).await.unwrap();

    let then = world.services.history.at(&agent(), "p", &At::Seq(2)).await;

    assert!(matches!(then, Err(Error::Unrecorded)), "{then:?}");
}
