//! `/api/projects/{id}/history`, and undoing what is in it.

use std::collections::BTreeMap;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, get, post, web, web::Data};
use pilotdeck_domain::actions::UndoRequest;
use pilotdeck_domain::ledger::Line;
use pilotdeck_services::Services;
use pilotdeck_services::history::{ChangedSince, ProjectChange, Undone};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::events::EventView;
use crate::extract::{Caller, Id, OptionalBody, Query};
use crate::projects::ProjectView;
use crate::schemas::{ChosenEventId, QueryNumber, QueryPlace, Reference, SeenVersion, Yes};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_project_history).service(undo_project_change).service(undo_action);
}

/// A change of a project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "seq": 42, "ts": "2026-02-11T15:00:00.000000Z", "operation": "project.updated",
    "actor": { "kind": "agent", "id": null, "name": null }, "requestId": "0198c5a2f3b17c4e9d1a2b3c4d5e6f70",
    "action": { "id": "act-login-done", "type": "bump_progress", "agentId": "claude-sonnet", "runId": null },
    "reason": "the tests are green",
    "before": { "progress": 30, "updatedAt": "2026-02-11T14:00:00.000000Z" },
    "after": { "progress": 40, "updatedAt": "2026-02-11T15:00:00.000000Z" }, "undoable": true
}))]
#[expect(dead_code, reason = "written field by field")]
struct ProjectChangeView {
    /// The place of its line in the ledger.
    seq: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    ts: String,
    /// project.created, project.updated or project.deleted.
    operation: String,
    /// Who made it.
    actor: ActorView,
    /// The request that asked for it.
    #[schema(required = true)]
    request_id: Option<String>,
    /// The action that made it; null when it was none.
    #[schema(required = true)]
    action: Option<CauseView>,
    /// Why it was made, if the action said so.
    #[schema(required = true)]
    reason: Option<String>,
    /// The fields that it changed, as they were, without those that were not there; null when it created the project.
    #[schema(required = true)]
    before: Option<BTreeMap<String, Value>>,
    /// The fields that it changed, as they became, without those that are gone; null when it deleted the project.
    #[schema(required = true)]
    after: Option<BTreeMap<String, Value>>,
    /// Whether it can be undone now: every field still has the value that this change gave it.
    undoable: bool,
}

/// Who made a change.
#[derive(ToSchema)]
#[schema(example = json!({ "kind": "person", "id": "1", "name": "admin" }))]
#[expect(dead_code, reason = "written field by field")]
struct ActorView {
    /// A person, an agent, anybody while there is no agent token, or the server itself.
    kind: String,
    /// Which person.
    #[schema(required = true)]
    id: Option<String>,
    /// The person's name, if they are still there.
    #[schema(required = true)]
    name: Option<String>,
}

/// The action that made a change.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct CauseView {
    /// Identifies the action, and its event.
    id: String,
    /// What was done.
    r#type: String,
    /// Who acted.
    #[schema(required = true)]
    agent_id: Option<String>,
    /// In which run.
    #[schema(required = true)]
    run_id: Option<String>,
}

/// Changes of a project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct ProjectHistoryAnswer {
    /// Always true.
    success: Yes,
    /// The changes, newest first. Fewer than `limit` where they are large.
    data: Vec<ProjectChangeView>,
    /// How many there are in `data`.
    total: u64,
    /// What to send as `before` for the changes before these; null when there are none.
    #[schema(required = true)]
    next_before: Option<i64>,
}

/// Which changes to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListProjectHistoryQuery {
    /// Only changes before this place; without it the newest changes.
    before: Option<QueryPlace>,
    /// At most this many, 1 to 500; 50 when absent.
    limit: Option<QueryNumber>,
}

/// How to undo.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "agentId": "claude-sonnet", "reason": "the wrong project" }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct UndoBody {
    /// Chosen by the client, or `<action>.undo`. An undo with this id is done once.
    id: Option<ChosenEventId>,
    /// Who undoes it.
    agent_id: Option<Reference>,
    /// In which run.
    run_id: Option<Reference>,
    /// Why; kept with the event.
    #[schema(max_length = 10_000)]
    reason: Option<String>,
    /// The `updatedAt` of the project that the client has seen; when it is another one by now, nothing is undone.
    if_updated_at: Option<SeenVersion>,
}

/// A change that is undone, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct UndoneAnswer {
    /// Always true.
    success: Yes,
    /// The undo.
    data: UndoneView,
    /// `action exists` when it had been undone before.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// An undo.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct UndoneView {
    /// Identifies the undo; it is an action and can be undone as one.
    id: String,
    /// The project.
    project_id: String,
    /// Whether the project is another one than before.
    changed: bool,
    /// The project as it is now; null when it is gone.
    #[schema(required = true)]
    project: Option<ProjectView>,
    /// The event that records the undo.
    event: EventView,
}

/// Lists the changes of a project, newest first; also of one that is gone.
#[utoipa::path(
    tag = "projects",
    params(("id" = String, Path, description = "The project", example = "proj-a"), ListProjectHistoryQuery),
    responses((status = 200, description = "The changes", body = ProjectHistoryAnswer)),
    extensions(("x-permission" = json!("projects.read"))),
)]
#[get("/api/projects/{id}/history")]
async fn list_project_history(
    services: Data<Services>,
    caller: Caller,
    id: Id,
    query: Query,
) -> ApiResult {
    let before = query.text("before").map(|raw| place("before", &raw)).transpose()?;
    let limit = usize::try_from(query.clamped("limit", 50, 1, 500)).unwrap_or(1);
    let history = services.history.list(&caller, &id.0, before, limit).await?;
    let changes: Vec<Json> = history.changes.iter().map(view).collect();
    Ok(data(&Json::array(&changes))
        .with("total", &changes.len())
        .with("nextBefore", &history.next_before)
        .ok())
}

/// Takes a change of a project back: gives the fields that it changed the values that they had before it, as an action
/// of its own.
///
/// Nothing is undone if one of the fields was changed since: `changed_since` says which, and by whom.
#[utoipa::path(
    tag = "projects",
    params(
        ("id" = String, Path, description = "The project", example = "proj-a"),
        ("seq" = i64, Path, minimum = 0, description = "The place of the change in the ledger", example = 42),
    ),
    request_body(content = Option<UndoBody>),
    responses(
        (status = 200, description = "Undone, now or before", body = UndoneAnswer),
        (status = 409, description = "It cannot be undone", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[post("/api/projects/{id}/history/{seq}/undo")]
async fn undo_project_change(
    services: Data<Services>,
    caller: Caller,
    change: ChangePath,
    body: OptionalBody,
) -> ApiResult {
    let request = UndoRequest::parse(&body.0)?;
    let seq = place("seq", &change.seq)?;
    let undone = services.history.undo_change(&caller, &change.id, seq, request).await?;
    Ok(answer(&undone).ok())
}

/// Takes back what an action changed, as an action of its own.
///
/// Nothing is undone if one of the fields was changed since: `changed_since` says which, and by whom. An undo can be
/// undone, too.
#[utoipa::path(
    tag = "actions",
    params(("id" = String, Path, description = "The action", example = "act-login-done")),
    request_body(content = Option<UndoBody>),
    responses(
        (status = 200, description = "Undone, now or before", body = UndoneAnswer),
        (status = 409, description = "It cannot be undone", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[post("/api/agent/actions/{id}/undo")]
async fn undo_action(
    services: Data<Services>,
    caller: Caller,
    id: Id,
    body: OptionalBody,
) -> ApiResult {
    let request = UndoRequest::parse(&body.0)?;
    let undone = services.history.undo_action(&caller, &id.0, request).await?;
    Ok(answer(&undone).ok())
}

/// The project and the place of a change.
struct ChangePath {
    id: String,
    seq: String,
}

impl FromRequest for ChangePath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = web::Path::<(String, String)>::from_request(request, payload).into_inner();
        let path = path.map(web::Path::into_inner).map(|(id, seq)| Self { id, seq });
        ready(
            path.map_err(|_| {
                ApiError::new(ErrorCode::InvalidId, "the ids in the path cannot be read")
            }),
        )
    }
}

fn place(field: &'static str, raw: &str) -> Result<i64, ApiError> {
    match raw.trim().parse::<i64>() {
        Ok(seq) if seq >= 0 => Ok(seq),
        _ => {
            let reason = format!("{field} must be the place of a line: an integer from 0 on");
            Err(ApiError::invalid(field, reason))
        }
    }
}

fn answer(undone: &Undone) -> Object {
    let facts = Object::new()
        .with("id", &undone.id)
        .with("projectId", &undone.project_id)
        .with("changed", &undone.is_new)
        .with_json("project", &Json::optional(undone.project.as_ref()))
        .with_json("event", &Json::document(&undone.event));
    let answer = data(&facts.json());
    if undone.is_new { answer } else { answer.with("message", &"action exists") }
}

fn view(change: &ProjectChange) -> Json {
    Object::new()
        .with("seq", &change.line.seq)
        .with("ts", &change.line.ts)
        .with("operation", &change.line.operation)
        .with_json("actor", &actor(&change.line, change.actor_name.as_deref()))
        .with("requestId", &change.line.request_id)
        .with_json("action", &cause(change.event.as_ref()))
        .with("reason", &change.reason)
        .with("before", &change.before)
        .with("after", &change.after)
        .with("undoable", &change.is_undoable)
        .json()
}

fn actor(line: &Line, name: Option<&str>) -> Json {
    let actor = Object::new().with("kind", &line.actor_kind).with("id", &line.actor_id);
    actor.with("name", &name).json()
}

fn cause(event: Option<&Map<String, Value>>) -> Json {
    let Some(event) = event else { return Json::of(&()) };
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    let kind = text("type").and_then(|kind| kind.strip_prefix("action."));
    Object::new()
        .with("id", &text("id"))
        .with("type", &kind)
        .with("agentId", &text("agentId"))
        .with("runId", &text("runId"))
        .json()
}

/// What a refused undo says of the fields that others changed.
pub(crate) fn changed_since(since: &ChangedSince) -> Json {
    let fields: Vec<Json> = since
        .fields
        .iter()
        .map(|field| {
            let mut object = Object::new().with("field", &field.differing.field);
            if let Some(given) = &field.differing.given {
                object = object.with("given", given);
            }
            if let Some(now) = &field.differing.now {
                object = object.with("now", now);
            }
            let (seq, by) = match &field.by {
                Some((line, name)) => (Some(line.seq), actor(line, name.as_deref())),
                None => (None, Json::of(&())),
            };
            object.with("seq", &seq).with_json("by", &by).json()
        })
        .collect();
    Object::new()
        .with_json("changedSince", &Json::array(&fields))
        .with_json("current", &Json::document(&since.current))
        .json()
}
