//! `/api/auth/second-factor`: codes of an app beside the password.

use actix_web::{HttpRequest, get, post, web::Data};
use pilotdeck_services::Services;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::text;
use crate::client;
use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(get_second_factor)
        .service(begin_second_factor)
        .service(confirm_second_factor)
        .service(disable_second_factor)
        .service(replace_recovery_codes);
}

/// That whoever asks knows the password.
#[derive(ToSchema)]
#[schema(example = json!({ "password": "correct horse battery staple" }))]
#[expect(dead_code, reason = "read by hand")]
struct PasswordBody {
    /// The password of the person who signed in.
    #[schema(pattern = "\\S", min_length = 1)]
    password: String,
}

/// The first code of an app.
#[derive(ToSchema)]
#[schema(example = json!({ "code": "287082" }))]
#[expect(dead_code, reason = "read by hand")]
struct CodeBody {
    /// What the app shows.
    #[schema(pattern = "\\S", min_length = 1)]
    code: String,
}

/// How things stand with the second factor.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "isEnabled": true, "recoveryCodesLeft": 9 }))]
#[expect(dead_code, reason = "written field by field")]
struct SecondFactorView {
    /// Whether signing in takes a code.
    is_enabled: bool,
    /// How many recovery codes are left.
    recovery_codes_left: u64,
}

/// What an app is to know.
#[derive(ToSchema)]
#[schema(example = json!({
    "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "uri": "otpauth://totp/PilotDeck:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=PilotDeck"
}))]
#[expect(dead_code, reason = "written field by field")]
struct BegunView {
    /// The secret, in base 32, to be typed.
    secret: String,
    /// The same as an address, to be shown as a QR code.
    uri: String,
}

/// Recovery codes. They are shown this once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "recoveryCodes": ["abcd-efgh-2345-mnpq"] }))]
#[expect(dead_code, reason = "written field by field")]
struct RecoveryCodesView {
    /// Each opens once, in place of a code.
    recovery_codes: Vec<String>,
}

/// How things stand with the second factor.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct SecondFactorAnswer {
    /// Always true.
    success: Yes,
    /// How things stand.
    data: SecondFactorView,
}

/// A second factor that waits for its first code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct SecondFactorBegunAnswer {
    /// Always true.
    success: Yes,
    /// What the app is to know: the one copy there is.
    data: BegunView,
}

/// New recovery codes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct RecoveryCodesAnswer {
    /// Always true.
    success: Yes,
    /// The codes: the one copy there is.
    data: RecoveryCodesView,
}

/// Says whether signing in takes a second factor.
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "How things stand", body = SecondFactorAnswer)),
    extensions(("x-permission" = json!("account"))),
)]
#[get("/api/auth/second-factor")]
async fn get_second_factor(services: Data<Services>, caller: Caller) -> ApiResult {
    let factor = services.identity.second_factor(&caller).await?;
    let view = json!({
        "isEnabled": factor.is_enabled, "recoveryCodesLeft": factor.recovery_codes_left,
    });
    Ok(data(&Json::of(&view)).ok())
}

/// Makes the secret of a second factor. It is not asked for until its first code is confirmed.
#[utoipa::path(
    tag = "auth",
    request_body = PasswordBody,
    responses(
        (status = 200, description = "What the app is to know", body = SecondFactorBegunAnswer),
        (status = 401, description = "Nobody signed in, or the password is another one", body = crate::openapi::Failure),
        (status = 409, description = "There is a second factor already", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("account"))),
)]
#[post("/api/auth/second-factor")]
async fn begin_second_factor(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    body: Body,
) -> ApiResult {
    let password = filled(&body, "password")?;
    let address = client::address(&request);
    let begun = services.identity.begin_second_factor(&caller, password, address).await?;
    Ok(data(&Json::of(&json!({ "secret": begun.secret, "uri": begun.uri }))).ok())
}

/// Asks for the second factor from now on, and answers its recovery codes, this once.
#[utoipa::path(
    tag = "auth",
    request_body = CodeBody,
    responses(
        (status = 200, description = "The recovery codes", body = RecoveryCodesAnswer),
        (status = 401, description = "Nobody signed in, or the code is wrong", body = crate::openapi::Failure),
        (status = 409, description = "None was begun, or it is confirmed already", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("account"))),
)]
#[post("/api/auth/second-factor/confirm")]
async fn confirm_second_factor(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let codes = services.identity.confirm_second_factor(&caller, filled(&body, "code")?).await?;
    Ok(shown_once(&codes).ok())
}

/// Asks for the password alone from now on.
#[utoipa::path(
    tag = "auth",
    request_body = PasswordBody,
    responses(
        (status = 200, description = "Disabled", body = MessageAnswer),
        (status = 401, description = "Nobody signed in, or the password is another one", body = crate::openapi::Failure),
        (status = 409, description = "There is no second factor", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("account"))),
)]
#[post("/api/auth/second-factor/disable")]
async fn disable_second_factor(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    body: Body,
) -> ApiResult {
    let password = filled(&body, "password")?;
    let address = client::address(&request);
    services.identity.disable_second_factor(&caller, password, address).await?;
    Ok(Object::success().with("message", &"signing in takes the password alone").ok())
}

/// Replaces the recovery codes: the old ones open nothing any more.
#[utoipa::path(
    tag = "auth",
    request_body = PasswordBody,
    responses(
        (status = 200, description = "The recovery codes", body = RecoveryCodesAnswer),
        (status = 401, description = "Nobody signed in, or the password is another one", body = crate::openapi::Failure),
        (status = 409, description = "There is no second factor", body = crate::openapi::Failure),
        (status = 429, description = "Too many failures; `Retry-After` says when to try again", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("account"))),
)]
#[post("/api/auth/second-factor/recovery-codes")]
async fn replace_recovery_codes(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    body: Body,
) -> ApiResult {
    let password = filled(&body, "password")?;
    let address = client::address(&request);
    let codes = services.identity.replace_recovery_codes(&caller, password, address).await?;
    Ok(shown_once(&codes).ok())
}

fn shown_once(codes: &[String]) -> Object {
    data(&Json::of(&json!({ "recoveryCodes": codes })))
}

/// A text that is there, and not blank.
fn filled<'a>(body: &'a Body, field: &'static str) -> Result<&'a str, ApiError> {
    let filled = text(&body.0, field)?;
    match filled.trim() {
        "" => Err(ApiError::invalid(field, format!("{field} must not be empty"))),
        _ => Ok(filled),
    }
}
