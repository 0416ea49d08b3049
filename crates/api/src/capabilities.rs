//! `/api/agent/capabilities`.

use std::collections::BTreeMap;

use actix_web::{delete, get, patch, post, web::Data};
use pilotdeck_services::Services;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::extract::{Body, Caller, Id, Query};
use crate::projects::MessageAnswer;
use crate::schemas::{ChosenId, Enabled, Fields, FreeText, Items, Moment, QueryFlag, Text, Yes};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_capabilities)
        .service(create_capability)
        .service(get_capability)
        .service(change_capability)
        .service(delete_capability);
}

/// Prompts and skills that agents share, as one bundle. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "cap-safety", "name": "Safety baseline", "description": "", "promptPack": "Never force-push.",
    "skillPack": ["git"], "constraints": ["no destructive commands"], "enabled": true, "meta": {},
    "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z"
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct CapabilityView {
    /// Identifies the capability.
    id: String,
    /// What people call it.
    name: String,
    /// What it is. Capabilities of an older database may lack this and the next four.
    description: Option<FreeText>,
    /// The text that agents are given.
    prompt_pack: Option<FreeText>,
    /// What agents are taught.
    skill_pack: Option<Items>,
    /// What agents must not do.
    constraints: Option<Items>,
    /// Anything else.
    meta: Option<Fields>,
    /// Whether it is in use.
    enabled: bool,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields of a new capability. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "cap-safety", "name": "Safety baseline", "promptPack": "Never force-push.", "skillPack": ["git"]
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct CreateCapabilityBody {
    /// Chosen by the client, or minted. A capability with this id is created once.
    id: Option<ChosenId>,
    /// What people call it; `Capability` when blank.
    name: Option<Text>,
    /// What it is.
    description: Option<FreeText>,
    /// The text that agents are given.
    prompt_pack: Option<FreeText>,
    /// What agents are taught.
    skill_pack: Option<Items>,
    /// What agents must not do.
    constraints: Option<Items>,
    /// Whether it is in use.
    enabled: Option<Enabled>,
    /// Anything else.
    meta: Option<Fields>,
    /// When it was created; now when absent.
    created_at: Option<Moment>,
    /// When it was last changed; now when absent.
    updated_at: Option<Moment>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields to change; what is absent stays. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "constraints": ["no destructive commands"] }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ChangeCapabilityBody {
    /// What people call it; `Capability` when blank.
    name: Option<Text>,
    /// What it is.
    description: Option<FreeText>,
    /// The text that agents are given.
    prompt_pack: Option<FreeText>,
    /// What agents are taught.
    skill_pack: Option<Items>,
    /// What agents must not do.
    constraints: Option<Items>,
    /// Whether it is in use.
    enabled: Option<Enabled>,
    /// Anything else.
    meta: Option<Fields>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// One capability.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct CapabilityAnswer {
    /// Always true.
    success: Yes,
    /// The capability.
    data: CapabilityView,
}

/// A capability that is there, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct CapabilityCreatedAnswer {
    /// Always true.
    success: Yes,
    /// The capability.
    data: CapabilityView,
    /// `capability exists` when this request did not make it.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// Several capabilities.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct CapabilitiesAnswer {
    /// Always true.
    success: Yes,
    /// The capabilities, the last changed first.
    data: Vec<CapabilityView>,
    /// How many there are in `data`.
    total: u64,
}

/// Which capabilities to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListCapabilitiesQuery {
    /// Only those that are in use, or are not.
    enabled: Option<QueryFlag>,
}

/// Lists capabilities, the last changed first.
#[utoipa::path(
    tag = "capabilities",
    params(ListCapabilitiesQuery),
    responses((status = 200, description = "The capabilities", body = CapabilitiesAnswer)),
    extensions(("x-permission" = json!("catalog.read"))),
)]
#[get("/api/agent/capabilities")]
async fn list_capabilities(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let capabilities = services.capabilities.list(&caller, query.flag("enabled")).await?;
    Ok(data(&Json::list(&capabilities)).with("total", &capabilities.len()).ok())
}

/// Creates a capability, unless one with its id exists.
#[utoipa::path(
    tag = "capabilities",
    request_body = CreateCapabilityBody,
    responses(
        (status = 201, description = "Created", body = CapabilityCreatedAnswer),
        (status = 200, description = "It exists already, and is as it was", body = CapabilityCreatedAnswer),
    ),
    extensions(("x-permission" = json!("catalog.write"))),
)]
#[post("/api/agent/capabilities")]
async fn create_capability(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let made = services.capabilities.create(&caller, body.0).await?;
    Ok(data(&Json::document(&made.capability)).created(made.created, "capability exists"))
}

/// Reads a capability.
#[utoipa::path(
    tag = "capabilities",
    params(("id" = String, Path, description = "The capability", example = "cap-safety")),
    responses((status = 200, description = "The capability", body = CapabilityAnswer)),
    extensions(("x-permission" = json!("catalog.read"))),
)]
#[get("/api/agent/capabilities/{id}")]
async fn get_capability(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let capability = services.capabilities.get(&caller, &id.0).await?;
    Ok(data(&Json::document(&capability)).ok())
}

/// Changes the fields of a capability that the body names.
#[utoipa::path(
    tag = "capabilities",
    params(("id" = String, Path, description = "The capability", example = "cap-safety")),
    request_body = ChangeCapabilityBody,
    responses((status = 200, description = "Changed", body = CapabilityAnswer)),
    extensions(("x-permission" = json!("catalog.write"))),
)]
#[patch("/api/agent/capabilities/{id}")]
async fn change_capability(
    services: Data<Services>,
    caller: Caller,
    id: Id,
    body: Body,
) -> ApiResult {
    let capability = services.capabilities.change(&caller, &id.0, body.0).await?;
    Ok(data(&Json::document(&capability)).ok())
}

/// Deletes a capability.
#[utoipa::path(
    tag = "capabilities",
    params(("id" = String, Path, description = "The capability", example = "cap-safety")),
    responses((status = 200, description = "Deleted", body = MessageAnswer)),
    extensions(("x-permission" = json!("catalog.write"))),
)]
#[delete("/api/agent/capabilities/{id}")]
async fn delete_capability(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.capabilities.delete(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("capability deleted: {}", id.0)).ok())
}
