//! An entity on its way from raw fields to its normal form.
//!
//! What a client sent is judged; what was stored long ago is taken as it is, so that a row which another server wrote
//! can always be changed, field by field.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::{InvalidInput, coerce, ids, times::WireTime};

/// The raw fields of one entity. Each reading takes its field out; what is left at the end is unknown to us.
pub(crate) struct Draft {
    fields: Map<String, Value>,
    sent: Sent,
}

enum Sent {
    Everything,
    Nothing,
    Only(HashSet<String>),
}

impl Draft {
    /// A new entity: every field is judged.
    pub(crate) fn sent(fields: Map<String, Value>) -> Self {
        Self { fields, sent: Sent::Everything }
    }

    /// Fields that were judged before, or never will be: no reading of them fails.
    pub(crate) fn trusted(fields: Map<String, Value>) -> Self {
        Self { fields, sent: Sent::Nothing }
    }

    /// A stored entity over which `patch` is laid, key by key: only what the patch touches is judged.
    pub(crate) fn merged(
        stored: &Map<String, Value>,
        patch: Map<String, Value>,
        ignored: &[&str],
    ) -> Self {
        let mut fields = stored.clone();
        let mut sent = HashSet::new();
        for (key, value) in patch {
            if !ignored.contains(&key.as_str()) {
                sent.insert(key.clone());
                fields.insert(key, value);
            }
        }
        Self { fields, sent: Sent::Only(sent) }
    }

    /// Whether a client sent this field just now.
    pub(crate) fn is_sent(&self, field: &str) -> bool {
        match &self.sent {
            Sent::Everything => true,
            Sent::Nothing => false,
            Sent::Only(fields) => fields.contains(field),
        }
    }

    /// The field without taking it.
    pub(crate) fn peek(&self, field: &str) -> &Value {
        self.fields.get(field).unwrap_or(&Value::Null)
    }

    /// The field as it is; null when absent.
    pub(crate) fn any(&mut self, field: &str) -> Value {
        self.fields.shift_remove(field).unwrap_or(Value::Null)
    }

    /// The field as it is, or `default` when it is absent or null.
    pub(crate) fn any_or(&mut self, field: &str, default: &str) -> Value {
        match self.any(field) {
            Value::Null => Value::String(default.to_owned()),
            value => value,
        }
    }

    /// A string that is not empty; anything else is none.
    pub(crate) fn word(&mut self, field: &str) -> Option<String> {
        match self.any(field) {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar; null is none, structures are refused.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<String>, InvalidInput> {
        match self.any(field) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            value => self.text_of(field, &value).map(Some),
        }
    }

    /// The text of `value`, which was found in `field`.
    pub(crate) fn text_of(
        &self,
        field: &'static str,
        value: &Value,
    ) -> Result<String, InvalidInput> {
        match coerce::text(value) {
            Some(text) => Ok(text),
            None if self.is_sent(field) => {
                Err(InvalidInput::new(field, format!("{field} must be text")))
            }
            None => Ok(value.to_string()),
        }
    }

    /// A name without outer spaces, or `default` when nothing is left of it.
    pub(crate) fn name(&mut self, default: &str) -> Result<String, InvalidInput> {
        let name = self.text("name")?.unwrap_or_default();
        Ok(match name.trim() {
            "" => default.to_owned(),
            name => name.to_owned(),
        })
    }

    /// The id of another thing: text, as long as ids can be.
    pub(crate) fn reference(
        &mut self,
        field: &'static str,
    ) -> Result<Option<String>, InvalidInput> {
        let text = self.text(field)?;
        if let Some(text) = &text
            && self.is_sent(field)
        {
            check_length(field, text)?;
        }
        Ok(text)
    }

    /// A string that is a time; anything but a non-empty string is none.
    pub(crate) fn time(&mut self, field: &'static str) -> Result<Option<WireTime>, InvalidInput> {
        match self.word(field) {
            Some(text) if self.is_sent(field) => WireTime::parse(field, &text).map(Some),
            Some(text) => Ok(Some(WireTime::stored(text))),
            None => Ok(None),
        }
    }

    /// A list: null is empty, a list stays as it is, a scalar is a list of its text.
    pub(crate) fn list(&mut self, field: &'static str) -> Result<Vec<Value>, InvalidInput> {
        match self.any(field) {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => Ok(items),
            value => {
                let text = self.text_of(field, &value)?;
                let text = text.trim();
                Ok(if text.is_empty() { Vec::new() } else { vec![Value::String(text.to_owned())] })
            }
        }
    }

    /// An object; anything else is an empty one.
    pub(crate) fn object(&mut self, field: &str) -> Map<String, Value> {
        match self.any(field) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// The id that a client chose for a new entity, unless it is blank or no text.
    pub(crate) fn chosen_id(&mut self) -> Option<String> {
        self.word("id").filter(|id| !id.trim().is_empty())
    }

    /// What is unknown, after what is known: the document of the entity.
    pub(crate) fn document<const N: usize>(self, known: [(&str, Value); N]) -> Map<String, Value> {
        let mut document = Map::with_capacity(N + self.fields.len());
        for (field, value) in known {
            document.insert(field.to_owned(), value);
        }
        for (field, value) in self.fields {
            document.entry(field).or_insert(value);
        }
        document
    }
}

/// Refuses what is longer than an id can be.
pub(crate) fn check_length(field: &'static str, text: &str) -> Result<(), InvalidInput> {
    if text.chars().nth(ids::MAX_ID_CHARS).is_some() {
        return Err(InvalidInput::new(
            field,
            format!("{field} must have at most {} characters", ids::MAX_ID_CHARS),
        ));
    }
    Ok(())
}

/// The version that follows the one of `stored`.
pub(crate) fn next_version(stored: &Map<String, Value>, now: DateTime<Utc>) -> WireTime {
    match stored.get("updatedAt") {
        Some(Value::String(previous)) => WireTime::after(&WireTime::stored(previous), now),
        _ => WireTime::from(now),
    }
}

/// The id of a stored entity, as it was found.
pub(crate) fn stored_id(stored: &Map<String, Value>) -> String {
    stored.get("id").filter(|id| !id.is_null()).map(coerce::any_text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{InputCode, arbitrary::fields};

    #[test]
    fn what_is_stored_is_taken_as_it_is_and_what_is_sent_is_judged() {
        let stored = fields(json!({ "name": { "a": 1 }, "ts": "soon", "runId": "x".repeat(256) }));

        let mut kept = Draft::merged(&stored, Map::new(), &[]);
        assert_eq!(kept.text("name").unwrap().unwrap(), r#"{"a":1}"#);
        assert_eq!(kept.time("ts").unwrap().unwrap().as_str(), "soon");
        assert_eq!(kept.reference("runId").unwrap().unwrap().len(), 256);

        let mut sent = Draft::merged(&Map::new(), stored, &[]);
        assert_eq!(sent.text("name").unwrap_err().field, "name");
        assert_eq!(sent.time("ts").unwrap_err().code, InputCode::Time);
        assert_eq!(sent.reference("runId").unwrap_err().field, "runId");
    }

    #[test]
    fn a_patch_replaces_key_by_key_but_for_the_ignored_ones() {
        let stored = fields(json!({ "id": "a", "links": { "b": 1 }, "x": 1 }));
        let patch = fields(json!({ "id": "b", "links": { "c": 2 }, "y": null }));

        let draft = Draft::merged(&stored, patch, &["id"]);

        let document = draft.document([]);
        assert_eq!(document, fields(json!({ "id": "a", "links": { "c": 2 }, "x": 1, "y": null })));
    }

    #[test]
    fn unknown_fields_follow_the_known_ones_in_the_order_in_which_they_were_sent() {
        let mut draft = Draft::sent(fields(json!({ "z": 1, "name": "n", "a": 2 })));
        let name = draft.name("Agent").unwrap();

        let document = draft.document([("name", json!(name))]);

        assert_eq!(document.keys().collect::<Vec<_>>(), ["name", "z", "a"]);
    }

    #[test]
    fn a_list_is_made_of_what_is_none() {
        for (sent, list) in [
            (json!(null), json!([])),
            (json!(" "), json!([])),
            (json!(" a "), json!(["a"])),
            (json!(5), json!(["5"])),
            (json!([1, null]), json!([1, null])),
        ] {
            let mut draft = Draft::sent(fields(json!({ "skills": sent })));
            assert_eq!(Value::Array(draft.list("skills").unwrap()), list);
        }
        let mut draft = Draft::sent(fields(json!({ "skills": { "a": 1 } })));
        assert_eq!(draft.list("skills").unwrap_err().field, "skills");
    }
}
