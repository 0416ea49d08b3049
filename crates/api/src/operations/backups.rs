//! Kept backups: listed, made, proven, sent, restored, removed.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::{delete, get, post, web::Data};
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::Services;
use pilotdeck_services::operations::{
    Alert, BackupSettings, Backups, Finding, KeptBackup, Progress,
};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::database::{RestoreAnswer, restored, sent};
use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::extract::{Caller, Id};
use crate::schemas::Yes;

/// The kept backups.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct BackupsAnswer {
    /// Always true.
    success: Yes,
    /// What is kept, and how things stand.
    data: BackupsView,
}

/// What is kept, and how things stand.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "settings": { "folder": "/var/backups/pilotdeck", "everyHours": 24.0, "keep": 7 },
    "nextDueAt": "2026-02-12T15:00:00.000000Z", "alert": null, "underWay": [example_progress()],
    "backups": [example_backup()]
}))]
#[expect(dead_code, reason = "written field by field")]
struct BackupsView {
    /// How they are kept; null if none are: `PM_BACKUP_DIR` is not set.
    #[schema(required = true)]
    settings: Option<BackupSettingsView>,
    /// When the next one is due.
    #[schema(required = true, format = DateTime)]
    next_due_at: Option<String>,
    /// What went wrong when one was due or asked for; null once it went right again.
    #[schema(required = true)]
    alert: Option<BackupAlertView>,
    /// What is under way: backups, proofs, restores.
    under_way: Vec<UnderWayView>,
    /// What is kept, newest first.
    backups: Vec<BackupView>,
}

/// How backups are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct BackupSettingsView {
    /// The folder that they are in.
    folder: String,
    /// The hours from one to the next.
    every_hours: f64,
    /// How many are kept.
    keep: u64,
}

/// What went wrong.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "at": "2026-02-11T15:00:00.000000Z", "isFull": true, "reason": "the disk has no room for a backup and its proof"
}))]
#[expect(dead_code, reason = "written field by field")]
struct BackupAlertView {
    /// When it was last tried.
    #[schema(format = DateTime)]
    at: String,
    /// Whether the disk has no room.
    is_full: bool,
    /// What, for a person.
    reason: String,
}

/// How far a piece of work is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!(example_progress()))]
#[expect(dead_code, reason = "written field by field")]
struct UnderWayView {
    /// `backup`, `proof`, `check` or `restore`.
    task: String,
    /// The backup that it is about, if there is one.
    #[schema(required = true)]
    name: Option<String>,
    /// `preparing`, `uploading`, `copying`, `hashing`, `restoring`, `examining`, `verifying` or `switching`.
    phase: String,
    /// How much of the phase is done: bytes, or lines where it is verifying.
    done: u64,
    /// Of how much; null where nobody knows.
    #[schema(required = true)]
    total: Option<u64>,
    /// When the work began.
    #[schema(format = DateTime)]
    began_at: String,
}

/// A kept backup. What was written is null of a file that somebody else put there, until it is proven.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!(example_backup()))]
#[expect(dead_code, reason = "written field by field")]
struct BackupView {
    /// The name of the file.
    name: String,
    /// `proved`: it was restored to a file of its own, and held. `unproved`: that was not tried yet. `failed`: it did not
    /// hold. `rotten`: its bytes are not those that were written.
    state: String,
    /// The bytes of the file.
    bytes: u64,
    /// The SHA-256 of what was written.
    #[schema(required = true)]
    sha256: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    made_at: String,
    /// When it was due; null if somebody asked for it.
    #[schema(required = true, format = DateTime)]
    due_at: Option<String>,
    /// The place of the last line of its ledger.
    #[schema(required = true)]
    ledger_seq: Option<i64>,
    /// The hash of that line.
    #[schema(required = true)]
    ledger_hash: Option<String>,
    /// How many rows each table has.
    #[schema(required = true)]
    rows: Option<BTreeMap<String, i64>>,
    /// What was found when the file was last compared with what was written.
    #[schema(required = true)]
    check: Option<FindingView>,
    /// What was found when it was restored, newest first.
    proofs: Vec<FindingView>,
}

/// What was found, when a backup was looked at.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "at": "2026-02-11T15:00:01.000000Z", "holds": true, "reason": null, "tookMs": 420
}))]
#[expect(dead_code, reason = "written field by field")]
struct FindingView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Whether all was as it should be.
    holds: bool,
    /// What was not.
    #[schema(required = true)]
    reason: Option<String>,
    /// How long the look took, in milliseconds.
    took_ms: u64,
}

/// Work that began.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "success": true, "underWay": [example_progress()] }))]
#[expect(dead_code, reason = "written field by field")]
struct BegunAnswer {
    /// Always true.
    success: Yes,
    /// What is under way now.
    under_way: Vec<UnderWayView>,
}

/// That a backup is gone.
#[derive(ToSchema)]
#[schema(example = json!({ "success": true, "message": "backup removed: pm_backup_20260211T150000Z.db" }))]
#[expect(dead_code, reason = "written field by field")]
struct BackupRemovedAnswer {
    /// Always true.
    success: Yes,
    /// Which one.
    message: String,
}

fn example_progress() -> Value {
    json!({
        "task": "backup", "name": "pm_backup_20260211T150000Z.db", "phase": "copying", "done": 1_048_576,
        "total": 4_194_304, "beganAt": "2026-02-11T15:00:00.000000Z"
    })
}

fn example_backup() -> Value {
    let found = json!({ "at": "2026-02-11T15:00:01.000000Z", "holds": true, "reason": null, "tookMs": 420 });
    json!({
        "name": "pm_backup_20260211T150000Z.db", "state": "proved", "bytes": 4_194_304,
        "sha256": "560c3640cdd7237e4a276d643013d9c83ff500e5c310577f69a2d1c67ee4c3be",
        "madeAt": "2026-02-11T15:00:00.123456Z", "dueAt": "2026-02-11T15:00:00.000000Z", "ledgerSeq": 1200,
        "ledgerHash": "3cc9e32d13b4bf92a1930c92dad3fb9c2947853af84102759aa5429714d0018c",
        "rows": { "agent_events": 800, "ledger": 1200, "projects": 12 }, "check": found, "proofs": [found]
    })
}

/// Lists the kept backups, how they are kept, and what is under way.
#[utoipa::path(
    tag = "administration",
    responses(
        (status = 200, description = "What is kept", body = BackupsAnswer),
        (status = 500, description = "The folder cannot be read", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/admin/backups")]
pub(super) async fn list_backups(services: Data<Services>, caller: Caller) -> ApiResult {
    let Backups { settings, next_due, alert, under_way, kept } =
        services.operations.backups(&caller).await?;
    let view = json!({
        "settings": settings.as_ref().map(settings_view),
        "nextDueAt": next_due,
        "alert": alert.as_ref().map(alert_view),
        "underWay": progress_views(&under_way),
        "backups": kept.iter().map(backup_view).collect::<Vec<_>>(),
    });
    Ok(data(&Json::of(&view)).ok())
}

/// Begins to make a backup and to prove it.
///
/// The answer comes at once; the list says how far it is, and at last how it ended. There is one at a time.
#[utoipa::path(
    tag = "administration",
    responses(
        (status = 202, description = "It began", body = BegunAnswer),
        (status = 409, description = "No backups are kept, or there is one under way", body = crate::openapi::Failure),
        (status = 500, description = "The folder cannot be used", body = crate::openapi::Failure),
        (status = 507, description = "The disk has no room for a backup and its proof", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/admin/backups")]
pub(super) async fn make_backup(services: Data<Services>, caller: Caller) -> ApiResult {
    services.operations.begin_backup(&caller).await?;
    Ok(begun(&services))
}

/// Begins to prove a kept backup: to restore it to a file of its own, and to compare.
///
/// The answer comes at once; the list says how far it is, and at last what was found.
#[utoipa::path(
    tag = "administration",
    params(("id" = String, Path, description = "The name of the backup", example = "pm_backup_20260211T150000Z.db")),
    responses(
        (status = 202, description = "It began", body = BegunAnswer),
        (status = 404, description = "There is no such backup", body = crate::openapi::Failure),
        (status = 409, description = "Another backup or proof is under way", body = crate::openapi::Failure),
        (status = 500, description = "The folder cannot be used", body = crate::openapi::Failure),
        (status = 507, description = "The disk has no room to restore it to", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/admin/backups/{id}/prove")]
pub(super) async fn prove_backup(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.operations.begin_proof(&caller, &id.0).await?;
    Ok(begun(&services))
}

/// Sends a kept backup.
#[utoipa::path(
    tag = "administration",
    params(("id" = String, Path, description = "The name of the backup", example = "pm_backup_20260211T150000Z.db")),
    responses(
        (
            status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>,
            headers(
                ("Content-Disposition" = String, description = "`attachment; filename=<name>`"),
                ("Content-Length" = u64, description = "The bytes of the file"),
                ("ETag" = String, description = "`\"sha256-<hexadecimal digits>\"`, of the file as it is now"),
            ),
        ),
        (status = 404, description = "There is no such backup", body = crate::openapi::Failure),
        (status = 500, description = "The folder cannot be used", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/admin/backups/{id}")]
pub(super) async fn get_backup(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    Ok(sent(services.operations.open_backup(&caller, &id.0).await?))
}

/// Makes a kept backup the database, as if it were uploaded.
#[utoipa::path(
    tag = "administration",
    params(("id" = String, Path, description = "The name of the backup", example = "pm_backup_20260211T150000Z.db")),
    responses(
        (status = 200, description = "It is restored", body = RestoreAnswer),
        (status = 400, description = "It cannot be the database: its bytes are not those that were written, or it does not hold", body = crate::openapi::Failure),
        (status = 404, description = "There is no such backup", body = crate::openapi::Failure),
        (status = 409, description = "Another restore is under way, or with this database anybody could sign in", body = crate::openapi::Failure),
        (status = 413, description = "The file is larger than may be", body = crate::openapi::Failure),
        (status = 500, description = "The folder cannot be used", body = crate::openapi::Failure),
        (status = 507, description = "The disk has no room for the file", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/admin/backups/{id}/restore")]
pub(super) async fn restore_backup(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    Ok(restored(services.operations.restore_backup(&caller, &id.0).await?))
}

/// Removes a kept backup, also the last one.
#[utoipa::path(
    tag = "administration",
    params(("id" = String, Path, description = "The name of the backup", example = "pm_backup_20260211T150000Z.db")),
    responses(
        (status = 200, description = "It is gone", body = BackupRemovedAnswer),
        (status = 404, description = "There is no such backup", body = crate::openapi::Failure),
        (status = 409, description = "A backup or proof is under way", body = crate::openapi::Failure),
        (status = 500, description = "The folder cannot be used", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[delete("/api/admin/backups/{id}")]
pub(super) async fn delete_backup(services: Data<Services>, caller: Caller, id: Id) -> ApiResult {
    services.operations.remove_backup(&caller, &id.0).await?;
    Ok(Object::success().with("message", &format!("backup removed: {}", id.0)).ok())
}

fn begun(services: &Services) -> HttpResponse {
    let under_way = progress_views(&services.operations.under_way());
    Object::success().with("underWay", &under_way).respond(actix_web::http::StatusCode::ACCEPTED)
}

fn settings_view(settings: &BackupSettings) -> Value {
    json!({
        "folder": settings.folder.display().to_string(),
        "everyHours": settings.every.as_secs_f64() / 3600.0,
        "keep": settings.keep,
    })
}

fn alert_view(alert: &Alert) -> Value {
    json!({ "at": alert.at, "isFull": alert.is_full, "reason": alert.reason })
}

fn progress_views(under_way: &[Progress]) -> Vec<Value> {
    let view = |progress: &Progress| {
        json!({
            "task": progress.task.as_str(),
            "name": progress.subject,
            "phase": progress.phase.as_str(),
            "done": progress.done,
            "total": progress.total,
            "beganAt": progress.began_at,
        })
    };
    under_way.iter().map(view).collect()
}

fn backup_view(kept: &KeptBackup) -> Value {
    let note = kept.note.as_ref();
    let finding = |found: &Finding| json!({ "at": found.at, "holds": found.holds, "reason": found.reason, "tookMs": found.took_ms });
    let proofs = note.map(|note| note.proofs.iter().map(finding).collect::<Vec<_>>());
    let made_at = || WireTime::from(kept.name.made_at()).to_string();
    json!({
        "name": kept.name.as_str(),
        "state": kept.state().as_str(),
        "bytes": kept.bytes,
        "sha256": note.map(|note| &note.sha256),
        "madeAt": note.map_or_else(made_at, |note| note.made_at.clone()),
        "dueAt": note.and_then(|note| note.due_at.as_ref()),
        "ledgerSeq": note.map(|note| note.ledger_seq),
        "ledgerHash": note.map(|note| &note.ledger_hash),
        "rows": note.map(|note| &note.rows),
        "check": note.and_then(|note| note.check.as_ref()).map(finding),
        "proofs": proofs.unwrap_or_default(),
    })
}
