//! Profiles: who an agent is meant to be.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    InvalidInput, coerce,
    draft::{self, Draft},
    ids::ProfileId,
    times::WireTime,
};

/// Fields that a change may carry, but that no change reaches.
const IGNORED: &[&str] = &["id", "createdAt", "updatedAt"];

/// An agent profile in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    id: ProfileId,
    name: String,
    role: Option<String>,
    enabled: bool,
    created_at: WireTime,
    updated_at: WireTime,
    document: Map<String, Value>,
}

impl Profile {
    /// A new profile from what a client sent.
    ///
    /// # Errors
    ///
    /// [`InputCode::Id`](crate::InputCode::Id) and [`InputCode::Time`](crate::InputCode::Time) if a chosen id or time
    /// is none, [`InputCode::Invalid`](crate::InputCode::Invalid) if a structure was sent where a text belongs.
    pub fn create(body: Map<String, Value>, now: DateTime<Utc>) -> Result<Self, InvalidInput> {
        let mut draft = Draft::sent(body);
        let id = match draft.chosen_id() {
            Some(id) => ProfileId::parse("id", &id)?,
            None => ProfileId::mint(),
        };
        let created_at = draft.time("createdAt")?.unwrap_or_else(|| now.into());
        let updated_at = draft.time("updatedAt")?.unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, updated_at)
    }

    /// The stored profile with each field of `patch` in place of its own.
    ///
    /// # Errors
    ///
    /// [`InputCode::Invalid`](crate::InputCode::Invalid) if the patch puts a structure where a text belongs.
    pub fn merged(
        stored: &Map<String, Value>,
        patch: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidInput> {
        let mut draft = Draft::merged(stored, patch, IGNORED);
        let id = ProfileId::stored(draft::stored_id(stored));
        draft.any("id");
        draft.any("updatedAt");
        let created_at = draft.time("createdAt")?.unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, draft::next_version(stored, now))
    }

    fn normal(
        mut draft: Draft,
        id: ProfileId,
        created_at: WireTime,
        updated_at: WireTime,
    ) -> Result<Self, InvalidInput> {
        let name = draft.name("Agent")?;
        let role = draft.text("role")?.unwrap_or_else(|| "general".to_owned());
        let description = draft.any_or("description", "");
        let style_tags = draft.list("styleTags")?;
        let skills = draft.list("skills")?;
        let output_mode = draft.any_or("outputMode", "concise");
        let writeback_policy = draft.any_or("writebackPolicy", "minimal");
        let permissions = draft.object("permissions");
        let enabled = coerce::enabled(&draft.any("enabled"));
        let meta = draft.object("meta");
        let document = draft.document([
            ("id", json!(id)),
            ("name", json!(name)),
            ("role", json!(role)),
            ("description", description),
            ("styleTags", Value::Array(style_tags)),
            ("skills", Value::Array(skills)),
            ("outputMode", output_mode),
            ("writebackPolicy", writeback_policy),
            ("permissions", Value::Object(permissions)),
            ("enabled", json!(enabled)),
            ("meta", Value::Object(meta)),
            ("createdAt", json!(created_at)),
            ("updatedAt", json!(updated_at)),
        ]);
        Ok(Self { id, name, role: Some(role), enabled, created_at, updated_at, document })
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &ProfileId {
        &self.id
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// Whether it is in use.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> &WireTime {
        &self.created_at
    }

    /// Its version.
    #[must_use]
    pub fn updated_at(&self) -> &WireTime {
        &self.updated_at
    }

    /// Its read form, which is also what is stored.
    #[must_use]
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// Its read form.
    #[must_use]
    pub fn into_document(self) -> Map<String, Value> {
        self.document
    }
}
