//! `/api/keys`: keys of people, for their programs.

use actix_web::http::StatusCode;
use actix_web::{delete, get, post, web::Data};
use pilotdeck_domain::identity::{KeyName, Scope};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::Services;
use pilotdeck_services::identity::CreateKey;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{given, optional_text, parsed, text, word};
use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Caller, Id, Query};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_keys).service(create_key).service(revoke_key);
}

/// A key of a person. It may do what its owner may, what it is for, and in its project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "key-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "name": "nightly import", "prefix": "pd_1f2e3d4c", "scopes": ["read", "ingest"],
    "projectId": null, "userId": "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "username": "ada",
    "createdAt": "2026-02-11T15:00:00.000000Z", "expiresAt": null, "lastUsedAt": null
}))]
#[expect(dead_code, reason = "the shape of a document that the domain writes")]
struct KeyView {
    /// Identifies the key. It opens nothing.
    id: String,
    /// What its owner calls it.
    name: String,
    /// How it begins.
    prefix: String,
    /// What it is for: `read`, `write`, `ingest` (usage), `worker` (the pool), `admin`.
    scopes: Vec<Scope>,
    /// The only project that it opens, if there is one.
    project_id: Option<String>,
    /// Whose it is.
    user_id: String,
    /// The name that the owner signs in with.
    username: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was last used, to the minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// A key that was made.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "key-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "name": "nightly import", "prefix": "pd_1f2e3d4c",
    "key": "pd_1f2e3d4c00000000000000000000000000000000000000000000000000000000"
}))]
#[expect(dead_code, reason = "written beside the document that the domain writes")]
struct NewKeyView {
    /// Identifies the key.
    id: String,
    /// What its owner calls it.
    name: String,
    /// How it begins.
    prefix: String,
    /// The key, shown this once: send it in `X-API-Key`, or as a bearer.
    key: String,
    /// Everything else that a list says of it.
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, Value>,
}

/// A key to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "name": "nightly import", "scopes": ["read", "ingest"] }))]
#[expect(dead_code, reason = "read by hand")]
struct CreateKeyBody {
    /// What to call it.
    #[schema(pattern = "\\S", min_length = 1, max_length = 120)]
    name: String,
    /// What it is for. Only keys of administrators can have `admin`.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// The only project that it is to open.
    project_id: Option<String>,
    /// When it is to end by itself; never when absent.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key that was made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct KeyCreatedAnswer {
    /// Always true.
    success: Yes,
    /// The key.
    data: NewKeyView,
}

/// Several keys.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct KeysAnswer {
    /// Always true.
    success: Yes,
    /// The keys, the first ones first. None of them is shown.
    data: Vec<KeyView>,
    /// How many there are.
    total: u64,
}

/// Whose keys to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListKeysQuery {
    /// Only those of this person.
    user_id: Option<String>,
}

/// Lists one's own keys, or, for an administrator, everybody's.
#[utoipa::path(
    tag = "people",
    params(ListKeysQuery),
    responses((status = 200, description = "The keys", body = KeysAnswer)),
    extensions(("x-permission" = json!("keys.manage"))),
)]
#[get("/api/keys")]
async fn list_keys(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let user = query.text("userId").map(UserId::stored);
    let keys = services.identity.keys(&caller, user.as_ref()).await?;
    Ok(data(&Json::of(&keys)).with("total", &keys.len()).ok())
}

/// Makes a key of the person who signed in, and shows it this once.
#[utoipa::path(
    tag = "people",
    request_body = CreateKeyBody,
    responses(
        (status = 201, description = "Made", body = KeyCreatedAnswer),
        (status = 404, description = "There is no such project", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("account"))),
)]
#[post("/api/keys")]
async fn create_key(services: Data<Services>, caller: Caller, body: Body) -> ApiResult {
    let body = body.0;
    let input = CreateKey {
        name: KeyName::parse("name", text(&body, "name")?)?,
        scopes: scopes(&body)?,
        project_id: optional_text(&body, "projectId")?.map(str::to_owned),
        expires_at: parsed(&body, "expiresAt", WireTime::parse)?,
    };
    let made = services.identity.create_key(&caller, input).await?;
    let mut view = json!(made.details);
    view["key"] = json!(made.key);
    Ok(data(&Json::of(&view)).respond(StatusCode::CREATED))
}

/// Revokes a key of one's own; an administrator revokes any. It counts from the next request on.
#[utoipa::path(
    tag = "people",
    params(("id" = String, Path, description = "The key", example = "key-0198c5a2f3b17c4e9d1a2b3c4d5e6f70")),
    responses((status = 200, description = "Revoked", body = MessageAnswer)),
    extensions(("x-permission" = json!("keys.manage"))),
)]
#[delete("/api/keys/{id}")]
async fn revoke_key(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let key = services.identity.revoke_key(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("key revoked: {}", key.id)).ok())
}

fn scopes(body: &Map<String, Value>) -> Result<Vec<Scope>, ApiError> {
    let must = || ApiError::invalid("scopes", "scopes must be a list of words");
    match given(body, "scopes") {
        Some(Value::Array(words)) if words.len() <= Scope::ALL.len() * 2 => words
            .iter()
            .map(|raw| {
                let raw = raw.as_str().ok_or_else(must)?;
                Ok(word("scopes", raw, Scope::ALL, Scope::from_word)?)
            })
            .collect(),
        _ => Err(must()),
    }
}
