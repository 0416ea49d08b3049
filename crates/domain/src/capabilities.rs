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
        "description",
        "promptPack",
        "skillPack",
        "constraints",
        "enabled",
        "meta",
        "createdAt",
        "updatedAt",
    ];

    #[test]
    fn a_capability_needs_nothing_at_all() {
        let capability = Capability::create(fields(json!({ "extra": [1] })), now()).unwrap();

        let document = json!({
            "id": capability.id(), "name": "Capability", "description": "", "promptPack": "", "skillPack": [],
            "constraints": [], "enabled": true, "meta": {},
            "createdAt": "2026-02-11T15:00:00.000000Z", "updatedAt": "2026-02-11T15:00:00.000000Z", "extra": [1],
        });
        assert!(capability.id().as_str().starts_with("cap-"));
        assert_eq!(Value::Object(capability.into_document()), document);
    }

    #[test]
    fn each_field_takes_its_normal_form() {
        for (field, sent, normal) in [
            ("name", json!(" Reviewer "), json!("Reviewer")),
            ("name", json!("  "), json!("Capability")),
            ("name", json!(5), json!("5")),
            ("description", json!([1]), json!([1])),
            ("promptPack", json!(null), json!("")),
            ("constraints", json!("solo"), json!(["solo"])),
            ("skillPack", json!([1, null]), json!([1, null])),
            ("skillPack", json!(""), json!([])),
            ("enabled", json!("OFF"), json!(false)),
            ("enabled", json!(0), json!(false)),
            ("enabled", json!(2), json!(true)),
            ("enabled", json!(null), json!(true)),
            ("meta", json!("x"), json!({})),
        ] {
            let capability = Capability::create(fields(json!({ field: sent })), now()).unwrap();
            assert_eq!(capability.document()[field], normal, "{field}: {sent}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused_by_name() {
        for (field, sent, code) in [
            ("name", json!({}), InputCode::Invalid),
            ("skillPack", json!({ "a": 1 }), InputCode::Invalid),
            ("createdAt", json!("soon"), InputCode::Time),
            ("id", json!("x".repeat(256)), InputCode::Id),
        ] {
            let error = Capability::create(fields(json!({ field: sent })), now()).unwrap_err();
            assert_eq!((error.field.as_ref(), error.code), (field, code), "{sent}");
        }
    }

    #[test]
    fn a_merge_leaves_identity_alone_and_makes_a_new_version() {
        let stored = Capability::create(fields(json!({ "id": "a", "skillPack": ["x"] })), now())
            .unwrap()
            .into_document();
        let patch = fields(
            json!({ "id": "b", "createdAt": "soon", "updatedAt": "soon", "enabled": "no", "name": null }),
        );

        let capability = Capability::merged(&stored, patch, now()).unwrap();

        assert_eq!(
            (capability.id().as_str(), capability.name(), capability.enabled()),
            ("a", "Capability", false)
        );
        assert_eq!(capability.document()["skillPack"], json!(["x"]));
        assert_eq!(capability.updated_at().as_str(), "2026-02-11T15:00:00.000001Z");
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(body in arbitrary::object(KNOWN)) {
            if let Ok(capability) = Capability::create(body, now()) {
                let document = capability.document().clone();
                prop_assert_eq!(&Capability::create(document.clone(), now()).unwrap(), &capability);
                let mut touched = Capability::merged(&document, Map::new(), now()).unwrap().into_document();
                touched.insert("updatedAt".to_owned(), document["updatedAt"].clone());
                prop_assert_eq!(touched, document);
            }
        }

        #[test]
        fn every_row_takes_a_patch_that_is_sound(stored in arbitrary::object(KNOWN)) {
            let capability = Capability::merged(&stored, fields(json!({ "enabled": "off", "x": 1 })), now()).unwrap();
            prop_assert!(!capability.enabled() && !capability.name().is_empty());
        }

        #[test]
        fn every_patch_is_merged_or_refused(stored in arbitrary::object(KNOWN), patch in arbitrary::object(KNOWN)) {
            let _ = Capability::merged(&stored, patch, now());
        }
    }
}
