//! Keys and values about the database as a whole.

use chrono::{DateTime, Utc};
use pilotdeck_domain::times::WireTime;

use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    FIND = "SELECT value FROM meta WHERE key = $1";
    MOVE = "
        INSERT INTO meta (key, value) VALUES ($1, $2)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE excluded.value > meta.value";
}

/// A collection that remembers when it was last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// Projects, their order included.
    Projects,
    /// Agent runs.
    Runs,
    /// Agent profiles.
    Profiles,
    /// Capabilities.
    Capabilities,
    /// Usage records.
    Usage,
}

impl Collection {
    const fn key(self) -> &'static str {
        match self {
            Self::Projects => "projects.lastUpdated",
            Self::Runs => "agent_runs.lastUpdated",
            Self::Profiles => "agent_profiles.lastUpdated",
            Self::Capabilities => "agent_capabilities.lastUpdated",
            Self::Usage => "token_usage.lastUpdated",
        }
    }
}

impl Tx {
    /// When `collection` was last changed.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn last_updated(
        &mut self,
        collection: Collection,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(FIND).bind(collection.key()).fetch_optional(self.conn()).await?)
    }

    /// Says that `collection` was changed.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn touch(
        &mut self,
        collection: Collection,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let now = WireTime::from(now);
        sqlx::query(MOVE).bind(collection.key()).bind(now.as_str()).execute(self.conn()).await?;
        Ok(())
    }
}
