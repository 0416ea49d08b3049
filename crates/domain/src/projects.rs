//! Projects: what is planned, how far it is, what it may cost.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    InputCode, InvalidInput, coerce,
    draft::{self, Draft},
    ids::ProjectId,
    times::WireTime,
    words::words,
};

/// Fields that a change may carry, but that no change reaches.
const IGNORED: &[&str] = &["id", "createdAt", "updatedAt", "ifUpdatedAt"];

words! {
    /// The statuses that the console and the semantic actions know; a project may carry any other word.
    ProjectStatus {
        /// Not begun.
        Planning = "planning",
        /// Being worked on.
        InProgress = "in-progress",
        /// Begun, but not being worked on.
        Paused = "paused",
        /// Done.
        Completed = "completed",
        /// Given up.
        Cancelled = "cancelled",
    }
}

impl FromStr for ProjectStatus {
    type Err = InvalidInput;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match spelling(raw).as_str() {
            "planning" | "planned" | "todo" | "backlog" => Ok(Self::Planning),
            "in-progress" | "inprogress" | "active" | "doing" | "started" => Ok(Self::InProgress),
            "paused" | "on-hold" | "blocked" => Ok(Self::Paused),
            "completed" | "complete" | "done" | "finished" => Ok(Self::Completed),
            "cancelled" | "canceled" => Ok(Self::Cancelled),
            _ => Err(InvalidInput::new(
                "status",
                one_of("status", Self::ALL.iter().map(|word| word.as_str())),
            )),
        }
    }
}

words! {
    /// The priorities that the console and the semantic actions know; a project may carry any other word.
    ProjectPriority {
        /// Can wait.
        Low = "low",
        /// The usual.
        Medium = "medium",
        /// Before others.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}

impl FromStr for ProjectPriority {
    type Err = InvalidInput;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match spelling(raw).as_str() {
            "low" => Ok(Self::Low),
            "medium" | "normal" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            "urgent" | "critical" => Ok(Self::Urgent),
            _ => Err(InvalidInput::new(
                "priority",
                one_of("priority", Self::ALL.iter().map(|word| word.as_str())),
            )),
        }
    }
}

fn spelling(raw: &str) -> String {
    raw.trim().to_ascii_lowercase().replace(['_', ' '], "-")
}

/// The sentence that names the words which a field may have.
pub(crate) fn one_of(field: &str, words: impl Iterator<Item = &'static str>) -> String {
    format!("{field} must be one of {}", words.collect::<Vec<_>>().join(", "))
}

/// A project in its normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    id: ProjectId,
    name: String,
    status: String,
    priority: String,
    category: Option<String>,
    progress: i64,
    budget: f64,
    actual_cost: f64,
    created_at: WireTime,
    updated_at: WireTime,
    document: Map<String, Value>,
}

impl Project {
    /// A new project from what a client sent.
    ///
    /// # Errors
    ///
    /// [`InputCode::Name`] if it has no name, [`InputCode::Id`] and [`InputCode::Time`] if a chosen id or time is none,
    /// [`InputCode::Invalid`] if a structure was sent where a text belongs.
    pub fn create(body: Map<String, Value>, now: DateTime<Utc>) -> Result<Self, InvalidInput> {
        let mut draft = Draft::sent(body);
        let id = match draft.chosen_id() {
            Some(id) => ProjectId::parse("id", &id)?,
            None => ProjectId::mint(),
        };
        let created_at = draft.time("createdAt")?;
        let updated_at = draft.time("updatedAt")?;
        let created_at = created_at.or_else(|| updated_at.clone()).unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, updated_at.unwrap_or_else(|| now.into()))
    }

    /// The stored project with each field of `patch` in place of its own. Only what the patch touches is judged: a row
    /// that came with odd values stays changeable.
    ///
    /// # Errors
    ///
    /// [`InputCode::Name`] if the patch blanks the name, [`InputCode::Invalid`] if it puts a structure where a text
    /// belongs.
    pub fn merged(
        stored: &Map<String, Value>,
        patch: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidInput> {
        let mut draft = Draft::merged(stored, patch, IGNORED);
        let id = ProjectId::stored(draft::stored_id(stored));
        draft.any("id");
        let previous = draft.time("updatedAt")?;
        let created_at = draft.time("createdAt")?.or(previous).unwrap_or_else(|| now.into());
        Self::normal(draft, id, created_at, draft::next_version(stored, now))
    }

    fn normal(
        mut draft: Draft,
        id: ProjectId,
        created_at: WireTime,
        updated_at: WireTime,
    ) -> Result<Self, InvalidInput> {
        draft.any("ifUpdatedAt");
        let name = draft.text("name")?.unwrap_or_default();
        if name.trim().is_empty() && draft.is_sent("name") {
            return Err(InvalidInput::new("name", "Project name cannot be empty")
                .with_code(InputCode::Name));
        }
        let status =
            draft.word("status").unwrap_or_else(|| ProjectStatus::Planning.as_str().to_owned());
        let priority =
            draft.word("priority").unwrap_or_else(|| ProjectPriority::Medium.as_str().to_owned());
        let category = draft.text("category")?;
        let progress = percent(coerce::int(&draft.any("progress")).unwrap_or(0));
        let description = draft.any_or("description", "");
        let notes = draft.any_or("notes", "");
        let tags = tags(&mut draft)?;
        let cost = total(draft.any("cost"));
        let revenue = total(draft.any("revenue"));
        let budget = budget(&draft.any("budget"));
        let actual_cost =
            [draft.any("actualCost"), draft.peek("actual_cost").clone(), cost["total"].clone()]
                .iter()
                .find(|value| !value.is_null())
                .map_or(0.0, coerce::amount);
        let document = draft.document([
            ("id", json!(id)),
            ("name", json!(name)),
            ("status", json!(status)),
            ("priority", json!(priority)),
            ("category", json!(category)),
            ("progress", json!(progress)),
            ("description", description),
            ("notes", notes),
            ("tags", json!(tags)),
            ("cost", Value::Object(cost)),
            ("revenue", Value::Object(revenue)),
            ("budget", json!(budget)),
            ("actualCost", json!(actual_cost)),
            ("createdAt", json!(created_at)),
            ("updatedAt", json!(updated_at)),
        ]);
        let project = Self {
            id,
            name,
            status,
            priority,
            category,
            progress,
            budget,
            actual_cost,
            created_at,
            updated_at,
            document,
        };
        Ok(project)
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &ProjectId {
        &self.id
    }

    /// What people call it; not unique.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands: usually a [`ProjectStatus`], but any word is kept.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }

    /// How much it matters: usually a [`ProjectPriority`], but any word is kept.
    #[must_use]
    pub fn priority(&self) -> &str {
        &self.priority
    }

    /// The group that it belongs to.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// How far it is, 0 to 100.
    #[must_use]
    pub fn progress(&self) -> i64 {
        self.progress
    }

    /// What it may cost.
    #[must_use]
    pub fn budget(&self) -> f64 {
        self.budget
    }

    /// What it has cost, as it was given at its creation or set since.
    #[must_use]
    pub fn actual_cost(&self) -> f64 {
        self.actual_cost
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

/// The version that a client has seen, if it asks for its change to be made to no other: `ifUpdatedAt`, as text.
#[must_use]
pub fn expected_version(body: &Map<String, Value>) -> Option<String> {
    body.get("ifUpdatedAt").filter(|value| coerce::truthy(value)).map(coerce::any_text)
}

/// `whole` on the scale from 0 to 100.
pub(crate) fn percent(whole: i128) -> i64 {
    i64::try_from(whole.clamp(0, 100)).unwrap_or(0)
}

/// The tags in a stored project, whatever their form.
pub(crate) fn stored_tags(stored: &Map<String, Value>) -> Vec<String> {
    let value = stored.get("tags").cloned().unwrap_or_default();
    tags(&mut Draft::trusted(Map::from_iter([("tags".to_owned(), value)]))).unwrap_or_default()
}

fn tags(draft: &mut Draft) -> Result<Vec<String>, InvalidInput> {
    let mut tags = Vec::new();
    for item in draft.list("tags")? {
        let tag = draft.text_of("tags", &item)?;
        let tag = tag.trim();
        if !tag.is_empty() {
            tags.push(tag.to_owned());
        }
    }
    Ok(tags)
}

/// An object with a `total` that is a number and not negative. A bare number is the total; text is none.
fn total(value: Value) -> Map<String, Value> {
    let mut fields = match value {
        Value::Object(fields) => fields,
        Value::Number(number) => Map::from_iter([("total".to_owned(), Value::Number(number))]),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    let total = match fields.get("total") {
        // A number that is sound stays as it is written: as a float, whole ones above 2^53 would be rounded.
        Some(Value::Number(number))
            if number
                .as_f64()
                .is_some_and(|float| float.is_finite() && float.is_sign_positive()) =>
        {
            Value::Number(number.clone())
        }
        Some(value) if coerce::amount(value) > 0.0 => json!(coerce::amount(value)),
        _ => json!(0),
    };
    fields.insert("total".to_owned(), total);
    fields
}

fn budget(value: &Value) -> f64 {
    match value {
        Value::Object(fields) => ["planned", "total", "amount"]
            .iter()
            .filter_map(|field| fields.get(*field))
            .find(|value| !value.is_null())
            .map_or(0.0, coerce::amount),
        value => coerce::amount(value),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{self, fields, now};

    const KNOWN: &[&str] = &[
        "id",
        "name",
        "status",
        "priority",
        "category",
        "progress",
        "description",
        "notes",
        "tags",
        "cost",
        "revenue",
        "budget",
        "actualCost",
        "actual_cost",
        "createdAt",
        "updatedAt",
        "ifUpdatedAt",
    ];

    fn created(mut body: Value) -> Project {
        body["name"] = json!("Apollo");
        Project::create(fields(body), now()).unwrap()
    }

    fn patched(stored: Value, patch: Value) -> Result<Map<String, Value>, InvalidInput> {
        Project::merged(&fields(stored), fields(patch), now()).map(Project::into_document)
    }

    #[test]
    fn a_project_needs_no_more_than_a_name() {
        let project =
            Project::create(fields(json!({ "name": "Apollo", "github": "g" })), now()).unwrap();

        let document = json!({
            "id": project.id(), "name": "Apollo", "status": "planning", "priority": "medium", "category": null,
            "progress": 0, "description": "", "notes": "", "tags": [], "cost": { "total": 0 }, "revenue": { "total": 0 },
            "budget": 0.0, "actualCost": 0.0, "createdAt": "2026-02-11T15:00:00.000000Z",
            "updatedAt": "2026-02-11T15:00:00.000000Z", "github": "g",
        });
        assert!(project.id().as_str().starts_with("proj-"));
        assert_eq!(Value::Object(project.into_document()), document);
    }

    #[test]
    fn each_field_takes_its_normal_form() {
        for (field, sent, normal) in [
            ("name", json!("Apollo"), json!("Apollo")),
            ("status", json!("shelved"), json!("shelved")),
            ("status", json!(""), json!("planning")),
            ("status", json!(5), json!("planning")),
            ("status", json!(null), json!("planning")),
            ("priority", json!("p0"), json!("p0")),
            ("priority", json!([]), json!("medium")),
            ("category", json!(5), json!("5")),
            ("category", json!(true), json!("True")),
            ("category", json!(""), json!("")),
            ("category", json!(null), json!(null)),
            ("progress", json!("50"), json!(50)),
            ("progress", json!(50.9), json!(50)),
            ("progress", json!(true), json!(1)),
            ("progress", json!(150), json!(100)),
            ("progress", json!(-5), json!(0)),
            ("progress", json!("50.9"), json!(0)),
            ("progress", json!(null), json!(0)),
            ("description", json!(null), json!("")),
            ("description", json!({ "a": 1 }), json!({ "a": 1 })),
            ("notes", json!(5), json!(5)),
            (
                "tags",
                json!([" a ", "", "a", 5, null, true]),
                json!(["a", "a", "5", "None", "True"]),
            ),
            ("tags", json!(" a "), json!(["a"])),
            ("tags", json!(5), json!(["5"])),
            ("tags", json!("  "), json!([])),
            ("tags", json!(null), json!([])),
            ("cost", json!(null), json!({ "total": 0 })),
            ("cost", json!(12.5), json!({ "total": 12.5 })),
            ("cost", json!(-3), json!({ "total": 0 })),
            ("cost", json!("12"), json!({ "total": 0 })),
            ("cost", json!([1]), json!({ "total": 0 })),
            ("cost", json!(true), json!({ "total": 0 })),
            ("cost", json!({ "people": 7 }), json!({ "people": 7, "total": 0 })),
            ("cost", json!({ "total": "12.5" }), json!({ "total": 12.5 })),
            ("cost", json!({ "total": "nan" }), json!({ "total": 0 })),
            ("cost", json!({ "total": -1, "x": null }), json!({ "total": 0, "x": null })),
            (
                "cost",
                json!({ "total": 9_007_199_254_740_993_u64 }),
                json!({ "total": 9_007_199_254_740_993_u64 }),
            ),
            ("revenue", json!(7), json!({ "total": 7 })),
            ("budget", json!("12.5"), json!(12.5)),
            ("budget", json!({ "planned": null, "total": "3", "amount": 4 }), json!(3.0)),
            ("budget", json!({ "amount": 4 }), json!(4.0)),
            ("budget", json!({ "planned": "x", "total": 3 }), json!(0.0)),
            ("budget", json!(-1), json!(0.0)),
            ("budget", json!("inf"), json!(0.0)),
            ("budget", json!([1]), json!(0.0)),
            ("actualCost", json!("7"), json!(7.0)),
            ("actualCost", json!(-7), json!(0.0)),
            ("createdAt", json!("2026-02-01"), json!("2026-02-01T00:00:00.000000Z")),
            ("createdAt", json!(5), json!("2026-02-11T15:00:00.000000Z")),
            ("createdAt", json!(""), json!("2026-02-11T15:00:00.000000Z")),
            ("updatedAt", json!("2026-02-01T08:00:00+08:00"), json!("2026-02-01T00:00:00.000000Z")),
            ("milestones", json!([{ "name": "M0" }]), json!([{ "name": "M0" }])),
            ("deep", json!({ "深": [null] }), json!({ "深": [null] })),
        ] {
            let project = created(json!({ field: sent }));
            assert_eq!(project.document()[field], normal, "{field}: {sent}");
        }
    }

    #[test]
    fn what_was_spent_is_the_first_amount_that_is_given() {
        for (body, spent) in [
            (json!({ "actualCost": 1, "actual_cost": 2, "cost": 3 }), 1.0),
            (json!({ "actualCost": null, "actual_cost": "2", "cost": 3 }), 2.0),
            (json!({ "cost": { "total": "3" } }), 3.0),
            (json!({ "cost": 4 }), 4.0),
            (json!({ "actualCost": "x", "cost": 4 }), 0.0),
        ] {
            let project = created(body.clone());
            assert_eq!(project.document()["actualCost"], json!(spent), "{body}");
            assert_eq!(project.document().get("actual_cost"), body.get("actual_cost"));
        }
    }

    #[test]
    fn what_was_spent_does_not_follow_the_cost_once_it_is_known() {
        let stored = created(json!({ "cost": 4 })).into_document();

        let document =
            patched(Value::Object(stored), json!({ "cost": 9, "actual_cost": 8 })).unwrap();

        assert_eq!((&document["cost"]["total"], &document["actualCost"]), (&json!(9), &json!(4.0)));
    }

    #[test]
    fn a_project_without_a_name_is_refused() {
        for name in [json!(null), json!(""), json!(" \t")] {
            let error = Project::create(fields(json!({ "name": name })), now()).unwrap_err();
            assert_eq!(
                (error.code, error.to_string()),
                (InputCode::Name, "Project name cannot be empty".to_owned())
            );
            let error = patched(json!({ "id": "p", "name": "Apollo" }), json!({ "name": name }))
                .unwrap_err();
            assert_eq!(error.code, InputCode::Name);
        }
        assert_eq!(Project::create(Map::new(), now()).unwrap_err().code, InputCode::Name);
    }

    #[test]
    fn a_name_of_another_type_is_its_text_and_spaces_stay() {
        for (sent, name) in
            [(json!(5), "5"), (json!(true), "True"), (json!(" Apollo "), " Apollo ")]
        {
            assert_eq!(
                Project::create(fields(json!({ "name": sent })), now()).unwrap().name(),
                name
            );
        }
    }

    #[test]
    fn structures_in_place_of_text_are_refused_by_name() {
        for (field, sent) in [
            ("name", json!({})),
            ("category", json!([1])),
            ("tags", json!({ "a": 1 })),
            ("tags", json!([[1]])),
        ] {
            let mut body = fields(json!({ "name": "Apollo" }));
            body.insert(field.to_owned(), sent);
            assert_eq!(Project::create(body.clone(), now()).unwrap_err().field, field);
            assert_eq!(
                patched(json!({ "id": "p" }), Value::Object(body)).unwrap_err().field,
                field
            );
        }
    }

    #[test]
    fn chosen_ids_are_kept_to_the_letter_and_checked() {
        for (sent, kept) in [
            (json!(" a/b "), Some(" a/b ")),
            (json!("  "), None),
            (json!(5), None),
            (json!(null), None),
        ] {
            let project = created(json!({ "id": sent }));
            match kept {
                Some(id) => assert_eq!(project.id().as_str(), id),
                None => assert!(project.id().as_str().starts_with("proj-")),
            }
        }
        for id in ["x".repeat(256), "a\nb".to_owned()] {
            let error =
                Project::create(fields(json!({ "name": "Apollo", "id": id })), now()).unwrap_err();
            assert_eq!(error.code, InputCode::Id);
        }
    }

    #[test]
    fn times_that_are_none_are_refused_and_a_lone_update_time_is_also_that_of_creation() {
        for field in ["createdAt", "updatedAt"] {
            let error = Project::create(fields(json!({ "name": "Apollo", field: "soon" })), now())
                .unwrap_err();
            assert_eq!((error.code, error.field.as_ref()), (InputCode::Time, field));
        }
        let project = created(json!({ "updatedAt": "2026-02-01" }));
        assert_eq!(project.created_at().as_str(), "2026-02-01T00:00:00.000000Z");
    }

    #[test]
    fn a_merge_replaces_whole_values_and_leaves_identity_and_the_lock_alone() {
        let stored =
            created(json!({ "id": "p", "tags": ["a"], "meta": { "x": 1 }, "status": "paused" }))
                .into_document();
        let patch = json!({
            "id": "q", "createdAt": "2020-01-01", "updatedAt": "2020-01-01", "ifUpdatedAt": "v", "meta": { "y": 2 },
            "status": null, "extra": null,
        });

        let document = patched(Value::Object(stored.clone()), patch).unwrap();

        assert_eq!((&document["id"], &document["createdAt"]), (&json!("p"), &stored["createdAt"]));
        assert_eq!((&document["meta"], &document["tags"]), (&json!({ "y": 2 }), &json!(["a"])));
        assert_eq!((&document["status"], &document["extra"]), (&json!("planning"), &json!(null)));
        assert!(!document.contains_key("ifUpdatedAt"));
        assert_eq!(document["updatedAt"], json!("2026-02-11T15:00:00.000001Z"));
    }

    #[test]
    fn an_odd_row_stays_changeable() {
        let stored = json!({
            "id": "p", "name": "", "status": "", "category": { "a": 1 }, "progress": 150, "budget": "x", "cost": 5,
            "tags": { "a": 1 }, "createdAt": "once", "updatedAt": "yesterday",
        });

        let document = patched(stored, json!({ "progress": 10 })).unwrap();

        assert_eq!((&document["progress"], &document["name"]), (&json!(10), &json!("")));
        assert_eq!(
            (&document["createdAt"], &document["category"]),
            (&json!("once"), &json!(r#"{"a":1}"#))
        );
        assert_eq!(document["updatedAt"], json!("2026-02-11T15:00:00.000000Z"));
    }

    #[test]
    fn the_version_that_a_client_saw_counts_only_when_it_says_something() {
        for (sent, version) in [
            (json!("2026-02-11T15:00:05"), Some("2026-02-11T15:00:05")),
            (json!(5), Some("5")),
            (json!("false"), Some("false")),
            (json!([1]), Some("[1]")),
            (json!(null), None),
            (json!(""), None),
            (json!(0), None),
            (json!(false), None),
        ] {
            assert_eq!(
                expected_version(&fields(json!({ "ifUpdatedAt": sent }))).as_deref(),
                version
            );
        }
        assert_eq!(expected_version(&Map::new()), None);
    }

    #[test]
    fn every_word_reads_back_from_its_own_name_and_the_usual_spellings_are_understood() {
        for status in ProjectStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(ProjectStatus::from_word(status.as_str()), Some(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), json!(status.as_str()));
        }
        for priority in ProjectPriority::ALL {
            assert_eq!(priority.as_str().parse(), Ok(*priority));
        }
        for raw in ["In Progress", "in_progress", " ACTIVE "] {
            assert_eq!(raw.parse(), Ok(ProjectStatus::InProgress));
        }
        assert!("someday".parse::<ProjectStatus>().is_err());
        assert!("someday".parse::<ProjectPriority>().is_err());
    }

    fn without_version(mut document: Map<String, Value>) -> Map<String, Value> {
        document.remove("updatedAt");
        document
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(mut body in arbitrary::object(KNOWN)) {
            body.entry("name").or_insert_with(|| json!("Apollo"));
            if let Ok(project) = Project::create(body, now()) {
                let document = project.document().clone();
                prop_assert_eq!(&Project::create(document.clone(), now()).unwrap(), &project);
                let touched = Project::merged(&document, Map::new(), now()).unwrap();
                prop_assert_eq!(without_version(touched.into_document()), without_version(document));
            }
        }

        #[test]
        fn every_row_takes_a_patch_that_is_sound(stored in arbitrary::object(KNOWN), progress in arbitrary::json()) {
            let patch = fields(json!({ "progress": progress, "name": "Apollo" }));
            let project = Project::merged(&stored, patch, now()).unwrap();
            prop_assert!((0..=100).contains(&project.progress()));
            prop_assert!(project.budget() >= 0.0 && project.actual_cost() >= 0.0);
        }

        #[test]
        fn every_patch_is_merged_or_refused(stored in arbitrary::object(KNOWN), patch in arbitrary::object(KNOWN)) {
            if let Ok(project) = Project::merged(&stored, patch.clone(), now()) {
                let again = Project::merged(project.document(), patch, now() + Duration::hours(1)).unwrap();
                prop_assert!(again.updated_at() > project.updated_at() || project.updated_at().instant().is_none());
                prop_assert_eq!(without_version(again.into_document()), without_version(project.into_document()));
            }
        }

        #[test]
        fn unknown_fields_survive_in_their_order(extra in prop::collection::vec(("x_[a-z]{1,4}", arbitrary::json()), 0..6)) {
            let extra: Map<String, Value> = extra.into_iter().collect();
            let mut body = extra.clone();
            body.insert("name".to_owned(), json!("Apollo"));
            let project = Project::create(body, now()).unwrap();
            let kept: Map<String, Value> =
                project.into_document().into_iter().filter(|(field, _)| field.starts_with("x_")).collect();
            prop_assert!(kept.iter().eq(extra.iter()));
        }
    }
}
