//! Counts and sums that triggers keep (`migrations/sqlite/0004_pages.sql` and `0005_statistics.sql`), computed
//! anew.
//!
//! An older PilotDeck that wrote to the file kept them, too, for triggers are part of the file; but it may have replaced
//! rows in ways that triggers do not see. So they are computed whenever a file is taken over.

use pilotdeck_domain::runs::total_id;
use pilotdeck_domain::usage::CacheTokens;
use serde_json::{Map, Value};
use sqlx::SqliteConnection;

use crate::insights::{sum_columns, sums};
use crate::statements::statements;
use crate::usage::{counts, in_group};

/// Runs read at a time.
const PAGE: i64 = 5_000;

/// Records read at a time, with their documents.
const CACHES_PAGE: i64 = 500;

statements! {
    RUNS = "SELECT rowid, id FROM agent_runs WHERE rowid > $1 ORDER BY rowid LIMIT $2";
    MARK_TOTALS = "
        INSERT INTO usage_totals (record_id, run_id, session_id, is_counted)
        SELECT u.id, coalesce(u.run_id, ''), nullif(trim(u.session_id), ''), 1
          FROM json_each($1) wanted CROSS JOIN token_usage_records u ON u.id = wanted.value
         WHERE true
            ON CONFLICT (record_id) DO NOTHING";
    SETTLE_TOTALS = "
        UPDATE usage_totals
           SET is_counted =
               NOT EXISTS (SELECT 1 FROM token_usage_records u
                            WHERE u.run_id IN (usage_totals.run_id, usage_totals.session_id)
                              AND u.id NOT IN (SELECT record_id FROM usage_totals))
               AND NOT EXISTS (SELECT 1 FROM token_usage_records u
                                WHERE u.session_id = usage_totals.session_id AND coalesce(u.run_id, '') = ''
                                  AND u.id NOT IN (SELECT record_id FROM usage_totals))";
    // The documents that say anything about a cache, or whose columns do.
    READ_CACHES = "
        SELECT rowid, CAST(payload_json AS BLOB), CAST(cache_read_tokens AS INTEGER), CAST(cache_write_tokens AS INTEGER)
          FROM token_usage_records
         WHERE rowid > $1 AND (payload_json LIKE '%cache%' OR cache_read_tokens <> 0 OR cache_write_tokens <> 0)
         ORDER BY rowid LIMIT $2";
    SAVE_CACHES = "
        UPDATE token_usage_records SET cache_read_tokens = new.value ->> 1, cache_write_tokens = new.value ->> 2
          FROM json_each($1) AS new WHERE token_usage_records.rowid = new.value ->> 0";
    FORGET_SUMS = "DELETE FROM usage_sums";
    FORGET_GROUPS = "DELETE FROM usage_groups";
    FIND_GROUPS = "
        INSERT INTO usage_groups (project_id, agent_id, workspace, source, model)
        SELECT DISTINCT project_id, agent_id, workspace, source, model
          FROM token_usage_records INDEXED BY usage_by_group";
    ADD_UP = concat!(
        "INSERT INTO usage_sums
               (group_id, day,", sum_columns!(), ")
         SELECT g.id, substr(u.ts, 1, 10),", sums!(), "
           FROM usage_groups g CROSS JOIN token_usage_records u INDEXED BY usage_by_group ON ", in_group!("u"), "
          WHERE ", counts!("u"), "
          GROUP BY g.id, substr(u.ts, 1, 10)");
    FORGET_COUNTS = "DELETE FROM run_counts";
    COUNT_RUNS = "
        INSERT INTO run_counts (project_id, agent_id, status, runs)
        SELECT iif(column1 & 1, project_id, 0), iif(column1 & 2, agent_id, 0), iif(column1 & 4, status, 0), sum(runs)
          FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7))
               CROSS JOIN (SELECT project_id, agent_id, status, count(*) AS runs
                             FROM agent_runs INDEXED BY runs_by_project_agent_status
                            GROUP BY project_id, agent_id, status)
         WHERE (NOT column1 & 1 OR project_id IS NOT NULL) AND (NOT column1 & 2 OR agent_id IS NOT NULL)
           AND (NOT column1 & 4 OR status IS NOT NULL)
         GROUP BY 1, 2, 3";
}

/// Computes all counts and sums from the rows themselves, inside the caller's transaction.
pub(crate) async fn compute(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    mark_totals(conn).await?;
    read_caches(conn).await?;
    for sql in
        [SETTLE_TOTALS, FORGET_SUMS, FORGET_GROUPS, FIND_GROUPS, ADD_UP, FORGET_COUNTS, COUNT_RUNS]
    {
        sqlx::query(sql).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Finds the totals that runs reported before anyone marked them: their ids follow from those of the runs.
async fn mark_totals(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let runs: Vec<(i64, String)> =
            sqlx::query_as(RUNS).bind(after).bind(PAGE).fetch_all(&mut *conn).await?;
        let Some((last, _)) = runs.last() else { return Ok(()) };
        after = *last;
        let ids: Value = runs.iter().map(|(_, id)| total_id(id)).collect();
        sqlx::query(MARK_TOTALS).bind(ids.to_string()).execute(&mut *conn).await?;
    }
}

/// Reads what the documents say about caches: an older PilotDeck left it to them.
async fn read_caches(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let rows: Vec<(i64, Vec<u8>, i64, i64)> =
            sqlx::query_as(READ_CACHES).bind(after).bind(CACHES_PAGE).fetch_all(&mut *conn).await?;
        let Some((last, ..)) = rows.last() else { return Ok(()) };
        after = *last;
        let changed: Vec<(i64, i64, i64)> = rows
            .iter()
            .filter_map(|(row, payload, read, write)| {
                let record: Map<String, Value> =
                    serde_json::from_slice(payload).unwrap_or_default();
                let cache = CacheTokens::of(&record);
                let is_right = (cache.read, cache.write) == (*read, *write);
                (!is_right).then_some((*row, cache.read, cache.write))
            })
            .collect();
        if !changed.is_empty() {
            let changed = serde_json::json!(changed).to_string();
            sqlx::query(SAVE_CACHES).bind(changed).execute(&mut *conn).await?;
        }
    }
}

#[cfg(test)]
mod tests;
