//! Deploy jobs: started, watched, cancelled.

use actix_web::{get, post, web::Data};
use pilotdeck_services::Services;
use pilotdeck_services::operations::DeployStatus;
use serde_json::json;
use utoipa::ToSchema;

use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::extract::Caller;
use crate::schemas::Yes;

/// A job that began.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "success": true, "jobId": "20260211-150000-1a2b3c4d", "unit": "pilotdeck-deploy-20260211-150000-1a2b3c4d",
    "pid": 4711, "method": "popen", "logFile": "deploy_run.log"
}))]
#[expect(dead_code, reason = "written field by field")]
struct StartedDeployAnswer {
    /// Always true.
    success: Yes,
    /// The job.
    job_id: String,
    /// Its name as a unit of systemd.
    unit: String,
    /// The process that watches over it, where PilotDeck started it itself.
    #[schema(required = true)]
    pid: Option<u32>,
    /// `systemd-run` or `popen`.
    method: String,
    /// The file with what it prints, in the folder of the installation.
    log_file: String,
}

/// A job that is told to stop.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "success": true, "jobId": "20260211-150000-1a2b3c4d" }))]
#[expect(dead_code, reason = "written field by field")]
struct CancelledDeployAnswer {
    /// Always true.
    success: Yes,
    /// The job.
    job_id: String,
}

/// How the last job stands.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct DeployStatusAnswer {
    /// Always true.
    success: Yes,
    /// How it stands.
    data: DeployStatusView,
}

/// How the last job stands; without one its state is `unknown`, and all else null.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "state": "success", "jobId": "20260211-150000-1a2b3c4d", "method": "popen",
    "unit": "pilotdeck-deploy-20260211-150000-1a2b3c4d", "pid": 4711, "exitCode": 0, "message": null,
    "startedAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:01:30.000000Z"
}))]
#[expect(dead_code, reason = "written field by field")]
struct DeployStatusView {
    /// `running`, `success`, `failed` or `unknown`.
    state: String,
    /// The job.
    #[schema(required = true)]
    job_id: Option<String>,
    /// `systemd-run` or `popen`.
    #[schema(required = true)]
    method: Option<String>,
    /// Its name as a unit of systemd.
    #[schema(required = true)]
    unit: Option<String>,
    /// The process that watches over it.
    #[schema(required = true)]
    pid: Option<u32>,
    /// What the script ended with; 128 and the number of the signal that ended it.
    #[schema(required = true)]
    exit_code: Option<i32>,
    /// What else is to be said, for a person.
    #[schema(required = true)]
    message: Option<String>,
    /// When it began.
    #[schema(required = true, format = DateTime)]
    started_at: Option<String>,
    /// When its state was last looked at.
    #[schema(required = true, format = DateTime)]
    updated_at: Option<String>,
}

/// The end of the log.
#[derive(ToSchema)]
#[schema(example = json!({ "success": true, "lines": ["[INFO] JobId: 20260211-150000-1a2b3c4d"] }))]
#[expect(dead_code, reason = "written field by field")]
struct DeployLogAnswer {
    /// Always true.
    success: Yes,
    /// The last 240 lines.
    lines: Vec<String>,
}

/// Starts the deploy job: the script of the installation.
#[utoipa::path(
    tag = "administration",
    responses(
        (status = 200, description = "It began", body = StartedDeployAnswer),
        (status = 409, description = "There is one already", body = crate::openapi::Failure),
        (status = 500, description = "There is no script, or it cannot be started", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/admin/deploy")]
pub(super) async fn start_deploy(services: Data<Services>, caller: Caller) -> ApiResult {
    let job = services.operations.start_deploy(&caller).await?;
    Ok(Object::success()
        .with("jobId", &job.job_id)
        .with("unit", &job.unit)
        .with("pid", &job.pid)
        .with("method", &job.method)
        .with("logFile", &job.log_file)
        .ok())
}

/// Tells the deploy job to stop; its state says when it did.
#[utoipa::path(
    tag = "administration",
    responses(
        (status = 200, description = "It was told", body = CancelledDeployAnswer),
        (status = 409, description = "None is running", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/admin/deploy/cancel")]
pub(super) async fn cancel_deploy(services: Data<Services>, caller: Caller) -> ApiResult {
    let job_id = services.operations.cancel_deploy(&caller).await?;
    Ok(Object::success().with("jobId", &job_id).ok())
}

/// Says how the last deploy job stands.
#[utoipa::path(
    tag = "administration",
    responses((status = 200, description = "How it stands", body = DeployStatusAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/admin/deploy/status")]
pub(super) async fn get_deploy_status(services: Data<Services>, caller: Caller) -> ApiResult {
    let status = services.operations.deploy_status(&caller).await?;
    let DeployStatus { state, job, exit_code, message, started_at, updated_at } = &status;
    let view = json!({
        "state": state.as_str(),
        "jobId": job.as_ref().map(|job| &job.job_id),
        "method": job.as_ref().map(|job| &job.method),
        "unit": job.as_ref().map(|job| &job.unit),
        "pid": job.as_ref().and_then(|job| job.pid),
        "exitCode": exit_code,
        "message": message,
        "startedAt": started_at,
        "updatedAt": updated_at,
    });
    Ok(data(&Json::of(&view)).ok())
}

/// Sends the last lines of the deploy jobs' log.
#[utoipa::path(
    tag = "administration",
    responses((status = 200, description = "The lines", body = DeployLogAnswer)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/admin/deploy/log")]
pub(super) async fn get_deploy_log(services: Data<Services>, caller: Caller) -> ApiResult {
    let lines = services.operations.deploy_log(&caller).await?;
    Ok(Object::success().with("lines", &lines).ok())
}
