//! Semantic actions: changes of a project that say what they mean, each recorded as an event.
//!
//! An action is a pure function from a stored project to a change ([`Action::effect`]). What a request holds is read by
//! [`ActionsBody::parse`]; what an agent only proposes is a [`Proposal`], which changes nothing until a person accepts it.

mod effect;
mod proposals;
mod request;
mod undo;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

pub use self::{
    proposals::{
        Proposal, ProposalType, acceptance_event, decision_event_id, proposed_action,
        rejection_event,
    },
    request::{ActionItem, ActionsBody, RefusedItem},
    undo::{Undo, UndoRequest, is_action, is_undo_of, reason},
};
use crate::{
    InvalidInput, coerce,
    events::{Event, Record},
    ids::EventId,
    projects::{self, ProjectPriority, ProjectStatus, percent},
    words::words,
};

/// Who acts, in which run and on which project, unless an action says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionContext {
    /// Who acts.
    pub agent_id: Option<String>,
    /// In which run; a run's id, or its session.
    pub run_id: Option<String>,
    /// On which project.
    pub project_id: Option<String>,
}

words! {
    /// The types of actions.
    ActionType {
        /// Sets the status.
        SetStatus = "set_status",
        /// Sets the priority.
        SetPriority = "set_priority",
        /// Sets the progress.
        SetProgress = "set_progress",
        /// Moves the progress.
        BumpProgress = "bump_progress",
        /// Appends a note to the timeline, and to the notes of the project if asked.
        AppendNote = "append_note",
        /// Adds a tag.
        AddTag = "add_tag",
        /// Removes a tag.
        RemoveTag = "remove_tag",
        /// Writes a milestone; comes only from an accepted proposal.
        UpdateMilestone = "update_milestone",
    }
}

/// What is to be done to a project.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sets the status.
    SetStatus(ProjectStatus),
    /// Sets the priority.
    SetPriority(ProjectPriority),
    /// Sets the progress, 0 to 100.
    SetProgress(i64),
    /// Moves the progress, which stays within 0 to 100.
    BumpProgress {
        /// By how much.
        delta: i64,
    },
    /// Appends a note to the timeline.
    AppendNote {
        /// The note.
        note: String,
        /// Whether it is also appended to the notes of the project.
        to_project_notes: bool,
    },
    /// Adds a tag, unless it is there.
    AddTag {
        /// The tag.
        tag: String,
    },
    /// Removes a tag, however often it is there.
    RemoveTag {
        /// The tag.
        tag: String,
    },
    /// Changes the milestone of this name, or adds it.
    UpdateMilestone {
        /// The name.
        name: String,
        /// What changes.
        change: MilestoneChange,
    },
}

/// What becomes of a milestone; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MilestoneChange {
    /// Where it stands: usually todo, doing, done or blocked.
    pub status: Option<String>,
    /// When it is due.
    pub due: Option<String>,
    /// What else there is to say.
    pub notes: Option<String>,
}

impl MilestoneChange {
    /// The fields that change.
    fn fields(&self) -> impl Iterator<Item = (String, Value)> {
        [("status", &self.status), ("due", &self.due), ("notes", &self.notes)]
            .into_iter()
            .filter_map(|(field, value)| Some((field.to_owned(), json!(value.as_deref()?))))
    }
}

/// What an action does to one project.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The fields that change; none if the project is already as asked.
    pub patch: Option<Map<String, Value>>,
    /// A sentence for the timeline.
    pub message: String,
    /// `status`, `priority`, `progress` and `tags` as they are.
    pub before: Map<String, Value>,
    /// The same as they will be.
    pub after: Map<String, Value>,
}

impl Action {
    /// Reads an action from its type and its parameters.
    ///
    /// # Errors
    ///
    /// [`InputCode::Invalid`](crate::InputCode::Invalid) if there is no such type, or a parameter is missing or not
    /// what it must be.
    pub fn parse(kind: &str, params: &Map<String, Value>) -> Result<Self, InvalidInput> {
        let param = |field: &str| params.get(field).unwrap_or(&Value::Null);
        match ActionType::from_word(kind) {
            Some(ActionType::SetStatus) => {
                let status = text("status", param("status"))?;
                ProjectStatus::from_word(&status).map(Self::SetStatus).ok_or_else(|| {
                    let words = ProjectStatus::ALL.iter().map(|word| word.as_str());
                    InvalidInput::new("status", projects::one_of("status", words))
                })
            }
            Some(ActionType::SetPriority) => {
                let priority = text("priority", param("priority"))?;
                ProjectPriority::from_word(&priority).map(Self::SetPriority).ok_or_else(|| {
                    let words = ProjectPriority::ALL.iter().map(|word| word.as_str());
                    InvalidInput::new("priority", projects::one_of("priority", words))
                })
            }
            Some(ActionType::SetProgress) => {
                Ok(Self::SetProgress(percent(whole("progress", param("progress"))?)))
            }
            Some(ActionType::BumpProgress) => {
                let delta = whole("delta", param("delta"))?.clamp(i64::MIN.into(), i64::MAX.into());
                Ok(Self::BumpProgress { delta: i64::try_from(delta).unwrap_or_default() })
            }
            Some(ActionType::AppendNote) => Ok(Self::AppendNote {
                note: text("note", param("note"))?,
                to_project_notes: flag(
                    "alsoWriteToProjectNotes",
                    param("alsoWriteToProjectNotes"),
                )?,
            }),
            Some(ActionType::AddTag) => Ok(Self::AddTag { tag: text("tag", param("tag"))? }),
            Some(ActionType::RemoveTag) => Ok(Self::RemoveTag { tag: text("tag", param("tag"))? }),
            Some(ActionType::UpdateMilestone) | None => {
                let words =
                    ActionType::ALL.iter().filter(|word| **word != ActionType::UpdateMilestone);
                Err(InvalidInput::new(
                    "type",
                    projects::one_of("type", words.map(|word| word.as_str())),
                ))
            }
        }
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ActionType {
        match self {
            Self::SetStatus(_) => ActionType::SetStatus,
            Self::SetPriority(_) => ActionType::SetPriority,
            Self::SetProgress(_) => ActionType::SetProgress,
            Self::BumpProgress { .. } => ActionType::BumpProgress,
            Self::AppendNote { .. } => ActionType::AppendNote,
            Self::AddTag { .. } => ActionType::AddTag,
            Self::RemoveTag { .. } => ActionType::RemoveTag,
            Self::UpdateMilestone { .. } => ActionType::UpdateMilestone,
        }
    }

    /// Its parameters.
    #[must_use]
    pub fn params(&self) -> Map<String, Value> {
        let params = match self {
            Self::SetStatus(status) => json!({ "status": status }),
            Self::SetPriority(priority) => json!({ "priority": priority }),
            Self::SetProgress(progress) => json!({ "progress": progress }),
            Self::BumpProgress { delta } => json!({ "delta": delta }),
            Self::AppendNote { note, to_project_notes } => {
                json!({ "note": note, "alsoWriteToProjectNotes": to_project_notes })
            }
            Self::AddTag { tag } | Self::RemoveTag { tag } => json!({ "tag": tag }),
            Self::UpdateMilestone { name, change } => {
                let mut params = Map::from_iter([("name".to_owned(), json!(name))]);
                params.extend(change.fields());
                return params;
            }
        };
        match params {
            Value::Object(params) => params,
            _ => Map::new(),
        }
    }
}

/// The event that records an action which was done, or was only to be recorded. It has the id of the action.
#[must_use]
pub fn action_event(
    item: &ActionItem,
    context: &ActionContext,
    project_id: &str,
    effect: &Effect,
    project_updated_at: &str,
    now: DateTime<Utc>,
) -> Event {
    let sent = |field: &str| item.raw.get(field).cloned().unwrap_or_default();
    let params = match sent("params") {
        Value::Null => json!({}),
        params => params,
    };
    let kind = item.action.as_ref().map_or("unknown", |action| action.kind().as_str());
    let action = json!({
        "type": kind,
        "params": params,
        "recordOnly": item.record_only,
        "ifUpdatedAt": sent("ifUpdatedAt"),
    });
    let record = Record {
        id: EventId::stored(item.id.as_str()),
        kind: format!("action.{kind}"),
        project_id: Some(project_id),
        run_id: context.run_id.as_deref(),
        agent_id: context.agent_id.as_deref(),
        title: kind,
        message: Some(&effect.message),
        data: Value::Object(effect_data(action, effect, project_updated_at)),
        idempotency_key: None,
    };
    Event::record(record, now)
}

/// What the event of an action holds beside its columns.
fn effect_data(action: Value, effect: &Effect, project_updated_at: &str) -> Map<String, Value> {
    Map::from_iter([
        ("action".to_owned(), action),
        ("before".to_owned(), Value::Object(effect.before.clone())),
        ("after".to_owned(), Value::Object(effect.after.clone())),
        ("projectUpdatedAt".to_owned(), json!(project_updated_at)),
    ])
}

/// A text that says something, without outer spaces.
fn text(field: &'static str, value: &Value) -> Result<String, InvalidInput> {
    let text = match value {
        Value::Null => None,
        value => Some(coerce::text(value).ok_or_else(|| not_text(field))?),
    };
    match text.as_deref().map(str::trim) {
        None | Some("") => Err(InvalidInput::new(field, format!("{field} must not be empty"))),
        Some(text) => Ok(text.to_owned()),
    }
}

fn not_text(field: &'static str) -> InvalidInput {
    InvalidInput::new(field, format!("{field} must be text"))
}

fn whole(field: &'static str, value: &Value) -> Result<i128, InvalidInput> {
    coerce::int(value)
        .ok_or_else(|| InvalidInput::new(field, format!("{field} must be an integer")))
}

fn flag(field: &'static str, value: &Value) -> Result<bool, InvalidInput> {
    coerce::flag(value)
        .ok_or_else(|| InvalidInput::new(field, format!("{field} must be true or false")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::{fields, now};

    #[test]
    fn the_event_of_an_action_holds_what_was_asked_and_what_came_of_it() {
        let body = json!({
            "agentId": "build", "runId": "r",
            "actions": [{ "id": "x", "projectId": "p", "type": "bump_progress", "params": { "delta": 5, "reason": "tests" } }],
        });
        let ActionsBody::Actions { context, mut items, .. } =
            ActionsBody::parse(fields(body)).unwrap()
        else {
            panic!("actions")
        };
        let item = items.remove(0).unwrap();
        let effect = item.action.as_ref().unwrap().effect(
            &fields(json!({ "progress": 10 })),
            &context,
            now(),
        );

        let event = action_event(&item, &context, "p", &effect, "v2", now());

        let document = json!({
            "id": "x", "ts": "2026-02-11T15:00:00.000000Z", "type": "action.bump_progress", "level": "info",
            "projectId": "p", "runId": "r", "agentId": "build", "title": "bump_progress",
            "message": "bump progress 5 -> 15%",
            "data": {
                "action": {
                    "type": "bump_progress", "params": { "delta": 5, "reason": "tests" }, "recordOnly": false,
                    "ifUpdatedAt": null,
                },
                "before": { "status": null, "priority": null, "progress": 10, "tags": null },
                "after": { "status": null, "priority": null, "progress": 15, "tags": null },
                "projectUpdatedAt": "v2",
            },
        });
        assert_eq!(Value::Object(event.document()), document);
    }

    #[test]
    fn an_action_reads_back_from_its_type_and_parameters() {
        for (kind, params) in [
            ("set_status", json!({ "status": "paused" })),
            ("set_priority", json!({ "priority": "low" })),
            ("set_progress", json!({ "progress": 5 })),
            ("bump_progress", json!({ "delta": -5 })),
            ("append_note", json!({ "note": "n", "alsoWriteToProjectNotes": true })),
            ("add_tag", json!({ "tag": "t" })),
            ("remove_tag", json!({ "tag": "t" })),
        ] {
            let action = Action::parse(kind, &fields(params.clone())).unwrap();
            assert_eq!((action.kind().as_str(), Value::Object(action.params())), (kind, params));
        }
    }
}
