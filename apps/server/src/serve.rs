//! Serving: open the database, look at the exposure, listen, and stop in order.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result, bail};
use pilotdeck_api::{Server, Setup};
use pilotdeck_domain::clock::Clock;
use pilotdeck_services::Services;
use pilotdeck_storage::{Opened, machine_time_zone};
use secrecy::ExposeSecret as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::exposure::{self, Facts};
use crate::settings::{ServeArgs, Settings};
use crate::{logging, secret};

/// The least bytes of a secret that is set by hand.
const MIN_SECRET_BYTES: usize = 32;

/// Serves until the process is told to stop.
pub(crate) async fn serve(args: ServeArgs) -> Result<()> {
    logging::init()?;
    let settings = Settings::read(&args)?;
    // Before anything takes time: a signal from now on stops in order.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let services = open(&settings).await?;
    let server = match listen(&settings, &services).await {
        Ok(server) => server,
        Err(error) => {
            services.close().await;
            return Err(error);
        }
    };
    let handle = server.handle();
    let running = tokio::spawn(server);
    let warning = tokio::spawn(warn_of_default_password(services.clone()));

    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!("{name}: finishing what was accepted, then stopping; once more to stop at once");
    tokio::select! {
        () = handle.stop(true) => {}
        _ = terminate.recv() => bail!("stopped at once"),
        _ = interrupt.recv() => bail!("stopped at once"),
    }
    warning.abort();
    running.await?.context("the server failed")?;
    services.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn open(settings: &Settings) -> Result<Services> {
    let clock = Clock::default();
    let options = pilotdeck_storage::OpenOptions {
        path: &settings.database,
        durability: settings.durability,
        clock: &clock,
        local_time: &machine_time_zone,
    };
    let (database, opened) = pilotdeck_storage::open(options).await?;
    let path = settings.database.display();
    match opened {
        Opened::Created => tracing::info!("made a new database: {path}"),
        Opened::Ready => tracing::info!("opened the database: {path}"),
        Opened::Adopted { report, backup } => {
            tracing::info!(
                "took over the database of an older PilotDeck (version {}): {path}, {} rows; as it was: {}",
                report.from_version,
                report.seen(),
                backup.display()
            );
            if report.set_aside() + report.times_left() > 0 {
                tracing::warn!(
                    "{} rows could not be read whole (their texts are kept in adopted_payloads), {} have texts in place \
                     of times",
                    report.set_aside(),
                    report.times_left()
                );
            }
        }
    }
    let services = Services::new(database, clock);
    services.identity.ensure_somebody().await?;
    Ok(services)
}

async fn listen(settings: &Settings, services: &Services) -> Result<Server> {
    let has_proxy = !settings.trusted_proxies.is_empty();
    let is_loopback = settings.bind.is_loopback();
    if !is_loopback || has_proxy {
        let password_is_default = services.identity.default_password_in_use().await?;
        let has_agent_token = settings.agent_token.is_some();
        if let Some(objection) = exposure::objection(Facts {
            is_loopback,
            has_proxy,
            password_is_default,
            has_agent_token,
        }) {
            bail!(objection);
        }
    }
    let cookie_secret = match &settings.cookie_secret {
        Some(secret) if secret.expose_secret().len() < MIN_SECRET_BYTES => {
            bail!("PM_SECRET_KEY must have at least {MIN_SECRET_BYTES} characters")
        }
        Some(secret) => secret.expose_secret().as_bytes().to_vec(),
        None => secret::beside(&settings.database)?,
    };
    let asked = SocketAddr::new(settings.bind, settings.port);
    let listener = TcpListener::bind(asked).with_context(|| format!("cannot listen on {asked}"))?;
    let address = listener.local_addr()?;
    let setup = Setup {
        agent_token: settings.agent_token.clone(),
        admin_token: settings.admin_token.clone(),
        cookie_secret,
        secure_cookie: settings.secure_cookie,
        allowed_hosts: settings.allowed_hosts.clone(),
        allowed_origins: settings.allowed_origins.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        workers: settings.workers,
    };
    let server = pilotdeck_api::serve(listener, services.clone(), setup)?;
    if settings.agent_token.is_some() {
        tracing::info!("agents need the token in PM_AGENT_TOKEN");
    } else {
        tracing::info!("agents need no token: every program on this machine may act as one");
    }
    if settings.admin_token.is_none() {
        tracing::info!("the administrator's operations are off: PM_ADMIN_TOKEN is not set");
    }
    tracing::info!("listening on http://{address} (API explorer: http://{address}/api/docs/)");
    Ok(server)
}

async fn warn_of_default_password(services: Services) {
    if let Ok(true) = services.identity.default_password_in_use().await {
        tracing::warn!("the password of `admin` is the default one: please change it");
    }
}
