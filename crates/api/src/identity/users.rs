//! `/api/users`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{delete, get, patch, post, web};
use pilotdeck_domain::identity::{Email, FullName, NewPassword, Role, UserPatch, Username};
use pilotdeck_services::Services;
use pilotdeck_services::identity::CreateUser;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::own_sessions::{SessionsAnswer, ended, listed};
use super::{given, parsed, role, text};
use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller, Id};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_users)
        .service(create_user)
        .service(get_user)
        .service(change_user)
        .service(list_user_sessions)
        .service(end_user_sessions)
        .service(end_user_session)
        .service(reset_second_factor);
}

/// A person who can sign in.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "username": "ada", "fullName": "Ada Lovelace",
    "email": "ada@example.org", "role": "member", "isActive": true, "hasSecondFactor": false,
    "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z", "lastSignInAt": null
}))]
#[expect(dead_code, reason = "the shape of a document that the domain writes")]
struct UserView {
    /// Identifies the person.
    id: String,
    /// The name they sign in with.
    username: String,
    /// What they are called.
    full_name: Option<String>,
    /// Where to write to them.
    email: Option<String>,
    /// What they are here.
    role: Role,
    /// Whether they may sign in.
    is_active: bool,
    /// Whether signing in takes a second factor.
    has_second_factor: bool,
    /// When they came.
    #[schema(format = DateTime)]
    created_at: String,
    /// When they were last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When they last signed in.
    #[schema(format = DateTime)]
    last_sign_in_at: Option<String>,
}

/// Somebody to add.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "username": "ada", "password": "correct horse battery staple", "role": "member", "fullName": "Ada Lovelace"
}))]
#[expect(dead_code, reason = "read by hand")]
struct CreateUserBody {
    /// The name to sign in with: letters, digits and `. _ - @ +`, at most 64, kept in lowercase.
    #[schema(pattern = "\\S", min_length = 1)]
    username: String,
    /// The password, at least 8 characters.
    #[schema(pattern = "^\\S.{6,254}\\S$")]
    password: String,
    /// What they are here; `member` when absent.
    role: Option<Role>,
    /// What they are called.
    #[schema(pattern = "\\S", min_length = 1, max_length = 120)]
    full_name: Option<String>,
    /// Where to write to them.
    #[schema(pattern = "^\\S+@\\S+$", max_length = 254)]
    email: Option<String>,
}

/// The fields to change; what is absent stays.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "role": "viewer", "isActive": true }))]
#[expect(dead_code, reason = "read by hand")]
struct ChangeUserBody {
    /// The name to sign in with.
    #[schema(pattern = "\\S", min_length = 1)]
    username: Option<String>,
    /// What they are here.
    role: Option<Role>,
    /// Whether they may sign in. Who may not any more has no session and no key from then on.
    is_active: Option<bool>,
    /// What they are called; null when it is not to be known any more.
    #[schema(pattern = "\\S", min_length = 1, max_length = 120)]
    full_name: Option<String>,
    /// Where to write to them; null when it is not to be known any more.
    #[schema(pattern = "^\\S+@\\S+$", max_length = 254)]
    email: Option<String>,
}

/// One person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct UserAnswer {
    /// Always true.
    success: Yes,
    /// The person.
    data: UserView,
}

/// Everybody who can sign in, or could.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct UsersAnswer {
    /// Always true.
    success: Yes,
    /// The people, the first ones first.
    data: Vec<UserView>,
    /// How many there are.
    total: u64,
}

/// Lists everybody who can sign in, or could.
#[utoipa::path(
    tag = "people",
    responses((status = 200, description = "The people", body = UsersAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/users")]
async fn list_users(services: Data<Services>, caller: Caller) -> ApiResult {
    let users = services.identity.users(&caller).await?;
    Ok(data(&Json::of(&users)).with("total", &users.len()).ok())
}

/// Adds a person, who signs in with the password in the body.
#[utoipa::path(
    tag = "people",
    request_body = CreateUserBody,
    responses(
        (status = 201, description = "Added", body = UserAnswer),
        (status = 409, description = "Another person has the name or the address", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/users")]
async fn create_user(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let body = body.0;
    let input = CreateUser {
        username: Username::parse("username", text(&body, "username")?)?,
        password: NewPassword::parse("password", text(&body, "password")?)?,
        role: parsed(&body, "role", role)?.unwrap_or(Role::Member),
        full_name: parsed(&body, "fullName", FullName::parse)?,
        email: parsed(&body, "email", Email::parse)?,
    };
    let user = services.identity.create_user(&caller, input).await?;
    Ok(data(&Json::of(&user)).respond(StatusCode::CREATED))
}

/// Reads what is known of a person.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The person", example = "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses((status = 200, description = "The person", body = UserAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/users/{id}")]
async fn get_user(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    Ok(data(&Json::of(&services.identity.user(&caller, &id.0).await?)).ok())
}

/// Changes what a person may, and what is known of them. It counts from the next request on.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The person", example = "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    request_body = ChangeUserBody,
    responses(
        (status = 200, description = "Changed", body = UserAnswer),
        (status = 409, description = "Another person has the name or the address, or `last_admin`: nobody else could do everything", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[patch("/api/users/{id}")]
async fn change_user(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    let body = body.0;
    let patch = UserPatch {
        username: parsed(&body, "username", Username::parse)?,
        role: parsed(&body, "role", role)?,
        is_active: claim(&body, "isActive")?,
        full_name: emptied(&body, "fullName", parsed(&body, "fullName", FullName::parse)?),
        email: emptied(&body, "email", parsed(&body, "email", Email::parse)?),
    };
    Ok(data(&Json::of(&services.identity.change_user(&caller, &id.0, patch).await?)).ok())
}

/// Lists where a person is signed in, the newest first.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The person", example = "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses((status = 200, description = "The sessions", body = SessionsAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/users/{id}/sessions")]
async fn list_user_sessions(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    Ok(listed(&services.identity.sessions_of(&caller, &id.0).await?).ok())
}

/// Ends all sessions of a person.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The person", example = "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses((status = 200, description = "Ended", body = MessageAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[delete("/api/users/{id}/sessions")]
async fn end_user_sessions(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    Ok(ended(services.identity.end_sessions_of(&caller, &id.0).await?).ok())
}

/// Ends a session of a person.
#[utoipa::path(
    tag = "people",
    params(
        ("id" = String, Path, description = "The person", example = "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70"),
        ("session" = String, Path, description = "The session", example = "sess-0198c5a2f3b17c4e9d1a2b3c4d5e6f70"),
    ),
    responses((status = 200, description = "Ended", body = MessageAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[delete("/api/users/{id}/sessions/{session}")]
async fn end_user_session(
    services: Data<Services>,
    caller: Caller,
    ids: web::Path<(String, String)>,
) -> ApiResult {
    let (user, session) = ids.into_inner();
    services.identity.end_session_of(&caller, &user, &session).await?;
    Ok(ended(1).ok())
}

/// Takes the second factor of a person away who lost it: the password alone opens from now on.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The person", example = "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses(
        (status = 200, description = "Taken away", body = MessageAnswer),
        (status = 409, description = "They have none", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[delete("/api/users/{id}/second-factor")]
async fn reset_second_factor(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.identity.reset_second_factor(&caller, &id.0).await?;
    Ok(Object::success().with("message", &"signing in takes the password alone").ok())
}

/// A field that null empties.
#[expect(clippy::option_option, reason = "it is absent, emptied or given")]
fn emptied<T>(body: &Map<String, Value>, field: &str, value: Option<T>) -> Option<Option<T>> {
    body.contains_key(field).then_some(value)
}

fn claim(body: &Map<String, Value>, field: &'static str) -> Result<Option<bool>, ApiError> {
    match given(body, field) {
        None => Ok(None),
        Some(Value::Bool(claim)) => Ok(Some(*claim)),
        Some(_) => Err(ApiError::invalid(field, format!("{field} must be true or false"))),
    }
}
