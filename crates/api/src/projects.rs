//! `/api/projects`.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{delete, get, patch, post, put, web::Data};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::projects::expected_version;
use pilotdeck_services::Services;
use pilotdeck_services::projects::{BatchOp, ProjectFilter, ProjectList};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::extract::{Body, Caller, Id, Query};
use crate::schemas::{
    self, Amount, Budget, ChosenId, FreeText, Ids, Moment, Money, MoneyInput, Name, No, Percent,
    SeenVersion, Text, Texts, Word, Yes,
};

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
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "proj-a", "name": "Atlas API Gateway", "status": "in-progress", "priority": "high", "category": "backend",
    "progress": 37, "description": "", "notes": "", "tags": ["api"], "cost": { "total": 1200.5 },
    "revenue": { "total": 0 }, "budget": 5000.0, "actualCost": 1200.5, "createdAt": "2026-02-11T15:00:00.000000Z",
    "updatedAt": "2026-02-12T09:30:00.123456Z"
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
pub(crate) struct ProjectView {
    /// Identifies the project.
    id: String,
    /// What people call it; not unique.
    name: String,
    /// planning, in-progress, paused, completed, cancelled, or a word of the client's.
    status: String,
    /// low, medium, high, urgent, or a word of the client's.
    priority: String,
    /// A free grouping.
    #[schema(required = true)]
    category: Option<String>,
    /// Percent done, 0 to 100.
    progress: i64,
    /// What it is about. Projects of an older database may lack this and the next four.
    description: Option<FreeText>,
    /// Notes, a line each.
    notes: Option<FreeText>,
    /// Its tags.
    tags: Option<Texts>,
    /// What it costs.
    cost: Option<Money>,
    /// What it earns.
    revenue: Option<Money>,
    /// What may be spent.
    budget: f64,
    /// What was spent, as first reported; later changes of `cost` do not move it.
    actual_cost: f64,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// The version of the project: the exact text to send back in `ifUpdatedAt`.
    #[schema(format = DateTime)]
    updated_at: String,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields of a new project. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "proj-a", "name": "Atlas API Gateway", "status": "in-progress", "priority": "high", "tags": ["api"],
    "budget": 5000
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct CreateProjectBody {
    /// Chosen by the client, or minted.
    id: Option<ChosenId>,
    /// What people call it.
    name: Name,
    /// planning, in-progress, paused, completed, cancelled, or a word of the client's; `planning` when absent.
    status: Option<Word>,
    /// low, medium, high, urgent, or a word of the client's; `medium` when absent.
    priority: Option<Word>,
    /// A free grouping.
    category: Option<Text>,
    /// Percent done.
    progress: Option<Percent>,
    /// What it is about.
    description: Option<FreeText>,
    /// Notes, a line each.
    notes: Option<FreeText>,
    /// Its tags.
    tags: Option<Texts>,
    /// What it costs.
    cost: Option<MoneyInput>,
    /// What it earns.
    revenue: Option<MoneyInput>,
    /// What may be spent.
    budget: Option<Budget>,
    /// What was spent; the total of `cost` when absent.
    actual_cost: Option<Amount>,
    /// When it was created; now when absent.
    created_at: Option<Moment>,
    /// When it was last changed; now when absent.
    updated_at: Option<Moment>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields to change; what is absent stays, what is null is emptied. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "progress": 40, "ifUpdatedAt": "2026-02-12T09:30:00.123456Z" }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ChangeProjectBody {
    /// The `updatedAt` that the client has seen; when it is another one by now, nothing is changed.
    if_updated_at: Option<SeenVersion>,
    /// What people call it.
    #[schema(nullable = false)]
    name: Option<Name>,
    /// planning, in-progress, paused, completed, cancelled, or a word of the client's.
    status: Option<Word>,
    /// low, medium, high, urgent, or a word of the client's.
    priority: Option<Word>,
    /// A free grouping.
    category: Option<Text>,
    /// Percent done.
    progress: Option<Percent>,
    /// What it is about.
    description: Option<FreeText>,
    /// Notes, a line each.
    notes: Option<FreeText>,
    /// Its tags.
    tags: Option<Texts>,
    /// What it costs.
    cost: Option<MoneyInput>,
    /// What it earns.
    revenue: Option<MoneyInput>,
    /// What may be spent.
    budget: Option<Budget>,
    /// What was spent.
    actual_cost: Option<Amount>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The order to bring projects into.
#[derive(ToSchema)]
#[schema(example = json!({ "ids": ["proj-b", "proj-a"] }))]
#[expect(dead_code, reason = "read by hand, for items of other types are passed over")]
struct ReorderProjectsBody {
    /// The projects that come first, in this order; all others follow in theirs. What is no id of a project is passed
    /// over.
    ids: Ids,
}

/// Patches of several projects.
#[derive(ToSchema)]
#[schema(example = json!({ "ops": [{ "opId": "1", "id": "proj-a", "patch": { "progress": 40 } }] }))]
#[expect(dead_code, reason = "read by hand, for each operation fails on its own")]
struct BatchProjectsBody {
    /// The patches, at most 10,000; made in order.
    ops: BatchOps,
}

/// Patches. Each is judged on its own.
enum BatchOps {}

impl PartialSchema for BatchOps {
    fn schema() -> RefOr<Schema> {
        schemas::list_of::<BatchOpBody>(0)
    }
}

impl ToSchema for BatchOps {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas::register::<BatchOpBody>(schemas);
    }
}

/// A patch of one project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "read by hand")]
struct BatchOpBody {
    /// The client's name for the operation, which its outcome carries.
    op_id: Option<Value>,
    /// The project.
    id: String,
    /// The fields to change.
    patch: ChangeProjectBody,
    /// The `updatedAt` that the client has seen; when it is another one by now, nothing is changed.
    if_updated_at: Option<SeenVersion>,
}

/// One project.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProjectAnswer {
    /// Always true.
    success: Yes,
    /// The project.
    data: ProjectView,
}

/// A project as it is now.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProjectChangedAnswer {
    /// Always true.
    success: Yes,
    /// The project.
    data: ProjectView,
    /// What was done, for a person.
    message: String,
}

/// Several projects.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProjectsAnswer {
    /// Always true.
    success: Yes,
    /// The projects, in the order people gave them.
    data: Vec<ProjectView>,
    /// How many there are in `data`.
    total: u64,
    /// When any project, or their order, was last changed; null when there never was one.
    #[schema(required = true, format = DateTime)]
    last_updated: Option<String>,
}

/// What was done, without data.
#[derive(ToSchema)]
#[schema(example = json!({ "success": true, "message": "project deleted: proj-a" }))]
#[expect(dead_code, reason = "written field by field")]
pub(crate) struct MessageAnswer {
    /// Always true.
    success: Yes,
    /// What was done, for a person.
    message: String,
}

/// The outcome of each operation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct BatchAnswer {
    /// Always true: each operation has its own outcome.
    success: Yes,
    /// The outcomes.
    data: BatchView,
}

/// The outcome of each operation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct BatchView {
    /// The outcomes, in the order of the operations.
    results: Vec<BatchResultView>,
    /// Whether any operation succeeded.
    changed: bool,
    /// When any project was last changed; null when there never was one.
    #[schema(required = true, format = DateTime)]
    last_updated: Option<String>,
}

/// The outcome of one operation.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "written around the stored document")]
enum BatchResultView {
    Done(BatchDoneView),
    Failed(BatchFailedView),
}

/// An operation that was done.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored document")]
struct BatchDoneView {
    /// The client's name for the operation.
    #[schema(required = true)]
    op_id: Option<Value>,
    /// The project.
    id: String,
    /// Always true.
    success: Yes,
    /// Always 200.
    status: u16,
    /// The project as it is now.
    data: ProjectView,
}

/// An operation that was not done.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "opId": "1", "id": "proj-a", "success": false, "status": 409, "error": "Conflict: updatedAt mismatch",
    "data": {
        "expectedUpdatedAt": "2026-02-11T15:00:00.000000Z", "actualUpdatedAt": "2026-02-12T09:30:00.123456Z"
    }
}))]
#[expect(dead_code, reason = "written field by field")]
struct BatchFailedView {
    /// The client's name for the operation.
    #[schema(required = true)]
    op_id: Option<Value>,
    /// The project, if the operation named one.
    #[schema(required = true)]
    id: Option<String>,
    /// Always false.
    success: No,
    /// The status that the operation would have had as a request of its own: 400, 404 or 409.
    status: u16,
    /// What is wrong, for a person.
    error: String,
    /// The facts of a conflict.
    #[schema(nullable = false)]
    data: Option<ConflictView>,
}

/// The versions that a conflict is between.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
pub(crate) struct ConflictView {
    /// The version that the client has seen.
    expected_updated_at: String,
    /// The version as it is.
    actual_updated_at: String,
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
        (status = 201, description = "Created", body = ProjectChangedAnswer),
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
    params(("id" = String, Path, description = "The project", example = "proj-a")),
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
    params(("id" = String, Path, description = "The project", example = "proj-a")),
    request_body = ChangeProjectBody,
    responses(
        (status = 200, description = "Changed", body = ProjectChangedAnswer),
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
    params(("id" = String, Path, description = "The project", example = "proj-a")),
    request_body = ChangeProjectBody,
    responses(
        (status = 200, description = "Changed", body = ProjectChangedAnswer),
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
    params(("id" = String, Path, description = "The project", example = "proj-a")),
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
