//! `/api/stream`: the ledger as server-sent events.

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, get, web::Data};
use pilotdeck_domain::stream::Interest;
use pilotdeck_services::Services;
use pilotdeck_services::stream::Subscribe;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::edge::RequestId;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Caller, Query};
use crate::handover::Handover;
use crate::schemas::{OperationNames, QueryPlace};
use crate::server::Surface;
use crate::{client, sessions};

mod teller;
mod wire;

const LAST_EVENT_ID: &str = "Last-Event-ID";
const NOT_BUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(follow_ledger);
}

/// What to follow.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "read from the query string by name")]
struct FollowLedgerQuery {
    /// Begin after this line; without it with the next one that is written.
    since: Option<QueryPlace>,
    /// Only lines of this project.
    project_id: Option<String>,
    /// Only these operations, separated by commas; `event.*` is all operations on events.
    operations: Option<OperationNames>,
}

/// Follows the ledger.
///
/// Server-sent events, each with the place of its line as `id`: a reader that reconnects with it (`Last-Event-ID`, which
/// wins over `since`) hears every line once, in order. A line is an event of the name of its operation, and `data` is the
/// line as `GET /api/ledger` has it.
///
/// The first event says where the stream begins: `hello` (`{"since", "lastSeq"}`), or `resync`
/// (`{"firstSeq", "lastSeq"}`) where the known line is not kept or not there: read anew what you show, what comes after
/// `lastSeq` follows. The last one says why the stream ends: `dropped` (`{"reason": "slow_reader"}`) to a reader that
/// does not keep up, and `ended` (`{"reason"}`: `session_ended`, `key_ended`, `access_changed`, when the reader may see
/// something else now and connects again, `stopping` or `unavailable`). A comment comes every 15 seconds, with an `id` alone where lines were passed over.
#[utoipa::path(
    tag = "ledger",
    params(
        FollowLedgerQuery,
        ("Last-Event-ID" = Option<QueryPlace>, Header, description = "The last line that the reader knows."),
    ),
    responses(
        (
            status = 200, description = "The stream; it has no end of its own",
            content_type = "text/event-stream", body = String,
            example = "retry: 1000\nid: 41\nevent: hello\ndata: {\"since\":41,\"lastSeq\":41}\n\nid: 42\nevent: project.updated\ndata: {\"seq\":42,\"operation\":\"project.updated\"}\n\n",
        ),
        (status = 429, description = "The caller holds as many streams as one may", body = crate::openapi::Failure),
    ),
    extensions(("x-permission" = json!("ledger.read"))),
)]
#[get("/api/stream")]
async fn follow_ledger(
    request: HttpRequest,
    services: Data<Services>,
    surface: Data<Surface>,
    caller: Caller,
    query: Query,
) -> ApiResult {
    let subscribe = Subscribe {
        since: since(&request, &query)?,
        interest: Interest {
            project_id: query.text("projectId"),
            operations: query.text("operations").map(|raw| raw.parse()).transpose()?,
            // The service fills in how far the caller reaches.
            ..Interest::default()
        },
        session_key: sessions::sent_key(&request),
        address: client::address(&request),
        most_streams: surface.setup.max_streams,
    };
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().into());
    let subscription = services.stream.subscribe(&caller, subscribe).await?;
    let handover =
        Handover::new(&request, move |connection| teller::begin(connection, subscription, id));
    let handover = handover
        .ok_or_else(|| ApiError::internal(&"a connection of the server cannot be handed over"))?;
    let mut response = HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((NOT_BUFFERED, HeaderValue::from_static("no")))
        .force_close()
        .body(handover);
    // What follows the head is written as it is; the end of the connection is the end of the stream.
    response.head_mut().no_chunking(true);
    Ok(response)
}

/// Where to begin. What a reader that reconnects knows is newer than the address that it was given.
fn since(request: &HttpRequest, query: &Query) -> ApiResult<Option<i64>> {
    let (field, raw) = match request.headers().get(LAST_EVENT_ID) {
        Some(value) if !value.is_empty() => {
            (LAST_EVENT_ID, value.to_str().unwrap_or("?").to_owned())
        }
        _ => match query.text("since") {
            Some(raw) => ("since", raw),
            None => return Ok(None),
        },
    };
    match raw.trim().parse::<i64>() {
        Ok(seq) if seq >= 0 => Ok(Some(seq)),
        _ => Err(ApiError::invalid(
            field,
            format!("{field} must be the place of a line: an integer from 0 on"),
        )),
    }
}
