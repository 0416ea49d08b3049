//! What is wrong with an input.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Which stable code a refused input is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputCode {
    /// A field has a value that it cannot have.
    Invalid,
    /// A field that holds a time does not.
    Time,
    /// An identifier is blank, over-long or has a character that identifiers cannot have.
    Id,
    /// A project needs a name.
    Name,
}

/// An input that cannot become a domain value: which field, and what it must be instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason}")]
pub struct InvalidInput {
    /// The stable code of the refusal.
    pub code: InputCode,
    /// The field as the client named it, in dotted form where it is nested.
    pub field: Cow<'static, str>,
    /// A sentence for a person.
    pub reason: Cow<'static, str>,
}

impl InvalidInput {
    /// A field with a value that it cannot have.
    pub fn new(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: InputCode::Invalid, field: field.into(), reason: reason.into() }
    }

    /// The same refusal under another code.
    #[must_use]
    pub fn with_code(mut self, code: InputCode) -> Self {
        self.code = code;
        self
    }
}
