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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        InputCode,
        arbitrary::{self, fields, now},
    };

    const KNOWN: &[&str] = &[
        "id",
        "name",
        "role",
        "description",
        "styleTags",
        "skills",
        "outputMode",
        "writebackPolicy",
        "permissions",
        "enabled",
        "meta",
        "createdAt",
        "updatedAt",
    ];

    #[test]
    fn a_profile_needs_nothing_at_all() {
        let profile = Profile::create(fields(json!({ "extra": [1] })), now()).unwrap();

        let document = json!({
            "id": profile.id(), "name": "Agent", "role": "general", "description": "", "styleTags": [], "skills": [],
            "outputMode": "concise", "writebackPolicy": "minimal", "permissions": {}, "enabled": true, "meta": {},
            "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z", "extra": [1],
        });
        assert!(profile.id().as_str().starts_with("agent-"));
        assert_eq!(Value::Object(profile.into_document()), document);
    }

    #[test]
    fn each_field_takes_its_normal_form() {
        for (field, sent, normal) in [
            ("name", json!(" Reviewer "), json!("Reviewer")),
            ("name", json!("  "), json!("Agent")),
            ("name", json!(5), json!("5")),
            ("role", json!(5), json!("5")),
            ("role", json!(""), json!("")),
            ("description", json!([1]), json!([1])),
            ("outputMode", json!("verbose"), json!("verbose")),
            ("styleTags", json!("solo"), json!(["solo"])),
            ("skills", json!([1, null]), json!([1, null])),
            ("skills", json!(""), json!([])),
            ("permissions", json!([1]), json!({})),
            ("permissions", json!({ "shell": "no" }), json!({ "shell": "no" })),
            ("enabled", json!("OFF"), json!(false)),
            ("enabled", json!(0), json!(false)),
            ("enabled", json!(2), json!(true)),
            ("enabled", json!(null), json!(true)),
            ("meta", json!("x"), json!({})),
        ] {
            let profile = Profile::create(fields(json!({ field: sent })), now()).unwrap();
            assert_eq!(profile.document()[field], normal, "{field}: {sent}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused_by_name() {
        for (field, sent, code) in [
            ("name", json!({}), InputCode::Invalid),
            ("role", json!([1]), InputCode::Invalid),
            ("skills", json!({ "a": 1 }), InputCode::Invalid),
            ("createdAt", json!("soon"), InputCode::Time),
            ("id", json!("x".repeat(256)), InputCode::Id),
        ] {
            let error = Profile::create(fields(json!({ field: sent })), now()).unwrap_err();
            assert_eq!((error.field.as_ref(), error.code), (field, code), "{sent}");
        }
    }

    #[test]
    fn a_merge_leaves_identity_alone_and_makes_a_new_version() {
        let stored = Profile::create(fields(json!({ "id": "a", "skills": ["x"] })), now())
            .unwrap()
            .into_document();
        let patch = fields(
            json!({ "id": "b", "createdAt": "soon", "updatedAt": "soon", "enabled": "no", "name": null }),
        );

        let profile = Profile::merged(&stored, patch, now()).unwrap();

        assert_eq!(
            (profile.id().as_str(), profile.name(), profile.enabled()),
            ("a", "Agent", false)
        );
        assert_eq!(profile.document()["skills"], json!(["x"]));
        assert_eq!(profile.updated_at().as_str(), "2026-02-11T15:00:00.000001Z");
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(body in arbitrary::object(KNOWN)) {
            if let Ok(profile) = Profile::create(body, now()) {
                let document = profile.document().clone();
                prop_assert_eq!(&Profile::create(document.clone(), now()).unwrap(), &profile);
                let mut touched = Profile::merged(&document, Map::new(), now()).unwrap().into_document();
                touched.insert("updatedAt".to_owned(), document["updatedAt"].clone());
                prop_assert_eq!(touched, document);
            }
        }

        #[test]
        fn every_row_takes_a_patch_that_is_sound(stored in arbitrary::object(KNOWN)) {
            let profile = Profile::merged(&stored, fields(json!({ "enabled": "off", "x": 1 })), now()).unwrap();
            prop_assert!(!profile.enabled() && !profile.name().is_empty());
        }

        #[test]
        fn every_patch_is_merged_or_refused(stored in arbitrary::object(KNOWN), patch in arbitrary::object(KNOWN)) {
            let _ = Profile::merged(&stored, patch, now());
        }
    }
}
