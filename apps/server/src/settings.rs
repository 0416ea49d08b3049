//! Everything that can be set: the command line, then the environment, then the default. Nothing else reads either.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Parser, Subcommand};
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
/// The least bytes of a secret that is set by hand.
const MIN_SECRET_BYTES: usize = 32;
/// The most threads that the HTTP server takes.
const MAX_WORKERS: usize = 512;
const WORKERS: &str = "a number from 1 to 512";
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
  PM_TRUSTED_PROXIES    addresses of proxies in front, separated by commas
  SESSION_COOKIE_SECURE true: the cookie is for HTTPS only [true behind a trusted proxy, else false]
  PM_WORKERS            threads that serve requests [the number of cores, at most 8]
  PM_MAX_RESTORE_BYTES  the largest database that may be uploaded, in bytes [17179869184: 16 GiB]
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
    /// Copy the database to a file; a server may be running
    Backup(BackupArgs),
    /// Make a file the database, such as a backup or the database of an older PilotDeck; the one before stays beside it
    Restore(RestoreArgs),
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

/// Commands about the ledger.
#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check every line of the ledger against the one before it, its checkpoints, and the file for damage; a server may
    /// be running. Or check an export, without a database
    Verify(VerifyArgs),
    /// Sign where the ledger stands; a server may be running
    Checkpoint(DatabaseArgs),
    /// Write the whole ledger with its checkpoints to a file, for `verify --export`; a server may be running
    Export(ExportArgs),
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
pub(crate) struct ExportArgs {
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
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) workers: usize,
    pub(crate) max_streams: usize,
    pub(crate) max_restore_bytes: u64,
    /// The script of deploy jobs, if it is not the one in the folder of the installation.
    pub(crate) deploy_script: Option<PathBuf>,
    /// The file with the key that signs checkpoints, if it is not the one beside the database.
    pub(crate) ledger_key: Option<PathBuf>,
}

impl Settings {
    /// Reads the settings of the server.
    pub(crate) fn read(args: &ServeArgs) -> Result<Self> {
        let trusted_proxies: Vec<IpAddr> = list("PM_TRUSTED_PROXIES")?
            .iter()
            .map(|proxy| {
                let address = proxy.parse();
                address
                    .map_err(|_| anyhow!("PM_TRUSTED_PROXIES: {proxy} is no address of one host"))
            })
            .collect::<Result<_>>()?;
        let bind = match (&args.bind, variable("PM_BIND")?) {
            (Some(bind), _) => address(bind).context("--bind")?,
            (None, Some(bind)) => address(&bind).context("PM_BIND")?,
            (None, None) => DEFAULT_BIND,
        };
        Ok(Self {
            database: args.database.path(),
            durability: parsed("PM_DB_SYNCHRONOUS", "NORMAL or FULL")?.unwrap_or_default(),
            bind,
            port: match args.port {
                Some(port) => port,
                None => parsed("PM_PORT", "a number from 0 to 65535")?.unwrap_or(DEFAULT_PORT),
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
            deploy: operations::DeploySettings {
                script,
                root: root.to_owned(),
                runner: vec![program.into(), "run-deploy-job".into()],
            },
            ..operations::Settings::default()
        })
    }
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
    fn addresses_are_read_with_and_without_brackets() {
        assert!(address("localhost").unwrap().is_loopback());
        assert!(address("[::1]").unwrap().is_loopback());
        assert!(address("example.com").is_err());
    }
}
