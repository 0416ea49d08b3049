//! The outermost layer: a request id, one log line, security headers, and `HEAD` where there is `GET`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, ResponseError as _, web};
use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::ids::{KeyId, UserId};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::client;
use crate::console::is_for_people;
use crate::error::{ApiError, ErrorCode};
use crate::guard::Template;
use crate::handover::Desk;
use crate::metrics::{CONSOLE, METHODS, OTHER};
use crate::patience::patient;
use crate::server::Surface;

/// The address of a project, which names it.
const PROJECT: &str = "/api/projects/{id}";
/// An answer that is sent in no time, in bytes.
const SHORT: u64 = 64 << 10;
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
    let surface =
        request.app_data::<web::Data<Surface>>().expect("the server has a surface").clone();
    let _in_flight = surface.metrics.begin();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let area = Area::of(request.path());
    request.extensions_mut().insert(id.clone());
    let is_head = method == Method::HEAD;
    if is_head {
        // The connection still knows: it sends the headers of the answer, and not its body.
        request.head_mut().method = Method::GET;
    }
    let desk = request.conn_data::<Desk>().cloned();
    desk.iter().for_each(Desk::begin);
    let body = patient(request.take_payload(), surface.setup.time_limits.body, desk.clone());
    request.set_payload(body);

    let span = tracing::info_span!("request", request.id = id.as_str());
    let answered = next.call(request).instrument(span.clone()).await;
    let complete = |headers: &mut HeaderMap, line: &Line| {
        secure(headers, area);
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            headers.insert(REQUEST_ID, value);
        }
        let elapsed = began.elapsed();
        surface.metrics.answered(&line.path, &method, line.status, line.error_code, elapsed);
        span.in_scope(|| line.write(&method, elapsed));
    };
    match answered {
        Ok(response) => {
            let mut response = response.map_into_boxed_body();
            if is_head && response.response().body().size() == BodySize::Stream {
                // Nobody would ever ask for the end of it.
                response = response.map_body(|_, _| BoxBody::new(actix_web::body::None::new()));
            }
            let line = Line::of(&response, &surface);
            complete(response.headers_mut(), &line);
            // One that takes long to send goes on while the client is still sending.
            if line.bytes_out.is_some_and(|bytes| bytes <= SHORT) {
                desk.iter().for_each(Desk::answered);
            }
            Ok(response)
        }
        // A layer below failed, such as the session's look into the database: what it says is for the log.
        Err(error) => {
            let mut response = ApiError::internal(&error).error_response();
            let line = Line {
                path: OTHER.to_owned(),
                status: response.status(),
                error_code: Some(ErrorCode::Internal),
                user_id: None,
                key_id: None,
                client_ip: None,
                project_id: None,
                bytes_out: None,
            };
            complete(response.headers_mut(), &line);
            Err(InternalError::from_response("a layer failed", response).into())
        }
    }
}

/// What is logged of a request: nothing that its client made up. The address is the template of one, ids are those of
/// things that there are.
struct Line {
    path: String,
    status: StatusCode,
    error_code: Option<ErrorCode>,
    /// The person, or whose key it is.
    user_id: Option<UserId>,
    key_id: Option<KeyId>,
    client_ip: Option<IpAddr>,
    project_id: Option<String>,
    /// Unknown where the end of the body is not known yet.
    bytes_out: Option<u64>,
}

impl Line {
    fn of(response: &ServiceResponse<BoxBody>, surface: &Surface) -> Self {
        let request = response.request();
        let template = request.extensions_mut().remove::<Template>();
        let path = match template {
            Some(Template(path)) => path,
            None if is_for_people(request.path()) => CONSOLE.to_owned(),
            // A layer before the guard answered.
            None => request
                .match_pattern()
                .filter(|pattern| surface.metrics.knows(pattern))
                .unwrap_or_else(|| OTHER.to_owned()),
        };
        let project_id = (path.starts_with(PROJECT) && response.status().is_success())
            .then(|| request.match_info().get("id").map(str::to_owned))
            .flatten();
        let bytes_out = match response.response().body().size() {
            BodySize::None => Some(0),
            BodySize::Sized(bytes) => Some(bytes),
            BodySize::Stream => None,
        };
        let extensions = request.extensions();
        let actor = extensions.get::<Actor>();
        Self {
            path,
            status: response.status(),
            error_code: response.response().extensions().get::<ErrorCode>().copied(),
            user_id: actor.and_then(|actor| Some(actor.on_behalf_of()?.id.clone())),
            key_id: actor.and_then(|actor| Some(actor.key()?.id.clone())),
            client_ip: client::address(request),
            project_id,
            bytes_out,
        }
    }

    fn write(&self, method: &Method, elapsed: Duration) {
        let duration_ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        // A method that there is not was made up, too.
        let method = if METHODS.contains(&method.as_str()) { method.as_str() } else { OTHER };
        tracing::info!(
            method = %method,
            path = self.path,
            status = self.status.as_u16(),
            duration_ms,
            user_id = self.user_id.as_ref().map(UserId::as_str),
            key_id = self.key_id.as_ref().map(KeyId::as_str),
            client_ip = self.client_ip.map(tracing::field::display),
            project_id = self.project_id,
            bytes_out = self.bytes_out,
            error_code = self.error_code.map(ErrorCode::as_str),
            "answered"
        );
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
        } else if below("/api") || below("/health") || below("/metrics") {
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
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        }
        Area::Api => {
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        }
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
