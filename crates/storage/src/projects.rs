//! Projects.

use futures_util::TryStreamExt as _;
use pilotdeck_domain::ids::ProjectId;
use pilotdeck_domain::projects::Project;
use pilotdeck_domain::times::WireTime;
use sqlx::Row as _;

use crate::document::{Document, Documents, Splice, print};
use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    FIND = "SELECT payload_json FROM projects WHERE id = $1";
    COUNT = "SELECT count(*) FROM projects";
    LIST = "
        SELECT payload_json FROM projects
         WHERE ($1 IS NULL OR status = $1) AND ($2 IS NULL OR priority = $2) AND ($3 IS NULL OR category = $3)
           AND ($4 IS NULL OR id IN (SELECT value FROM json_each($4)))
         ORDER BY sort_order, created_at";
    NEWEST = "SELECT max(updated_at) FROM projects WHERE id IN (SELECT value FROM json_each($1))";
    /// Whether anything was ever said of a project with this id.
    IS_KNOWN = "
        SELECT EXISTS (SELECT 1 FROM ledger WHERE project_id = $1)
            OR EXISTS (SELECT 1 FROM ledger WHERE subject_id = $1 AND subject_kind = 'project')
            OR EXISTS (SELECT 1 FROM agent_runs WHERE project_id = $1)
            OR EXISTS (SELECT 1 FROM agent_events WHERE project_id = $1)
            OR EXISTS (SELECT 1 FROM token_usage_records WHERE project_id = $1)";
    ORDER = "SELECT id FROM projects ORDER BY sort_order, created_at";
    INSERT = "
        INSERT INTO projects (id, sort_order, name, status, priority, category, progress, created_at, updated_at,
                              budget, actual_cost, payload_json)
        VALUES ($1, (SELECT coalesce(max(sort_order), -1) + 1 FROM projects), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (id) DO NOTHING";
    SAVE = "
        UPDATE projects
           SET name = $3, status = $4, priority = $5, category = $6, progress = $7, created_at = $8, updated_at = $9,
               budget = $10, actual_cost = $11, payload_json = $12
         WHERE id = $1 AND updated_at = $2";
    DELETE = "DELETE FROM projects WHERE id = $1";
    REORDER = "
        UPDATE projects SET sort_order = new.key
          FROM json_each($1) AS new
         WHERE projects.id = new.value";
}

/// Which projects to list; every given field must match exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProjectFilter {
    /// The status.
    pub status: Option<String>,
    /// The priority.
    pub priority: Option<String>,
    /// The category.
    pub category: Option<String>,
    /// Only those whose ids are in this JSON array.
    pub within: Option<String>,
}

/// The table of projects.
pub struct Projects<'a>(&'a mut Tx);

impl Tx {
    /// Projects.
    pub const fn projects(&mut self) -> Projects<'_> {
        Projects(self)
    }
}

impl Projects<'_> {
    /// The project with this id, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&mut self, id: &str) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND).bind(id).fetch_optional(self.0.conn()).await?;
        Ok(found.map(Document::stored))
    }

    /// How many projects there are.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT).fetch_one(self.0.conn()).await?)
    }

    /// The projects that `filter` lets through, in the order people gave them.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, filter: &ProjectFilter) -> Result<Documents, StoreError> {
        let mut rows = sqlx::query(LIST)
            .bind(filter.status.as_deref())
            .bind(filter.priority.as_deref())
            .bind(filter.category.as_deref())
            .bind(filter.within.as_deref())
            .fetch(self.0.conn());
        let mut documents = Splice::new();
        while let Some(row) = rows.try_next().await? {
            documents.push(row.try_get(0)?);
        }
        Ok(documents.finish())
    }

    /// When any of the projects whose ids are in the JSON array `within` was last changed.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn newest(&mut self, within: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(NEWEST).bind(within).fetch_one(self.0.conn()).await?)
    }

    /// Whether anything was ever said of a project with this id: in the ledger, or by what refers to it.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn is_known(&mut self, id: &str) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_KNOWN).bind(id).fetch_one(self.0.conn()).await?)
    }

    /// The ids of all projects, in the order people gave them.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn order(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(ORDER).fetch_all(self.0.conn()).await?)
    }

    /// Adds `project` behind all others; false if its id is taken.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn insert(&mut self, project: &Project) -> Result<bool, StoreError> {
        let done = sqlx::query(INSERT)
            .bind(project.id().as_str())
            .bind(project.name())
            .bind(project.status())
            .bind(project.priority())
            .bind(project.category())
            .bind(project.progress())
            .bind(project.created_at().as_str())
            .bind(project.updated_at().as_str())
            .bind(project.budget())
            .bind(project.actual_cost())
            .bind(print(project.document()))
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Saves `project` if the stored row is still the one that was `seen`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] if someone saved since, or the row is gone.
    pub async fn save(&mut self, project: &Project, seen: &WireTime) -> Result<(), StoreError> {
        let done = sqlx::query(SAVE)
            .bind(project.id().as_str())
            .bind(seen.as_str())
            .bind(project.name())
            .bind(project.status())
            .bind(project.priority())
            .bind(project.category())
            .bind(project.progress())
            .bind(project.created_at().as_str())
            .bind(project.updated_at().as_str())
            .bind(project.budget())
            .bind(project.actual_cost())
            .bind(print(project.document()))
            .execute(self.0.conn())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }

    /// Removes the project with this id; false if there is none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete(&mut self, id: &ProjectId) -> Result<bool, StoreError> {
        let done = sqlx::query(DELETE).bind(id.as_str()).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Puts the projects in the order of `ids`, which must name each of them once.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn reorder(&mut self, ids: &[String]) -> Result<(), StoreError> {
        let ids = serde_json::Value::from(ids).to_string();
        sqlx::query(REORDER).bind(ids).execute(self.0.conn()).await?;
        Ok(())
    }
}
