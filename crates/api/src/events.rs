//! `/api/agent/events`.

use actix_web::{get, post, web::Data};
use pilotdeck_domain::events::Level;
use pilotdeck_services::Services;
use pilotdeck_services::events::EventFilter;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, data};
use crate::error::ApiResult;
use crate::extract::{Body, Caller, Query};
use crate::paging;
use crate::schemas::{ChosenEventId, QueryLevel, QueryNumber, QueryTime, Reference, Text, Yes};

/// What the cursors of this list are marked with.
const LIST: &str = "events";

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_events).service(append_event);
}

/// Something that happened.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "evt-login-works", "ts": "2026-02-11T15:00:00.000000Z", "type": "milestone", "level": "info",
    "projectId": "proj-a", "runId": "run-2026-02-11-login", "agentId": "claude-sonnet", "title": "Login works",
    "message": null, "data": { "commit": "08780dd" }
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
pub(crate) struct EventView {
    /// Identifies the event.
    #[schema(required = true)]
    id: Option<String>,
    /// When it was appended, by the server's clock; null on some events of older databases.
    #[schema(required = true, format = DateTime)]
    ts: Option<String>,
    /// What kind of event it is: note, milestone, error, `action.set_status`, …
    r#type: String,
    /// debug, info, warn, error, or a word of the client's.
    level: String,
    /// The project.
    #[schema(required = true)]
    project_id: Option<String>,
    /// The run.
    #[schema(required = true)]
    run_id: Option<String>,
    /// The agent.
    #[schema(required = true)]
    agent_id: Option<String>,
    /// A line about it.
    #[schema(required = true)]
    title: Option<String>,
    /// A text about it.
    #[schema(required = true)]
    message: Option<String>,
    /// Anything.
    data: Value,
    /// The key that it was appended under, if there was one.
    #[schema(nullable = false)]
    idempotency_key: Option<String>,
}

/// An event to append. Everything is optional, and further fields are dropped.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "evt-login-works", "type": "milestone", "projectId": "proj-a", "runId": "run-2026-02-11-login",
    "agentId": "claude-sonnet", "title": "Login works", "data": { "commit": "08780dd" }
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct AppendEventBody {
    /// Chosen by the client, or minted. An event with this id is appended once.
    id: Option<ChosenEventId>,
    /// What kind of event it is; `note` when absent.
    r#type: Option<Text>,
    /// debug, info, warn, error, or a word of the client's; `info` when absent.
    level: Option<Text>,
    /// The project; the run's when absent.
    project_id: Option<Reference>,
    /// The run, or its client's session.
    run_id: Option<Reference>,
    /// The agent.
    agent_id: Option<Reference>,
    /// In place of `agentId`.
    created_by: Option<Reference>,
    /// A line about it.
    title: Option<Text>,
    /// A text about it.
    message: Option<Text>,
    /// In place of `message`.
    description: Option<Text>,
    /// Anything.
    data: Option<Value>,
    /// Anything that shows it; kept in `data`.
    evidence: Option<Value>,
    /// In place of an id: an event with this key is appended once.
    idempotency_key: Option<Reference>,
}

/// An event that is on the timeline, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct EventAnswer {
    /// Always true.
    success: Yes,
    /// The event.
    data: EventView,
    /// Identifies the event.
    id: String,
    /// Whether this request appended it.
    created: bool,
    /// `event exists` when this request did not append it.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// Several events.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct EventsAnswer {
    /// Always true.
    success: Yes,
    /// The newest events that match, oldest first.
    data: Vec<EventView>,
    /// How many there are in `data`.
    total: u64,
    /// What to send as `before` to read on with the older ones; null at the end.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Which events to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListEventsQuery {
    /// Only events of this project.
    project_id: Option<String>,
    /// Only events of this run, or of this client's session.
    run_id: Option<String>,
    /// Only events of this agent.
    agent_id: Option<String>,
    /// Only events of exactly this type.
    r#type: Option<String>,
    /// Only events of this level or a higher one (debug < info < warn < error). What has another word counts as info, but
    /// for the usual ones, such as fatal. A page may be short, even empty, though more follows: `nextCursor` says so.
    level: Option<QueryLevel>,
    /// Only events from this time on.
    since: Option<QueryTime>,
    /// Only events before the page that came with this `nextCursor`.
    before: Option<String>,
    /// At most this many, 1 to 2000; 200 when absent.
    limit: Option<QueryNumber>,
}

/// Lists the newest events, oldest first.
#[utoipa::path(
    tag = "events",
    params(ListEventsQuery),
    responses((status = 200, description = "The events", body = EventsAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/events")]
async fn list_events(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let filter = EventFilter {
        project_id: query.text("projectId"),
        run_id: query.text("runId"),
        agent_id: query.text("agentId"),
        kind: query.text("type"),
        level: query.text("level").and_then(|word| Level::of(&word)),
        since: query.time("since")?,
        before: paging::cursor(&query, "before", LIST)?,
        limit: query.clamped("limit", 200, 1, 2_000),
        ..EventFilter::default()
    };
    let page = services.events.list(&caller, filter).await?;
    Ok(data(&Json::list(&page.documents))
        .with("total", &page.documents.len())
        .with_json("nextCursor", &paging::next(page.next.as_ref(), LIST))
        .ok())
}

/// Appends an event, unless one with its id or idempotency key exists.
#[utoipa::path(
    tag = "events",
    request_body = AppendEventBody,
    responses(
        (status = 201, description = "Appended", body = EventAnswer),
        (status = 200, description = "It exists already, and is as it was", body = EventAnswer),
        (status = 404, description = "Its project or its run does not exist for the caller; for those who reach everything it need not", body = crate::openapi::Failure),
        (status = 409, description = "The id is that of something that the caller does not see", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[post("/api/agent/events")]
async fn append_event(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let appended = services.events.append(&caller, body.0).await?;
    Ok(data(&Json::document(&appended.event))
        .with("id", &appended.id)
        .with("created", &appended.created)
        .created(appended.created, "event exists"))
}
