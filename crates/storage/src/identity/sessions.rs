//! Sessions of people who signed in.

use pilotdeck_domain::identity::{Person, SessionDetails};
use pilotdeck_domain::ids::{SessionId, UserId};
use pilotdeck_domain::times::WireTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Identity, person};
use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    OPEN = "
        INSERT INTO sessions (key_hash, user_id, created_at, expires_at, id, last_seen_at, address, user_agent)
        VALUES ($1, $2, $3, $4, $5, $3, $6, $7)";
    SIGNED_IN = "UPDATE users SET last_login_at = $2 WHERE id = $1";
    FIND = "
        SELECT u.id, u.username, u.role, s.id AS session_id, s.last_seen_at,
               (SELECT json_group_object(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id) AS memberships
          FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN people p ON p.user_id = u.id
         WHERE s.key_hash = $1 AND s.expires_at > $2 AND p.disabled_at IS NULL";
    LIST = "
        SELECT id, created_at, expires_at, last_seen_at, address, user_agent, key_hash = $3 AS is_current
          FROM sessions WHERE user_id = $1 AND expires_at > $2";
    SEEN = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2";
    END = "DELETE FROM sessions WHERE key_hash = $1";
    END_BY_ID = "DELETE FROM sessions WHERE id = $1 AND user_id = $2";
    END_ALL = "DELETE FROM sessions WHERE user_id = $1 AND key_hash <> $2 RETURNING id";
    SWEEP = "DELETE FROM sessions WHERE expires_at <= $1";
}

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// The hash of its key.
    pub key_hash: &'a str,
    /// Whose it is.
    pub user: &'a UserId,
    /// When it begins.
    pub now: &'a WireTime,
    /// When it ends by itself.
    pub expires_at: &'a WireTime,
    /// Where the sign-in came from.
    pub address: Option<String>,
    /// The program that signed in, by its own word.
    pub user_agent: Option<&'a str>,
}

/// A session that is open.
#[derive(Clone, Debug)]
pub struct KnownSession {
    /// Which one.
    pub id: SessionId,
    /// Whose it is.
    pub person: Person,
    /// When it was last used, as far as it was written down.
    pub last_seen_at: WireTime,
}

impl Identity<'_> {
    /// Opens a session and notes the sign-in.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn open_session(
        &mut self,
        session: &NewSession<'_>,
    ) -> Result<SessionId, StoreError> {
        let (id, now) = (SessionId::mint(), session.now.as_str());
        sqlx::query(SWEEP).bind(now).execute(self.0.conn()).await?;
        sqlx::query(OPEN)
            .bind(session.key_hash)
            .bind(session.user.as_str())
            .bind(now)
            .bind(session.expires_at.as_str())
            .bind(id.as_str())
            .bind(&session.address)
            .bind(session.user_agent)
            .execute(self.0.conn())
            .await?;
        sqlx::query(SIGNED_IN).bind(session.user.as_str()).bind(now).execute(self.0.conn()).await?;
        Ok(id)
    }

    /// A session that has not expired, of a person who may sign in.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_session(
        &mut self,
        key_hash: &str,
        now: &str,
    ) -> Result<Option<KnownSession>, StoreError> {
        Ok(sqlx::query(FIND)
            .bind(key_hash)
            .bind(now)
            .try_map(|row: SqliteRow| {
                Ok(KnownSession {
                    id: SessionId::stored(row.try_get::<String, _>("session_id")?),
                    person: person(&row)?,
                    last_seen_at: WireTime::stored(row.try_get::<String, _>("last_seen_at")?),
                })
            })
            .fetch_optional(self.0.conn())
            .await?)
    }

    /// The open sessions of a user, the newest first; `current` is the hash of the key of the one that asks.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list_sessions(
        &mut self,
        user: &UserId,
        now: &str,
        current: &str,
    ) -> Result<Vec<SessionDetails>, StoreError> {
        let mut sessions: Vec<SessionDetails> = sqlx::query(LIST)
            .bind(user.as_str())
            .bind(now)
            .bind(current)
            .try_map(|row: SqliteRow| details(&row))
            .fetch_all(self.0.conn())
            .await?;
        sessions
            .sort_by(|one, other| (&other.created_at, &other.id).cmp(&(&one.created_at, &one.id)));
        Ok(sessions)
    }

    /// Ends a session; false if there is none.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn end_session(&mut self, key_hash: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(END).bind(key_hash).execute(self.0.conn()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a session of this user; false if they have none with this id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn end_session_of(
        &mut self,
        user: &UserId,
        id: &SessionId,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(END_BY_ID)
            .bind(id.as_str())
            .bind(user.as_str())
            .execute(self.0.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends all sessions of a user but the one with this key; returns which.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn end_sessions_but(
        &mut self,
        id: &UserId,
        kept: &str,
    ) -> Result<Vec<SessionId>, StoreError> {
        let ended: Vec<String> = sqlx::query_scalar(END_ALL)
            .bind(id.as_str())
            .bind(kept)
            .fetch_all(self.0.conn())
            .await?;
        Ok(ended.into_iter().map(SessionId::stored).collect())
    }
}

impl Tx {
    /// Notes that a session was used, and makes it durable. This changes nothing of what lines are about.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn session_seen(mut self, id: &SessionId, now: &WireTime) -> Result<(), StoreError> {
        sqlx::query(SEEN).bind(id.as_str()).bind(now.as_str()).execute(self.conn()).await?;
        self.commit_without_lines().await
    }
}

fn details(row: &SqliteRow) -> Result<SessionDetails, sqlx::Error> {
    let time = |name: &str| row.try_get::<String, _>(name).map(WireTime::stored);
    Ok(SessionDetails {
        id: SessionId::stored(row.try_get::<String, _>("id")?),
        created_at: time("created_at")?,
        last_seen_at: time("last_seen_at")?,
        expires_at: time("expires_at")?,
        address: row.try_get("address")?,
        user_agent: row.try_get("user_agent")?,
        is_current: row.try_get("is_current")?,
    })
}
