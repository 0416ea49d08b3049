//! The whole database as lines of JSON, and back: `docs/archive.md` specifies the format.
//!
//! It is read from a copy, so that all lines are of one state and nobody waits; it is written into an empty file of the
//! schema that it names, which is then examined and brought up to date like any other file that is to become the database
//! ([`crate::Candidate`]).

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use pilotdeck_domain::times::WireTime;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    TypeInfo as _, ValueRef as _,
};
use tokio::sync::mpsc;

use crate::{Scratch, StoreError, adoption, database, migrations};

/// The format that is written, and the newest one that is read.
const FORMAT: u32 = 1;
/// The longest line that is read: a row has a few documents, each of them bounded by what a request may have.
const MAX_LINE_BYTES: u64 = 256 << 20;
/// Bytes that are gathered before they are handed on.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that may wait for whoever takes them.
const PIECES: usize = 4;

/// Tables of ours, in the order in which they are written. What runs the migrations has its own.
const TABLES: &str = "
    SELECT name FROM sqlite_master
     WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'
     ORDER BY name";
const COLUMNS: &str = "SELECT name FROM pragma_table_info($1) ORDER BY cid";
const TRIGGERS: &str = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid";

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

/// Reads a database file as an archive: whole lines, piece by piece. The file is gone when all was read, or when the
/// receiver is dropped.
#[must_use]
pub fn archive(copy: Scratch, now: DateTime<Utc>) -> mpsc::Receiver<Result<Vec<u8>, StoreError>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut writer = Writer { sender, piece: Vec::new(), digest: Sha256::new(), rows: 0 };
        match write(&copy, now, &mut writer).await {
            Ok(()) | Err(Stopped::Unwanted) => {}
            Err(Stopped::Failed(error)) => {
                let _ = writer.sender.send(Err(error)).await;
            }
        }
    });
    receiver
}

/// Why the writing of an archive stopped.
enum Stopped {
    /// Nobody takes it any more.
    Unwanted,
    Failed(StoreError),
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

struct Writer {
    sender: mpsc::Sender<Result<Vec<u8>, StoreError>>,
    piece: Vec<u8>,
    digest: Sha256,
    rows: u64,
}

impl Writer {
    async fn line(&mut self, line: &impl Serialize) -> Result<(), Stopped> {
        let start = self.piece.len();
        serde_json::to_writer(&mut self.piece, line)
            .map_err(|error| Stopped::Failed(StoreError::File(error.into())))?;
        self.piece.push(b'\n');
        self.digest.update(&self.piece[start..]);
        if self.piece.len() >= PIECE_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stopped> {
        let piece = std::mem::take(&mut self.piece);
        self.sender.send(Ok(piece)).await.map_err(|_| Stopped::Unwanted)
    }
}

async fn write(copy: &Scratch, now: DateTime<Utc>, writer: &mut Writer) -> Result<(), Stopped> {
    let mut conn = database::options(copy.path()).read_only(true).connect().await?;
    let head = Head {
        archive: "pilotdeck",
        format: FORMAT,
        schema: migrations::applied(&mut conn).await?,
        made_at: WireTime::from(now).as_str().to_owned(),
    };
    writer.line(&head).await?;
    let there = tables(&mut conn).await?;
    for (table, columns) in ours(head.schema).await? {
        if !there.contains_key(&table) && table == adoption::ASIDE {
            continue;
        }
        write_table(&mut conn, writer, table, columns).await?;
    }
    conn.close().await?;
    let tail = Tail { rows: writer.rows, sha256: hex(&writer.digest.clone().finalize()) };
    writer.line(&tail).await?;
    writer.flush().await
}

async fn write_table(
    conn: &mut SqliteConnection,
    writer: &mut Writer,
    table: String,
    columns: Vec<String>,
) -> Result<(), Stopped> {
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    // In the order in which they came, which decides where nothing else does.
    let order = if has_rowid(conn, &table).await? { "rowid" } else { "1, 2" };
    let sql = format!("SELECT {} FROM {} ORDER BY {order}", names.join(", "), quoted(&table));
    writer.line(&TableLine { table, columns }).await?;
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let values: Result<Vec<Value>, sqlx::Error> =
            (0..row.len()).map(|column| value(&row, column)).collect();
        writer.line(&values?).await?;
        writer.rows += 1;
    }
    Ok(())
}

async fn has_rowid(conn: &mut SqliteConnection, table: &str) -> Result<bool, sqlx::Error> {
    let without: bool =
        sqlx::query_scalar("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = $1")
            .bind(table)
            .fetch_one(conn)
            .await?;
    Ok(!without)
}

/// The tables that a database of this schema has from us; a person may have added others.
async fn ours(schema: i64) -> Result<BTreeMap<String, Vec<String>>, Stopped> {
    let failed = |error: String| Stopped::Failed(StoreError::File(io::Error::other(error)));
    let mut conn = SqliteConnectOptions::new().in_memory(true).connect().await?;
    make(&mut conn, schema).await.map_err(failed)?;
    let tables = tables(&mut conn).await?;
    conn.close().await?;
    Ok(tables)
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

/// A value as it is stored: SQLite's type of it decides, not that of its column.
fn value(row: &SqliteRow, column: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "INTEGER" => Value::from(row.try_get_unchecked::<i64, _>(column)?),
        "REAL" => {
            let real: f64 = row.try_get_unchecked(column)?;
            // An infinity is no number in JSON.
            Number::from_f64(real)
                .map_or_else(|| json!({ "real": real.to_string() }), Value::Number)
        }
        "TEXT" => match row.try_get_unchecked::<String, _>(column) {
            Ok(text) => Value::String(text),
            Err(_) => {
                let name = row.column(column).name().into();
                return Err(sqlx::Error::ColumnDecode {
                    index: name,
                    source: "the text is no UTF-8".into(),
                });
            }
        },
        _ => {
            json!({ "blob": BASE64_STANDARD.encode(row.try_get_unchecked::<Vec<u8>, _>(column)?) })
        }
    })
}

/// Writes the archive into `target`, an empty file, with the schema that the archive names. It reads without letting
/// others have a turn: for the command line.
///
/// # Errors
///
/// [`ArchiveError`], which says which line is wrong; `target` is of no use then.
pub async fn unarchive(
    input: impl BufRead,
    target: &Scratch,
) -> Result<ArchiveSummary, ArchiveError> {
    let mut lines = Lines { input, line: 0, digest: Sha256::new(), buffer: Vec::new() };
    let schema = head(&mut lines)?;
    let mut conn = database::options(target.path()).foreign_keys(false).connect().await?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    make(&mut tx, schema)
        .await
        .map_err(|error| lines.malformed(format!("names a schema that cannot be made: {error}")))?;
    let known = tables(&mut tx).await?;
    // They did what they do when the rows were written first.
    let triggers: Vec<(String, String)> = sqlx::query_as(TRIGGERS).fetch_all(&mut *tx).await?;
    for (name, _) in &triggers {
        execute(&mut tx, format!("DROP TRIGGER {}", quoted(name))).await?;
    }
    for table in known.keys() {
        execute(&mut tx, format!("DELETE FROM {}", quoted(table))).await?;
    }
    let summary = read_rows(&mut lines, &mut tx, known).await?;
    for (_, sql) in triggers {
        execute(&mut tx, sql).await?;
    }
    tx.commit().await?;
    conn.close().await?;
    Ok(summary)
}

async fn execute(conn: &mut SqliteConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql)).execute(conn).await.map(|_| ())
}

fn head<R: BufRead>(lines: &mut Lines<R>) -> Result<i64, ArchiveError> {
    let malformed =
        |lines: &Lines<R>| lines.malformed("is not the first one of an archive".to_owned());
    let Some(line) = lines.next()? else { return Err(malformed(lines)) };
    let Ok(head) = serde_json::from_slice::<Head<'_>>(&line) else { return Err(malformed(lines)) };
    let newer = |what, found, known| Err(ArchiveError::Newer { what, found, known });
    match head {
        Head { archive, .. } if archive != "pilotdeck" => Err(malformed(lines)),
        Head { format, .. } if format > FORMAT => newer("format", format.into(), FORMAT.into()),
        Head { schema, .. } if schema > migrations::NEWEST => {
            newer("migration", schema, migrations::NEWEST)
        }
        Head { schema, .. } => Ok(schema),
    }
}

async fn read_rows<R: BufRead>(
    lines: &mut Lines<R>,
    conn: &mut SqliteConnection,
    mut due: BTreeMap<String, Vec<String>>,
) -> Result<ArchiveSummary, ArchiveError> {
    let mut rows = 0;
    let mut insert: Option<(String, usize)> = None;
    loop {
        let before = hex(&lines.digest.clone().finalize());
        let Some(line) = lines.next()? else {
            return Err(lines.malformed("is missing: the archive was cut off".to_owned()));
        };
        match line.first() {
            Some(b'[') => {
                let Some((sql, columns)) = &insert else {
                    return Err(lines.malformed("is a row of no table".to_owned()));
                };
                write_row(lines, conn, sql, *columns, &line).await?;
                rows += 1;
            }
            _ if line.starts_with(b"{\"table\"") => insert = Some(table(lines, &line, &mut due)?),
            _ => {
                let tail: Tail = serde_json::from_slice(&line).map_err(|error| {
                    lines.malformed(format!("is no line of an archive: {error}"))
                })?;
                if tail.rows != rows || tail.sha256 != before {
                    return Err(lines.malformed(
                        "does not have the digest of the lines before it: the archive was changed"
                            .to_owned(),
                    ));
                }
                due.remove(adoption::ASIDE);
                if let Some(missing) = due.keys().next() {
                    return Err(lines.malformed(format!(
                        "is the last one, and the table {missing} is missing"
                    )));
                }
                if lines.next()?.is_some() {
                    return Err(lines.malformed("comes after the last one".to_owned()));
                }
                return Ok(ArchiveSummary { rows, sha256: before });
            }
        }
    }
}

/// The statement that adds rows to the table that `line` names, and how many values a row has.
fn table<R>(
    lines: &Lines<R>,
    line: &[u8],
    due: &mut BTreeMap<String, Vec<String>>,
) -> Result<(String, usize), ArchiveError> {
    let TableLine { table, columns } = serde_json::from_slice(line)
        .map_err(|error| lines.malformed(format!("is no line of an archive: {error}")))?;
    let known = due.remove(&table).ok_or_else(|| {
        lines.malformed(format!("names the table {table}, which there is not or was already"))
    })?;
    if known != columns {
        return Err(lines.malformed(format!("names other columns than the table {table} has")));
    }
    let names: Vec<String> = known.iter().map(|name| quoted(name)).collect();
    let places: Vec<String> = (1..=known.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        quoted(&table),
        names.join(", "),
        places.join(", ")
    );
    Ok((sql, known.len()))
}

async fn write_row<R>(
    lines: &Lines<R>,
    conn: &mut SqliteConnection,
    sql: &str,
    columns: usize,
    line: &[u8],
) -> Result<(), ArchiveError> {
    let values: Vec<Value> = serde_json::from_slice(line)
        .map_err(|error| lines.malformed(format!("is no row: {error}")))?;
    if values.len() != columns {
        return Err(lines.malformed(format!("has {} values in place of {columns}", values.len())));
    }
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for value in values {
        let unknown = || lines.malformed("has a value that no archive has".to_owned());
        query = match value {
            Value::Null => query.bind(None::<i64>),
            Value::String(text) => query.bind(text),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => query.bind(integer),
                (None, Some(real)) => query.bind(real),
                _ => return Err(unknown()),
            },
            Value::Object(fields) if fields.len() == 1 => {
                let text = |field: &str| fields.get(field).and_then(Value::as_str);
                if let Some(blob) = text("blob") {
                    query.bind(BASE64_STANDARD.decode(blob).map_err(|_| unknown())?)
                } else if let Some(real) = text("real") {
                    query.bind(real.parse::<f64>().map_err(|_| unknown())?)
                } else {
                    return Err(unknown());
                }
            }
            _ => return Err(unknown()),
        };
    }
    match query.execute(conn).await {
        Ok(_) => Ok(()),
        Err(error) if error.as_database_error().is_some() => {
            Err(lines.malformed(format!("is a row that its table refuses: {error}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The lines of an archive, each of bounded length.
struct Lines<R> {
    input: R,
    line: u64,
    digest: Sha256,
    buffer: Vec<u8>,
}

impl<R> Lines<R> {
    const fn malformed(&self, reason: String) -> ArchiveError {
        ArchiveError::Malformed { line: self.line, reason }
    }
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end; none after the last one.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.line += 1;
        self.buffer.clear();
        (&mut self.input).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer)?;
        self.digest.update(&self.buffer);
        match self.buffer.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(std::mem::take(&mut self.buffer))),
            Some(_) => {
                Err(self.malformed("does not end: the archive was cut off, or is none".to_owned()))
            }
        }
    }
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
