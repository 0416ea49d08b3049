//! From the database to the archive.

use std::collections::BTreeMap;
use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use pilotdeck_domain::ledger::hex;
use pilotdeck_domain::times::WireTime;
use serde::Serialize;
use serde_json::{Number, Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection, TypeInfo as _,
    ValueRef as _,
};
use tokio::sync::mpsc;

use super::{FORMAT, Head, TableLine, Tail, make, quoted, tables};
use crate::{Scratch, StoreError, adoption, database, migrations};

/// Bytes that are gathered before they are handed on.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that may wait for whoever takes them.
const PIECES: usize = 4;

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
        "TEXT" => Value::String(row.try_get_unchecked(column)?),
        _ => {
            json!({ "blob": BASE64_STANDARD.encode(row.try_get_unchecked::<Vec<u8>, _>(column)?) })
        }
    })
}
