//! `/api/ledger`.

use std::collections::BTreeMap;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, get, post};
use futures_util::stream;
use pilotdeck_domain::ledger::Line;
use pilotdeck_domain::ledger::checkpoint::SignedCheckpoint;
use pilotdeck_services::Services;
use pilotdeck_services::ledger::{LedgerFilter, Verification, Verifications};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Caller, Query};
use crate::schemas::{QueryNumber, QueryPlace, Yes};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_ledger)
        .service(export_ledger)
        .service(get_ledger_key)
        .service(verify_ledger)
        .service(get_verification);
}

/// One line of the ledger: what changed, who changed it, and the hash that ties it to the line before.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "seq": 42, "ts": "2026-02-11T15:00:00.000000Z", "actorKind": "agent", "actorId": null,
    "operation": "project.updated", "subjectKind": "project", "subjectId": "proj-a", "projectId": "proj-a",
    "runId": null, "requestId": "0198c5a2f3b17c4e9d1a2b3c4d5e6f70",
    "change": { "before": { "progress": 30 }, "after": { "progress": 40 } },
    "prevHash": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
    "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
}))]
#[expect(dead_code, reason = "written field by field")]
struct LineView {
    /// Its place: gapless, ascending from 1.
    seq: i64,
    /// When it was written.
    #[schema(format = DateTime)]
    ts: String,
    /// Who did it: a person, an agent, anybody while there is no agent token, the administrator, or the server itself.
    actor_kind: String,
    /// Which person.
    #[schema(required = true)]
    actor_id: Option<String>,
    /// What was done.
    operation: String,
    /// What kind of thing it was done to.
    subject_kind: String,
    /// Which one.
    #[schema(required = true)]
    subject_id: Option<String>,
    /// The project it belongs to.
    #[schema(required = true)]
    project_id: Option<String>,
    /// The run it belongs to.
    #[schema(required = true)]
    run_id: Option<String>,
    /// The request that asked for it.
    #[schema(required = true)]
    request_id: Option<String>,
    /// Values before and after, or the digest of an immutable row.
    change: BTreeMap<String, Value>,
    /// The hash of the line before.
    prev_hash: String,
    /// SHA-256 over the canonical JSON (RFC 8785) of all the other fields.
    hash: String,
}

/// Several lines.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct LedgerAnswer {
    /// Always true.
    success: Yes,
    /// The lines, oldest first.
    data: Vec<LineView>,
    /// How many there are in `data`.
    total: u64,
    /// The place of the ledger's last line.
    last_seq: i64,
    /// Its hash.
    last_hash: String,
}

/// Which lines to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
struct ListLedgerQuery {
    /// Only lines after this place, the first ones of them; without it the newest lines.
    since: Option<QueryPlace>,
    /// Where `since` is not given: only lines before this place, the newest ones of them.
    before: Option<QueryPlace>,
    /// Only lines of this project.
    project_id: Option<String>,
    /// Only lines about this thing.
    subject_id: Option<String>,
    /// Only lines of this operation, such as `project.updated`.
    operation: Option<String>,
    /// At most this many, 1 to 2000; 200 when absent.
    limit: Option<QueryNumber>,
}

/// Lists lines of the ledger, oldest first. Who does not reach every project is told of theirs, and of profiles and
/// capabilities; the places of other lines are left out.
#[utoipa::path(
    tag = "ledger",
    params(ListLedgerQuery),
    responses((status = 200, description = "The lines", body = LedgerAnswer)),
    extensions(("x-permission" = json!("ledger.read"))),
)]
#[get("/api/ledger")]
async fn list_ledger(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let filter = LedgerFilter {
        since: place(&query, "since")?,
        before: place(&query, "before")?,
        project_id: query.text("projectId"),
        subject_id: query.text("subjectId"),
        operation: query.text("operation"),
        limit: query.clamped("limit", 200, 1, 2_000),
        ..LedgerFilter::default()
    };
    let (lines, head) = services.ledger.list(&caller, &filter).await?;
    let views: Vec<Json> = lines.iter().map(view).collect();
    Ok(data(&Json::array(&views))
        .with("total", &views.len())
        .with("lastSeq", &head.seq)
        .with("lastHash", &head.hash)
        .ok())
}

/// A signed statement of where the ledger stood.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct CheckpointView {
    /// The place of the line that was signed.
    seq: i64,
    /// Its hash.
    hash: String,
    /// When it was signed.
    #[schema(format = DateTime)]
    ts: String,
    /// The key that it was signed with.
    key: String,
    /// The place of the checkpoint before it; 0 if there is none.
    previous: i64,
    /// The signature, 128 hexadecimal digits.
    signature: String,
}

/// The key that proves checkpoints.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "algorithm": "Ed25519", "key": "ed25519:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
    "lastCheckpoint": {
        "seq": 10000, "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "ts": "2026-02-11T15:00:00.000000Z",
        "key": "ed25519:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c", "previous": 9120,
        "signature": "5d6e9c3c8e5b5a3f0c9a9c1f6a3b9a7c2b5d1e4f60718293a4b5c6d7e8f90123\
                      4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a0b"
    }
}))]
#[expect(dead_code, reason = "written field by field")]
struct LedgerKeyView {
    /// `Ed25519` (RFC 8032).
    algorithm: String,
    /// The public key: `ed25519:` and 64 hexadecimal digits.
    key: String,
    /// The last checkpoint; null before the first.
    #[schema(required = true)]
    last_checkpoint: Option<CheckpointView>,
}

/// The key that proves checkpoints.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct LedgerKeyAnswer {
    /// Always true.
    success: Yes,
    /// The key.
    data: LedgerKeyView,
}

/// The public key that proves checkpoints of the ledger. Keep it where this server cannot change it.
#[utoipa::path(
    tag = "ledger",
    responses((status = 200, description = "The key", body = LedgerKeyAnswer)),
    extensions(("x-permission" = json!("ledger.prove"))),
)]
#[get("/api/ledger/key")]
async fn get_ledger_key(services: Data<Services>, caller: Caller) -> ApiResult {
    let (key, last) = services.ledger.key(&caller).await?;
    let last = last.as_ref().map_or_else(|| Json::of(&()), checkpoint_view);
    let view = Object::new()
        .with("algorithm", &"Ed25519")
        .with("key", &key.to_string())
        .with_json("lastCheckpoint", &last);
    Ok(data(&view.json()).ok())
}

/// The whole ledger with its checkpoints as JSON lines, for `pilotdeck ledger verify --export`; `docs/ledger.md` specifies
/// the file.
#[utoipa::path(
    tag = "ledger",
    responses((status = 200, description = "The file", body = String, content_type = "application/x-ndjson")),
    extensions(("x-permission" = json!("ledger.prove"))),
)]
#[get("/api/ledger/export")]
async fn export_ledger(services: Data<Services>, caller: Caller) -> ApiResult {
    let export = services.ledger.export(&caller).await?;
    let name = format!("attachment; filename=\"pilotdeck-ledger-{}.jsonl\"", export.seq());
    let pieces = stream::try_unfold(export, async |mut export| {
        // The answer has begun: what fails now can only end it early, which its framing shows.
        match export.next().await {
            Ok(piece) => Ok(piece.map(|piece| (Bytes::from(piece), export))),
            Err(error) => {
                tracing::error!(error = %error, "an export of the ledger could not be completed");
                Err(error)
            }
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((CONTENT_DISPOSITION, name))
        .streaming(pieces))
}

/// What a verification of the ledger found.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "state": "intact", "lines": 10240, "lastSeq": 10240,
    "lastHash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "checkpoints": 2,
    "lastSignedSeq": 10000, "signaturesVerified": true, "verifiedAt": "2026-02-11T15:00:00.000000Z", "durationMs": 310,
    "faults": []
}))]
#[expect(dead_code, reason = "written field by field")]
struct VerificationView {
    /// Whether every line and every checkpoint holds.
    state: VerificationState,
    /// How many lines were looked at.
    lines: i64,
    /// The place of the last one.
    last_seq: i64,
    /// Its hash.
    last_hash: String,
    /// How many checkpoints were held against their lines.
    checkpoints: i64,
    /// The last line that was signed; 0 if none was. Lines after it are tied to each other alone.
    last_signed_seq: i64,
    /// Whether the signatures of the checkpoints were looked at: not if the server has no key.
    signatures_verified: bool,
    /// When it began; what was written later was not looked at.
    #[schema(format = DateTime)]
    verified_at: String,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// What does not hold, the first 20.
    faults: Vec<FaultView>,
}

/// Whether the ledger holds.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only for the document")]
enum VerificationState {
    /// Every line and every checkpoint holds.
    Intact,
    /// Some do not.
    Broken,
}

/// Something that does not hold.
#[derive(ToSchema)]
#[schema(example = json!({ "seq": 42, "reason": "its content does not have the hash that it carries" }))]
#[expect(dead_code, reason = "written field by field")]
struct FaultView {
    /// The place in the ledger.
    seq: i64,
    /// What is wrong with it, for a person.
    reason: String,
}

/// What a verification of the ledger found.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct VerificationAnswer {
    /// Always true.
    success: Yes,
    /// What it found.
    data: VerificationView,
}

/// How far a verification is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "line": 4000, "ofLines": 10240 }))]
#[expect(dead_code, reason = "written field by field")]
struct ProgressView {
    /// The place reached.
    line: i64,
    /// The place of the last line.
    of_lines: i64,
}

/// The last verification, and the one that is on its way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct VerificationsView {
    /// The last one since the server started; null before the first.
    #[schema(required = true)]
    last: Option<VerificationView>,
    /// How far the present one is; null while there is none.
    #[schema(required = true)]
    running: Option<ProgressView>,
}

/// The last verification, and the one that is on its way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct VerificationsAnswer {
    /// Always true.
    success: Yes,
    /// Both.
    data: VerificationsView,
}

/// Verifies the whole ledger and its checkpoints, as `pilotdeck ledger verify` does, and answers when it is done. Who asks
/// while a verification is on its way gets its result. Nothing else waits for it.
#[utoipa::path(
    tag = "ledger",
    responses((status = 200, description = "What it found", body = VerificationAnswer)),
    extensions(("x-permission" = json!("ledger.prove"))),
)]
#[post("/api/ledger/verification")]
async fn verify_ledger(services: Data<Services>, caller: Caller) -> ApiResult {
    let verification = services.ledger.verify(&caller).await?;
    Ok(data(&verification_view(&verification)).ok())
}

/// What the last verification since the server started found, and how far the present one is.
#[utoipa::path(
    tag = "ledger",
    responses((status = 200, description = "Both", body = VerificationsAnswer)),
    extensions(("x-permission" = json!("ledger.prove"))),
)]
#[get("/api/ledger/verification")]
async fn get_verification(services: Data<Services>, caller: Caller) -> ApiResult {
    let Verifications { last, running } = services.ledger.verifications(&caller)?;
    let last = last.map_or_else(|| Json::of(&()), |last| verification_view(&last));
    let running = running.map_or_else(
        || Json::of(&()),
        |running| {
            Object::new().with("line", &running.line).with("ofLines", &running.of_lines).json()
        },
    );
    let view = Object::new().with_json("last", &last).with_json("running", &running);
    Ok(data(&view.json()).ok())
}

fn verification_view(found: &Verification) -> Json {
    let state = if found.faults.is_empty() { "intact" } else { "broken" };
    let faults: Vec<Json> = found
        .faults
        .iter()
        .map(|fault| Object::new().with("seq", &fault.seq).with("reason", &fault.reason).json())
        .collect();
    Object::new()
        .with("state", &state)
        .with("lines", &found.lines)
        .with("lastSeq", &found.head.seq)
        .with("lastHash", &found.head.hash)
        .with("checkpoints", &found.checkpoints)
        .with("lastSignedSeq", &found.last_signed_seq)
        .with("signaturesVerified", &found.are_signatures_verified)
        .with("verifiedAt", &found.verified_at)
        .with("durationMs", &u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX))
        .with_json("faults", &Json::array(&faults))
        .json()
}

fn checkpoint_view(signed: &SignedCheckpoint) -> Json {
    let checkpoint = &signed.checkpoint;
    Object::new()
        .with("seq", &checkpoint.seq)
        .with("hash", &checkpoint.hash)
        .with("ts", &checkpoint.ts)
        .with("key", &checkpoint.key)
        .with("previous", &checkpoint.previous)
        .with("signature", &signed.signature)
        .json()
}

/// The place of a line.
fn place(query: &Query, name: &'static str) -> Result<Option<i64>, ApiError> {
    match query.text(name).map(|raw| raw.trim().parse::<i64>()) {
        None => Ok(None),
        Some(Ok(seq)) if seq >= 0 => Ok(Some(seq)),
        Some(_) => Err(ApiError::invalid(
            name,
            format!("{name} must be the place of a line: an integer from 0 on"),
        )),
    }
}

/// A line, as it is read and as it is told.
pub(crate) fn view(line: &Line) -> Json {
    Object::new()
        .with("seq", &line.seq)
        .with("ts", &line.ts)
        .with("actorKind", &line.actor_kind)
        .with("actorId", &line.actor_id)
        .with("operation", &line.operation)
        .with("subjectKind", &line.subject_kind)
        .with("subjectId", &line.subject_id)
        .with("projectId", &line.project_id)
        .with("runId", &line.run_id)
        .with("requestId", &line.request_id)
        .with_json("change", &Json::canonical(&line.change))
        .with("prevHash", &line.prev_hash)
        .with("hash", &line.hash)
        .json()
}
