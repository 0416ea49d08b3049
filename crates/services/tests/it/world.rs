//! Services on a database of their own, and a clock that is turned by hand.

use std::future::Future;
use std::path::PathBuf;

use pilotdeck_domain::actions::{ActionContext, ActionsBody, Proposal};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, Memberships, Person, Principal, Role};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::Line;
use pilotdeck_domain::times;
use pilotdeck_services::actions::ActionOutcome;
use pilotdeck_services::ledger::{LedgerFilter, Verdict, verify};
use pilotdeck_services::{Document, Services};
use pilotdeck_storage::{Database, Durability, OpenOptions, machine_time_zone, open};
use serde_json::{Map, Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};
use tempfile::TempDir;

/// How many tasks race.
pub(crate) const TASKS: usize = 32;

pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(times::parse("2026-11-21T12:00:00Z").unwrap());
        let options = OpenOptions {
            path: &folder.path().join("pm.db"),
            durability: Durability::Process,
            clock: &clock,
            local_time: &machine_time_zone,
        };
        let (database, _) = open(options).await.unwrap();
        let services = Services::new(database.clone(), clock.clone());
        Self { services, database, clock, folder }
    }

    /// A world with the project `p`.
    pub(crate) async fn with_project() -> Self {
        let world = Self::new().await;
        let project = fields(json!({ "id": "p", "name": "Apollo" }));
        world.services.projects.create(&agent(), project).await.unwrap();
        world
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("pm.db")
    }

    /// A connection of somebody who goes past the services.
    pub(crate) async fn elsewhere(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).connect().await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let mut conn = self.elsewhere().await;
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {sql}")))
            .fetch_one(&mut conn)
            .await
            .unwrap()
    }

    pub(crate) async fn project(&self) -> Map<String, Value> {
        self.services.projects.get(&agent(), "p").await.unwrap().fields().unwrap()
    }

    pub(crate) async fn lines(&self) -> Vec<Line> {
        let filter = LedgerFilter { since: Some(0), limit: i64::MAX, ..LedgerFilter::default() };
        self.services.ledger.list(&Actor::system(), &filter).await.unwrap().0
    }

    pub(crate) async fn operations(&self) -> Vec<String> {
        self.lines().await.into_iter().map(|line| line.operation).collect()
    }

    pub(crate) async fn verdict(&self) -> Verdict {
        verify(self.database.snapshot().await.unwrap(), |_, _| {}).await.unwrap()
    }

    pub(crate) async fn assert_holds(&self) {
        let verdict = self.verdict().await;
        assert!(matches!(verdict, Verdict::Holds(_)), "{verdict:?}");
    }

    pub(crate) async fn act(&self, body: Value) -> Vec<ActionOutcome> {
        act(self.services.clone(), body).await
    }
}

/// Does the actions that `body` asks for.
pub(crate) async fn act(services: Services, body: Value) -> Vec<ActionOutcome> {
    match ActionsBody::parse(fields(body)).unwrap() {
        ActionsBody::Actions { context, items, .. } => {
            services.actions.act(&agent(), &context, items).await.unwrap().results
        }
        ActionsBody::Proposal(_) => panic!("a proposal"),
    }
}

pub(crate) fn proposal(body: Value) -> Proposal {
    match ActionsBody::parse(fields(body)).unwrap() {
        ActionsBody::Proposal(proposal) => proposal,
        ActionsBody::Actions { context: ActionContext { .. }, .. } => panic!("an action"),
    }
}

/// Runs `work` as many times at once.
pub(crate) async fn race<T, F>(mut work: impl FnMut(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..TASKS).map(|turn| tokio::spawn(work(turn))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

pub(crate) fn agent() -> Actor {
    Actor::new(vec![Principal::Agent], Some("req-1".to_owned()))
}

pub(crate) fn stranger() -> Actor {
    Actor::default()
}

pub(crate) fn person(id: &UserId) -> Actor {
    Actor::new(
        vec![Principal::Person(Person {
            id: id.clone(),
            username: "admin".to_owned(),
            role: Role::Admin,
            memberships: Memberships::default(),
        })],
        None,
    )
}

pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn value(document: &Document) -> Value {
    Value::Object(document.fields().unwrap())
}
