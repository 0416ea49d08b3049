//! The HTTP server: what it needs to know, and how its layers lie.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::Key;
use actix_web::dev::Server;
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, web};
use ipnet::IpNet;
use pilotdeck_services::Services;
use secrecy::SecretString;
use utoipa_actix_web::AppExt as _;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::console::{ConsoleFiles, NoFiles, console};
use crate::guard::{Permissions, guard};
use crate::hosts::Hosts;
use crate::identify::identify;
use crate::limits::{Limiters, Limits, limit};
use crate::listener::listen;
use crate::maintenance::maintenance;
use crate::metrics::Metrics;
use crate::{cross_origin, edge, openapi, operations, sessions};

/// Streams of the ledger that one principal may hold at a time, unless it is set otherwise.
pub const MAX_STREAMS: usize = 64;

/// The shortest secret that a signing key is derived from.
const MIN_SECRET_BYTES: usize = 32;

/// Why the server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An operation would be open to nobody knows whom.
    #[error("the permissions are not complete: {0}")]
    Permissions(String),
    /// A listed origin could never match.
    #[error("{0} is no origin: name scheme and host only, such as https://deck.example")]
    Origin(String),
    /// The cookie's signature could be guessed.
    #[error("the cookie secret must have at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    /// The socket cannot be used.
    #[error("the address cannot be listened on: {0}")]
    Io(#[from] std::io::Error),
}

/// What the surfaces need to know beside the services.
#[derive(Clone)]
pub struct Setup {
    /// The token of agents; without one everybody may act as an agent.
    pub agent_token: Option<SecretString>,
    /// The token of the administrator; without one nobody is.
    pub admin_token: Option<SecretString>,
    /// What signs the session cookie and seals the secrets of second factors: 32 bytes or more.
    pub cookie_secret: Vec<u8>,
    /// Whether the cookie is for HTTPS only.
    pub secure_cookie: bool,
    /// Host names that requests may carry beside loopback ones.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may use the API.
    pub allowed_origins: Vec<String>,
    /// Proxies whose word about the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that serve requests.
    pub workers: usize,
    /// Streams of the ledger that one principal may hold at a time.
    pub max_streams: usize,
    /// Requests a minute that one caller may make.
    pub limits: Limits,
    /// How long clients may take.
    pub time_limits: TimeLimits,
    /// The files of the web console.
    pub console: Arc<dyn ConsoleFiles>,
}

/// How long clients may take. What takes longer is cut off.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// For the head of a request, from the connection on or from its first byte.
    pub head: Duration,
    /// For a body to begin, and for each rest in it; on the whole it may take one second more for every 4 KiB.
    pub body: Duration,
    /// For an answer to be taken, from one piece of it to the next.
    pub answer: Duration,
    /// For the next request.
    pub keep_alive: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            answer: Duration::from_mins(1),
            keep_alive: Duration::from_secs(75),
        }
    }
}

/// The setup with what follows from it, as the layers and handlers use it.
pub(crate) struct Surface {
    /// What was set.
    pub(crate) setup: Setup,
    /// Which operation takes which permission.
    pub(crate) permissions: Permissions,
    /// Which hosts the server answers for.
    pub(crate) hosts: Hosts,
    /// What is left to callers.
    pub(crate) limiters: Limiters,
    /// What is counted.
    pub(crate) metrics: Metrics,
}

impl Default for Setup {
    /// A server for this machine, open to its agents.
    fn default() -> Self {
        Self {
            agent_token: None,
            admin_token: None,
            cookie_secret: Key::generate().master().to_vec(),
            secure_cookie: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            workers: 2,
            max_streams: MAX_STREAMS,
            limits: Limits::default(),
            time_limits: TimeLimits::default(),
            console: Arc::new(NoFiles),
        }
    }
}

impl Setup {
    pub(crate) fn has_admin_token(&self) -> bool {
        self.admin_token.is_some()
    }
}

/// Serves the API on `listener` until the returned server is stopped through its handle.
///
/// # Errors
///
/// [`SetupError`] if an operation declares no permission, the setup makes no sense, or the socket cannot be used.
pub fn serve(
    listener: TcpListener,
    services: Services,
    mut setup: Setup,
) -> Result<Server, SetupError> {
    let document = openapi::document();
    let permissions = Permissions::of(&document).map_err(SetupError::Permissions)?;
    let hosts = Hosts::new(&[listener.local_addr()?], &setup.allowed_hosts);
    if setup.cookie_secret.len() < MIN_SECRET_BYTES {
        return Err(SetupError::ShortSecret);
    }
    let signing = Key::derive_from(&setup.cookie_secret);
    services.identity.seal_with(&setup.cookie_secret);
    for origin in &mut setup.allowed_origins {
        *origin = cross_origin::origin(origin).ok_or_else(|| SetupError::Origin(origin.clone()))?;
    }
    let (workers, time_limits) = (setup.workers, setup.time_limits);
    let limiters = Limiters::new(setup.limits);
    let metrics = Metrics::new(permissions.templates(), services.operations.meters());
    let surface = web::Data::new(Surface { setup, permissions, hosts, limiters, metrics });
    let services = web::Data::new(services);
    let document = web::Data::new(operations::OpenApiText(Arc::from(openapi::print(&document))));

    tokio::spawn(services.stream.clone().run());
    let server = listen(listener, workers, time_limits, move || {
        App::new()
            .app_data(surface.clone())
            .app_data(services.clone())
            .app_data(document.clone())
            .wrap(from_fn(guard))
            .wrap(from_fn(console))
            .wrap(Condition::new(surface.limiters.are_on(), from_fn(limit)))
            .wrap(from_fn(identify))
            .wrap(sessions::middleware(
                services.identity.clone(),
                signing.clone(),
                surface.setup.secure_cookie,
            ))
            .wrap(from_fn(maintenance))
            .wrap(Condition::new(
                !surface.setup.allowed_origins.is_empty(),
                cross_origin::sharing(&surface.setup.allowed_origins),
            ))
            .wrap(from_fn(edge::edge))
            .service(web::redirect("/api/docs", "/api/docs/"))
            .service(
                SwaggerUi::new("/api/docs/{_:.*}")
                    .config(Config::from("/api/openapi.json").try_it_out_enabled(true)),
            )
            .into_utoipa_app()
            .configure(openapi::routes)
            .into_app()
    })?;
    Ok(server)
}
