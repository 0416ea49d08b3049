//! What people are in projects.

use pilotdeck_domain::identity::ProjectRole;
use pilotdeck_domain::ids::UserId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    LIST = "
        SELECT m.user_id, u.username, m.role, m.added_at
          FROM project_members m CROSS JOIN users u ON u.id = m.user_id
         WHERE m.project_id = $1 ORDER BY m.added_at, m.user_id";
    /// The id first: a name that looks like another one's id is not it.
    FIND_USER = "SELECT id, username FROM users WHERE id = $1 OR username = $1 ORDER BY id <> $1 LIMIT 1";
    /// Nothing where the user is gone by now.
    INSERT = "
        INSERT INTO project_members (user_id, project_id, role, added_at)
        SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM users WHERE id = $1)
            ON CONFLICT (user_id, project_id) DO NOTHING";
    CHANGE = "UPDATE project_members SET role = $3 WHERE user_id = $1 AND project_id = $2";
    REMOVE = "DELETE FROM project_members WHERE user_id = $1 AND project_id = $2";
    PEOPLE = "SELECT id, username FROM users ORDER BY username LIMIT $1";
}

/// A member of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub user_id: UserId,
    /// The name they sign in with.
    pub username: String,
    /// What they are in the project.
    pub role: ProjectRole,
    /// Since when.
    pub added_at: String,
}

/// The table of members.
pub struct Members<'a>(&'a mut Tx);

impl Tx {
    /// Members of projects.
    pub const fn members(&mut self) -> Members<'_> {
        Members(self)
    }
}

impl Members<'_> {
    /// The members of a project, the first one first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, project_id: &str) -> Result<Vec<Member>, StoreError> {
        Ok(sqlx::query(LIST)
            .bind(project_id)
            .try_map(|row: SqliteRow| {
                let role: &str = row.try_get("role")?;
                Ok(Member {
                    user_id: UserId::stored(row.try_get::<String, _>("user_id")?),
                    username: row.try_get("username")?,
                    // The table has a check: another word cannot be there.
                    role: ProjectRole::from_word(role).unwrap_or(ProjectRole::Viewer),
                    added_at: row.try_get("added_at")?,
                })
            })
            .fetch_all(self.0.conn())
            .await?)
    }

    /// The user with this id, or else with this name, and their name.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_user(
        &mut self,
        reference: &str,
    ) -> Result<Option<(UserId, String)>, StoreError> {
        let found: Option<(String, String)> =
            sqlx::query_as(FIND_USER).bind(reference).fetch_optional(self.0.conn()).await?;
        Ok(found.map(|(id, username)| (UserId::stored(id), username)))
    }

    /// Makes a user a member; false if they are one, or there is no such user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn insert(
        &mut self,
        project_id: &str,
        user_id: &UserId,
        role: ProjectRole,
        now: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(INSERT)
            .bind(user_id.as_str())
            .bind(project_id)
            .bind(role.as_str())
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Makes a member something else; false if they are none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn change(
        &mut self,
        project_id: &str,
        user_id: &UserId,
        role: ProjectRole,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(CHANGE)
            .bind(user_id.as_str())
            .bind(project_id)
            .bind(role.as_str())
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a member; false if they are none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn remove(&mut self, project_id: &str, user_id: &UserId) -> Result<bool, StoreError> {
        let done = sqlx::query(REMOVE)
            .bind(user_id.as_str())
            .bind(project_id)
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The first `limit` people by name.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn people(&mut self, limit: i64) -> Result<Vec<(UserId, String)>, StoreError> {
        let people: Vec<(String, String)> =
            sqlx::query_as(PEOPLE).bind(limit).fetch_all(self.0.conn()).await?;
        Ok(people.into_iter().map(|(id, name)| (UserId::stored(id), name)).collect())
    }
}
