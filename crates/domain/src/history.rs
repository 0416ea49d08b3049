//! What became of a project, line by line: how it was before a change, and whether a change can be undone.
//!
//! The ledger says of every change what the fields that differ were before and are after it. So the state at an earlier
//! place is the present one with every later change taken back, newest first; it needs nothing from the time before the
//! ledger began. A number comes back with its value, not always with its spelling: the canonical form of `1.0` is `1`.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value, json};

use crate::{
    InvalidInput,
    ledger::{self, Line, Operation},
    times::WireTime,
};

/// The fields that belong to the row, not to what was done to it: no undo restores them.
const KEPT: [&str; 3] = ["id", "createdAt", "updatedAt"];

/// The fields of a project that are written as floats.
const FLOATS: [&str; 2] = ["budget", "actualCost"];

/// A place in the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// After this line of the ledger.
    Seq(i64),
    /// At this time.
    Time(WireTime),
}

impl At {
    /// Reads what a client sent: digits are the place of a line, anything else is a time.
    ///
    /// # Errors
    ///
    /// [`InputCode::Invalid`](crate::InputCode::Invalid) if no line can have the place,
    /// [`InputCode::Time`](crate::InputCode::Time) if it is no time either.
    pub fn parse(raw: &str) -> Result<Self, InvalidInput> {
        let raw = raw.trim();
        if !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit()) {
            return raw.parse().map(Self::Seq).map_err(|_| {
                InvalidInput::new("at", "at must be the place of a ledger line, or a time")
            });
        }
        // The plus sign of an offset that was not escaped in an address arrives as a space.
        let raw = if raw.contains('T') { raw.replace(' ', "+") } else { raw.to_owned() };
        WireTime::parse("at", &raw).map(Self::Time)
    }

    /// Whether `line` was written by then.
    #[must_use]
    pub fn includes(&self, line: &Line) -> bool {
        match self {
            Self::Seq(seq) => line.seq <= *seq,
            Self::Time(time) => line.ts.as_str() <= time.as_str(),
        }
    }
}

/// Why the past cannot be told from the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// A line does not follow from the one after it: something else than this server changed the project.
    #[error("something that writes no ledger changed the project after line {0}")]
    Gap(i64),
    /// A line is not what this server writes.
    #[error("line {0} does not tell what became of a project")]
    Unreadable(i64),
}

/// What one line tells of a project.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It came into being so.
    Created(Map<String, Value>),
    /// Some of its fields changed.
    Changed(Given),
    /// It was so, and is gone.
    Deleted(Map<String, Value>),
}

/// The fields that a change was about, as they were before it and as it gave them; what was not there is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// As they were.
    pub before: Map<String, Value>,
    /// As the change gave them.
    pub after: Map<String, Value>,
}

/// A field that has another value than a change gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Differing {
    /// The field.
    pub field: String,
    /// What the change gave it; none if it removed the field.
    pub given: Option<Value>,
    /// What it is now; none if it is not there.
    pub now: Option<Value>,
}

impl Step {
    /// Reads a line about a project.
    ///
    /// # Errors
    ///
    /// [`Untold::Unreadable`] if it is about something else.
    pub fn of(line: &Line) -> Result<Self, Untold> {
        let unreadable = |_| Untold::Unreadable(line.seq);
        let mut change = ledger::exact(&line.change).map_err(unreadable)?;
        let mut state = |name: &str| match change.shift_remove(name) {
            Some(Value::Object(mut fields)) => {
                fields.iter_mut().for_each(|(field, value)| respell(field, value));
                Ok(fields)
            }
            _ => Err(Untold::Unreadable(line.seq)),
        };
        let is = |operation: Operation| line.operation == operation.as_str();
        if is(Operation::ProjectCreated) {
            state("after").map(Self::Created)
        } else if is(Operation::ProjectDeleted) {
            state("before").map(Self::Deleted)
        } else if is(Operation::ProjectUpdated) {
            Ok(Self::Changed(Given { before: state("before")?, after: state("after")? }))
        } else {
            Err(Untold::Unreadable(line.seq))
        }
    }

    /// The project before this step, from how it was after it; `seq` is the place of the line.
    ///
    /// # Errors
    ///
    /// [`Untold::Gap`] if the step cannot have led there.
    pub fn reverted(
        self,
        seq: i64,
        after: Option<Map<String, Value>>,
    ) -> Result<Option<Map<String, Value>>, Untold> {
        match (self, after) {
            (Self::Created(_), Some(_)) => Ok(None),
            (Self::Changed(given), Some(after)) => Ok(Some(given.undone(after))),
            (Self::Deleted(before), None) => Ok(Some(before)),
            _ => Err(Untold::Gap(seq)),
        }
    }
}

impl Given {
    /// The fields that an undo of the change restores.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let removed = self.before.keys().filter(|field| !self.after.contains_key(*field));
        let differs = |field: &&str| !same_field(self.before.get(*field), self.after.get(*field));
        let fields = self.after.keys().chain(removed).map(String::as_str);
        fields.filter(|field| !KEPT.contains(field)).filter(differs)
    }

    /// Whether the change was about `field`.
    #[must_use]
    pub fn is_about(&self, field: &str) -> bool {
        self.before.contains_key(field) || self.after.contains_key(field)
    }

    /// The fields that `now` no longer has as the change gave them.
    #[must_use]
    pub fn differing(&self, now: &Map<String, Value>) -> Vec<Differing> {
        self.fields()
            .filter(|field| !same_field(self.after.get(*field), now.get(*field)))
            .map(|field| Differing {
                field: field.to_owned(),
                given: self.after.get(field).cloned(),
                now: now.get(field).cloned(),
            })
            .collect()
    }

    /// Whether the change did something, and all of it still stands in `now`.
    #[must_use]
    pub fn stands(&self, now: &Map<String, Value>) -> bool {
        self.fields().next().is_some() && self.differing(now).is_empty()
    }

    /// `now` with the restorable fields as they were before the change.
    #[must_use]
    pub fn restored(&self, now: &Map<String, Value>) -> Map<String, Value> {
        let is_restored = |field: &String| !KEPT.contains(&field.as_str());
        let part = |state: &Map<String, Value>| {
            let fields = state.iter().filter(|(field, _)| is_restored(field));
            fields.map(|(field, value)| (field.clone(), value.clone())).collect()
        };
        Self { before: part(&self.before), after: part(&self.after) }.undone(now.clone())
    }

    /// `after` with all fields as they were before the change.
    fn undone(self, mut after: Map<String, Value>) -> Map<String, Value> {
        for field in self.after.keys().filter(|field| !self.before.contains_key(*field)) {
            after.shift_remove(field);
        }
        after.extend(self.before);
        after
    }
}

/// Canonical JSON writes whole floats without fraction; an integer that is no float stays.
fn respell(field: &str, value: &mut Value) {
    if FLOATS.contains(&field)
        && let Some(float) = value.as_f64()
        && let Value::Number(number) = &*value
        && number.to_string() == format!("{float:.0}")
    {
        *value = json!(float);
    }
}

fn same_field(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// Whether two values are the same; numbers by their value.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let in_other = |(key, value)| other.get(key).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(in_other)
        }
        (one, other) => one == other,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    let as_floats = || one.as_f64()?.partial_cmp(&other.as_f64()?);
    let is_float = one.is_f64() || other.is_f64();
    one == other || (is_float && as_floats() == Some(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        InputCode,
        arbitrary::{self, fields, now},
        identity::{ActorKind, Author},
        ledger::{Change, Entry, Head, SubjectKind},
        projects::Project,
    };

    fn line(seq: i64, operation: Operation, change: Change) -> Line {
        let author =
            Author { kind: ActorKind::Agent, id: None, name: None, request_id: Some("r".into()) };
        let head = Head { seq: seq - 1, ..Head::default() };
        let entry = Entry::new(operation, SubjectKind::Project, "p", change);
        Line::seal(&head, &author, &WireTime::from(now()), entry)
    }

    fn given(before: Value, after: Value) -> Given {
        Given { before: fields(before), after: fields(after) }
    }

    fn as_value(state: Option<Map<String, Value>>) -> Value {
        state.map_or(Value::Null, Value::Object)
    }

    #[test]
    fn digits_are_a_place_and_anything_else_is_a_time() {
        let time = |text: &str| Ok(At::Time(WireTime::stored(text)));
        assert_eq!(At::parse(" 042 "), Ok(At::Seq(42)));
        assert_eq!(At::parse("2026"), Ok(At::Seq(2026)));
        assert_eq!(At::parse("2026-02-11"), time("2026-02-11T00:00:00.000000Z"));
        assert_eq!(At::parse("2026-02-11T08:00:00 08:00"), time("2026-02-11T00:00:00.000000Z"));
        for raw in ["", "-1", "+1", "1.5", "soon", "١"] {
            assert_eq!(At::parse(raw).unwrap_err().code, InputCode::Time, "{raw}");
        }
        assert_eq!(At::parse(&"9".repeat(30)).unwrap_err().code, InputCode::Invalid);
    }

    #[test]
    fn a_change_can_be_undone_while_every_field_has_what_it_gave() {
        let given = given(
            json!({ "progress": 1, "old": [1], "updatedAt": "v1" }),
            json!({ "progress": 2, "new": null, "updatedAt": "v2" }),
        );
        let now = json!({ "progress": 2.0, "new": null, "name": "n", "updatedAt": "v3" });

        assert_eq!(given.fields().collect::<Vec<_>>(), ["progress", "new", "old"]);
        assert!(given.stands(&fields(now.clone())));
        assert_eq!(
            Value::Object(given.restored(&fields(now))),
            json!({ "progress": 1, "old": [1], "name": "n", "updatedAt": "v3" })
        );
    }

    #[test]
    fn what_changed_since_is_named_with_both_values() {
        let given = given(json!({ "a": 1, "b": 1, "c": 1 }), json!({ "a": 2, "b": 2 }));

        let differing = given.differing(&fields(json!({ "a": "2", "c": 3 })));

        let named: Vec<_> = differing
            .iter()
            .map(|field| (field.field.as_str(), field.given.clone(), field.now.clone()))
            .collect();
        assert_eq!(
            named,
            [
                ("a", Some(json!(2)), Some(json!("2"))),
                ("b", Some(json!(2)), None),
                ("c", None, Some(json!(3))),
            ]
        );
    }

    #[test]
    fn a_change_of_the_version_alone_has_nothing_to_undo() {
        let given = given(
            json!({ "x": 1, "updatedAt": "v1" }),
            json!({ "x": 1.0, "updatedAt": "v2", "createdAt": "t" }),
        );

        assert_eq!(given.fields().count(), 0);
        assert!(!given.stands(&fields(json!({ "x": 1 }))));
    }

    #[test]
    fn a_step_that_cannot_have_led_here_is_a_gap() {
        let document = fields(json!({ "a": 1 }));
        let updated = Step::Changed(Given::default());
        assert_eq!(updated.reverted(7, None), Err(Untold::Gap(7)));
        assert_eq!(Step::Created(document.clone()).reverted(7, None), Err(Untold::Gap(7)));
        assert_eq!(
            Step::Deleted(document.clone()).reverted(7, Some(document)),
            Err(Untold::Gap(7))
        );
        let reordered = line(7, Operation::ProjectsReordered, Change::of(&json!({ "from": 0 })));
        assert_eq!(Step::of(&reordered), Err(Untold::Unreadable(7)));
    }

    const KNOWN: &[&str] = &[
        "name",
        "status",
        "progress",
        "tags",
        "cost",
        "budget",
        "actualCost",
        "createdAt",
        "notes",
        "customA",
        "customB",
        "深/~",
    ];

    /// What may be done to a project; the parts of a document are merged as they are.
    #[derive(Clone, Debug)]
    enum Deed {
        Write(Map<String, Value>),
        Replace(Map<String, Value>),
        Delete,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            4 => arbitrary::object(KNOWN).prop_map(Deed::Write),
            2 => arbitrary::object(KNOWN).prop_map(Deed::Replace),
            1 => Just(Deed::Delete),
        ]
    }

    proptest! {
        #[test]
        fn going_back_line_by_line_meets_every_state_there_was(deeds in prop::collection::vec(deed(), 1..20)) {
            let mut states = vec![None];
            let mut lines = Vec::new();
            for deed in deeds {
                let before = states.last().cloned().flatten();
                let (operation, change, after) = match (before, deed) {
                    (Some(before), Deed::Delete) => {
                        let change = Change::deleted(&before).with("detachedRuns", &json!(1));
                        (Operation::ProjectDeleted, change, None)
                    }
                    (None, Deed::Delete) => continue,
                    (None, Deed::Write(sent) | Deed::Replace(sent)) => {
                        let after: Map<String, Value> = sent;
                        (Operation::ProjectCreated, Change::created(&after), Some(after))
                    }
                    (Some(before), Deed::Write(sent)) => {
                        let mut after = before.clone();
                        after.extend(sent);
                        (Operation::ProjectUpdated, Change::between(&before, &after), Some(after))
                    }
                    (Some(before), Deed::Replace(after)) => {
                        (Operation::ProjectUpdated, Change::between(&before, &after), Some(after))
                    }
                };
                lines.push(line(i64::try_from(lines.len()).unwrap() + 1, operation, change));
                states.push(after);
            }

            let mut state = states.pop().unwrap();
            while let Some(line) = lines.pop() {
                state = Step::of(&line).unwrap().reverted(line.seq, state).unwrap();
                let expected = as_value(states.pop().unwrap());
                prop_assert!(same(&as_value(state.clone()), &expected), "{state:?}\n{expected}");
            }
        }

        #[test]
        fn undoing_a_change_of_a_project_restores_what_it_changed(
            mut body in arbitrary::object(KNOWN), patch in arbitrary::object(KNOWN)
        ) {
            body.insert("name".to_owned(), json!("Apollo"));
            let Ok(first) = Project::create(body, now()) else { return Ok(()) };
            let Ok(second) = Project::merged(first.document(), patch, now()) else { return Ok(()) };
            let change = Change::between(first.document(), second.document());
            let Step::Changed(given) = Step::of(&line(1, Operation::ProjectUpdated, change)).unwrap() else {
                panic!("a change")
            };

            prop_assert!(given.differing(second.document()).is_empty());
            let restored = Project::merged(&given.restored(second.document()), Map::new(), now()).unwrap();

            let content = |project: &Project| {
                let mut document = project.document().clone();
                document.retain(|field, _| !KEPT.contains(&field.as_str()));
                Value::Object(document)
            };
            prop_assert!(same(&content(&restored), &content(&first)));
            prop_assert!(restored.updated_at() > second.updated_at() || second.updated_at().instant().is_none());
        }
    }
}
