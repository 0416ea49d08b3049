//! Everything that can be set: the command line, then the environment, then the default. Nothing else reads either.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use pilotdeck_api::Limits;
use pilotdeck_load::WorkKind;
use pilotdeck_services::operations;
use pilotdeck_storage::Durability;
use secrecy::{ExposeSecret as _, SecretString};

mod people;

pub(crate) use people::{
    AddArgs, InviteArgs, KeysArgs, ListArgs, PersonArgs, RevokeKeyArgs, SetPasswordArgs,
    SetRoleArgs, UserCommand,
};

const DEFAULT_DB: &str = "data/pm.db";
/// The folder of the database in an installation that keeps it apart from the rest.
const DATA: &str = "data";
/// The script of deploy jobs, in the folder of the installation.
const DEFAULT_DEPLOY_SCRIPT: &str = "deploy_pull_restart.sh";
const DEFAULT_BIND: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DEFAULT_PORT: u16 = 8689;
const PORT: &str = "a number from 0 to 65535";
/// The least bytes of a secret that is set by hand.
const MIN_SECRET_BYTES: usize = 32;
/// The most threads that the HTTP server takes.
const MAX_WORKERS: usize = 512;
const HOURS: &str = "a number of hours from 1 to 8784";
const KEPT: &str = "a number from 1 to 10000";
const WORKERS: &str = "a number from 1 to 512";
/// Requests a minute where others can reach the server. The console fetches a dozen things for a page; a machine of agents
/// that does more than this has batches to send.
const PEOPLE_PER_MINUTE: u32 = 1_200;
const TOKENS_PER_MINUTE: u32 = 6_000;
const STRANGERS_PER_MINUTE: u32 = 300;
/// What is logged unless it is said otherwise. The HTTP server's own milestones repeat ours.
const LOG: &str = "info,actix_server=warn";
const LOG_MORE: &str =
    "info,pilotdeck=debug,pilotdeck_api=debug,pilotdeck_services=debug,pilotdeck_storage=debug";

/// What the help says after the options.
const ENVIRONMENT: &str = "\
Environment (an option wins over its variable; an empty variable is not set):
  PM_DB_FILE            the database [data/pm.db]
  PM_BIND, PM_PORT      the address to listen on [127.0.0.1, 8689]
  PM_AGENT_TOKEN        what agents send in X-PM-Agent-Token [none: open on this machine]
  PM_ADMIN_TOKEN        what the administrator sends in X-PM-Token [none: those operations are off]
  PM_SECRET_KEY         what signs session cookies [kept in a file beside the database]
  PM_LEDGER_KEY         the file with the key that signs checkpoints of the ledger; it is made if it is not there
                        [the database's name and .ledger-key]
  PM_DB_SYNCHRONOUS     NORMAL: a commit survives the process; FULL: it survives a power failure [NORMAL]
  PM_ALLOWED_HOSTS      further host names that requests may carry, separated by commas
  PM_ALLOWED_ORIGINS    origins whose pages may use the API, separated by commas
  PM_TRUSTED_PROXIES    addresses or networks (10.0.0.0/8) of proxies in front, separated by commas; each must set
                        X-Forwarded-For, or remove it and set Forwarded
  PM_RATE_LIMIT         requests a minute that a person or a key may make; 0: no limits [1200 where others can reach the
                        server, else 0]
  PM_RATE_LIMIT_AGENTS  those of the holders of a token at one address (an IPv6 address counts by its first 64 bits);
                        0: no limit [6000 where PM_RATE_LIMIT is not 0]
  PM_RATE_LIMIT_ANONYMOUS
                        those of one address without a credential; 0: no limit [300 where PM_RATE_LIMIT is not 0]
  SESSION_COOKIE_SECURE true: the cookie is for HTTPS only [true behind a trusted proxy, else false]
  PM_WORKERS            threads that serve requests [the number of cores, at most 8]
  PM_MAX_RESTORE_BYTES  the largest database that may be uploaded, in bytes [17179869184: 16 GiB]
  PM_BACKUP_DIR         a folder for kept backups, better on another disk [none: only those that are asked for and sent]
  PM_BACKUP_EVERY_HOURS the hours from one kept backup to the next [24]
  PM_BACKUP_KEEP        how many are kept [7]
  PM_DEPLOY_SCRIPT      the script that a deploy job runs [deploy_pull_restart.sh in the folder of the installation, which
                        is the one with the folder data, or else the one with the database]
  PM_MAX_STREAMS        streams of the ledger that one principal may hold at a time [64]
  PM_LOG                what to log, such as info or pilotdeck_services=debug [info]
  PM_LOG_FORMAT         human or json [human]
  PM_DEBUG              a number; not 0: log more [0]
  TZ                    whose local time the database of an older PilotDeck holds, when it is taken over";

/// What the help of `bench` says after the options.
const BENCH: &str = "\
It makes a few projects, works on them alone, and deletes them at the end. Events and usage records stay, for they are
never deleted: they are those of the agent `pilotdeck-bench`. Use a server whose database may be thrown away.
Ctrl-C ends it early and prints what was measured so far. It fails if no request succeeded.";

/// What the help of `doctor` says after the options.
const DOCTOR: &str = "It ends with 0 if all is well, 1 if something should be looked at, 2 if something must be repaired.";

/// The command line.
#[derive(Parser)]
#[command(name = "pilotdeck", version, about = "The ledger and control console for projects that agents work on", after_help = ENVIRONMENT)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the database (what happens without a command, too)
    #[command(after_help = ENVIRONMENT)]
    Serve(ServeArgs),
    /// Put a load on a running server, and print how many requests a second it answers and how long they take
    #[command(after_help = BENCH)]
    Bench(BenchArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Write the manual pages: what `--help` says of every command
    #[command(hide = true)]
    Man(ManArgs),
    /// Ask a running server whether it answers: for whoever watches over it. Fails if it does not
    Health(HealthArgs),
    /// Look at the settings, the files, the database, the ledger, the clock and the doors, change nothing, and say what to
    /// do next; a server may be running. Run it as the user of the server, with its environment
    #[command(after_help = DOCTOR)]
    Doctor(DoctorArgs),
    /// Copy the database to a file; a server may be running
    Backup(BackupArgs),
    /// Work with the backups that are kept; a server may be running
    Backups {
        #[command(subcommand)]
        command: BackupsCommand,
    },
    /// Make a file the database, such as a backup or the database of an older PilotDeck; the one before stays beside it
    Restore(RestoreArgs),
    /// Go back to what the database was before an upgrade or a restore (pm.db.bak.<time>); the present one stays beside it
    Rollback(RollbackArgs),
    /// Write all rows of the database to an archive of JSON lines; a server may be running
    Export(OutputArgs),
    /// Make a database of an archive; the one before stays beside it
    Import(ImportArgs),
    /// Run a deploy job to its end: what the server starts
    #[command(hide = true)]
    RunDeployJob(DeployJobArgs),
    /// Work with the ledger
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Work with the people who can sign in
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
}

/// Commands about kept backups.
#[derive(Subcommand)]
pub(crate) enum BackupsCommand {
    /// List them, newest first, with what is known of each
    List(BackupsArgs),
    /// Make one now, and prove it: restore it to a file of its own, and compare
    Make(BackupsArgs),
    /// Prove one of them, or the newest
    Prove(ProveArgs),
}

/// Commands about the ledger.
#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check every line of the ledger against the one before it, its checkpoints, and the file for damage; a server may
    /// be running. Or check an export, without a database
    Verify(VerifyArgs),
    /// Sign where the ledger stands; a server may be running
    Checkpoint(DatabaseArgs),
    /// Write the whole ledger with its checkpoints to a file, for `verify --export`; a server may be running
    Export(OutputArgs),
    /// Print the public key that proves checkpoints
    Key(DatabaseArgs),
}

/// Where to listen and what to serve.
#[derive(Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// The port to listen on; 0 takes a free one [default: 8689]
    #[arg(long)]
    port: Option<u16>,
}

/// Which database.
#[derive(Args)]
pub(crate) struct DatabaseArgs {
    /// The database file [default: data/pm.db]
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
}

impl DatabaseArgs {
    /// The database file.
    pub(crate) fn path(&self) -> PathBuf {
        self.db
            .clone()
            .or_else(|| raw_variable("PM_DB_FILE").map(PathBuf::from))
            .unwrap_or_else(|| DEFAULT_DB.into())
    }
}

/// How closely to look.
#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// Read every page of the database and every line of the ledger, however many there are
    #[arg(long)]
    pub(crate) whole: bool,
    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to ask of which server.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The address of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8689")]
    pub(crate) url: String,
    /// events: append one event per request; projects: read one project per request; mixed: 60 % events, 30 % reads of
    /// projects and events, 5 % changes of projects, 5 % usage records
    #[arg(long, value_name = "KIND", default_value = "events", value_parser = WorkKind::from_str)]
    pub(crate) work: WorkKind,
    /// Connections that ask at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) connections: u16,
    /// How long, in seconds
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Requests that are due in a second, whether the server keeps up or not; an answer's time counts from when its
    /// request was due [default: each connection asks again when it was answered]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// The environment variable that holds the token for agents, if the server wants one
    #[arg(long, value_name = "NAME", default_value = "PM_AGENT_TOKEN")]
    agent_token_env: String,
    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

impl BenchArgs {
    /// The token that agents send.
    pub(crate) fn agent_token(&self) -> Result<Option<SecretString>> {
        secret(&self.agent_token_env)
    }
}

/// The path of the database and `ending`.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Variables that look like settings and are none, each with the setting that may have been meant.
pub(crate) fn unknown_variables() -> Vec<(String, Option<&'static str>)> {
    let known: Vec<&str> = known_variables().collect();
    let mut unknown: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("PM_") && !known.contains(&name.as_str()))
        .collect();
    unknown.sort();
    let with_meant = |name: String| {
        let meant = meant(&name, &known);
        (name, meant)
    };
    unknown.into_iter().map(with_meant).collect()
}

/// The settings that the help names.
fn known_variables() -> impl Iterator<Item = &'static str> {
    ENVIRONMENT
        .split(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
        .filter(|word| word.starts_with("PM_"))
}

/// The setting that differs from `name` by order and underscores alone, or by a letter or two.
fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let words = |name: &str| {
        let mut words: Vec<String> =
            name.split('_').map(|word| word.trim_end_matches('S').to_owned()).collect();
        words.sort();
        words
    };
    let letters = |name: &str| name.replace('_', "");
    known
        .iter()
        .find(|known| words(known) == words(name) || letters(known) == letters(name))
        .copied()
}

/// The file with the key that signs checkpoints, if it is not the one beside the database.
pub(crate) fn ledger_key() -> Option<PathBuf> {
    raw_variable("PM_LEDGER_KEY").map(PathBuf::from)
}

/// What to verify.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Verify this export in place of the database; - is the standard input
    #[arg(long, value_name = "FILE", conflicts_with = "db", requires = "key")]
    pub(crate) export: Option<PathBuf>,
    /// A public key that may have signed checkpoints, or a file with one; of a database, the key of this host unless
    /// another is named. May be given several times: a key that was replaced goes on to prove what it signed
    #[arg(long, value_name = "PUBKEY")]
    pub(crate) key: Vec<String>,
}

/// Where to write an export.
#[derive(Args)]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The file to write; it must not be there yet [default: the standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Where to write a backup.
#[derive(Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Where manual pages go.
#[derive(Args)]
pub(crate) struct ManArgs {
    /// The folder to write them to; it must be there
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

/// Which server to ask.
#[derive(Args)]
pub(crate) struct HealthArgs {
    /// The address of the server [default: where the settings say that it listens]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl HealthArgs {
    /// The address of the server.
    pub(crate) fn url(&self) -> Result<String> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let bind = variable("PM_BIND")?.map_or(Ok(DEFAULT_BIND), |raw| address(&raw));
        let bind = match bind.context("PM_BIND")? {
            // A server that listens everywhere listens here, too.
            IpAddr::V4(every) if every.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(every) if every.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            one => one,
        };
        let port = parsed("PM_PORT", PORT)?.unwrap_or(DEFAULT_PORT);
        Ok(format!("http://{}", SocketAddr::new(bind, port)))
    }
}

/// What to restore.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The file that becomes the database; it stays as it is
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Also while a server has the database open. What that server writes from then on is lost: stop it at once
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which backups.
#[derive(Args)]
pub(crate) struct BackupsArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The folder that they are in [default: what the environment says]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl BackupsArgs {
    /// How they are kept.
    pub(crate) fn settings(&self) -> Result<operations::BackupSettings> {
        let settings = backups(self.dir.clone())?;
        settings
            .context("there is no folder for backups: set PM_BACKUP_DIR, or name one with --dir")
    }
}

/// Which backup to prove.
#[derive(Args)]
pub(crate) struct ProveArgs {
    /// Its name, as it is listed [default: the newest]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) backups: BackupsArgs,
}

/// What to go back to.
#[derive(Args)]
pub(crate) struct RollbackArgs {
    /// The copy, as it is listed [default: the newest one from before an upgrade]
    #[arg(value_name = "COPY")]
    pub(crate) copy: Option<PathBuf>,
    /// Only list what there is to go back to
    #[arg(long, conflicts_with = "copy")]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// What to import.
#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The archive, as `pilotdeck export` writes it; - is the standard input
    #[arg(value_name = "FILE")]
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Also while a server has the database open. What that server writes from then on is lost: stop it at once
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which deploy job.
#[derive(Args)]
pub(crate) struct DeployJobArgs {
    /// Its name
    #[arg(long)]
    pub(crate) job: String,
    /// The folder of the installation
    #[arg(long)]
    pub(crate) root: PathBuf,
    /// What to run
    #[arg(long)]
    pub(crate) script: PathBuf,
}

/// What the server runs with.
pub(crate) struct Settings {
    pub(crate) database: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) bind: IpAddr,
    pub(crate) port: u16,
    pub(crate) agent_token: Option<SecretString>,
    pub(crate) admin_token: Option<SecretString>,
    pub(crate) cookie_secret: Option<SecretString>,
    pub(crate) secure_cookie: bool,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) limits: Limits,
    pub(crate) workers: usize,
    pub(crate) max_streams: usize,
    pub(crate) max_restore_bytes: u64,
    /// Which backups are kept.
    pub(crate) backups: Option<operations::BackupSettings>,
    /// The script of deploy jobs, if it is not the one in the folder of the installation.
    pub(crate) deploy_script: Option<PathBuf>,
    /// The file with the key that signs checkpoints, if it is not the one beside the database.
    pub(crate) ledger_key: Option<PathBuf>,
}

impl Settings {
    /// Reads the settings of the server.
    pub(crate) fn read(args: &ServeArgs) -> Result<Self> {
        let trusted_proxies: Vec<IpNet> = list("PM_TRUSTED_PROXIES")?
            .iter()
            .map(|proxy| network(proxy))
            .collect::<Result<_>>()?;
        let bind = match (&args.bind, variable("PM_BIND")?) {
            (Some(bind), _) => address(bind).context("--bind")?,
            (None, Some(bind)) => address(&bind).context("PM_BIND")?,
            (None, None) => DEFAULT_BIND,
        };
        let is_reachable = !bind.is_loopback() || !trusted_proxies.is_empty();
        Ok(Self {
            limits: limits(is_reachable)?,
            database: args.database.path(),
            durability: parsed("PM_DB_SYNCHRONOUS", "NORMAL or FULL")?.unwrap_or_default(),
            bind,
            port: match args.port {
                Some(port) => port,
                None => parsed("PM_PORT", PORT)?.unwrap_or(DEFAULT_PORT),
            },
            agent_token: secret("PM_AGENT_TOKEN")?,
            admin_token: secret("PM_ADMIN_TOKEN")?,
            cookie_secret: match secret("PM_SECRET_KEY")? {
                Some(secret) if secret.expose_secret().len() < MIN_SECRET_BYTES => {
                    bail!("PM_SECRET_KEY must have at least {MIN_SECRET_BYTES} characters")
                }
                secret => secret,
            },
            secure_cookie: flag("SESSION_COOKIE_SECURE")?.unwrap_or(!trusted_proxies.is_empty()),
            allowed_hosts: list("PM_ALLOWED_HOSTS")?,
            allowed_origins: list("PM_ALLOWED_ORIGINS")?,
            trusted_proxies,
            workers: match parsed::<usize>("PM_WORKERS", WORKERS)? {
                Some(workers) if !(1..=MAX_WORKERS).contains(&workers) => {
                    bail!("PM_WORKERS is {workers}: it must be {WORKERS}")
                }
                Some(workers) => workers,
                None => std::thread::available_parallelism().map_or(2, usize::from).min(8),
            },
            max_streams: parsed("PM_MAX_STREAMS", "a number")?
                .unwrap_or(pilotdeck_api::MAX_STREAMS),
            max_restore_bytes: parsed("PM_MAX_RESTORE_BYTES", "a number of bytes")?
                .unwrap_or(operations::MAX_RESTORE_BYTES),
            backups: backups(None)?,
            deploy_script: raw_variable("PM_DEPLOY_SCRIPT").map(PathBuf::from),
            ledger_key: ledger_key(),
        })
    }

    /// Whether others than this machine's programs can reach the server.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.bind.is_loopback() || !self.trusted_proxies.is_empty()
    }

    /// How the installation with this database is operated.
    pub(crate) fn operations(&self, database: &Path) -> Result<operations::Settings> {
        let folder = database.parent().unwrap_or(Path::new("/"));
        let root = match folder.parent() {
            Some(root) if folder.file_name().is_some_and(|name| name == DATA) => root,
            _ => folder,
        };
        let script = match &self.deploy_script {
            // The job runs in another folder.
            Some(script) => std::path::absolute(script).context("PM_DEPLOY_SCRIPT")?,
            None => root.join(DEFAULT_DEPLOY_SCRIPT),
        };
        let program = std::env::current_exe().context("this program does not know where it is")?;
        Ok(operations::Settings {
            max_restore_bytes: self.max_restore_bytes,
            is_reachable: self.is_reachable(),
            backups: self.backups.clone(),
            deploy: operations::DeploySettings {
                script,
                root: root.to_owned(),
                runner: vec![program.into(), "run-deploy-job".into()],
            },
            ..operations::Settings::default()
        })
    }
}

/// Which backups are kept: those in `folder`, or else where the environment says, if it does.
fn backups(folder: Option<PathBuf>) -> Result<Option<operations::BackupSettings>> {
    let every = bounded("PM_BACKUP_EVERY_HOURS", HOURS, 1..=8_784)?;
    let every = every.map_or(operations::EVERY, Duration::from_hours);
    let keep = bounded("PM_BACKUP_KEEP", KEPT, 1..=10_000)?.unwrap_or(operations::KEEP);
    let folder = folder.or_else(|| raw_variable("PM_BACKUP_DIR").map(PathBuf::from));
    let Some(folder) = folder else { return Ok(None) };
    let folder = std::path::absolute(folder).context("PM_BACKUP_DIR")?;
    Ok(Some(operations::BackupSettings { folder, every, keep }))
}

/// What to log, and how.
pub(crate) struct LogSettings {
    pub(crate) filter: String,
    pub(crate) as_json: bool,
}

impl LogSettings {
    /// Reads how to log.
    pub(crate) fn read() -> Result<Self> {
        let debugs =
            parsed::<i64>("PM_DEBUG", "a number, such as 0 or 1")?.is_some_and(|level| level != 0);
        let default = if debugs { LOG_MORE } else { LOG };
        Ok(Self {
            filter: variable("PM_LOG")?.unwrap_or_else(|| default.to_owned()),
            as_json: match variable("PM_LOG_FORMAT")?.as_deref() {
                None | Some("human") => false,
                Some("json") => true,
                Some(other) => bail!("PM_LOG_FORMAT is {other}: it must be human or json"),
            },
        })
    }
}

/// How many requests a minute callers may make. A server that only this machine reaches does without: its agents write
/// thousands of events a second, and nobody else is there.
fn limits(is_reachable: bool) -> Result<Limits> {
    let limit = |name| parsed::<u32>(name, "a number of requests a minute");
    let people =
        limit("PM_RATE_LIMIT")?.unwrap_or(if is_reachable { PEOPLE_PER_MINUTE } else { 0 });
    let others = |fallback: u32| if people == 0 { 0 } else { fallback };
    Ok(Limits {
        people,
        tokens: limit("PM_RATE_LIMIT_AGENTS")?.unwrap_or(others(TOKENS_PER_MINUTE)),
        strangers: limit("PM_RATE_LIMIT_ANONYMOUS")?.unwrap_or(others(STRANGERS_PER_MINUTE)),
    })
}

/// A network, or one address.
fn network(raw: &str) -> Result<IpNet> {
    let one = || raw.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let network: Option<IpNet> = raw.parse().ok().or_else(one);
    match network {
        Some(network) if network.prefix_len() == 0 => {
            bail!("PM_TRUSTED_PROXIES: {raw} is everybody: anyone could claim any address")
        }
        Some(network) => Ok(network.trunc()),
        None => bail!("PM_TRUSTED_PROXIES: {raw} is no address and no network such as 10.0.0.0/8"),
    }
}

fn address(raw: &str) -> Result<IpAddr> {
    if raw == "localhost" {
        return Ok(DEFAULT_BIND);
    }
    raw.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| {
        anyhow!("{raw} is no address to listen on: use one such as 127.0.0.1 or 0.0.0.0")
    })
}

/// The value of a variable, trimmed; an empty one is not set. One that is no text is refused: taken as not set, it could
/// leave a door open that someone meant to close.
fn variable(name: &str) -> Result<Option<String>> {
    let Some(value) = raw_variable(name) else { return Ok(None) };
    let Some(value) = value.to_str().map(str::trim) else { bail!("{name} is no valid UTF-8 text") };
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

fn raw_variable(name: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let value = std::env::var_os(name)?;
    (!value.as_encoded_bytes().trim_ascii().is_empty()).then_some(value)
}

fn parsed<T: FromStr>(name: &str, expected: &str) -> Result<Option<T>> {
    let Some(value) = variable(name)? else { return Ok(None) };
    match value.parse() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(_) => bail!("{name} is {value}: it must be {expected}"),
    }
}

fn bounded<T: FromStr + PartialOrd>(
    name: &str,
    expected: &str,
    bounds: RangeInclusive<T>,
) -> Result<Option<T>> {
    match parsed(name, expected)? {
        Some(value) if !bounds.contains(&value) => bail!("{name} must be {expected}"),
        value => Ok(value),
    }
}

fn flag(name: &str) -> Result<Option<bool>> {
    let Some(value) = variable(name)? else { return Ok(None) };
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(Some(true)),
        "0" | "false" | "no" | "off" => Ok(Some(false)),
        _ => bail!("{name} is {value}: it must be true or false"),
    }
}

fn list(name: &str) -> Result<Vec<String>> {
    let value = variable(name)?.unwrap_or_default();
    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(items.map(str::to_owned).collect())
}

fn secret(name: &str) -> Result<Option<SecretString>> {
    Ok(variable(name)?.map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_command() {
        let with = Cli::parse_from(["pilotdeck", "serve", "--port", "1"]);
        let without = Cli::parse_from(["pilotdeck", "--port", "1"]);

        assert!(matches!(with.command, Some(Command::Serve(args)) if args.port == Some(1)));
        assert!(without.command.is_none() && without.serve.port == Some(1));
    }

    #[test]
    fn settings_are_known_from_the_help_and_slips_are_recognised() {
        let known: Vec<_> = known_variables().collect();
        for name in ["PM_DB_FILE", "PM_BIND", "PM_PORT", "PM_RATE_LIMIT_ANONYMOUS", "PM_LOG"] {
            assert!(known.contains(&name), "{name}");
        }
        assert_eq!(meant("PM_TOKEN_AGENT", &known), Some("PM_AGENT_TOKEN"));
        assert_eq!(meant("PM_TRUSTED_PROXY", &known), None);
        assert_eq!(meant("PM_ALLOWED_HOST", &known), Some("PM_ALLOWED_HOSTS"));
        assert_eq!(meant("PM_AGENTTOKEN", &known), Some("PM_AGENT_TOKEN"));
    }

    #[test]
    fn proxies_are_addresses_or_networks_and_not_everybody() {
        for (raw, read) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(network(raw).unwrap().to_string(), read);
        }
        for raw in ["0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/", "proxy.example", "*", ""] {
            assert!(network(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn addresses_are_read_with_and_without_brackets() {
        assert!(address("localhost").unwrap().is_loopback());
        assert!(address("[::1]").unwrap().is_loopback());
        assert!(address("example.com").is_err());
    }
}
