//! `/api/agent/profiles`.

use actix_web::{delete, get, patch, post, web::Data};
use pilotdeck_services::Services;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::extract::{Body, Caller, Id, Query};
use crate::projects::MessageAnswer;
use crate::schemas;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_profiles)
        .service(create_profile)
        .service(get_profile)
        .service(change_profile)
        .service(delete_profile);
}

/// What an agent is and may do, in its owner's words. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "agent-reviewer", "name": "Reviewer", "role": "reviewer", "description": "", "outputMode": "concise",
    "writebackPolicy": "minimal", "styleTags": [], "skills": ["rust"], "permissions": {}, "meta": {},
    "enabled": true, "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z"
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct ProfileView {
    /// Identifies the profile.
    id: String,
    /// What people call it.
    name: String,
    /// What it does.
    role: Option<String>,
    /// Whether it is in use.
    enabled: bool,
    /// When it was created.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

/// The fields of a profile. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "name": "Reviewer", "role": "reviewer", "skills": ["rust"] }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ProfileBody {
    /// Chosen by the client, or minted.
    #[schema(schema_with = schemas::anything)]
    id: Option<Value>,
    /// What people call it; `Agent` when blank.
    #[schema(schema_with = schemas::text)]
    name: Option<Value>,
    /// What it does; `general` when absent.
    #[schema(schema_with = schemas::text)]
    role: Option<Value>,
    /// Whether it is in use: a boolean or a usual word; true when absent.
    #[schema(schema_with = schemas::anything)]
    enabled: Option<Value>,
    /// A list, or one.
    #[schema(schema_with = schemas::anything)]
    skills: Option<Value>,
    /// A list, or one.
    #[schema(schema_with = schemas::anything)]
    style_tags: Option<Value>,
}

/// One profile.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProfileAnswer {
    /// Always true.
    success: bool,
    /// The profile.
    data: ProfileView,
    /// `profile exists` when this request did not make it.
    message: Option<String>,
}

/// Several profiles.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProfilesAnswer {
    /// Always true.
    success: bool,
    /// The profiles, the last changed first.
    data: Vec<ProfileView>,
    /// How many there are in `data`.
    total: usize,
}

/// Which profiles to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListProfilesQuery {
    /// Only those that are in use, or are not.
    #[param(schema_with = schemas::query_flag)]
    enabled: Option<bool>,
}

/// Lists profiles, the last changed first.
#[utoipa::path(
    tag = "profiles",
    params(ListProfilesQuery),
    responses((status = 200, description = "The profiles", body = ProfilesAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/profiles")]
async fn list_profiles(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let profiles = services.profiles.list(&caller, query.flag("enabled")).await?;
    Ok(data(&Json::list(&profiles)).with("total", &profiles.len()).ok())
}

/// Creates a profile, unless one with its id exists.
#[utoipa::path(
    tag = "profiles",
    request_body = ProfileBody,
    responses(
        (status = 201, description = "Created", body = ProfileAnswer),
        (status = 200, description = "It exists already, and is as it was", body = ProfileAnswer),
    ),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[post("/api/agent/profiles")]
async fn create_profile(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let made = services.profiles.create(&caller, body.0).await?;
    Ok(data(&Json::document(&made.profile)).created(made.created, "profile exists"))
}

/// Reads a profile.
#[utoipa::path(
    tag = "profiles",
    params(("id" = String, Path, description = "The profile")),
    responses((status = 200, description = "The profile", body = ProfileAnswer)),
    extensions(("x-permission" = json!("agents.read"))),
)]
#[get("/api/agent/profiles/{id}")]
async fn get_profile(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let profile = services.profiles.get(&caller, &id.0).await?;
    Ok(data(&Json::document(&profile)).ok())
}

/// Changes the fields of a profile that the body names.
#[utoipa::path(
    tag = "profiles",
    params(("id" = String, Path, description = "The profile")),
    request_body = ProfileBody,
    responses((status = 200, description = "Changed", body = ProfileAnswer)),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[patch("/api/agent/profiles/{id}")]
async fn change_profile(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    let profile = services.profiles.change(&caller, &id.0, body.0).await?;
    Ok(data(&Json::document(&profile)).ok())
}

/// Deletes a profile.
#[utoipa::path(
    tag = "profiles",
    params(("id" = String, Path, description = "The profile")),
    responses((status = 200, description = "Deleted", body = MessageAnswer)),
    extensions(("x-permission" = json!("agents.write"))),
)]
#[delete("/api/agent/profiles/{id}")]
async fn delete_profile(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.profiles.delete(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("agent profile deleted: {}", id.0)).ok())
}
