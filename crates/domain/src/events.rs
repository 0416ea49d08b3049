//! Events: what happened. They are only ever appended.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    InputCode, InvalidInput, coerce, derived,
    draft::{Draft, check_length},
    ids::EventId,
    times::WireTime,
};

/// How the ids of events end that record what a person decided about a proposal.
pub(crate) const DECISION: &str = ".decision";

/// An event in its normal form. It is printed when it is made, and its text kept in step with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    id: EventId,
    ts: WireTime,
    kind: String,
    level: String,
    project_id: Option<String>,
    run_id: Option<String>,
    agent_id: Option<String>,
    title: Option<String>,
    message: Option<String>,
    text: String,
}

/// The read form of an event. What is settled late (the time, project and run) comes before what clients write freely.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    id: &'a EventId,
    ts: &'a WireTime,
    r#type: &'a str,
    level: &'a str,
    project_id: Option<&'a str>,
    run_id: Option<&'a str>,
    agent_id: Option<&'a str>,
    title: Option<&'a str>,
    message: Option<&'a str>,
    data: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
}

/// What an event that the server itself writes consists of.
pub(crate) struct Record<'a> {
    pub(crate) id: EventId,
    pub(crate) kind: String,
    pub(crate) project_id: Option<&'a str>,
    pub(crate) run_id: Option<&'a str>,
    pub(crate) agent_id: Option<&'a str>,
    pub(crate) title: &'a str,
    pub(crate) message: Option<&'a str>,
    pub(crate) data: Value,
    pub(crate) idempotency_key: Option<&'a str>,
}

impl Event {
    /// A new event from what a client sent. Its time is `now`, and what is unknown is dropped. Events with the same
    /// idempotency key have the same id.
    ///
    /// # Errors
    ///
    /// [`InputCode::Id`] if a chosen id is none,
    /// [`InputCode::Invalid`] if a structure was sent where a text belongs, or a text is
    /// over-long.
    pub fn create(body: Map<String, Value>, now: DateTime<Utc>) -> Result<Self, InvalidInput> {
        let mut draft = Draft::sent(body);
        let key = idempotency_key(&mut draft)?;
        let id = match trimmed_id(&mut draft)? {
            Some(id) => event_id(&id)?,
            None => key.as_deref().map_or_else(EventId::mint, |key| {
                EventId::stored(derived::id("evt", "event", key))
            }),
        };
        let kind = word(&mut draft, "type", "note")?;
        let level = word(&mut draft, "level", "info")?;
        let project_id = draft.reference("projectId")?;
        let run_id = draft.reference("runId")?;
        let agent_id = first(draft.reference("agentId")?, draft.reference("createdBy")?);
        let title = draft.text("title")?;
        let message = first(draft.text("message")?, draft.text("description")?);
        let data = with_evidence(draft.any("data"), draft.any("evidence"));
        let mut event = Self {
            id,
            ts: now.into(),
            kind,
            level,
            project_id,
            run_id,
            agent_id,
            title,
            message,
            text: String::new(),
        };
        event.print(&data, key.as_deref());
        Ok(event)
    }

    /// An event of the server itself.
    pub(crate) fn record(record: Record<'_>, now: DateTime<Utc>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut event = Self {
            id: record.id,
            ts: now.into(),
            kind: record.kind,
            level: "info".to_owned(),
            project_id: owned(record.project_id),
            run_id: owned(record.run_id),
            agent_id: owned(record.agent_id),
            title: Some(record.title.to_owned()),
            message: owned(record.message),
            text: String::new(),
        };
        event.print(&record.data, record.idempotency_key);
        event
    }

    fn print(&mut self, data: &Value, idempotency_key: Option<&str>) {
        let document = Document {
            id: &self.id,
            ts: &self.ts,
            r#type: &self.kind,
            level: &self.level,
            project_id: self.project_id.as_deref(),
            run_id: self.run_id.as_deref(),
            agent_id: self.agent_id.as_deref(),
            title: self.title.as_deref(),
            message: self.message.as_deref(),
            data,
            idempotency_key,
        };
        self.text = serde_json::to_string(&document).expect("JSON values print");
    }

    /// Puts `value` between `before` and `after`. Neither is part of a text: there, quotes are escaped. So the first
    /// one is the member that is meant.
    fn reprint(&mut self, before: &str, after: &str, value: &str) {
        let from = self.text.find(before).expect("every event has this member") + before.len();
        let length = self.text[from..].find(after).expect("and the next one");
        self.text.replace_range(from..from + length, value);
    }

    /// Puts the event on the timeline of `project_id`, unless it names a project itself.
    pub fn put_in_project(&mut self, project_id: &str) {
        if self.project_id.as_deref().is_none_or(str::is_empty) {
            self.project_id = Some(project_id.to_owned());
            self.reprint(",\"projectId\":", ",\"runId\":", &json!(project_id).to_string());
        }
    }

    /// Puts the event in the run `run_id`, which it named by its session.
    pub fn put_in_run(&mut self, run_id: &str) {
        self.run_id = Some(run_id.to_owned());
        self.reprint(",\"runId\":", ",\"agentId\":", &json!(run_id).to_string());
    }

    /// Says that the event is written at `ts`.
    pub fn stamp(&mut self, ts: &WireTime) {
        self.ts = ts.clone();
        self.reprint(",\"ts\":\"", "\",\"type\":", ts.as_str());
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// When it was written.
    #[must_use]
    pub fn ts(&self) -> &WireTime {
        &self.ts
    }

    /// What kind of event it is, on the wire its `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> &str {
        &self.level
    }

    /// The project on whose timeline it is.
    #[must_use]
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// The run that it belongs to.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// Who reported it.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// Its headline.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Its text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Its read form as JSON, which is also what is stored.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.text
    }

    /// Its read form as JSON.
    #[must_use]
    pub fn into_json(self) -> String {
        self.text
    }

    /// The fields of its read form.
    ///
    /// # Panics
    ///
    /// Never: it was printed from fields.
    #[must_use]
    pub fn document(&self) -> Map<String, Value> {
        serde_json::from_str(&self.text).expect("what was printed can be read")
    }
}

/// The key that makes a repeated request the same request.
pub(crate) fn idempotency_key(draft: &mut Draft) -> Result<Option<String>, InvalidInput> {
    let key = draft.text("idempotencyKey")?.filter(|key| !key.trim().is_empty());
    if let Some(key) = &key {
        check_length("idempotencyKey", key)?;
    }
    Ok(key)
}

/// The id that a client chose, without outer spaces, unless nothing is left of it.
pub(crate) fn trimmed_id(draft: &mut Draft) -> Result<Option<String>, InvalidInput> {
    Ok(draft.text("id")?.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()))
}

/// The id of a new event, which must not pass for the decision of a person.
pub(crate) fn event_id(id: &str) -> Result<EventId, InvalidInput> {
    if id.ends_with(DECISION) {
        let reason = format!("id must not end in {DECISION}, which marks what a person decided");
        return Err(InvalidInput::new("id", reason).with_code(InputCode::Id));
    }
    EventId::parse("id", id)
}

/// The first text that says something; an empty one is kept only when there is nothing else.
fn first(given: Option<String>, alias: Option<String>) -> Option<String> {
    match (given, alias) {
        (Some(given), alias) if given.is_empty() => {
            alias.filter(|alias| !alias.is_empty()).or(Some(given))
        }
        (given, alias) => given.or(alias),
    }
}

/// A word that says something, or `default`.
fn word(draft: &mut Draft, field: &'static str, default: &str) -> Result<String, InvalidInput> {
    let is_given = coerce::truthy(draft.peek(field));
    let text = draft.text(field)?.filter(|_| is_given);
    Ok(match text.as_deref().map(str::trim) {
        None | Some("") => default.to_owned(),
        Some(word) => word.to_owned(),
    })
}

/// `data` with the evidence in it; what is no object is kept beside it.
fn with_evidence(data: Value, evidence: Value) -> Value {
    if evidence.is_null() {
        return data;
    }
    match data {
        Value::Null => json!({ "evidence": evidence }),
        Value::Object(mut data) => {
            data.entry("evidence").or_insert(evidence);
            Value::Object(data)
        }
        raw => json!({ "raw": raw, "evidence": evidence }),
    }
}

/// How much an event matters, in the order of what matters more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// For whoever wants to know; also what has a word that nobody else knows, or none.
    Info,
    /// For whoever can prevent a fault.
    Warn,
    /// A fault.
    Error,
}

const BELOW_INFO: &[&str] = &["debug", "trace", "verbose"];
const FROM_WARN: &[&str] = &[
    "warn",
    "warning",
    "error",
    "err",
    "fatal",
    "critical",
    "severe",
    "alert",
    "emergency",
    "panic",
];
const FROM_ERROR: &[&str] =
    &["error", "err", "fatal", "critical", "severe", "alert", "emergency", "panic"];

/// Which levels are let through, in words in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelWords {
    /// These alone.
    Only(&'static [&'static str]),
    /// All but these.
    AllBut(&'static [&'static str]),
}

impl Level {
    /// The level that a word in a question means, in any case.
    ///
    /// ```
    /// use pilotdeck_domain::events::Level;
    ///
    /// assert_eq!(Level::of("Warning"), Some(Level::Warn));
    /// assert_eq!(Level::of("loud"), None);
    /// ```
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warn),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    /// What matters as much as this, or more; none where everything does.
    #[must_use]
    pub const fn and_above(self) -> Option<LevelWords> {
        match self {
            Self::Debug => None,
            Self::Info => Some(LevelWords::AllBut(BELOW_INFO)),
            Self::Warn => Some(LevelWords::Only(FROM_WARN)),
            Self::Error => Some(LevelWords::Only(FROM_ERROR)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{self, fields, now};

    const KNOWN: &[&str] = &[
        "id",
        "type",
        "level",
        "projectId",
        "runId",
        "agentId",
        "title",
        "message",
        "data",
        "description",
        "createdBy",
        "evidence",
        "idempotencyKey",
        "ts",
    ];

    fn created(body: Value) -> Result<Event, InvalidInput> {
        Event::create(fields(body), now())
    }

    #[test]
    fn an_event_needs_nothing_at_all_and_keeps_nothing_unknown() {
        let event = created(json!({ "ts": "2020-01-01", "extra": 1 })).unwrap();

        let document = json!({
            "id": event.id(), "ts": "2026-02-11T15:00:00.000000Z", "type": "note", "level": "info", "projectId": null,
            "runId": null, "agentId": null, "title": null, "message": null, "data": null,
        });
        assert!(event.id().as_str().starts_with("evt-"));
        assert_eq!(Value::Object(event.document()), document);
    }

    #[test]
    fn each_field_takes_its_normal_form() {
        for (field, sent, normal) in [
            ("id", json!(" e1 "), json!("e1")),
            ("id", json!(5), json!("5")),
            ("type", json!(" risk "), json!("risk")),
            ("type", json!(""), json!("note")),
            ("type", json!(" "), json!("note")),
            ("type", json!(0), json!("note")),
            ("type", json!(false), json!("note")),
            ("type", json!(5), json!("5")),
            ("level", json!(null), json!("info")),
            ("level", json!("ERROR"), json!("ERROR")),
            ("projectId", json!("inbox"), json!("inbox")),
            ("agentId", json!(true), json!("True")),
            ("title", json!(5), json!("5")),
            ("message", json!(" as it is "), json!(" as it is ")),
            ("data", json!([1, { "a": null }]), json!([1, { "a": null }])),
            ("data", json!(5), json!(5)),
        ] {
            let event = created(json!({ field: sent })).unwrap();
            assert_eq!(event.document()[field], normal, "{field}: {sent}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused_by_name() {
        for (field, sent, code) in [
            ("type", json!([]), InputCode::Invalid),
            ("level", json!({ "a": 1 }), InputCode::Invalid),
            ("agentId", json!({}), InputCode::Invalid),
            ("runId", json!("x".repeat(256)), InputCode::Invalid),
            ("createdBy", json!([]), InputCode::Invalid),
            ("message", json!([1]), InputCode::Invalid),
            ("description", json!({}), InputCode::Invalid),
            ("idempotencyKey", json!("x".repeat(256)), InputCode::Invalid),
            ("idempotencyKey", json!([]), InputCode::Invalid),
            ("id", json!({}), InputCode::Invalid),
            ("id", json!("x".repeat(256)), InputCode::Id),
            ("id", json!("prop-1.decision"), InputCode::Id),
        ] {
            let error = created(json!({ field: sent })).unwrap_err();
            assert_eq!((error.field.as_ref(), error.code), (field, code), "{sent}");
        }
    }

    #[test]
    fn a_key_is_an_identity_unless_an_id_is_given() {
        let key = "ses_1: 完成 M1 ".repeat(10);
        let body = json!({ "idempotencyKey": key, "title": "a" });

        let event = created(body.clone()).unwrap();

        assert_eq!(event.id(), created(body).unwrap().id());
        assert_eq!(event.id().as_str().len(), "evt-".len() + 32);
        assert_eq!(event.document()["idempotencyKey"], json!(key));
        assert_eq!(
            created(json!({ "idempotencyKey": "k", "id": "e1" })).unwrap().id().as_str(),
            "e1"
        );
        let blank = || created(json!({ "idempotencyKey": " " })).unwrap();
        assert_ne!(blank().id(), blank().id());
        assert!(!blank().document().contains_key("idempotencyKey"));
    }

    #[test]
    fn the_fields_of_the_plugin_fill_what_is_empty() {
        let body = json!({
            "runId": "ses_1", "type": "milestone", "title": "M1", "description": "done", "evidence": ["commit:1"],
            "createdBy": "build", "idempotencyKey": "k",
        });

        let event = created(body).unwrap();

        assert_eq!((event.message(), event.agent_id()), (Some("done"), Some("build")));
        assert_eq!(event.document()["data"], json!({ "evidence": ["commit:1"] }));
        assert!(!event.document().contains_key("description"));

        let event =
            created(json!({ "message": "m", "description": "d", "agentId": "", "createdBy": "c" }))
                .unwrap();
        assert_eq!((event.message(), event.agent_id()), (Some("m"), Some("c")));
    }

    #[test]
    fn evidence_is_kept_beside_the_data() {
        for (data, evidence, kept) in [
            (json!(null), json!([]), json!({ "evidence": [] })),
            (json!({ "a": 1 }), json!(["e"]), json!({ "a": 1, "evidence": ["e"] })),
            (json!({ "evidence": 1 }), json!(["e"]), json!({ "evidence": 1 })),
            (json!([1]), json!(["e"]), json!({ "raw": [1], "evidence": ["e"] })),
            (json!([1]), json!(null), json!([1])),
        ] {
            let event = created(json!({ "data": data, "evidence": evidence })).unwrap();
            assert_eq!(event.document()["data"], kept);
        }
    }

    #[test]
    fn an_event_takes_the_project_of_its_run_and_the_run_of_its_session() {
        let mut event = created(json!({ "runId": "ses_1" })).unwrap();
        event.put_in_run("run-1");
        event.put_in_project("p");
        assert_eq!((event.run_id(), event.project_id()), (Some("run-1"), Some("p")));
        assert_eq!(
            (&event.document()["runId"], &event.document()["projectId"]),
            (&json!("run-1"), &json!("p"))
        );

        let mut event = created(json!({ "projectId": "q" })).unwrap();
        event.put_in_project("p");
        assert_eq!((event.project_id(), &event.document()["projectId"]), (Some("q"), &json!("q")));
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(body in arbitrary::object(KNOWN)) {
            if let Ok(event) = Event::create(body, now()) {
                prop_assert_eq!(Event::create(event.document(), now()).unwrap(), event);
            }
        }

        #[test]
        fn what_is_settled_late_is_printed_as_if_it_had_been_known(
            body in arbitrary::object(KNOWN), run in "\\PC{1,20}", project in "\\PC{1,20}",
        ) {
            let ts = WireTime::stored("2026-12-31T23:59:59.000001Z");
            if let Ok(mut event) = Event::create(body, now()) {
                let mut expected = event.document();
                expected.insert("ts".to_owned(), json!(ts));
                expected.insert("runId".to_owned(), json!(run));
                if event.project_id().is_none_or(str::is_empty) {
                    expected.insert("projectId".to_owned(), json!(project));
                }
                event.put_in_run(&run);
                event.put_in_project(&project);
                event.stamp(&ts);
                prop_assert_eq!(event.as_json(), serde_json::to_string(&expected).unwrap());
            }
        }
    }
}
