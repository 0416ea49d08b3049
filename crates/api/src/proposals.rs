//! `/api/agent/proposals`: what agents would do, for a person to decide.

use actix_web::{get, post, web::Data};
use pilotdeck_services::Services;
use pilotdeck_services::actions::proposals::{Decision, ProposalFilter};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::events::EventView;
use crate::extract::{Caller, Id, OptionalBody, Query};
use crate::projects::ProjectView;
use crate::schemas::{QueryFlag, QueryNumber, Yes};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_proposals).service(accept_proposal).service(reject_proposal);
}

/// A proposal with what became of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProposalView {
    /// The event that records the proposal; its id is the proposal's.
    proposal: EventView,
    /// The event that records the decision.
    #[schema(required = true)]
    decision: Option<EventView>,
    /// How it stands.
    state: ProposalState,
}

/// How a proposal stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "written by the services")]
enum ProposalState {
    Pending,
    Accepted,
    Rejected,
}

/// Several proposals.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProposalsAnswer {
    /// Always true.
    success: Yes,
    /// The newest proposals that match, newest first.
    data: Vec<ProposalView>,
    /// How many there are in `data`.
    total: u64,
}

/// What a person adds to a decision.
#[derive(ToSchema)]
#[schema(example = json!({ "reason": "the tests are green" }))]
#[expect(dead_code, reason = "read by hand")]
struct DecisionBody {
    /// Why; kept with the decision.
    #[schema(max_length = 10_000)]
    reason: Option<String>,
}

/// A decision.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct DecisionAnswer {
    /// Always true.
    success: Yes,
    /// The decision.
    data: DecisionView,
    /// `already accepted` or `already rejected`, when it was decided so before.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// A decision.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct DecisionView {
    /// The event that records the decision.
    event: EventView,
    /// The project, after an acceptance.
    #[schema(required = true)]
    project: Option<ProjectView>,
}

/// Which proposals to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListProposalsQuery {
    /// Only proposals about this project.
    project_id: Option<String>,
    /// true: only those that wait for a decision; false: only decided ones.
    pending: Option<QueryFlag>,
    /// At most this many, 1 to 500; 50 when absent.
    limit: Option<QueryNumber>,
}

/// Lists the newest proposals with what became of them, newest first.
#[utoipa::path(
    tag = "actions",
    params(ListProposalsQuery),
    responses((status = 200, description = "The proposals", body = ProposalsAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/proposals")]
async fn list_proposals(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let filter = ProposalFilter {
        project_id: query.text("projectId"),
        pending: query.flag("pending"),
        limit: query.clamped("limit", 50, 1, 500),
    };
    let proposals = services.actions.proposals(&caller, &filter).await?;
    let views: Vec<Json> = proposals
        .iter()
        .map(|stored| {
            Object::new()
                .with_json("proposal", &Json::document(&stored.proposal))
                .with_json("decision", &Json::optional(stored.decision.as_ref()))
                .with("state", &stored.state())
                .json()
        })
        .collect();
    Ok(data(&Json::array(&views)).with("total", &views.len()).ok())
}

/// Accepts a proposal: does what it proposes, as an action.
#[utoipa::path(
    tag = "actions",
    params(("id" = String, Path, description = "The proposal", example = "prop-pause")),
    request_body(content = Option<DecisionBody>),
    responses(
        (status = 200, description = "Accepted, now or before", body = DecisionAnswer),
        (status = 409, description = "It was rejected, belongs to no project, or cannot be done", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("proposals.decide"))),
)]
#[post("/api/agent/proposals/{id}/accept")]
async fn accept_proposal(
    services: Data<Services>,
    caller: Caller,
    id: Id,
    body: OptionalBody,
) -> ApiResult {
    let reason = reason(&body)?;
    let decision = services.actions.accept(&caller, &id.0, reason).await?;
    Ok(answer(&decision, "already accepted").ok())
}

/// Rejects a proposal.
#[utoipa::path(
    tag = "actions",
    params(("id" = String, Path, description = "The proposal", example = "prop-archive")),
    request_body(content = Option<DecisionBody>),
    responses(
        (status = 200, description = "Rejected, now or before", body = DecisionAnswer),
        (status = 409, description = "It was accepted", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("proposals.decide"))),
)]
#[post("/api/agent/proposals/{id}/reject")]
async fn reject_proposal(
    services: Data<Services>,
    caller: Caller,
    id: Id,
    body: OptionalBody,
) -> ApiResult {
    let reason = reason(&body)?;
    let decision = services.actions.reject(&caller, &id.0, reason).await?;
    Ok(answer(&decision, "already rejected").ok())
}

fn reason(body: &OptionalBody) -> Result<Option<&str>, ApiError> {
    match body.0.get("reason") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(reason)) if reason.chars().count() <= 10_000 => Ok(Some(reason)),
        Some(_) => {
            Err(ApiError::invalid("reason", "reason must be a text of at most 10000 characters"))
        }
    }
}

fn answer(decision: &Decision, before: &str) -> Object {
    let facts = Object::new()
        .with_json("event", &Json::document(&decision.event))
        .with_json("project", &Json::optional(decision.project.as_ref()));
    let answer = data(&facts.json());
    if decision.decided { answer } else { answer.with("message", &before) }
}
