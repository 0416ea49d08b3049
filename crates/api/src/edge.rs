//! The outermost layer: a request id, one log line, security headers, and `HEAD` where there is `GET`.

use std::net::IpAddr;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, web};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::server::Surface;

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
    if method == Method::HEAD {
        // The connection still knows: it sends the headers of the answer, and not its body.
        request.head_mut().method = Method::GET;
    }

    let span = tracing::info_span!("request", request.id = id.as_str());
    let answered = next.call(request).instrument(span.clone()).await;
    let mut response = match answered {
        Ok(response) => response.map_into_boxed_body(),
        Err(error) => return Err(error),
    };
    let is_docs = path.starts_with("/api/docs");
    secure(response.headers_mut(), path.starts_with("/api") && !is_docs, is_docs);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let duration_ms = began.elapsed().as_secs_f64() * 1_000.0;
    span.in_scope(|| tracing::info!(%method, path, status, duration_ms, "answered"));
    Ok(response)
}

/// Headers that keep a browser from doing with an answer what it was not made for.
fn secure(headers: &mut HeaderMap, is_api: bool, is_docs: bool) {
    let policy = if is_docs {
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    } else if is_api {
        "default-src 'none'; frame-ancestors 'none'"
    } else {
        "default-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
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
    if is_api {
        headers
            .insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
        headers.append(HeaderName::from_static("vary"), HeaderValue::from_static("Cookie"));
    }
}

/// The address of the client: the peer, or what a trusted proxy says of it.
pub(crate) fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let surface = request.app_data::<web::Data<Surface>>().expect("the server has a surface");
    let setup = &surface.setup;
    if !setup.trusted_proxies.contains(&peer) {
        return Some(peer);
    }
    let forwarded = request
        .headers()
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let nearest_untrusted = forwarded
        .rsplit(',')
        .filter_map(|hop| hop.trim().parse::<IpAddr>().ok())
        .find(|hop| !setup.trusted_proxies.contains(hop));
    Some(nearest_untrusted.unwrap_or(peer))
}
