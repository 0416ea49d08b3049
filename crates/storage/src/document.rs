//! Stored documents, handed on without being parsed.

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
