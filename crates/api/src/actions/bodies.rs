//! What is sent to act.

use std::collections::BTreeMap;

use pilotdeck_domain::projects::{ProjectPriority, ProjectStatus};
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::schemas::{self, ChosenEventId, Reference, SeenVersion, Text, Word};

/// Actions to do: a list, or a single one, or a proposal of one for a person to decide.
pub(super) enum ActBody {}

impl PartialSchema for ActBody {
    fn schema() -> RefOr<Schema> {
        let nullable = |taken: Value| json!({ "anyOf": [{ "type": "null" }, taken] });
        let reference = nullable(Reference::taken());
        let of_actions = |required: &[&str], actions: Value| {
            json!({
                "type": "object", "required": required,
                "properties": { "agentId": reference, "runId": reference, "actions": actions },
            })
        };
        let word = json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" });
        let pending = json!({ "type": "string", "pattern": "^\\s*pending_review\\s*$" });
        let of_plugin =
            json!({ "enum": ["update_status", "update_priority", "update_milestone", "add_note"] });
        let proposal = |required: &[&str], fields: Value| {
            let mut proposal = json!({
                "type": "object", "required": required,
                "properties": {
                    "agentId": reference, "runId": reference, "projectId": reference, "proposedBy": reference,
                    "idempotencyKey": reference, "id": nullable(ChosenEventId::taken()),
                    "rationale": nullable(Text::taken()), "actions": { "type": "null" },
                },
            });
            for (field, schema) in fields.as_object().into_iter().flatten() {
                proposal["properties"][field] = schema.clone();
            }
            proposal
        };
        let is_proposal = json!({ "anyOf": [
            { "required": ["status"], "properties": { "status": pending } },
            { "required": ["type", "payload"], "properties": { "type": of_plugin } },
        ] });
        let mut named = of_actions(&["action"], json!({ "type": "null" }));
        named["properties"]["action"] = json!({ "not": { "type": "null" } });
        named["not"] = is_proposal.clone();
        let mut typed = of_actions(&["type", "params"], json!({ "type": "null" }));
        typed["not"] = is_proposal;
        schemas::schema(json!({
            "description": "Actions to do: a list, or a single one, or a proposal of one for a person to decide.",
            "anyOf": [
                { "$ref": "#/components/schemas/ActionListBody" },
                { "$ref": "#/components/schemas/SingleActionBody" },
                { "$ref": "#/components/schemas/ProposalBody" },
            ],
            "example": {
                "agentId": "claude-sonnet", "runId": "run-2026-02-11-login", "projectId": "proj-a",
                "actions": [{ "id": "act-login-done", "type": "bump_progress", "params": { "delta": 10 } }],
            },
            schemas::LENIENT: { "anyOf": [
                of_actions(&["actions"], json!({ "type": "array", "minItems": 1, "maxItems": 10_000 })),
                named,
                typed,
                proposal(&["status", "type"], json!({ "status": pending, "type": word })),
                proposal(&["status", "action"], json!({ "status": pending, "type": { "type": "null" }, "action": word })),
                proposal(&["type", "payload"], json!({ "type": of_plugin })),
            ] },
        }))
    }
}

impl ToSchema for ActBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas::register::<ActionListBody>(schemas);
        schemas::register::<SingleActionBody>(schemas);
        schemas::register::<ProposalBody>(schemas);
    }
}

/// Actions to do, in order. Each succeeds or fails for itself.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ActionListBody {
    /// Who acts.
    agent_id: Option<Reference>,
    /// In which run.
    run_id: Option<Reference>,
    /// On which project, unless an item names another.
    project_id: Option<Word>,
    /// The actions, at most 10,000.
    actions: Actions,
}

/// Actions. Each is judged on its own.
enum Actions {}

impl PartialSchema for Actions {
    fn schema() -> RefOr<Schema> {
        schemas::list_of::<ActionBody>(1)
    }
}

impl ToSchema for Actions {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas::register::<ActionBody>(schemas);
    }
}

/// One action of a list.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ActionBody {
    /// Chosen by the client, or minted. An action with this id is done once.
    id: Option<ChosenEventId>,
    /// On which project; the request's when absent.
    project_id: Option<Word>,
    /// What to do.
    r#type: ActionTypeBody,
    /// How: `status` for `set_status`, `priority` for `set_priority`, `progress` for `set_progress`, and so on.
    params: Option<ActionParams>,
    /// Whether it is only recorded, not done.
    record_only: Option<bool>,
    /// The `updatedAt` of the project that the client has seen; when it is another one by now, nothing is done.
    if_updated_at: Option<SeenVersion>,
}

/// What an action does to a project.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "read in the domain")]
enum ActionTypeBody {
    SetStatus,
    SetPriority,
    SetProgress,
    BumpProgress,
    AppendNote,
    AddTag,
    RemoveTag,
}

/// How an action is done: the parameters of its type. Further ones, such as `reason`, are kept with the event.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "delta": 10 }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ActionParams {
    /// For `set_status`.
    #[schema(nullable = false)]
    status: Option<ProjectStatus>,
    /// For `set_priority`.
    #[schema(nullable = false)]
    priority: Option<ProjectPriority>,
    /// For `set_progress`: percent, 0 to 100.
    #[schema(nullable = false)]
    progress: Option<i64>,
    /// For `bump_progress`: what to add to the percent.
    #[schema(nullable = false)]
    delta: Option<i64>,
    /// For `append_note`.
    #[schema(nullable = false)]
    note: Option<String>,
    /// For `append_note`: whether the note becomes a line of the project's notes.
    #[schema(nullable = false)]
    also_write_to_project_notes: Option<bool>,
    /// For `add_tag` and `remove_tag`.
    #[schema(nullable = false)]
    tag: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// One action to do. Notes become lines of the project's notes unless `alsoWriteToProjectNotes` is false.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "act-login-done", "projectId": "proj-a", "action": "set_status", "params": { "status": "completed" }
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct SingleActionBody {
    /// Chosen by the client, or minted. An action with this id is done once.
    id: Option<ChosenEventId>,
    /// Who acts.
    agent_id: Option<Reference>,
    /// In which run.
    run_id: Option<Reference>,
    /// On which project.
    project_id: Option<Word>,
    /// What to do.
    action: ActionTypeBody,
    /// How.
    params: Option<ActionParams>,
    /// Whether it is only recorded, not done.
    record_only: Option<bool>,
    /// The `updatedAt` of the project that the client has seen; when it is another one by now, nothing is done.
    if_updated_at: Option<SeenVersion>,
}

/// An action that changes nothing until a person accepts it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "prop-pause", "runId": "run-2026-02-11-login", "type": "update_status", "payload": { "status": "paused" },
    "rationale": "The provider is down", "status": "pending_review", "proposedBy": "claude-sonnet"
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ProposalBody {
    /// Chosen by the client, or minted. A proposal with this id is recorded once.
    id: Option<ChosenEventId>,
    /// The run, or its client's session.
    run_id: Option<Reference>,
    /// The project; the run's when absent.
    project_id: Option<Reference>,
    /// What to do: `update_status`, `update_priority`, `update_milestone`, `add_note`, or the type of an action.
    #[schema(min_length = 1, pattern = "\\S")]
    r#type: String,
    /// How.
    payload: Option<Value>,
    /// Why.
    rationale: Option<Text>,
    /// Always `pending_review`.
    status: PendingReview,
    /// Who proposes it.
    proposed_by: Option<Reference>,
    /// In place of an id: a proposal with this key is recorded once.
    idempotency_key: Option<Reference>,
}

/// What makes an action a proposal.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "read in the domain")]
enum PendingReview {
    PendingReview,
}
