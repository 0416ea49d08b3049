//! The action that takes a change of a project back.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{ActionContext, effect::SHOWN, request};
use crate::{
    InvalidInput, derived,
    draft::Draft,
    events::{Event, Record, event_id, trimmed_id},
    ids::{ActionId, EventId, MAX_ID_CHARS},
    projects::expected_version,
};

/// The type of the action.
const UNDO: &str = "undo";
/// How types of events begin that record actions.
const ACTION: &str = "action.";
/// The longest reason.
const MAX_REASON_CHARS: usize = 10_000;

/// A request to take a change back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UndoRequest {
    /// The id that the client chose for the undo.
    pub id: Option<ActionId>,
    /// Who undoes it, and in which run.
    pub context: ActionContext,
    /// Why.
    pub reason: Option<String>,
    /// The version of the project that the client has seen, if it asks for the undo to be done to no other.
    pub expected_version: Option<String>,
}

impl UndoRequest {
    /// Reads a request; everything in it is optional.
    ///
    /// # Errors
    ///
    /// [`InputCode::Id`](crate::InputCode::Id) if the chosen id is none,
    /// [`InputCode::Invalid`](crate::InputCode::Invalid) if a field is not what it must be.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, InvalidInput> {
        let context = request::context(body)?;
        let sent_id = body.get("id").cloned().unwrap_or_default();
        let id = match trimmed_id(&mut Draft::sent(Map::from_iter([("id".to_owned(), sent_id)])))? {
            Some(id) => {
                event_id(&id)?;
                Some(ActionId::parse("id", &id)?)
            }
            None => None,
        };
        let reason = match body.get("reason") {
            None | Some(Value::Null) => None,
            Some(Value::String(reason)) if reason.chars().count() <= MAX_REASON_CHARS => {
                Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty())
            }
            Some(_) => {
                let reason = "reason must be a text of at most 10000 characters";
                return Err(InvalidInput::new("reason", reason));
            }
        };
        Ok(Self { id, context, reason, expected_version: expected_version(body) })
    }
}

/// A change that is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The place of its line in the ledger.
    pub seq: i64,
    /// The action that made it.
    pub action_id: Option<String>,
    /// The project.
    pub project_id: String,
}

impl Undo {
    /// The id of the undo unless the client chooses one: the same for the same change, so that it is undone once however
    /// often that is asked for.
    #[must_use]
    pub fn id(&self) -> ActionId {
        let id = match &self.action_id {
            Some(action_id) => format!("{action_id}.{UNDO}"),
            None => format!("change-{}.{UNDO}", self.seq),
        };
        if id.chars().nth(MAX_ID_CHARS).is_some() {
            return ActionId::stored(derived::id(UNDO, UNDO, &id));
        }
        ActionId::stored(id)
    }

    /// The event that records that it was done, with the project as it was before and is `now`; `fields` were restored.
    #[must_use]
    pub fn event(
        &self,
        id: &ActionId,
        request: &UndoRequest,
        fields: &[&str],
        (before, after): (&Map<String, Value>, &Map<String, Value>),
        now: DateTime<Utc>,
    ) -> Event {
        let undone = match &self.action_id {
            Some(action_id) => format!("undo {action_id}: {}", fields.join(", ")),
            None => format!("undo change {}: {}", self.seq, fields.join(", ")),
        };
        let shown = |state: &Map<String, Value>| -> Map<String, Value> {
            SHOWN.iter().map(|field| ((*field).to_owned(), value(state, field))).collect()
        };
        let data = json!({
            "action": {
                "type": UNDO,
                "params": { "actionId": self.action_id, "seq": self.seq, "fields": fields },
                "recordOnly": false,
                "ifUpdatedAt": request.expected_version,
            },
            "before": shown(before),
            "after": shown(after),
            "projectUpdatedAt": value(after, "updatedAt"),
            "reason": request.reason,
        });
        let record = Record {
            id: EventId::stored(id.as_str()),
            kind: format!("{ACTION}{UNDO}"),
            project_id: Some(&self.project_id),
            run_id: request.context.run_id.as_deref(),
            agent_id: request.context.agent_id.as_deref(),
            title: UNDO,
            message: Some(&undone),
            data,
            idempotency_key: None,
        };
        Event::record(record, now)
    }
}

/// Whether the event says that it records an action.
#[must_use]
pub fn is_action(event: &Map<String, Value>) -> bool {
    event.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with(ACTION))
}

/// Whether the event says that it records the undo of the change at `seq`.
#[must_use]
pub fn is_undo_of(event: &Map<String, Value>, seq: i64) -> bool {
    let params = event.get("data").and_then(|data| data.get("action")?.get("params"));
    event.get("type").and_then(Value::as_str).and_then(|kind| kind.strip_prefix(ACTION))
        == Some(UNDO)
        && params.and_then(|params| params.get("seq")?.as_i64()) == Some(seq)
}

/// Why an action was done, as its event has it: beside what was done, or among its parameters.
#[must_use]
pub fn reason(event: &Map<String, Value>) -> Option<&str> {
    let data = event.get("data")?;
    let params = || data.get("action")?.get("params")?.get("reason");
    [data.get("reason"), params()].into_iter().flatten().find_map(Value::as_str)
}

fn value(state: &Map<String, Value>, field: &str) -> Value {
    state.get(field).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        InputCode,
        arbitrary::{self, fields, now},
    };

    fn undo(action_id: Option<&str>) -> Undo {
        let action_id = action_id.map(str::to_owned);
        Undo { seq: 7, action_id, project_id: "p".to_owned() }
    }

    #[test]
    fn a_request_needs_nothing_and_takes_what_actions_take() {
        assert_eq!(UndoRequest::parse(&Map::new()), Ok(UndoRequest::default()));
        let body = json!({
            "id": " u ", "agentId": "a", "runId": "r", "reason": " typo ", "ifUpdatedAt": "v1", "more": 1,
        });

        let request = UndoRequest::parse(&fields(body)).unwrap();

        assert_eq!(request.id.unwrap().as_str(), "u");
        assert_eq!(request.context.agent_id.as_deref(), Some("a"));
        assert_eq!(request.context.run_id.as_deref(), Some("r"));
        assert_eq!(request.reason.as_deref(), Some("typo"));
        assert_eq!(request.expected_version.as_deref(), Some("v1"));
    }

    #[test]
    fn what_a_request_cannot_hold_is_refused() {
        for (body, field, code) in [
            (json!({ "id": "x".repeat(256) }), "id", InputCode::Id),
            (json!({ "id": "x.decision" }), "id", InputCode::Id),
            (json!({ "id": [] }), "id", InputCode::Invalid),
            (json!({ "reason": 5 }), "reason", InputCode::Invalid),
            (json!({ "reason": "x".repeat(10_001) }), "reason", InputCode::Invalid),
            (json!({ "agentId": {} }), "agentId", InputCode::Invalid),
        ] {
            let error = UndoRequest::parse(&fields(body)).unwrap_err();
            assert_eq!((error.field.as_ref(), error.code), (field, code));
        }
    }

    #[test]
    fn one_change_has_one_undo() {
        assert_eq!(undo(Some("act-1")).id().as_str(), "act-1.undo");
        assert_eq!(undo(None).id().as_str(), "change-7.undo");
        let long = undo(Some(&"深".repeat(255)));
        assert_eq!(long.id(), long.id());
        assert!(ActionId::parse("id", long.id().as_str()).is_ok());
    }

    #[test]
    fn the_event_says_what_was_undone_and_why() {
        let request = UndoRequest { reason: Some("typo".to_owned()), ..UndoRequest::default() };
        let before = fields(json!({ "progress": 5, "updatedAt": "v2" }));
        let after = fields(json!({ "progress": 4, "updatedAt": "v3" }));
        let undo = undo(Some("act-1"));

        let event =
            undo.event(&undo.id(), &request, &["progress", "notes"], (&before, &after), now());

        let document = event.document();
        assert_eq!(document["type"], "action.undo");
        assert_eq!(document["message"], "undo act-1: progress, notes");
        assert_eq!(document["data"]["before"]["progress"], 5);
        assert_eq!(document["data"]["after"]["progress"], 4);
        assert_eq!(document["data"]["projectUpdatedAt"], "v3");
        assert!(is_action(&document) && is_undo_of(&document, 7) && !is_undo_of(&document, 8));
        assert_eq!(reason(&document), Some("typo"));
    }

    #[test]
    fn the_reason_stands_beside_the_action_or_among_its_parameters() {
        for (data, expected) in [
            (json!({ "reason": "a", "action": { "params": { "reason": "b" } } }), Some("a")),
            (json!({ "reason": null, "action": { "params": { "reason": "b" } } }), Some("b")),
            (json!({ "action": { "params": { "reason": 5 } } }), None),
            (json!(null), None),
        ] {
            assert_eq!(reason(&fields(json!({ "data": data }))), expected);
        }
    }

    proptest! {
        #[test]
        fn every_request_is_read_or_refused(
            body in arbitrary::object(&["id", "reason", "agentId", "runId", "ifUpdatedAt"])
        ) {
            let _ = UndoRequest::parse(&body);
        }

        #[test]
        fn every_event_is_read(event in arbitrary::object(&["data", "type", "action", "params"])) {
            let _ = (reason(&event), is_action(&event), is_undo_of(&event, 1));
        }
    }
}
