//! What each action does to a project.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{Action, ActionContext, Effect, MilestoneChange};
use crate::{
    coerce,
    projects::{percent, stored_tags},
};

/// The fields that the event of an action shows before and after.
pub(super) const SHOWN: [&str; 4] = ["status", "priority", "progress", "tags"];

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
            Self::UpdateMilestone { name, change } => {
                let message = match &change.status {
                    Some(status) => format!("update milestone: {name} -> {status}"),
                    None => format!("update milestone: {name}"),
                };
                (milestones(stored, name, change), message)
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

fn milestones(stored: &Map<String, Value>, name: &str, change: &MilestoneChange) -> Change {
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
        milestone.extend(change.fields());
    }
    match place {
        Some(place) => milestones[place] = milestone,
        None => milestones.push(milestone),
    }
    (milestones != known).then(|| ("milestones", Value::Array(milestones)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        actions::ActionType,
        arbitrary::{self, fields, now},
        projects::Project,
    };

    const KNOWN: &[&str] =
        &["id", "name", "status", "priority", "progress", "tags", "notes", "milestones"];

    fn action(kind: &str, params: Value) -> Action {
        Action::parse(kind, &fields(params)).unwrap()
    }

    fn effect(stored: Value, action: &Action) -> Effect {
        action.effect(&fields(stored), &ActionContext::default(), now())
    }

    #[test]
    fn each_action_changes_one_field_and_says_so() {
        for (stored, kind, params, patch, message) in [
            (
                json!({ "status": "planning" }),
                "set_status",
                json!({ "status": "paused" }),
                json!({ "status": "paused" }),
                "set status -> paused",
            ),
            (
                json!({ "priority": "low" }),
                "set_priority",
                json!({ "priority": "urgent" }),
                json!({ "priority": "urgent" }),
                "set priority -> urgent",
            ),
            (
                json!({ "progress": 10 }),
                "set_progress",
                json!({ "progress": "55" }),
                json!({ "progress": 55 }),
                "set progress -> 55%",
            ),
            (
                json!({ "progress": 150 }),
                "set_progress",
                json!({ "progress": 100 }),
                json!({ "progress": 100 }),
                "set progress -> 100%",
            ),
            (
                json!({ "progress": 10 }),
                "bump_progress",
                json!({ "delta": 5.9 }),
                json!({ "progress": 15 }),
                "bump progress 5 -> 15%",
            ),
            (
                json!({ "progress": 10 }),
                "bump_progress",
                json!({ "delta": -50 }),
                json!({ "progress": 0 }),
                "bump progress -50 -> 0%",
            ),
            (
                json!({ "progress": 99 }),
                "bump_progress",
                json!({ "delta": 5 }),
                json!({ "progress": 100 }),
                "bump progress 5 -> 100%",
            ),
            (
                json!({}),
                "bump_progress",
                json!({ "delta": 1 }),
                json!({ "progress": 1 }),
                "bump progress 1 -> 1%",
            ),
            (
                json!({ "tags": ["a", "b", "a"] }),
                "add_tag",
                json!({ "tag": " c " }),
                json!({ "tags": ["a", "b", "c"] }),
                "add tag: c",
            ),
            (
                json!({ "tags": "a" }),
                "add_tag",
                json!({ "tag": 5 }),
                json!({ "tags": ["a", "5"] }),
                "add tag: 5",
            ),
            (json!({}), "add_tag", json!({ "tag": "a" }), json!({ "tags": ["a"] }), "add tag: a"),
            (
                json!({ "tags": ["a", "b", "a"] }),
                "remove_tag",
                json!({ "tag": "a" }),
                json!({ "tags": ["b"] }),
                "remove tag: a",
            ),
        ] {
            let effect = effect(stored, &action(kind, params));
            assert_eq!(
                (effect.patch.map(Value::Object), effect.message.as_str()),
                (Some(patch), message)
            );
        }
    }

    #[test]
    fn a_project_that_is_already_as_asked_is_not_changed() {
        for (stored, kind, params) in [
            (json!({ "status": "paused" }), "set_status", json!({ "status": "paused" })),
            (json!({ "priority": "low" }), "set_priority", json!({ "priority": "low" })),
            (json!({ "progress": 55 }), "set_progress", json!({ "progress": 55 })),
            (json!({ "progress": 100 }), "bump_progress", json!({ "delta": i64::MAX })),
            (
                json!({ "progress": 0 }),
                "bump_progress",
                json!({ "delta": "-99999999999999999999" }),
            ),
            (json!({ "progress": 5 }), "bump_progress", json!({ "delta": 0.5 })),
            (json!({ "tags": ["a", "a"] }), "add_tag", json!({ "tag": "a" })),
            (json!({ "tags": ["a"] }), "remove_tag", json!({ "tag": "A" })),
            (json!({}), "remove_tag", json!({ "tag": "a" })),
            (json!({ "notes": "n" }), "append_note", json!({ "note": "a" })),
        ] {
            let effect = effect(stored, &action(kind, params.clone()));
            assert_eq!(effect.patch, None, "{kind} {params}");
            assert_eq!(effect.before, effect.after);
        }
    }

    #[test]
    fn the_event_shows_four_fields_before_and_after() {
        let stored =
            json!({ "status": "odd", "progress": 10, "tags": ["a"], "notes": "n", "name": "x" });

        let effect = effect(stored, &action("bump_progress", json!({ "delta": 1 })));

        let shown = |progress: i64| {
            fields(
                json!({ "status": "odd", "priority": null, "progress": progress, "tags": ["a"] }),
            )
        };
        assert_eq!((effect.before, effect.after), (shown(10), shown(11)));
    }

    #[test]
    fn a_note_is_appended_with_its_time_and_author() {
        let note =
            action("append_note", json!({ "note": " done ", "alsoWriteToProjectNotes": "yes" }));
        let context = |agent: Option<&str>| ActionContext {
            agent_id: agent.map(str::to_owned),
            ..Default::default()
        };
        for (notes, agent, written) in [
            (json!("first \n\n"), Some("build"), "first\n[2026-02-11 15:00] (build) done"),
            (json!(""), None, "[2026-02-11 15:00] (agent) done"),
            (json!(null), Some(" "), "[2026-02-11 15:00] (agent) done"),
            (json!(5), None, "5\n[2026-02-11 15:00] (agent) done"),
        ] {
            let effect = note.effect(&fields(json!({ "notes": notes })), &context(agent), now());
            assert_eq!(effect.patch, Some(fields(json!({ "notes": written }))));
            assert_eq!(effect.message, "done");
        }
    }

    #[test]
    fn a_milestone_is_changed_where_it_is_or_added() {
        let milestone = |name: &str, changes: Value| {
            let change =
                |field: &str| changes.get(field).and_then(Value::as_str).map(str::to_owned);
            let change = MilestoneChange {
                status: change("status"),
                due: change("due"),
                notes: change("notes"),
            };
            Action::UpdateMilestone { name: name.to_owned(), change }
        };
        for (milestones, changes, written) in [
            (
                json!(null),
                json!({ "status": "doing" }),
                json!([{ "name": "M1", "status": "doing" }]),
            ),
            (
                json!([{ "name": "M0" }, { "name": "M1 ", "status": "todo", "due": "d" }]),
                json!({ "status": "done" }),
                json!([{ "name": "M0" }, { "name": "M1 ", "status": "done", "due": "d" }]),
            ),
            (
                json!(["M1", "M2"]),
                json!({ "due": "d" }),
                json!([{ "name": "M1", "due": "d" }, "M2"]),
            ),
            (
                json!([{ "title": "M1" }]),
                json!({ "due": "d" }),
                json!([{ "title": "M1", "due": "d" }]),
            ),
            (json!({ "a": 1 }), json!({}), json!([{ "a": 1 }, { "name": "M1" }])),
        ] {
            let effect = effect(json!({ "milestones": milestones }), &milestone("M1", changes));
            assert_eq!(effect.patch, Some(fields(json!({ "milestones": written }))));
        }
        let same = effect(
            json!({ "milestones": [{ "name": "M1", "status": "done" }] }),
            &milestone("M1", json!({ "status": "done" })),
        );
        assert_eq!((same.patch, same.message.as_str()), (None, "update milestone: M1 -> done"));
    }

    fn any_action() -> impl Strategy<Value = Action> {
        let kind = prop::sample::select(ActionType::ALL.to_vec());
        let params = arbitrary::object(&[
            "status",
            "priority",
            "progress",
            "delta",
            "note",
            "tag",
            "alsoWriteToProjectNotes",
        ]);
        (kind, params).prop_map(|(kind, mut params)| {
            for (field, value) in [
                ("status", "done"),
                ("priority", "high"),
                ("progress", "55"),
                ("delta", "7"),
                ("note", "n"),
                ("tag", "t"),
            ] {
                params.entry(field).or_insert_with(|| json!(value));
            }
            Action::parse(kind.as_str(), &params).unwrap_or_else(|_| Action::UpdateMilestone {
                name: "M1".to_owned(),
                change: MilestoneChange {
                    status: params.get("status").map(coerce::any_text),
                    due: None,
                    notes: params.get("note").map(coerce::any_text),
                },
            })
        })
    }

    proptest! {
        #[test]
        fn what_was_done_is_done(mut stored in arbitrary::object(KNOWN), action in any_action()) {
            stored.insert("name".to_owned(), json!("Apollo"));
            let first = action.effect(&stored, &ActionContext::default(), now());
            let Some(patch) = first.patch else { return Ok(()) };
            let project = Project::merged(&stored, patch.clone(), now()).unwrap();
            for (field, value) in &patch {
                prop_assert_eq!(&project.document()[field], value);
            }
            if !matches!(action, Action::BumpProgress { .. } | Action::AppendNote { .. }) {
                let again = action.effect(project.document(), &ActionContext::default(), now());
                prop_assert_eq!(again.patch, None);
            }
        }
    }
}
