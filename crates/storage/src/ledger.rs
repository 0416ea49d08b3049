//! Ledger lines.

use pilotdeck_domain::ledger::{Head, Line};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::statements::statements;
use crate::{StoreError, Tx};

/// What is told to those who reach the projects of `$within` alone: what
/// [`Reach::tells`](pilotdeck_domain::identity::Reach::tells) says.
macro_rules! told {
    ($within:literal) => {
        concat!(
            "(",
            $within,
            " IS NULL OR project_id IN (SELECT value FROM json_each(",
            $within,
            ")) OR (project_id IS NULL AND subject_kind IN ('profile', 'capability')))"
        )
    };
}

/// The places of the lines of several projects, and of those about the catalog, out of their indexes.
macro_rules! places {
    ($that:literal) => {
        concat!(
            "SELECT l.seq FROM json_each($6) wanted CROSS JOIN ledger l INDEXED BY ledger_by_project
                 ON l.project_id = wanted.value
              WHERE ", $that, " AND ($4 IS NULL OR l.operation = $4)
              UNION ALL
             SELECT l.seq FROM ledger l INDEXED BY ledger_by_operation
              WHERE l.operation IN ('profile.created', 'profile.updated', 'profile.deleted', 'capability.created',
                                    'capability.updated', 'capability.deleted')
                AND l.project_id IS NULL AND ", $that, " AND ($4 IS NULL OR l.operation = $4)"
        )
    };
}

statements! {
    HEAD = "SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1";
    /// Part of every commit.
    pub(crate) APPEND = "
        INSERT INTO ledger (seq, ts, actor_kind, actor_id, operation, subject_kind, subject_id, project_id, run_id,
                            request_id, change, prev_hash, hash)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
               value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12
          FROM jsonb_each($1)";
    FIRST = "SELECT min(seq) FROM ledger";
    BETWEEN = "
        SELECT * FROM ledger
         WHERE seq > $1 AND seq <= $2 AND ($4 IS NULL OR operation IN (SELECT value FROM json_each($4)))
         ORDER BY seq LIMIT $5";
    BETWEEN_WITHIN = concat!("
        SELECT * FROM ledger
         WHERE seq > $1 AND seq <= $2 AND ($4 IS NULL OR operation IN (SELECT value FROM json_each($4)))
           AND ", told!("$6"), "
         ORDER BY seq LIMIT $5");
    BETWEEN_IN_PROJECT = "
        SELECT * FROM ledger
         WHERE project_id = $3 AND seq > $1 AND seq <= $2
           AND ($4 IS NULL OR operation IN (SELECT value FROM json_each($4)))
         ORDER BY seq LIMIT $5";
    AFTER = "
        SELECT * FROM ledger
         WHERE seq > $1 AND ($2 IS NULL OR project_id = $2) AND ($3 IS NULL OR subject_id = $3)
           AND ($4 IS NULL OR operation = $4)
         ORDER BY seq LIMIT $5";
    AFTER_IN_PROJECT = "
        SELECT * FROM ledger
         WHERE seq > $1 AND project_id = $2 AND ($3 IS NULL OR subject_id = $3) AND ($4 IS NULL OR operation = $4)
         ORDER BY seq LIMIT $5";
    AFTER_WITHIN = concat!("
        SELECT * FROM ledger
         WHERE seq IN (SELECT seq FROM (", places!("l.seq > $1"), ") ORDER BY seq LIMIT $5)
         ORDER BY seq LIMIT $5");
    AFTER_OF_SUBJECT = concat!("
        SELECT * FROM ledger
         WHERE seq > $1 AND ($2 IS NULL OR project_id = $2) AND subject_id = $3 AND ($4 IS NULL OR operation = $4)
           AND ", told!("$6"), "
         ORDER BY seq LIMIT $5");
    AFTER_OF_OPERATION = "
        SELECT * FROM ledger
         WHERE seq > $1 AND ($2 IS NULL OR project_id = $2) AND ($3 IS NULL OR subject_id = $3) AND operation = $4
         ORDER BY seq LIMIT $5";
    NEWEST = "
        SELECT * FROM ledger
         WHERE seq < $1 AND ($2 IS NULL OR project_id = $2) AND ($3 IS NULL OR subject_id = $3)
           AND ($4 IS NULL OR operation = $4)
         ORDER BY seq DESC LIMIT $5";
    NEWEST_IN_PROJECT = "
        SELECT * FROM ledger
         WHERE seq < $1 AND project_id = $2 AND ($3 IS NULL OR subject_id = $3) AND ($4 IS NULL OR operation = $4)
         ORDER BY seq DESC LIMIT $5";
    NEWEST_WITHIN = concat!("
        SELECT * FROM ledger
         WHERE seq IN (SELECT seq FROM (", places!("l.seq < $1"), ") ORDER BY seq DESC LIMIT $5)
         ORDER BY seq DESC LIMIT $5");
    NEWEST_OF_SUBJECT = concat!("
        SELECT * FROM ledger
         WHERE seq < $1 AND ($2 IS NULL OR project_id = $2) AND subject_id = $3 AND ($4 IS NULL OR operation = $4)
           AND ", told!("$6"), "
         ORDER BY seq DESC LIMIT $5");
    NEWEST_OF_OPERATION = "
        SELECT * FROM ledger
         WHERE seq < $1 AND ($2 IS NULL OR project_id = $2) AND ($3 IS NULL OR subject_id = $3) AND operation = $4
         ORDER BY seq DESC LIMIT $5";
}

/// Which lines to read.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Only lines after this place, oldest first; without it, the newest ones.
    pub since: Option<i64>,
    /// Where `since` is not given: only lines before this place, the newest ones of them.
    pub before: Option<i64>,
    /// Only lines of this project.
    pub project_id: Option<String>,
    /// Only lines about this thing.
    pub subject_id: Option<String>,
    /// Only lines of this operation.
    pub operation: Option<String>,
    /// At most this many.
    pub limit: i64,
    /// Only lines of the projects whose ids are in this JSON array, and those about the catalog.
    pub within: Option<String>,
}

/// Which lines to read of a stretch of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct LedgerStretch<'a> {
    /// Only lines after this place.
    pub after: i64,
    /// Up to this one.
    pub up_to: i64,
    /// Only lines of this project.
    pub project_id: Option<&'a str>,
    /// Only lines of these operations.
    pub operations: Option<&'a [&'static str]>,
    /// At most this many, the first ones.
    pub limit: i64,
    /// Only lines of the projects whose ids are in this JSON array, and those about the catalog.
    pub within: Option<&'a str>,
}

/// The ledger, read.
pub struct Ledger<'a>(&'a mut Tx);

impl Tx {
    /// The ledger.
    pub const fn ledger(&mut self) -> Ledger<'_> {
        Ledger(self)
    }
}

impl Ledger<'_> {
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        self.0.conn()
    }

    /// Where the chain stands.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn head(&mut self) -> Result<Head, StoreError> {
        head(self.0.conn()).await
    }

    /// The place of the first line that is kept; none while there is none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn first(&mut self) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(FIRST).fetch_one(self.0.conn()).await?)
    }

    /// The lines of a stretch, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn stretch(&mut self, stretch: LedgerStretch<'_>) -> Result<Vec<Line>, StoreError> {
        let sql = match stretch.project_id {
            Some(_) => BETWEEN_IN_PROJECT,
            None if stretch.within.is_some() => BETWEEN_WITHIN,
            None => BETWEEN,
        };
        Ok(sqlx::query(sql)
            .bind(stretch.after)
            .bind(stretch.up_to)
            .bind(stretch.project_id)
            .bind(stretch.operations.map(|operations| serde_json::json!(operations).to_string()))
            .bind(stretch.limit)
            .bind(stretch.within)
            .try_map(|row: SqliteRow| line(&row))
            .fetch_all(self.0.conn())
            .await?)
    }

    /// The lines that `filter` lets through, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, filter: &LedgerFilter) -> Result<Vec<Line>, StoreError> {
        let follows = filter.since.is_some();
        // Of one project, all are within or none: the caller saw to that.
        let is_bounded = filter.within.is_some();
        let sql = match (&filter.subject_id, &filter.project_id, &filter.operation) {
            (Some(_), _, _) if follows => AFTER_OF_SUBJECT,
            (Some(_), _, _) => NEWEST_OF_SUBJECT,
            (_, Some(_), _) if follows => AFTER_IN_PROJECT,
            (_, Some(_), _) => NEWEST_IN_PROJECT,
            _ if is_bounded && follows => AFTER_WITHIN,
            _ if is_bounded => NEWEST_WITHIN,
            (_, _, Some(_)) if follows => AFTER_OF_OPERATION,
            (_, _, Some(_)) => NEWEST_OF_OPERATION,
            _ if follows => AFTER,
            _ => NEWEST,
        };
        let mut lines: Vec<Line> = sqlx::query(sql)
            .bind(filter.since.or(filter.before).unwrap_or(i64::MAX))
            .bind(filter.project_id.as_deref())
            .bind(filter.subject_id.as_deref())
            .bind(filter.operation.as_deref())
            .bind(filter.limit)
            .bind(filter.within.as_deref())
            .try_map(|row: SqliteRow| line(&row))
            .fetch_all(self.0.conn())
            .await?;
        if !follows {
            lines.reverse();
        }
        Ok(lines)
    }
}

pub(crate) async fn head(conn: &mut SqliteConnection) -> Result<Head, StoreError> {
    let row = sqlx::query(HEAD).fetch_optional(conn).await?;
    match row {
        Some(row) => Ok(Head { seq: row.try_get("seq")?, hash: row.try_get("hash")? }),
        None => Ok(Head::default()),
    }
}

/// Appends lines.
pub(crate) async fn append(conn: &mut SqliteConnection, lines: &[Line]) -> Result<(), StoreError> {
    sqlx::query(APPEND).bind(rows(lines)).execute(conn).await?;
    Ok(())
}

/// What [`APPEND`] takes.
pub(crate) fn rows(lines: &[Line]) -> String {
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.seq,
                &line.ts,
                &line.actor_kind,
                &line.actor_id,
                &line.operation,
                &line.subject_kind,
                &line.subject_id,
                &line.project_id,
                &line.run_id,
                &line.request_id,
                &line.change,
                &line.prev_hash,
                &line.hash,
            )
        })
        .collect();
    serde_json::to_string(&rows).expect("texts print")
}

pub(crate) fn line(row: &SqliteRow) -> Result<Line, sqlx::Error> {
    Ok(Line {
        seq: row.try_get("seq")?,
        ts: row.try_get("ts")?,
        actor_kind: row.try_get("actor_kind")?,
        actor_id: row.try_get("actor_id")?,
        operation: row.try_get("operation")?,
        subject_kind: row.try_get("subject_kind")?,
        subject_id: row.try_get("subject_id")?,
        project_id: row.try_get("project_id")?,
        run_id: row.try_get("run_id")?,
        request_id: row.try_get("request_id")?,
        change: row.try_get("change")?,
        prev_hash: row.try_get("prev_hash")?,
        hash: row.try_get("hash")?,
    })
}
