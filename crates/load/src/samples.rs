//! What agents and people send, as they send it: varied in kind and length, and no two alike.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::work::{Ask, Method, Work, WorkKind};

/// Who the events, runs and usage records say they are from.
pub(crate) const AGENT: &str = "pilotdeck-bench";
/// Stands for the id in a template.
const ID: &str = "%ID%";
/// Stands for the number of the request in a template.
const NUMBER: &str = "%N%";
/// Events of a run before the next one begins.
const RUN: u64 = 200;
/// Of the reads in a mixed load that are answered with a page of events.
const PAGE: u32 = 50;

const TITLES: [&str; 8] = [
    "Parser rewritten",
    "Migration applied to the staging copy",
    "Flaky test found: the clock was read twice",
    "Review asked for",
    "Index added; the list answers from it",
    "Dependency updated",
    "Deployment waits for an approval",
    "Reproduced the report from the field",
];
const MESSAGES: [&str; 6] = [
    "All fixtures pass; the streaming path is 40 % faster and needs no copy of its input.",
    "Ran the whole suite twice.",
    "The importer kept half of a file when its connection was lost. It now writes beside the old one and renames, and a \
     test cuts the connection at every byte.",
    "Waiting for the owner of the schema: two columns would be dropped that an older client may still read. Until then \
     nothing is changed.",
    "Größe und Reihenfolge stimmen; 時刻も UTC で一致する。",
    "Cut the build from 4 minutes to 90 seconds: one crate had pulled in a second copy of the TLS stack. The lock file \
     now has one, and the check for licences refuses another.",
];
const TYPES: [&str; 5] = ["milestone", "note", "status-change", "tool", "risk"];
const LEVELS: [&str; 4] = ["info", "info", "info", "warn"];

/// A body with two places that differ in every request.
#[derive(Clone, Debug)]
struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<u8>),
    Id,
    Number,
}

/// Appends events, each with an id of its own.
#[derive(Debug)]
pub struct Events {
    templates: Vec<Template>,
    ids: Ids,
    path: String,
    expected: u16,
}

/// Reads one project after the other.
#[derive(Debug)]
pub(crate) struct Projects {
    paths: Vec<String>,
    next: AtomicU64,
}

/// Events for the most part, and what goes with them.
#[derive(Debug)]
pub(crate) struct Mixed {
    events: Events,
    usage: Vec<Template>,
    changes: Vec<Template>,
    projects: Vec<String>,
    pages: Vec<String>,
}

/// Ids that nobody else has, and that lie as far apart as those that clients make up: ascending ones would flatter
/// every index.
#[derive(Debug)]
struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Template {
    fn of(document: &Value) -> Self {
        let text = document.to_string();
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some(start) = rest.find('%') {
            let (marker, piece) = if rest[start..].starts_with(ID) {
                (ID, Piece::Id)
            } else if rest[start..].starts_with(NUMBER) {
                (NUMBER, Piece::Number)
            } else {
                ("%", Piece::Text(b"%".to_vec()))
            };
            pieces.push(Piece::Text(rest.as_bytes()[..start].to_vec()));
            pieces.push(piece);
            rest = &rest[start + marker.len()..];
        }
        pieces.push(Piece::Text(rest.as_bytes().to_vec()));
        Self { pieces }
    }

    fn fill(&self, id: &str, number: &str, body: &mut Vec<u8>) {
        for piece in &self.pieces {
            body.extend_from_slice(match piece {
                Piece::Text(text) => text,
                Piece::Id => id.as_bytes(),
                Piece::Number => number.as_bytes(),
            });
        }
    }
}

impl Ids {
    fn next(&self) -> (u64, u64) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, mixed(self.seed.wrapping_add(number)))
    }
}

impl Events {
    /// Events of these projects. `seed` distinguishes the ids from those of every other load.
    ///
    /// # Panics
    ///
    /// If there is no project.
    #[must_use]
    pub fn of(projects: &[String], seed: u64) -> Self {
        assert!(!projects.is_empty(), "events belong to a project");
        let templates = (0..TITLES.len() * MESSAGES.len())
            .map(|turn| Template::of(&event(&projects[turn % projects.len()], turn)))
            .collect();
        let ids = Ids { seed: mixed(seed), next: AtomicU64::new(0) };
        Self { templates, ids, path: "/api/agent/events".to_owned(), expected: 201 }
    }

    /// The same, sent to another path, whose answers have another status.
    #[must_use]
    pub fn sent_to(mut self, path: &str, expected: u16) -> Self {
        path.clone_into(&mut self.path);
        self.expected = expected;
        self
    }

    fn fill(&self, body: &mut Vec<u8>) -> Ask<'_> {
        let (number, id) = self.ids.next();
        // A run has its share of all kinds.
        pick(&self.templates, number).fill(
            &format!("evt-{id:016x}"),
            &format!("{}", number / RUN),
            body,
        );
        Ask { method: Method::Post, path: Cow::Borrowed(&self.path), expected: self.expected }
    }
}

impl Work for Events {
    fn next(&self, body: &mut Vec<u8>) -> Ask<'_> {
        self.fill(body)
    }
}

impl Work for Projects {
    fn next(&self, _body: &mut Vec<u8>) -> Ask<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        read(pick(&self.paths, number).as_str())
    }
}

impl Work for Mixed {
    fn next(&self, body: &mut Vec<u8>) -> Ask<'_> {
        let (number, random) = self.events.ids.next();
        let (id, turn) = (format!("{random:016x}"), number.to_string());
        match random % 100 {
            0..60 => self.events.fill(body),
            60..80 => read(pick(&self.projects, number).as_str()),
            80..85 => read(pick(&self.pages, number).as_str()),
            85..90 => read("/api/projects"),
            90..95 => {
                pick(&self.changes, number).fill(&id, &turn, body);
                let path = Cow::Borrowed(pick(&self.projects, random / 100).as_str());
                Ask { method: Method::Patch, path, expected: 200 }
            }
            _ => {
                pick(&self.usage, number).fill(&format!("usage-{id}"), &turn, body);
                Ask { method: Method::Post, path: Cow::Borrowed("/api/agent/usage"), expected: 200 }
            }
        }
    }
}

/// The work on these projects.
pub(crate) fn work(kind: WorkKind, projects: &[String], seed: u64) -> Box<dyn Work> {
    let paths: Vec<String> = projects.iter().map(|id| format!("/api/projects/{id}")).collect();
    match kind {
        WorkKind::Events => Box::new(Events::of(projects, seed)),
        WorkKind::Projects => Box::new(Projects { paths, next: AtomicU64::new(0) }),
        WorkKind::Mixed => Box::new(Mixed {
            events: Events::of(projects, seed),
            usage: projects.iter().map(|id| Template::of(&usage(id))).collect(),
            changes: (0..TITLES.len()).map(|turn| Template::of(&change(turn))).collect(),
            projects: paths,
            pages: projects
                .iter()
                .map(|id| format!("/api/agent/events?projectId={id}&limit={PAGE}"))
                .collect(),
        }),
    }
}

/// A project as people have them; those of different index differ in more than their name.
#[must_use]
pub fn project(name: &str, index: usize) -> Value {
    const STATUSES: [&str; 4] = ["planning", "in-progress", "paused", "completed"];
    const PRIORITIES: [&str; 4] = ["low", "medium", "high", "urgent"];
    json!({
        "name": name,
        "description": "Rewrites the importer so that it streams: constant memory, resumable, and a report of what it refused.",
        "status": STATUSES[index % STATUSES.len()],
        "priority": PRIORITIES[index % PRIORITIES.len()],
        "category": "tools",
        "progress": index % 101,
        "tags": ["rust", "import", "streaming"],
        "budget": { "planned": 12000 },
        "cost": { "total": 3400.5, "currency": "EUR" },
        "revenue": { "total": 0 },
        "notes": "Decided: no second parser. Open: what becomes of files that were half imported before the change.",
        "github": "https://example.org/importer",
        "workspace": "/srv/work/importer",
        "milestones": [{ "name": "streams", "status": "done" }, { "name": "resumes", "status": "doing" }],
    })
}

fn event(project: &str, turn: usize) -> Value {
    let message = MESSAGES[turn / TITLES.len() % MESSAGES.len()];
    json!({
        "id": ID,
        "type": TYPES[turn % TYPES.len()],
        "level": LEVELS[turn / 3 % LEVELS.len()],
        "projectId": project,
        "runId": format!("run-bench-{NUMBER}"),
        "agentId": AGENT,
        "title": TITLES[turn % TITLES.len()],
        "message": message,
        "data": {
            "event": ID,
            "files": ["src/parse.rs", "src/stream.rs"],
            "tests": { "passed": 200 + turn, "failed": turn % 3 },
        },
    })
}

fn usage(project: &str) -> Value {
    json!({ "records": [{
        "id": ID,
        "projectId": project,
        "runId": format!("run-bench-{NUMBER}"),
        "agentId": AGENT,
        "workspace": "/srv/work/importer",
        "source": "bench",
        "model": "model-large",
        "promptTokens": 1_200,
        "completionTokens": 340,
        "totalTokens": 1_540,
        "cost": 0.0123,
    }] })
}

fn change(turn: usize) -> Value {
    json!({
        "progress": turn * 7 % 101,
        "notes": format!("{} (change {NUMBER})", MESSAGES[turn % MESSAGES.len()]),
    })
}

fn read(path: &str) -> Ask<'_> {
    Ask { method: Method::Get, path: Cow::Borrowed(path), expected: 200 }
}

fn pick<T>(all: &[T], number: u64) -> &T {
    let count = all.len() as u64;
    &all[usize::try_from(number % count).expect("it is below a length")]
}

/// The finalizer of `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>): another number for every number, and no
/// number twice.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_has_an_id_of_its_own_and_is_json() {
        let events = Events::of(&["proj-a".to_owned(), "proj-b".to_owned()], 1);
        let (mut ids, mut lengths) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..2_000 {
            let mut body = Vec::new();
            assert_eq!(events.next(&mut body).path, "/api/agent/events");
            let event: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(event["data"]["event"], event["id"]);
            ids.insert(event["id"].as_str().unwrap().to_owned());
            lengths.insert(body.len());
        }

        assert_eq!(ids.len(), 2_000);
        assert!(lengths.len() > 20, "{lengths:?}");
    }

    #[test]
    fn a_mixed_load_has_a_bit_of_everything() {
        let work = work(WorkKind::Mixed, &["proj-a".to_owned()], 2);
        let mut seen = BTreeSet::new();
        for _ in 0..1_000 {
            let mut body = Vec::new();
            let ask = work.next(&mut body);
            seen.insert((ask.method.as_str(), ask.path.into_owned()));
            if !body.is_empty() {
                serde_json::from_slice::<Value>(&body).unwrap();
            }
        }

        assert_eq!(seen.len(), 6, "{seen:?}");
    }
}
