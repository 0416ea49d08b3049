//! The database as a file: sent as a backup, and taken back.

use std::time::Duration;

use actix_multipart::{Multipart, MultipartError};
use actix_web::body::SizedStream;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, get, post};
use futures_util::{Stream, StreamExt as _, stream};
use pilotdeck_services::operations::{Backup, Restored};
use pilotdeck_services::{Error, Services};
use serde_json::json;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::envelope::{Json, data};
use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::extract::Caller;
use crate::schemas::Yes;

/// The field of an upload with the file.
const FILE: &str = "file";
/// How long an upload may rest.
const PATIENCE: Duration = Duration::from_mins(1);

/// A database to restore.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read piece by piece")]
struct RestoreDatabaseForm {
    /// A database file of PilotDeck, such as a backup.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// That the database is another one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
pub(super) struct RestoreAnswer {
    /// Always true.
    success: Yes,
    /// Which files there are.
    data: RestoreView,
}

/// Which files there are after a restore.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "dbFile": "/var/lib/pilotdeck/pm.db", "previousDbBackup": "/var/lib/pilotdeck/pm.db.bak.20260211T150000Z"
}))]
#[expect(dead_code, reason = "written field by field")]
struct RestoreView {
    /// The database.
    db_file: String,
    /// The file that was the database before.
    #[schema(required = true)]
    previous_db_backup: Option<String>,
}

/// Sends a copy of the database.
///
/// One state of it, whole, while others write. `ETag` is the SHA-256 of the file, which its line in the ledger
/// (`database.backed_up`) has, too.
#[utoipa::path(
    tag = "administration",
    responses(
        (
            status = 200, description = "The database", content_type = "application/octet-stream", body = Vec<u8>,
            headers(
                ("Content-Disposition" = String, description = "`attachment; filename=pm_backup_<time>.db`"),
                ("Content-Length" = u64, description = "The bytes of the file"),
                ("ETag" = String, description = "`\"sha256-<hexadecimal digits>\"`"),
            ),
        ),
        (status = 507, description = "The disk has no room for the copy that is sent", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/admin/backup")]
pub(super) async fn back_up_database(services: Data<Services>, caller: Caller) -> ApiResult {
    Ok(sent(services.operations.back_up(&caller).await?))
}

/// A backup as a file to keep.
pub(super) fn sent(backup: Backup) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename={}", backup.name)))
        .insert_header((ETAG, format!("\"sha256-{}\"", backup.sha256)))
        .body(SizedStream::new(backup.bytes, pieces(backup)))
}

/// Sends all rows of the database as an archive of JSON lines; `docs/archive.md` specifies it.
///
/// One state of it, while others write. `pilotdeck import` makes a database of it, on any machine.
#[utoipa::path(
    tag = "administration",
    responses(
        (
            status = 200, description = "The archive", content_type = "application/x-ndjson", body = String,
            headers(("Content-Disposition" = String, description = "`attachment; filename=pilotdeck_export_<time>.jsonl`")),
        ),
        (status = 507, description = "The disk has no room for the copy that it is read from", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/api/admin/export")]
pub(super) async fn export_database(services: Data<Services>, caller: Caller) -> ApiResult {
    let archive = services.operations.export(&caller).await?;
    let name = format!("attachment; filename={}", archive.name);
    let pieces = stream::try_unfold(archive, async |mut archive| match archive.next().await {
        Ok(piece) => Ok(piece.map(|piece| (Bytes::from(piece), archive))),
        // The archive has no last line then, which is all that can be said now.
        Err(error) => {
            tracing::error!(%error, "an archive could not be sent to its end");
            Err(error)
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((CONTENT_DISPOSITION, name))
        .streaming(pieces))
}

fn pieces(backup: Backup) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::unfold(Some(backup), async |backup| {
        let mut backup = backup?;
        match backup.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece.into()), Some(backup))),
            // The connection ends early, which is all that can be said now.
            Err(error) => {
                tracing::error!(%error, "a backup could not be sent to its end");
                Some((Err(error), None))
            }
        }
    })
}

/// Replaces the database by an uploaded one.
///
/// The file is examined before anything is touched: its integrity, its schema, its ledger. A database of an older
/// PilotDeck is brought up to date. Then all other requests are refused for a moment (503 `restoring`) and the file becomes
/// the database; the one before stays beside it. Streams of the ledger are told `resync`. Sessions are those of the
/// restored database. Whatever fails, the database is what it was.
#[utoipa::path(
    tag = "administration",
    request_body(content = RestoreDatabaseForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "It is restored", body = RestoreAnswer),
        (status = 400, description = "There is no file, or it cannot be the database", body = crate::openapi::Failure),
        (status = 409, description = "Another restore is under way, or with this database anybody could sign in", body = crate::openapi::Failure),
        (status = 413, description = "The file is larger than may be", body = crate::openapi::Failure),
        (status = 507, description = "The disk has no room for the file", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("administer"))),
)]
#[post("/api/admin/restore")]
pub(super) async fn restore_database(
    request: HttpRequest,
    services: Data<Services>,
    caller: Caller,
    payload: Payload,
) -> ApiResult {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|bytes| bytes.to_str().ok()?.parse().ok());
    let mut multipart = Multipart::new(request.headers(), payload);
    let upload = loop {
        let Some(mut field) = in_time(multipart.next()).await? else { return Err(missing()) };
        let is_file = field.name() == Some(FILE);
        let mut upload = if is_file {
            Some(services.operations.begin_upload(&caller, announced).await?)
        } else {
            None
        };
        while let Some(piece) = in_time(field.next()).await? {
            if let Some(upload) = &mut upload {
                upload.write(&piece).await?;
            }
        }
        if let Some(upload) = upload {
            break upload;
        }
    };
    Ok(restored(services.operations.restore(&caller, upload).await?))
}

/// Says which files there are after a restore.
pub(super) fn restored(restored: Restored) -> HttpResponse {
    let Restored { file, previous } = restored;
    let previous = previous.map(|previous| previous.display().to_string());
    let view = json!({ "dbFile": file.display().to_string(), "previousDbBackup": previous });
    data(&Json::of(&view)).ok()
}

fn missing() -> ApiError {
    ApiError::new(ErrorCode::MalformedUpload, format!("Missing upload file (field name: {FILE})"))
}

/// The next part of an upload.
async fn in_time<T>(
    next: impl Future<Output = Option<Result<T, MultipartError>>>,
) -> ApiResult<Option<T>> {
    let rested = |_| ApiError::new(ErrorCode::MalformedUpload, "the upload rested for too long");
    timeout(PATIENCE, next).await.map_err(rested)?.transpose().map_err(|error| match error {
        MultipartError::ContentTypeMissing
        | MultipartError::ContentTypeParse
        | MultipartError::ContentTypeIncompatible => missing(),
        error => {
            ApiError::new(ErrorCode::MalformedUpload, format!("the upload cannot be read: {error}"))
        }
    })
}
