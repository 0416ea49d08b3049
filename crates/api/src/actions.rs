//! `/api/agent/actions`.

use actix_web::{HttpResponse, post, web::Data};
use pilotdeck_domain::actions::ActionsBody;
use pilotdeck_services::Services;
use pilotdeck_services::actions::{ActionOutcome, ActionsOutcome};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::events::EventView;
use crate::extract::{Body, Caller};
use crate::projects::{ProjectView, conflict};
use crate::schemas;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(act);
}

/// Actions to do: a list (`actions`), or a single one (`action`, or `type` with `params`), or a proposal (`status` is
/// `pending_review`).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "agentId": "claude-sonnet", "runId": "run-2026-02-11-login", "projectId": "proj-a",
    "actions": [{ "id": "act-login-done", "type": "bump_progress", "params": { "delta": 10 } }]
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ActBody {
    /// Who acts.
    #[schema(schema_with = schemas::reference)]
    agent_id: Option<Value>,
    /// In which run.
    #[schema(schema_with = schemas::reference)]
    run_id: Option<Value>,
    /// On which project, unless an item names another.
    #[schema(schema_with = schemas::anything)]
    project_id: Option<Value>,
    /// `{id?, projectId?, type, params?, recordOnly?, ifUpdatedAt?}` each, at most 10,000; done in order. Types:
    /// `set_status {status}`, `set_priority {priority}`, `set_progress {progress}`, `bump_progress {delta}`,
    /// `append_note {note, alsoWriteToProjectNotes?}`, `add_tag {tag}`, `remove_tag {tag}`.
    #[schema(schema_with = schemas::filled_list)]
    actions: Vec<Value>,
}

/// What became of the actions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ActionsAnswer {
    /// Always true: each action has its own outcome.
    success: bool,
    /// The outcomes.
    data: ActionsView,
    /// Identifies the proposal, if it was one.
    id: Option<String>,
    /// Whether this request recorded the proposal, if it was one.
    created: Option<bool>,
    /// `proposal exists`, if it had been recorded before.
    message: Option<String>,
}

/// What became of the actions.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct ActionsView {
    /// The outcome of each action, in order.
    results: Option<Vec<ActionResultView>>,
    /// Whether any project is another one than before.
    changed: Option<bool>,
    /// When any project was last changed.
    last_updated: Option<String>,
    /// The project, when the body was a single action.
    project: Option<ProjectView>,
    /// The event, when the body was a single action or a proposal.
    event: Option<EventView>,
}

/// What became of one action.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct ActionResultView {
    /// Identifies the action.
    id: Option<String>,
    /// Whether it was done, now or before.
    success: bool,
    /// 200, 400, 404 or 409.
    status: u16,
    /// The project.
    project_id: Option<String>,
    /// Whether the project is another one than before; absent on a repetition.
    changed: Option<bool>,
    /// The project as it is now.
    project: Option<ProjectView>,
    /// The event that records the action.
    event: Option<EventView>,
    /// `action exists` when it had been done before.
    message: Option<String>,
    /// What is wrong.
    error: Option<String>,
    /// The facts of a conflict.
    #[schema(value_type = Object)]
    data: Option<Value>,
    /// The item as it was sent, when it is invalid.
    #[schema(schema_with = schemas::anything)]
    action: Option<Value>,
}

/// Does semantic actions, each once however often it is sent; or records a proposal for a person to decide.
#[utoipa::path(
    tag = "actions",
    request_body = ActBody,
    responses(
        (status = 200, description = "The outcome of each action", body = ActionsAnswer),
        (status = 201, description = "The proposal is recorded; nothing else changed", body = ActionsAnswer),
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
