//! Users, and what opens the door to them.

use std::collections::BTreeMap;

use pilotdeck_domain::identity::{Memberships, Person, ProjectRole, Role, User, Username};
use pilotdeck_domain::ids::UserId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    COUNT = "SELECT count(*) FROM users";
    FIND_BY_NAME = "
        SELECT id, username, role, password_hash FROM users WHERE username IN ($1, $2) ORDER BY username = $1 DESC LIMIT 1";
    FIND = "SELECT id, username, role, password_hash FROM users WHERE id = $1";
    INSERT = "
        INSERT INTO users (id, username, password_hash, role, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $5)";
    SET_PASSWORD = "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1";
}

/// A user with the hash of their password.
#[derive(Clone)]
pub struct Account {
    /// Who it is.
    pub user: User,
    /// Argon2id in PHC form, or the hex SHA-256 of an older database.
    pub password_hash: String,
}

mod invitations;
mod keys;
mod people;
mod second_factors;
mod sessions;

#[cfg(test)]
pub(crate) const ALL_STATEMENTS: [(&str, &[(&str, &str)]); 6] = [
    ("identity", STATEMENTS),
    ("invitations", invitations::STATEMENTS),
    ("keys", keys::STATEMENTS),
    ("people", people::STATEMENTS),
    ("second_factors", second_factors::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
];

pub use keys::{KnownKey, NewKey};
pub use people::Claimed;
pub use second_factors::StoredFactor;
pub use sessions::{KnownSession, NewSession};

/// The tables of users and of what opens the door to them.
pub struct Identity<'a>(&'a mut Tx);

impl Tx {
    /// Users, sessions, keys, invitations and second factors.
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

    /// The account that signs in with this name, in the case in which it was typed or else in lowercase.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_by_name(&mut self, username: &str) -> Result<Option<Account>, StoreError> {
        Ok(sqlx::query(FIND_BY_NAME)
            .bind(username)
            .bind(Username::folded(username))
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
