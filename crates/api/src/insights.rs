//! `/api/stats`.

use std::collections::BTreeMap;

use actix_web::{get, web::Data};
use pilotdeck_services::Services;
use pilotdeck_services::insights::{
    DaySum, Dimension, ProjectStats, TokenFilter, TokenStats, TokenSum,
};
use serde::Serialize;
use serde_json::Number;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::envelope::{Json, Object, data};
use crate::error::ApiResult;
use crate::extract::{Caller, Query};
use crate::schemas::{QuerySeries, Yes};
use crate::usage::{UsageQuery, filter};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_project_stats).service(get_token_stats);
}

/// Counts and money of all projects.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the document")]
struct ProjectStatsAnswer {
    /// Always true.
    success: Yes,
    /// The statistics.
    data: ProjectStatsView,
}

/// Counts and money of all projects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "total": 2, "byStatus": { "planning": 1, "in-progress": 1 }, "byPriority": { "medium": 2 },
    "byCategory": { "backend": 2 },
    "financial": { "totalBudget": 5000.0, "totalCost": 1200.5, "totalRevenue": 0.0, "netProfit": -1200.5 }
}))]
struct ProjectStatsView {
    /// All projects.
    total: i64,
    /// How many there are in each status.
    by_status: BTreeMap<String, i64>,
    /// How many there are of each priority.
    by_priority: BTreeMap<String, i64>,
    /// How many there are in each category; `未分类` is none.
    by_category: BTreeMap<String, i64>,
    /// Their money.
    financial: MoneyView,
}

/// The money of all projects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MoneyView {
    /// The sum of budgets.
    total_budget: f64,
    /// The sum of costs.
    total_cost: f64,
    /// The sum of revenues.
    total_revenue: f64,
    /// Revenue less cost.
    net_profit: f64,
}

impl From<ProjectStats> for ProjectStatsView {
    fn from(stats: ProjectStats) -> Self {
        Self {
            total: stats.total,
            by_status: stats.by_status,
            by_priority: stats.by_priority,
            by_category: stats.by_category,
            financial: MoneyView {
                total_budget: finite(stats.total_budget),
                total_cost: finite(stats.total_cost),
                total_revenue: finite(stats.total_revenue),
                net_profit: finite(stats.total_revenue - stats.total_cost),
            },
        }
    }
}

/// Usage added up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the document")]
struct TokenStatsAnswer {
    /// Always true.
    success: Yes,
    /// The sums.
    data: TokenStatsView,
}

/// Usage added up in every way.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "totals": { "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540, "cost": 0.0123,
        "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0 },
    "byDay": [{
        "day": "2026-02-11", "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }],
    "byProject": [{
        "projectId": "proj-a", "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }],
    "byAgent": [{
        "agentId": "unassigned", "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }],
    "byWorkspace": [{
        "workspace": "unknown", "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }],
    "byModel": [{
        "model": "claude-sonnet", "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }],
    "bySource": [{
        "source": "opencode",
        "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }],
    "series": [{
        "day": "2026-02-11", "key": "claude-sonnet",
        "records": 1, "promptTokens": 1200, "completionTokens": 340, "totalTokens": 1540,
        "cost": 0.0123, "unpricedRecords": 0, "unpricedTokens": 0, "cacheReadTokens": 900, "cacheWriteTokens": 0
    }]
}))]
#[expect(dead_code, reason = "written field by field")]
struct TokenStatsView {
    /// Everything together.
    totals: TokenSumView,
    /// By day (UTC), ascending.
    by_day: Vec<DaySumView>,
    /// By project, the most tokens first.
    by_project: Vec<ProjectSumView>,
    /// By agent, the most tokens first.
    by_agent: Vec<AgentSumView>,
    /// By workspace, the most tokens first.
    by_workspace: Vec<WorkspaceSumView>,
    /// By model, the most tokens first.
    by_model: Vec<ModelSumView>,
    /// By the program that reported it, the most tokens first.
    by_source: Vec<SourceSumView>,
    /// By day and by what `series` names, both ascending; only there when `series` was asked for.
    series: Option<Vec<SeriesSumView>>,
}

/// Usage added up. Sums beyond 64 bits are as close as a double comes.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct TokenSumView {
    /// How many records.
    records: u64,
    /// Tokens that went in.
    prompt_tokens: u64,
    /// Tokens that came out.
    completion_tokens: u64,
    /// Tokens in all, as reported.
    total_tokens: u64,
    /// What they cost, as reported.
    cost: f64,
    /// How many of the records used tokens and cost nothing: nobody put a price on them, or they were free. What is
    /// stored knows no difference.
    unpriced_records: u64,
    /// Tokens of these records, in all.
    unpriced_tokens: u64,
    /// Tokens that came out of the cache of the model's provider, under any of the names that programs have for them
    /// (`cacheReadTokens`, `cache_read_input_tokens`, `data.tokens.cache.read`, …). Whether `promptTokens` has them, too,
    /// is up to who reported them.
    cache_read_tokens: u64,
    /// Tokens that were put into that cache (`cacheWriteTokens`, `cache_creation_input_tokens`,
    /// `data.tokens.cache.write`, …).
    cache_write_tokens: u64,
}

/// The usage of one day.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct DaySumView {
    /// The day, such as `2026-02-11`; `unknown` where a record of an older database has no time.
    day: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// The usage of one project.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct ProjectSumView {
    /// The project; `unassigned` is none.
    project_id: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// The usage of one agent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "written field by field")]
struct AgentSumView {
    /// The agent; `unassigned` is none.
    agent_id: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// The usage in one workspace.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct WorkspaceSumView {
    /// The workspace; `unknown` is none.
    workspace: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// The usage of one model.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct ModelSumView {
    /// The model; `unknown` is none.
    model: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// The usage that one kind of client reported.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct SourceSumView {
    /// The kind of client; `unknown` is none.
    source: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// The usage of one day and one model, project, agent, workspace or source.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written field by field")]
struct SeriesSumView {
    /// The day, as in `byDay`.
    day: String,
    /// The model, project, …, as in the list by it.
    key: String,
    #[serde(flatten)]
    sum: TokenSumView,
}

/// What else to add up usage by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read from the query string by name")]
struct TokensQuery {
    /// Only usage of this model.
    model: Option<String>,
    /// Adds `series`: the usage of each day apart, by this.
    series: Option<QuerySeries>,
}

/// Counts projects and adds up their money.
#[utoipa::path(
    tag = "stats",
    responses((status = 200, description = "The statistics", body = ProjectStatsAnswer)),
    extensions(("x-permission" = json!("stats.read"))),
)]
#[get("/api/stats")]
async fn get_project_stats(services: Data<Services>, caller: Caller) -> ApiResult {
    let stats = services.insights.projects(&caller).await?;
    Ok(data(&Json::of(&ProjectStatsView::from(stats))).ok())
}

/// Adds up token usage, all of it that matches.
#[utoipa::path(
    tag = "stats",
    params(UsageQuery, TokensQuery),
    responses((status = 200, description = "The sums", body = TokenStatsAnswer)),
    extensions(("x-permission" = json!("stats.read"))),
)]
#[get("/api/stats/tokens")]
async fn get_token_stats(services: Data<Services>, caller: Caller, query: Query) -> ApiResult {
    let filter = TokenFilter { usage: filter(&query)?, model: query.text("model") };
    let series = query.text("series").and_then(|word| dimension(&word));
    let stats = services.insights.tokens(&caller, &filter, series).await?;
    Ok(data(&sums(&stats)).ok())
}

/// What a series can be split by; other words are passed over, like parameters that nobody knows.
fn dimension(word: &str) -> Option<Dimension> {
    match word {
        "model" => Some(Dimension::Model),
        "project" => Some(Dimension::Project),
        "agent" => Some(Dimension::Agent),
        "workspace" => Some(Dimension::Workspace),
        "source" => Some(Dimension::Source),
        _ => None,
    }
}

fn sums(stats: &TokenStats) -> Json {
    let list = |key: &'static str, sums: &[TokenSum]| {
        let rows: Vec<Json> = sums
            .iter()
            .map(|sum| counters(Object::new().with(key, &sum.name), Some(sum)))
            .collect();
        Json::array(&rows)
    };
    let object = Object::new()
        .with_json("totals", &counters(Object::new(), stats.totals.as_ref()))
        .with_json("byDay", &list("day", &stats.by_day))
        .with_json("byProject", &list("projectId", &stats.by_project))
        .with_json("byAgent", &list("agentId", &stats.by_agent))
        .with_json("byWorkspace", &list("workspace", &stats.by_workspace))
        .with_json("byModel", &list("model", &stats.by_model))
        .with_json("bySource", &list("source", &stats.by_source));
    match &stats.series {
        Some(rows) => {
            let rows: Vec<Json> = rows
                .iter()
                .map(|DaySum { day, sum }| {
                    counters(Object::new().with("day", day).with("key", &sum.name), Some(sum))
                })
                .collect();
            object.with_json("series", &Json::array(&rows)).json()
        }
        None => object.json(),
    }
}

fn counters(object: Object, sum: Option<&TokenSum>) -> Json {
    let tokens = |count: fn(&TokenSum) -> i128| whole(sum.map_or(0, count));
    object
        .with("records", &sum.map_or(0, |sum| sum.records))
        .with("promptTokens", &tokens(|sum| sum.prompt_tokens))
        .with("completionTokens", &tokens(|sum| sum.completion_tokens))
        .with("totalTokens", &tokens(|sum| sum.total_tokens))
        .with("cost", &finite(sum.map_or(0.0, |sum| sum.cost)))
        .with("unpricedRecords", &sum.map_or(0, |sum| sum.unpriced_records))
        .with("unpricedTokens", &tokens(|sum| sum.unpriced_tokens))
        .with("cacheReadTokens", &tokens(|sum| sum.cache_read_tokens))
        .with("cacheWriteTokens", &tokens(|sum| sum.cache_write_tokens))
        .json()
}

/// A sum of tokens as JSON can carry it: exactly up to 64 bits, and beyond as close as a double comes.
fn whole(sum: i128) -> Number {
    if let Ok(exact) = u64::try_from(sum) {
        return exact.into();
    }
    #[expect(clippy::cast_precision_loss, reason = "beyond 64 bits there is nothing better")]
    let near = sum as f64;
    Number::from_f64(near).unwrap_or_else(|| u64::MAX.into())
}

/// JSON has no infinity.
fn finite(amount: f64) -> f64 {
    if amount.is_nan() { 0.0 } else { amount.clamp(f64::MIN, f64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_64_bits_stay_numbers() {
        assert_eq!(whole(i128::from(u64::MAX)).to_string(), "18446744073709551615");
        assert_eq!(whole(i128::from(u64::MAX) + 1).to_string(), "1.8446744073709552e+19");
        assert_eq!(finite(f64::INFINITY).total_cmp(&f64::MAX), std::cmp::Ordering::Equal);
    }
}
