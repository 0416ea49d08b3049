//! From the archive to the database.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pilotdeck_domain::ledger::hex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use super::{ArchiveError, ArchiveSummary, FORMAT, Head, TableLine, Tail, make, quoted, tables};
use crate::{Scratch, adoption, database, migrations};

/// The longest line that is read: a row has a few documents, each of them bounded by what a request may have.
const MAX_LINE_BYTES: u64 = 256 << 20;
const TRIGGERS: &str = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid";

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
