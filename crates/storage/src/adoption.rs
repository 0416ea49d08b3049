//! Adoption of existing PilotDeck databases.
//!
//! A file at `user_version` 1 to 4 is brought to version 4 and its rows are rewritten, so that afterwards every
//! `payload_json` is a strict JSON object that is exactly what clients read, and every time names its instant. The old
//! tables keep their names, columns and rowids, and `user_version` stays 4: the server that wrote the file can still
//! open it. A row that is already right is never touched, so adopting twice changes nothing, and a file that the old
//! server wrote to in between can be adopted again.
//!
//! Everything here runs on a connection inside a transaction that the caller began (`BEGIN IMMEDIATE`, foreign keys
//! off) and will commit or roll back as a whole; the copy of the file beforehand, our own migrations and the ledger
//! line afterwards are the caller's.

mod forms;
mod legacy;
mod moments;
mod payload;
mod rows;
#[cfg(test)]
mod tests;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use sqlx::SqliteConnection;

use moments::Moments;

pub use moments::machine_time_zone;

/// The newest version of the old schema, and the one that stays in the file.
pub(crate) const VERSION: i64 = 4;

pub(crate) const USER_VERSION: &str = "PRAGMA user_version";
const OUR_MIGRATIONS: &str =
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
const SOME_TABLE: &str = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid LIMIT 1";

/// What kind of file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing is in it.
    Empty,
    /// The old server made it, and nobody adopted it yet.
    Legacy {
        /// Its `user_version`, 1 to 4.
        version: i64,
    },
    /// Version 4, and our migrations ran on it before.
    Adopted,
}

/// Why a file cannot be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The file is something else than a SQLite database, or an encrypted one.
    #[error("the file is not a SQLite database")]
    NotSqlite,
    /// The file belongs to another program.
    #[error(
        "the file is a SQLite database, but not one of PilotDeck's: it has {found} and user_version {version}"
    )]
    Foreign {
        /// Something in it that is not ours, by name.
        found: String,
        /// Its `user_version`.
        version: i64,
    },
    /// A newer program wrote the file.
    #[error(
        "the database is newer than this program: its user_version is {version}, the newest known is 4"
    )]
    Newer {
        /// Its `user_version`.
        version: i64,
    },
    /// The file says that it is a PilotDeck database, but a part of it is not there.
    #[error("the database says that it is PilotDeck's version {version}, but it has no {missing}")]
    Incomplete {
        /// Its `user_version`.
        version: i64,
        /// The first table or column that is not there.
        missing: String,
    },
    /// The file is damaged; restore a backup, or repair it with `sqlite3 <file> .recover`.
    #[error("the database file is damaged")]
    Damaged(#[source] sqlx::Error),
    /// The file or its folder cannot be written.
    #[error("the database file, or the folder that it is in, cannot be written")]
    ReadOnly(#[source] sqlx::Error),
    /// There is no room to write.
    #[error("the disk is full")]
    DiskFull(#[source] sqlx::Error),
    /// Another program writes to the file.
    #[error("another program is using the database")]
    Busy(#[source] sqlx::Error),
    /// Anything else that the engine says.
    #[error("the database could not be adopted")]
    Engine(#[source] sqlx::Error),
}

impl From<sqlx::Error> for AdoptError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy(error),
            Some(8 | 14) => Self::ReadOnly(error),
            Some(11) => Self::Damaged(error),
            Some(13) => Self::DiskFull(error),
            Some(26) => Self::NotSqlite,
            _ => Self::Engine(error),
        }
    }
}

/// What an adoption did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The `user_version` that was found.
    pub from_version: i64,
    /// Whether the account `admin` was added, as the step to version 4 does where the name is free.
    pub admin_added: bool,
    /// Each table, in the order in which it was rewritten.
    pub tables: Vec<TableReport>,
}

impl Report {
    /// The rows that were looked at.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.tables.iter().map(|table| table.seen).sum()
    }

    /// The rows that were rewritten.
    #[must_use]
    pub fn rewritten(&self) -> u64 {
        self.tables.iter().map(|table| table.rewritten).sum()
    }

    /// The rows whose payload could not be kept whole; the original text is in `adopted_payloads`.
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.tables.iter().map(|table| table.set_aside).sum()
    }

    /// The rows that still have a text where a time is expected.
    #[must_use]
    pub fn times_left(&self) -> u64 {
        self.tables.iter().map(|table| table.times_left).sum()
    }

    /// Whether the file is another one than before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.from_version != VERSION || self.rewritten() > 0
    }
}

/// What an adoption did to one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// Its name.
    pub table: &'static str,
    /// Rows looked at.
    pub seen: u64,
    /// Rows rewritten.
    pub rewritten: u64,
    /// Rows whose payload could not be kept whole.
    pub set_aside: u64,
    /// Rows that still have a text where a time is expected.
    pub times_left: u64,
}

/// Finds out what kind of file this is; changes nothing.
///
/// # Errors
///
/// [`AdoptError::Foreign`], [`AdoptError::Newer`], [`AdoptError::Incomplete`] and [`AdoptError::NotSqlite`] say why
/// the file is none that we can serve.
pub(crate) async fn inspect(conn: &mut SqliteConnection) -> Result<Found, AdoptError> {
    let version: i64 = sqlx::query_scalar(USER_VERSION).fetch_one(&mut *conn).await?;
    if version > VERSION {
        return Err(AdoptError::Newer { version });
    }
    if version < 1 {
        let found: Option<String> =
            sqlx::query_scalar(SOME_TABLE).fetch_optional(&mut *conn).await?;
        return match found {
            None if version == 0 => Ok(Found::Empty),
            None => Err(AdoptError::Foreign { found: "nothing in it".to_owned(), version }),
            Some(table) => Err(AdoptError::Foreign { found: format!("a table {table}"), version }),
        };
    }
    legacy::check(conn, version).await?;
    let is_adopted = version == VERSION && has_our_migrations(conn).await?;
    Ok(if is_adopted { Found::Adopted } else { Found::Legacy { version } })
}

async fn has_our_migrations(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let table: Option<i64> = sqlx::query_scalar(OUR_MIGRATIONS).fetch_optional(conn).await?;
    Ok(table.is_some())
}

/// Makes the version-4 tables in an empty file, without any user.
///
/// # Errors
///
/// [`AdoptError`] if the file is not empty, or cannot be written.
pub(crate) async fn create_schema(conn: &mut SqliteConnection) -> Result<(), AdoptError> {
    legacy::create(conn).await
}

/// The table of payloads that could not be kept as they were. It is there once a database was taken over.
pub(crate) const ASIDE: &str = "adopted_payloads";

/// Makes [`ASIDE`], if it is not there.
pub(crate) async fn create_aside(conn: &mut SqliteConnection) -> Result<(), AdoptError> {
    Ok(rows::create_aside(conn).await?)
}

/// Brings a file of `version` 1 to 4 to version 4 and rewrites its rows; `local` says which instant a time without
/// offset meant.
///
/// # Errors
///
/// [`AdoptError`] says what is wrong; the caller must roll back then.
pub(crate) async fn adopt(
    conn: &mut SqliteConnection,
    version: i64,
    local: &(dyn Fn(NaiveDateTime) -> DateTime<Utc> + Sync),
    now: DateTime<Utc>,
) -> Result<Report, AdoptError> {
    let admin_added = legacy::upgrade(conn, version, now).await?;
    let tables = rows::rewrite(conn, &Moments::new(local)).await?;
    Ok(Report { from_version: version, admin_added, tables })
}
