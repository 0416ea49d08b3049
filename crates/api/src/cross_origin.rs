//! Which pages may ask: those of this server, and those of the origins that are listed.

use actix_cors::Cors;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};

use crate::error::{ApiError, ErrorCode};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets pages of the listed origins read the answers, with the credentials that the browser holds for us.
pub(crate) fn sharing(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["x-request-id", "retry-after"])
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// Refuses a change that a page of another origin asks for. Programs that are no browsers send no `Origin`.
pub(crate) fn check(request: &ServiceRequest, origins: &[String]) -> Result<(), ApiError> {
    if request.method().is_safe() {
        return Ok(());
    }
    let header =
        |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = header(HOST).unwrap_or_default();
    let passes = match header(ORIGIN) {
        Some(origin) => {
            let same = origin
                .split_once("://")
                .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
            same || origins.iter().any(|listed| listed == origin)
        }
        None => header(FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none")),
    };
    if passes {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::CrossOrigin,
        "a page of another origin may not change anything here",
    ))
}
