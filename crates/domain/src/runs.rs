//! Runs: one stretch of work by one agent.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    InvalidInput, coerce,
    digest::digest,
    draft::{self, Draft},
    ids::RunId,
    times::WireTime,
    usage::UsageRecord,
};

/// Fields that a change may carry, but that no change reaches.
const IGNORED: &[&str] = &["id", "createdAt", "updatedAt"];

/// What names a run to an agent that was given no id: a session of the program that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The program, such as `opencode`; empty if it did not say.
    pub source: String,
    /// The session, in that program's own words.
    pub session_id: String,
}

/// A run that a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// The run as it will be, unless it is there.
    pub run: Run,
    /// The session that the client named.
    pub session: Option<Session>,
    /// Whether the client chose the id; if not, the session is the identity of the run.
    pub id_given: bool,
}

/// A run in its normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    id: RunId,
    project_id: Option<String>,
    agent_id: Option<String>,
    status: String,
    created_at: WireTime,
    updated_at: WireTime,
    started_at: WireTime,
    finished_at: Option<WireTime>,
    document: Map<String, Value>,
}

impl Run {
    /// A new run from what a client sent.
    ///
    /// # Errors
    ///
    /// [`InputCode::Id`](crate::InputCode::Id) and [`InputCode::Time`](crate::InputCode::Time) if a chosen id or time
    /// is none, [`InputCode::Invalid`](crate::InputCode::Invalid) if a structure was sent where a text belongs.
    pub fn create(
        mut body: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<NewRun, InvalidInput> {
        fill_agent(&mut body);
        let mut draft = Draft::sent(body);
        let session = session(&draft)?;
        let chosen = draft.chosen_id();
        let id_given = chosen.is_some();
        let id = match chosen {
            Some(id) => RunId::parse("id", &id)?,
            None => RunId::mint(),
        };
        let created_at = draft.time("createdAt")?.unwrap_or_else(|| now.into());
        let updated_at = draft.time("updatedAt")?.unwrap_or_else(|| now.into());
        let run = Self::normal(draft, id, created_at, updated_at, now)?;
        Ok(NewRun { run, session, id_given })
    }

    /// The stored run with each field of `patch` in place of its own; lists and objects that are none are left out.
    ///
    /// # Errors
    ///
    /// [`InputCode::Time`](crate::InputCode::Time) if the patch has a time that is none,
    /// [`InputCode::Invalid`](crate::InputCode::Invalid) if it puts a structure where a text belongs.
    pub fn merged(
        stored: &Map<String, Value>,
        mut patch: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidInput> {
        patch.retain(|field, value| match field.as_str() {
            "links" | "tags" => value.is_array(),
            "metrics" | "meta" => value.is_object(),
            _ => true,
        });
        let mut draft = Draft::merged(stored, patch, IGNORED);
        session(&draft)?;
        let id = RunId::stored(draft::stored_id(stored));
        draft.any("id");
        draft.any("updatedAt");
        let created_at = draft.time("createdAt")?.unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, draft::next_version(stored, now), now)
    }

    fn normal(
        mut draft: Draft,
        id: RunId,
        created_at: WireTime,
        updated_at: WireTime,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidInput> {
        let project_id = draft.reference("projectId")?;
        let agent_id = draft.reference("agentId")?;
        let title = draft.text("title")?;
        let summary = draft.any("summary");
        let status = draft.word("status").unwrap_or_else(|| "running".to_owned());
        let started_at = draft.time("startedAt")?.unwrap_or_else(|| now.into());
        let finished_at = finished_at(&mut draft)?;
        let links = match draft.any("links") {
            Value::Null => Value::Array(Vec::new()),
            Value::Array(links) => Value::Array(links),
            link => Value::Array(vec![link]),
        };
        let tags = draft.list("tags")?;
        let metrics = draft.object("metrics");
        let meta = draft.object("meta");
        let document = draft.document([
            ("id", json!(id)),
            ("projectId", json!(project_id)),
            ("agentId", json!(agent_id)),
            ("status", json!(status)),
            ("title", json!(title)),
            ("summary", summary),
            ("links", links),
            ("tags", Value::Array(tags)),
            ("metrics", Value::Object(metrics)),
            ("meta", Value::Object(meta)),
            ("createdAt", json!(created_at)),
            ("updatedAt", json!(updated_at)),
            ("startedAt", json!(started_at)),
            ("finishedAt", json!(finished_at)),
        ]);
        let run = Self {
            id,
            project_id,
            agent_id,
            status,
            created_at,
            updated_at,
            started_at,
            finished_at,
            document,
        };
        Ok(run)
    }

    /// What the run says that it used, as a usage record. It has the same id however often it is asked for, so that
    /// storing it again changes nothing.
    #[must_use]
    pub fn usage(&self, now: DateTime<Utc>) -> Option<UsageRecord> {
        let Some(Value::Object(usage)) = self.document.get("usage") else {
            return None;
        };
        let of_usage = |field: &str| usage.get(field).cloned().unwrap_or_default();
        let of_run = |field: &str| self.document.get(field).and_then(scalar);
        let finished_at =
            self.finished_at.as_ref().filter(|time| time.instant().is_some()).cloned();
        let record = json!({
            "id": format!("usage-{}", digest("run", self.id.as_str())),
            "ts": finished_at.unwrap_or_else(|| now.into()),
            "projectId": self.project_id,
            "runId": self.id,
            "agentId": self.agent_id,
            "sessionId": of_run("sessionId"),
            "source": of_run("source"),
            "model": usage.get("model").and_then(scalar),
            "promptTokens": of_usage("inputTokens"),
            "completionTokens": of_usage("outputTokens"),
            "totalTokens": of_usage("totalTokens"),
            "cost": of_usage("cost"),
        });
        match record {
            Value::Object(record) => Some(UsageRecord::derived(record, now)),
            _ => None,
        }
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The project that it works on, which need not exist.
    #[must_use]
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// Who works.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// Where it stands, in the agent's own word.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> &WireTime {
        &self.created_at
    }

    /// Its version.
    #[must_use]
    pub fn updated_at(&self) -> &WireTime {
        &self.updated_at
    }

    /// When the work began.
    #[must_use]
    pub fn started_at(&self) -> &WireTime {
        &self.started_at
    }

    /// When the work ended.
    #[must_use]
    pub fn finished_at(&self) -> Option<&WireTime> {
        self.finished_at.as_ref()
    }

    /// Its read form, which is also what is stored.
    #[must_use]
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// Its read form.
    #[must_use]
    pub fn into_document(self) -> Map<String, Value> {
        self.document
    }
}

/// `agent` is what some agents call `agentId`.
fn fill_agent(body: &mut Map<String, Value>) {
    let unnamed = match body.get("agentId") {
        None | Some(Value::Null) => true,
        Some(Value::String(agent)) => agent.is_empty(),
        Some(_) => false,
    };
    if unnamed && let Some(agent) = body.get("agent").and_then(scalar) {
        body.insert("agentId".to_owned(), Value::String(agent));
    }
}

/// The session that the fields name; both parts are judged, as they become the identity of a run.
fn session(draft: &Draft) -> Result<Option<Session>, InvalidInput> {
    let part = |field: &'static str| match draft.peek(field) {
        Value::Null => Ok(String::new()),
        value => {
            let text = draft.text_of(field, value)?;
            if draft.is_sent(field) {
                draft::check_length(field, &text)?;
            }
            Ok(text)
        }
    };
    let (source, session_id) = (part("source")?, part("sessionId")?);
    Ok((!session_id.trim().is_empty()).then_some(Session { source, session_id }))
}

/// The text of a scalar that says something.
fn scalar(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| coerce::text(value)).flatten().filter(|text| !text.is_empty())
}

fn finished_at(draft: &mut Draft) -> Result<Option<WireTime>, InvalidInput> {
    let is_sent = draft.is_sent("finishedAt");
    match draft.text("finishedAt")?.filter(|text| !text.is_empty()) {
        Some(text) if is_sent => WireTime::parse("finishedAt", &text).map(Some),
        text => Ok(text.map(WireTime::stored)),
    }
}
