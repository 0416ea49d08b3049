//! `/api/auth/sessions`: where a person is signed in.

use actix_session::Session;
use actix_web::{delete, get, web::Data};
use pilotdeck_domain::identity::{Denied, SessionDetails};
use pilotdeck_services::Services;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::extract::{Caller, Id};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;
use crate::sessions;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_own_sessions).service(end_own_session).service(end_other_sessions);
}

/// A place where a person is signed in.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "sess-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "createdAt": "2026-02-11T15:00:00.000000Z",
    "lastSeenAt": "2026-02-11T15:20:00.000000Z", "expiresAt": "2026-02-12T15:00:00.000000Z",
    "address": "192.0.2.7", "userAgent": "Mozilla/5.0", "isCurrent": true
}))]
#[expect(dead_code, reason = "the shape of a document that the domain writes")]
pub(super) struct SessionView {
    /// Identifies the session. It opens nothing.
    id: String,
    /// When somebody signed in.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Where the sign-in came from.
    address: Option<String>,
    /// The program that signed in, by its own word.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    is_current: bool,
}

/// Where a person is signed in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
pub(super) struct SessionsAnswer {
    /// Always true.
    success: Yes,
    /// The sessions, the newest first.
    data: Vec<SessionView>,
    /// How many there are.
    total: u64,
}

pub(super) fn listed(sessions: &[SessionDetails]) -> Object {
    data(&Json::of(&sessions)).with("total", &sessions.len())
}

/// What is said when sessions were ended.
pub(super) fn ended(count: usize) -> Object {
    Object::success().with("message", &format!("sessions ended: {count}"))
}

/// Lists where the person who signed in is signed in, the newest first.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "The sessions", body = SessionsAnswer)),
    extensions(("x-permission" = json!("account"))),
)]
#[get("/api/auth/sessions")]
async fn list_own_sessions(
    services: Data<Services>,
    caller: Caller,
    session: Session,
) -> ApiResult {
    let key = sessions::key(&session).ok_or(Denied::Unauthenticated)?;
    Ok(listed(&services.identity.own_sessions(&caller, &key).await?).ok())
}

/// Ends a session of the person who signed in, and the streams that depend on it.
#[utoipa::path(
    tag = "auth",
    params(("id" = String, Path, description = "The session", example = "sess-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses((status = 200, description = "Ended", body = MessageAnswer)),
    extensions(("x-permission" = json!("account"))),
)]
#[delete("/api/auth/sessions/{id}")]
async fn end_own_session(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.identity.end_own_session(&caller, &id.0).await?;
    Ok(ended(1).ok())
}

/// Ends all sessions of the person who signed in, but the one that asks.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "Ended", body = MessageAnswer)),
    extensions(("x-permission" = json!("account"))),
)]
#[delete("/api/auth/sessions")]
async fn end_other_sessions(
    services: Data<Services>,
    caller: Caller,
    session: Session,
) -> ApiResult {
    let key = sessions::key(&session).ok_or(Denied::Unauthenticated)?;
    Ok(ended(services.identity.end_other_sessions(&caller, &key).await?).ok())
}
