//! Keys and values about the database as a whole.

use chrono::{DateTime, Utc};
use pilotdeck_domain::times::WireTime;

use crate::statements::statements;
use crate::{StoreError, Tx};

statements! {
    FIND = "SELECT value FROM meta WHERE key = $1";
    /// Part of a commit.
    pub(crate) MOVE = "
        INSERT INTO meta (key, value)
        SELECT value ->> 0, value ->> 1 FROM json_each($4)
         WHERE true
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
        let stored: Option<String> =
            sqlx::query_scalar(FIND).bind(collection.key()).fetch_optional(self.conn()).await?;
        let touched = self.waiting().into_iter().flat_map(|pending| &pending.touched);
        let touched = touched.filter(|(key, _)| *key == collection.key()).map(|(_, now)| now);
        Ok(touched.cloned().chain(stored).max())
    }

    /// Says that `collection` was changed. It is written with the commit, and never moves back.
    ///
    /// # Panics
    ///
    /// If this is no write transaction.
    pub fn touch(&mut self, collection: Collection, now: DateTime<Utc>) {
        let touched = &mut self.pending().touched;
        touched.retain(|(key, _)| *key != collection.key());
        touched.push((collection.key(), WireTime::from(now).as_str().to_owned()));
    }
}
