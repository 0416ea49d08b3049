//! Runs: one stretch of work by one agent.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    InvalidInput, coerce, derived,
    draft::{self, Draft},
    ids::RunId,
    times::WireTime,
    usage::{CacheTokens, UsageRecord},
};

/// Fields that a change may carry, but that no change reaches.
const IGNORED: &[&str] = &["id", "createdAt", "updatedAt"];

/// Words for a run that is over.
const FINAL: &[&str] = &[
    "success",
    "succeeded",
    "successful",
    "completed",
    "complete",
    "done",
    "finished",
    "failed",
    "failure",
    "error",
    "errored",
    "cancelled",
    "canceled",
    "aborted",
    "stopped",
    "killed",
    "interrupted",
    "timeout",
    "timed-out",
    "rejected",
    "skipped",
];

/// Whether a run in this status is over. Agents have their own words: one that is not known is taken for work that goes
/// on.
///
/// ```
/// use pilotdeck_domain::runs::is_final;
///
/// assert!(is_final("Timed_Out"));
/// assert!(!is_final("waiting for review"));
/// ```
#[must_use]
pub fn is_final(status: &str) -> bool {
    let word = status.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    FINAL.contains(&word.as_str())
}

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
        let mut record = json!({
            "id": total_id(self.id.as_str()),
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
        let cache = CacheTokens::of(usage);
        for (field, tokens) in [("cacheReadTokens", cache.read), ("cacheWriteTokens", cache.write)]
        {
            if tokens > 0 {
                record[field] = json!(tokens);
            }
        }
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

/// The id of the usage record that is the total of the run with this id.
#[must_use]
pub fn total_id(run_id: &str) -> String {
    derived::id("usage", "run", run_id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        InputCode,
        arbitrary::{self, fields, now},
    };

    const KNOWN: &[&str] = &[
        "id",
        "projectId",
        "agentId",
        "agent",
        "status",
        "title",
        "summary",
        "links",
        "tags",
        "metrics",
        "meta",
        "createdAt",
        "updatedAt",
        "startedAt",
        "finishedAt",
        "sessionId",
        "source",
        "usage",
    ];

    fn created(body: Value) -> NewRun {
        Run::create(fields(body), now()).unwrap()
    }

    fn patched(stored: Value, patch: Value) -> Result<Run, InvalidInput> {
        Run::merged(&fields(stored), fields(patch), now())
    }

    #[test]
    fn a_run_needs_nothing_at_all() {
        let NewRun { run, session, id_given } = created(json!({}));

        let document = json!({
            "id": run.id(), "projectId": null, "agentId": null, "status": "running", "title": null, "summary": null,
            "links": [], "tags": [], "metrics": {}, "meta": {}, "createdAt": "2026-02-11T15:00:00.000000Z",
            "updatedAt": "2026-02-11T15:00:00.000000Z", "startedAt": "2026-02-11T15:00:00.000000Z", "finishedAt": null,
        });
        assert!(run.id().as_str().starts_with("run-") && session.is_none() && !id_given);
        assert_eq!(Value::Object(run.into_document()), document);
    }

    #[test]
    fn each_field_takes_its_normal_form() {
        for (field, sent, normal) in [
            ("status", json!("success"), json!("success")),
            ("status", json!(""), json!("running")),
            ("status", json!(5), json!("running")),
            ("projectId", json!("inbox"), json!("inbox")),
            ("projectId", json!(5), json!("5")),
            ("title", json!(5), json!("5")),
            ("summary", json!({ "files": 3 }), json!({ "files": 3 })),
            ("links", json!("x"), json!(["x"])),
            ("links", json!({ "url": "x" }), json!([{ "url": "x" }])),
            ("links", json!([1, { "url": "x" }]), json!([1, { "url": "x" }])),
            ("tags", json!(" a "), json!(["a"])),
            ("tags", json!(" "), json!([])),
            ("tags", json!([1, null, " a "]), json!([1, null, " a "])),
            ("metrics", json!([1]), json!({})),
            ("metrics", json!({ "tokens": 1 }), json!({ "tokens": 1 })),
            ("meta", json!("x"), json!({})),
            ("startedAt", json!("2026-02-11"), json!("2026-02-11T00:00:00.000000Z")),
            ("startedAt", json!(null), json!("2026-02-11T15:00:00.000000Z")),
            ("finishedAt", json!("2026-02-11T17:37:38Z"), json!("2026-02-11T17:37:38.000000Z")),
            ("finishedAt", json!(""), json!(null)),
            ("error", json!({ "code": 1 }), json!({ "code": 1 })),
        ] {
            let NewRun { run, .. } = created(json!({ field: sent }));
            assert_eq!(run.document()[field], normal, "{field}: {sent}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused_by_name() {
        for (field, sent, code) in [
            ("projectId", json!({}), InputCode::Invalid),
            ("projectId", json!("x".repeat(256)), InputCode::Invalid),
            ("agentId", json!([1]), InputCode::Invalid),
            ("title", json!({}), InputCode::Invalid),
            ("tags", json!({ "a": 1 }), InputCode::Invalid),
            ("finishedAt", json!([1]), InputCode::Invalid),
            ("sessionId", json!([1]), InputCode::Invalid),
            ("source", json!("x".repeat(256)), InputCode::Invalid),
            ("finishedAt", json!("soon"), InputCode::Time),
            ("finishedAt", json!(5), InputCode::Time),
            ("startedAt", json!("soon"), InputCode::Time),
            ("createdAt", json!("soon"), InputCode::Time),
            ("id", json!("x".repeat(256)), InputCode::Id),
        ] {
            let error = Run::create(fields(json!({ field: sent })), now()).unwrap_err();
            assert_eq!((error.field.as_ref(), error.code), (field, code), "{sent}");
        }
    }

    #[test]
    fn a_session_names_the_run_and_its_agent_is_the_agent() {
        let body = json!({
            "source": "opencode", "sessionId": "ses_1", "projectId": "inbox", "agent": "build",
            "startedAt": "2026-02-11T14:00:00Z", "status": "running",
        });

        let NewRun { run, session, id_given } = created(body);

        let expected = Session { source: "opencode".to_owned(), session_id: "ses_1".to_owned() };
        assert_eq!((session, id_given, run.agent_id()), (Some(expected), false, Some("build")));
        assert_eq!(
            (&run.document()["sessionId"], &run.document()["agent"]),
            (&json!("ses_1"), &json!("build"))
        );
    }

    #[test]
    fn a_session_is_known_without_its_source_but_not_without_its_name() {
        let session =
            |body: Value| created(body).session.map(|session| (session.source, session.session_id));
        assert_eq!(session(json!({ "sessionId": 5 })), Some((String::new(), "5".to_owned())));
        assert_eq!(session(json!({ "sessionId": " ", "source": "a" })), None);
        assert_eq!(session(json!({ "sessionId": null, "source": "a" })), None);
        assert!(created(json!({ "id": "r", "sessionId": "s" })).id_given);
    }

    #[test]
    fn an_agent_id_that_is_given_is_not_replaced() {
        for (body, agent) in [
            (json!({ "agentId": "a", "agent": "b" }), Some("a")),
            (json!({ "agentId": "", "agent": "b" }), Some("b")),
            (json!({ "agentId": null, "agent": 5 }), Some("5")),
            (json!({ "agent": { "name": "b" } }), None),
        ] {
            assert_eq!(created(body.clone()).run.agent_id(), agent, "{body}");
        }
    }

    #[test]
    fn a_merge_leaves_out_lists_and_objects_that_are_none() {
        let stored = created(
            json!({ "id": "r", "links": ["a"], "tags": ["b"], "metrics": { "c": 1 }, "meta": { "d": 2 } }),
        );
        let stored = Value::Object(stored.run.into_document());
        let patch = json!({
            "id": "q", "createdAt": "2020-01-01", "links": "x", "tags": null, "metrics": [1], "meta": null,
            "status": null, "startedAt": null, "note": 1,
        });

        let document = patched(stored.clone(), patch).unwrap().into_document();

        for field in ["id", "createdAt", "links", "tags", "metrics", "meta"] {
            assert_eq!(document[field], stored[field], "{field}");
        }
        assert_eq!((&document["status"], &document["note"]), (&json!("running"), &json!(1)));
        assert_eq!(document["updatedAt"], json!("2026-02-11T15:00:00.000001Z"));
    }

    #[test]
    fn an_odd_row_stays_changeable() {
        let stored = json!({
            "id": "r", "projectId": { "a": 1 }, "createdAt": null, "finishedAt": "later", "tags": { "a": 1 }, "status": "",
        });

        let run = patched(stored, json!({ "status": "failed" })).unwrap();

        assert_eq!((run.status(), run.project_id()), ("failed", Some(r#"{"a":1}"#)));
        assert_eq!(run.finished_at().unwrap().as_str(), "later");
        assert_eq!(run.created_at().as_str(), "2026-02-11T15:00:00.000000Z");
    }

    #[test]
    fn a_run_that_says_what_it_used_has_one_usage_record() {
        let body = json!({
            "id": "r", "projectId": "p", "agentId": "a", "sessionId": "s", "source": "opencode-plugin",
            "finishedAt": "2026-02-11T17:00:00Z",
            "usage": { "inputTokens": 10, "outputTokens": "5", "totalTokens": 15, "cost": 0.25, "model": "m" },
        });
        let run = created(body).run;

        let record = run.usage(now()).unwrap();

        assert_eq!(record.id(), run.usage(now()).unwrap().id());
        assert_eq!(
            (record.prompt_tokens(), record.completion_tokens(), record.total_tokens()),
            (10, 5, 15)
        );
        assert_eq!(
            (record.run_id(), record.project_id(), record.agent_id()),
            (Some("r"), Some("p"), Some("a"))
        );
        assert_eq!(
            (record.session_id(), record.source(), record.model()),
            (Some("s"), Some("opencode-plugin"), Some("m"))
        );
        assert_eq!(record.ts().as_str(), "2026-02-11T17:00:00.000000Z");
        assert!((record.cost() - 0.25).abs() < f64::EPSILON);
        assert!(!record.document().contains_key("cacheReadTokens"));
        let cache = json!({ "id": "r", "usage": { "cache": { "read": 8, "write": 2 } } });
        let cache = created(cache).run.usage(now()).unwrap().cache();
        assert_eq!((cache.read, cache.write), (8, 2));
    }

    #[test]
    fn usage_that_is_odd_is_cut_off_and_usage_that_is_none_is_not_there() {
        let usage = |usage: Value| created(json!({ "id": "r", "usage": usage })).run.usage(now());
        assert_eq!(usage(json!(null)), None);
        assert_eq!(usage(json!([1])), None);
        let record =
            usage(json!({ "inputTokens": u64::MAX, "outputTokens": -1, "model": { "a": 1 } }))
                .unwrap();
        assert_eq!(
            (record.prompt_tokens(), record.completion_tokens(), record.model()),
            (i64::MAX, 0, None)
        );
        assert_eq!(
            (record.source(), record.ts().as_str()),
            (Some("opencode"), "2026-02-11T15:00:00.000000Z")
        );
    }

    fn without_version(mut document: Map<String, Value>) -> Map<String, Value> {
        document.remove("updatedAt");
        document
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(body in arbitrary::object(KNOWN)) {
            if let Ok(NewRun { run, session, .. }) = Run::create(body, now()) {
                let document = run.document().clone();
                let again = Run::create(document.clone(), now()).unwrap();
                prop_assert_eq!((&again.run, again.session, again.id_given), (&run, session, true));
                let touched = Run::merged(&document, Map::new(), now()).unwrap();
                prop_assert_eq!(without_version(touched.into_document()), without_version(document));
            }
        }

        #[test]
        fn every_row_takes_a_patch_that_is_sound_and_tells_its_usage(stored in arbitrary::object(KNOWN)) {
            let run = Run::merged(&stored, fields(json!({ "status": "failed", "custom": [1] })), now()).unwrap();
            prop_assert_eq!((run.status(), &run.document()["custom"]), ("failed", &json!([1])));
            let _ = run.usage(now());
        }

        #[test]
        fn every_patch_is_merged_or_refused(stored in arbitrary::object(KNOWN), patch in arbitrary::object(KNOWN)) {
            let _ = Run::merged(&stored, patch, now());
        }
    }
}
