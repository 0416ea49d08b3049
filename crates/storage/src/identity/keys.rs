//! Keys of people, for programs.

use pilotdeck_domain::identity::{ApiKey, KeyDetails, Scope};
use pilotdeck_domain::ids::{KeyId, UserId};
use pilotdeck_domain::times::WireTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Identity, person};
use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    INSERT_KEY = "
        INSERT INTO api_keys (id, user_id, name, key_hash, prefix, scopes, project_id, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    FIND_KEY = "
        SELECT u.id, u.username, u.role, k.id AS key_id, k.name, k.scopes, k.project_id, k.last_used_at,
               (SELECT json_group_object(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id) AS memberships
          FROM api_keys k JOIN users u ON u.id = k.user_id LEFT JOIN people p ON p.user_id = u.id
         WHERE k.key_hash = $1 AND (k.expires_at IS NULL OR k.expires_at > $2) AND p.disabled_at IS NULL";
    FIND_KEY_BY_ID = "
        SELECT u.id, u.username, u.role, k.id AS key_id, k.name, k.scopes, k.project_id, k.last_used_at,
               (SELECT json_group_object(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id) AS memberships
          FROM api_keys k JOIN users u ON u.id = k.user_id LEFT JOIN people p ON p.user_id = u.id
         WHERE k.id = $1 AND (k.expires_at IS NULL OR k.expires_at > $2) AND p.disabled_at IS NULL";
    LIST_KEYS = "
        SELECT k.*, u.username FROM users u JOIN api_keys k ON k.user_id = u.id ORDER BY k.created_at, k.id";
    LIST_KEYS_OF = "
        SELECT k.*, u.username FROM users u JOIN api_keys k ON k.user_id = u.id
         WHERE u.id = $1 ORDER BY k.created_at, k.id";
    KEY_DETAILS = "SELECT k.*, u.username FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = $1";
    COUNT_KEYS = "SELECT count(*) FROM api_keys WHERE user_id = $1";
    KEY_USED = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND coalesce(last_used_at, '') < $2";
    DELETE_KEY = "DELETE FROM api_keys WHERE id = $1";
    DELETE_KEYS_OF = "DELETE FROM api_keys WHERE user_id = $1 RETURNING id";
    HAS_PROJECT = "SELECT EXISTS (SELECT 1 FROM projects WHERE id = $1)";
}

/// A key that is made.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// What is said of it.
    pub details: &'a KeyDetails,
    /// The hash of the key.
    pub key_hash: &'a str,
}

/// A key that holds.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// The key.
    pub key: ApiKey,
    /// When it was last used, as far as it was written down.
    pub last_used_at: Option<WireTime>,
}

impl Identity<'_> {
    /// Keeps a key.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn insert_key(&mut self, key: &NewKey<'_>) -> Result<(), StoreError> {
        let details = key.details;
        let scopes: Vec<&str> = details.scopes.iter().map(|scope| scope.as_str()).collect();
        sqlx::query(INSERT_KEY)
            .bind(details.id.as_str())
            .bind(details.user_id.as_str())
            .bind(&details.name)
            .bind(key.key_hash)
            .bind(&details.prefix)
            .bind(scopes.join(" "))
            .bind(&details.project_id)
            .bind(details.created_at.as_str())
            .bind(details.expires_at.as_ref().map(WireTime::as_str))
            .execute(self.0.conn())
            .await?;
        Ok(())
    }

    /// The key with this hash, if it holds and its owner may sign in.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_key(
        &mut self,
        key_hash: &str,
        now: &str,
    ) -> Result<Option<KnownKey>, StoreError> {
        Ok(sqlx::query(FIND_KEY)
            .bind(key_hash)
            .bind(now)
            .try_map(|row: SqliteRow| known(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// The key with this id, if it holds and its owner may sign in.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_key_by_id(
        &mut self,
        id: &KeyId,
        now: &str,
    ) -> Result<Option<KnownKey>, StoreError> {
        Ok(sqlx::query(FIND_KEY_BY_ID)
            .bind(id.as_str())
            .bind(now)
            .try_map(|row: SqliteRow| known(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// The keys of a user, or of everybody, the first ones first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list_keys(
        &mut self,
        user: Option<&UserId>,
    ) -> Result<Vec<KeyDetails>, StoreError> {
        let query = match user {
            Some(user) => sqlx::query(LIST_KEYS_OF).bind(user.as_str().to_owned()),
            None => sqlx::query(LIST_KEYS),
        };
        Ok(query.try_map(|row: SqliteRow| details(&row)).fetch_all(self.0.conn()).await?)
    }

    /// What is said of a key, whether it holds or not.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn key_details(&mut self, id: &KeyId) -> Result<Option<KeyDetails>, StoreError> {
        Ok(sqlx::query(KEY_DETAILS)
            .bind(id.as_str())
            .try_map(|row: SqliteRow| details(&row))
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// How many keys a user has.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn count_keys(&mut self, user: &UserId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT_KEYS).bind(user.as_str()).fetch_one(self.0.conn()).await?)
    }

    /// Forgets a key.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete_key(&mut self, id: &KeyId) -> Result<(), StoreError> {
        sqlx::query(DELETE_KEY).bind(id.as_str()).execute(self.0.conn()).await?;
        Ok(())
    }

    /// Forgets all keys of a user; returns which.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn delete_keys_of(&mut self, user: &UserId) -> Result<Vec<KeyId>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar(DELETE_KEYS_OF).bind(user.as_str()).fetch_all(self.0.conn()).await?;
        Ok(ids.into_iter().map(KeyId::stored).collect())
    }

    /// Whether there is a project with this id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn has_project(&mut self, id: &str) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_PROJECT).bind(id).fetch_one(self.0.conn()).await?)
    }
}

impl Tx {
    /// Notes that a key was used, and makes it durable. This changes nothing of what lines are about.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn key_used(mut self, id: &KeyId, now: &WireTime) -> Result<(), StoreError> {
        sqlx::query(KEY_USED).bind(id.as_str()).bind(now.as_str()).execute(self.conn()).await?;
        self.commit_without_lines().await
    }
}

/// Scopes are stored as their words. One that is not known opens nothing.
fn scopes(row: &SqliteRow) -> Result<Vec<Scope>, sqlx::Error> {
    let words: String = row.try_get("scopes")?;
    Ok(words.split(' ').filter_map(Scope::from_word).collect())
}

fn known(row: &SqliteRow) -> Result<KnownKey, sqlx::Error> {
    Ok(KnownKey {
        key: ApiKey {
            id: KeyId::stored(row.try_get::<String, _>("key_id")?),
            name: row.try_get("name")?,
            scopes: scopes(row)?,
            project: row.try_get("project_id")?,
            owner: person(row)?,
        },
        last_used_at: row.try_get::<Option<String>, _>("last_used_at")?.map(WireTime::stored),
    })
}

fn details(row: &SqliteRow) -> Result<KeyDetails, sqlx::Error> {
    let time = |name: &str| -> Result<Option<WireTime>, sqlx::Error> {
        Ok(row.try_get::<Option<String>, _>(name)?.map(WireTime::stored))
    };
    Ok(KeyDetails {
        id: KeyId::stored(row.try_get::<String, _>("id")?),
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        scopes: scopes(row)?,
        project_id: row.try_get("project_id")?,
        user_id: UserId::stored(row.try_get::<String, _>("user_id")?),
        username: row.try_get("username")?,
        created_at: WireTime::stored(row.try_get::<String, _>("created_at")?),
        expires_at: time("expires_at")?,
        last_used_at: time("last_used_at")?,
    })
}
