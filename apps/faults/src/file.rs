//! The database file, read past the server: what the rows are, whether the chain of the ledger holds, whether the file
//! is whole.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _};

use crate::world::Table;

const LINES: &str = "SELECT seq, ts, actor_kind, actor_id, operation, subject_kind, subject_id, project_id, run_id, \
                     request_id, change, prev_hash, hash FROM ledger WHERE seq > $1 ORDER BY seq";
const EVENTS: &str =
    "SELECT id, payload_json FROM agent_events WHERE id IN (SELECT value FROM json_each($1))";
const USAGE: &str = "SELECT id, payload_json FROM token_usage_records WHERE id IN (SELECT value FROM json_each($1))";
const ALL_EVENTS: &str = "SELECT id, payload_json FROM agent_events";
const ALL_USAGE: &str = "SELECT id, payload_json FROM token_usage_records";
const ALL_RUNS: &str = "SELECT id, payload_json FROM agent_runs";

/// The open file.
pub(crate) struct File(SqliteConnection);

/// The ledger as far as it was followed.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) last: i64,
    pub(crate) hash: String,
    /// How often each operation was done to each subject.
    lines: BTreeMap<(String, String), usize>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { last: 0, hash: "0".repeat(64), lines: BTreeMap::new() }
    }
}

impl Chain {
    #[cfg(test)]
    pub(crate) fn of(lines: &[(&str, &str)]) -> Self {
        let mut chain = Self::default();
        for (operation, subject) in lines {
            *chain.lines.entry(((*operation).to_owned(), (*subject).to_owned())).or_default() += 1;
        }
        chain
    }

    pub(crate) fn count(&self, operation: &str, subject: &str) -> usize {
        self.lines.get(&(operation.to_owned(), subject.to_owned())).copied().unwrap_or_default()
    }
}

impl File {
    /// Opens it beside the server, to read.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        Ok(Self(options.connect().await.context("the file cannot be opened")?))
    }

    pub(crate) async fn close(self) -> Result<()> {
        Ok(sqlx::Connection::close(self.0).await?)
    }

    /// What is wrong with the file, if anything; the quick way leaves out whether indexes agree with their tables.
    pub(crate) async fn damage(&mut self, is_quick: bool) -> Result<Option<String>> {
        let sql = if is_quick { "PRAGMA quick_check(1)" } else { "PRAGMA integrity_check(1)" };
        let found: String = sqlx::query_scalar(sql).fetch_one(&mut self.0).await?;
        Ok((found != "ok").then_some(found))
    }

    /// The documents of these rows.
    pub(crate) async fn documents(
        &mut self,
        table: Table,
        ids: &[&str],
    ) -> Result<BTreeMap<String, String>> {
        let sql = if table == Table::Events { EVENTS } else { USAGE };
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).bind(json!(ids).to_string()).fetch_all(&mut self.0).await?;
        Ok(rows.into_iter().collect())
    }

    /// The documents of all rows.
    pub(crate) async fn all_documents(&mut self, table: Table) -> Result<BTreeMap<String, String>> {
        let sql = if table == Table::Events { ALL_EVENTS } else { ALL_USAGE };
        let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut self.0).await?;
        Ok(rows.into_iter().collect())
    }

    /// The documents of all runs.
    pub(crate) async fn all_runs(&mut self) -> Result<BTreeMap<String, String>> {
        let rows: Vec<(String, String)> = sqlx::query_as(ALL_RUNS).fetch_all(&mut self.0).await?;
        Ok(rows.into_iter().collect())
    }

    /// Follows the ledger to its end; says what is wrong with it, if anything.
    ///
    /// The hash is computed as `docs/ledger.md` says, and not by the server's code: a mistake there would be found here.
    pub(crate) async fn follow(&mut self, chain: &mut Chain) -> Result<Option<String>> {
        let rows = sqlx::query(LINES).bind(chain.last).fetch_all(&mut self.0).await?;
        for row in rows {
            let text = |column: &str| row.try_get::<Option<String>, _>(column);
            let (seq, change): (i64, String) = (row.try_get("seq")?, row.try_get("change")?);
            let (operation, subject) = (text("operation")?, text("subject_id")?);
            let (previous, hash): (String, String) =
                (row.try_get("prev_hash")?, row.try_get("hash")?);
            if seq != chain.last + 1 || previous != chain.hash {
                return Ok(Some(format!("line {seq} does not belong after line {}", chain.last)));
            }
            let line = json!({
                "seq": seq,
                "ts": text("ts")?,
                "actorKind": text("actor_kind")?,
                "actorId": text("actor_id")?,
                "operation": operation,
                "subjectKind": text("subject_kind")?,
                "subjectId": subject,
                "projectId": text("project_id")?,
                "runId": text("run_id")?,
                "requestId": text("request_id")?,
                "change": serde_json::from_str::<Value>(&change)?,
                "prevHash": previous,
            });
            let digest = Sha256::digest(serde_json_canonicalizer::to_vec(&line)?);
            if digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")) != hash {
                return Ok(Some(format!("line {seq} does not have the hash that it carries")));
            }
            let key = (operation.unwrap_or_default(), subject.unwrap_or_default());
            *chain.lines.entry(key).or_default() += 1;
            (chain.last, chain.hash) = (seq, hash);
        }
        Ok(None)
    }
}
