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

#[expect(
    clippy::result_large_err,
    reason = "what is refused is shown whole, and as rare as it is short-lived"
)]
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

fn context(body: &Map<String, Value>) -> Result<ActionContext, InvalidInput> {
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

#[expect(
    clippy::result_large_err,
    reason = "what is refused is shown whole, and as rare as it is short-lived"
)]
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
