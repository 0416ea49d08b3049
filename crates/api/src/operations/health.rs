//! Whether the server is there, lives, and can do its work: for people's eyes and for what starts and stops servers.

use actix_web::http::StatusCode;
use actix_web::{get, web::Data};
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::Services;
use pilotdeck_services::operations::NotReady;
use serde_json::json;
use utoipa::ToSchema;

use crate::envelope::Object;
use crate::error::ApiResult;

/// That the server is there.
#[derive(ToSchema)]
#[schema(example = json!({
    "status": "healthy", "timestamp": "2026-02-11T15:00:00.000000Z", "version": env!("CARGO_PKG_VERSION")
}))]
#[expect(dead_code, reason = "written field by field")]
struct RootHealthAnswer {
    /// Always `healthy`.
    status: String,
    /// The server's time.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The program's version.
    version: String,
}

/// That the process lives.
#[derive(ToSchema)]
#[schema(example = json!({ "status": "alive" }))]
#[expect(dead_code, reason = "written field by field")]
struct LiveAnswer {
    /// Always `alive`.
    status: String,
}

/// Whether the server can do its work.
#[derive(ToSchema)]
#[schema(example = json!({
    "ready": false, "dependencies": { "database": "error: database_busy", "disk": "ok" },
    "reasons": ["database_busy"]
}))]
#[expect(dead_code, reason = "written field by field")]
struct ReadyAnswer {
    /// Whether it can.
    ready: bool,
    /// How what it needs is.
    dependencies: DependenciesView,
    /// Why it cannot: `restoring`, `database_busy`, `database_read_only`, `database_failing`, `storage_full`,
    /// `disk_low`.
    reasons: Vec<String>,
}

/// How what the server needs is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct DependenciesView {
    /// `connected`, or `error: ` and the reason.
    database: String,
    /// `ok`, or `low` if less is free than is kept free.
    disk: String,
}

/// Says that the server is there, and its version.
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "It is", body = RootHealthAnswer)),
    extensions(("x-permission" = json!("public"))),
)]
#[get("/health")]
pub(super) async fn get_root_health(services: Data<Services>) -> ApiResult {
    let now = WireTime::from(services.clock().now());
    let version = env!("CARGO_PKG_VERSION");
    Ok(Object::new()
        .with("status", &"healthy")
        .with("timestamp", &now)
        .with("version", &version)
        .ok())
}

/// Says that the process lives.
///
/// It asks nothing of the database. The request may carry any `Host`.
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "It lives", body = LiveAnswer)),
    extensions(("x-permission" = json!("public"))),
)]
#[get("/health/live")]
pub(super) async fn get_liveness() -> ApiResult {
    Ok(Object::new().with("status", &"alive").ok())
}

/// Says whether the server can do its work.
///
/// The database is written to, at most once a second however many ask, and the room on its disk is looked at. The request
/// may carry any `Host`.
#[utoipa::path(
    tag = "operations",
    responses(
        (status = 200, description = "It can", body = ReadyAnswer),
        (status = 503, description = "It cannot now", body = ReadyAnswer),
    ),
    extensions(("x-permission" = json!("public"))),
)]
#[get("/health/ready")]
pub(super) async fn get_readiness(services: Data<Services>) -> ApiResult {
    let readiness = services.operations.readiness().await;
    let reasons: Vec<&str> = readiness.reasons().into_iter().map(NotReady::as_str).collect();
    let database = readiness
        .database
        .map_or_else(|| "connected".to_owned(), |reason| format!("error: {}", reason.as_str()));
    let disk = if readiness.disk_is_low { "low" } else { "ok" };
    let is_ready = reasons.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(Object::new()
        .with("ready", &is_ready)
        .with("dependencies", &json!({ "database": database, "disk": disk }))
        .with("reasons", &reasons)
        .respond(status))
}
