//! Rows written past the server, in the shape that the server itself gave to one of them.
//!
//! Columns are asked for rather than named, so that a migration does not break the measurements.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

/// A table, and one of its rows as the server wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    table: String,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// Of the row that the server wrote; bytes as hexadecimal digits.
    value: Value,
    is_bytes: bool,
}

/// Opens a database as durable as the server's, otherwise as SQLite comes.
pub(crate) async fn open(file: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5));
    Ok(options.connect().await?)
}

impl Shape {
    /// Reads the shape of a table from the first of its rows that fulfils a condition.
    pub(crate) async fn read(
        database: &mut SqliteConnection,
        table: &str,
        condition: &str,
    ) -> Result<Self> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_xinfo($1) WHERE hidden = 0")
                .bind(table)
                .fetch_all(&mut *database)
                .await?;
        let mut columns = Vec::new();
        for name in names {
            let sql = format!(
                "SELECT json_array(CASE typeof({name}) WHEN 'blob' THEN hex({name}) ELSE {name} END,
                        typeof({name}) = 'blob')
                   FROM {table} WHERE {condition} LIMIT 1"
            );
            let row: String = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_optional(&mut *database)
                .await?
                .with_context(|| {
                    format!("the server wrote no row into {table} where {condition}")
                })?;
            let row: Value = serde_json::from_str(&row)?;
            columns.push(Column { name, value: row[0].clone(), is_bytes: row[1] == 1 });
        }
        Ok(Self { table: table.to_owned(), columns })
    }

    /// The text in one column of the row that the server wrote.
    pub(crate) fn text(&self, column: &str) -> &str {
        self.columns
            .iter()
            .find(|known| known.name == column)
            .and_then(|known| known.value.as_str())
            .unwrap_or("")
    }

    /// The row that the server wrote, with some columns changed by `change`, as a list of values.
    pub(crate) fn row(&self, change: impl Fn(&str, &Value) -> Value) -> Value {
        self.columns.iter().map(|column| change(&column.name, &column.value)).collect()
    }

    /// The statement that inserts all rows of the list `$1`, each made by [`Shape::row`].
    pub(crate) fn insert_list(&self) -> String {
        let value = |(index, column): (usize, &Column)| {
            let value = format!("value ->> '$[{index}]'");
            if column.is_bytes { format!("unhex({value})") } else { value }
        };
        let values: Vec<String> = self.columns.iter().enumerate().map(value).collect();
        let (table, names) = (&self.table, self.names());
        format!("INSERT INTO {table} ({names}) SELECT {} FROM json_each($1)", values.join(", "))
    }

    /// The statement that inserts the rows numbered `$1` to `$2`: the row that the server wrote, but for the columns
    /// that `change` gives an expression over the number `i`.
    pub(crate) fn insert_numbered(&self, change: impl Fn(&str) -> Option<String>) -> String {
        let value = |column: &Column| change(&column.name).unwrap_or_else(|| column.literal());
        let values: Vec<String> = self.columns.iter().map(value).collect();
        let (table, names) = (&self.table, self.names());
        format!(
            "WITH RECURSIVE numbers(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM numbers WHERE i < $2)
             INSERT INTO {table} ({names}) SELECT {} FROM numbers",
            values.join(", ")
        )
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    fn literal(&self) -> String {
        match &self.value {
            Value::String(digits) if self.is_bytes => format!("x'{digits}'"),
            Value::String(text) => quoted(text),
            Value::Null => "NULL".to_owned(),
            other => other.to_string(),
        }
    }
}

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
