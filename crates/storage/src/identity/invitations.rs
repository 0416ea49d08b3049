//! Invitations that wait to be accepted.

use pilotdeck_domain::identity::{Invitation, ProjectGrant, Role};
use pilotdeck_domain::ids::{InvitationId, UserId};
use pilotdeck_domain::times::WireTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Identity;
use crate::StoreError;
use crate::statements::statements;

statements! {
    INSERT_INVITATION = "
        INSERT INTO invitations (id, token_hash, role, full_name, email, projects, invited_by, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    FIND_INVITATION = "SELECT * FROM invitations WHERE token_hash = $1 AND expires_at > $2";
    TAKE_INVITATION = "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2 RETURNING *";
    LIST_INVITATIONS = "SELECT * FROM invitations ORDER BY created_at, id LIMIT $1";
    COUNT_INVITATIONS = "SELECT count(*) FROM (SELECT 1 FROM invitations ORDER BY created_at, id LIMIT $1)";
    DELETE_INVITATION = "DELETE FROM invitations WHERE id = $1 RETURNING *";
    DELETE_INVITATIONS_BY = "DELETE FROM invitations WHERE invited_by = $1 RETURNING id";
    GRANT = "
        INSERT INTO project_members (user_id, project_id, role, added_at)
        SELECT $1, id, $3, $4 FROM projects WHERE id = $2";
}

impl Identity<'_> {
    /// Keeps an invitation.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn insert_invitation(
        &mut self,
        invitation: &Invitation,
        token_hash: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(INSERT_INVITATION)
            .bind(invitation.id.as_str())
            .bind(token_hash)
            .bind(invitation.role.as_str())
            .bind(&invitation.full_name)
            .bind(&invitation.email)
            .bind(sqlx::types::Json(&invitation.projects))
            .bind(invitation.invited_by.as_ref().map(UserId::as_str))
            .bind(invitation.created_at.as_str())
            .bind(invitation.expires_at.as_str())
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// Whether there is an invitation with this token that can be accepted.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn is_invited(&mut self, token_hash: &str, now: &str) -> Result<bool, StoreError> {
        let found = sqlx::query(FIND_INVITATION).bind(token_hash).bind(now);
        Ok(found.fetch_optional(self.0.conn()).await?.is_some())
    }

    /// Takes an invitation that can be accepted: from the commit on, it is gone.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn take_invitation(
        &mut self,
        token_hash: &str,
        now: &str,
    ) -> Result<Option<Invitation>, StoreError> {
        Ok(sqlx::query(TAKE_INVITATION)
            .bind(token_hash)
            .bind(now)
            .try_map(|row: SqliteRow| invitation(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// The first `most` invitations, also those that expired.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list_invitations(&mut self, most: i64) -> Result<Vec<Invitation>, StoreError> {
        Ok(sqlx::query(LIST_INVITATIONS)
            .bind(most)
            .try_map(|row: SqliteRow| invitation(&row))
            .fetch_all(self.0.conn())
            .await?)
    }

    /// How many invitations there are, counted up to `most`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count_invitations(&mut self, most: i64) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT_INVITATIONS).bind(most).fetch_one(self.0.conn()).await?)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete_invitation(
        &mut self,
        id: &InvitationId,
    ) -> Result<Option<Invitation>, StoreError> {
        Ok(sqlx::query(DELETE_INVITATION)
            .bind(id.as_str())
            .try_map(|row: SqliteRow| invitation(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// Takes back what this user invited; returns which.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete_invitations_by(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<InvitationId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(DELETE_INVITATIONS_BY)
            .bind(user.as_str())
            .fetch_all(self.0.conn())
            .await?;
        Ok(ids.into_iter().map(InvitationId::stored).collect())
    }

    /// Makes a new user what was promised in a project; false if it is gone.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn grant(
        &mut self,
        user: &UserId,
        grant: &ProjectGrant,
        now: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(GRANT)
            .bind(user.as_str())
            .bind(&grant.project_id)
            .bind(grant.role.as_str())
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn invitation(row: &SqliteRow) -> Result<Invitation, sqlx::Error> {
    let projects: String = row.try_get("projects")?;
    Ok(Invitation {
        id: InvitationId::stored(row.try_get::<String, _>("id")?),
        role: Role::stored(row.try_get("role")?),
        full_name: row.try_get("full_name")?,
        email: row.try_get("email")?,
        projects: serde_json::from_str(&projects)
            .map_err(|error| sqlx::Error::Decode(error.into()))?,
        invited_by: row.try_get::<Option<String>, _>("invited_by")?.map(UserId::stored),
        created_at: WireTime::stored(row.try_get::<String, _>("created_at")?),
        expires_at: WireTime::stored(row.try_get::<String, _>("expires_at")?),
    })
}
