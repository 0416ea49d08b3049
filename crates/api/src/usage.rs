//! `/api/agent/usage`.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, post, web::Data};
use pilotdeck_domain::InvalidInput;
use pilotdeck_services::usage::{StoredUsage, Unrecorded, UsageFilter};
use pilotdeck_services::{MAX_ITEMS, Services};
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller, Query};
use crate::paging;
use crate::schemas::{
    self, Amount, ChosenId, Count, Fields, Moment, No, QueryNumber, QueryTime, Reference, Text, Yes,
};

/// What the cursors of this list are marked with.
const LIST: &str = "usage";

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_usage).service(record_usage);
}

/// Tokens that were used, and what they cost. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "usage-login-1", "ts": "2026-02-11T15:00:00.000000Z", "projectId": "proj-a",
    "runId": "run-2026-02-11-login", "agentId": "claude-sonnet", "workspace": "/home/dev/atlas", "sessionId": null,
    "source": "opencode", "model": "claude-sonnet", "promptTokens": 1200, "completionTokens": 340,
    "totalTokens": 1540, "cost": 0.0123, "data": {}
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct UsageView {
    /// Identifies the record.
    id: String,
    /// When the tokens were used.
    #[schema(format = DateTime)]
    ts: String,
    /// The project.
    #[schema(required = true)]
    project_id: Option<String>,
    /// The run.
    #[schema(required = true)]
    run_id: Option<String>,
    /// The agent.
    #[schema(required = true)]
    agent_id: Option<String>,
    /// Where it worked.
    #[schema(required = true)]
    workspace: Option<String>,
    /// The client's session.
    #[schema(required = true)]
    session_id: Option<String>,
    /// What kind of client it was.
    #[schema(required = true)]
    source: Option<String>,
    /// The model.
    #[schema(required = true)]
    model: Option<String>,
    /// Tokens that went in.
    prompt_tokens: i64,
    /// Tokens that came out.
    completion_tokens: i64,
    /// Tokens in all, as reported.
    total_tokens: i64,
    /// What they cost, as reported.
    cost: f64,
    /// Anything else. Records of an older database may lack it.
    data: Option<Fields>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// Several records, or one. Each is stored once per id.
enum RecordUsageBody {}

impl PartialSchema for RecordUsageBody {
    fn schema() -> RefOr<Schema> {
        let mut single = serde_json::to_value(UsageRecordBody::schema()).expect("schemas are JSON");
        single["properties"]["records"] =
            json!({ "type": ["string", "number", "boolean", "object", "null"] });
        schemas::schema(json!({
            "description": "Several records, or one. Each is stored once per id.",
            "anyOf": [
                { "$ref": "#/components/schemas/UsageRecordsBody" },
                { "$ref": "#/components/schemas/UsageRecordBody" },
            ],
            "example": { "records": [{
                "id": "usage-login-1", "projectId": "proj-a", "runId": "run-2026-02-11-login",
                "agentId": "claude-sonnet", "model": "claude-sonnet", "promptTokens": 1200, "completionTokens": 340,
                "totalTokens": 1540, "cost": 0.0123,
            }] },
            schemas::LENIENT: { "anyOf": [
                {
                    "type": "object", "required": ["records"],
                    "properties": { "records": { "type": "array", "maxItems": 10_000 } },
                },
                single,
            ] },
        }))
    }
}

impl ToSchema for RecordUsageBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas::register::<UsageRecordsBody>(schemas);
        schemas::register::<UsageRecordBody>(schemas);
    }
}

/// Several records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by hand, for each record fails on its own")]
struct UsageRecordsBody {
    /// The records, at most 10,000.
    records: UsageRecords,
}

/// Records. Each is judged on its own.
enum UsageRecords {}

impl PartialSchema for UsageRecords {
    fn schema() -> RefOr<Schema> {
        schemas::list_of::<UsageRecordBody>(0)
    }
}

impl ToSchema for UsageRecords {}

/// A record. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "usage-login-1", "projectId": "proj-a", "runId": "run-2026-02-11-login", "agentId": "claude-sonnet",
    "model": "claude-sonnet", "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540, "cost": 0.0123
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct UsageRecordBody {
    /// Chosen by the client, or minted. A record with this id is stored once.
    id: Option<ChosenId>,
    /// When the tokens were used; now when absent.
    ts: Option<Moment>,
    /// The project.
    project_id: Option<Reference>,
    /// The run.
    run_id: Option<Reference>,
    /// The agent.
    agent_id: Option<Reference>,
    /// Where it worked.
    workspace: Option<Text>,
    /// The client's session.
    session_id: Option<Reference>,
    /// What kind of client it was; `opencode` when absent.
    source: Option<Text>,
    /// The model.
    model: Option<Text>,
    /// Tokens that went in.
    prompt_tokens: Option<Count>,
    /// Tokens that came out.
    completion_tokens: Option<Count>,
    /// Tokens in all; never derived from the other two.
    total_tokens: Option<Count>,
    /// What they cost.
    cost: Option<Amount>,
    /// Anything else.
    data: Option<Fields>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// What became of the records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct RecordedAnswer {
    /// Always true: each record has its own outcome.
    success: Yes,
    /// The outcomes.
    data: RecordedView,
}

/// What became of the records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct RecordedView {
    /// How many records came.
    received: u64,
    /// How many of them are new.
    created: u64,
    /// The outcome of each, in order.
    results: Vec<RecordedResultView>,
}

/// What became of one record.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "written around the stored document")]
enum RecordedResultView {
    Stored(RecordStoredView),
    Failed(RecordFailedView),
}

/// A record that is stored, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct RecordStoredView {
    /// Always true.
    success: Yes,
    /// Whether this request stored it.
    created: bool,
    /// What is stored under its id.
    data: UsageView,
}

/// A record that is not stored.
#[derive(ToSchema)]
#[schema(example = json!({ "success": false, "error": "record must be an object", "record": 5 }))]
#[expect(dead_code, reason = "written field by field")]
struct RecordFailedView {
    /// Always false.
    success: No,
    /// What is wrong with it, for a person.
    error: String,
    /// The record as it was sent.
    record: Value,
}

/// Several records.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct UsageAnswer {
    /// Always true.
    success: Yes,
    /// The newest records that match, newest first. The total that a run reported is not among them where there are
    /// records of its single calls.
    data: Vec<UsageView>,
    /// How many there are in `data`.
    total: u64,
    /// What to send as `cursor` to read on with the older ones; null at the end.
    #[schema(required = true)]
    next_cursor: Option<String>,
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
    since: Option<QueryTime>,
    /// Only usage until this time; a date means its first moment.
    until: Option<QueryTime>,
}

/// Which page of records to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct UsageLimitQuery {
    /// At most this many, 1 to 5000; 200 when absent.
    limit: Option<QueryNumber>,
    /// Only records after the page that came with this `nextCursor`.
    cursor: Option<String>,
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
    let after = paging::cursor(&query, "cursor", LIST)?;
    let page = services.usage.list(&caller, &filter(&query)?, after.as_ref(), limit).await?;
    Ok(data(&Json::list(&page.documents))
        .with("total", &page.documents.len())
        .with_json("nextCursor", &paging::next(page.next.as_ref(), LIST))
        .ok())
}

/// Records usage: one record or several, each once per id.
#[utoipa::path(
    tag = "usage",
    request_body = RecordUsageBody,
    responses(
        (status = 200, description = "The outcome of each record", body = RecordedAnswer),
        (status = 404, description = "The project or the run of the one record does not exist for the caller", body = crate::openapi::Failure),
        (status = 409, description = "The id or the session of the one record is that of something that the caller does not see", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("usage.record"))),
)]
#[post("/api/agent/usage")]
async fn record_usage(services: Data<Services>, caller: Caller, mut body: Body) -> ApiResult {
    let records = match body.0.remove("records") {
        Some(Value::Array(records)) => records,
        other => {
            // `records` that is no list is a field like any other.
            body.0.extend(other.map(|other| ("records".to_owned(), other)));
            let stored = services.usage.record_one(&caller, body.0).await?;
            return Ok(recorded(vec![result(Ok(stored), &Value::Null)]));
        }
    };
    // Counted here, too: the service sees only those that are objects.
    if records.len() > MAX_ITEMS {
        return Err(ApiError::invalid("records", "records must have at most 10000 items"));
    }
    let objects = records.iter().filter_map(Value::as_object).cloned().collect();
    let mut outcomes = services.usage.record(&caller, objects).await?.into_iter();
    let results: Vec<(bool, Json)> = records
        .iter()
        .map(|record| {
            let outcome = match record.as_object() {
                Some(_) => outcomes.next().unwrap_or_else(|| Err(invalid("no outcome"))),
                None => Err(invalid("record must be an object")),
            };
            result(outcome, record)
        })
        .collect();
    Ok(recorded(results))
}

/// The outcomes, each with whether its record is new.
fn recorded(outcomes: Vec<(bool, Json)>) -> HttpResponse {
    let created = outcomes.iter().filter(|(created, _)| *created).count();
    let results: Vec<Json> = outcomes.into_iter().map(|(_, json)| json).collect();
    let facts = Object::new()
        .with("received", &results.len())
        .with("created", &created)
        .with_json("results", &Json::array(&results));
    data(&facts.json()).ok()
}

fn invalid(reason: &'static str) -> Unrecorded {
    Unrecorded::Invalid(InvalidInput::new("record", reason))
}

fn result(outcome: Result<StoredUsage, Unrecorded>, record: &Value) -> (bool, Json) {
    match outcome {
        Ok(stored) => {
            let object = Object::new()
                .with("success", &true)
                .with("created", &stored.created)
                .with_json("data", &Json::document(&stored.document));
            (stored.created, object.json())
        }
        Err(refusal) => {
            let object = Object::new()
                .with("success", &false)
                .with("error", &refusal.to_string())
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
        ..UsageFilter::default()
    })
}
