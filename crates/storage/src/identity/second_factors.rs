//! Second factors, and the codes for those who lost theirs.

use pilotdeck_domain::ids::UserId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Identity;
use crate::StoreError;
use crate::statements::statements;

statements! {
    FIND_FACTOR = "SELECT sealed, confirmed_at, last_step FROM second_factors WHERE user_id = $1";
    BEGIN_FACTOR = "
        INSERT INTO second_factors (user_id, sealed, begun_at) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, begun_at = excluded.begun_at, last_step = 0
         WHERE confirmed_at IS NULL";
    CONFIRM_FACTOR = "UPDATE second_factors SET confirmed_at = coalesce(confirmed_at, $2) WHERE user_id = $1";
    USE_STEP = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2";
    DELETE_FACTOR = "DELETE FROM second_factors WHERE user_id = $1";
    COUNT_CODES = "SELECT count(*) FROM recovery_codes WHERE user_id = $1";
    ADD_CODE = "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)";
    USE_CODE = "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2";
    DELETE_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
}

/// A second factor, as it is stored.
#[derive(Clone, Debug)]
pub struct StoredFactor {
    /// Its secret, sealed.
    pub sealed: Vec<u8>,
    /// Whether it is asked for.
    pub is_confirmed: bool,
}

impl Identity<'_> {
    /// The second factor of a user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_factor(&mut self, user: &UserId) -> Result<Option<StoredFactor>, StoreError> {
        Ok(sqlx::query(FIND_FACTOR)
            .bind(user.as_str())
            .try_map(|row: SqliteRow| {
                Ok(StoredFactor {
                    sealed: row.try_get("sealed")?,
                    is_confirmed: row.try_get::<Option<String>, _>("confirmed_at")?.is_some(),
                })
            })
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// Keeps the secret of a factor that is to be confirmed; false if there is one that is confirmed.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn begin_factor(
        &mut self,
        user: &UserId,
        sealed: &[u8],
        now: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(BEGIN_FACTOR)
            .bind(user.as_str())
            .bind(sealed)
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Asks for the factor from now on.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn confirm_factor(&mut self, user: &UserId, now: &str) -> Result<(), StoreError> {
        sqlx::query(CONFIRM_FACTOR).bind(user.as_str()).bind(now).execute(self.0.conn()).await?;
        Ok(())
    }

    /// Takes the code of a step; false if this code, or a later one, was taken already.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn use_step(&mut self, user: &UserId, step: i64) -> Result<bool, StoreError> {
        let done =
            sqlx::query(USE_STEP).bind(user.as_str()).bind(step).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Forgets the factor of a user and their codes; false if there was none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete_factor(&mut self, user: &UserId) -> Result<bool, StoreError> {
        sqlx::query(DELETE_CODES).bind(user.as_str()).execute(self.0.conn()).await?;
        let done = sqlx::query(DELETE_FACTOR).bind(user.as_str()).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// How many recovery codes a user has left.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count_codes(&mut self, user: &UserId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT_CODES).bind(user.as_str()).fetch_one(self.0.conn()).await?)
    }

    /// Replaces the recovery codes of a user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn replace_codes(
        &mut self,
        user: &UserId,
        hashes: &[String],
    ) -> Result<(), StoreError> {
        sqlx::query(DELETE_CODES).bind(user.as_str()).execute(self.0.conn()).await?;
        for hash in hashes {
            sqlx::query(ADD_CODE).bind(user.as_str()).bind(hash).execute(self.0.conn()).await?;
        }
        Ok(())
    }

    /// Takes a recovery code: from the commit on, it is gone. False if it is none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn use_code(&mut self, user: &UserId, hash: &str) -> Result<bool, StoreError> {
        let done =
            sqlx::query(USE_CODE).bind(user.as_str()).bind(hash).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }
}
