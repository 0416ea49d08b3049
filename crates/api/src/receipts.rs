//! The idempotency key of a request: what tells a repetition from another request.

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage as _, web};
use pilotdeck_domain::identity::{Actor, Intent};
use sha2::{Digest as _, Sha256};

use crate::error::ApiError;
use crate::extract;

/// The header of the key.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The form of a key, as a pattern.
pub(crate) const PATTERN: &str = "^[!-~]{1,255}$";
/// The longest key.
const MAX_KEY_BYTES: usize = 255;

/// Tells the caller's services that the request may be a repetition, if it carries a key. The body is read for that,
/// and put back.
pub(crate) async fn intend(request: &mut ServiceRequest) -> Result<(), ApiError> {
    let name = HeaderName::from_static("idempotency-key");
    if !request.headers().contains_key(&name) || request.method().is_safe() {
        return Ok(());
    }
    let mut sent = request.headers().get_all(&name);
    let key = match (sent.next().and_then(|key| key.to_str().ok()), sent.next()) {
        (Some(key), None) if is_key(key) => key.to_owned(),
        _ => {
            let message =
                "Idempotency-Key must be sent once, and have 1 to 255 visible ASCII characters";
            return Err(ApiError::invalid(IDEMPOTENCY_KEY, message));
        }
    };
    let (http, payload) = request.parts_mut();
    let body = extract::read(http, payload.take()).await?.freeze();
    let fingerprint = fingerprint(request, &body);
    request.set_payload(Payload::from(body));
    if let Some(actor) = request.extensions_mut().get_mut::<Actor>() {
        actor.intend(Intent { key, fingerprint });
    }
    Ok(())
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The digest of what the request asks for.
fn fingerprint(request: &ServiceRequest, body: &web::Bytes) -> [u8; 32] {
    Sha256::new()
        .chain_update(request.method().as_str())
        .chain_update([0])
        .chain_update(request.path())
        .chain_update([0])
        .chain_update(request.query_string())
        .chain_update([0])
        .chain_update(body)
        .finalize()
        .into()
}
