//! `/api/agent/runs`.

use actix_web::{get, patch, post, web::Data};
use pilotdeck_services::Services;
use pilotdeck_services::runs::RunFilter;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, data};
use crate::error::ApiResult;
use crate::extract::{Body, Caller, Id, Query};
use crate::schemas;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_runs).service(start_run).service(get_run).service(change_run);
}

/// A stretch of work by one agent. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "run-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "projectId": "proj-a", "agentId": "claude-sonnet",
    "title": "Add the login page", "summary": null, "status": "running", "links": [], "tags": ["ui"], "metrics": {},
    "meta": {}, "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z",
    "startedAt": "2026-02-11T15:00:00.000000Z", "finishedAt": null
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct RunView {
    /// Identifies the run.
    id: String,
    /// The project, which may be unknown to PilotDeck.
    project_id: Option<String>,
    /// The agent.
    agent_id: Option<String>,
    /// running, success, completed, failed, cancelled, or a word of the client's.
    status: Option<String>,
    /// When it was recorded.
    created_at: Option<String>,
    /// When it was last changed.
    updated_at: Option<String>,
    /// When the work began.
    started_at: Option<String>,
    /// When the work ended.
    finished_at: Option<String>,
}

/// The fields of a run. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "run-2026-02-11-login", "projectId": "proj-a", "agentId": "claude-sonnet", "title": "Add the login page"
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct RunBody {
    /// Chosen by the client, or minted.
    #[schema(schema_with = schemas::anything)]
    id: Option<Value>,
    /// The project; one that PilotDeck does not know is kept, too.
    #[schema(schema_with = schemas::reference)]
    project_id: Option<Value>,
    /// The agent.
    #[schema(schema_with = schemas::reference)]
    agent_id: Option<Value>,
    /// The client's own session: without an `id`, it and `source` are what the run is found by.
    #[schema(schema_with = schemas::reference)]
    session_id: Option<Value>,
    /// What kind of client it is.
    #[schema(schema_with = schemas::reference)]
    source: Option<Value>,
    /// A line about the work.
    #[schema(schema_with = schemas::text)]
    title: Option<Value>,
    /// What came of it.
    #[schema(schema_with = schemas::text)]
    summary: Option<Value>,
    /// Any text; `running` when absent.
    #[schema(schema_with = schemas::anything)]
    status: Option<Value>,
    /// When the work began; now when absent.
    #[schema(schema_with = schemas::time)]
    started_at: Option<Value>,
    /// When the work ended.
    #[schema(schema_with = schemas::time)]
    finished_at: Option<Value>,
    /// `{inputTokens, outputTokens, totalTokens, cost, model}`: counted once as the run's usage.
    #[schema(schema_with = schemas::anything)]
    usage: Option<Value>,
}

/// One run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct RunAnswer {
    /// Always true.
    success: bool,
    /// The run.
    data: RunView,
    /// `run exists` when this request did not make it.
    message: Option<String>,
    /// Identifies the run; on starting one.
    id: Option<String>,
    /// Whether this request made it; on starting one.
    created: Option<bool>,
}

/// One page of runs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct RunsAnswer {
    /// Always true.
    success: bool,
    /// The runs, newest first.
    data: Vec<RunView>,
    /// How many match in all.
    total: i64,
    /// The page's size that was used.
    limit: i64,
    /// The place that was used.
    offset: i64,
}

/// Which runs to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListRunsQuery {
    /// Only runs of this project.
    project_id: Option<String>,
    /// Only runs of this agent.
    agent_id: Option<String>,
    /// Only runs in exactly this status.
    status: Option<String>,
    /// The page's size, 1 to 500; 50 when absent.
    #[param(schema_with = schemas::query_number)]
    limit: Option<i64>,
    /// How many to skip.
    #[param(schema_with = schemas::query_number)]
    offset: Option<i64>,
}

/// Lists runs, newest first.
#[utoipa::path(
    tag = "runs",
    params(ListRunsQuery),
    responses((status = 200, description = "One page of runs", body = RunsAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/runs")]
async fn list_runs(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let filter = RunFilter {
        project_id: query.text("projectId"),
        agent_id: query.text("agentId"),
        status: query.text("status"),
        limit: query.clamped("limit", 50, 1, 500),
        offset: query.clamped("offset", 0, 0, i64::MAX),
    };
    let page = services.runs.list(&caller, &filter).await?;
    Ok(data(&Json::list(&page.runs))
        .with("total", &page.total)
        .with("limit", &filter.limit)
        .with("offset", &filter.offset)
        .ok())
}

/// Starts a run, unless one with its id, or without an id one of its session, exists.
#[utoipa::path(
    tag = "runs",
    request_body = RunBody,
    responses(
        (status = 201, description = "Started", body = RunAnswer),
        (status = 200, description = "It exists already, and is as it was", body = RunAnswer),
    ),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[post("/api/agent/runs")]
async fn start_run(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let started = services.runs.start(&caller, body.0).await?;
    let answer = data(&Json::document(&started.run))
        .with("id", &started.id)
        .with("created", &started.created);
    // Clients of the older server read a `message` here, null on a new run.
    let answer = if started.created { answer.with("message", &None::<&str>) } else { answer };
    Ok(answer.created(started.created, "run exists"))
}

/// Reads a run, by its id or by its client's session.
#[utoipa::path(
    tag = "runs",
    params(("id" = String, Path, description = "The run, or its client's session")),
    responses((status = 200, description = "The run", body = RunAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/runs/{id}")]
async fn get_run(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let run = services.runs.get(&caller, &id.0).await?;
    Ok(data(&Json::document(&run)).ok())
}

/// Changes the fields of a run that the body names; the run is found by its id or by its client's session.
#[utoipa::path(
    tag = "runs",
    params(("id" = String, Path, description = "The run, or its client's session")),
    request_body = RunBody,
    responses((status = 200, description = "Changed", body = RunAnswer)),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[patch("/api/agent/runs/{id}")]
async fn change_run(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    let run = services.runs.change(&caller, &id.0, body.0).await?;
    Ok(data(&Json::document(&run)).ok())
}
