//! `/api/projects`.

pub(crate) mod batch;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{delete, get, patch, post, put, web::Data};
use pilotdeck_services::Services;
use pilotdeck_services::history::At;
use pilotdeck_services::projects::{ProjectFilter, ProjectList};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller, Id, Query};
use crate::schemas::{
    Amount, Budget, ChosenId, FreeText, Ids, Moment, Money, MoneyInput, Name, Percent, QueryAt,
    SeenVersion, Text, Texts, Word, Yes,
};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_projects)
        .service(create_project)
        .service(reorder_projects)
        .service(batch::batch_projects)
        .service(get_project)
        .service(change_project)
        .service(put_project)
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

/// One project.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProjectAnswer {
    /// Always true.
    success: Yes,
    /// The project.
    data: ProjectView,
    /// What made it so; only with `at`.
    #[schema(nullable = false)]
    at: Option<PlaceView>,
}

/// A line of the ledger.
#[derive(ToSchema)]
#[schema(example = json!({ "seq": 42, "ts": "2026-02-11T15:00:00.000000Z" }))]
#[expect(dead_code, reason = "written field by field")]
struct PlaceView {
    /// Its place.
    seq: i64,
    /// When it was written.
    #[schema(format = DateTime)]
    ts: String,
}

/// When to look at a project.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct GetProjectQuery {
    /// The project as it was then: after this line of the ledger, or at this time. Now when absent.
    at: Option<QueryAt>,
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
        ..ProjectFilter::default()
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
    extensions(("x-permission" = json!("projects.create"))),
)]
#[post("/api/projects")]
async fn create_project(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let project = services.projects.create(&caller, body.0).await?;
    Ok(data(&Json::document(&project))
        .with("message", &"project created")
        .respond(StatusCode::CREATED))
}

/// Reads a project, as it is or as it was. A project that is gone can be read as it was while it was there.
#[utoipa::path(
    tag = "projects",
    params(("id" = String, Path, description = "The project", example = "proj-a"), GetProjectQuery),
    responses(
        (status = 200, description = "The project", body = ProjectAnswer),
        (status = 404, description = "There is, or was then, no such project; or what was then is not recorded", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("projects.read"))),
)]
#[get("/api/projects/{id}")]
async fn get_project(services: Data<Services>, caller: Caller, id: Id, query: Query) -> ApiResult {
    let Some(at) = query.text("at") else {
        let project = services.projects.get(&caller, &id.0).await?;
        return Ok(data(&Json::document(&project)).ok());
    };
    let then = services.history.at(&caller, &id.0, &At::parse(&at)?).await?;
    let place = Object::new().with("seq", &then.seq).with("ts", &then.ts);
    Ok(data(&Json::document(&then.project)).with_json("at", &place.json()).ok())
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
async fn put_project(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
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
    extensions(("x-permission" = json!("projects.delete"))),
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

fn listed(list: &ProjectList) -> Object {
    data(&Json::documents(&list.projects))
        .with("total", &list.projects.len())
        .with("lastUpdated", &list.last_updated)
}
