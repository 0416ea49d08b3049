//! What is read from a request: a JSON object, query parameters, ids in the path, the caller.

use std::future::{Ready, ready};
use std::io::ErrorKind;
use std::num::IntErrorKind;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::times::WireTime;
use serde_json::{Map, Value};

use crate::error::{ApiError, ErrorCode};

/// The largest body.
pub(crate) const MAX_BODY_BYTES: usize = 16 << 20;

/// How deep lists and objects may lie in each other. Answers wrap what was sent in some more levels, and JSON readers,
/// ours among them, commonly stop at 128.
const MAX_DEPTH: usize = 100;

/// The caller, as the identification left it with the request.
pub(crate) struct Caller(pub(crate) Actor);

impl Deref for Caller {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<Actor>().cloned().unwrap_or_default())))
    }
}

/// A body that is a JSON object.
pub(crate) struct Body(pub(crate) Map<String, Value>);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            require_json(&request)?;
            object(&read(&request, payload).await?).map(Self)
        })
    }
}

/// A body that is a JSON object, or none at all.
pub(crate) struct OptionalBody(pub(crate) Map<String, Value>);

impl FromRequest for OptionalBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            if bytes.is_empty() {
                return Ok(Self(Map::new()));
            }
            require_json(&request)?;
            object(&bytes).map(Self)
        })
    }
}

fn require_json(request: &HttpRequest) -> Result<(), ApiError> {
    let declared = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = "send JSON, with the header Content-Type: application/json";
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
}

pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
) -> Result<web::BytesMut, ApiError> {
    let too_large = || ApiError::new(ErrorCode::BodyTooLarge, "a body may have at most 16 MiB");
    let announced = request
        .headers()
        .get(actix_web::http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let mut body = web::BytesMut::with_capacity(announced.unwrap_or_default().min(64 << 10));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => {
                ApiError::new(ErrorCode::RequestTimeout, "the body came too slowly")
            }
            error => {
                ApiError::new(ErrorCode::MalformedJson, format!("the body ended early: {error}"))
            }
        })?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let malformed = |message: String| ApiError::new(ErrorCode::MalformedJson, message);
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| malformed(format!("the body is not valid JSON: {error}")))?;
    let Value::Object(fields) = value else {
        return Err(malformed("the body must be a JSON object".to_owned()));
    };
    let openings = bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if openings > MAX_DEPTH && fields.values().any(|value| is_deeper(value, MAX_DEPTH - 1)) {
        return Err(malformed(format!("the body has more than {MAX_DEPTH} levels")));
    }
    // Looked for in the bytes first: hardly any body has one.
    if bytes.windows(6).any(|window| window == b"\\u0000") && fields.iter().any(has_nul) {
        return Err(malformed("texts must not have the character U+0000".to_owned()));
    }
    Ok(fields)
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(items) => items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => fields.values().any(|item| is_deeper(item, levels - 1)),
        _ => false,
    }
}

fn has_nul((key, value): (&String, &Value)) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(any),
            Value::Object(fields) => fields.iter().any(has_nul),
            _ => false,
        }
    }
    key.contains('\0') || any(value)
}

/// The query parameters. Of a repeated one the first counts; an empty one is not given.
pub(crate) struct Query(Vec<(String, String)>);

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        ready(
            parsed.map(|query| Self(query.into_inner())).map_err(|_| {
                ApiError::new(ErrorCode::InvalidQuery, "the query string cannot be read")
            }),
        )
    }
}

impl Query {
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        (!value.is_empty()).then(|| value.clone())
    }

    /// A number within bounds: what is no integer is the default, what is out of bounds is the nearest bound.
    pub(crate) fn clamped(&self, name: &str, default: i64, least: i64, most: i64) -> i64 {
        let asked = self.text(name).map(|value| value.trim().parse::<i64>());
        match asked {
            Some(Ok(asked)) => asked.clamp(least, most),
            Some(Err(error)) if *error.kind() == IntErrorKind::PosOverflow => most,
            Some(Err(error)) if *error.kind() == IntErrorKind::NegOverflow => least,
            _ => default,
        }
    }

    /// A time.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<String>, ApiError> {
        match self.text(name) {
            Some(raw) => {
                // The plus sign of an offset that was not escaped arrives as a space.
                let raw = if raw.contains('T') { raw.trim().replace(' ', "+") } else { raw };
                Ok(Some(WireTime::parse(name, &raw)?.as_str().to_owned()))
            }
            None => Ok(None),
        }
    }

    /// A claim, in the usual words; other words are passed over.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)?.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

/// The id in the path.
pub(crate) struct Id(pub(crate) String);

impl FromRequest for Id {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let id = web::Path::<String>::from_request(request, payload).into_inner();
        ready(
            id.map(|id| Self(id.into_inner())).map_err(|_| {
                ApiError::new(ErrorCode::InvalidId, "the id in the path cannot be read")
            }),
        )
    }
}
