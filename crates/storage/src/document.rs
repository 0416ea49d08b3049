//! Stored documents, handed on without being parsed.

use bytes::Bytes;
use pilotdeck_domain::events::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::StoreError;

/// A row's document as it is served: a strict JSON object. PilotDeck wrote it, or adopted it, in this form. Receipts hold
/// it as a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(String);

impl Document {
    pub(crate) const fn stored(json: String) -> Self {
        Self(json)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fields, for whoever must change them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if someone else wrote what is no JSON object.
    pub fn fields(&self) -> Result<Map<String, Value>, StoreError> {
        serde_json::from_str(&self.0)
            .map_err(|error| StoreError::Corrupt { table: "documents", reason: error.to_string() })
    }
}

impl From<&Map<String, Value>> for Document {
    fn from(fields: &Map<String, Value>) -> Self {
        Self(print(fields))
    }
}

/// Several stored documents, as one JSON array. Cheap to clone: clones share the text. Receipts hold it as a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documents {
    #[serde(with = "text")]
    json: Bytes,
    count: usize,
}

impl Documents {
    /// The JSON text of the array.
    #[must_use]
    pub const fn json(&self) -> &Bytes {
        &self.json
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Bytes that are a text.
mod text {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, ser};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        std::str::from_utf8(bytes).map_err(ser::Error::custom)?.serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Bytes, D::Error> {
        String::deserialize(from).map(Bytes::from)
    }
}

/// Writes documents behind each other, as they come out of the database.
pub(crate) struct Splice {
    json: String,
    count: usize,
}

impl Splice {
    pub(crate) fn new() -> Self {
        Self { json: String::from("["), count: 0 }
    }

    pub(crate) fn push(&mut self, document: &str) {
        if self.count > 0 {
            self.json.push(',');
        }
        self.json.push_str(document);
        self.count += 1;
    }

    pub(crate) fn finish(mut self) -> Documents {
        self.json.push(']');
        Documents { json: self.json.into(), count: self.count }
    }
}

impl From<&Event> for Document {
    fn from(event: &Event) -> Self {
        Self(event.as_json().to_owned())
    }
}

impl From<Event> for Document {
    fn from(event: Event) -> Self {
        Self(event.into_json())
    }
}

/// Prints a document as it is stored.
pub(crate) fn print(fields: &Map<String, Value>) -> String {
    serde_json::to_string(fields).expect("JSON values print")
}
