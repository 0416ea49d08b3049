//! `/api/invitations`, and joining with the link of one.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, delete, get, post, web::Data};
use pilotdeck_domain::identity::{
    Email, FullName, NewPassword, ProjectGrant, ProjectRole, Role, Username,
};
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::Services;
use pilotdeck_services::identity::{Invite, Join};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{AccountAnswer, given, parsed, role, text, welcome, word};
use crate::client;
use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller, Id};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_invitations).service(invite).service(revoke_invitation).service(join);
}

/// What somebody becomes in a project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "projectId": "proj-a", "role": "editor" }))]
#[expect(dead_code, reason = "the shape of a part of a document that the domain writes")]
struct ProjectGrantView {
    /// The project.
    project_id: String,
    /// What they become there.
    role: ProjectRole,
}

/// An invitation that waits. Its link is not shown again.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "inv-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "role": "member", "fullName": "Ada Lovelace", "email": "ada@example.org",
    "projects": [{ "projectId": "proj-a", "role": "editor" }], "invitedBy": "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70",
    "createdAt": "2026-02-11T15:00:00.000000Z", "expiresAt": "2026-02-18T15:00:00.000000Z"
}))]
#[expect(dead_code, reason = "the shape of a document that the domain writes")]
struct InvitationView {
    /// Identifies the invitation. It opens nothing.
    id: String,
    /// What who accepts it becomes here.
    role: Role,
    /// Who it is meant for.
    full_name: Option<String>,
    /// Where they are written to.
    email: Option<String>,
    /// What they become in projects.
    projects: Vec<ProjectGrantView>,
    /// The administrator who invited; null: the holder of the token, or the command line.
    invited_by: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when it can be accepted.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// An invitation that was made.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "inv-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "role": "member",
    "link": "/join#0000000000000000000000000000000000000000000000000000000000000000"
}))]
#[expect(dead_code, reason = "written beside the document that the domain writes")]
struct NewInvitationView {
    /// Identifies the invitation.
    id: String,
    /// What who accepts it becomes here.
    role: Role,
    /// Where to join, on this server, shown this once. What stands after `#` opens once, and is in no server's log.
    link: String,
    /// Everything else that a list says of it.
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, Value>,
}

/// Whom to invite.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "role": "member", "fullName": "Grace Hopper", "projects": [] }))]
#[expect(dead_code, reason = "read by hand")]
struct InviteBody {
    /// What they become here; `member` when absent.
    role: Option<Role>,
    /// What they are called.
    #[schema(pattern = "\\S", min_length = 1, max_length = 120)]
    full_name: Option<String>,
    /// Where to write to them. Nothing is sent.
    #[schema(pattern = "^\\S+@\\S+$", max_length = 254)]
    email: Option<String>,
    /// What they become in projects; each project once.
    #[schema(max_items = 100)]
    projects: Option<Vec<ProjectGrantView>>,
    /// Until when they can join, at most 30 days; in seven days when absent.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Who joins.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "token": "0000000000000000000000000000000000000000000000000000000000000000", "username": "grace",
    "password": "correct horse battery staple"
}))]
#[expect(dead_code, reason = "read by hand")]
struct JoinBody {
    /// What stands after `#` in the link.
    #[schema(pattern = "\\S", min_length = 1)]
    token: String,
    /// The name to sign in with: letters, digits and `. _ - @ +`, at most 64, kept in lowercase.
    #[schema(pattern = "\\S", min_length = 1)]
    username: String,
    /// The password, at least 8 characters.
    #[schema(pattern = "^\\S.{6,254}\\S$")]
    password: String,
    /// What they are called; what the invitation says when absent.
    #[schema(pattern = "\\S", min_length = 1, max_length = 120)]
    full_name: Option<String>,
}

/// An invitation that was made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct InvitedAnswer {
    /// Always true.
    success: Yes,
    /// The invitation.
    data: NewInvitationView,
}

/// Invitations that wait.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct InvitationsAnswer {
    /// Always true.
    success: Yes,
    /// The invitations, the first ones first, also those that are too old.
    data: Vec<InvitationView>,
    /// How many there are.
    total: u64,
}

/// Lists invitations that were neither accepted nor taken back.
#[utoipa::path(
    tag = "people",
    responses((status = 200, description = "The invitations", body = InvitationsAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/invitations")]
async fn list_invitations(services: Data<Services>, caller: Caller) -> ApiResult {
    let invitations = services.identity.invitations(&caller).await?;
    Ok(data(&Json::of(&invitations)).with("total", &invitations.len()).ok())
}

/// Invites somebody, and shows the link this once. Nothing is sent to anybody.
#[utoipa::path(
    tag = "people",
    request_body = InviteBody,
    responses(
        (status = 201, description = "Invited", body = InvitedAnswer),
        (status = 404, description = "There is no such project", body = crate::openapi::Failure),
        (status = 409, description = "A person has the address", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/invitations")]
async fn invite(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let body = body.0;
    let input = Invite {
        role: parsed(&body, "role", role)?.unwrap_or(Role::Member),
        full_name: parsed(&body, "fullName", FullName::parse)?,
        email: parsed(&body, "email", Email::parse)?,
        projects: grants(&body)?,
        expires_at: parsed(&body, "expiresAt", WireTime::parse)?,
    };
    let invited = services.identity.invite(&caller, input).await?;
    let mut view = json!(invited.invitation);
    view["link"] = json!(format!("/join#{}", invited.token));
    Ok(data(&Json::of(&view)).respond(StatusCode::CREATED))
}

/// Takes an invitation back: its link opens nothing any more.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The invitation", example = "inv-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses((status = 200, description = "Taken back", body = MessageAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[delete("/api/invitations/{id}")]
async fn revoke_invitation(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.identity.revoke_invitation(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("invitation taken back: {}", id.0)).ok())
}

/// Joins with the link of an invitation, once, and signs in: the answer sets the session cookie.
#[utoipa::path(
    tag = "auth",
    request_body = JoinBody,
    responses(
        (status = 201, description = "Joined, and signed in", body = AccountAnswer),
        (status = 401, description = "The invitation was used, taken back, or is too old", body = crate::openapi::Failure),
        (status = 409, description = "Another person has the name; the invitation stays good", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("public"))),
)]
#[post("/api/auth/join")]
async fn join(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    session: Session,
    body: Body,
) -> ApiResult {
    let body = body.0;
    let join = Join {
        token: text(&body, "token")?,
        username: Username::parse("username", text(&body, "username")?)?,
        password: NewPassword::parse("password", text(&body, "password")?)?,
        full_name: parsed(&body, "fullName", FullName::parse)?,
        from: client::origin(&request),
    };
    let signed_in = services.identity.join(&caller, join).await?;
    Ok(welcome(&services, &caller, &session, &signed_in).await?.respond(StatusCode::CREATED))
}

fn grants(body: &Map<String, Value>) -> Result<Vec<ProjectGrant>, ApiError> {
    let must = || {
        ApiError::invalid("projects", "projects must be a list of objects with projectId and role")
    };
    let grants = match given(body, "projects") {
        None => return Ok(Vec::new()),
        Some(Value::Array(grants)) => grants,
        Some(_) => return Err(must()),
    };
    let read = |grant: &Value| {
        let project = grant.get("projectId").and_then(Value::as_str).ok_or_else(must)?;
        let role = grant.get("role").and_then(Value::as_str).ok_or_else(must)?;
        let role = word("projects", role, ProjectRole::ALL, ProjectRole::from_word)?;
        Ok(ProjectGrant { project_id: project.to_owned(), role })
    };
    grants.iter().map(read).collect()
}
