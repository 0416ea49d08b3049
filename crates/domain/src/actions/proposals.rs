//! Actions that an agent proposes and a person decides about.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{Action, Effect, effect_data, text};
use crate::{
    InvalidInput, coerce, derived,
    draft::Draft,
    events::{DECISION, Event, Record, event_id, idempotency_key, trimmed_id},
    ids::EventId,
    projects::{ProjectPriority, ProjectStatus},
    words::words,
};

/// The status of an action that is to be decided about.
pub(super) const PENDING: &str = "pending_review";

words! {
    /// The types of proposals that the published agent plugin makes.
    ProposalType {
        /// Another status for the project.
        UpdateStatus = "update_status",
        /// Another priority for the project.
        UpdatePriority = "update_priority",
        /// A milestone, new or changed.
        UpdateMilestone = "update_milestone",
        /// A note for the project.
        AddNote = "add_note",
    }
}

/// An action that changes nothing until a person accepts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The id of the event that records it; the same for the same idempotency key.
    pub id: EventId,
    /// The run that it comes from: its id, or its session.
    pub run_ref: Option<String>,
    /// The project that it is for, if it says so itself.
    pub project_id: Option<String>,
    /// What is proposed, usually a [`ProposalType`].
    pub kind: String,
    /// The details of what is proposed.
    pub payload: Value,
    /// Why.
    pub rationale: Option<String>,
    /// Who proposes it.
    pub proposed_by: Option<String>,
    /// The key that makes a repeated proposal the same proposal.
    pub idempotency_key: Option<String>,
}

impl Proposal {
    /// Reads a proposal. Whether it can be done is for [`proposed_action`] to say, when it is decided about.
    pub(super) fn parse(body: Map<String, Value>) -> Result<Self, InvalidInput> {
        let mut draft = Draft::sent(body);
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let idempotency_key = idempotency_key(&mut draft)?;
        let id = match (trimmed_id(&mut draft)?, &idempotency_key) {
            (Some(id), _) => event_id(&id)?,
            (None, Some(key)) => EventId::stored(derived::id("prop", "proposal", key)),
            (None, None) => EventId::stored(format!("prop-{}", uuid::Uuid::now_v7().simple())),
        };
        let kind = match draft.any("type") {
            Value::Null => text("type", &draft.any("action"))?,
            kind => text("type", &kind)?,
        };
        let payload = match draft.any("payload") {
            Value::Null => draft.any("params"),
            payload => payload,
        };
        let agent_id = said(draft.reference("agentId")?);
        Ok(Self {
            id,
            run_ref: said(draft.reference("runId")?),
            project_id: said(draft.reference("projectId")?),
            kind,
            payload,
            rationale: said(draft.text("rationale")?),
            proposed_by: said(draft.reference("proposedBy")?).or(agent_id),
            idempotency_key,
        })
    }

    /// The event that records it, on the timeline of the project and the run that its references were found to mean.
    #[must_use]
    pub fn event(
        &self,
        project_id: Option<&str>,
        run_id: Option<&str>,
        now: DateTime<Utc>,
    ) -> Event {
        let data = json!({
            "type": self.kind,
            "payload": self.payload,
            "rationale": self.rationale,
            "proposedBy": self.proposed_by,
            "status": PENDING,
        });
        let record = Record {
            id: self.id.clone(),
            kind: format!("proposal.{}", self.kind),
            project_id: project_id.or(self.project_id.as_deref()),
            run_id: run_id.or(self.run_ref.as_deref()),
            agent_id: self.proposed_by.as_deref(),
            title: &self.kind,
            message: self.rationale.as_deref(),
            data,
            idempotency_key: self.idempotency_key.as_deref(),
        };
        Event::record(record, now)
    }
}

/// The action that a recorded proposal becomes when it is accepted.
///
/// # Errors
///
/// [`InputCode::Invalid`](crate::InputCode::Invalid) if the event is no proposal, or what it proposes cannot be done.
pub fn proposed_action(event_document: &Map<String, Value>) -> Result<Action, InvalidInput> {
    let data = event_document.get("data").unwrap_or(&Value::Null);
    let kind = event_document
        .get("type")
        .and_then(Value::as_str)
        .and_then(|kind| kind.strip_prefix("proposal."));
    let Some(kind) = kind.filter(|_| data.get("status").and_then(Value::as_str) == Some(PENDING))
    else {
        return Err(InvalidInput::new("type", "the event is not a proposal"));
    };
    let payload = data.get("payload").unwrap_or(&Value::Null);
    match ProposalType::from_word(kind) {
        Some(ProposalType::UpdateStatus) => {
            let status = text("payload.status", named(payload, &["status", "newStatus", "value"]))?;
            Ok(Action::SetStatus(ProjectStatus::from_str(&status)?))
        }
        Some(ProposalType::UpdatePriority) => {
            let priority =
                text("payload.priority", named(payload, &["priority", "newPriority", "value"]))?;
            Ok(Action::SetPriority(ProjectPriority::from_str(&priority)?))
        }
        Some(ProposalType::AddNote) => Ok(Action::AppendNote {
            note: text("payload.note", named(payload, &["note", "text", "content", "message"]))?,
            to_project_notes: true,
        }),
        Some(ProposalType::UpdateMilestone) => milestone(payload),
        None => match payload {
            Value::Object(params) => Action::parse(kind, params),
            Value::Null => Action::parse(kind, &Map::new()),
            _ => Err(InvalidInput::new("payload", "payload must be an object")),
        },
    }
}

/// The first of `fields` that the payload has; a bare text is the only field of its payload.
fn named<'a>(payload: &'a Value, fields: &[&str]) -> &'a Value {
    match payload {
        Value::Object(payload) => fields
            .iter()
            .filter_map(|field| payload.get(*field))
            .find(|value| coerce::truthy(value))
            .unwrap_or(&Value::Null),
        payload => payload,
    }
}

fn milestone(payload: &Value) -> Result<Action, InvalidInput> {
    let name = text("payload.name", named(payload, &["name", "milestone", "title"]))?;
    let mut fields = Map::new();
    for field in ["status", "due", "notes"] {
        if let Some(value) = payload.get(field).filter(|value| !value.is_null()) {
            fields.insert(field.to_owned(), value.clone());
        }
    }
    Ok(Action::UpdateMilestone { name, fields })
}

/// The id of the event that records the decision about a proposal: one proposal is decided about once.
#[must_use]
pub fn decision_event_id(proposal_id: &str) -> String {
    format!("{proposal_id}{DECISION}")
}

/// The event that records that a proposal was accepted and done.
#[must_use]
pub fn acceptance_event(
    proposal_doc: &Map<String, Value>,
    action: &Action,
    effect: &Effect,
    project_updated_at: &str,
    decided_by: &str,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Event {
    let kind = action.kind().as_str();
    let done = json!({ "type": kind, "params": action.params(), "recordOnly": false, "ifUpdatedAt": null });
    let mut data = effect_data(done, effect, project_updated_at);
    data.extend(decision(proposal_doc, decided_by, reason));
    decision_event(proposal_doc, format!("action.{kind}"), kind, Some(&effect.message), data, now)
}

/// The event that records that a proposal was rejected.
#[must_use]
pub fn rejection_event(
    proposal_doc: &Map<String, Value>,
    decided_by: &str,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Event {
    let title = column(proposal_doc, "title").unwrap_or("proposal");
    let data = decision(proposal_doc, decided_by, reason);
    decision_event(proposal_doc, "proposal.rejected".to_owned(), title, reason, data, now)
}

fn column<'a>(document: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    document.get(field).and_then(Value::as_str)
}

fn decision(
    proposal_doc: &Map<String, Value>,
    decided_by: &str,
    reason: Option<&str>,
) -> Map<String, Value> {
    Map::from_iter([
        ("proposalId".to_owned(), json!(column(proposal_doc, "id"))),
        ("decidedBy".to_owned(), json!(decided_by)),
        ("reason".to_owned(), json!(reason)),
    ])
}

fn decision_event(
    proposal_doc: &Map<String, Value>,
    kind: String,
    title: &str,
    message: Option<&str>,
    data: Map<String, Value>,
    now: DateTime<Utc>,
) -> Event {
    let record = Record {
        id: EventId::stored(decision_event_id(column(proposal_doc, "id").unwrap_or_default())),
        kind,
        project_id: column(proposal_doc, "projectId"),
        run_id: column(proposal_doc, "runId"),
        agent_id: column(proposal_doc, "agentId"),
        title,
        message,
        data: Value::Object(data),
        idempotency_key: None,
    };
    Event::record(record, now)
}
