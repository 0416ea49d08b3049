//! What each action does to a project.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{Action, ActionContext, Effect};
use crate::{
    coerce,
    projects::{percent, stored_tags},
};

/// The fields that the event of an action shows before and after.
const SHOWN: [&str; 4] = ["status", "priority", "progress", "tags"];

impl Action {
    /// What it does to the project that is stored so. Doing it to a project that is already as asked changes nothing.
    #[must_use]
    pub fn effect(
        &self,
        stored: &Map<String, Value>,
        context: &ActionContext,
        now: DateTime<Utc>,
    ) -> Effect {
        let (change, message) = match self {
            Self::SetStatus(status) => {
                (unless_equal(stored, "status", json!(status)), format!("set status -> {status}"))
            }
            Self::SetPriority(priority) => (
                unless_equal(stored, "priority", json!(priority)),
                format!("set priority -> {priority}"),
            ),
            Self::SetProgress(progress) => (
                unless_equal(stored, "progress", json!(progress)),
                format!("set progress -> {progress}%"),
            ),
            Self::BumpProgress { delta } => {
                let progress = coerce::int(field(stored, "progress")).unwrap_or(0);
                let progress = percent(progress.saturating_add(i128::from(*delta)));
                let message = format!("bump progress {delta} -> {progress}%");
                (unless_equal(stored, "progress", json!(progress)), message)
            }
            Self::AppendNote { note, to_project_notes } => {
                let notes = to_project_notes.then(|| ("notes", noted(stored, note, context, now)));
                (notes, note.clone())
            }
            Self::AddTag { tag } => (added(stored, tag), format!("add tag: {tag}")),
            Self::RemoveTag { tag } => (removed(stored, tag), format!("remove tag: {tag}")),
            Self::UpdateMilestone { name, fields } => {
                let message = match fields.get("status").and_then(Value::as_str) {
                    Some(status) => format!("update milestone: {name} -> {status}"),
                    None => format!("update milestone: {name}"),
                };
                (milestones(stored, name, fields), message)
            }
        };
        let patch = change.map(|(field, value)| Map::from_iter([(field.to_owned(), value)]));
        let before = SHOWN.map(|shown| (shown.to_owned(), field(stored, shown).clone()));
        let before = Map::from_iter(before);
        let mut after = before.clone();
        for (field, value) in patch.iter().flatten() {
            if after.contains_key(field) {
                after.insert(field.clone(), value.clone());
            }
        }
        Effect { patch, message, before, after }
    }
}

type Change = Option<(&'static str, Value)>;

fn field<'a>(stored: &'a Map<String, Value>, field: &str) -> &'a Value {
    stored.get(field).unwrap_or(&Value::Null)
}

fn unless_equal(stored: &Map<String, Value>, name: &'static str, value: Value) -> Change {
    (*field(stored, name) != value).then_some((name, value))
}

fn noted(
    stored: &Map<String, Value>,
    note: &str,
    context: &ActionContext,
    now: DateTime<Utc>,
) -> Value {
    let agent =
        context.agent_id.as_deref().filter(|agent| !agent.trim().is_empty()).unwrap_or("agent");
    let line = format!("[{}] ({agent}) {note}", now.format("%Y-%m-%d %H:%M"));
    let notes = match field(stored, "notes") {
        Value::Null => String::new(),
        notes => coerce::any_text(notes),
    };
    Value::String(match notes.trim_end() {
        "" => line,
        notes => format!("{notes}\n{line}"),
    })
}

fn added(stored: &Map<String, Value>, tag: &str) -> Change {
    let mut tags = stored_tags(stored);
    if tags.iter().any(|known| known == tag) {
        return None;
    }
    tags.push(tag.to_owned());
    let mut seen = HashSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    Some(("tags", json!(tags)))
}

fn removed(stored: &Map<String, Value>, tag: &str) -> Change {
    let tags = stored_tags(stored);
    let kept: Vec<_> = tags.iter().filter(|known| *known != tag).collect();
    (kept.len() < tags.len()).then(|| ("tags", json!(kept)))
}

fn milestones(stored: &Map<String, Value>, name: &str, fields: &Map<String, Value>) -> Change {
    let known = match field(stored, "milestones") {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    let mut milestones = known.clone();
    let place = milestones.iter().position(|milestone| match milestone {
        Value::Object(milestone) => {
            let named = ["name", "title"]
                .iter()
                .find_map(|key| milestone.get(*key).and_then(Value::as_str));
            named.is_some_and(|named| named.trim() == name)
        }
        Value::String(named) => named.trim() == name,
        _ => false,
    });
    let mut milestone = match place {
        Some(place) => std::mem::take(&mut milestones[place]),
        None => Value::Null,
    };
    if !milestone.is_object() {
        milestone = json!({ "name": name });
    }
    if let Value::Object(milestone) = &mut milestone {
        milestone.extend(fields.clone());
    }
    match place {
        Some(place) => milestones[place] = milestone,
        None => milestones.push(milestone),
    }
    (milestones != known).then(|| ("milestones", Value::Array(milestones)))
}
