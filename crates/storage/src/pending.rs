//! What a transaction writes with its commit: statements that share one way to the thread of the connection and back,
//! and take as many rows as there are in one JSON array each.

use pilotdeck_domain::ledger::Line;
use pilotdeck_domain::times::WireTime;
use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::{StoreError, events, ledger, meta, receipts, usage};

/// Rows as a JSON array, printed as they come.
#[derive(Default)]
pub(crate) struct Rows(Vec<u8>);

impl Rows {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a row, which is a list of its columns.
    pub(crate) fn push(&mut self, row: &impl Serialize) {
        self.0.push(if self.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut self.0, row).expect("writing to memory cannot fail");
    }

    /// Adds a row that is printed already.
    pub(crate) fn push_json(&mut self, row: &str) {
        self.0.push(if self.is_empty() { b'[' } else { b',' });
        self.0.extend_from_slice(row.as_bytes());
    }

    /// The array; none without rows.
    fn json(&self) -> Option<String> {
        let mut json = String::from_utf8(self.0.clone()).expect("JSON is UTF-8");
        json.push(']');
        (!self.is_empty()).then_some(json)
    }
}

/// What waits for the commit, by table.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) events: Rows,
    pub(crate) usage: Rows,
    pub(crate) touched: Vec<(&'static str, String)>,
    pub(crate) receipts: Rows,
    /// Before this time receipts are over.
    pub(crate) receipts_before: Option<WireTime>,
}

impl Pending {
    /// Whether nothing waits that would change anything: a receipt alone changes nothing.
    pub(crate) const fn changes_nothing(&self) -> bool {
        self.events.is_empty() && self.usage.is_empty() && self.touched.is_empty()
    }

    /// Writes `lines` and what waits, and makes everything durable. The lines come first: if their place is taken,
    /// nothing was done, and the transaction is as it was.
    pub(crate) async fn commit(
        &self,
        conn: &mut SqliteConnection,
        lines: &[Line],
    ) -> Result<(), StoreError> {
        let mut touched = Rows::default();
        for row in &self.touched {
            touched.push(row);
        }
        // A parameter has one number in all statements; of some combination of tables, each has its place in the cache.
        let parts = [
            (ledger::APPEND, (!lines.is_empty()).then(|| ledger::rows(lines))),
            (events::APPEND_MANY, self.events.json()),
            (usage::APPEND_MANY, self.usage.json()),
            (meta::MOVE, touched.json()),
            (receipts::FORGET, self.receipts_before.as_ref().map(|time| time.as_str().to_owned())),
            (receipts::KEEP_MANY, self.receipts.json()),
        ];
        let mut sql = String::with_capacity(2_000);
        for (statement, rows) in &parts {
            if rows.is_some() {
                sql.push_str(statement);
                sql.push(';');
            }
        }
        sql.push_str("COMMIT");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (_, rows) in parts {
            query = query.bind(rows);
        }
        query.execute(conn).await?;
        Ok(())
    }
}
