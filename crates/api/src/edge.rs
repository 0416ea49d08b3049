//! The outermost layer: a request id, one log line, security headers, and `HEAD` where there is `GET`.

use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, ResponseError as _};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 64;

/// What ties an answer, its log line and its ledger lines together.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The client's own id, if it is harmless in a log; else a new one.
    fn of(request: &ServiceRequest) -> Self {
        let sent = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        let is_plain = |id: &&str| {
            (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        Self(
            sent.filter(is_plain)
                .map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned),
        )
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Wraps every request.
pub(crate) async fn edge<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let began = Instant::now();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let path = request.path().to_owned();
    request.extensions_mut().insert(id.clone());
    let is_head = method == Method::HEAD;
    if is_head {
        // The connection still knows: it sends the headers of the answer, and not its body.
        request.head_mut().method = Method::GET;
    }

    let span = tracing::info_span!("request", request.id = id.as_str());
    let answered = next.call(request).instrument(span.clone()).await;
    let complete = |status: StatusCode, headers: &mut HeaderMap| {
        secure(headers, Area::of(&path));
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            headers.insert(REQUEST_ID, value);
        }
        let (status, elapsed) = (status.as_u16(), began.elapsed());
        let duration_ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        span.in_scope(|| tracing::info!(%method, path, status, duration_ms, "answered"));
    };
    match answered {
        Ok(response) => {
            let mut response = response.map_into_boxed_body();
            if is_head && response.response().body().size() == BodySize::Stream {
                // Nobody would ever ask for the end of it.
                response = response.map_body(|_, _| BoxBody::new(actix_web::body::None::new()));
            }
            complete(response.status(), response.headers_mut());
            Ok(response)
        }
        // A layer below failed, such as the session's look into the database: what it says is for the log.
        Err(error) => {
            let mut response = ApiError::internal(&error).error_response();
            complete(response.status(), response.headers_mut());
            Err(InternalError::from_response("a layer failed", response).into())
        }
    }
}

/// What an answer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    /// Programs.
    Api,
    /// The explorer of the document.
    Explorer,
    /// People.
    Pages,
}

impl Area {
    fn of(path: &str) -> Self {
        let below = |base: &str| {
            path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if below("/api/docs") {
            Self::Explorer
        } else if below("/api") {
            Self::Api
        } else {
            Self::Pages
        }
    }
}

/// Headers that keep a browser from doing with an answer what it was not made for.
fn secure(headers: &mut HeaderMap, area: Area) {
    let policy = match area {
        Area::Explorer => {
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
        }
        Area::Api => "default-src 'none'; frame-ancestors 'none'",
        Area::Pages => {
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
             font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'"
        }
    };
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if area == Area::Api {
        headers
            .insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
        headers.append(HeaderName::from_static("vary"), HeaderValue::from_static("Cookie"));
    }
}
