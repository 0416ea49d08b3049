//! `/api/agent/runs`.

use std::collections::BTreeMap;

use actix_web::{get, patch, post, web::Data};
use pilotdeck_services::Services;
use pilotdeck_services::runs::RunFilter;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, data};
use crate::error::ApiResult;
use crate::extract::{Body, Caller, Id, Query};
use crate::paging;
use crate::schemas::{
    self, ChosenId, Fields, FreeText, Items, ItemsOnly, Links, Moment, QueryNumber, Reference,
    StrictMoment, Text, Word, Yes,
};

/// What the cursors of this list are marked with.
const LIST: &str = "runs";

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_runs).service(start_run).service(get_run).service(change_run);
}

/// A stretch of work by one agent. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "run-2026-02-11-login", "projectId": "proj-a", "agentId": "claude-sonnet", "status": "running",
    "title": "Add the login page", "summary": null, "links": [], "tags": ["ui"], "metrics": {}, "meta": {},
    "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z",
    "startedAt": "2026-02-11T15:00:00.000000Z", "finishedAt": null
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct RunView {
    /// Identifies the run.
    id: String,
    /// The project, which may be unknown to PilotDeck.
    #[schema(required = true)]
    project_id: Option<String>,
    /// The agent.
    #[schema(required = true)]
    agent_id: Option<String>,
    /// running, success, completed, failed, cancelled, or a word of the client's; null on some runs of older databases,
    /// as are the times.
    #[schema(required = true)]
    status: Option<String>,
    /// A line about the work. Runs of an older database may lack this and the next five.
    title: Option<String>,
    /// What came of it.
    summary: Option<FreeText>,
    /// Where to look.
    links: Option<Links>,
    /// Its tags.
    tags: Option<ItemsOnly>,
    /// Numbers about the work.
    metrics: Option<Fields>,
    /// Anything else.
    meta: Option<Fields>,
    /// When it was recorded.
    #[schema(required = true, format = DateTime)]
    created_at: Option<String>,
    /// When it was last changed.
    #[schema(required = true, format = DateTime)]
    updated_at: Option<String>,
    /// When the work began.
    #[schema(required = true, format = DateTime)]
    started_at: Option<String>,
    /// When the work ended.
    #[schema(required = true, format = DateTime)]
    finished_at: Option<String>,
    /// The client's own session, if it named one.
    session_id: Option<Text>,
    /// What kind of client it is, if it said so.
    source: Option<Text>,
    /// What the run used, if it said so.
    usage: Option<RunUsage>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields of a new run. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "run-2026-02-11-login", "projectId": "proj-a", "agentId": "claude-sonnet", "title": "Add the login page"
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct StartRunBody {
    /// Chosen by the client, or minted. A run with this id is started once.
    id: Option<ChosenId>,
    /// The project; one that PilotDeck does not know is kept, too.
    project_id: Option<Reference>,
    /// The agent.
    agent_id: Option<Reference>,
    /// The client's own session: without an `id`, a run of the same session and `source` is started once.
    session_id: Option<Reference>,
    /// What kind of client it is, such as `opencode`.
    source: Option<Reference>,
    /// A line about the work.
    title: Option<Text>,
    /// What came of it.
    summary: Option<FreeText>,
    /// running, success, completed, failed, cancelled, or a word of the client's; `running` when
    /// absent.
    status: Option<Word>,
    /// When the work began; now when absent.
    started_at: Option<Moment>,
    /// When the work ended.
    finished_at: Option<StrictMoment>,
    /// Where to look.
    links: Option<Links>,
    /// Its tags.
    tags: Option<Items>,
    /// Numbers about the work.
    metrics: Option<Fields>,
    /// Anything else.
    meta: Option<Fields>,
    /// What the run used: counted once, as one usage record.
    usage: Option<RunUsage>,
    /// When it was recorded; now when absent.
    created_at: Option<Moment>,
    /// When it was last changed; now when absent.
    updated_at: Option<Moment>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields to change; what is absent stays, what is null is emptied. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "status": "success", "finishedAt": "2026-02-11T16:20:00Z", "summary": "The login page is there"
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ChangeRunBody {
    /// The project; one that PilotDeck does not know is kept, too.
    project_id: Option<Reference>,
    /// The agent.
    agent_id: Option<Reference>,
    /// The client's own session.
    session_id: Option<Reference>,
    /// What kind of client it is, such as `opencode`.
    source: Option<Reference>,
    /// A line about the work.
    title: Option<Text>,
    /// What came of it.
    summary: Option<FreeText>,
    /// running, success, completed, failed, cancelled, or a word of the client's.
    status: Option<Word>,
    /// When the work began.
    started_at: Option<Moment>,
    /// When the work ended.
    finished_at: Option<StrictMoment>,
    /// Where to look.
    links: Option<Links>,
    /// Its tags.
    tags: Option<ItemsOnly>,
    /// Numbers about the work.
    metrics: Option<Fields>,
    /// Anything else.
    meta: Option<Fields>,
    /// What the run used: counted once, as one usage record.
    usage: Option<RunUsage>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// What a run used.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "inputTokens": 1200, "outputTokens": 340, "totalTokens": 1540, "cost": 0.0123, "model": "claude-sonnet"
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct RunUsageFields {
    /// Tokens that went in.
    input_tokens: Option<u64>,
    /// Tokens that came out.
    output_tokens: Option<u64>,
    /// Tokens in all; never derived from the other two.
    total_tokens: Option<u64>,
    /// What they cost.
    cost: Option<f64>,
    /// The model.
    model: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// What a run used. Anything is kept; what is no count is 0.
enum RunUsage {}

impl PartialSchema for RunUsage {
    fn schema() -> RefOr<Schema> {
        schemas::lenient::<RunUsageFields>(schemas::anything())
    }
}

impl ToSchema for RunUsage {}

/// One run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct RunAnswer {
    /// Always true.
    success: Yes,
    /// The run.
    data: RunView,
}

/// One run, as it stands.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored document")]
struct FoundRunAnswer {
    /// Always true.
    success: Yes,
    /// The run.
    data: RunView,
    /// When it last gave a sign of life: the latest of its `updatedAt`, its newest event, and its newest usage record (one
    /// that names the run, or its client's session in place of it). Null on a run of an older database without any.
    #[schema(required = true, format = DateTime)]
    last_sign_at: Option<String>,
}

/// A run that is there, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct RunStartedAnswer {
    /// Always true.
    success: Yes,
    /// The run.
    data: RunView,
    /// Identifies the run.
    id: String,
    /// Whether this request started it.
    created: bool,
    /// `run exists` when this request did not start it, else null.
    #[schema(required = true)]
    message: Option<String>,
}

/// One page of runs.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct RunsAnswer {
    /// Always true.
    success: Yes,
    /// The runs, newest first.
    data: Vec<RunView>,
    /// How many match in all.
    total: u64,
    /// The page's size that was used.
    limit: u64,
    /// The place that was used.
    offset: u64,
    /// What to send as `cursor` to read on with the older ones; null at the end.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// When the runs of this page that are not over last gave a sign of life, by their ids; see `lastSignAt` of a run. Over
    /// are those whose status is success, completed, done, failed, error, cancelled, or a word like these.
    #[schema(example = json!({ "run-2026-02-11-login": "2026-02-11T15:20:00.000000Z" }))]
    signs: BTreeMap<String, String>,
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
    limit: Option<QueryNumber>,
    /// How many to skip. A cursor is faster, and misses nothing when runs are added in between.
    offset: Option<QueryNumber>,
    /// Only runs after the page that came with this `nextCursor`.
    cursor: Option<String>,
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
        after: paging::cursor(&query, "cursor", LIST)?,
        ..RunFilter::default()
    };
    let runs = services.runs.list(&caller, &filter).await?;
    Ok(data(&Json::list(&runs.page.documents))
        .with("total", &runs.total)
        .with("limit", &filter.limit)
        .with("offset", &filter.offset)
        .with_json("nextCursor", &paging::next(runs.page.next.as_ref(), LIST))
        .with("signs", &runs.signs)
        .ok())
}

/// Starts a run, unless one with its id, or without an id one of its session, exists.
#[utoipa::path(
    tag = "runs",
    request_body = StartRunBody,
    responses(
        (status = 201, description = "Started", body = RunStartedAnswer),
        (status = 200, description = "It exists already, and is as it was", body = RunStartedAnswer),
        (status = 404, description = "Its project does not exist for the caller; for those who reach everything it need not", body = crate::openapi::Failure),
        (status = 409, description = "The id or the session is that of a run that the caller does not see", body = crate::openapi::Failure),
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
    params(("id" = String, Path, description = "The run, or its client's session", example = "run-2026-02-11-login")),
    responses((status = 200, description = "The run", body = FoundRunAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/runs/{id}")]
async fn get_run(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let found = services.runs.get(&caller, &id.0).await?;
    Ok(data(&Json::document(&found.run)).with("lastSignAt", &found.last_sign).ok())
}

/// Changes the fields of a run that the body names; the run is found by its id or by its client's session.
#[utoipa::path(
    tag = "runs",
    params(("id" = String, Path, description = "The run, or its client's session", example = "run-2026-02-11-login")),
    request_body = ChangeRunBody,
    responses((status = 200, description = "Changed", body = RunAnswer)),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[patch("/api/agent/runs/{id}")]
async fn change_run(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    let run = services.runs.change(&caller, &id.0, body.0).await?;
    Ok(data(&Json::document(&run)).ok())
}
