//! What is known of users.

use pilotdeck_domain::identity::{Role, UserDetails, Username};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::times::WireTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Identity;
use crate::StoreError;
use crate::statements::statements;

statements! {
    LIST = "
        SELECT users.id, users.username, users.role, users.created_at, users.updated_at, users.last_login_at, p.full_name, p.email, p.disabled_at,
               EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = users.id AND f.confirmed_at IS NOT NULL) AS has_factor
          FROM users LEFT JOIN people p ON p.user_id = users.id
         ORDER BY users.created_at, users.id";
    FIND = "
        SELECT users.id, users.username, users.role, users.created_at, users.updated_at, users.last_login_at, p.full_name, p.email, p.disabled_at,
               EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = users.id AND f.confirmed_at IS NOT NULL) AS has_factor
          FROM users LEFT JOIN people p ON p.user_id = users.id
         WHERE users.id = $1";
    SAVE_USER = "UPDATE users SET username = $2, role = $3, updated_at = $4 WHERE id = $1";
    SAVE_PERSON = "
        INSERT INTO people (user_id, full_name, email, disabled_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id) DO UPDATE SET
               full_name = excluded.full_name, email = excluded.email,
               disabled_at = CASE WHEN excluded.disabled_at IS NULL THEN NULL
                                  ELSE coalesce(people.disabled_at, excluded.disabled_at) END";
    OTHER_ADMINISTRATORS = "
        SELECT count(*) FROM users LEFT JOIN people p ON p.user_id = users.id
         WHERE users.role = 'admin' AND p.disabled_at IS NULL AND users.id <> $1";
    NAMES = "SELECT users.id, users.username, p.email FROM users LEFT JOIN people p ON p.user_id = users.id";
}

/// What must be of one user alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The name to sign in with.
    Username,
    /// The address.
    Email,
}

impl Identity<'_> {
    /// All users, the first ones first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list(&mut self) -> Result<Vec<UserDetails>, StoreError> {
        Ok(sqlx::query(LIST)
            .try_map(|row: SqliteRow| details(&row))
            .fetch_all(self.0.conn())
            .await?)
    }

    /// What is known of this user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn details(&mut self, id: &UserId) -> Result<Option<UserDetails>, StoreError> {
        Ok(sqlx::query(FIND)
            .bind(id.as_str())
            .try_map(|row: SqliteRow| details(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// Saves what is known of a user who is there.
    ///
    /// # Errors
    ///
    /// If the database fails, or the name is taken.
    pub async fn save(&mut self, user: &UserDetails) -> Result<(), StoreError> {
        sqlx::query(SAVE_USER)
            .bind(user.id.as_str())
            .bind(&user.username)
            .bind(user.role.as_str())
            .bind(user.updated_at.as_str())
            .execute(self.0.conn())
            .await?;
        sqlx::query(SAVE_PERSON)
            .bind(user.id.as_str())
            .bind(&user.full_name)
            .bind(&user.email)
            .bind((!user.is_active).then_some(user.updated_at.as_str()))
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// How many others than this user may do everything.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count_other_administrators(&mut self, id: &UserId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(OTHER_ADMINISTRATORS)
            .bind(id.as_str())
            .fetch_one(self.0.conn())
            .await?)
    }

    /// What of this is another user's already, whatever the case of its letters.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn claimed(
        &mut self,
        id: Option<&UserId>,
        username: &str,
        email: Option<&str>,
    ) -> Result<Option<Claimed>, StoreError> {
        let rows: Vec<(String, String, Option<String>)> =
            sqlx::query_as(NAMES).fetch_all(self.0.conn()).await?;
        let others = rows.iter().filter(|(other, ..)| id.is_none_or(|id| id.as_str() != other));
        let (username, email) = (Username::folded(username), email.map(Username::folded));
        for (_, name, address) in others {
            if Username::folded(name) == username {
                return Ok(Some(Claimed::Username));
            }
            if email.is_some() && address.as_deref().map(Username::folded) == email {
                return Ok(Some(Claimed::Email));
            }
        }
        Ok(None)
    }
}

fn details(row: &SqliteRow) -> Result<UserDetails, sqlx::Error> {
    let time = |name: &str| row.try_get::<String, _>(name).map(WireTime::stored);
    Ok(UserDetails {
        id: UserId::stored(row.try_get::<String, _>("id")?),
        username: row.try_get("username")?,
        full_name: row.try_get("full_name")?,
        email: row.try_get("email")?,
        role: Role::stored(row.try_get("role")?),
        is_active: row.try_get::<Option<String>, _>("disabled_at")?.is_none(),
        has_second_factor: row.try_get("has_factor")?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
        last_sign_in_at: row.try_get::<Option<String>, _>("last_login_at")?.map(WireTime::stored),
    })
}
