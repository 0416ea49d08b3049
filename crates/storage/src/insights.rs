//! Aggregates over projects and usage.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::statements::statements;
use crate::usage::{UsageFilter, counts, in_group, that_match};
use crate::{StoreError, Tx};

/// The counters of records, in the parts in which they are kept (`migrations/sqlite/0004_pages.sql`).
macro_rules! sums {
    () => {
        " count(*) AS records,
          sum(u.prompt_tokens >> 32) AS prompt_high, sum(u.prompt_tokens & 0xffffffff) AS prompt_low,
          sum(u.completion_tokens >> 32) AS completion_high, sum(u.completion_tokens & 0xffffffff) AS completion_low,
          sum(u.total_tokens >> 32) AS total_high, sum(u.total_tokens & 0xffffffff) AS total_low,
          sum(CAST(u.cost AS INTEGER) >> 32) AS cost_high, sum(CAST(u.cost AS INTEGER) & 0xffffffff) AS cost_low,
          sum(iif(u.cost < 9007199254740992.0,
                  CAST(round((u.cost - CAST(u.cost AS INTEGER)) * 1e10) AS INTEGER), 0)) AS cost_rest,
          max(u.ts) AS newest"
    };
}

/// The same counters, of groups that have them.
macro_rules! sums_of_sums {
    () => {
        " sum(records) AS records, sum(prompt_high) AS prompt_high, sum(prompt_low) AS prompt_low,
          sum(completion_high) AS completion_high, sum(completion_low) AS completion_low,
          sum(total_high) AS total_high, sum(total_low) AS total_low,
          sum(cost_high) AS cost_high, sum(cost_low) AS cost_low, sum(cost_rest) AS cost_rest,
          max(newest) AS newest"
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
            "SELECT ", $column, ",", sums_of_sums!(), "
               FROM (SELECT ", $column, ",", sums_of_sums!(), "
                       FROM usage_sums
                      WHERE group_id IN (SELECT id FROM chosen)
                        AND day >= (SELECT iif(since_cuts, since_day || char(0), since_day) FROM edges)
                        AND day < (SELECT iif(until_cuts OR $6 IS NULL, until_day, until_day || char(0)) FROM edges)
                      GROUP BY ", $column, "
                      UNION ALL
                     SELECT ", $column, ", records, prompt_high, prompt_low, completion_high, completion_low,
                            total_high, total_low, cost_high, cost_low, cost_rest, newest
                       FROM parts)
              GROUP BY ", $column
        )
    };
}

pub(crate) use sums;

/// What a benchmark compares the server with.
pub mod bench {
    /// The statement that adds up usage, with a parameter for each field of [`UsageFilter`](crate::UsageFilter), in
    /// their order: null lets everything through, but `since` is an empty text then.
    pub const TOKEN_STATS_SQL: &str = super::TOKENS;
}

statements! {
    COUNTS = "SELECT status, priority, category, count(*) AS projects FROM projects GROUP BY status, priority, category";
    MONEY = "
        WITH amounts AS (
            SELECT budget,
                   CASE json_type(payload_json, '$.cost') WHEN 'object' THEN '$.cost.total' ELSE '$.cost' END AS cost_at,
                   CASE json_type(payload_json, '$.revenue') WHEN 'object' THEN '$.revenue.total' ELSE '$.revenue' END
                       AS revenue_at,
                   payload_json
              FROM projects)
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
         UNION ALL
        SELECT 'revenue', payload_json ->> '$.revenue.total'
          FROM projects WHERE json_type(payload_json, '$.revenue.total') = 'text'";
    // Days that lie whole between the bounds are added up from what is kept of them; a day of which a bound cuts off
    // some records is added up from its records. The newest time says which of two equal totals a reader of the list
    // meets first.
    TOKENS = concat!(
        "WITH edges AS MATERIALIZED (
            SELECT substr($5, 1, 10) AS since_day, coalesce(substr($6, 1, 10), x'') AS until_day,
                   EXISTS (SELECT 1 FROM token_usage_records WHERE ts >= substr($5, 1, 10) AND ts < $5) AS since_cuts,
                   EXISTS (SELECT 1 FROM token_usage_records
                            WHERE ts > $6 AND ts < substr($6, 1, 10) || char(1114111)) AS until_cuts),
        chosen AS MATERIALIZED (SELECT * FROM usage_groups WHERE ", that_match!(), "),
        parts AS MATERIALIZED (",
            part_of_a_day!("since_day", "(e.since_cuts OR (e.until_cuts AND e.since_day = e.until_day))"), "
             UNION ALL ",
            part_of_a_day!("until_day", "e.until_cuts AND e.since_day <> e.until_day"), "),
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
        SELECT 5, coalesce(nullif(model, ''), 'unknown'),", sums_of_sums!(), " FROM by_group GROUP BY 2");
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
    /// How many projects there are of each kind.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn project_counts(&mut self) -> Result<Vec<ProjectCount>, StoreError> {
        Ok(sqlx::query(COUNTS)
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

    /// The money of all projects.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn money(&mut self) -> Result<Money, StoreError> {
        let row = sqlx::query(MONEY).fetch_one(self.0.conn()).await?;
        let mut money = Money {
            budget: row.try_get("budget")?,
            cost: row.try_get("cost")?,
            revenue: row.try_get("revenue")?,
            ..Money::default()
        };
        let in_words: Vec<(String, String)> =
            sqlx::query_as(MONEY_IN_WORDS).fetch_all(self.0.conn()).await?;
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
    pub async fn tokens(&mut self, filter: &UsageFilter) -> Result<Vec<TokenSum>, StoreError> {
        Ok(sqlx::query(TOKENS)
            .bind(filter.project_id.as_deref())
            .bind(filter.agent_id.as_deref())
            .bind(filter.workspace.as_deref())
            .bind(filter.source.as_deref())
            .bind(filter.since.as_deref().unwrap_or_default())
            .bind(filter.until.as_deref())
            .try_map(|row: SqliteRow| token_sum(&row))
            .fetch_all(self.0.conn())
            .await?)
    }
}

fn token_sum(row: &SqliteRow) -> Result<TokenSum, sqlx::Error> {
    // By place, in the order of `sums_of_sums`: to look up names takes longer than to read what they name.
    let whole = |high: usize| -> Result<i128, sqlx::Error> {
        let low = row.try_get::<i64, _>(high + 1)?;
        Ok((i128::from(row.try_get::<i64, _>(high)?) << 32) + i128::from(low))
    };
    Ok(TokenSum {
        dimension: match row.try_get::<i64, _>(0)? {
            1 => Dimension::Day,
            2 => Dimension::Project,
            3 => Dimension::Agent,
            4 => Dimension::Workspace,
            5 => Dimension::Model,
            _ => Dimension::Total,
        },
        name: row.try_get(1)?,
        records: row.try_get(2)?,
        prompt_tokens: whole(3)?,
        completion_tokens: whole(5)?,
        total_tokens: whole(7)?,
        cost: cost(whole(9)?, row.try_get(11)?),
        newest: row.try_get(12)?,
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
