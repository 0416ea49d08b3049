//! `/api/agent/actions`.

mod bodies;

use actix_web::{HttpResponse, post, web::Data};
use pilotdeck_domain::actions::ActionsBody;
use pilotdeck_domain::identity::Denied;
use pilotdeck_services::Services;
use pilotdeck_services::actions::{ActionOutcome, ActionsOutcome};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::events::EventView;
use crate::extract::{Body, Caller};
use crate::projects::ProjectView;
use crate::projects::batch::{ConflictView, conflict};
use crate::schemas::{No, Yes};
use bodies::ActBody;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(do_actions);
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
    /// 400, 403, 404 or 409.
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
async fn do_actions(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
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
        ActionOutcome::Forbidden { id, project_id } => {
            failed(&Some(id.clone()), ErrorCode::Forbidden)
                .with("projectId", project_id)
                .with("error", &Denied::Forbidden.to_string())
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
