//! Being killed in the middle of everything: what was acknowledged is there once, and nothing is there by half.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rand::Rng as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::process::{Server, answer, client, finish, pilotdeck, serve};

const KILLS: usize = 25;
/// Writers of each kind, each on its own connection.
const WRITERS: usize = 3;
/// A kill comes after fewer acknowledged writes than this.
const MOST_WRITES: usize = 160;
const LEDGER_PAGE: usize = 2_000;

/// What clients know of what they sent.
#[derive(Default)]
struct Sent {
    /// What was sent to be kept as it is.
    records: BTreeMap<(Kind, String), Record>,
    /// What was changed, by project.
    projects: BTreeMap<String, Changes>,
    next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Event,
    Action,
    Usage,
}

#[derive(Clone)]
struct Record {
    /// All records of one request have its number.
    request: usize,
    text: String,
    is_acknowledged: bool,
}

#[derive(Clone, Default)]
struct Changes {
    version: String,
    acknowledged: u64,
    attempted: u64,
}

impl Sent {
    fn attempt(&mut self, kind: Kind, count: usize) -> Vec<(String, String)> {
        self.next += 1;
        let request = self.next;
        let records: Vec<_> = (0..count)
            .map(|turn| (format!("{kind:?}-{request}-{turn}"), format!("text {request}.{turn};")))
            .collect();
        for (id, text) in &records {
            let record = Record { request, text: text.clone(), is_acknowledged: false };
            self.records.insert((kind, id.clone()), record);
        }
        records
    }

    fn acknowledge(&mut self, kind: Kind, records: &[(String, String)]) {
        for (id, _) in records {
            let record = self.records.get_mut(&(kind, id.clone()));
            record.expect("it was attempted").is_acknowledged = true;
        }
    }
}

/// What a writer works with.
#[derive(Clone)]
struct Desk {
    base_url: String,
    client: Client,
    sent: Arc<Mutex<Sent>>,
    acknowledged: watch::Sender<usize>,
}

impl Desk {
    /// The answer, or nothing if the server is gone.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Option<Value> {
        let request = self.client.request(method, format!("{}{path}", self.base_url)).json(body);
        let response = request.send().await.ok()?;
        let status = response.status();
        let answer: Value = response.json().await.ok()?;
        assert!(status.is_success(), "{status}: {answer}");
        self.acknowledged.send_modify(|count| *count += 1);
        Some(answer)
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, Sent> {
        self.sent.lock().unwrap()
    }

    async fn append_events(self) {
        loop {
            let records = self.sent().attempt(Kind::Event, 1);
            let (id, text) = &records[0];
            let body = json!({ "id": id, "message": text, "agentId": "killed" });
            let Some(answer) = self.ask(Method::POST, "/api/agent/events", &body).await else {
                return;
            };
            assert_eq!(answer["data"]["message"], **text);
            self.sent().acknowledge(Kind::Event, &records);
        }
    }

    async fn act(self, project: String) {
        loop {
            let records = self.sent().attempt(Kind::Action, 3);
            let actions: Vec<_> = records
                .iter()
                .map(|(id, text)| {
                    let params = json!({ "note": text, "alsoWriteToProjectNotes": true });
                    json!({ "id": id, "type": "append_note", "params": params })
                })
                .collect();
            let body = json!({ "projectId": project, "actions": actions });
            let Some(answer) = self.ask(Method::POST, "/api/agent/actions", &body).await else {
                return;
            };
            for result in answer["data"]["results"].as_array().unwrap() {
                assert_eq!(result["success"], true, "{result}");
            }
            self.sent().acknowledge(Kind::Action, &records);
        }
    }

    async fn record_usage(self) {
        loop {
            let records = self.sent().attempt(Kind::Usage, 3);
            let body: Vec<_> = records
                .iter()
                .map(|(id, text)| json!({ "id": id, "workspace": text, "totalTokens": 1 }))
                .collect();
            let body = json!({ "records": body });
            let Some(answer) = self.ask(Method::POST, "/api/agent/usage", &body).await else {
                return;
            };
            assert_eq!(answer["data"]["created"], 3, "{answer}");
            self.sent().acknowledge(Kind::Usage, &records);
        }
    }

    async fn change_project(self, project: String) {
        loop {
            let body = {
                let mut sent = self.sent();
                let changes = sent.projects.get_mut(&project).unwrap();
                changes.attempted += 1;
                json!({ "turn": changes.attempted, "ifUpdatedAt": changes.version })
            };
            let path = format!("/api/projects/{project}");
            let Some(answer) = self.ask(Method::PATCH, &path, &body).await else { return };
            let mut sent = self.sent();
            let changes = sent.projects.get_mut(&project).unwrap();
            assert_eq!(answer["data"]["turn"], changes.attempted);
            changes.acknowledged = changes.attempted;
            answer["data"]["updatedAt"].as_str().unwrap().clone_into(&mut changes.version);
        }
    }
}

/// The ledger as it was read so far.
#[derive(Default)]
struct Ledger {
    last: i64,
    hash: String,
    /// How often each operation was done to each subject.
    lines: BTreeMap<(String, String), usize>,
}

impl Ledger {
    async fn follow(&mut self, server: &Server, session: &str) {
        loop {
            let path = format!("/api/ledger?since={}&limit={LEDGER_PAGE}", self.last);
            let (status, page) = answer(server.get(&path).header("cookie", session)).await;
            assert_eq!(status, 200, "{page}");
            let lines = page["data"].as_array().unwrap();
            for line in lines {
                assert_eq!(line["seq"], self.last + 1);
                let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
                *self.lines.entry((text("operation"), text("subjectId"))).or_default() += 1;
                self.last += 1;
                self.hash = text("hash");
            }
            if lines.len() < LEDGER_PAGE {
                assert_eq!(page["lastSeq"], self.last);
                return;
            }
        }
    }

    fn count(&self, operation: &str, subject: &str) -> usize {
        self.lines.get(&(operation.to_owned(), subject.to_owned())).copied().unwrap_or_default()
    }
}

/// Compares what the server has with what its clients know of, and makes them know of all of it.
async fn compare(server: &Server, sent: &Mutex<Sent>, ledger: &Ledger, notes: &[String]) {
    let (records, projects) = {
        let sent = sent.lock().unwrap();
        (sent.records.clone(), sent.projects.clone())
    };
    let events = server.read("/api/agent/events?type=note&agentId=killed&limit=2000").await;
    let usage = server.read("/api/agent/usage?limit=5000").await;
    let mut listed = vec![(Kind::Event, events, 2_000), (Kind::Usage, usage, 5_000)];
    let mut written = String::new();
    for project in notes {
        let actions =
            server.read(&format!("/api/agent/events?projectId={project}&limit=2000")).await;
        listed.push((Kind::Action, actions, 2_000));
        let project = server.read(&format!("/api/projects/{project}")).await;
        written += project["data"]["notes"].as_str().unwrap();
    }

    let mut found: BTreeMap<(Kind, String), String> = BTreeMap::new();
    for (kind, answer, limit) in listed {
        let field = if kind == Kind::Usage { "workspace" } else { "message" };
        let items = answer["data"].as_array().unwrap();
        assert!(items.len() < limit, "the list is not whole");
        for item in items {
            let text = |field: &str| item[field].as_str().unwrap().to_owned();
            let twin = found.insert((kind, text("id")), text(field));
            assert_eq!(twin, None, "{item} is there twice");
        }
    }
    assert!(found.keys().all(|key| records.contains_key(key)), "nobody sent some of it");
    let mut requests: BTreeMap<usize, BTreeSet<bool>> = BTreeMap::new();
    for (key, record) in &records {
        let (kind, id) = key;
        let is_there = found.contains_key(key);
        assert!(is_there || !record.is_acknowledged, "{kind:?} {id} was acknowledged, and is gone");
        if is_there {
            assert_eq!(found[key].trim(), record.text);
        }
        let operation = match kind {
            Kind::Event => "event.appended",
            Kind::Action => "action.applied",
            Kind::Usage => "usage.recorded",
        };
        assert_eq!(ledger.count(operation, id), usize::from(is_there), "{operation} of {id}");
        if *kind == Kind::Action {
            let times = written.matches(&record.text).count();
            assert_eq!(times, usize::from(is_there), "the note of {id} in the project");
        }
        requests.entry(record.request).or_default().insert(is_there);
    }
    for (request, is_there) in requests {
        assert_eq!(is_there.len(), 1, "request {request} was done by half");
    }
    for (id, changes) in projects {
        let project = server.read(&format!("/api/projects/{id}")).await;
        let turn = project["data"]["turn"].as_u64().unwrap_or_default();
        assert!((changes.acknowledged..=changes.attempted).contains(&turn), "{id} is at {turn}");
        if turn == changes.acknowledged {
            assert_eq!(project["data"]["updatedAt"], *changes.version);
        }
        let mut sent = sent.lock().unwrap();
        let changes = sent.projects.get_mut(&id).unwrap();
        project["data"]["updatedAt"].as_str().unwrap().clone_into(&mut changes.version);
        (changes.acknowledged, changes.attempted) = (turn, turn);
        assert_eq!(ledger.count("project.updated", &id) as u64, turn, "changes of {id}");
    }
    sent.lock().unwrap().records.retain(|key, _| found.contains_key(key));
}

#[tokio::test]
async fn what_was_acknowledged_survives_every_kill_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let sent = Arc::new(Mutex::new(Sent::default()));
    let mut ledger = Ledger::default();
    let mut server = Server::start(&mut serve(folder.path())).await;
    let (_, session) = server.sign_in("admin", "admin").await;
    let session = session.expect("the default password lets in");
    let mut noted = Vec::new();
    for turn in 0..WRITERS {
        let id = format!("changed-{turn}");
        let answer = server.write("/api/projects", &json!({ "id": id, "name": id })).await;
        let version = answer["data"]["updatedAt"].as_str().unwrap().to_owned();
        let changes = Changes { version, ..Changes::default() };
        sent.lock().unwrap().projects.insert(id, changes);
        let id = format!("noted-{turn}");
        server.write("/api/projects", &json!({ "id": id, "name": id })).await;
        noted.push(id);
    }

    let mut acknowledged_in_all = 0;
    for _ in 0..KILLS {
        let (acknowledged, mut watched) = watch::channel(0);
        let desk = || Desk {
            base_url: server.base_url.clone(),
            client: client(None),
            sent: Arc::clone(&sent),
            acknowledged: acknowledged.clone(),
        };
        let mut writers = Vec::new();
        for (turn, project) in noted.iter().enumerate() {
            writers.push(tokio::spawn(desk().append_events()));
            writers.push(tokio::spawn(desk().record_usage()));
            writers.push(tokio::spawn(desk().act(project.clone())));
            writers.push(tokio::spawn(desk().change_project(format!("changed-{turn}"))));
        }
        let enough = rand::rng().random_range(1..MOST_WRITES);
        watched.wait_for(|count| *count >= enough).await.unwrap();
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        acknowledged_in_all += *watched.borrow();

        server = Server::start(&mut serve(folder.path())).await;
        ledger.follow(&server, &session).await;
        compare(&server, &sent, &ledger, &noted).await;
    }

    server.stop().await;
    let verified = finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let place = format!("last seq {}, hash {}\n", ledger.last, ledger.hash);
    assert!(verified.stdout.contains(&place), "{verified:?}, not {place}");
    println!(
        "{KILLS} kills, {acknowledged_in_all} acknowledged writes, {} ledger lines",
        ledger.last
    );
}

#[tokio::test]
async fn what_was_in_doubt_is_done_once_when_it_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&mut serve(folder.path())).await;
    server.write("/api/projects", &json!({ "id": "proj-a", "name": "Apollo" })).await;
    let requests: Vec<(&str, Value)> = (0..12)
        .map(|turn| match turn % 3 {
            0 => ("/api/agent/events", json!({ "id": format!("evt-{turn}") })),
            1 => (
                "/api/agent/actions",
                json!({ "projectId": "proj-a", "actions": [
                    { "id": format!("act-{turn}"), "type": "bump_progress", "params": { "delta": 1 } },
                ] }),
            ),
            _ => ("/api/agent/usage", json!({ "id": format!("usage-{turn}"), "totalTokens": 1 })),
        })
        .collect();
    let flying: Vec<_> = requests
        .iter()
        .map(|(path, body)| tokio::spawn(client(None).post(server.url(path)).json(body).send()))
        .collect();
    let (first, flying) = {
        let (first, _, flying) = futures_util::future::select_all(flying).await;
        (first, flying)
    };
    server.kill();
    first.unwrap().unwrap();
    for request in flying {
        // Whether it was answered is what its client does not know.
        let _ = request.await.unwrap();
    }

    let server = Server::start(&mut serve(folder.path())).await;
    for _ in 0..2 {
        for (path, body) in &requests {
            server.write(path, body).await;
        }
    }

    let project = server.read("/api/projects/proj-a").await;
    assert_eq!(project["data"]["progress"], 4);
    assert_eq!(server.read("/api/agent/events").await["total"], 8);
    assert_eq!(server.read("/api/stats/tokens").await["data"]["totals"]["totalTokens"], 4);
    let (status, _) = answer(server.get("/api/health")).await;
    assert_eq!(status, 200);
}
