//! What operates the server: health, meta, the OpenAPI document, and below it the administrator's operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, get, web::Data};
use pilotdeck_domain::projects::{ProjectPriority, ProjectStatus};
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::Services;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::identify::{ADMIN_HEADER, AGENT_HEADER};
use crate::schemas::Yes;
use crate::server::Surface;

mod backups;
mod database;
mod deploy;
mod health;

/// The OpenAPI document as it is served.
pub(crate) struct OpenApiText(pub(crate) Arc<str>);

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(get_health)
        .service(health::get_root_health)
        .service(health::get_liveness)
        .service(health::get_readiness)
        .service(get_meta)
        .service(get_openapi)
        .service(database::back_up_database)
        .service(database::export_database)
        .service(database::restore_database)
        .service(backups::list_backups)
        .service(backups::make_backup)
        .service(backups::prove_backup)
        .service(backups::get_backup)
        .service(backups::restore_backup)
        .service(backups::delete_backup)
        .service(deploy::start_deploy)
        .service(deploy::cancel_deploy)
        .service(deploy::get_deploy_status)
        .service(deploy::get_deploy_log);
}

/// That the server is there.
#[derive(ToSchema)]
#[schema(example = json!({ "success": true, "status": "healthy", "timestamp": "2026-02-11T15:00:00.000000Z" }))]
#[expect(dead_code, reason = "written field by field")]
struct HealthAnswer {
    /// Always true.
    success: Yes,
    /// Always `healthy`.
    status: String,
    /// The server's time.
    #[schema(format = DateTime)]
    timestamp: String,
}

/// What a client may know before it signs in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct MetaAnswer {
    /// Always true.
    success: Yes,
    /// What the server is.
    data: MetaView,
}

/// What the server is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "service": "PilotDeck", "version": env!("CARGO_PKG_VERSION"), "apiBase": "/api",
    "dataLastUpdated": "2026-02-12T09:30:00.123456Z", "projectCount": 1,
    "enums": { "status": ProjectStatus::ALL, "priority": ProjectPriority::ALL },
    "auth": {
        "agentTokenRequired": true, "adminTokenRequired": false, "agentHeader": AGENT_HEADER,
        "adminHeader": ADMIN_HEADER
    },
    "capabilities": { "projects": true, "stats": true, "ledger": true }
}))]
#[expect(dead_code, reason = "written field by field")]
struct MetaView {
    /// Always `PilotDeck`.
    service: String,
    /// The program's version.
    version: String,
    /// Where the API begins.
    api_base: String,
    /// When any project was last changed; null when there never was one.
    #[schema(required = true, format = DateTime)]
    data_last_updated: Option<String>,
    /// How many projects there are.
    project_count: u64,
    /// The words that clients offer for a status and a priority.
    enums: EnumsView,
    /// Which tokens are set, and the headers that carry them.
    auth: TokensView,
    /// What this server can do.
    capabilities: BTreeMap<String, bool>,
}

/// The words that clients offer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct EnumsView {
    /// For a status.
    status: Vec<ProjectStatus>,
    /// For a priority.
    priority: Vec<ProjectPriority>,
}

/// How programs identify themselves.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct TokensView {
    /// Whether agents need a token.
    agent_token_required: bool,
    /// Whether there is a token for the administrator; people with the role `admin` need none.
    admin_token_required: bool,
    /// The header that carries the agents' token.
    agent_header: String,
    /// The header that carries the administrator's token.
    admin_header: String,
}

/// Says that the server is there.
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "It is", body = HealthAnswer)),
    extensions(("x-permission" = json!("public"))),
)]
#[get("/api/health")]
async fn get_health(services: Data<Services>) -> ApiResult {
    let now = WireTime::from(services.clock().now());
    Ok(Object::success().with("status", &"healthy").with("timestamp", &now).ok())
}

/// Says what the server is and what it wants to be sent.
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "What it is", body = MetaAnswer)),
    extensions(("x-permission" = json!("public"))),
)]
#[get("/api/meta")]
async fn get_meta(services: Data<Services>, surface: Data<Surface>) -> ApiResult {
    let overview = services.insights.overview().await?;
    let facts = json!({
        "service": "PilotDeck",
        "version": env!("CARGO_PKG_VERSION"),
        "apiBase": "/api",
        "dataLastUpdated": overview.last_updated,
        "projectCount": overview.projects,
        "enums": { "status": ProjectStatus::ALL, "priority": ProjectPriority::ALL },
        "auth": {
            "agentTokenRequired": surface.setup.agent_token.is_some(),
            "adminTokenRequired": surface.setup.has_admin_token(),
            "agentHeader": AGENT_HEADER,
            "adminHeader": ADMIN_HEADER,
        },
        "capabilities": {
            "projects": true,
            "stats": true,
            "agentRuns": true,
            "agentEvents": true,
            "agentActions": true,
            "agentProfiles": true,
            "agentCapabilities": true,
            "tokenUsage": true,
            "projectsBatch": true,
            "projectsPatch": true,
            "ledger": true,
            "stream": true,
            "proposals": true,
            "backup": true,
            "restore": true,
            "deploy": true,
        },
    });
    Ok(data(&Json::of(&facts)).ok())
}

/// This document.
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "The document", content_type = "application/json")),
    extensions(("x-permission" = json!("public"))),
)]
#[get("/api/openapi.json")]
async fn get_openapi(document: Data<OpenApiText>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(document.0.to_string())
}
