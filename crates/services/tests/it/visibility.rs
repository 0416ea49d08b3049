//! What a person is answered is what a database would answer that has nothing but their projects.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use pilotdeck_domain::actions::ActionsBody;
use pilotdeck_domain::identity::{Actor, Person, Principal, ProjectRole, Role};
use pilotdeck_domain::ids::UserId;
use pilotdeck_services::actions::proposals::ProposalFilter;
use pilotdeck_services::events::EventFilter;
use pilotdeck_services::insights::{Dimension, TokenFilter};
use pilotdeck_services::ledger::LedgerFilter;
use pilotdeck_services::projects::ProjectFilter;
use pilotdeck_services::runs::RunFilter;
use pilotdeck_services::stream::{Message, Subscribe};
use pilotdeck_services::usage::UsageFilter;
use pilotdeck_services::{Error, Page};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::world::{World, agent, fields, value};

const PROJECTS: [&str; 4] = ["p0", "p1", "p2", "p3"];
const WORLDS: u64 = 12;
const ROWS: usize = 60;

/// Something that is written: of which project, where, and what.
#[derive(Clone, Debug)]
struct Row {
    project: Option<&'static str>,
    path: &'static str,
    body: Value,
}

fn either(number: usize, even: &'static str, odd: &'static str) -> &'static str {
    if number.is_multiple_of(2) { even } else { odd }
}

/// Rows in an order in which they can be written. Nothing refers to what belongs to another project.
fn rows(random: &mut SmallRng) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (place, id) in PROJECTS.into_iter().enumerate() {
        let body = json!({
            "id": id, "name": id, "status": either(place, "active", "paused"), "budget": place,
            "cost": { "total": place * 3 }, "category": if place == 0 { None } else { Some("tools") },
        });
        rows.push(Row { project: Some(id), path: "project", body });
    }
    let mut runs: Vec<(Option<&'static str>, String)> = Vec::new();
    for n in 0..ROWS {
        let project =
            if random.random_bool(0.2) { None } else { Some(PROJECTS[random.random_range(0..4)]) };
        let run = runs.iter().rfind(|(of, _)| *of == project).map(|(_, id)| id.clone());
        let agent = ["ann", "bob"][random.random_range(0..2)];
        let (path, body) = match random.random_range(0..6) {
            0 => {
                runs.push((project, format!("r{n}")));
                let body = json!({
                    "id": format!("r{n}"), "projectId": project, "agentId": agent, "sessionId": format!("s{n}"),
                    "status": either(n, "running", "done"), "usage": { "totalTokens": n, "cost": 0.1 },
                });
                ("run", body)
            }
            1 | 2 => {
                let body = json!({
                    "id": format!("e{n}"), "projectId": project, "runId": run, "agentId": agent,
                    "type": either(n, "note", "tool"), "level": either(n, "info", "error"), "title": format!("{n}"),
                });
                ("event", body)
            }
            3 => {
                let body = json!({
                    "id": format!("u{n}"), "projectId": project, "runId": run, "agentId": agent, "totalTokens": 7 * n,
                    "promptTokens": n, "cost": 0.25, "model": either(n, "m1", "m2"), "source": "opencode",
                });
                ("usage", body)
            }
            4 => {
                let body = json!({
                    "id": format!("prop{n}"), "status": "pending_review", "type": "add_note", "projectId": project,
                    "payload": { "note": "n" },
                });
                ("action", body)
            }
            _ => {
                let Some(project) = project else { continue };
                let action = json!({ "id": format!("a{n}"), "type": "bump_progress", "params": { "delta": 1 } });
                ("action", json!({ "projectId": project, "runId": run, "actions": [action] }))
            }
        };
        rows.push(Row { project, path, body });
    }
    rows
}

/// A world with those of the rows that `is_there`. Each is written at its time, whether others are or not.
async fn furnished(rows: &[Row], is_there: impl Fn(&Row) -> bool) -> World {
    let world = World::new().await;
    let services = world.services.clone();
    for row in rows {
        world.clock.turn(TimeDelta::minutes(47));
        if !is_there(row) {
            continue;
        }
        let body = fields(row.body.clone());
        match row.path {
            "project" => drop(services.projects.create(&agent(), body).await.unwrap()),
            "run" => drop(services.runs.start(&agent(), body).await.unwrap()),
            "event" => drop(services.events.append(&agent(), body).await.unwrap()),
            "usage" => drop(services.usage.record_one(&agent(), body).await.unwrap()),
            _ => match ActionsBody::parse(body).unwrap() {
                ActionsBody::Proposal(proposal) => {
                    services.actions.propose(&agent(), &proposal).await.unwrap();
                }
                ActionsBody::Actions { context, items, .. } => {
                    services.actions.act(&agent(), &context, items).await.unwrap();
                }
            },
        }
    }
    world
}

fn listed(page: &Page) -> Value {
    json!({
        "documents": page.documents.iter().map(value).collect::<Vec<_>>(),
        "next": page.next.as_ref().map(|next| (&next.time, &next.id)),
    })
}

/// Everything that the actor is answered, by the name of the question.
async fn answers(world: &World, actor: &Actor) -> BTreeMap<String, Value> {
    let services = &world.services;
    let mut answers = BTreeMap::new();
    let mut note = |name: String, answer: Value| drop(answers.insert(name, answer));

    for status in [None, Some("active".to_owned())] {
        let filter = ProjectFilter { status: status.clone(), ..ProjectFilter::default() };
        let list = services.projects.list(actor, &filter).await.unwrap();
        let documents: Value = serde_json::from_slice(list.projects.json()).unwrap();
        note(format!("projects {status:?}"), documents);
    }
    let stats = services.insights.projects(actor).await.unwrap();
    note("stats".to_owned(), json!(format!("{stats:?}")));
    let projects = [None, Some("p0"), Some("p1"), Some("made-up")];
    for project in projects.map(|id| id.map(str::to_owned)) {
        for agent_id in [None, Some("ann".to_owned())] {
            for (status, kind) in [(None, None), (Some("done".to_owned()), Some("tool".to_owned()))]
            {
                let name = |what: &str| format!("{what} {project:?} {agent_id:?} {kind:?}");
                let filter = RunFilter {
                    project_id: project.clone(),
                    agent_id: agent_id.clone(),
                    status,
                    limit: 3,
                    ..RunFilter::default()
                };
                let runs = services.runs.list(actor, &filter).await.unwrap();
                note(name("runs"), json!([listed(&runs.page), runs.total, runs.signs]));
                let after = RunFilter { after: runs.page.next.clone(), ..filter };
                let runs = services.runs.list(actor, &after).await.unwrap();
                note(name("more runs"), json!([listed(&runs.page), runs.total, runs.signs]));

                let filter = EventFilter {
                    project_id: project.clone(),
                    agent_id: agent_id.clone(),
                    kind: kind.clone(),
                    limit: 4,
                    ..EventFilter::default()
                };
                let page = services.events.list(actor, filter.clone()).await.unwrap();
                note(name("events"), listed(&page));
                let before = EventFilter { before: page.next, ..filter };
                note(
                    name("more events"),
                    listed(&services.events.list(actor, before).await.unwrap()),
                );

                let filter = UsageFilter {
                    project_id: project.clone(),
                    agent_id: agent_id.clone(),
                    source: kind.as_ref().map(|_| "opencode".to_owned()),
                    ..UsageFilter::default()
                };
                let page = services.usage.list(actor, &filter, None, 3).await.unwrap();
                note(name("usage"), listed(&page));
                let more =
                    services.usage.list(actor, &filter, page.next.as_ref(), 3).await.unwrap();
                note(name("more usage"), listed(&more));
                let since = Some("2026-11-21T20:00:00.000000Z".to_owned());
                for filter in [filter.clone(), UsageFilter { since, ..filter }] {
                    let sums = services
                        .insights
                        .tokens(actor, &TokenFilter::from(filter.clone()), Some(Dimension::Model))
                        .await
                        .unwrap();
                    note(name(&format!("tokens {:?}", filter.since)), json!(format!("{sums:?}")));
                }
            }
        }
        for pending in [None, Some(true)] {
            let filter = ProposalFilter { project_id: project.clone(), pending, limit: 5 };
            let proposals = services.actions.proposals(actor, &filter).await.unwrap();
            let proposals: Vec<Value> =
                proposals.iter().map(|stored| value(&stored.proposal)).collect();
            note(format!("proposals {project:?} {pending:?}"), json!(proposals));
        }
    }
    for id in PROJECTS {
        note(format!("project {id}"), found(services.projects.get(actor, id).await, value));
        let history = services.history.list(actor, id, None, 50).await;
        note(format!("history {id}"), found(history, |history| json!(history.changes.len())));
    }
    for n in 0..ROWS {
        let run = services.runs.get(actor, &format!("s{n}")).await;
        note(format!("run {n}"), found(run, |found| json!([value(&found.run), found.last_sign])));
        let filter =
            EventFilter { run_id: Some(format!("r{n}")), limit: 5, ..EventFilter::default() };
        note(format!("of run {n}"), listed(&services.events.list(actor, filter).await.unwrap()));
    }
    answers
}

fn found<T>(found: Result<T, Error>, view: impl Fn(&T) -> Value) -> Value {
    match found {
        Ok(found) => view(&found),
        Err(error @ Error::NotFound { .. }) => json!(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

type Told = (String, Option<String>, String);

/// The lines that the actor is told, but for their places, asked for in each way that there is.
async fn lines(world: &World, actor: &Actor) -> Vec<Vec<Told>> {
    let mut ways = Vec::new();
    let told = |line: &pilotdeck_domain::ledger::Line| {
        (line.operation.clone(), line.subject_id.clone(), line.change.clone())
    };
    for filter in [
        LedgerFilter { since: Some(0), limit: 1_000, ..LedgerFilter::default() },
        LedgerFilter { limit: 9, ..LedgerFilter::default() },
        LedgerFilter { project_id: Some("p1".to_owned()), limit: 9, ..LedgerFilter::default() },
        LedgerFilter { subject_id: Some("p1".to_owned()), limit: 9, ..LedgerFilter::default() },
        LedgerFilter {
            operation: Some("event.appended".to_owned()),
            since: Some(0),
            limit: 9,
            ..LedgerFilter::default()
        },
    ] {
        let (lines, _) = world.services.ledger.list(actor, &filter).await.unwrap();
        ways.push(lines.iter().map(told).collect());
    }
    let subscribe = Subscribe { since: Some(0), most_streams: 1, ..Subscribe::default() };
    let mut stream = world.services.stream.subscribe(actor, subscribe).await.unwrap();
    let mut followed = Vec::new();
    let hub = world.services.stream.clone();
    tokio::spawn(async move { hub.beat().await });
    loop {
        match stream.next().await {
            Message::Lines(lines) => followed.extend(lines.iter().map(|one| told(one.line()))),
            Message::Hello { .. } => {}
            Message::Beat { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    ways.push(followed);
    ways
}

fn member(roles: &[(&str, ProjectRole)]) -> Actor {
    let memberships: BTreeMap<String, ProjectRole> =
        roles.iter().map(|(id, role)| ((*id).to_owned(), *role)).collect();
    let person = Person {
        id: UserId::stored("user-ada"),
        username: "ada".to_owned(),
        role: Role::Member,
        memberships: Arc::new(memberships),
    };
    Actor::new(vec![Principal::Person(person)], None)
}

#[tokio::test]
async fn a_person_is_answered_as_if_there_were_nothing_but_their_projects() {
    let mut told = 0;
    for seed in 0..WORLDS {
        let mut random = SmallRng::seed_from_u64(seed);
        let rows = rows(&mut random);
        let mut roles = Vec::new();
        for id in PROJECTS {
            if random.random_bool(0.5) {
                roles.push((id, ProjectRole::ALL[random.random_range(0..3)]));
            }
        }
        let actor = member(&roles);
        let ours = |row: &Row| roles.iter().any(|(id, _)| row.project == Some(*id));

        let all = furnished(&rows, |_| true).await;
        let only = furnished(&rows, ours).await;

        let (seen, wanted) = (answers(&all, &actor).await, answers(&only, &agent()).await);
        for (question, wanted) in wanted {
            assert_eq!(seen[&question], wanted, "{question} of {roles:?}, seed {seed}");
        }
        // Nothing but the rows: the line that begins the ledger is nobody's.
        let (seen, wanted) = (lines(&all, &actor).await, lines(&only, &Actor::system()).await);
        told += wanted[0].len();
        for (way, (seen, mut wanted)) in seen.into_iter().zip(wanted).enumerate() {
            wanted.retain(|(operation, ..)| operation != "database.created");
            assert_eq!(seen, wanted, "way {way} of {roles:?}, seed {seed}");
        }
    }
    assert!(told > 200, "there is something to be told: {told}");
}
