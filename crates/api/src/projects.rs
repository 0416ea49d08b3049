//! `/api/projects`.

use actix_web::http::StatusCode;
use actix_web::{delete, get, patch, post, put, web::Data};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::projects::expected_version;
use pilotdeck_services::Services;
use pilotdeck_services::projects::{BatchOp, ProjectFilter, ProjectList};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::extract::{Body, Caller, Id, Query};
use crate::schemas;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_projects)
        .service(create_project)
        .service(reorder_projects)
        .service(batch_projects)
        .service(get_project)
        .service(change_project)
        .service(replace_project)
        .service(delete_project);
}

/// A project. Fields that PilotDeck does not know are kept and served as they were sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "proj-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "name": "Atlas API Gateway", "status": "in-progress",
    "priority": "high", "category": "backend", "progress": 37, "description": "", "notes": "", "tags": ["api"],
    "cost": { "total": 1200.5 }, "revenue": { "total": 0 }, "budget": 5000.0, "actualCost": 1200.5,
    "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-12T09:30:00.123456Z"
}))]
pub(crate) struct ProjectView {
    /// Identifies the project.
    id: String,
    /// What people call it.
    name: String,
    /// planning, in-progress, paused, completed, cancelled, or a word of the client's.
    status: String,
    /// low, medium, high, urgent, or a word of the client's.
    priority: String,
    /// A free grouping.
    category: Option<String>,
    /// Percent done, 0 to 100.
    progress: i64,
    /// What may be spent.
    budget: f64,
    /// What was spent, as first reported; later changes of `cost` do not move it.
    actual_cost: f64,
    /// When it was created.
    created_at: String,
    /// The version of the project: the exact text to send back in `ifUpdatedAt`.
    updated_at: String,
}

/// The fields of a new project. Further fields are kept.
#[derive(ToSchema)]
#[schema(example = json!({ "name": "Atlas API Gateway", "status": "in-progress", "priority": "high", "tags": ["api"] }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct CreateProjectBody {
    /// Chosen by the client, or minted.
    #[schema(schema_with = schemas::id)]
    id: Option<Value>,
    /// What people call it.
    #[schema(schema_with = schemas::name)]
    name: Value,
    /// Any text; `planning` when absent.
    #[schema(schema_with = schemas::anything)]
    status: Option<Value>,
    /// Any text; `medium` when absent.
    #[schema(schema_with = schemas::anything)]
    priority: Option<Value>,
    /// A free grouping.
    #[schema(schema_with = schemas::text)]
    category: Option<Value>,
    /// Percent done: a number or a numeric text, brought into 0 to 100.
    #[schema(schema_with = schemas::anything)]
    progress: Option<Value>,
    /// A list of texts, or one.
    #[schema(schema_with = schemas::anything)]
    tags: Option<Value>,
    /// An object with a `total`, or a number.
    #[schema(schema_with = schemas::anything)]
    cost: Option<Value>,
    /// An object with a `total`, or a number.
    #[schema(schema_with = schemas::anything)]
    revenue: Option<Value>,
    /// A number, a numeric text, or an object with `planned`, `total` or `amount`.
    #[schema(schema_with = schemas::anything)]
    budget: Option<Value>,
    /// When it was created; now when absent.
    #[schema(schema_with = schemas::time)]
    #[schema(rename = "createdAt")]
    created_at: Option<Value>,
    /// When it was last changed; now when absent.
    #[schema(schema_with = schemas::time)]
    #[schema(rename = "updatedAt")]
    updated_at: Option<Value>,
}

/// The fields to change; what is absent stays. Further fields are kept.
#[derive(ToSchema)]
#[schema(example = json!({ "progress": 40, "ifUpdatedAt": "2026-02-12T09:30:00.123456Z" }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ChangeProjectBody {
    /// The `updatedAt` that the client has seen; when it is another one by now, nothing is changed.
    #[schema(schema_with = schemas::anything)]
    #[schema(rename = "ifUpdatedAt")]
    if_updated_at: Option<Value>,
    /// What people call it.
    #[schema(schema_with = schemas::name)]
    name: Option<Value>,
    /// Any text.
    #[schema(schema_with = schemas::anything)]
    status: Option<Value>,
    /// Any text.
    #[schema(schema_with = schemas::anything)]
    priority: Option<Value>,
    /// A free grouping.
    #[schema(schema_with = schemas::text)]
    category: Option<Value>,
    /// Percent done.
    #[schema(schema_with = schemas::anything)]
    progress: Option<Value>,
    /// A list of texts, or one.
    #[schema(schema_with = schemas::anything)]
    tags: Option<Value>,
}

/// The order to bring projects into.
#[derive(ToSchema)]
#[schema(example = json!({ "ids": ["proj-b", "proj-a"] }))]
#[expect(dead_code, reason = "read by hand, for items of other types are passed over")]
struct ReorderProjectsBody {
    /// The projects that come first, in this order; all others follow in theirs. Unknown ids are passed over.
    #[schema(schema_with = schemas::list)]
    ids: Vec<Value>,
}

/// Patches of several projects.
#[derive(ToSchema)]
#[schema(example = json!({ "ops": [{ "opId": "1", "id": "proj-a", "patch": { "progress": 40 } }] }))]
#[expect(dead_code, reason = "read by hand, for each operation fails on its own")]
struct BatchProjectsBody {
    /// `{opId?, id, patch, ifUpdatedAt?}` each, at most 10,000; done in order.
    #[schema(schema_with = schemas::list)]
    ops: Vec<Value>,
}

/// One project.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProjectAnswer {
    /// Always true.
    success: bool,
    /// The project.
    data: ProjectView,
    /// What was done, for a person.
    message: Option<String>,
}

/// Several projects.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProjectsAnswer {
    /// Always true.
    success: bool,
    /// The projects, in the order people gave them.
    data: Vec<ProjectView>,
    /// How many there are in `data`.
    total: usize,
    /// When any project, or their order, was last changed.
    last_updated: Option<String>,
}

/// What was done, without data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
pub(crate) struct MessageAnswer {
    /// Always true.
    success: bool,
    /// What was done, for a person.
    message: Option<String>,
}

/// The outcome of each operation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct BatchAnswer {
    /// Always true.
    success: bool,
    /// The outcomes.
    data: BatchView,
}

/// The outcome of each operation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct BatchView {
    /// `{opId, id, success, status, data | error}` each, in order.
    results: Vec<BatchResultView>,
    /// Whether any operation succeeded.
    changed: bool,
    /// When any project was last changed.
    last_updated: Option<String>,
}

/// The outcome of one operation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored document")]
struct BatchResultView {
    /// The client's name for the operation.
    #[schema(schema_with = schemas::anything)]
    op_id: Option<Value>,
    /// The project.
    id: Option<String>,
    /// Whether it was done.
    success: bool,
    /// The status that the operation would have had as a request of its own.
    status: u16,
    /// The project as it is now, or the facts of a conflict.
    #[schema(value_type = Object)]
    data: Option<Value>,
    /// What is wrong.
    error: Option<String>,
}

/// Which projects to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListProjectsQuery {
    /// Only projects with exactly this status.
    status: Option<String>,
    /// Only projects with exactly this priority.
    priority: Option<String>,
    /// Only projects with exactly this category.
    category: Option<String>,
}

/// Lists projects in the order people gave them.
#[utoipa::path(
    tag = "projects",
    params(ListProjectsQuery),
    responses((status = 200, description = "The projects", body = ProjectsAnswer)),
    extensions(("x-permission" = json!("projects.read"))),
)]
#[get("/api/projects")]
async fn list_projects(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let filter = ProjectFilter {
        status: query.text("status"),
        priority: query.text("priority"),
        category: query.text("category"),
    };
    Ok(listed(&services.projects.list(&caller, &filter).await?).ok())
}

/// Creates a project behind all others.
#[utoipa::path(
    tag = "projects",
    request_body = CreateProjectBody,
    responses(
        (status = 201, description = "Created", body = ProjectAnswer),
        (status = 409, description = "The id is in use", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[post("/api/projects")]
async fn create_project(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let project = services.projects.create(&caller, body.0).await?;
    Ok(data(&Json::document(&project))
        .with("message", &"project created")
        .respond(StatusCode::CREATED))
}

/// Reads a project.
#[utoipa::path(
    tag = "projects",
    params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The project", body = ProjectAnswer)),
    extensions(("x-permission" = json!("projects.read"))),
)]
#[get("/api/projects/{id}")]
async fn get_project(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let project = services.projects.get(&caller, &id.0).await?;
    Ok(data(&Json::document(&project)).ok())
}

/// Changes the fields of a project that the body names.
#[utoipa::path(
    tag = "projects",
    params(("id" = String, Path, description = "The project")),
    request_body = ChangeProjectBody,
    responses(
        (status = 200, description = "Changed", body = ProjectAnswer),
        (status = 409, description = "The project changed since the client saw it", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[patch("/api/projects/{id}")]
async fn change_project(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    changed(&services, &caller, &id, body).await
}

/// Changes the fields of a project that the body names, as PATCH does: what is absent stays.
#[utoipa::path(
    tag = "projects",
    params(("id" = String, Path, description = "The project")),
    request_body = ChangeProjectBody,
    responses(
        (status = 200, description = "Changed", body = ProjectAnswer),
        (status = 409, description = "The project changed since the client saw it", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[put("/api/projects/{id}")]
async fn replace_project(
    services: Data<Services>,
    caller: Caller,
    id: Id,
    body: Body,
) -> ApiResult {
    changed(&services, &caller, &id, body).await
}

async fn changed(services: &Services, caller: &Caller, id: &Id, body: Body) -> ApiResult {
    let project = services.projects.change(caller, &id.0, body.0).await?;
    Ok(data(&Json::document(&project)).with("message", &"project updated").ok())
}

/// Deletes a project. Its runs stay without a project; its events and usage stay as they are.
#[utoipa::path(
    tag = "projects",
    params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "Deleted", body = MessageAnswer)),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[delete("/api/projects/{id}")]
async fn delete_project(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.projects.delete(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("project deleted: {}", id.0)).ok())
}

/// Brings projects into an order.
#[utoipa::path(
    tag = "projects",
    request_body = ReorderProjectsBody,
    responses((status = 200, description = "All projects, in their new order", body = ProjectsAnswer)),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[post("/api/projects/reorder")]
async fn reorder_projects(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let Some(Value::Array(ids)) = body.0.get("ids") else {
        return Err(ApiError::invalid("ids", "ids must be an array"));
    };
    let ids = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(listed(&services.projects.reorder(&caller, ids).await?).ok())
}

/// Patches several projects, one after the other; each operation succeeds or fails for itself.
#[utoipa::path(
    tag = "projects",
    request_body = BatchProjectsBody,
    responses((status = 200, description = "The outcome of each operation", body = BatchAnswer)),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[post("/api/projects/batch")]
async fn batch_projects(services: Data<Services>, caller: Caller, mut body: Body) -> ApiResult {
    let Some(Value::Array(ops)) = body.0.remove("ops") else {
        return Err(ApiError::invalid("ops", "ops must be an array"));
    };
    let labels: Vec<(Value, Option<String>)> = ops.iter().map(label).collect();
    let ops = ops.into_iter().map(operation).collect();
    let outcome = services.projects.batch(&caller, ops).await?;
    let results: Vec<Json> = labels
        .into_iter()
        .zip(&outcome.results)
        .map(|((op_id, id), result)| {
            let object =
                Object::new().with("opId", &op_id).with("id", &id).with("success", &result.is_ok());
            match result {
                Ok(project) => {
                    object.with("status", &200).with_json("data", &Json::document(project)).json()
                }
                Err(error) => failed(object, error).json(),
            }
        })
        .collect();
    let outcome = Object::new()
        .with_json("results", &Json::array(&results))
        .with("changed", &outcome.changed())
        .with("lastUpdated", &outcome.last_updated);
    Ok(data(&outcome.json()).ok())
}

fn listed(list: &ProjectList) -> Object {
    data(&Json::list(&list.projects))
        .with("total", &list.projects.len())
        .with("lastUpdated", &list.last_updated)
}

fn label(op: &Value) -> (Value, Option<String>) {
    let id = op.get("id").and_then(Value::as_str).map(str::to_owned);
    (op.get("opId").cloned().unwrap_or_default(), id)
}

fn operation(op: Value) -> Result<BatchOp, InvalidInput> {
    let Value::Object(mut fields) = op else {
        return Err(InvalidInput::new("ops", "an operation must be an object"));
    };
    let id = match fields.remove("id") {
        Some(Value::String(id)) if !id.trim().is_empty() => id,
        _ => return Err(InvalidInput::new("id", "id must be a non-empty string")),
    };
    let expected_version = expected_version(&fields);
    let patch: Map<String, Value> = match fields.remove("patch") {
        Some(Value::Object(patch)) => patch,
        _ => return Err(InvalidInput::new("patch", "patch must be an object")),
    };
    Ok(BatchOp { id, patch, expected_version })
}

/// The outcome of an item that failed.
fn failed(object: Object, error: &pilotdeck_services::Error) -> Object {
    if let pilotdeck_services::Error::Stale(stale) = error {
        return object
            .with("status", &ErrorCode::VersionMismatch.status().as_u16())
            .with("error", &error.to_string())
            .with_json("data", &conflict(stale));
    }
    object.with("status", &item_status(error)).with("error", &error.to_string())
}

/// The facts of a conflict, as items of batches and actions carry them.
pub(crate) fn conflict(stale: &pilotdeck_services::Stale) -> Json {
    Json::of(&json!({ "expectedUpdatedAt": stale.expected, "actualUpdatedAt": stale.actual }))
}

fn item_status(error: &pilotdeck_services::Error) -> u16 {
    match error {
        pilotdeck_services::Error::NotFound { .. } => ErrorCode::NotFound.status().as_u16(),
        _ => ErrorCode::InvalidField.status().as_u16(),
    }
}
