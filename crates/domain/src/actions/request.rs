//! What a request to act holds.

use serde_json::{Map, Value};

use super::{Action, ActionContext, Proposal, ProposalType, flag, proposals::PENDING};
use crate::{
    InvalidInput, coerce,
    draft::Draft,
    events::{event_id, trimmed_id},
    ids::ActionId,
    projects::expected_version,
};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionsBody {
    /// Actions to be done in order; one that cannot be done does not hold up the others.
    Actions {
        /// Who acts, in which run and on which project.
        context: ActionContext,
        /// The actions.
        items: Vec<Result<ActionItem, RefusedItem>>,
        /// Whether the request was one action, not a list.
        single: bool,
    },
    /// An action that a person decides about.
    Proposal(Proposal),
}

/// An item that is no action at all.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedItem {
    /// The item as it was sent.
    pub raw: Value,
    /// What is wrong with it.
    pub error: InvalidInput,
    /// The id that it was sent with.
    pub id: Option<String>,
}

/// One action of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionItem {
    /// The id that the client chose, or a new one.
    pub id: ActionId,
    /// The project to act on.
    pub project_id: Option<String>,
    /// The version of the project that the client has seen, if it asks for the action to be done to no other.
    pub expected_version: Option<String>,
    /// Whether the action is only recorded, not done.
    pub record_only: bool,
    /// The action. What is wrong with it is told only after the project is known to be there, at the right version.
    pub action: Result<Action, InvalidInput>,
    /// The item as it was sent.
    pub raw: Value,
}

impl ActionsBody {
    /// Reads a request: `actions`, a list; or a single action, whose type is called `action` (or `type`, beside
    /// `params`); or a proposal.
    ///
    /// # Errors
    ///
    /// [`InputCode::Invalid`](crate::InputCode::Invalid) if it is none of these.
    pub fn parse(mut body: Map<String, Value>) -> Result<Self, InvalidInput> {
        match body.shift_remove("actions") {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) if !items.is_empty() => {
                let context = context(&body)?;
                let items =
                    items.into_iter().map(|item| read_item(item, &context, false)).collect();
                return Ok(Self::Actions { context, items, single: false });
            }
            Some(_) => return Err(not_a_list()),
        }
        if is_proposal(&body) {
            return Proposal::parse(body).map(Self::Proposal);
        }
        let is_named = body.get("action").is_some_and(|action| !action.is_null());
        let is_typed = body.contains_key("type") && body.contains_key("params");
        if !is_named && !is_typed {
            return Err(not_a_list());
        }
        let context = context(&body)?;
        let items = vec![read_item(Value::Object(body), &context, is_named)];
        Ok(Self::Actions { context, items, single: true })
    }
}

fn not_a_list() -> InvalidInput {
    InvalidInput::new("actions", "actions must be a non-empty array")
}

fn is_proposal(body: &Map<String, Value>) -> bool {
    let word = |field: &str| body.get(field).and_then(Value::as_str).map(str::trim);
    let is_proposable = word("type").and_then(ProposalType::from_word).is_some();
    word("status") == Some(PENDING) || (is_proposable && body.contains_key("payload"))
}

pub(super) fn context(body: &Map<String, Value>) -> Result<ActionContext, InvalidInput> {
    let field = |field: &str| (field.to_owned(), body.get(field).cloned().unwrap_or_default());
    let mut draft = Draft::sent(Map::from_iter([field("agentId"), field("runId")]));
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(ActionContext {
        agent_id: said(draft.reference("agentId")?),
        run_id: said(draft.reference("runId")?),
        project_id: word(body.get("projectId")),
    })
}

fn word(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn read_item(
    raw: Value,
    context: &ActionContext,
    is_named: bool,
) -> Result<ActionItem, RefusedItem> {
    let refused = |raw: &Value, error, id| RefusedItem { raw: raw.clone(), error, id };
    let Value::Object(fields) = &raw else {
        return Err(refused(&raw, InvalidInput::new("actions", "action must be an object"), None));
    };
    let sent_id = fields.get("id").cloned().unwrap_or_default();
    let id = trimmed_id(&mut Draft::sent(Map::from_iter([("id".to_owned(), sent_id)])))
        .map_err(|error| refused(&raw, error, None))?;
    let id = match id {
        Some(id) => event_id(&id)
            .and_then(|_| ActionId::parse("id", &id))
            .map_err(|error| refused(&raw, error, Some(id)))?,
        None => ActionId::mint(),
    };
    // A project that is named wrongly must not become the one that the others act on.
    let project_id = match fields.get("projectId").filter(|value| coerce::truthy(value)) {
        None => context.project_id.clone(),
        named => word(named),
    };
    let record_only = flag("recordOnly", fields.get("recordOnly").unwrap_or(&Value::Null));
    let expected_version = expected_version(fields);
    let action = record_only.clone().and_then(|_| read_action(fields, is_named));
    Ok(ActionItem {
        id,
        project_id,
        expected_version,
        record_only: record_only.unwrap_or(true),
        action,
        raw,
    })
}

fn read_action(fields: &Map<String, Value>, is_named: bool) -> Result<Action, InvalidInput> {
    let kind_field = if is_named { "action" } else { "type" };
    let kind = super::text(kind_field, fields.get(kind_field).unwrap_or(&Value::Null))?;
    let none = Map::new();
    let params = match fields.get("params") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(params)) => params,
        Some(_) => return Err(InvalidInput::new("params", "params must be an object")),
    };
    let mut action = Action::parse(&kind, params)?;
    // Agents that send one action call it `action` and expect the note to be kept with the project.
    if let Action::AppendNote { to_project_notes, .. } = &mut action
        && is_named
        && params.get("alsoWriteToProjectNotes").is_none_or(Value::is_null)
    {
        *to_project_notes = true;
    }
    Ok(action)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        InputCode,
        arbitrary::{self, fields},
        projects::{ProjectPriority, ProjectStatus},
    };

    fn parsed(body: Value) -> Result<ActionsBody, InvalidInput> {
        ActionsBody::parse(fields(body))
    }

    fn items(body: Value) -> Vec<Result<ActionItem, RefusedItem>> {
        match parsed(body).unwrap() {
            ActionsBody::Actions { items, .. } => items,
            ActionsBody::Proposal(proposal) => panic!("{proposal:?}"),
        }
    }

    fn item(item: &Value) -> ActionItem {
        items(json!({ "actions": [item] })).remove(0).unwrap()
    }

    #[test]
    fn a_body_without_actions_is_refused() {
        for body in [
            json!({}),
            json!({ "actions": [] }),
            json!({ "actions": null }),
            json!({ "actions": { "type": "add_tag" } }),
            json!({ "actions": "x", "action": "add_tag" }),
            json!({ "type": "add_tag" }),
            json!({ "params": {} }),
            json!({ "payload": {}, "type": "add_tag" }),
        ] {
            assert_eq!(
                parsed(body.clone()).unwrap_err().to_string(),
                "actions must be a non-empty array",
                "{body}"
            );
        }
        assert_eq!(parsed(json!({ "actions": [{}], "agentId": {} })).unwrap_err().field, "agentId");
    }

    #[test]
    fn items_take_their_project_from_the_request_unless_they_name_one() {
        let body = json!({
            "agentId": "a", "runId": 5, "projectId": "p",
            "actions": [{}, { "projectId": "q" }, { "projectId": "" }, { "projectId": 5 }, { "projectId": null }],
        });

        let ActionsBody::Actions { context, items, single } = parsed(body).unwrap() else {
            panic!("actions")
        };

        assert_eq!(
            (context.agent_id.as_deref(), context.run_id.as_deref(), single),
            (Some("a"), Some("5"), false)
        );
        let projects: Vec<_> = items.into_iter().map(|item| item.unwrap().project_id).collect();
        assert_eq!(
            projects.iter().map(Option::as_deref).collect::<Vec<_>>(),
            [Some("p"), Some("q"), Some("p"), None, Some("p")]
        );
    }

    #[test]
    fn ids_are_trimmed_and_minted_and_items_with_bad_ones_are_refused_alone() {
        assert_eq!(item(&json!({ "id": " x " })).id.as_str(), "x");
        assert_eq!(item(&json!({ "id": 5 })).id.as_str(), "5");
        assert!(item(&json!({ "id": " " })).id.as_str().starts_with("act-"));

        let long = "x".repeat(256);
        let sent = json!([5, { "id": [] }, { "id": long }, { "id": "p.decision" }, { "id": "ok" }]);
        let items = items(json!({ "actions": sent }));

        let refused: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
        assert_eq!(
            refused.iter().map(|item| item.id.as_deref()).collect::<Vec<_>>(),
            [None, None, Some(long.as_str()), Some("p.decision")]
        );
        assert_eq!(
            (refused[0].error.reason.as_ref(), &refused[0].raw),
            ("action must be an object", &json!(5))
        );
        assert_eq!(refused[2].error.code, InputCode::Id);
        assert!(items[4].is_ok());
    }

    #[test]
    fn each_type_reads_its_parameters() {
        for (kind, params, action) in [
            (
                "set_status",
                json!({ "status": " in-progress " }),
                Action::SetStatus(ProjectStatus::InProgress),
            ),
            (
                "set_priority",
                json!({ "priority": "low" }),
                Action::SetPriority(ProjectPriority::Low),
            ),
            ("set_progress", json!({ "progress": 150.5 }), Action::SetProgress(100)),
            ("set_progress", json!({ "progress": "-1" }), Action::SetProgress(0)),
            ("bump_progress", json!({ "delta": "-7" }), Action::BumpProgress { delta: -7 }),
            ("bump_progress", json!({ "delta": 1e300 }), Action::BumpProgress { delta: i64::MAX }),
            (
                "append_note",
                json!({ "note": 5 }),
                Action::AppendNote { note: "5".to_owned(), to_project_notes: false },
            ),
            (
                "append_note",
                json!({ "note": " n ", "alsoWriteToProjectNotes": "false" }),
                Action::AppendNote { note: "n".to_owned(), to_project_notes: false },
            ),
            (
                "append_note",
                json!({ "note": "n", "alsoWriteToProjectNotes": 1 }),
                Action::AppendNote { note: "n".to_owned(), to_project_notes: true },
            ),
            (
                "add_tag",
                json!({ "tag": " t ", "reason": "r" }),
                Action::AddTag { tag: "t".to_owned() },
            ),
            (" remove_tag ", json!({ "tag": "t" }), Action::RemoveTag { tag: "t".to_owned() }),
        ] {
            assert_eq!(item(&json!({ "type": kind, "params": params })).action, Ok(action));
        }
    }

    #[test]
    fn an_action_that_cannot_be_done_says_which_field_is_wrong() {
        for (sent, field) in [
            (json!({}), "type"),
            (json!({ "type": "explode" }), "type"),
            (json!({ "type": "update_milestone", "params": { "name": "M1" } }), "type"),
            (json!({ "type": [] }), "type"),
            (json!({ "type": "add_tag", "params": [1] }), "params"),
            (json!({ "type": "add_tag" }), "tag"),
            (json!({ "type": "add_tag", "params": { "tag": " " } }), "tag"),
            (json!({ "type": "remove_tag", "params": { "tag": {} } }), "tag"),
            (json!({ "type": "append_note", "params": { "note": "" } }), "note"),
            (
                json!({ "type": "append_note", "params": { "note": "n", "alsoWriteToProjectNotes": "perhaps" } }),
                "alsoWriteToProjectNotes",
            ),
            (json!({ "type": "set_status", "params": { "status": "done" } }), "status"),
            (json!({ "type": "set_status", "params": { "status": "Paused" } }), "status"),
            (json!({ "type": "set_priority", "params": {} }), "priority"),
            (json!({ "type": "set_progress", "params": {} }), "progress"),
            (json!({ "type": "set_progress", "params": { "progress": "half" } }), "progress"),
            (json!({ "type": "set_progress", "params": { "progress": "50.9" } }), "progress"),
            (json!({ "type": "bump_progress", "params": { "delta": null } }), "delta"),
            (
                json!({ "type": "add_tag", "params": { "tag": "t" }, "recordOnly": "perhaps" }),
                "recordOnly",
            ),
        ] {
            assert_eq!(item(&sent).action.unwrap_err().field, field, "{sent}");
        }
        let error = item(&json!({ "type": "bump_progress" })).action.unwrap_err();
        assert_eq!(error.to_string(), "delta must be an integer");
    }

    #[test]
    fn flags_and_the_lock_are_read_as_they_are_meant() {
        for (sent, record_only) in
            [(json!(null), false), (json!("false"), false), (json!("true"), true), (json!(1), true)]
        {
            let item =
                item(&json!({ "type": "add_tag", "params": { "tag": "t" }, "recordOnly": sent }));
            assert_eq!((item.record_only, item.action.is_ok()), (record_only, true));
        }
        assert_eq!(item(&json!({ "ifUpdatedAt": "v" })).expected_version.as_deref(), Some("v"));
        assert_eq!(item(&json!({ "ifUpdatedAt": "" })).expected_version, None);
    }

    #[test]
    fn one_action_may_be_the_whole_body() {
        let body = json!({
            "id": "x", "projectId": "p", "runId": "r", "agentId": "a", "action": "append_note",
            "params": { "note": "n" }, "recordOnly": true,
        });

        let ActionsBody::Actions { context, mut items, single } = parsed(body).unwrap() else {
            panic!("actions")
        };

        let item = items.remove(0).unwrap();
        assert_eq!(
            (single, item.id.as_str(), item.project_id.as_deref(), item.record_only),
            (true, "x", Some("p"), true)
        );
        assert_eq!(
            (context.run_id.as_deref(), context.agent_id.as_deref()),
            (Some("r"), Some("a"))
        );
        assert_eq!(
            item.action,
            Ok(Action::AppendNote { note: "n".to_owned(), to_project_notes: true })
        );
    }

    #[test]
    fn only_a_single_named_action_keeps_its_note_with_the_project_unasked() {
        for (body, kept) in [
            (json!({ "action": "append_note", "params": { "note": "n" } }), true),
            (
                json!({ "action": "append_note", "params": { "note": "n", "alsoWriteToProjectNotes": false } }),
                false,
            ),
            (json!({ "type": "append_note", "params": { "note": "n" } }), false),
            (json!({ "actions": [{ "type": "append_note", "params": { "note": "n" } }] }), false),
        ] {
            let action = items(body.clone()).remove(0).unwrap().action;
            assert_eq!(
                action,
                Ok(Action::AppendNote { note: "n".to_owned(), to_project_notes: kept }),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_to_be_reviewed_is_a_proposal() {
        for body in [
            json!({ "type": "update_status", "payload": { "status": "paused" } }),
            json!({ "type": "add_note", "payload": null }),
            json!({ "type": "set_status", "params": { "status": "paused" }, "status": "pending_review" }),
            json!({ "action": "set_status", "status": "pending_review" }),
        ] {
            assert!(matches!(parsed(body.clone()), Ok(ActionsBody::Proposal(_))), "{body}");
        }
    }

    const KNOWN: &[&str] = &[
        "actions",
        "action",
        "type",
        "params",
        "payload",
        "status",
        "id",
        "projectId",
        "runId",
        "agentId",
        "recordOnly",
        "ifUpdatedAt",
        "proposedBy",
        "rationale",
        "idempotencyKey",
    ];

    proptest! {
        #[test]
        fn every_body_is_read_or_refused(mut body in arbitrary::object(KNOWN), item in arbitrary::object(KNOWN)) {
            let _ = ActionsBody::parse(body.clone());
            body.insert("actions".to_owned(), json!([item]));
            let _ = ActionsBody::parse(body);
        }
    }
}
