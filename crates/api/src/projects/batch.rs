//! `/api/projects/batch`.

use actix_web::{post, web::Data};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::projects::expected_version;
use pilotdeck_services::Services;
use pilotdeck_services::projects::{BatchOp, Refusal};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{ChangeProjectBody, ProjectView};
use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::extract::{Body, Caller};
use crate::schemas::{self, No, SeenVersion, Yes};

/// Patches of several projects.
#[derive(ToSchema)]
#[schema(example = json!({ "ops": [{ "opId": "1", "id": "proj-a", "patch": { "progress": 40 } }] }))]
#[expect(dead_code, reason = "read by hand, for each operation fails on its own")]
struct BatchProjectsBody {
    /// The patches, at most 10,000; made in order.
    ops: BatchOps,
}

/// Patches. Each is judged on its own.
enum BatchOps {}

impl PartialSchema for BatchOps {
    fn schema() -> RefOr<Schema> {
        schemas::list_of::<BatchOpBody>(0)
    }
}

impl ToSchema for BatchOps {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas::register::<BatchOpBody>(schemas);
    }
}

/// A patch of one project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "read by hand")]
struct BatchOpBody {
    /// The client's name for the operation, which its outcome carries.
    op_id: Option<Value>,
    /// The project.
    id: String,
    /// The fields to change.
    patch: ChangeProjectBody,
    /// The `updatedAt` that the client has seen; when it is another one by now, nothing is changed.
    if_updated_at: Option<SeenVersion>,
}

/// The outcome of each operation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written around the stored documents")]
struct BatchAnswer {
    /// Always true: each operation has its own outcome.
    success: Yes,
    /// The outcomes.
    data: BatchView,
}

/// The outcome of each operation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored documents")]
struct BatchView {
    /// The outcomes, in the order of the operations.
    results: Vec<BatchResultView>,
    /// Whether any operation succeeded.
    changed: bool,
    /// When any project was last changed; null when there never was one.
    #[schema(required = true, format = DateTime)]
    last_updated: Option<String>,
}

/// The outcome of one operation.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "written around the stored document")]
enum BatchResultView {
    Done(BatchDoneView),
    Failed(BatchFailedView),
}

/// An operation that was done.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written around the stored document")]
struct BatchDoneView {
    /// The client's name for the operation.
    #[schema(required = true)]
    op_id: Option<Value>,
    /// The project.
    id: String,
    /// Always true.
    success: Yes,
    /// Always 200.
    status: u16,
    /// The project as it is now.
    data: ProjectView,
}

/// An operation that was not done.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "opId": "1", "id": "proj-a", "success": false, "status": 409, "error": "Conflict: updatedAt mismatch",
    "data": {
        "expectedUpdatedAt": "2026-02-11T15:00:00.000000Z", "actualUpdatedAt": "2026-02-12T09:30:00.123456Z"
    }
}))]
#[expect(dead_code, reason = "written field by field")]
struct BatchFailedView {
    /// The client's name for the operation.
    #[schema(required = true)]
    op_id: Option<Value>,
    /// The project, if the operation named one.
    #[schema(required = true)]
    id: Option<String>,
    /// Always false.
    success: No,
    /// The status that the operation would have had as a request of its own: 400, 403, 404 or 409.
    status: u16,
    /// What is wrong, for a person.
    error: String,
    /// The facts of a conflict.
    #[schema(nullable = false)]
    data: Option<ConflictView>,
}

/// The versions that a conflict is between.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
pub(crate) struct ConflictView {
    /// The version that the client has seen.
    expected_updated_at: String,
    /// The version as it is.
    actual_updated_at: String,
}

/// Patches several projects, one after the other; each operation succeeds or fails for itself.
#[utoipa::path(
    tag = "projects",
    request_body = BatchProjectsBody,
    responses((status = 200, description = "The outcome of each operation", body = BatchAnswer)),
    extensions(("x-permission" = json!("projects.write"))),
)]
#[post("/api/projects/batch")]
pub(crate) async fn batch_projects(
    services: Data<Services>,
    caller: Caller,
    mut body: Body,
) -> ApiResult {
    let Some(Value::Array(ops)) = body.0.remove("ops") else {
        return Err(ApiError::invalid("ops", "ops must be an array"));
    };
    let labels: Vec<(Value, Option<String>)> = ops.iter().map(label).collect();
    let ops = ops.into_iter().map(operation).collect();
    let outcome = services.projects.batch(&caller, ops).await?;
    let results: Vec<Json> = labels
        .into_iter()
        .zip(&outcome.results)
        .map(|((op_id, id), result)| {
            let object =
                Object::new().with("opId", &op_id).with("id", &id).with("success", &result.is_ok());
            match result {
                Ok(project) => {
                    object.with("status", &200).with_json("data", &Json::document(project)).json()
                }
                Err(refusal) => failed(object, refusal).json(),
            }
        })
        .collect();
    let outcome = Object::new()
        .with_json("results", &Json::array(&results))
        .with("changed", &outcome.changed())
        .with("lastUpdated", &outcome.last_updated);
    Ok(data(&outcome.json()).ok())
}

fn label(op: &Value) -> (Value, Option<String>) {
    let id = op.get("id").and_then(Value::as_str).map(str::to_owned);
    (op.get("opId").cloned().unwrap_or_default(), id)
}

fn operation(op: Value) -> Result<BatchOp, InvalidInput> {
    let Value::Object(mut fields) = op else {
        return Err(InvalidInput::new("ops", "an operation must be an object"));
    };
    let id = match fields.remove("id") {
        Some(Value::String(id)) if !id.trim().is_empty() => id,
        _ => return Err(InvalidInput::new("id", "id must be a non-empty string")),
    };
    let expected_version = expected_version(&fields);
    let patch: Map<String, Value> = match fields.remove("patch") {
        Some(Value::Object(patch)) => patch,
        _ => return Err(InvalidInput::new("patch", "patch must be an object")),
    };
    Ok(BatchOp { id, patch, expected_version })
}

/// The outcome of an item that failed.
fn failed(object: Object, refusal: &Refusal) -> Object {
    let code = match refusal {
        Refusal::NotFound { .. } => ErrorCode::NotFound,
        Refusal::Forbidden => ErrorCode::Forbidden,
        Refusal::Stale(_) => ErrorCode::VersionMismatch,
        Refusal::Invalid(_) => ErrorCode::InvalidField,
    };
    let object = object.with("status", &code.status().as_u16()).with("error", &refusal.to_string());
    match refusal {
        Refusal::Stale(stale) => object.with_json("data", &conflict(stale)),
        _ => object,
    }
}

/// The facts of a conflict, as items of batches and actions carry them.
pub(crate) fn conflict(stale: &pilotdeck_services::Stale) -> Json {
    Json::of(&json!({ "expectedUpdatedAt": stale.expected, "actualUpdatedAt": stale.actual }))
}
