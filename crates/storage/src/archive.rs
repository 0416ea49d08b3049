//! The whole database as lines of JSON, and back: `docs/archive.md` specifies the format.
//!
//! It is read from a copy, so that all lines are of one state and nobody waits; it is written into an empty file of the
//! schema that it names, which is then examined and brought up to date like any other file that is to become the database
//! ([`crate::Candidate`]).

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::{StoreError, adoption, migrations};

mod reader;
mod writer;

pub use reader::unarchive;
pub use writer::archive;

/// The format that is written, and the newest one that is read.
const FORMAT: u32 = 1;

/// Tables of ours, in the order in which they are written. What runs the migrations has its own.
const TABLES: &str = "
    SELECT name FROM sqlite_master
     WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'
     ORDER BY name";
const COLUMNS: &str = "SELECT name FROM pragma_table_info($1) ORDER BY cid";

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A line is not what it must be.
    #[error("line {line} of the archive {reason}")]
    Malformed {
        /// Which one, from 1 on.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer PilotDeck wrote it.
    #[error(
        "the archive was written by a newer PilotDeck ({what} {found}; this program knows {known}): upgrade the program"
    )]
    Newer {
        /// What is newer.
        what: &'static str,
        /// The one that it has.
        found: i64,
        /// The newest one that we know.
        known: i64,
    },
    /// It cannot be read.
    #[error("the archive cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Our side failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ArchiveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<'a> {
    archive: &'a str,
    format: u32,
    schema: i64,
    #[serde(rename = "madeAt")]
    made_at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableLine {
    table: String,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail {
    rows: u64,
    sha256: String,
}

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSummary {
    /// How many rows.
    pub rows: u64,
    /// The SHA-256 of everything before its last line, in lowercase hexadecimal digits.
    pub sha256: String,
}

/// Makes an empty database of this schema.
async fn make(conn: &mut SqliteConnection, schema: i64) -> Result<(), String> {
    adoption::create_schema(conn).await.map_err(|error| error.to_string())?;
    adoption::create_aside(conn).await.map_err(|error| error.to_string())?;
    migrations::run_up_to(conn, schema).await.map_err(|error| error.to_string())
}

/// All tables with their columns.
async fn tables(conn: &mut SqliteConnection) -> Result<BTreeMap<String, Vec<String>>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *conn).await?;
    let mut tables = BTreeMap::new();
    for name in names {
        let columns = sqlx::query_scalar(COLUMNS).bind(&name).fetch_all(&mut *conn).await?;
        tables.insert(name, columns);
    }
    Ok(tables)
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
