//! What the clients know: what they sent, and what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use pilotdeck_load::Method;
use serde_json::Value;

/// Kinds of writes that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Event,
    UsageBatch,
    Actions,
    ProjectCreate,
    ProjectPatch,
    ProjectBatch,
    ProjectDelete,
    Reorder,
    RunStart,
    RunFinish,
}

/// Rows that are written once and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Events,
    Usage,
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Distinguishes it from every other request of the campaign.
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: String,
    /// What it is about: ids, each with the text that shows whether it was done.
    pub(crate) subjects: Vec<(String, String)>,
    /// Its `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// The answer, once there is one.
    pub(crate) answer: Option<(u16, Vec<u8>)>,
}

/// A row that is written once.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) request: u64,
    pub(crate) text: String,
    /// What the ledger calls writing it.
    pub(crate) operation: &'static str,
    /// The document of the answer, if there was one.
    pub(crate) acknowledged: Option<String>,
}

/// A project or a run, which changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entity {
    /// As it was acknowledged; none if it is not there.
    pub(crate) known: Option<Value>,
    /// Of the request that was sent and not answered.
    pub(crate) doubt: Option<Doubt>,
    /// Changes that are known to be done.
    pub(crate) changes: usize,
}

/// What an unanswered request would have done.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    pub(crate) request: u64,
    pub(crate) effect: Effect,
}

/// How it would show.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// It is there.
    Made,
    /// A field has this value.
    Field(&'static str, Value),
    /// The notes end with these texts.
    Notes(Vec<String>),
    /// It is gone.
    Gone,
}

/// All that the clients know.
#[derive(Debug, Default)]
pub(crate) struct World {
    next: u64,
    pub(crate) records: BTreeMap<(Table, String), Record>,
    /// Records that were sent since the last check.
    pub(crate) fresh: BTreeSet<(Table, String)>,
    pub(crate) projects: BTreeMap<String, Entity>,
    pub(crate) runs: BTreeMap<String, Entity>,
    /// Runs that were sent since the last check.
    pub(crate) fresh_runs: BTreeSet<String>,
    /// The projects that lead the list, and what an unanswered request would have made of that.
    pub(crate) order: Vec<String>,
    pub(crate) order_in_doubt: Option<Vec<String>>,
    /// Without an answer, since the last check.
    pub(crate) unanswered: Vec<Sent>,
    /// Answered, since the last check.
    pub(crate) answered: Vec<Sent>,
    /// Answered requests by kind, in all.
    pub(crate) acknowledged: BTreeMap<Kind, u64>,
    /// Answers that nobody may get, and contradictions.
    pub(crate) violations: Vec<Violation>,
}

/// What must not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) kind: ViolationKind,
    pub(crate) text: String,
}

/// Violations that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ViolationKind {
    /// Acknowledged, and not there.
    Lost,
    /// There, or in the ledger, more than once.
    Doubled,
    /// A request was done in part.
    HalfDone,
    /// There, with another content.
    Altered,
    /// There, and nobody sent it.
    Invented,
    /// A right request got another answer than it must.
    Answer,
    /// The ledger does not hold.
    Ledger,
    /// The file is damaged.
    Integrity,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Event => "events",
            Self::UsageBatch => "usage batches of 3",
            Self::Actions => "action batches of 3",
            Self::ProjectCreate => "projects created",
            Self::ProjectPatch => "projects changed",
            Self::ProjectBatch => "project batches of 2",
            Self::ProjectDelete => "projects deleted",
            Self::Reorder => "projects reordered",
            Self::RunStart => "runs started",
            Self::RunFinish => "runs finished",
        }
    }

    /// Whether a repetition is harmless without a key, because the client chose the ids.
    pub(crate) fn has_own_ids(self) -> bool {
        matches!(
            self,
            Self::Event | Self::UsageBatch | Self::Actions | Self::ProjectCreate | Self::RunStart
        )
    }

    /// Where its subjects are written once.
    fn table(self) -> Option<(Table, &'static str)> {
        match self {
            Self::Event => Some((Table::Events, "event.appended")),
            Self::Actions => Some((Table::Events, "action.applied")),
            Self::UsageBatch => Some((Table::Usage, "usage.recorded")),
            _ => None,
        }
    }
}

impl ViolationKind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Lost,
        Self::Doubled,
        Self::HalfDone,
        Self::Altered,
        Self::Invented,
        Self::Answer,
        Self::Ledger,
        Self::Integrity,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::HalfDone => "half-done",
            Self::Altered => "altered",
            Self::Invented => "invented",
            Self::Answer => "wrong answers",
            Self::Ledger => "ledger",
            Self::Integrity => "integrity",
        }
    }
}

impl World {
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn violated(&mut self, kind: ViolationKind, text: String) {
        self.violations.push(Violation { kind, text });
    }

    /// Notes what is about to be sent.
    pub(crate) fn attempt(&mut self, sent: &Sent) {
        let doubt = |effect| Some(Doubt { request: sent.number, effect });
        if let Some((table, operation)) = sent.kind.table() {
            for (id, text) in &sent.subjects {
                let (request, text) = (sent.number, text.clone());
                let record = Record { request, text, operation, acknowledged: None };
                self.records.insert((table, id.clone()), record);
                self.fresh.insert((table, id.clone()));
            }
        }
        let project = |effect| (sent.subjects[0].0.clone(), doubt(effect));
        let (id, doubt) = match sent.kind {
            Kind::Event | Kind::UsageBatch => return,
            Kind::Actions => {
                let texts = sent.subjects.iter().map(|(_, text)| text.clone()).collect();
                (sent.noted_project(), doubt(Effect::Notes(texts)))
            }
            Kind::ProjectCreate => project(Effect::Made),
            Kind::ProjectDelete => project(Effect::Gone),
            Kind::ProjectPatch | Kind::ProjectBatch => {
                for (id, turn) in &sent.subjects {
                    let effect = Effect::Field("turn", turn.as_str().into());
                    self.projects.entry(id.clone()).or_default().doubt = doubt(effect);
                }
                return;
            }
            Kind::Reorder => {
                let ids = sent.subjects.iter().map(|(id, _)| id.clone());
                self.order_in_doubt = Some(ids.collect());
                return;
            }
            Kind::RunStart | Kind::RunFinish => {
                let (id, text) = sent.subjects[0].clone();
                let effect = match sent.kind {
                    Kind::RunStart => Effect::Made,
                    _ => Effect::Field("summary", text.into()),
                };
                self.runs.entry(id.clone()).or_default().doubt = doubt(effect);
                self.fresh_runs.insert(id);
                return;
            }
        };
        self.projects.entry(id).or_default().doubt = doubt;
    }

    /// Notes what was answered. A repetition of what was done before changes nothing but what is in doubt.
    pub(crate) fn acknowledge(&mut self, mut sent: Sent, status: u16, bytes: Vec<u8>) {
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if !(200..300).contains(&status) || answer["success"] != true {
            let text = format!("{} {} answered {status}: {answer}", sent.kind.as_str(), sent.path);
            self.violated(ViolationKind::Answer, text);
            self.unanswered.push(sent);
            return;
        }
        let data = &answer["data"];
        let documents: Vec<Value> = match sent.kind {
            Kind::UsageBatch => each(&data["results"], |result| result["data"].clone()),
            Kind::Actions => each(&data["results"], |result| result["event"].clone()),
            Kind::ProjectBatch => each(&data["results"], |result| result["data"].clone()),
            Kind::ProjectDelete | Kind::Reorder => vec![Value::Null; sent.subjects.len()],
            _ => vec![data.clone()],
        };
        if documents.len() != sent.subjects.len() {
            let text = format!("{} were not all answered: {answer}", sent.kind.as_str());
            self.violated(ViolationKind::Answer, text);
        }
        let table = sent.kind.table();
        for ((id, _), document) in sent.subjects.iter().zip(&documents) {
            if let Some((table, _)) = table
                && let Some(record) = self.records.get_mut(&(table, id.clone()))
            {
                record.acknowledged = Some(document.to_string());
            }
            match sent.kind {
                Kind::ProjectCreate | Kind::ProjectPatch | Kind::ProjectBatch => {
                    let is_change = sent.kind != Kind::ProjectCreate;
                    self.projects.entry(id.clone()).or_default().learn(Some(document), is_change);
                }
                Kind::ProjectDelete => {
                    self.projects.entry(id.clone()).or_default().learn(None, false);
                }
                Kind::RunStart | Kind::RunFinish => {
                    let is_change = sent.kind == Kind::RunFinish;
                    self.runs.entry(id.clone()).or_default().learn(Some(document), is_change);
                }
                _ => {}
            }
        }
        if sent.kind == Kind::Actions
            && let Some(project) = data["results"].as_array().and_then(|results| results.last())
        {
            self.projects
                .entry(sent.noted_project())
                .or_default()
                .learn(Some(&project["project"]), false);
        }
        if sent.kind == Kind::Reorder {
            self.order = sent.subjects.iter().map(|(id, _)| id.clone()).collect();
            self.order_in_doubt = None;
        }
        *self.acknowledged.entry(sent.kind).or_default() += 1;
        sent.answer = Some((status, bytes));
        self.answered.push(sent);
    }
}

impl Sent {
    /// The project that actions write their notes to.
    pub(crate) fn noted_project(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["projectId"].as_str().unwrap_or_default().to_owned()
    }
}

impl Entity {
    fn learn(&mut self, document: Option<&Value>, is_change: bool) {
        self.known = document.cloned();
        self.doubt = None;
        self.changes += usize::from(is_change);
    }
}

fn each(list: &Value, part: impl Fn(&Value) -> Value) -> Vec<Value> {
    list.as_array().map(|list| list.iter().map(part).collect()).unwrap_or_default()
}
