//! The mixed load: agents that write all kinds of things, each for itself, and one that reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pilotdeck_load::{Connection, Endpoint, Method, Request};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::world::{Kind, Sent, ViolationKind, World};

/// Writers, each on its own connection.
pub(crate) const WRITERS: usize = 8;
/// Projects that lead the list, in the order that one writer gives them.
const ORDERED: usize = 5;

/// One agent.
pub(crate) struct Writer {
    name: String,
    index: usize,
    connection: Connection,
    world: Arc<Mutex<World>>,
    random: StdRng,
    sends_keys: bool,
    /// What it made and may delete or finish.
    projects: Vec<String>,
    runs: Vec<String>,
}

/// Locks what the clients know. A writer that panicked failed already; what is known is still true.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The projects that are there before the load begins.
pub(crate) fn lasting_projects() -> Vec<String> {
    let of_writer = |writer: usize| {
        ["changed", "noted", "pair-1", "pair-2"].map(|role| format!("{role}-{writer}"))
    };
    let ordered = (0..ORDERED).map(|turn| format!("ordered-{turn}"));
    (0..WRITERS).flat_map(of_writer).chain(ordered).collect()
}

/// The request that makes a project.
pub(crate) fn create(number: u64, id: &str) -> Sent {
    let body = json!({ "id": id, "name": format!("Project {id}"), "notes": "" });
    let subjects = vec![(id.to_owned(), String::new())];
    sent(number, Kind::ProjectCreate, Method::Post, "/api/projects", &body, subjects)
}

/// Sends a request; says what was answered, or nothing if that is not known.
pub(crate) async fn send(connection: &mut Connection, sent: &Sent) -> Option<(u16, Vec<u8>)> {
    let key = sent.key.as_deref().map(|key| [("idempotency-key", key)]);
    let headers = key.as_ref().map_or(&[][..], |key| &key[..]);
    let body = sent.body.as_bytes();
    let request = Request { method: sent.method, path: &sent.path, headers, body };
    let mut answer = Vec::new();
    let status = connection.exchange(request, &mut answer).await.ok()?;
    Some((status, answer))
}

/// Reads what people look at until the server is gone.
pub(crate) async fn read(endpoint: Arc<Endpoint>, world: Arc<Mutex<World>>) {
    let Ok(mut connection) = Connection::to(&endpoint).await else { return };
    loop {
        for path in
            ["/api/projects", "/api/agent/events?limit=50", "/api/stats/tokens", "/api/stats"]
        {
            let request = Request { method: Method::Get, path, headers: &[], body: &[] };
            match connection.exchange_briefly(request, &mut Vec::new()).await {
                Ok(200) => {}
                Ok(status) => {
                    let text = format!("GET {path} answered {status}");
                    return lock(&world).violated(ViolationKind::Answer, text);
                }
                Err(_) => return,
            }
        }
    }
}

impl Writer {
    /// A writer of this round. Its requests depend on the seed alone, as long as the server answers.
    pub(crate) async fn ready(
        endpoint: &Arc<Endpoint>,
        world: &Arc<Mutex<World>>,
        index: usize,
        seed: u64,
        sends_keys: bool,
    ) -> Option<Self> {
        Some(Self {
            name: format!("agent-{index}"),
            index,
            connection: Connection::to(endpoint).await.ok()?,
            world: Arc::clone(world),
            random: StdRng::seed_from_u64(seed),
            sends_keys,
            projects: Vec::new(),
            runs: Vec::new(),
        })
    }

    /// Writes until the server is gone.
    pub(crate) async fn write(mut self) {
        loop {
            let mut sent = self.next();
            if self.sends_keys && self.random.random_ratio(1, 3) {
                sent.key = Some(format!("key-{}", sent.number));
            }
            lock(&self.world).attempt(&sent);
            let Some((status, answer)) = send(&mut self.connection, &sent).await else {
                return lock(&self.world).unanswered.push(sent);
            };
            if status == 503 {
                // A server that is stopping may refuse; whether it did nothing is checked.
                return lock(&self.world).unanswered.push(sent);
            }
            match sent.kind {
                Kind::ProjectCreate => self.projects.push(sent.subjects[0].0.clone()),
                Kind::RunStart => self.runs.push(sent.subjects[0].0.clone()),
                _ => {}
            }
            lock(&self.world).acknowledge(sent, status, answer);
        }
    }

    fn next(&mut self) -> Sent {
        let number = lock(&self.world).number();
        match self.random.random_range(0..100) {
            0..35 => self.event(number),
            35..47 => self.usage(number),
            47..59 => self.actions(number),
            59..69 => self.patch(number),
            69..77 => self.batch(number),
            77..82 if self.index == 0 => self.reorder(number),
            77..83 => create(number, &format!("{}-{number}", self.name)),
            83..87 => self.delete(number),
            87..93 => self.start_run(number),
            _ => self.finish_run(number),
        }
    }

    fn event(&mut self, number: u64) -> Sent {
        let (id, text) = (format!("event-{number}"), self.text(number, 0));
        let body = json!({
            "id": id, "type": "milestone", "agentId": self.name, "projectId": format!("changed-{}", self.index),
            "title": "Something happened", "message": text, "data": { "number": number },
        });
        sent(number, Kind::Event, Method::Post, "/api/agent/events", &body, vec![(id, text)])
    }

    fn usage(&mut self, number: u64) -> Sent {
        let subjects: Vec<_> = (0..3)
            .map(|turn| (format!("usage-{number}-{turn}"), self.text(number, turn)))
            .collect();
        let record = |(id, text): &(String, String)| json!({ "id": id, "agentId": self.name, "workspace": text, "totalTokens": 1 });
        let body = json!({ "records": subjects.iter().map(record).collect::<Vec<_>>() });
        sent(number, Kind::UsageBatch, Method::Post, "/api/agent/usage", &body, subjects)
    }

    fn actions(&mut self, number: u64) -> Sent {
        let subjects: Vec<_> = (0..3)
            .map(|turn| (format!("action-{number}-{turn}"), format!("note {number}.{turn};")))
            .collect();
        let action = |(id, text): &(String, String)| {
            let params = json!({ "note": text, "alsoWriteToProjectNotes": true });
            json!({ "id": id, "type": "append_note", "params": params })
        };
        let actions: Vec<Value> = subjects.iter().map(action).collect();
        let project = format!("noted-{}", self.index);
        let body = json!({ "projectId": project, "agentId": self.name, "actions": actions });
        sent(number, Kind::Actions, Method::Post, "/api/agent/actions", &body, subjects)
    }

    fn patch(&mut self, number: u64) -> Sent {
        let (id, turn) = (format!("changed-{}", self.index), number.to_string());
        let body = json!({ "turn": turn, "ifUpdatedAt": self.version(&id) });
        let path = format!("/api/projects/{id}");
        sent(number, Kind::ProjectPatch, Method::Patch, &path, &body, vec![(id, turn)])
    }

    fn batch(&mut self, number: u64) -> Sent {
        let subjects: Vec<_> = ["pair-1", "pair-2"]
            .map(|role| (format!("{role}-{}", self.index), number.to_string()))
            .into();
        let op = |(id, turn): &(String, String)| json!({ "id": id, "patch": { "turn": turn }, "ifUpdatedAt": self.version(id) });
        let body = json!({ "ops": subjects.iter().map(op).collect::<Vec<_>>() });
        sent(number, Kind::ProjectBatch, Method::Post, "/api/projects/batch", &body, subjects)
    }

    fn reorder(&mut self, number: u64) -> Sent {
        let mut ids: Vec<String> = (0..ORDERED).map(|turn| format!("ordered-{turn}")).collect();
        for last in (1..ids.len()).rev() {
            ids.swap(last, self.random.random_range(0..=last));
        }
        let body = json!({ "ids": ids });
        let subjects = ids.into_iter().map(|id| (id, String::new())).collect();
        sent(number, Kind::Reorder, Method::Post, "/api/projects/reorder", &body, subjects)
    }

    fn delete(&mut self, number: u64) -> Sent {
        let Some(id) = self.projects.pop() else { return self.event(number) };
        let path = format!("/api/projects/{id}");
        let subjects = vec![(id, String::new())];
        let mut sent =
            sent(number, Kind::ProjectDelete, Method::Delete, &path, &Value::Null, subjects);
        sent.body.clear();
        sent
    }

    fn start_run(&mut self, number: u64) -> Sent {
        let id = format!("run-{number}");
        let body = json!({ "id": id, "projectId": format!("changed-{}", self.index), "agentId": self.name, "title": self.text(number, 0) });
        sent(
            number,
            Kind::RunStart,
            Method::Post,
            "/api/agent/runs",
            &body,
            vec![(id, String::new())],
        )
    }

    fn finish_run(&mut self, number: u64) -> Sent {
        let Some(id) = self.runs.pop() else { return self.usage(number) };
        let summary = self.text(number, 0);
        let body = json!({ "status": "success", "summary": summary, "finishedAt": "2026-02-11T15:00:00.000000Z" });
        let path = format!("/api/agent/runs/{id}");
        sent(number, Kind::RunFinish, Method::Patch, &path, &body, vec![(id, summary)])
    }

    /// A text that nothing else has, short for the most part.
    fn text(&mut self, number: u64, turn: usize) -> String {
        let length =
            if self.random.random_ratio(1, 50) { 20_000 } else { self.random.random_range(0..400) };
        format!("text {number}.{turn}: {}", "x".repeat(length))
    }

    fn version(&self, id: &str) -> Value {
        let world = lock(&self.world);
        let known = world.projects.get(id).and_then(|project| project.known.as_ref());
        known.map_or(Value::Null, |project| project["updatedAt"].clone())
    }
}

fn sent(
    number: u64,
    kind: Kind,
    method: Method,
    path: &str,
    body: &Value,
    subjects: Vec<(String, String)>,
) -> Sent {
    let (path, body) = (path.to_owned(), body.to_string());
    Sent { number, kind, method, path, body, subjects, key: None, answer: None }
}
