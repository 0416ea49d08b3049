//! Agent profiles.

use pilotdeck_domain::profiles::Profile;
use pilotdeck_domain::times::WireTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::document::{Document, print};
use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    FIND = "SELECT payload_json FROM agent_profiles WHERE id = $1";
    LIST = "
        SELECT payload_json FROM agent_profiles
         WHERE $1 IS NULL OR enabled = $1
         ORDER BY updated_at DESC, rowid DESC";
    INSERT = "
        INSERT INTO agent_profiles (id, name, role, enabled, created_at, updated_at, payload_json)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (id) DO NOTHING";
    SAVE = "
        UPDATE agent_profiles
           SET name = $3, role = $4, enabled = $5, updated_at = $6, payload_json = $7
         WHERE id = $1 AND updated_at = $2";
    DELETE = "DELETE FROM agent_profiles WHERE id = $1";
}

/// The table of agent profiles.
pub struct Profiles<'a>(&'a mut Tx);

impl Tx {
    /// Agent profiles.
    pub const fn profiles(&mut self) -> Profiles<'_> {
        Profiles(self)
    }
}

impl Profiles<'_> {
    /// The profile with this id, if there is one.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&mut self, id: &str) -> Result<Option<Document>, StoreError> {
        let found = sqlx::query_scalar(FIND).bind(id).fetch_optional(self.0.conn()).await?;
        Ok(found.map(Document::stored))
    }

    /// All profiles, or only those that are enabled, or are not; the last changed first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self, enabled: Option<bool>) -> Result<Vec<Document>, StoreError> {
        Ok(sqlx::query(LIST)
            .bind(enabled)
            .try_map(|row: SqliteRow| row.try_get(0).map(Document::stored))
            .fetch_all(self.0.conn())
            .await?)
    }

    /// Adds `profile`; false if its id is taken.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn insert(&mut self, profile: &Profile) -> Result<bool, StoreError> {
        let done = sqlx::query(INSERT)
            .bind(profile.id().as_str())
            .bind(profile.name())
            .bind(profile.role())
            .bind(profile.enabled())
            .bind(profile.created_at().as_str())
            .bind(profile.updated_at().as_str())
            .bind(print(profile.document()))
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Saves `profile` if the stored row is still the one that was `seen`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] if someone saved since, or the row is gone.
    pub async fn save(&mut self, profile: &Profile, seen: &WireTime) -> Result<(), StoreError> {
        let done = sqlx::query(SAVE)
            .bind(profile.id().as_str())
            .bind(seen.as_str())
            .bind(profile.name())
            .bind(profile.role())
            .bind(profile.enabled())
            .bind(profile.updated_at().as_str())
            .bind(print(profile.document()))
            .execute(self.0.conn())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale) }
    }

    /// Removes the profile with this id; false if there is none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete(&mut self, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(DELETE).bind(id).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }
}
