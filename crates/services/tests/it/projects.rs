//! Projects.

use std::time::Duration;

use pilotdeck_domain::ids::ProjectId;
use pilotdeck_services::events::EventFilter;
use pilotdeck_services::projects::{BatchOp, ProjectFilter, Refusal};
use pilotdeck_services::runs::RunFilter;
use pilotdeck_services::usage::UsageFilter;
use pilotdeck_services::{Error, Kind, Services};
use pilotdeck_storage::{Durability, join};
use serde_json::{Value, json};

use crate::world::{TASKS, World, agent, fields, race, value};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_saw_one_version_exactly_one_changes_it() {
    let world = World::with_project().await;
    let seen = world.project().await["updatedAt"].clone();

    let results = race(|turn| {
        let (services, seen) = (world.services.clone(), seen.clone());
        async move {
            let patch = fields(json!({ "notes": turn, "ifUpdatedAt": seen }));
            services.projects.change(&agent(), "p", patch).await
        }
    })
    .await;

    let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    let stale = results.iter().filter(|result| matches!(result, Err(Error::Stale(_)))).count();
    assert_eq!((won.len(), stale), (1, TASKS - 1));
    assert_eq!(value(won[0]), json!(world.project().await));
    for result in results {
        if let Err(Error::Stale(stale)) = result {
            assert_eq!(json!(stale.expected), seen);
            assert_eq!(json!(stale.actual), world.project().await["updatedAt"]);
        }
    }
    assert_eq!(
        world.operations().await,
        ["database.created", "project.created", "project.updated"]
    );
    world.assert_holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_different_fields_at_once_are_all_kept_and_every_version_is_another() {
    let world = World::with_project().await;

    let changed = race(|turn| {
        let services = world.services.clone();
        let patch = fields(json!({ format!("field{turn}"): turn }));
        async move { services.projects.change(&agent(), "p", patch).await.unwrap() }
    })
    .await;

    let project = world.project().await;
    for turn in 0..TASKS {
        assert_eq!(project[&format!("field{turn}")], json!(turn));
    }
    let mut versions: Vec<_> =
        changed.iter().map(|project| value(project)["updatedAt"].to_string()).collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), TASKS);
    assert_eq!(project["updatedAt"].to_string(), versions[TASKS - 1]);
    world.assert_holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_choose_one_id_exactly_one_creates_the_project() {
    let world = World::new().await;

    let results = race(|turn| {
        let services = world.services.clone();
        let body = fields(json!({ "id": "p", "name": format!("Apollo {turn}") }));
        async move { services.projects.create(&agent(), body).await }
    })
    .await;

    let taken = |result: &Result<_, Error>| matches!(result, Err(Error::Taken { kind: Kind::Project, id }) if id == "p");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| taken(result)).count(), TASKS - 1);
    assert_eq!(world.operations().await, ["database.created", "project.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_created_at_once_stand_in_a_row() {
    let world = World::new().await;

    race(|turn| {
        let services = world.services.clone();
        let body = fields(json!({ "name": format!("Apollo {turn}") }));
        async move { services.projects.create(&agent(), body).await.unwrap() }
    })
    .await;

    assert_eq!(world.count("(SELECT DISTINCT sort_order FROM projects)").await, 32);
}

#[tokio::test]
async fn a_refused_change_leaves_nothing_behind() {
    let world = World::with_project().await;
    let before = world.project().await;

    let blank = world.services.projects.change(&agent(), "p", fields(json!({ "name": " " }))).await;
    let unknown = world.services.projects.change(&agent(), "q", fields(json!({}))).await;

    assert!(matches!(blank, Err(Error::Invalid(_))));
    assert!(matches!(unknown, Err(Error::NotFound { .. })));
    assert_eq!(world.project().await, before);
    assert_eq!(world.lines().await.len(), 2);
}

#[tokio::test]
async fn operations_of_a_batch_see_earlier_ones_and_fail_for_themselves() {
    let world = World::with_project().await;
    let version = world.project().await["updatedAt"].as_str().map(str::to_owned);
    let op = |id: &str, patch, expected_version: &Option<String>| {
        let expected_version = expected_version.clone();
        Ok(BatchOp { id: id.to_owned(), patch: fields(patch), expected_version })
    };
    let ops = vec![
        op("p", json!({ "notes": "a" }), &version),
        op("p", json!({ "notes": "b" }), &version),
        op("q", json!({}), &None),
        op("p", json!({ "name": "" }), &None),
        op("p", json!({ "progress": 7 }), &None),
    ];

    let outcome = world.services.projects.batch(&agent(), ops).await.unwrap();

    assert!(outcome.changed());
    let results = &outcome.results;
    assert!(matches!(
        results[..],
        [
            Ok(_),
            Err(Refusal::Stale(_)),
            Err(Refusal::NotFound { .. }),
            Err(Refusal::Invalid(_)),
            Ok(_)
        ]
    ));
    let project = world.project().await;
    assert_eq!((&project["notes"], &project["progress"]), (&json!("a"), &json!(7)));
    assert_eq!(world.operations().await[2..], ["project.updated", "project.updated"]);
}

#[tokio::test]
async fn a_large_order_is_kept_to_the_letter() {
    let world = World::new().await;
    for turn in 0..40 {
        let body = fields(json!({ "id": format!("p{turn}"), "name": "n" }));
        world.services.projects.create(&agent(), body).await.unwrap();
    }
    let wanted: Vec<String> = (0..40).rev().map(|turn| format!("p{turn}")).collect();

    let list = world.services.projects.reorder(&agent(), wanted.clone()).await.unwrap();

    let order = |list: pilotdeck_services::Documents| -> Vec<String> {
        let projects: Vec<Value> = serde_json::from_slice(list.json()).unwrap();
        projects.iter().map(|project| project["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(order(list.projects), wanted);
    let list = world.services.projects.list(&agent(), &ProjectFilter::default()).await.unwrap();
    assert_eq!(order(list.projects), wanted);
}

#[tokio::test]
async fn a_deleted_project_lets_its_runs_go_and_keeps_its_events_and_its_usage() {
    let world = World::with_project().await;
    let services = &world.services;
    let of_project = || fields(json!({ "id": "x", "projectId": "p", "promptTokens": 1 }));
    services.runs.start(&agent(), of_project()).await.unwrap();
    services.events.append(&agent(), of_project()).await.unwrap();
    services.usage.record(&agent(), vec![of_project()]).await.unwrap();

    services.projects.delete(&agent(), "p").await.unwrap();

    let run = services.runs.get(&agent(), "x").await.unwrap().run;
    assert_eq!(value(&run)["projectId"], json!(null));
    let of_p = || Some("p".to_owned());
    let runs = RunFilter { project_id: of_p(), limit: 10, ..RunFilter::default() };
    assert_eq!(services.runs.list(&agent(), &runs).await.unwrap().total, 0);
    let events = EventFilter { project_id: of_p(), limit: 10, ..EventFilter::default() };
    assert_eq!(services.events.list(&agent(), events).await.unwrap().documents.len(), 1);
    let usage = UsageFilter { project_id: of_p(), ..UsageFilter::default() };
    assert_eq!(services.usage.list(&agent(), &usage, None, 10).await.unwrap().documents.len(), 1);
    let last = world.lines().await.pop().unwrap();
    assert_eq!(last.operation, "project.deleted");
    assert!(last.change.contains("\"detachedRuns\":1"), "{}", last.change);
    assert!(matches!(
        services.projects.delete(&agent(), "p").await,
        Err(Error::NotFound { kind: Kind::Project, .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_what_was_true_before_an_answered_change() {
    let world = World::with_project().await;
    let all = ProjectFilter::default();

    race(|turn| {
        let (services, all) = (world.services.clone(), all.clone());
        async move {
            for round in 0..8 {
                let patch = fields(json!({ format!("by{turn}"): round }));
                services.projects.change(&agent(), "p", patch).await.unwrap();
                let own = |project: &Value| project[format!("by{turn}")] == json!(round);

                let read = services.projects.get(&agent(), "p").await.unwrap();
                let listed = services.projects.list(&agent(), &all).await.unwrap().projects;
                let listed: Value = serde_json::from_slice(listed.json()).unwrap();
                assert!(own(&value(&read)), "reads {read:?} after round {round} of {turn}");
                assert!(own(&listed[0]), "lists {listed} after round {round} of {turn}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_that_came_to_nothing_is_not_read() {
    let world = World::with_project().await;
    let before = world.project().await;

    let mut tx = world.database.write().await.unwrap();
    tx.projects().delete(&ProjectId::stored("p")).await.unwrap();
    let meanwhile = world.project().await;
    drop(tx);

    assert_eq!(meanwhile, before);
    assert_eq!(world.project().await, before);
}

#[tokio::test]
async fn what_another_process_changes_is_read_within_a_second() {
    let world = World::with_project().await;
    let other =
        Services::new(join(&world.path(), Durability::Process).await.unwrap(), world.clock.clone());
    world.project().await;

    other.projects.change(&agent(), "p", fields(json!({ "name": "Theirs" }))).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();

    assert_eq!(world.project().await["name"], "Theirs");
}
