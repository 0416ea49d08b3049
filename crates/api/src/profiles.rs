//! `/api/agent/profiles`.

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
        .service(list_profiles)
        .service(create_profile)
        .service(get_profile)
        .service(change_profile)
        .service(delete_profile);
}

/// What an agent is and may do, in its owner's words. Fields that PilotDeck does not know are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "agent-reviewer", "name": "Reviewer", "role": "reviewer", "description": "", "styleTags": [],
    "skills": ["rust"], "outputMode": "concise", "writebackPolicy": "minimal", "permissions": {}, "enabled": true,
    "meta": {}, "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z"
}))]
#[expect(dead_code, reason = "the shape of stored documents")]
struct ProfileView {
    /// Identifies the profile.
    id: String,
    /// What people call it.
    name: String,
    /// What it does.
    #[schema(required = true)]
    role: Option<String>,
    /// What it is. Profiles of an older database may lack this and the next six.
    description: Option<FreeText>,
    /// How it writes.
    style_tags: Option<Items>,
    /// What it can.
    skills: Option<Items>,
    /// How much it writes.
    output_mode: Option<FreeText>,
    /// How much it reports.
    writeback_policy: Option<FreeText>,
    /// What it may.
    permissions: Option<Fields>,
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

/// The fields of a new profile. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "agent-reviewer", "name": "Reviewer", "role": "reviewer", "skills": ["rust"]
}))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct CreateProfileBody {
    /// Chosen by the client, or minted. A profile with this id is created once.
    id: Option<ChosenId>,
    /// What people call it; `Agent` when blank.
    name: Option<Text>,
    /// What it does; `general` when null.
    role: Option<Text>,
    /// What it is.
    description: Option<FreeText>,
    /// How it writes.
    style_tags: Option<Items>,
    /// What it can.
    skills: Option<Items>,
    /// How much it writes; `concise` when null.
    output_mode: Option<FreeText>,
    /// How much it reports; `minimal` when null.
    writeback_policy: Option<FreeText>,
    /// What it may.
    permissions: Option<Fields>,
    /// Anything else.
    meta: Option<Fields>,
    /// Whether it is in use.
    enabled: Option<Enabled>,
    /// When it was created; now when absent.
    created_at: Option<Moment>,
    /// When it was last changed; now when absent.
    updated_at: Option<Moment>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// The fields to change; what is absent stays. Further fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "skills": ["rust", "sql"], "enabled": false }))]
#[expect(dead_code, reason = "the shape of a document that is read field by field in the domain")]
struct ChangeProfileBody {
    /// What people call it; `Agent` when blank.
    name: Option<Text>,
    /// What it does; `general` when null.
    role: Option<Text>,
    /// What it is.
    description: Option<FreeText>,
    /// How it writes.
    style_tags: Option<Items>,
    /// What it can.
    skills: Option<Items>,
    /// How much it writes; `concise` when null.
    output_mode: Option<FreeText>,
    /// How much it reports; `minimal` when null.
    writeback_policy: Option<FreeText>,
    /// What it may.
    permissions: Option<Fields>,
    /// Anything else.
    meta: Option<Fields>,
    /// Whether it is in use.
    enabled: Option<Enabled>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

/// One profile.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProfileAnswer {
    /// Always true.
    success: Yes,
    /// The profile.
    data: ProfileView,
}

/// A profile that is there, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored document")]
struct ProfileCreatedAnswer {
    /// Always true.
    success: Yes,
    /// The profile.
    data: ProfileView,
    /// `profile exists` when this request did not make it.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// Several profiles.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct ProfilesAnswer {
    /// Always true.
    success: Yes,
    /// The profiles, the last changed first.
    data: Vec<ProfileView>,
    /// How many there are in `data`.
    total: u64,
}

/// Which profiles to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListProfilesQuery {
    /// Only those that are in use, or are not.
    enabled: Option<QueryFlag>,
}

/// Lists profiles, the last changed first.
#[utoipa::path(
    tag = "profiles",
    params(ListProfilesQuery),
    responses((status = 200, description = "The profiles", body = ProfilesAnswer)),
    extensions(("x-permission" = json!("catalog.read"))),
)]
#[get("/api/agent/profiles")]
async fn list_profiles(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let profiles = services.profiles.list(&caller, query.flag("enabled")).await?;
    Ok(data(&Json::list(&profiles)).with("total", &profiles.len()).ok())
}

/// Creates a profile, unless one with its id exists.
#[utoipa::path(
    tag = "profiles",
    request_body = CreateProfileBody,
    responses(
        (status = 201, description = "Created", body = ProfileCreatedAnswer),
        (status = 200, description = "It exists already, and is as it was", body = ProfileCreatedAnswer),
    ),
    extensions(("x-permission" = json!("catalog.write"))),
)]
#[post("/api/agent/profiles")]
async fn create_profile(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let made = services.profiles.create(&caller, body.0).await?;
    Ok(data(&Json::document(&made.profile)).created(made.created, "profile exists"))
}

/// Reads a profile.
#[utoipa::path(
    tag = "profiles",
    params(("id" = String, Path, description = "The profile", example = "agent-reviewer")),
    responses((status = 200, description = "The profile", body = ProfileAnswer)),
    extensions(("x-permission" = json!("catalog.read"))),
)]
#[get("/api/agent/profiles/{id}")]
async fn get_profile(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let profile = services.profiles.get(&caller, &id.0).await?;
    Ok(data(&Json::document(&profile)).ok())
}

/// Changes the fields of a profile that the body names.
#[utoipa::path(
    tag = "profiles",
    params(("id" = String, Path, description = "The profile", example = "agent-reviewer")),
    request_body = ChangeProfileBody,
    responses((status = 200, description = "Changed", body = ProfileAnswer)),
    extensions(("x-permission" = json!("catalog.write"))),
)]
#[patch("/api/agent/profiles/{id}")]
async fn change_profile(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    let profile = services.profiles.change(&caller, &id.0, body.0).await?;
    Ok(data(&Json::document(&profile)).ok())
}

/// Deletes a profile.
#[utoipa::path(
    tag = "profiles",
    params(("id" = String, Path, description = "The profile", example = "agent-reviewer")),
    responses((status = 200, description = "Deleted", body = MessageAnswer)),
    extensions(("x-permission" = json!("catalog.write"))),
)]
#[delete("/api/agent/profiles/{id}")]
async fn delete_profile(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.profiles.delete(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("agent profile deleted: {}", id.0)).ok())
}
