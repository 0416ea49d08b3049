//! Finding out who asks, before anything else happens.

use actix_session::SessionExt as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, ResponseError as _, web};
use pilotdeck_domain::identity::{Actor, Principal};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::edge::RequestId;
use crate::error::{ApiError, ErrorCode};
use crate::server::{Setup, Surface};
use crate::{cross_origin, sessions};

/// The header of the agent token.
pub(crate) const AGENT_HEADER: &str = "X-PM-Agent-Token";
/// The header of the administrator's token; agents may use it, too.
pub(crate) const ADMIN_HEADER: &str = "X-PM-Token";

/// What is answered under any name: who asks if the server lives knows its address, and hears nothing else.
const PROBES: [&str; 2] = ["/health/live", "/health/ready"];

/// Leaves the [`Actor`] with the request.
pub(crate) async fn identify<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let surface =
        request.app_data::<web::Data<Surface>>().expect("the server has a surface").clone();
    if let Err(error) = check(&request, &surface) {
        return Ok(request.into_response(error.error_response()));
    }
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    let actor = Actor::new(principals(&request, &surface.setup), request_id);
    request.extensions_mut().insert(actor);
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn check(request: &ServiceRequest, surface: &Surface) -> Result<(), ApiError> {
    let host = request.headers().get(HOST).map_or("", |host| host.to_str().unwrap_or("?"));
    // HTTP/2 and absolute request targets name the host in the address.
    let host = request.uri().authority().map_or(host, actix_web::http::uri::Authority::as_str);
    if !surface.hosts.allow(host) && !PROBES.contains(&request.path()) {
        let message =
            "this server does not answer for this host; PM_ALLOWED_HOSTS lists further ones";
        return Err(ApiError::new(ErrorCode::HostNotAllowed, message));
    }
    cross_origin::check(request, &surface.setup.allowed_origins)
}

/// Everybody the request speaks for. Where several may do the same, the first one is recorded.
fn principals(request: &ServiceRequest, setup: &Setup) -> Vec<Principal> {
    let agent = header(request, AGENT_HEADER);
    let token = header(request, ADMIN_HEADER);
    let person = sessions::person(&request.get_session()).map(Principal::Person);
    let mut principals: Vec<Principal> = person.into_iter().collect();
    match &setup.agent_token {
        // A wrong agent token is not rescued by a right one in the other header.
        Some(secret) if agent.or(token).is_some_and(|sent| matches(sent, secret)) => {
            principals.push(Principal::Agent);
        }
        // Who says who they are may do what they may, and no more, also where nobody has to.
        None if principals.is_empty() => principals.push(Principal::Anybody),
        Some(_) | None => {}
    }
    if let Some(secret) = &setup.admin_token
        && token.is_some_and(|sent| matches(sent, secret))
    {
        principals.push(Principal::Administrator);
    }
    principals
}

fn header<'a>(request: &'a ServiceRequest, name: &str) -> Option<&'a [u8]> {
    let value = request.headers().get(name)?.as_bytes().trim_ascii();
    (!value.is_empty()).then_some(value)
}

fn matches(sent: &[u8], secret: &SecretString) -> bool {
    sent.ct_eq(secret.expose_secret().as_bytes()).into()
}
