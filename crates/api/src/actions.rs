//! `/api/agent/actions`.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, post, web::Data};
use pilotdeck_domain::actions::ActionsBody;
use pilotdeck_domain::projects::{ProjectPriority, ProjectStatus};
use pilotdeck_services::Services;
use pilotdeck_services::actions::{ActionOutcome, ActionsOutcome};
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::events::EventView;
use crate::extract::{Body, Caller};
use crate::projects::{ConflictView, ProjectView, conflict};
use crate::schemas::{self, ChosenEventId, No, Reference, SeenVersion, Text, Word, Yes};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(act);
}

/// Actions to do: a list, or a single one, or a proposal of one for a person to decide.
enum ActBody {}

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

/// What became of the actions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ActionsAnswer {
    /// Always true: each action has its own outcome.
    success: Yes,
    /// The outcomes.
    data: ActionsView,
}

/// What became of the actions.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct ActionsView {
    /// The outcome of each action, in order.
    results: Vec<ActionResultView>,
    /// Whether any project is another one than before.
    changed: bool,
    /// When any project was last changed; null when there never was one.
    #[schema(required = true, format = DateTime)]
    last_updated: Option<String>,
    /// The project, when the body was a single action.
    project: Option<ProjectView>,
    /// The event, when the body was a single action.
    event: Option<EventView>,
}

/// A proposal that is recorded, now or before; nothing else changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProposedAnswer {
    /// Always true.
    success: Yes,
    /// The proposal.
    data: ProposedView,
    /// Identifies the proposal.
    id: String,
    /// Whether this request recorded it.
    created: bool,
    /// `proposal exists`, if it had been recorded before.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// A proposal.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProposedView {
    /// The event that records it.
    event: EventView,
}

/// What became of the actions, or the proposal that was recorded before.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "written around the stored documents")]
#[expect(clippy::large_enum_variant, reason = "only for the document")]
enum ActAnswer {
    Done(ActionsAnswer),
    Proposed(ProposedAnswer),
}

/// What became of one action.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "written around the stored documents")]
#[expect(clippy::large_enum_variant, reason = "only for the document")]
enum ActionResultView {
    Done(ActionDoneView),
    Failed(ActionFailedView),
}

/// An action that is done, now or before.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct ActionDoneView {
    /// Identifies the action.
    id: String,
    /// Always true.
    success: Yes,
    /// Always 200.
    status: u16,
    /// The project; null when an action of an older database was about none.
    #[schema(required = true)]
    project_id: Option<String>,
    /// Whether the project is another one than before; absent on a repetition.
    #[schema(nullable = false)]
    changed: Option<bool>,
    /// The project as it is now; null when it is gone.
    #[schema(required = true)]
    project: Option<ProjectView>,
    /// The event that records the action.
    event: EventView,
    /// `action exists` when it had been done before.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// An action that was not done.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "act-login-done", "success": false, "status": 404, "projectId": "proj-z",
    "error": "Project not found: proj-z"
}))]
#[expect(dead_code, reason = "written field by field")]
struct ActionFailedView {
    /// Identifies the action; null when the item had no readable id.
    #[schema(required = true)]
    id: Option<String>,
    /// Always false.
    success: No,
    /// 400, 404 or 409.
    status: u16,
    /// The project, if it came to that.
    project_id: Option<String>,
    /// What is wrong, for a person.
    error: String,
    /// The facts of a conflict.
    #[schema(nullable = false)]
    data: Option<ConflictView>,
    /// The item as it was sent, when it is invalid.
    action: Option<Value>,
}

/// Does semantic actions, each once however often it is sent; or records a proposal for a person to decide.
#[utoipa::path(
    tag = "actions",
    request_body = ActBody,
    responses(
        (status = 200, description = "The outcome of each action; or the proposal, if it had been recorded before", body = ActAnswer),
        (status = 201, description = "The proposal is recorded; nothing else changed", body = ProposedAnswer),
        (status = 409, description = "The id of the proposal is that of another event", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[post("/api/agent/actions")]
async fn act(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    match ActionsBody::parse(body.0)? {
        ActionsBody::Actions { context, items, single } => {
            let outcome = services.actions.act(&caller, &context, items).await?;
            Ok(answer(&outcome, single))
        }
        ActionsBody::Proposal(proposal) => {
            let recorded = services.actions.propose(&caller, &proposal).await?;
            let event = Object::new().with_json("event", &Json::document(&recorded.event));
            let answer =
                data(&event.json()).with("id", &recorded.id).with("created", &recorded.created);
            Ok(answer.created(recorded.created, "proposal exists"))
        }
    }
}

fn answer(outcome: &ActionsOutcome, single: bool) -> HttpResponse {
    let results: Vec<Json> = outcome.results.iter().map(result).collect();
    let mut facts = Object::new()
        .with_json("results", &Json::array(&results))
        .with("changed", &outcome.changed())
        .with("lastUpdated", &outcome.last_updated);
    if single && let Some(only) = outcome.results.first() {
        let (project, event) = match only {
            ActionOutcome::Done { project, event, .. } => (Some(project), Some(event)),
            ActionOutcome::Repeated { project, event, .. } => (project.as_ref(), Some(event)),
            _ => (None, None),
        };
        facts = facts
            .with_json("project", &Json::optional(project))
            .with_json("event", &Json::optional(event));
    }
    data(&facts.json()).ok()
}

fn result(outcome: &ActionOutcome) -> Json {
    let done = |id: &str| Object::new().with("id", &id).with("success", &true).with("status", &200);
    let failed = |id: &Option<String>, code: ErrorCode| {
        Object::new().with("id", id).with("success", &false).with("status", &code.status().as_u16())
    };
    match outcome {
        ActionOutcome::Done { id, project_id, changed, project, event } => done(id)
            .with("projectId", project_id)
            .with("changed", changed)
            .with_json("project", &Json::document(project))
            .with_json("event", &Json::document(event)),
        ActionOutcome::Repeated { id, project_id, project, event } => done(id)
            .with("projectId", project_id)
            .with_json("event", &Json::document(event))
            .with_json("project", &Json::optional(project.as_ref()))
            .with("message", &"action exists"),
        ActionOutcome::IdInUse { id, project_id } => failed(&Some(id.clone()), ErrorCode::IdTaken)
            .with("projectId", project_id)
            .with("error", &format!("the id is that of another event: {id}")),
        ActionOutcome::UnknownProject { id, project_id } => {
            failed(&Some(id.clone()), ErrorCode::NotFound)
                .with("projectId", project_id)
                .with("error", &format!("Project not found: {project_id}"))
        }
        ActionOutcome::Stale { id, project_id, stale } => {
            failed(&Some(id.clone()), ErrorCode::VersionMismatch)
                .with("projectId", project_id)
                .with("error", &"Conflict: updatedAt mismatch")
                .with_json("data", &conflict(stale))
        }
        ActionOutcome::Invalid { id, error, item } => {
            let error = ApiError::from(error.clone());
            failed(id, error.code()).with("error", &error.to_string()).with("action", item)
        }
    }
    .json()
}
