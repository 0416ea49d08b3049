//! Aggregates over projects and usage.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::statements::statements;
use crate::usage::UsageFilter;
use crate::{StoreError, Tx};

/// The counters of records. Tokens are added up in two halves: the sum of many 64-bit counts does not fit into one.
macro_rules! sums {
    () => {
        " count(*) AS records,
          sum(prompt_tokens >> 32) AS prompt_high, sum(prompt_tokens & 0xffffffff) AS prompt_low,
          sum(completion_tokens >> 32) AS completion_high, sum(completion_tokens & 0xffffffff) AS completion_low,
          sum(total_tokens >> 32) AS total_high, sum(total_tokens & 0xffffffff) AS total_low,
          total(cost) AS cost, max(ts) AS newest"
    };
}

/// The same counters, of groups that have them.
macro_rules! sums_of_sums {
    () => {
        " sum(records) AS records, sum(prompt_high) AS prompt_high, sum(prompt_low) AS prompt_low,
          sum(completion_high) AS completion_high, sum(completion_low) AS completion_low,
          sum(total_high) AS total_high, sum(total_low) AS total_low, total(cost) AS cost, max(newest) AS newest"
    };
}

/// What a [`UsageFilter`] lets through.
macro_rules! that_match {
    () => {
        "($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR agent_id = $2) AND ($3 IS NULL OR workspace = $3)
         AND ($4 IS NULL OR source = $4) AND ts >= $5 AND ($6 IS NULL OR ts <= $6)"
    };
}

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
    // Two covering indexes hold the records in the order of their groups, so that nothing large is sorted; the other
    // groups are groups of these. The newest time says which of two equal totals a reader of the list meets first.
    TOKENS = concat!(
        "WITH by_time AS MATERIALIZED (
            SELECT substr(ts, 1, 10) AS day, project_id,", sums!(), "
              FROM token_usage_records INDEXED BY usage_by_day WHERE ", that_match!(), "
             GROUP BY substr(ts, 1, 10), project_id),
        by_kind AS MATERIALIZED (
            SELECT agent_id, workspace, model,", sums!(), "
              FROM token_usage_records INDEXED BY usage_by_kind WHERE ", that_match!(), "
             GROUP BY agent_id, workspace, model)
        SELECT 0 AS dimension, '' AS name,", sums_of_sums!(), " FROM by_kind HAVING count(*) > 0
         UNION ALL
        SELECT 1, iif(day = '', 'unknown', day),", sums_of_sums!(), " FROM by_time GROUP BY 2
         UNION ALL
        SELECT 2, coalesce(nullif(project_id, ''), 'unassigned'),", sums_of_sums!(), " FROM by_time GROUP BY 2
         UNION ALL
        SELECT 3, coalesce(nullif(agent_id, ''), 'unassigned'),", sums_of_sums!(), " FROM by_kind GROUP BY 2
         UNION ALL
        SELECT 4, coalesce(nullif(workspace, ''), 'unknown'),", sums_of_sums!(), " FROM by_kind GROUP BY 2
         UNION ALL
        SELECT 5, coalesce(nullif(model, ''), 'unknown'),", sums_of_sums!(), " FROM by_kind GROUP BY 2");
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
    let whole = |high: &str, low: &str| -> Result<i128, sqlx::Error> {
        Ok((i128::from(row.try_get::<i64, _>(high)?) << 32)
            + i128::from(row.try_get::<i64, _>(low)?))
    };
    Ok(TokenSum {
        dimension: match row.try_get::<i64, _>("dimension")? {
            1 => Dimension::Day,
            2 => Dimension::Project,
            3 => Dimension::Agent,
            4 => Dimension::Workspace,
            5 => Dimension::Model,
            _ => Dimension::Total,
        },
        name: row.try_get("name")?,
        records: row.try_get("records")?,
        prompt_tokens: whole("prompt_high", "prompt_low")?,
        completion_tokens: whole("completion_high", "completion_low")?,
        total_tokens: whole("total_high", "total_low")?,
        cost: row.try_get("cost")?,
        newest: row.try_get("newest")?,
    })
}
