//! `/api/agent/usage`.

use actix_web::{get, post, web::Data};
use pilotdeck_domain::InvalidInput;
use pilotdeck_services::Services;
use pilotdeck_services::usage::{StoredUsage, UsageFilter};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller, Query};
use crate::schemas;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_usage).service(record_usage);
}

/// Tokens that were used, and what they cost. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "usage-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "ts": "2026-02-11T15:00:00.000000Z", "projectId": "proj-a",
    "runId": "run-2026-02-11-login", "agentId": "claude-sonnet", "workspace": "/home/dev/atlas", "sessionId": null,
    "source": "opencode", "model": "claude-sonnet", "promptTokens": 1200, "completionTokens": 340,
    "totalTokens": 1540, "cost": 0.0123, "data": {}
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct UsageView {
    /// Identifies the record.
    id: String,
    /// When the tokens were used.
    ts: String,
    /// The project.
    project_id: Option<String>,
    /// The run.
    run_id: Option<String>,
    /// The agent.
    agent_id: Option<String>,
    /// Where it worked.
    workspace: Option<String>,
    /// The client's session.
    session_id: Option<String>,
    /// What kind of client it was.
    source: Option<String>,
    /// The model.
    model: Option<String>,
    /// Tokens that went in.
    prompt_tokens: i64,
    /// Tokens that came out.
    completion_tokens: i64,
    /// Tokens in all, as reported.
    total_tokens: i64,
    /// What they cost, as reported.
    cost: f64,
}

/// One record, or `records`, a list of them (at most 10,000). Each is stored once per id.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "records": [{
        "id": "usage-login-1", "projectId": "proj-a", "runId": "run-2026-02-11-login", "agentId": "claude-sonnet",
        "model": "claude-sonnet", "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540, "cost": 0.0123
    }]
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct RecordUsageBody {
    /// Several records; without it the body is one.
    #[schema(schema_with = schemas::anything)]
    records: Option<Value>,
    /// Chosen by the client, or minted.
    #[schema(schema_with = schemas::anything)]
    id: Option<Value>,
    /// When the tokens were used; now when absent.
    #[schema(schema_with = schemas::anything)]
    ts: Option<Value>,
    /// Tokens that went in.
    #[schema(schema_with = schemas::anything)]
    prompt_tokens: Option<Value>,
    /// Tokens that came out.
    #[schema(schema_with = schemas::anything)]
    completion_tokens: Option<Value>,
    /// Tokens in all; never derived from the other two.
    #[schema(schema_with = schemas::anything)]
    total_tokens: Option<Value>,
    /// What they cost.
    #[schema(schema_with = schemas::anything)]
    cost: Option<Value>,
}

/// What became of the records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct RecordedAnswer {
    /// Always true: each record has its own outcome.
    success: bool,
    /// The outcomes.
    data: RecordedView,
}

/// What became of the records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct RecordedView {
    /// How many records came.
    received: usize,
    /// How many of them are new.
    created: usize,
    /// The outcome of each, in order.
    results: Vec<RecordedResultView>,
}

/// What became of one record.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct RecordedResultView {
    /// Whether the record is stored, now or before.
    success: bool,
    /// Whether this request stored it.
    created: Option<bool>,
    /// What is stored under its id.
    data: Option<UsageView>,
    /// What is wrong with it.
    error: Option<String>,
    /// The record as it was sent, when something is wrong with it.
    #[schema(schema_with = schemas::anything)]
    record: Option<Value>,
}

/// Several records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct UsageAnswer {
    /// Always true.
    success: bool,
    /// The newest records that match, newest first.
    data: Vec<UsageView>,
    /// How many there are in `data`.
    total: usize,
}

/// Which usage to list or to add up.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
pub(crate) struct UsageQuery {
    /// Only usage of this project.
    project_id: Option<String>,
    /// Only usage of this agent.
    agent_id: Option<String>,
    /// Only usage in this workspace.
    workspace: Option<String>,
    /// Only usage that this kind of client reported.
    source: Option<String>,
    /// Only usage from this time on.
    #[param(schema_with = schemas::query_time)]
    since: Option<String>,
    /// Only usage until this time; a date means its first moment.
    #[param(schema_with = schemas::query_time)]
    until: Option<String>,
}

/// How many records to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct UsageLimitQuery {
    /// At most this many, 1 to 5000; 200 when absent.
    #[param(schema_with = schemas::query_number)]
    limit: Option<i64>,
}

/// Lists the newest usage records, newest first.
#[utoipa::path(
    tag = "usage",
    params(UsageQuery, UsageLimitQuery),
    responses((status = 200, description = "The records", body = UsageAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/usage")]
async fn list_usage(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let limit = query.clamped("limit", 200, 1, 5_000);
    let records = services.usage.list(&caller, &filter(&query)?, limit).await?;
    Ok(data(&Json::list(&records)).with("total", &records.len()).ok())
}

/// Records usage: one record or several, each once per id.
#[utoipa::path(
    tag = "usage",
    request_body = RecordUsageBody,
    responses((status = 200, description = "The outcome of each record", body = RecordedAnswer)),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[post("/api/agent/usage")]
async fn record_usage(services: Data<Services>, caller: Caller, mut body: Body) -> ApiResult {
    let (records, is_single) = match body.0.remove("records") {
        Some(Value::Array(records)) => (records, false),
        other => {
            // `records` that is no list is a field like any other.
            body.0.extend(other.map(|other| ("records".to_owned(), other)));
            (vec![Value::Object(body.0)], true)
        }
    };
    let objects: Vec<Option<Map<String, Value>>> =
        records.iter().map(|record| record.as_object().cloned()).collect();
    let mut outcomes =
        services.usage.record(&caller, objects.iter().flatten().cloned().collect()).await?;
    if is_single && let Some(Err(_)) = outcomes.first() {
        outcomes.remove(0)?;
    }
    let mut outcomes = outcomes.into_iter();
    let results: Vec<(bool, Json)> = objects
        .iter()
        .zip(&records)
        .map(|(object, record)| {
            let outcome = match object {
                Some(_) => outcomes
                    .next()
                    .unwrap_or_else(|| Err(InvalidInput::new("record", "no outcome"))),
                None => Err(InvalidInput::new("record", "record must be an object")),
            };
            result(outcome, record)
        })
        .collect();
    let created = results.iter().filter(|(created, _)| *created).count();
    let results: Vec<Json> = results.into_iter().map(|(_, json)| json).collect();
    let facts = Object::new()
        .with("received", &records.len())
        .with("created", &created)
        .with_json("results", &Json::array(&results));
    Ok(data(&facts.json()).ok())
}

fn result(outcome: Result<StoredUsage, InvalidInput>, record: &Value) -> (bool, Json) {
    match outcome {
        Ok(stored) => {
            let object = Object::new()
                .with("success", &true)
                .with("created", &stored.created)
                .with_json("data", &Json::document(&stored.document));
            (stored.created, object.json())
        }
        Err(invalid) => {
            let error = ApiError::from(invalid);
            let object = Object::new()
                .with("success", &false)
                .with("error", &error.to_string())
                .with("record", record);
            (false, object.json())
        }
    }
}

/// The filter that the query asks for.
pub(crate) fn filter(query: &Query) -> Result<UsageFilter, ApiError> {
    Ok(UsageFilter {
        project_id: query.text("projectId"),
        agent_id: query.text("agentId"),
        workspace: query.text("workspace"),
        source: query.text("source"),
        since: query.time("since")?,
        until: query.time("until")?,
    })
}
