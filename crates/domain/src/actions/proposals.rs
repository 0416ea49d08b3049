//! Actions that an agent proposes and a person decides about.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{Action, Effect, MilestoneChange, effect_data, not_text, text};
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
    let field = |field: &'static str| match payload.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => coerce::text(value).map(Some).ok_or_else(|| not_text(field)),
    };
    let change =
        MilestoneChange { status: field("status")?, due: field("due")?, notes: field("notes")? };
    Ok(Action::UpdateMilestone { name, change })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        actions::{ActionContext, ActionsBody},
        arbitrary::{self, fields, now},
    };

    fn proposal(body: Value) -> Proposal {
        match ActionsBody::parse(fields(body)).unwrap() {
            ActionsBody::Proposal(proposal) => proposal,
            ActionsBody::Actions { .. } => panic!("a proposal"),
        }
    }

    fn recorded(kind: &str, payload: &Value) -> Map<String, Value> {
        let proposal = proposal(
            json!({ "type": kind, "payload": payload, "status": PENDING, "proposedBy": "build", "id": "prop-1" }),
        );
        proposal.event(Some("p"), Some("run-1"), now()).document()
    }

    #[test]
    fn a_proposal_is_recorded_as_the_plugin_sends_it() {
        let body = json!({
            "runId": "ses_1", "type": "update_status", "payload": { "status": "paused" }, "rationale": "waiting",
            "status": "pending_review", "proposedBy": "build", "idempotencyKey": "ses_1: 暂停",
        });

        let first = proposal(body.clone());

        assert_eq!((&first.id, first.run_ref.as_deref()), (&proposal(body).id, Some("ses_1")));
        assert!(first.id.as_str().starts_with("prop-"));
        let document = json!({
            "id": first.id, "ts": "2026-02-11T15:00:00.000000Z", "type": "proposal.update_status", "level": "info",
            "projectId": "p", "runId": "run-1", "agentId": "build", "title": "update_status", "message": "waiting",
            "data": {
                "type": "update_status", "payload": { "status": "paused" }, "rationale": "waiting", "proposedBy": "build",
                "status": "pending_review",
            },
            "idempotencyKey": "ses_1: 暂停",
        });
        assert_eq!(
            Value::Object(first.event(Some("p"), Some("run-1"), now()).document()),
            document
        );
    }

    #[test]
    fn a_proposal_keeps_its_own_references_when_nothing_better_is_known() {
        let event = proposal(json!({ "type": "add_note", "payload": {}, "runId": "s", "projectId": "inbox", "agentId": "a" }))
            .event(None, None, now());
        assert_eq!(
            (event.run_id(), event.project_id(), event.agent_id()),
            (Some("s"), Some("inbox"), Some("a"))
        );
    }

    #[test]
    fn a_chosen_id_goes_before_the_key_and_without_both_each_proposal_is_new() {
        let body = json!({ "type": "add_note", "payload": {} });
        assert_ne!(proposal(body.clone()).id, proposal(body).id);
        let body =
            json!({ "type": "add_note", "payload": {}, "id": " p1 ", "idempotencyKey": "k" });
        assert_eq!(proposal(body).id.as_str(), "p1");
    }

    #[test]
    fn what_cannot_be_recorded_is_refused_by_name() {
        for (field, sent) in [
            ("type", json!([])),
            ("type", json!(null)),
            ("rationale", json!({})),
            ("proposedBy", json!([1])),
            ("runId", json!("x".repeat(256))),
            ("idempotencyKey", json!("x".repeat(256))),
            ("id", json!("p.decision")),
        ] {
            let mut body = fields(json!({ "type": "add_note", "status": "pending_review" }));
            body.insert(field.to_owned(), sent);
            assert_eq!(ActionsBody::parse(body).unwrap_err().field, field);
        }
    }

    #[test]
    fn each_proposal_becomes_its_action() {
        let note =
            |note: &str| Action::AppendNote { note: note.to_owned(), to_project_notes: true };
        let milestone =
            |change: MilestoneChange| Action::UpdateMilestone { name: "M1".to_owned(), change };
        for (kind, payload, action) in [
            (
                "update_status",
                json!({ "status": "paused" }),
                Action::SetStatus(ProjectStatus::Paused),
            ),
            (
                "update_status",
                json!({ "newStatus": "In Progress" }),
                Action::SetStatus(ProjectStatus::InProgress),
            ),
            (
                "update_status",
                json!({ "status": null, "value": "done" }),
                Action::SetStatus(ProjectStatus::Completed),
            ),
            ("update_status", json!("paused"), Action::SetStatus(ProjectStatus::Paused)),
            (
                "update_priority",
                json!({ "priority": "HIGH" }),
                Action::SetPriority(ProjectPriority::High),
            ),
            ("add_note", json!({ "text": " n " }), note("n")),
            ("add_note", json!({ "content": "n" }), note("n")),
            (
                "update_milestone",
                json!({ "name": "M1", "status": "done", "due": null, "x": 1 }),
                milestone(MilestoneChange {
                    status: Some("done".to_owned()),
                    ..Default::default()
                }),
            ),
            (
                "update_milestone",
                json!({ "milestone": "M1", "due": "d", "notes": "n" }),
                milestone(MilestoneChange {
                    status: None,
                    due: Some("d".to_owned()),
                    notes: Some("n".to_owned()),
                }),
            ),
            ("add_tag", json!({ "tag": "t" }), Action::AddTag { tag: "t".to_owned() }),
        ] {
            assert_eq!(proposed_action(&recorded(kind, &payload)), Ok(action), "{kind}");
        }
    }

    #[test]
    fn a_proposal_that_cannot_be_done_is_recorded_but_becomes_no_action() {
        for (kind, payload) in [
            ("update_status", json!({ "status": "someday" })),
            ("update_status", json!({})),
            ("update_priority", json!(null)),
            ("add_note", json!({ "note": " " })),
            ("update_milestone", json!({ "status": "done" })),
            ("update_milestone", json!({ "name": "M1", "due": [1] })),
            ("explode", json!({})),
            ("add_tag", json!([1])),
        ] {
            assert!(proposed_action(&recorded(kind, &payload)).is_err(), "{kind}");
        }
        assert!(proposed_action(&fields(json!({ "type": "note" }))).is_err());
        assert!(
            proposed_action(&fields(json!({ "type": "proposal.add_note", "data": null }))).is_err()
        );
        assert!(proposed_action(&Map::new()).is_err());
    }

    #[test]
    fn an_acceptance_records_the_action_and_who_decided() {
        let document = recorded("update_status", &json!({ "status": "paused" }));
        let action = proposed_action(&document).unwrap();
        let effect = action.effect(
            &fields(json!({ "status": "planning" })),
            &ActionContext::default(),
            now(),
        );

        let event =
            acceptance_event(&document, &action, &effect, "v2", "admin", Some("yes"), now());

        let data = json!({
            "action": { "type": "set_status", "params": { "status": "paused" }, "recordOnly": false, "ifUpdatedAt": null },
            "before": { "status": "planning", "priority": null, "progress": null, "tags": null },
            "after": { "status": "paused", "priority": null, "progress": null, "tags": null },
            "projectUpdatedAt": "v2", "proposalId": "prop-1", "decidedBy": "admin", "reason": "yes",
        });
        assert_eq!((event.id().as_str(), event.kind()), ("prop-1.decision", "action.set_status"));
        assert_eq!(
            (event.project_id(), event.run_id(), event.agent_id()),
            (Some("p"), Some("run-1"), Some("build"))
        );
        assert_eq!(
            (event.message(), &event.document()["data"]),
            (Some("set status -> paused"), &data)
        );
    }

    #[test]
    fn a_rejection_records_who_decided_and_why() {
        let document = recorded("add_note", &json!({ "note": "n" }));

        let event = rejection_event(&document, "admin", Some("no"), now());

        assert_eq!(
            (event.id().as_str(), event.kind()),
            (decision_event_id("prop-1").as_str(), "proposal.rejected")
        );
        assert_eq!((event.title(), event.message()), (Some("add_note"), Some("no")));
        assert_eq!(
            event.document()["data"],
            json!({ "proposalId": "prop-1", "decidedBy": "admin", "reason": "no" })
        );
    }

    proptest! {
        #[test]
        fn every_event_becomes_an_action_or_is_refused(payload in arbitrary::json(), document in arbitrary::object(&["type", "data"])) {
            for kind in ProposalType::ALL {
                let _ = proposed_action(&recorded(kind.as_str(), &payload));
            }
            let _ = proposed_action(&document);
            let _ = rejection_event(&document, "admin", None, now());
        }
    }
}
