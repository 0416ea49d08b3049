//! Users and their sessions.

use std::collections::BTreeMap;

use pilotdeck_domain::identity::{Memberships, Person, ProjectRole, Role, User};
use pilotdeck_domain::ids::UserId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    COUNT = "SELECT count(*) FROM users";
    FIND_BY_NAME = "SELECT id, username, role, password_hash FROM users WHERE username = $1";
    FIND = "SELECT id, username, role, password_hash FROM users WHERE id = $1";
    INSERT = "
        INSERT INTO users (id, username, password_hash, role, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    SET_PASSWORD = "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1";
    SIGNED_IN = "UPDATE users SET last_login_at = $2 WHERE id = $1";
    OPEN_SESSION = "INSERT INTO sessions (key_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    FIND_SESSION = "
        SELECT u.id, u.username, u.role,
               (SELECT json_group_object(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id) AS memberships
          FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.key_hash = $1 AND s.expires_at > $2";
    END_SESSION = "DELETE FROM sessions WHERE key_hash = $1";
    END_SESSIONS = "DELETE FROM sessions WHERE user_id = $1 AND key_hash <> $2";
    SWEEP_SESSIONS = "DELETE FROM sessions WHERE expires_at <= $1";
}

/// A user with the hash of their password.
#[derive(Clone)]
pub struct Account {
    /// Who it is.
    pub user: User,
    /// Argon2id in PHC form, or the hex SHA-256 of an older database.
    pub password_hash: String,
}

/// The tables of users and sessions.
pub struct Identity<'a>(&'a mut Tx);

impl Tx {
    /// Users and sessions.
    pub const fn identity(&mut self) -> Identity<'_> {
        Identity(self)
    }
}

impl Identity<'_> {
    /// How many users there are.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT).fetch_one(self.0.conn()).await?)
    }

    /// The account that signs in with this name.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_by_name(&mut self, username: &str) -> Result<Option<Account>, StoreError> {
        Ok(sqlx::query(FIND_BY_NAME)
            .bind(username)
            .try_map(|row: SqliteRow| account(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// The account of this user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find(&mut self, id: &UserId) -> Result<Option<Account>, StoreError> {
        Ok(sqlx::query(FIND)
            .bind(id.as_str())
            .try_map(|row: SqliteRow| account(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// Adds an account. The name must be free.
    ///
    /// # Errors
    ///
    /// If the database fails, or the name is taken.
    pub async fn insert(&mut self, account: &Account, now: &str) -> Result<(), StoreError> {
        sqlx::query(INSERT)
            .bind(account.user.id.as_str())
            .bind(&account.user.username)
            .bind(&account.password_hash)
            .bind(account.user.role.as_str())
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// Replaces the hash of a user's password.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn set_password(
        &mut self,
        id: &UserId,
        hash: &str,
        now: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(SET_PASSWORD)
            .bind(id.as_str())
            .bind(hash)
            .bind(now)
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// Opens a session and notes the sign-in.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn open_session(
        &mut self,
        key_hash: &str,
        id: &UserId,
        now: &str,
        expires_at: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(SWEEP_SESSIONS).bind(now).execute(self.0.conn()).await?;
        sqlx::query(OPEN_SESSION)
            .bind(key_hash)
            .bind(id.as_str())
            .bind(now)
            .bind(expires_at)
            .execute(self.0.conn())
            .await?;
        sqlx::query(SIGNED_IN).bind(id.as_str()).bind(now).execute(self.0.conn()).await?;
        Ok(())
    }

    /// The person of a session that has not expired.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_session(
        &mut self,
        key_hash: &str,
        now: &str,
    ) -> Result<Option<Person>, StoreError> {
        Ok(sqlx::query(FIND_SESSION)
            .bind(key_hash)
            .bind(now)
            .try_map(|row: SqliteRow| person(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// Ends a session; false if there is none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn end_session(&mut self, key_hash: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(END_SESSION).bind(key_hash).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends all sessions of a user but the one with this key; returns how many.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn end_sessions_but(&mut self, id: &UserId, kept: &str) -> Result<u64, StoreError> {
        let done =
            sqlx::query(END_SESSIONS).bind(id.as_str()).bind(kept).execute(self.0.conn()).await?;
        Ok(done.rows_affected())
    }
}

fn account(row: &SqliteRow) -> Result<Account, sqlx::Error> {
    Ok(Account { user: user(row)?, password_hash: row.try_get("password_hash")? })
}

fn user(row: &SqliteRow) -> Result<User, sqlx::Error> {
    Ok(User {
        id: UserId::stored(row.try_get::<String, _>("id")?),
        username: row.try_get("username")?,
        role: Role::stored(row.try_get("role")?),
    })
}

fn person(row: &SqliteRow) -> Result<Person, sqlx::Error> {
    let User { id, username, role } = user(row)?;
    Ok(Person { id, username, role, memberships: memberships(row.try_get("memberships")?)? })
}

/// Reads an object of project ids and roles.
fn memberships(raw: &str) -> Result<Memberships, sqlx::Error> {
    let memberships: BTreeMap<String, ProjectRole> =
        serde_json::from_str(raw).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(memberships.into())
}
