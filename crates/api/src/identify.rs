//! Finding out who asks, before anything else happens.

use actix_session::SessionExt as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HOST};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, ResponseError as _, web};
use pilotdeck_domain::identity::{Actor, ApiKey, Principal};
use pilotdeck_services::{Error, Services, Unavailable};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::console::is_for_people;
use crate::edge::RequestId;
use crate::error::{ApiError, ErrorCode};
use crate::server::{Setup, Surface};
use crate::{client, cross_origin, sessions};

/// The header of the agent token.
pub(crate) const AGENT_HEADER: &str = "X-PM-Agent-Token";
/// The header of the administrator's token; agents may use it, too.
pub(crate) const ADMIN_HEADER: &str = "X-PM-Token";

/// The header of a person's key; it may be a bearer, too.
pub(crate) const KEY_HEADER: &str = "X-API-Key";
const BEARER: &[u8] = b"Bearer ";
/// What keys begin with.
const KEY_PREFIX: &[u8] = b"pd_";
/// What is answered under any name: who asks if the server lives knows its address, and hears nothing else.
const PROBES: [&str; 2] = ["/health/live", "/health/ready"];

/// Leaves the [`Actor`] with the request.
pub(crate) async fn identify<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let surface =
        request.app_data::<web::Data<Surface>>().expect("the server has a surface").clone();
    if let Err(error) = check_host(&request, &surface) {
        return Ok(request.into_response(error.error_response()));
    }
    let principals = match sent_key(&request) {
        Some(sent) => key(&request, sent.to_owned()).await.map(|key| {
            principals(&request, key.map(|key| Principal::Key(Box::new(key))), true, &surface.setup)
        }),
        // What a browser sends by itself is for our own pages.
        None => cross_origin::check(&request, &surface.setup.allowed_origins).map(|()| {
            let person = sessions::person(&request.get_session()).map(Principal::Person);
            principals(&request, person, false, &surface.setup)
        }),
    };
    let principals = match principals {
        Ok(principals) => principals,
        Err(error) => return Ok(request.into_response(error.error_response())),
    };
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    request.extensions_mut().insert(Actor::new(principals, request_id));
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn check_host(request: &ServiceRequest, surface: &Surface) -> Result<(), ApiError> {
    let host = request.headers().get(HOST).map_or("", |host| host.to_str().unwrap_or("?"));
    // HTTP/2 and absolute request targets name the host in the address.
    let host = request.uri().authority().map_or(host, actix_web::http::uri::Authority::as_str);
    if surface.hosts.allow(host) || PROBES.contains(&request.path()) {
        return Ok(());
    }
    let message = "this server does not answer for this host; PM_ALLOWED_HOSTS lists further ones";
    Err(ApiError::new(ErrorCode::HostNotAllowed, message))
}

/// The key that was sent. Other bearers than ours are for whoever stands in front; where the console is asked for, there is
/// nothing to open.
fn sent_key(request: &ServiceRequest) -> Option<&[u8]> {
    if is_for_people(request.path()) {
        return None;
    }
    let bearer = || {
        let sent = header(request, AUTHORIZATION.as_str())?;
        let (scheme, token) = sent.split_at_checked(BEARER.len())?;
        let token = token.trim_ascii();
        (scheme.eq_ignore_ascii_case(BEARER) && token.starts_with(KEY_PREFIX)).then_some(token)
    };
    header(request, KEY_HEADER).or_else(bearer)
}

/// The key with this text. One that does not hold opens nothing, also where everybody may come in.
async fn key(request: &ServiceRequest, sent: Vec<u8>) -> Result<Option<ApiKey>, ApiError> {
    let services = request.app_data::<web::Data<Services>>().expect("the server has services");
    let found = match str::from_utf8(&sent) {
        Ok(sent) => services.identity.api_key(sent).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(key)) => Ok(Some(key)),
        // Keys cannot be looked up at that moment; what needs one says so.
        Err(Error::Unavailable(Unavailable::Restoring)) => Ok(None),
        Ok(None) => {
            let message = "this key is none, was revoked, or is too old";
            Err(ApiError::new(ErrorCode::InvalidKey, message))
        }
        Err(error) => Err(error.into()),
    }
}

/// Everybody the request speaks for: first who `came`. Where several may do the same, the first one is recorded.
fn principals(
    request: &ServiceRequest,
    came: Option<Principal>,
    has_key: bool,
    setup: &Setup,
) -> Vec<Principal> {
    let agent = header(request, AGENT_HEADER);
    let token = header(request, ADMIN_HEADER);
    let mut principals: Vec<Principal> = came.into_iter().collect();
    match &setup.agent_token {
        // A wrong agent token is not rescued by a right one in the other header.
        Some(secret) if agent.or(token).is_some_and(|sent| matches(sent, secret)) => {
            principals.push(Principal::Agent);
        }
        // The door is open to this machine. What a proxy lets through it is not of this machine.
        None if client::is_by_unknown_proxy(request, &setup.trusted_proxies) => {}
        // Who says who they are may do what they may, and no more, also where nobody has to.
        None if principals.is_empty() && !has_key => principals.push(Principal::Anybody),
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
