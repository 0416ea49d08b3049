//! Serving: open the database, look at the exposure, listen, and stop in order.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use pilotdeck_api::{ConsoleFiles as _, Server, Setup, TimeLimits};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::Actor;
use pilotdeck_services::Services;
use pilotdeck_services::identity::{DEFAULT_PASSWORD, DEFAULT_USERNAME};
use pilotdeck_storage::{Opened, machine_time_zone};
use sd_notify::NotifyState;
use secrecy::ExposeSecret as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exposure::{self, Facts};
use crate::settings::{ServeArgs, Settings};
use crate::{console, logging, secret};

/// Serves until the process is told to stop.
pub(crate) async fn serve(args: ServeArgs) -> Result<()> {
    logging::init()?;
    let settings = Settings::read(&args)?;
    // Before anything takes time: a signal from now on stops in order.
    let mut signals = Signals::listen()?;

    let (services, database) = signals.unless_hurried(open(&settings)).await??;
    let server = match listen(&settings, &services, &database).await {
        Ok(server) => server,
        Err(error) => {
            services.close().await;
            return Err(error);
        }
    };
    let handle = server.handle();
    let mut running = tokio::spawn(server);
    tell_systemd(NotifyState::Ready);
    let warning = tokio::spawn(warn_of_default_password(services.clone()));
    let signing = services.clone();
    let checkpoints = tokio::spawn(async move { signing.ledger.keep_checkpoints().await });
    let deploying = tokio::spawn(services.operations.clone().follow_deploy());
    let backing_up = tokio::spawn(services.operations.clone().keep_backups());

    let ended = tokio::select! {
        () = signals.asked() => None,
        ended = &mut running => Some(ended),
    };
    tell_systemd(NotifyState::Stopping);
    let stopping = async {
        let ended = if let Some(ended) = ended {
            ended
        } else {
            // First, while there is someone left to tell their readers.
            services.stream.close().await;
            handle.stop(true).await;
            running.await
        };
        warning.abort();
        checkpoints.abort();
        deploying.abort();
        services.operations.stop_backups().await;
        backing_up.abort();
        sign_the_end(&services).await;
        services.close().await;
        ended?.context("the server failed")
    };
    signals.unless_hurried(stopping).await??;
    tracing::info!("stopped");
    Ok(())
}

/// SIGXFSZ, by the number that it has on Linux, macOS and the BSDs.
const FILE_SIZE_EXCEEDED: i32 = 25;

/// The signals that end the process: the first asks it to stop in order, one more to stop at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    is_asked: bool,
}

impl Signals {
    fn listen() -> Result<Self> {
        // Beyond a limit on the size of files, writing is to fail as on a full disk, and not to end the process. Being
        // listened to is enough for that.
        drop(signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            is_asked: false,
        })
    }

    /// Waits until the process is asked to stop, if it was not yet.
    async fn asked(&mut self) {
        if !self.is_asked {
            let name = self.next().await;
            self.is_asked = true;
            tracing::info!(
                "{name}: finishing what was begun, then stopping; once more to stop at once"
            );
        }
    }

    /// Does `work` to its end, also when the process is asked to stop, unless it is asked once more.
    async fn unless_hurried<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let hurried = async {
            self.asked().await;
            self.next().await;
        };
        tokio::select! {
            done = work => Ok(done),
            () = hurried => bail!("stopped at once"),
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Opens the database; says where it really is, too.
async fn open(settings: &Settings) -> Result<(Services, PathBuf)> {
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
    let path = database.path().to_owned();
    let key = secret::ledger_key(&secret::ledger_key_path(&path, settings.ledger_key.clone()));
    let key = match key {
        Ok(key) => key,
        Err(error) => {
            database.close().await;
            return Err(error);
        }
    };
    let services = Services::new(database, clock)
        .with_ledger_key(key)
        .with_operations(settings.operations(&path)?);
    services.identity.ensure_somebody().await?;
    Ok((services, path))
}

async fn listen(settings: &Settings, services: &Services, database: &Path) -> Result<Server> {
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
        Some(secret) => secret.expose_secret().as_bytes().to_vec(),
        None => secret::of_cookies(database)?,
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
        max_streams: settings.max_streams,
        limits: settings.limits,
        time_limits: TimeLimits::default(),
        console: Arc::new(console::Embedded),
    };
    let server = pilotdeck_api::serve(listener, services.clone(), setup)?;
    if settings.agent_token.is_some() {
        tracing::info!("agents need the token in PM_AGENT_TOKEN");
    } else {
        tracing::info!("agents need no token: every program on this machine may act as one");
    }
    if settings.admin_token.is_none() {
        tracing::info!(
            "PM_ADMIN_TOKEN is not set: only people with the role admin may back up, restore and deploy"
        );
    }
    if console::Embedded.file("index.html").is_none() {
        tracing::info!(
            "the web console is not part of this program: it was built without frontend/dist"
        );
    }
    tracing::info!("listening on http://{address} (API explorer: http://{address}/api/docs/)");
    Ok(server)
}

/// Tells whoever started this process as a service, if anybody waits for it.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager could not be told: {error}");
    }
}

/// Signs the last lines before the file is left alone: nobody could tell if they were cut off meanwhile.
async fn sign_the_end(services: &Services) {
    if let Err(error) = services.ledger.checkpoint(&Actor::system()).await {
        tracing::warn!("the end of the ledger could not be signed: {error}");
    }
}

async fn warn_of_default_password(services: Services) {
    if let Ok(true) = services.identity.default_password_in_use().await {
        tracing::warn!(
            "sign in as `{DEFAULT_USERNAME}` with the password `{DEFAULT_PASSWORD}`, the default one: please change it"
        );
    }
}
