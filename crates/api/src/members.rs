//! `/api/projects/{id}/members`, and the people who could be members.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, delete, get, patch, post, web, web::Data};
use pilotdeck_domain::identity::ProjectRole;
use pilotdeck_services::Services;
use pilotdeck_services::members::Member;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::extract::{Body, Caller, Id};
use crate::projects::MessageAnswer;
use crate::schemas::Yes;

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_members)
        .service(add_member)
        .service(change_member)
        .service(remove_member)
        .service(list_people);
}

/// A member of a project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "userId": "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "username": "ada", "role": "editor",
    "addedAt": "2026-02-11T15:00:00.000000Z"
}))]
#[expect(dead_code, reason = "written field by field")]
struct MemberView {
    /// Who it is.
    user_id: String,
    /// The name they sign in with.
    username: String,
    /// What they are in the project. What they are on the installation may allow less.
    role: ProjectRole,
    /// Since when.
    #[schema(format = DateTime)]
    added_at: String,
}

/// A member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct MemberAnswer {
    /// Always true.
    success: Yes,
    /// The member.
    data: MemberView,
}

/// Somebody who is a member, now or before.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct AddedMemberAnswer {
    /// Always true.
    success: Yes,
    /// The member.
    data: MemberView,
    /// Whether this request made them one.
    created: bool,
    /// `member exists` when they were one before, and are what they were.
    #[schema(nullable = false)]
    message: Option<String>,
}

/// The members of a project.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct MembersAnswer {
    /// Always true.
    success: Yes,
    /// The members, the first one first.
    data: Vec<MemberView>,
    /// How many there are in `data`.
    total: u64,
}

/// Who is to be a member: named by `userId`, or else by `username`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "username": "ada", "role": "editor" }))]
#[expect(dead_code, reason = "read by hand")]
struct AddMemberBody {
    /// The user.
    user_id: Option<String>,
    /// The name that the user signs in with.
    username: Option<String>,
    /// What they are to be.
    role: ProjectRole,
}

/// What a member is to be.
#[derive(ToSchema)]
#[schema(example = json!({ "role": "owner" }))]
#[expect(dead_code, reason = "read by hand")]
struct ChangeMemberBody {
    /// What they are to be.
    role: ProjectRole,
}

/// Somebody who could be a member.
#[derive(ToSchema)]
#[schema(example = json!({ "id": "user-0198c5a2f3b17c4e9d1a2b3c4d5e6f70", "username": "ada" }))]
#[expect(dead_code, reason = "written field by field")]
struct PersonNameView {
    /// Who it is.
    id: String,
    /// The name they sign in with.
    username: String,
}

/// The people who could be members.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct PeopleAnswer {
    /// Always true.
    success: Yes,
    /// The people, by name, the first 2000.
    data: Vec<PersonNameView>,
    /// How many there are in `data`.
    total: u64,
}

/// Lists the members of a project.
#[utoipa::path(
    tag = "members",
    params(("id" = String, Path, description = "The project", example = "proj-a")),
    responses((status = 200, description = "The members", body = MembersAnswer)),
    extensions(("x-permission" = json!("projects.read"))),
)]
#[get("/api/projects/{id}/members")]
async fn list_members(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    let members = services.members.list(&caller, &id.0).await?;
    let views: Vec<Json> = members.iter().map(view).collect();
    Ok(data(&Json::array(&views)).with("total", &views.len()).ok())
}

/// Makes a user a member of a project. Who is one stays what they are.
#[utoipa::path(
    tag = "members",
    params(("id" = String, Path, description = "The project", example = "proj-a")),
    request_body = AddMemberBody,
    responses(
        (status = 201, description = "Added", body = AddedMemberAnswer),
        (status = 200, description = "They are a member already, and stay what they are", body = AddedMemberAnswer),
    ),
    extensions(("x-permission" = json!("members.write"))),
)]
#[post("/api/projects/{id}/members")]
async fn add_member(services: Data<Services>, caller: Caller, id: Id, body: Body) -> ApiResult {
    let (user_id, username) = (text(&body.0, "userId")?, text(&body.0, "username")?);
    let user = user_id
        .or(username)
        .ok_or_else(|| ApiError::invalid("userId", "userId or username must name a user"))?;
    let added = services.members.add(&caller, &id.0, user, role(&body.0)?).await?;
    Ok(data(&view(&added.member))
        .with("created", &added.created)
        .created(added.created, "member exists"))
}

/// Makes a member something else. The last owner stays one.
#[utoipa::path(
    tag = "members",
    params(
        ("id" = String, Path, description = "The project", example = "proj-a"),
        ("userId" = String, Path, description = "The member, by id or by user name", example = "ada"),
    ),
    request_body = ChangeMemberBody,
    responses(
        (status = 200, description = "Changed", body = MemberAnswer),
        (status = 409, description = "The project would have no owner any more", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("members.write"))),
)]
#[patch("/api/projects/{id}/members/{userId}")]
async fn change_member(
    services: Data<Services>,
    caller: Caller,
    path: MemberPath,
    body: Body,
) -> ApiResult {
    let member = services.members.change(&caller, &path.id, &path.user, role(&body.0)?).await?;
    Ok(data(&view(&member)).ok())
}

/// Removes a member from a project. Owners remove members, and everybody may leave but the last owner. From the next
/// request on the project does not exist for them, nor in the streams that they follow.
#[utoipa::path(
    tag = "members",
    params(
        ("id" = String, Path, description = "The project", example = "proj-a"),
        ("userId" = String, Path, description = "The member, by id or by user name", example = "ada"),
    ),
    responses(
        (status = 200, description = "Removed", body = MessageAnswer),
        (status = 409, description = "The project would have no owner any more", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("projects.read"))),
)]
#[delete("/api/projects/{id}/members/{userId}")]
async fn remove_member(services: Data<Services>, caller: Caller, path: MemberPath) -> ApiResult {
    services.members.remove(&caller, &path.id, &path.user).await?;
    Ok(Object::success().with("message", &format!("member removed: {}", path.user)).ok())
}

/// Lists the people who could be made members, for those who own a project.
#[utoipa::path(
    tag = "members",
    responses((status = 200, description = "The people", body = PeopleAnswer)),
    extensions(("x-permission" = json!("members.write"))),
)]
#[get("/api/people")]
async fn list_people(services: Data<Services>, caller: Caller) -> ApiResult {
    let people = services.members.people(&caller).await?;
    let views: Vec<Json> = people
        .iter()
        .map(|person| {
            let view = Object::new().with("id", &person.id);
            view.with("username", &person.username).json()
        })
        .collect();
    Ok(data(&Json::array(&views)).with("total", &views.len()).ok())
}

/// The project and the member.
struct MemberPath {
    id: String,
    user: String,
}

impl FromRequest for MemberPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = web::Path::<(String, String)>::from_request(request, payload).into_inner();
        let path = path.map(web::Path::into_inner).map(|(id, user)| Self { id, user });
        ready(
            path.map_err(|_| {
                ApiError::new(ErrorCode::InvalidId, "the ids in the path cannot be read")
            }),
        )
    }
}

fn text<'a>(body: &'a Map<String, Value>, field: &'static str) -> ApiResult<Option<&'a str>> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim())),
        Some(_) => Err(ApiError::invalid(field, format!("{field} must be a text"))),
    }
}

fn role(body: &Map<String, Value>) -> ApiResult<ProjectRole> {
    let word = body.get("role").and_then(Value::as_str);
    word.and_then(ProjectRole::from_word)
        .ok_or_else(|| ApiError::invalid("role", "role must be owner, editor or viewer"))
}

fn view(member: &Member) -> Json {
    Object::new()
        .with("userId", &member.user_id)
        .with("username", &member.username)
        .with("role", &member.role)
        .with("addedAt", &member.added_at)
        .json()
}
