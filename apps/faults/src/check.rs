//! What the server and its file have, held against what the clients know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use pilotdeck_load::{Connection, Failure};
use serde_json::Value;

use crate::file::{Chain, File};
use crate::load::lock;
use crate::world::{Effect, Entity, Table, ViolationKind, World};

/// What a check found that is no violation.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Requests that were not answered, and are done.
    pub(crate) applied: BTreeSet<u64>,
}

/// The server's side, read before it is compared.
struct Found {
    records: BTreeMap<(Table, String), String>,
    /// In the order of the list.
    projects: Vec<(String, Value)>,
    runs: BTreeMap<String, Value>,
}

/// Compares, notes every violation in `world`, and makes the clients know what became of what was in doubt.
pub(crate) async fn check(
    world: &Mutex<World>,
    connection: &mut Connection,
    path: &Path,
    chain: &mut Chain,
) -> Result<Checked> {
    let (fresh, fresh_runs) = {
        let mut world = lock(world);
        (std::mem::take(&mut world.fresh), std::mem::take(&mut world.fresh_runs))
    };
    let mut file = File::open(path).await?;
    let damage = file.damage(true).await?;
    let broken = file.follow(chain).await?;
    let found = Found {
        records: records(&mut file, &fresh).await?,
        projects: projects(connection).await?,
        runs: runs(connection, &fresh_runs).await?,
    };
    file.close().await?;

    let mut world = lock(world);
    if let Some(damage) = damage {
        world.violated(ViolationKind::Integrity, damage);
    }
    if let Some(broken) = broken {
        world.violated(ViolationKind::Ledger, broken);
    }
    let mut requests: BTreeMap<u64, BTreeSet<bool>> = BTreeMap::new();
    for key in fresh {
        compare_record(&mut world, chain, &found, &key, &mut requests);
    }
    compare_projects(&mut world, chain, &found, &mut requests);
    compare_order(&mut world, &found);
    for id in fresh_runs {
        let mut run = world.runs.remove(&id).unwrap_or_default();
        settle(&mut world, "run", &id, &mut run, found.runs.get(&id), &mut requests);
        count(&mut world, chain, "run.created", &id, usize::from(run.known.is_some()));
        if run.known.is_some() {
            world.runs.insert(id, run);
        }
    }
    let applied = tell_halves(&mut world, requests);
    Ok(Checked { applied })
}

/// Notes the requests that were done in part; says which were done.
fn tell_halves(world: &mut World, requests: BTreeMap<u64, BTreeSet<bool>>) -> BTreeSet<u64> {
    let mut applied = BTreeSet::new();
    for (request, parts) in requests {
        if parts.len() > 1 {
            world.violated(ViolationKind::HalfDone, format!("request {request} was done in part"));
        }
        if parts.contains(&true) {
            applied.insert(request);
        }
    }
    applied
}

/// Compares all that was ever acknowledged with the file, which no server has open any more.
pub(crate) async fn check_all(world: &Mutex<World>, path: &Path, chain: &mut Chain) -> Result<()> {
    let mut file = File::open(path).await?;
    let damage = file.damage(false).await?;
    *chain = Chain::default();
    let broken = file.follow(chain).await?;
    let mut found = BTreeMap::new();
    for table in [Table::Events, Table::Usage] {
        let rows = file.all_documents(table).await?;
        found.extend(rows.into_iter().map(|(id, document)| ((table, id), document)));
    }
    let runs = file.all_runs().await?;
    file.close().await?;

    let world = &mut *lock(world);
    if let Some(damage) = damage {
        world.violated(ViolationKind::Integrity, damage);
    }
    if let Some(broken) = broken {
        world.violated(ViolationKind::Ledger, broken);
    }
    let invented: Vec<String> = found
        .keys()
        .filter(|key| !world.records.contains_key(key))
        .map(|(table, id)| format!("{table:?} {id} was sent by nobody"))
        .collect();
    for text in invented {
        world.violated(ViolationKind::Invented, text);
    }
    let found = Found { records: found, projects: Vec::new(), runs: BTreeMap::new() };
    let keys: Vec<_> = world.records.keys().cloned().collect();
    for key in keys {
        compare_record(world, chain, &found, &key, &mut BTreeMap::new());
    }
    let mut wrong = Vec::new();
    for (id, run) in &world.runs {
        let stored = runs.get(id).and_then(|document| serde_json::from_str::<Value>(document).ok());
        if stored != run.known {
            let kind = if stored.is_none() { ViolationKind::Lost } else { ViolationKind::Altered };
            wrong.push((kind, format!("run {id}")));
        }
    }
    for (kind, text) in wrong {
        world.violated(kind, text);
    }
    Ok(())
}

async fn records(
    file: &mut File,
    fresh: &BTreeSet<(Table, String)>,
) -> Result<BTreeMap<(Table, String), String>> {
    let mut found = BTreeMap::new();
    for table in [Table::Events, Table::Usage] {
        let ids: Vec<&str> =
            fresh.iter().filter(|(of, _)| *of == table).map(|(_, id)| id.as_str()).collect();
        let documents = file.documents(table, &ids).await?;
        found.extend(documents.into_iter().map(|(id, document)| ((table, id), document)));
    }
    Ok(found)
}

async fn projects(connection: &mut Connection) -> Result<Vec<(String, Value)>> {
    let answer: Value = serde_json::from_slice(&connection.get("/api/projects").await?)?;
    let list = answer["data"].as_array().context("the list of projects has no data")?;
    let with_id = |project: &Value| Some((project["id"].as_str()?.to_owned(), project.clone()));
    Ok(list.iter().filter_map(with_id).collect())
}

async fn runs(
    connection: &mut Connection,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for id in ids {
        match connection.get(&format!("/api/agent/runs/{id}")).await {
            Ok(answer) => {
                let mut answer: Value = serde_json::from_slice(&answer)?;
                found.insert(id.clone(), answer["data"].take());
            }
            Err(Failure::Status { status: 404, .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(found)
}

fn compare_record(
    world: &mut World,
    chain: &Chain,
    found: &Found,
    key: &(Table, String),
    requests: &mut BTreeMap<u64, BTreeSet<bool>>,
) {
    let Some(record) = world.records.get(key).cloned() else { return };
    let (table, id) = key;
    let stored = found.records.get(key);
    let wrong = match (&record.acknowledged, stored) {
        (Some(_), None) => Some(ViolationKind::Lost),
        (Some(known), Some(stored)) if !is_same(known, stored) => Some(ViolationKind::Altered),
        (None, Some(stored)) if !stored.contains(&record.text) => Some(ViolationKind::Altered),
        _ => None,
    };
    if let Some(kind) = wrong {
        world.violated(kind, format!("{table:?} {id} of request {}", record.request));
    }
    count(world, chain, record.operation, id, usize::from(stored.is_some()));
    // An acknowledged one that is lost is told as that alone.
    if record.acknowledged.is_none() || stored.is_some() {
        requests.entry(record.request).or_default().insert(stored.is_some());
    }
    match (stored, world.records.get_mut(key)) {
        (Some(stored), Some(record)) => record.acknowledged = Some(stored.clone()),
        _ => drop(world.records.remove(key)),
    }
}

fn compare_projects(
    world: &mut World,
    chain: &Chain,
    found: &Found,
    requests: &mut BTreeMap<u64, BTreeSet<bool>>,
) {
    let mut listed: BTreeMap<&str, &Value> = BTreeMap::new();
    for (id, project) in &found.projects {
        if listed.insert(id, project).is_some() {
            world.violated(ViolationKind::Doubled, format!("project {id} is listed twice"));
        }
        if !world.projects.contains_key(id) {
            world.violated(ViolationKind::Invented, format!("project {id} was made by nobody"));
        }
    }
    for (id, mut project) in std::mem::take(&mut world.projects) {
        let was_there = project.known.is_some();
        let actual = listed.get(id.as_str()).copied();
        settle(world, "project", &id, &mut project, actual, requests);
        let is_there = project.known.is_some();
        let was_ever_there = is_there || was_there || chain.count("project.deleted", &id) > 0;
        count(world, chain, "project.created", &id, usize::from(was_ever_there));
        count(world, chain, "project.deleted", &id, usize::from(was_ever_there && !is_there));
        // Actions on a project have lines of their own.
        if project.changes > 0 {
            count(world, chain, "project.updated", &id, project.changes);
        }
        if is_there {
            world.projects.insert(id, project);
        }
    }
}

fn compare_order(world: &mut World, found: &Found) {
    let leading: Vec<&String> =
        found.projects.iter().map(|(id, _)| id).take(world.order.len().max(1)).collect();
    let is = |order: &[String]| order.is_empty() || leading.iter().copied().eq(order);
    let doubt = world.order_in_doubt.take();
    let (as_known, as_in_doubt) = (
        is(&world.order),
        doubt.as_ref().is_some_and(|doubt| {
            found.projects.iter().map(|(id, _)| id).take(doubt.len()).eq(doubt)
        }),
    );
    match doubt {
        Some(doubt) if as_in_doubt => world.order = doubt,
        _ if as_known => {}
        _ => {
            let text = format!("the list begins with {leading:?}, not {:?}", world.order);
            world.violated(ViolationKind::Lost, text);
        }
    }
}

/// Finds out what became of a thing, and makes the clients know.
fn settle(
    world: &mut World,
    what: &str,
    id: &str,
    entity: &mut Entity,
    actual: Option<&Value>,
    requests: &mut BTreeMap<u64, BTreeSet<bool>>,
) {
    let doubt = entity.doubt.take();
    let is_as_known = actual == entity.known.as_ref();
    let is_applied =
        doubt.as_ref().is_some_and(|doubt| shows(&doubt.effect, entity.known.as_ref(), actual));
    if !is_as_known && !is_applied {
        let kind = if actual.is_none() { ViolationKind::Lost } else { ViolationKind::Altered };
        let known = entity.known.as_ref().map(Value::to_string);
        let actual = actual.map(Value::to_string);
        world.violated(
            kind,
            format!("{what} {id} is {actual:?}, not {known:?}; in doubt: {doubt:?}"),
        );
    }
    if let Some(doubt) = doubt {
        requests.entry(doubt.request).or_default().insert(is_applied);
        if is_applied && matches!(doubt.effect, Effect::Field(..)) {
            entity.changes += 1;
        }
    }
    entity.known = actual.cloned();
}

fn shows(effect: &Effect, known: Option<&Value>, actual: Option<&Value>) -> bool {
    let is_newer = || {
        let version = |document: &Value| document["updatedAt"].as_str().map(str::to_owned);
        actual.and_then(version) > known.and_then(version)
    };
    match effect {
        Effect::Made => known.is_none() && actual.is_some(),
        Effect::Gone => actual.is_none(),
        Effect::Field(name, value) => {
            is_newer() && actual.is_some_and(|actual| actual[*name] == *value)
        }
        Effect::Notes(texts) => {
            let notes = |document: Option<&Value>| {
                document
                    .and_then(|document| document["notes"].as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            let (before, after) = (notes(known), notes(actual));
            let added = after.strip_prefix(&before).unwrap_or_default();
            is_newer() && texts.iter().all(|text| added.matches(text.as_str()).count() == 1)
        }
    }
}

fn count(world: &mut World, chain: &Chain, operation: &str, subject: &str, expected: usize) {
    let times = chain.count(operation, subject);
    if times != expected {
        let kind = if times > expected { ViolationKind::Doubled } else { ViolationKind::Ledger };
        let text = format!("the ledger has {operation} of {subject} {times} times, not {expected}");
        world.violated(kind, text);
    }
}

/// Whether two documents are the same but for how they are written.
pub(crate) fn is_same(left: &str, right: &str) -> bool {
    left == right
        || matches!(
            (serde_json::from_str::<Value>(left), serde_json::from_str::<Value>(right)),
            (Ok(left), Ok(right)) if left == right
        )
}

#[cfg(test)]
mod tests {
    use pilotdeck_load::Method;
    use serde_json::json;

    use super::*;
    use crate::load::create;
    use crate::world::{Kind, Sent};

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost_and_more_than_once_is_doubled() {
        let mut world = world_with(batch(1), true);
        let chain = Chain::of(&[("usage.recorded", "a"), ("usage.recorded", "a")]);

        let kinds = compare(&mut world, &chain, &[("a", r#"{"id":"a"}"#)]);

        // The second one is missing in the rows and, rightly then, in the ledger.
        assert_eq!(kinds, [ViolationKind::Doubled, ViolationKind::Lost]);
    }

    #[test]
    fn another_content_is_altered_and_another_way_of_writing_it_is_not() {
        let chain = Chain::of(&[("usage.recorded", "a"), ("usage.recorded", "b")]);
        let altered = [("a", r#"{"id":"a","more":1}"#), ("b", r#"{ "id": "b" }"#)];

        let kinds = compare(&mut world_with(batch(1), true), &chain, &altered);

        assert_eq!(kinds, [ViolationKind::Altered]);
    }

    #[test]
    fn what_was_not_answered_may_be_done_or_not_and_not_by_half() {
        let all = Chain::of(&[("usage.recorded", "a"), ("usage.recorded", "b")]);
        let half = Chain::of(&[("usage.recorded", "a")]);
        let both = [("a", "text a"), ("b", "text b")];

        assert_eq!(compare(&mut world_with(batch(1), false), &all, &both), []);
        assert_eq!(compare(&mut world_with(batch(1), false), &Chain::default(), &[]), []);
        let kinds = compare(&mut world_with(batch(1), false), &half, &both[..1]);
        assert_eq!(kinds, [ViolationKind::HalfDone]);
        let kinds = compare(&mut world_with(batch(1), false), &half, &both);
        assert_eq!(kinds, [ViolationKind::Ledger]);
    }

    #[test]
    fn a_project_is_as_it_was_acknowledged_or_as_the_unanswered_request_makes_it() {
        let version = |turn: &str, at: &str| json!({ "id": "p", "turn": turn, "updatedAt": at });
        let settled = |doubt: Option<Effect>, actual: Option<&Value>| {
            let mut world = World::default();
            let doubt = doubt.map(|effect| crate::world::Doubt { request: 1, effect });
            let mut project = Entity { known: Some(version("1", "t1")), doubt, changes: 0 };
            settle(&mut world, "project", "p", &mut project, actual, &mut BTreeMap::new());
            (world.violations.first().map(|violation| violation.kind), project.changes)
        };
        let field = || Some(Effect::Field("turn", "2".into()));

        assert_eq!(settled(None, Some(&version("1", "t1"))), (None, 0));
        assert_eq!(settled(None, Some(&version("2", "t2"))), (Some(ViolationKind::Altered), 0));
        assert_eq!(settled(None, None), (Some(ViolationKind::Lost), 0));
        assert_eq!(settled(field(), Some(&version("1", "t1"))), (None, 0));
        assert_eq!(settled(field(), Some(&version("2", "t2"))), (None, 1));
        assert_eq!(settled(field(), Some(&version("3", "t2"))), (Some(ViolationKind::Altered), 0));
        assert_eq!(settled(Some(Effect::Gone), None), (None, 0));
    }

    #[test]
    fn a_project_that_nobody_made_and_a_deleted_one_that_is_back_are_found() {
        let mut world = World::default();
        let made = create(1, "p");
        world.attempt(&made);
        let project = json!({ "id": "p" });
        let answer = json!({ "success": true, "data": project }).to_string();
        world.acknowledge(made, 201, answer.into_bytes());
        world.projects.get_mut("p").unwrap().known = None;
        let listed = |id: &str| (id.to_owned(), json!({ "id": id }));
        let found = Found {
            records: BTreeMap::new(),
            projects: vec![listed("p"), listed("q")],
            runs: BTreeMap::new(),
        };
        let chain = Chain::of(&[("project.created", "p")]);

        compare_projects(&mut world, &chain, &found, &mut BTreeMap::new());

        let kinds: Vec<_> = world.violations.iter().map(|violation| violation.kind).collect();
        assert_eq!(kinds, [ViolationKind::Invented, ViolationKind::Altered]);
    }

    /// Two records of one request.
    fn batch(number: u64) -> Sent {
        Sent {
            number,
            kind: Kind::UsageBatch,
            method: Method::Post,
            path: String::new(),
            body: String::new(),
            subjects: ["a", "b"].map(|id| (id.to_owned(), format!("text {id}"))).into(),
            key: None,
            answer: None,
        }
    }

    fn world_with(sent: Sent, is_acknowledged: bool) -> World {
        let mut world = World::default();
        world.attempt(&sent);
        if is_acknowledged {
            let results = json!([{ "data": { "id": "a" } }, { "data": { "id": "b" } }]);
            let answer = json!({ "success": true, "data": { "results": results } });
            world.acknowledge(sent, 200, answer.to_string().into_bytes());
        }
        world
    }

    fn compare(world: &mut World, chain: &Chain, rows: &[(&str, &str)]) -> Vec<ViolationKind> {
        let row = |(id, document): &(&str, &str)| {
            ((Table::Usage, (*id).to_owned()), (*document).to_owned())
        };
        let records = rows.iter().map(row).collect();
        let found = Found { records, projects: Vec::new(), runs: BTreeMap::new() };
        let mut requests = BTreeMap::new();
        for key in std::mem::take(&mut world.fresh) {
            compare_record(world, chain, &found, &key, &mut requests);
        }
        tell_halves(world, requests);
        world.violations.iter().map(|violation| violation.kind).collect()
    }
}
