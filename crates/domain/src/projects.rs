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
        // Whole numbers stay whole: a float would round those above 2^53.
        Some(Value::Number(number)) if number.is_u64() => Value::Number(number.clone()),
        None | Some(Value::Null) => json!(0),
        Some(value) => match coerce::amount(value) {
            0.0 => json!(0),
            amount => json!(amount),
        },
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
