//! Aggregates over projects and usage.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row as _, Sqlite};

use crate::statements::statements;
use crate::usage::{UsageFilter, counts, in_group, that_match};
use crate::{StoreError, Tx};

/// The counters of records, in the parts in which they are kept (`migrations/sqlite/0004_pages.sql` and
/// `0005_statistics.sql`).
macro_rules! sums {
    () => {
        " count(*) AS records,
          sum(u.prompt_tokens >> 32) AS prompt_high, sum(u.prompt_tokens & 0xffffffff) AS prompt_low,
          sum(u.completion_tokens >> 32) AS completion_high, sum(u.completion_tokens & 0xffffffff) AS completion_low,
          sum(u.total_tokens >> 32) AS total_high, sum(u.total_tokens & 0xffffffff) AS total_low,
          sum(CAST(u.cost AS INTEGER) >> 32) AS cost_high, sum(CAST(u.cost AS INTEGER) & 0xffffffff) AS cost_low,
          sum(iif(u.cost < 9007199254740992.0,
                  CAST(round((u.cost - CAST(u.cost AS INTEGER)) * 1e10) AS INTEGER), 0)) AS cost_rest,
          max(u.ts) AS newest,
          sum(u.cost = 0 AND u.total_tokens > 0) AS unpriced,
          sum(iif(u.cost = 0 AND u.total_tokens > 0, u.total_tokens >> 32, 0)) AS unpriced_high,
          sum(iif(u.cost = 0 AND u.total_tokens > 0, u.total_tokens & 0xffffffff, 0)) AS unpriced_low,
          sum(u.cache_read_tokens >> 32) AS cache_read_high, sum(u.cache_read_tokens & 0xffffffff) AS cache_read_low,
          sum(u.cache_write_tokens >> 32) AS cache_write_high, sum(u.cache_write_tokens & 0xffffffff) AS cache_write_low"
    };
}

/// The same counters, of groups that have them.
macro_rules! sums_of_sums {
    () => {
        " sum(records) AS records, sum(prompt_high) AS prompt_high, sum(prompt_low) AS prompt_low,
          sum(completion_high) AS completion_high, sum(completion_low) AS completion_low,
          sum(total_high) AS total_high, sum(total_low) AS total_low,
          sum(cost_high) AS cost_high, sum(cost_low) AS cost_low, sum(cost_rest) AS cost_rest,
          max(newest) AS newest, sum(unpriced) AS unpriced,
          sum(unpriced_high) AS unpriced_high, sum(unpriced_low) AS unpriced_low,
          sum(cache_read_high) AS cache_read_high, sum(cache_read_low) AS cache_read_low,
          sum(cache_write_high) AS cache_write_high, sum(cache_write_low) AS cache_write_low"
    };
}

/// The columns that have them.
macro_rules! sum_columns {
    () => {
        " records, prompt_high, prompt_low, completion_high, completion_low, total_high, total_low,
          cost_high, cost_low, cost_rest, newest, unpriced, unpriced_high, unpriced_low,
          cache_read_high, cache_read_low, cache_write_high, cache_write_low"
    };
}

/// The days that lie whole between the bounds.
macro_rules! whole_days {
    () => {
        " FROM usage_sums
         WHERE group_id IN (SELECT id FROM chosen)
           AND day >= (SELECT iif(since_cuts, since_day || char(0), since_day) FROM edges)
           AND day < (SELECT iif(until_cuts OR $6 IS NULL, until_day, until_day || char(0)) FROM edges)"
    };
}

/// The sums of the records of one day, of which the bounds cut off some.
macro_rules! part_of_a_day {
    ($day:literal, $is_cut:literal) => {
        concat!(
            "SELECT g.id AS group_id, e.", $day, " AS day,", sums!(), "
               FROM edges e CROSS JOIN chosen g CROSS JOIN token_usage_records u INDEXED BY usage_by_group
                 ON ", in_group!("u"), " AND u.ts >= max(e.", $day, ", $5) AND u.ts < e.", $day, " || char(1114111)
              WHERE ", $is_cut, " AND u.ts <= coalesce($6, x'') AND ", counts!("u"), "
              GROUP BY g.id"
        )
    };
}

/// The sums of whole days and of parts of days, by one of their columns.
macro_rules! all_by {
    ($column:literal) => {
        concat!(
            "SELECT ",
            $column,
            ",",
            sums_of_sums!(),
            "
               FROM (SELECT ",
            $column,
            ",",
            sums_of_sums!(),
            whole_days!(),
            "
                      GROUP BY ",
            $column,
            "
                      UNION ALL
                     SELECT ",
            $column,
            ",",
            sum_columns!(),
            "
                       FROM parts)
              GROUP BY ",
            $column
        )
    };
}

/// What the bounds cut off, the groups that the other filters let through, and the days of which a bound cuts off some.
macro_rules! choose {
    () => {
        concat!(
            "WITH edges AS MATERIALIZED (
                SELECT substr($5, 1, 10) AS since_day, coalesce(substr($6, 1, 10), x'') AS until_day,
                       EXISTS (SELECT 1 FROM token_usage_records WHERE ts >= substr($5, 1, 10) AND ts < $5)
                           AS since_cuts,
                       EXISTS (SELECT 1 FROM token_usage_records
                                WHERE ts > $6 AND ts < substr($6, 1, 10) || char(1114111)) AS until_cuts),
            chosen AS MATERIALIZED (
                SELECT * FROM usage_groups WHERE ", that_match!("$8"), " AND ($7 IS NULL OR model = $7)),
            parts AS MATERIALIZED (",
                part_of_a_day!("since_day", "(e.since_cuts OR (e.until_cuts AND e.since_day = e.until_day))"), "
                 UNION ALL ",
                part_of_a_day!("until_day", "e.until_cuts AND e.since_day <> e.until_day"), ")"
        )
    };
}

pub(crate) use {sum_columns, sums};

/// What a benchmark compares the server with.
pub mod bench {
    /// The statement that adds up usage, with a parameter for each field of [`UsageFilter`](crate::UsageFilter), in
    /// their order, and one for the model before the last: null lets everything through, but `since` is an empty text
    /// then.
    pub const TOKEN_STATS_SQL: &str = super::TOKENS;
}

statements! {
    COUNTS = "
        SELECT status, priority, category, count(*) AS projects FROM projects
         WHERE $1 IS NULL OR id IN (SELECT value FROM json_each($1)) GROUP BY status, priority, category";
    MONEY = "
        WITH amounts AS (
            SELECT budget,
                   CASE json_type(payload_json, '$.cost') WHEN 'object' THEN '$.cost.total' ELSE '$.cost' END AS cost_at,
                   CASE json_type(payload_json, '$.revenue') WHEN 'object' THEN '$.revenue.total' ELSE '$.revenue' END
                       AS revenue_at,
                   payload_json
              FROM projects
             WHERE $1 IS NULL OR id IN (SELECT value FROM json_each($1)))
        SELECT total(budget) AS budget,
               total(CASE WHEN json_type(payload_json, cost_at) IN ('integer', 'real', 'true')
                          THEN payload_json ->> cost_at END) AS cost,
               total(CASE WHEN json_type(payload_json, revenue_at) IN ('integer', 'real', 'true')
                          THEN payload_json ->> revenue_at END) AS revenue
          FROM amounts";
    // Numeric text counts inside `total` only, and whether a text is numeric is for the domain to say.
    MONEY_IN_WORDS = "
        SELECT 'cost' AS amount, payload_json ->> '$.cost.total' AS words
          FROM projects WHERE json_type(payload_json, '$.cost.total') = 'text'
           AND ($1 IS NULL OR id IN (SELECT value FROM json_each($1)))
         UNION ALL
        SELECT 'revenue', payload_json ->> '$.revenue.total'
          FROM projects WHERE json_type(payload_json, '$.revenue.total') = 'text'
           AND ($1 IS NULL OR id IN (SELECT value FROM json_each($1)))";
    // Days that lie whole between the bounds are added up from what is kept of them; a day of which a bound cuts off
    // some records is added up from its records. The newest time says which of two equal totals a reader of the list
    // meets first.
    TOKENS = concat!(
        choose!(), ",
        by_group AS MATERIALIZED (
            SELECT g.*, s.* FROM (", all_by!("group_id"), ") s CROSS JOIN usage_groups g ON g.id = s.group_id)
        SELECT 0 AS dimension, '' AS name,", sums_of_sums!(), " FROM by_group HAVING count(*) > 0
         UNION ALL
        SELECT 1, iif(day = '', 'unknown', day),", sums_of_sums!(), " FROM (", all_by!("day"), ") GROUP BY 2
         UNION ALL
        SELECT 2, coalesce(nullif(project_id, ''), 'unassigned'),", sums_of_sums!(), " FROM by_group GROUP BY 2
         UNION ALL
        SELECT 3, coalesce(nullif(agent_id, ''), 'unassigned'),", sums_of_sums!(), " FROM by_group GROUP BY 2
         UNION ALL
        SELECT 4, coalesce(nullif(workspace, ''), 'unknown'),", sums_of_sums!(), " FROM by_group GROUP BY 2
         UNION ALL
        SELECT 5, coalesce(nullif(model, ''), 'unknown'),", sums_of_sums!(), " FROM by_group GROUP BY 2
         UNION ALL
        SELECT 6, coalesce(nullif(source, ''), 'unknown'),", sums_of_sums!(), " FROM by_group GROUP BY 2");
    // The same, of each day apart, by the dimension that `$9` says.
    SERIES = concat!(
        choose!(), "
        SELECT $9 AS dimension,
               CASE $9 WHEN 2 THEN coalesce(nullif(g.project_id, ''), 'unassigned')
                       WHEN 3 THEN coalesce(nullif(g.agent_id, ''), 'unassigned')
                       WHEN 4 THEN coalesce(nullif(g.workspace, ''), 'unknown')
                       WHEN 5 THEN coalesce(nullif(g.model, ''), 'unknown')
                       WHEN 6 THEN coalesce(nullif(g.source, ''), 'unknown')
                       ELSE '' END AS name,", sums_of_sums!(), ",
               iif(s.day = '', 'unknown', s.day) AS of_day
          FROM (SELECT group_id, day,", sum_columns!(), whole_days!(), "
                 UNION ALL
                SELECT group_id, day,", sum_columns!(), " FROM parts) s CROSS JOIN usage_groups g ON g.id = s.group_id
         GROUP BY of_day, name");
}

/// How many projects share a status, a priority and a category.
#[derive(Clone, Debug)]
pub struct ProjectCount {
    /// The status; may be empty in adopted rows.
    pub status: String,
    /// The priority; may be empty in adopted rows.
    pub priority: String,
    /// The category, if the projects have one.
    pub category: Option<String>,
    /// How many.
    pub projects: i64,
}

/// The money of all projects.
#[derive(Clone, Debug, Default)]
pub struct Money {
    /// The sum of budgets.
    pub budget: f64,
    /// The sum of costs that are numbers.
    pub cost: f64,
    /// The sum of revenues that are numbers.
    pub revenue: f64,
    /// Costs that are written as texts.
    pub costs_in_words: Vec<String>,
    /// Revenues that are written as texts.
    pub revenues_in_words: Vec<String>,
}

/// What usage is added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Everything together.
    Total,
    /// The day, in UTC.
    Day,
    /// The project.
    Project,
    /// The agent.
    Agent,
    /// The workspace.
    Workspace,
    /// The model.
    Model,
    /// The program that reported it.
    Source,
}

impl Dimension {
    const ALL: [Self; 7] = [
        Self::Total,
        Self::Day,
        Self::Project,
        Self::Agent,
        Self::Workspace,
        Self::Model,
        Self::Source,
    ];

    /// What our statements call it.
    fn number(self) -> i64 {
        Self::ALL
            .into_iter()
            .zip(0..)
            .find_map(|(it, number)| (it == self).then_some(number))
            .unwrap_or_default()
    }

    fn numbered(number: i64) -> Self {
        let found = usize::try_from(number).ok().and_then(|number| Self::ALL.get(number));
        found.copied().unwrap_or(Self::Total)
    }
}

/// Which usage to add up.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// What the usage must match that lists can ask for, too.
    pub usage: UsageFilter,
    /// The model, exactly.
    pub model: Option<String>,
}

impl From<UsageFilter> for TokenFilter {
    fn from(usage: UsageFilter) -> Self {
        Self { usage, model: None }
    }
}

/// Usage that belongs together, added up.
#[derive(Clone, Debug)]
pub struct TokenSum {
    /// What it was added up by.
    pub dimension: Dimension,
    /// Which day, project, …
    pub name: String,
    /// How many records.
    pub records: i64,
    /// Tokens that went in.
    pub prompt_tokens: i128,
    /// Tokens that came out.
    pub completion_tokens: i128,
    /// Tokens in all, as reported.
    pub total_tokens: i128,
    /// What they cost, as reported.
    pub cost: f64,
    /// The time of the newest record.
    pub newest: String,
    /// Records that used tokens and cost nothing.
    pub unpriced_records: i64,
    /// Tokens of these, in all.
    pub unpriced_tokens: i128,
    /// Tokens that came out of a cache.
    pub cache_read_tokens: i128,
    /// Tokens that were put into a cache.
    pub cache_write_tokens: i128,
}

/// The usage of one day that belongs together, added up.
#[derive(Clone, Debug)]
pub struct DaySum {
    /// The day, in UTC.
    pub day: String,
    /// The usage.
    pub sum: TokenSum,
}

/// Aggregates.
pub struct Insights<'a>(&'a mut Tx);

impl Tx {
    /// Aggregates.
    pub const fn insights(&mut self) -> Insights<'_> {
        Insights(self)
    }
}

impl Insights<'_> {
    /// How many projects there are of each kind: all, or those whose ids are in the JSON array `within`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn project_counts(
        &mut self,
        within: Option<&str>,
    ) -> Result<Vec<ProjectCount>, StoreError> {
        Ok(sqlx::query(COUNTS)
            .bind(within)
            .try_map(|row: SqliteRow| {
                Ok(ProjectCount {
                    status: row.try_get("status")?,
                    priority: row.try_get("priority")?,
                    category: row.try_get("category")?,
                    projects: row.try_get("projects")?,
                })
            })
            .fetch_all(self.0.conn())
            .await?)
    }

    /// The money of all projects, or of those whose ids are in the JSON array `within`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn money(&mut self, within: Option<&str>) -> Result<Money, StoreError> {
        let row = sqlx::query(MONEY).bind(within).fetch_one(self.0.conn()).await?;
        let mut money = Money {
            budget: row.try_get("budget")?,
            cost: row.try_get("cost")?,
            revenue: row.try_get("revenue")?,
            ..Money::default()
        };
        let in_words: Vec<(String, String)> =
            sqlx::query_as(MONEY_IN_WORDS).bind(within).fetch_all(self.0.conn()).await?;
        for (amount, words) in in_words {
            if amount == "cost" { &mut money.costs_in_words } else { &mut money.revenues_in_words }
                .push(words);
        }
        Ok(money)
    }

    /// All usage that `filter` lets through, added up in every [`Dimension`], in no particular order.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn tokens(&mut self, filter: &TokenFilter) -> Result<Vec<TokenSum>, StoreError> {
        Ok(bound(TOKENS, filter)
            .try_map(|row: SqliteRow| token_sum(&row))
            .fetch_all(self.0.conn())
            .await?)
    }

    /// The same, of each day apart, by `dimension` alone, in no particular order.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn token_series(
        &mut self,
        filter: &TokenFilter,
        dimension: Dimension,
    ) -> Result<Vec<DaySum>, StoreError> {
        Ok(bound(SERIES, filter)
            .bind(dimension.number())
            .try_map(|row: SqliteRow| {
                Ok(DaySum { day: row.try_get("of_day")?, sum: token_sum(&row)? })
            })
            .fetch_all(self.0.conn())
            .await?)
    }
}

/// The statement with what [`choose`] asks for.
fn bound<'q>(sql: &'static str, filter: &'q TokenFilter) -> Query<'q, Sqlite, SqliteArguments> {
    let TokenFilter { usage, model } = filter;
    sqlx::query(sql)
        .bind(usage.project_id.as_deref())
        .bind(usage.agent_id.as_deref())
        .bind(usage.workspace.as_deref())
        .bind(usage.source.as_deref())
        .bind(usage.since.as_deref().unwrap_or_default())
        .bind(usage.until.as_deref())
        .bind(model.as_deref())
        .bind(usage.within.as_deref())
}

fn token_sum(row: &SqliteRow) -> Result<TokenSum, sqlx::Error> {
    // By place, in the order of `sums_of_sums`: to look up names takes longer than to read what they name.
    let whole = |high: usize| -> Result<i128, sqlx::Error> {
        let low = row.try_get::<i64, _>(high + 1)?;
        Ok((i128::from(row.try_get::<i64, _>(high)?) << 32) + i128::from(low))
    };
    Ok(TokenSum {
        dimension: Dimension::numbered(row.try_get(0)?),
        name: row.try_get(1)?,
        records: row.try_get(2)?,
        prompt_tokens: whole(3)?,
        completion_tokens: whole(5)?,
        total_tokens: whole(7)?,
        cost: cost(whole(9)?, row.try_get(11)?),
        newest: row.try_get(12)?,
        unpriced_records: row.try_get(13)?,
        unpriced_tokens: whole(14)?,
        cache_read_tokens: whole(16)?,
        cache_write_tokens: whole(18)?,
    })
}

/// Digits after the point of a cost, as a factor.
const COST_PARTS: i128 = 10_000_000_000;

/// A sum of costs, from the parts in which it is kept.
fn cost(whole: i128, rest: i64) -> f64 {
    let exact = whole * COST_PARTS + i128::from(rest);
    #[expect(
        clippy::cast_precision_loss,
        reason = "the sum is exact; the answer is the double beside it"
    )]
    let near = exact as f64 / COST_PARTS as f64;
    near
}
