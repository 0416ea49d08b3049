//! Capabilities: what an agent can be told to do, as a prompt with its skills and limits.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    InvalidInput, coerce,
    draft::{self, Draft},
    ids::CapabilityId,
    times::WireTime,
};

/// Fields that a change may carry, but that no change reaches.
const IGNORED: &[&str] = &["id", "createdAt", "updatedAt"];

/// A capability in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    id: CapabilityId,
    name: String,
    enabled: bool,
    created_at: WireTime,
    updated_at: WireTime,
    document: Map<String, Value>,
}

impl Capability {
    /// A new capability from what a client sent.
    ///
    /// # Errors
    ///
    /// [`InputCode::Id`](crate::InputCode::Id) and [`InputCode::Time`](crate::InputCode::Time) if a chosen id or time
    /// is none, [`InputCode::Invalid`](crate::InputCode::Invalid) if a structure was sent where a text belongs.
    pub fn create(body: Map<String, Value>, now: DateTime<Utc>) -> Result<Self, InvalidInput> {
        let mut draft = Draft::sent(body);
        let id = match draft.chosen_id() {
            Some(id) => CapabilityId::parse("id", &id)?,
            None => CapabilityId::mint(),
        };
        let created_at = draft.time("createdAt")?.unwrap_or_else(|| now.into());
        let updated_at = draft.time("updatedAt")?.unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, updated_at)
    }

    /// The stored capability with each field of `patch` in place of its own.
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
        let id = CapabilityId::stored(draft::stored_id(stored));
        draft.any("id");
        draft.any("updatedAt");
        let created_at = draft.time("createdAt")?.unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, draft::next_version(stored, now))
    }

    fn normal(
        mut draft: Draft,
        id: CapabilityId,
        created_at: WireTime,
        updated_at: WireTime,
    ) -> Result<Self, InvalidInput> {
        let name = draft.name("Capability")?;
        let description = draft.any_or("description", "");
        let prompt_pack = draft.any_or("promptPack", "");
        let skill_pack = draft.list("skillPack")?;
        let constraints = draft.list("constraints")?;
        let enabled = coerce::enabled(&draft.any("enabled"));
        let meta = draft.object("meta");
        let document = draft.document([
            ("id", json!(id)),
            ("name", json!(name)),
            ("description", description),
            ("promptPack", prompt_pack),
            ("skillPack", Value::Array(skill_pack)),
            ("constraints", Value::Array(constraints)),
            ("enabled", json!(enabled)),
            ("meta", Value::Object(meta)),
            ("createdAt", json!(created_at)),
            ("updatedAt", json!(updated_at)),
        ]);
        Ok(Self { id, name, enabled, created_at, updated_at, document })
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &CapabilityId {
        &self.id
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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
