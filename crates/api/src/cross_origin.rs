//! Which pages may ask: those of this server, and those of the origins that are listed.

use actix_cors::Cors;
use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};

use crate::error::{ApiError, ErrorCode};
use crate::limits;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A listed origin as browsers write it; `None` if it is none.
pub(crate) fn origin(listed: &str) -> Option<String> {
    let origin = listed.trim().trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let uri: Uri = origin.parse().ok()?;
    let is_whole = uri.scheme_str() == Some(scheme)
        && uri.authority().is_some_and(|parsed| parsed.as_str() == authority)
        && !authority.contains(['@', '*']);
    is_whole.then_some(origin)
}

/// Lets pages of the listed origins read the answers, with the credentials that the browser holds for us.
pub(crate) fn sharing(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["x-request-id", "retry-after"])
        .expose_headers(limits::HEADERS)
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// What costs the server something though it changes nothing: a page elsewhere could have it done again and again.
const COSTLY: &str = "/api/admin/";

/// Refuses a change that a page of another origin asks for. Programs that are no browsers send no `Origin`.
pub(crate) fn check(request: &ServiceRequest, origins: &[String]) -> Result<(), ApiError> {
    if request.method().is_safe() && !request.path().starts_with(COSTLY) {
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
    Err(ApiError::new(ErrorCode::CrossOrigin, "a page of another origin may not ask for this here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_and_host_as_browsers_write_them() {
        for (listed, written) in [
            ("https://deck.example", Some("https://deck.example")),
            (" HTTPS://Deck.Example/ ", Some("https://deck.example")),
            ("http://localhost:5173", Some("http://localhost:5173")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("*", None),
            ("https://*.example", None),
            ("deck.example", None),
            ("https://", None),
            ("https://deck.example/console", None),
            ("https://ada@deck.example", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(origin(listed).as_deref(), written, "{listed}");
        }
    }
}
