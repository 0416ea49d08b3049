//! Schemas of inputs that are read leniently: what is accepted is wider than what it becomes.

use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, SchemaType};
use utoipa::openapi::{Object, RefOr, Schema};

fn schema(json: Value) -> RefOr<Schema> {
    serde_json::from_value(json).expect("the schemas here are schemas")
}

/// Any JSON.
pub(crate) fn anything() -> RefOr<Schema> {
    RefOr::T(Schema::Object(Object::with_type(SchemaType::AnyValue)))
}

/// A list of anything.
pub(crate) fn list() -> RefOr<Schema> {
    ArrayBuilder::new().items(anything()).into()
}

/// A list of anything, but of something.
pub(crate) fn filled_list() -> RefOr<Schema> {
    ArrayBuilder::new().items(anything()).min_items(Some(1)).into()
}

/// Why something was done.
pub(crate) fn reason() -> RefOr<Schema> {
    schema(json!({ "type": ["string", "null"], "maxLength": 10_000 }))
}

/// A text. Numbers and booleans become one.
pub(crate) fn text() -> RefOr<Schema> {
    schema(json!({ "type": ["string", "number", "boolean", "null"] }))
}

/// A reference to something else: a text of at most 255 characters.
pub(crate) fn reference() -> RefOr<Schema> {
    schema(json!({ "type": ["string", "number", "boolean", "null"], "maxLength": 255 }))
}

/// A name: a text that is not blank.
pub(crate) fn name() -> RefOr<Schema> {
    schema(json!({ "type": ["string", "number", "boolean"], "minLength": 1, "pattern": "\\S" }))
}

/// A time: RFC 3339, or without offset (taken as UTC), or a date. Empty is not given.
pub(crate) fn time() -> RefOr<Schema> {
    AnyOfBuilder::new()
        .item(schema(json!({ "type": "string", "format": "date-time" })))
        .item(schema(json!({ "type": "string", "format": "date" })))
        .item(schema(json!({ "type": "string", "maxLength": 0 })))
        .item(schema(json!({ "type": "null" })))
        .examples([json!("2026-02-11T15:00:00Z")])
        .into()
}

/// A time in the query string.
pub(crate) fn query_time() -> RefOr<Schema> {
    schema(json!({ "type": "string", "format": "date-time", "example": "2026-02-11T15:00:00Z" }))
}

/// A number in the query string: what is no integer means the default, what is out of bounds the nearest bound.
pub(crate) fn query_number() -> RefOr<Schema> {
    schema(json!({ "type": ["integer", "string"] }))
}

/// A claim in the query string: 1, true, yes, on, or 0, false, no, off; anything else is passed over.
pub(crate) fn query_flag() -> RefOr<Schema> {
    schema(json!({ "type": ["boolean", "string", "integer"] }))
}

/// An identifier that the client chooses.
pub(crate) fn id() -> RefOr<Schema> {
    schema(
        json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\x00-\\x20\\x7f-\\xa0][^\\x00-\\x1f\\x7f-\\x9f]*$" }),
    )
}

/// An object with any fields.
pub(crate) fn object() -> RefOr<Schema> {
    schema(json!({ "type": "object", "additionalProperties": true }))
}
