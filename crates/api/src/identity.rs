//! People: `/api/auth`, and below users, keys and invitations.

use actix_session::Session;
use actix_web::{HttpRequest, get, post, web::Data};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::{Denied, NewPassword, Role};
use pilotdeck_domain::ids::UserId;
use pilotdeck_services::Services;
use pilotdeck_services::identity::{SignIn, SignedIn};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::client;
use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::extract::{Body, Caller};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;
use crate::sessions;

mod invitations;
mod keys;
mod own_sessions;
mod second_factor;
mod users;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(sign_in)
        .service(get_account)
        .service(sign_out)
        .service(change_password)
        .configure(own_sessions::routes)
        .configure(second_factor::routes)
        .configure(users::routes)
        .configure(keys::routes)
        .configure(invitations::routes);
}

/// Who signs in.
#[derive(ToSchema)]
#[schema(example = json!({ "username": "admin", "password": "correct horse battery staple" }))]
#[expect(dead_code, reason = "read by hand")]
struct SignInBody {
    /// The user name.
    #[schema(pattern = "\\S", min_length = 1)]
    username: String,
    /// The password.
    #[schema(pattern = "\\S", min_length = 1)]
    password: String,
    /// The code of the second factor, or a recovery code; where it is asked for. A blank one is none.
    code: Option<String>,
}

/// A password to replace.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "currentPassword": "admin", "newPassword": "correct horse battery staple" }))]
#[expect(dead_code, reason = "read by hand")]
struct ChangePasswordBody {
    /// The password as it is.
    #[schema(pattern = "\\S", min_length = 1)]
    current_password: String,
    /// The password to be, at least 8 characters.
    #[schema(pattern = "^\\S.{6,254}\\S$")]
    new_password: String,
}

/// A person.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "username": "admin", "role": "admin", "passwordIsDefault": false
}))]
#[expect(dead_code, reason = "written field by field")]
struct AccountView {
    /// Identifies the person.
    id: String,
    /// The name they sign in with.
    username: String,
    /// What they are here.
    role: Role,
    /// Whether the password is the one of the first start, which should be changed.
    password_is_default: bool,
}

/// Who signed in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct AccountAnswer {
    /// Always true.
    success: Yes,
    /// The account.
    data: AccountData,
}

/// Who signed in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct AccountData {
    /// The person.
    user: AccountView,
}

/// That it is done.
#[derive(ToSchema)]
#[schema(example = json!({ "success": true }))]
#[expect(dead_code, reason = "written field by field")]
struct SuccessAnswer {
    /// Always true.
    success: Yes,
}

/// Signs a person in: the answer sets the session cookie, which is good for 24 hours.
#[utoipa::path(
    tag = "auth",
    request_body = SignInBody,
    responses(
        (status = 200, description = "Signed in", body = AccountAnswer),
        (status = 401, description = "User name and password do not belong together; or `second_factor_required`: send the same with `code`; or `wrong_code`", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("public"))),
)]
#[post("/api/auth/login")]
async fn sign_in(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    session: Session,
    body: Body,
) -> ApiResult {
    let (username, password) = (text(&body.0, "username")?, text(&body.0, "password")?);
    if username.trim().is_empty() || password.trim().is_empty() {
        let field = if username.trim().is_empty() { "username" } else { "password" };
        return Err(ApiError::invalid(field, "username and password must not be empty"));
    }
    let code = optional_text(&body.0, "code")?.filter(|code| !code.trim().is_empty());
    let sign_in = SignIn { username, password, code, from: client::origin(&request) };
    let signed_in = services.identity.sign_in(&caller, sign_in).await?;
    Ok(welcome(&services, &caller, &session, &signed_in).await?.ok())
}

/// Hands the session to the browser, in place of the one that it had.
async fn welcome(
    services: &Services,
    caller: &Caller,
    session: &Session,
    signed_in: &SignedIn,
) -> Result<Object, ApiError> {
    // The session that the browser had before is over, whoever's it was.
    if let Some(previous) = sessions::key(session) {
        services.identity.sign_out(caller, &previous).await?;
    }
    sessions::begin(session, &signed_in.session_key).map_err(|error| {
        tracing::error!(%error, "a session could not be begun");
        ApiError::new(ErrorCode::Internal, "the session could not be begun")
    })?;
    let user = &signed_in.user;
    Ok(account(&user.id, &user.username, user.role, signed_in.password_is_default))
}

/// Says who signed in.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "The person", body = AccountAnswer)),
    extensions(("x-permission" = json!("account"))),
)]
#[get("/api/auth/me")]
async fn get_account(services: Data<Services>, caller: Caller) -> ApiResult {
    let person = caller.person().ok_or(Denied::Unauthenticated)?;
    let is_default = services.identity.has_default_password(&person.id).await?;
    Ok(account(&person.id, &person.username, person.role, is_default).ok())
}

/// Signs a person out. Without a session there is nothing to do.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "Signed out", body = SuccessAnswer)),
    extensions(("x-permission" = json!("public"))),
)]
#[post("/api/auth/logout")]
async fn sign_out(services: Data<Services>, caller: Caller, session: Session) -> ApiResult {
    if let Some(key) = sessions::key(&session) {
        services.identity.sign_out(&caller, &key).await?;
    }
    session.purge();
    Ok(Object::success().ok())
}

/// Replaces the password of the person who signed in, and ends all their other sessions.
#[utoipa::path(
    tag = "auth",
    request_body = ChangePasswordBody,
    responses(
        (status = 200, description = "Replaced", body = MessageAnswer),
        (status = 401, description = "Nobody signed in, or the current password is another one", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("account"))),
)]
#[post("/api/auth/change-password")]
async fn change_password(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    session: Session,
    body: Body,
) -> ApiResult {
    let current = text(&body.0, "currentPassword")?;
    let new = NewPassword::parse("newPassword", text(&body.0, "newPassword")?)?;
    let key = sessions::key(&session).ok_or(Denied::Unauthenticated)?;
    services
        .identity
        .change_password(&caller, &key, current, &new, client::address(&request))
        .await?;
    Ok(Object::success().with("message", &"password changed; all other sessions are over").ok())
}

fn account(id: &UserId, username: &str, role: Role, password_is_default: bool) -> Object {
    let user = json!({
        "id": id,
        "username": username,
        "role": role,
        "passwordIsDefault": password_is_default,
    });
    data(&Json::of(&json!({ "user": user })))
}

/// The field of a body, if it is there and not null.
fn given<'a>(body: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    body.get(field).filter(|value| !value.is_null())
}

fn optional_text<'a>(
    body: &'a Map<String, Value>,
    field: &'static str,
) -> Result<Option<&'a str>, ApiError> {
    given(body, field).map(|_| text(body, field)).transpose()
}

/// A text that is parsed as a `T`, if it is there.
fn parsed<T>(
    body: &Map<String, Value>,
    field: &'static str,
    parse: impl Fn(&'static str, &str) -> Result<T, InvalidInput>,
) -> Result<Option<T>, ApiError> {
    Ok(optional_text(body, field)?.map(|text| parse(field, text)).transpose()?)
}

/// One of the words that `from_word` knows.
fn word<T>(
    field: &'static str,
    raw: &str,
    known: &[T],
    from_word: impl Fn(&str) -> Option<T>,
) -> Result<T, InvalidInput>
where
    T: ToString,
{
    from_word(raw).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(ToString::to_string).collect();
        InvalidInput::new(field, format!("{field} must be one of {}", words.join(", ")))
    })
}

fn role(field: &'static str, raw: &str) -> Result<Role, InvalidInput> {
    word(field, raw, Role::ALL, Role::from_word)
}

fn text<'a>(body: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, ApiError> {
    match body.get(field) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => {
            Err(ApiError::invalid(field, format!("{field} must not be empty")))
        }
        Some(_) => Err(ApiError::invalid(field, format!("{field} must be a text"))),
    }
}
