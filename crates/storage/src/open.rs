//! Opening a database file: a new one, one of an older PilotDeck, or our own.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Line, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::adoption::{self, AdoptError, Found, Report};
use crate::database::{self, Database, Durability};
use crate::lock::{Lock, LockError};
use crate::{StoreError, ledger, migrations, scratch, sums};

/// The first bytes of every SQLite file (<https://www.sqlite.org/fileformat.html>).
pub(crate) const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const BACKUP: &str = "VACUUM INTO $1";
const WRITTEN_ELSEWHERE: &str = "SELECT value FROM meta WHERE key = 'pilotdeck.writtenElsewhere'";
const FORGET_WRITTEN_ELSEWHERE: &str = "DELETE FROM meta WHERE key = 'pilotdeck.writtenElsewhere'";

/// What says which instant a time without offset in an older database meant.
pub type LocalTime = dyn Fn(NaiveDateTime) -> DateTime<Utc> + Send + Sync;

/// How to open a database.
pub struct OpenOptions<'a> {
    /// The file; it is made if it is not there, with the folders above it.
    pub path: &'a Path,
    /// What a commit promises.
    pub durability: Durability,
    /// The time.
    pub clock: &'a Clock,
    /// Whose wall clock an older PilotDeck wrote; [`adoption::machine_time_zone`] for the machine that it ran on.
    pub local_time: &'a LocalTime,
}

/// What opening a database did.
#[derive(Debug)]
pub enum Opened {
    /// The file was made.
    Created,
    /// The file was ours.
    Ready,
    /// The file was one of an older PilotDeck, or an older PilotDeck wrote to it since; it was taken over.
    Adopted {
        /// What was done.
        report: Report,
        /// The copy of the file as it was before.
        backup: PathBuf,
    },
}

/// Why a database cannot be opened. Each text names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server serves this file.
    #[error("another PilotDeck{} already serves {}: stop it first, or choose another file with --db",
            .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process that has it.
        pid: Option<u32>,
    },
    /// The path is no file.
    #[error("{} is a folder: name a file in it, such as {}", .0.display(), .0.join("pm.db").display())]
    IsFolder(PathBuf),
    /// The file, or its folder, cannot be written.
    #[error("{} cannot be written ({reason}): PilotDeck needs a file and a folder that it may write to", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is something else, or of a version that this program does not know.
    #[error("{} cannot be used: {source}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AdoptError,
    },
    /// The file is not ready to be joined.
    #[error("{} {reason}: start `pilotdeck serve` with it once, which brings it up to date", .path.display())]
    NotReady {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: &'static str,
    },
    /// The file was written by a newer PilotDeck.
    #[error("{} was written by a newer PilotDeck (migration {found}; this program knows {known}): upgrade the program",
            .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration that it has.
        found: i64,
        /// The newest one that we know.
        known: i64,
    },
    /// The copy that is made before a file is changed failed.
    #[error("{} could not be copied to {} before its upgrade ({reason}); it is unchanged", .path.display(), .backup.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// Where the copy should have gone.
        backup: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A migration failed; the file is unchanged.
    #[error("{} could not be upgraded ({source}); it is unchanged", .path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// The database failed.
    #[error("{} cannot be opened: {source}", .path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: StoreError,
    },
}

/// Opens a database: makes a new one, or takes over that of an older PilotDeck after copying it, or opens our own.
///
/// Whatever changes the file happens in one transaction: a failure leaves it as it was.
///
/// # Errors
///
/// [`OpenError`], which says what to do.
pub async fn open(options: OpenOptions<'_>) -> Result<(Database, Opened), OpenError> {
    let path = usable(options.path)?;
    let lock = claim(&path)?;
    make_private(&path).map_err(|error| read_only(&path, &error))?;
    scratch::sweep(&path);
    let failed = |source| failed(&path, source);
    let mut conn = preparing(&path).connect().await.map_err(|error| failed(error.into()))?;
    let prepared = prepare(&mut conn, &path, &options).await;
    let closed = conn.close().await;
    let opened = prepared?;
    closed.map_err(|error| failed(error.into()))?;
    let database =
        Database::connect(path.clone(), options.durability, Some(lock)).await.map_err(failed)?;
    Ok((database, opened))
}

/// Takes the right to serve the file.
pub(crate) fn claim(path: &Path) -> Result<Lock, OpenError> {
    Lock::acquire(path).map_err(|error| match error {
        LockError::Taken(pid) => OpenError::InUse { path: path.to_owned(), pid },
        LockError::Io(error) => read_only(path, &error),
    })
}

/// Makes an empty file for its owner alone, if there is none: SQLite takes one, and gives its log the same permissions.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens a database that is ready, beside the server that may be serving it: for the command line, whose changes are
/// few. Nothing is made, adopted or upgraded.
///
/// # Errors
///
/// [`OpenError::NotReady`] if the file must be brought up to date first; what [`open`] refuses, too.
pub async fn join(path: &Path, durability: Durability) -> Result<Database, OpenError> {
    let not_ready = |reason| OpenError::NotReady { path: path.to_owned(), reason };
    if !path.exists() {
        return Err(not_ready("is not there"));
    }
    let path = usable(path)?;
    let failed = |source| failed(&path, source);
    let mut conn =
        database::options(&path).connect().await.map_err(|error| failed(error.into()))?;
    let need = need(&mut conn, &path).await;
    let closed = conn.close().await;
    match need? {
        Need::Nothing => {}
        Need::Creation => return Err(not_ready("is empty")),
        Need::Adoption { .. } => return Err(not_ready("was last written by an older PilotDeck")),
    }
    closed.map_err(|error| failed(error.into()))?;
    Database::connect(path.clone(), durability, None).await.map_err(failed)
}

/// What must be done to a file before it can be served.
pub(crate) enum Need {
    Nothing,
    /// It is empty.
    Creation,
    /// An older program wrote it, or wrote to it since.
    Adoption {
        /// Its `user_version`.
        version: i64,
    },
}

pub(crate) async fn need(conn: &mut SqliteConnection, path: &Path) -> Result<Need, OpenError> {
    let engine = |error: sqlx::Error| failed(path, error.into());
    match adoption::inspect(conn).await.map_err(|error| refused(path, error))? {
        Found::Empty => return Ok(Need::Creation),
        Found::Legacy { version } => return Ok(Need::Adoption { version }),
        Found::Adopted => {}
    }
    let applied = migrations::applied(conn).await.map_err(engine)?;
    if applied > migrations::NEWEST {
        let path = path.to_owned();
        return Err(OpenError::Newer { path, found: applied, known: migrations::NEWEST });
    }
    let elsewhere: Option<String> =
        sqlx::query_scalar(WRITTEN_ELSEWHERE).fetch_optional(conn).await.map_err(engine)?;
    if elsewhere.is_none() && applied == migrations::NEWEST {
        return Ok(Need::Nothing);
    }
    Ok(Need::Adoption { version: adoption::VERSION })
}

fn failed(path: &Path, source: StoreError) -> OpenError {
    let path = path.to_owned();
    match source {
        StoreError::ReadOnly => OpenError::ReadOnly { path, reason: "it is read-only".to_owned() },
        source => OpenError::Store { path, source },
    }
}

fn refused(path: &Path, source: AdoptError) -> OpenError {
    match source {
        AdoptError::Engine(error) => failed(path, error.into()),
        AdoptError::ReadOnly(_) => failed(path, StoreError::ReadOnly),
        AdoptError::DiskFull(_) => failed(path, StoreError::Full),
        AdoptError::Busy(_) => failed(path, StoreError::Busy),
        source => OpenError::Refused { path: path.to_owned(), source },
    }
}

/// Looks at the file before SQLite does, which would say less; returns where it really is, so that every name of a
/// file leads to the same lock.
pub(crate) fn usable(path: &Path) -> Result<PathBuf, OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(|error| read_only(path, &error))?;
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder.unwrap_or(Path::new("."));
            let folder = folder.canonicalize().map_err(|error| read_only(path, &error))?;
            return Ok(folder.join(path.file_name().unwrap_or_default()));
        }
        Err(error) => return Err(read_only(path, &error)),
    };
    let path = path.canonicalize().map_err(|error| read_only(path, &error))?;
    if metadata.is_dir() {
        return Err(OpenError::IsFolder(path));
    }
    if !metadata.is_file() {
        return Err(OpenError::Refused { path, source: AdoptError::NotSqlite });
    }
    if metadata.permissions().readonly() {
        return Err(OpenError::ReadOnly { path, reason: "its permissions say so".to_owned() });
    }
    let mut start = Vec::with_capacity(MAGIC.len());
    fs::File::open(&path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start))
        .map_err(|error| read_only(&path, &error))?;
    if !start.is_empty() && start != MAGIC {
        return Err(OpenError::Refused { path, source: AdoptError::NotSqlite });
    }
    Ok(path)
}

fn read_only(path: &Path, error: &io::Error) -> OpenError {
    OpenError::ReadOnly { path: path.to_owned(), reason: error.to_string() }
}

/// The connection that may change the schema: it must not trip over references that were broken before.
fn preparing(path: &Path) -> SqliteConnectOptions {
    database::options(path).create_if_missing(true).foreign_keys(false)
}

async fn prepare(
    conn: &mut SqliteConnection,
    path: &Path,
    options: &OpenOptions<'_>,
) -> Result<Opened, OpenError> {
    let now = options.clock.now();
    let version = match need(conn, path).await? {
        Need::Nothing => return Ok(Opened::Ready),
        Need::Creation => None,
        Need::Adoption { version } => Some(version),
    };
    let backup = match version {
        Some(_) => Some(copy(conn, path, now).await?),
        None => None,
    };

    let report = update(conn, path, version, true, options.local_time, now).await?;

    Ok(match (report, backup) {
        (Some(report), Some(backup)) => Opened::Adopted { report, backup },
        _ => Opened::Created,
    })
}

/// Makes the schema, or brings a file of `version` up to date, in one transaction. Says what was done to its rows;
/// where it is not due and nothing had to be done, the ledger does not mention it.
pub(crate) async fn update(
    conn: &mut SqliteConnection,
    path: &Path,
    version: Option<i64>,
    is_due: bool,
    local_time: &LocalTime,
    now: DateTime<Utc>,
) -> Result<Option<Report>, OpenError> {
    let engine = |error: sqlx::Error| failed(path, error.into());
    let refused = |error| refused(path, error);
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
    let report = if let Some(version) = version {
        Some(adoption::adopt(&mut tx, version, local_time, now).await.map_err(refused)?)
    } else {
        adoption::create_schema(&mut tx).await.map_err(refused)?;
        None
    };
    migrations::run(&mut tx)
        .await
        .map_err(|source| OpenError::Migration { path: path.to_owned(), source })?;
    sums::compute(&mut tx).await.map_err(engine)?;
    sqlx::query(FORGET_WRITTEN_ELSEWHERE).execute(&mut *tx).await.map_err(engine)?;
    if is_due || report.as_ref().is_none_or(Report::is_changed) {
        record(&mut tx, report.as_ref(), now).await.map_err(|error| failed(path, error))?;
    }
    tx.commit().await.map_err(engine)?;
    Ok(report)
}

/// Copies the database, with what its write-ahead log holds, to a new file beside it.
async fn copy(
    conn: &mut SqliteConnection,
    path: &Path,
    now: DateTime<Utc>,
) -> Result<PathBuf, OpenError> {
    let backup = scratch::copy_name(path, now);
    // The copy holds what the file holds: nobody else may read it, either.
    let made = fs::File::create_new(&backup)
        .and_then(|file| file.set_permissions(fs::metadata(path)?.permissions()));
    if let Err(error) = made {
        let (path, reason) = (path.to_owned(), error.to_string());
        return Err(OpenError::Backup { path, backup, reason });
    }
    let copied = sqlx::query(BACKUP).bind(backup.to_string_lossy()).execute(conn).await;
    let synced = copied.map_err(|error| error.to_string()).and_then(|_| {
        fs::File::open(&backup).and_then(|file| file.sync_all()).map_err(|error| error.to_string())
    });
    match synced {
        Ok(()) => Ok(backup),
        Err(reason) => {
            // What is there is not whole; nobody must take it for a copy.
            let _ = fs::remove_file(&backup);
            Err(OpenError::Backup { path: path.to_owned(), backup, reason })
        }
    }
}

async fn record(
    conn: &mut SqliteConnection,
    report: Option<&Report>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let author: Author =
        Actor::system().require(Permission::Administer).expect("the system may do everything");
    let (operation, facts) = match report {
        Some(report) => (Operation::DatabaseAdopted, json!(report)),
        None => (Operation::DatabaseCreated, json!({ "userVersion": adoption::VERSION })),
    };
    let mut entry = Entry::new(operation, SubjectKind::Database, "", Change::of(&facts));
    entry.subject_id = None;
    let head = ledger::head(conn).await?;
    ledger::append(conn, &[Line::seal(&head, &author, &WireTime::from(now), entry)]).await
}
