//! Statistics over projects and usage.

use std::collections::BTreeMap;

use pilotdeck_domain::coerce;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_storage::Collection;
pub use pilotdeck_storage::{DaySum, Dimension, TokenFilter, TokenSum};
use serde_json::Value;

use crate::access::Access;
use crate::usage::bounded;
use crate::{Error, Store};

/// What can be asked about projects and usage as a whole.
#[derive(Clone)]
pub struct Insights(Store);

/// How many projects there are, and what they cost.
#[derive(Clone, Debug, Default)]
pub struct ProjectStats {
    /// All projects.
    pub total: i64,
    /// By status; adopted rows without one are `unknown`.
    pub by_status: BTreeMap<String, i64>,
    /// By priority; adopted rows without one are `unknown`.
    pub by_priority: BTreeMap<String, i64>,
    /// By category; projects without one are `未分类`, the word that clients know.
    pub by_category: BTreeMap<String, i64>,
    /// The sum of budgets.
    pub total_budget: f64,
    /// The sum of costs.
    pub total_cost: f64,
    /// The sum of revenues.
    pub total_revenue: f64,
}

/// Usage added up, in the orders in which it is served.
#[derive(Clone, Debug, Default)]
pub struct TokenStats {
    /// Everything together; `None` when there is nothing.
    pub totals: Option<TokenSum>,
    /// By day, ascending.
    pub by_day: Vec<TokenSum>,
    /// By project, the most tokens first.
    pub by_project: Vec<TokenSum>,
    /// By agent, the most tokens first.
    pub by_agent: Vec<TokenSum>,
    /// By workspace, the most tokens first.
    pub by_workspace: Vec<TokenSum>,
    /// By model, the most tokens first.
    pub by_model: Vec<TokenSum>,
    /// By source, the most tokens first.
    pub by_source: Vec<TokenSum>,
    /// By day and what was asked for, both ascending; `None` when nothing was.
    pub series: Option<Vec<DaySum>>,
}

/// What a client may know before it signs in.
#[derive(Clone, Debug)]
pub struct Overview {
    /// How many projects there are.
    pub projects: i64,
    /// When any of them was last changed.
    pub last_updated: Option<String>,
}

impl Insights {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// How much there is.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn overview(&self) -> Result<Overview, Error> {
        let mut tx = self.0.db.snapshot().await?;
        let projects = tx.projects().count().await?;
        let last_updated = tx.last_updated(Collection::Projects).await?;
        Ok(Overview { projects, last_updated })
    }

    /// Counts and money of all projects.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn projects(&self, actor: &Actor) -> Result<ProjectStats, Error> {
        let access = Access::new(actor, Permission::ReadStats)?;
        let mut tx = self.0.db.snapshot().await?;
        let counts = tx.insights().project_counts(access.within()).await?;
        let money = tx.insights().money(access.within()).await?;
        let mut stats = ProjectStats {
            total_budget: money.budget,
            total_cost: money.cost + in_numbers(money.costs_in_words),
            total_revenue: money.revenue + in_numbers(money.revenues_in_words),
            ..ProjectStats::default()
        };
        let count = |by: &mut BTreeMap<String, i64>,
                     name: Option<String>,
                     otherwise: &str,
                     projects: i64| {
            let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| otherwise.to_owned());
            *by.entry(name).or_default() += projects;
        };
        for group in counts {
            stats.total += group.projects;
            count(&mut stats.by_status, Some(group.status), "unknown", group.projects);
            count(&mut stats.by_priority, Some(group.priority), "unknown", group.projects);
            count(&mut stats.by_category, group.category, "未分类", group.projects);
        }
        Ok(stats)
    }

    /// All usage that `filter` lets through, added up; also of each day apart by `series`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn tokens(
        &self,
        actor: &Actor,
        filter: &TokenFilter,
        series: Option<Dimension>,
    ) -> Result<TokenStats, Error> {
        let access = Access::new(actor, Permission::ReadStats)?;
        let mut stats = TokenStats::default();
        let Some(usage) = bounded(&filter.usage, &access) else {
            stats.series = series.map(|_| Vec::new());
            return Ok(stats);
        };
        let filter = &TokenFilter { usage, model: filter.model.clone() };
        let sums = if let Some(dimension) = series {
            // Both see one state: what is stacked is as high as the sum of the day.
            let mut tx = self.0.db.snapshot().await?;
            let sums = tx.insights().tokens(filter).await?;
            let mut rows = tx.insights().token_series(filter, dimension).await?;
            rows.sort_by(|a, b| (&a.day, &a.sum.name).cmp(&(&b.day, &b.sum.name)));
            stats.series = Some(rows);
            sums
        } else {
            self.0.db.read().await?.insights().tokens(filter).await?
        };
        for sum in sums {
            match sum.dimension {
                Dimension::Total => stats.totals = Some(sum),
                Dimension::Day => stats.by_day.push(sum),
                Dimension::Project => stats.by_project.push(sum),
                Dimension::Agent => stats.by_agent.push(sum),
                Dimension::Workspace => stats.by_workspace.push(sum),
                Dimension::Model => stats.by_model.push(sum),
                Dimension::Source => stats.by_source.push(sum),
            }
        }
        // The last word is the name's: equal sums of one moment have a place, too.
        stats.by_day.sort_by(|a, b| a.name.cmp(&b.name));
        for sums in [
            &mut stats.by_project,
            &mut stats.by_agent,
            &mut stats.by_workspace,
            &mut stats.by_model,
            &mut stats.by_source,
        ] {
            sums.sort_by(|a, b| {
                b.total_tokens
                    .cmp(&a.total_tokens)
                    .then_with(|| b.newest.cmp(&a.newest))
                    .then_with(|| a.name.cmp(&b.name))
            });
        }
        Ok(stats)
    }
}

fn in_numbers(words: Vec<String>) -> f64 {
    words.into_iter().filter_map(|words| coerce::float(&Value::String(words))).sum()
}
