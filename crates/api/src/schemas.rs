//! Schemas of inputs that are read leniently: what is meant, and the wider schema of what is taken.
//!
//! Agents send numbers as texts, one where a list belongs, and words of their own. A document that said so everywhere
//! would leave typed clients with `unknown`; one that did not would not be true. So each schema says what to send, and
//! its extension `x-lenient` what is taken. Null is left out of both: an optional field may always be null.

use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOf, Array, ArrayItems, Schema, SchemaType};
use utoipa::openapi::{Object, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The extension that holds the wider schema.
pub(crate) const LENIENT: &str = "x-lenient";

/// Reads a schema that is written as JSON.
pub(crate) fn schema(json: Value) -> RefOr<Schema> {
    let is_array = json.get("type").is_some_and(|kind| kind == "array");
    let read = if json.get("$ref").is_some() {
        return RefOr::Ref(
            serde_json::from_value(json).expect("the references here are references"),
        );
    } else if json.get("anyOf").is_some() {
        serde_json::from_value::<AnyOf>(json).map(Schema::AnyOf)
    } else if is_array {
        array(json).map(Schema::Array)
    } else {
        serde_json::from_value::<Object>(json).map(Schema::Object)
    };
    RefOr::T(read.expect("the schemas here are schemas"))
}

/// Reads the schema of a list; the library reads no items that may be anything.
fn array(mut json: Value) -> Result<Array, serde_json::Error> {
    let items = json.as_object_mut().and_then(|fields| fields.remove("items")).unwrap_or(json!({}));
    let anything = Schema::Object(Object::with_type(SchemaType::AnyValue));
    json["items"] = json!(false);
    let mut array = serde_json::from_value::<Array>(json)?;
    let items = if items == json!({}) { RefOr::T(anything) } else { schema(items) };
    array.items = ArrayItems::RefOrSchema(Box::new(items));
    Ok(array)
}

/// Adds a schema, and those that it refers to, to the components of the document.
pub(crate) fn register<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// A list of `T`, with at least `least` items. Each item is judged on its own when it is its turn.
pub(crate) fn list_of<T: ToSchema>(least: usize) -> RefOr<Schema> {
    schema(json!({
        "description": "At most 10,000. Each item is judged on its own, when it is its turn.",
        "type": "array", "items": { "$ref": format!("#/components/schemas/{}", T::name()) },
        "minItems": least, "maxItems": 10_000,
        LENIENT: { "type": "array", "minItems": least, "maxItems": 10_000 },
    }))
}

/// The schema of `T`, an object, beside what else is taken.
pub(crate) fn lenient<T: PartialSchema>(taken: Value) -> RefOr<Schema> {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.extensions = Some([(LENIENT, taken)].into_iter().collect());
    }
    schema
}

/// What is not null.
pub(crate) fn anything() -> Value {
    json!({ "type": ["string", "number", "boolean", "object", "array"] })
}

/// A number, a boolean or a text.
fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn date_time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A date, a time, or an empty text, which is not given.
fn times() -> Vec<Value> {
    vec![
        date_time(),
        json!({ "type": "string", "format": "date" }),
        json!({ "type": "string", "maxLength": 0 }),
    ]
}

fn no_text() -> Value {
    json!({ "type": ["number", "boolean", "object", "array"] })
}

fn blank() -> Value {
    json!({ "type": "string", "pattern": "^[ \\t\\r\\n]*$" })
}

/// No control characters, and at most 255 others.
fn identifier() -> Value {
    json!({ "type": "string", "maxLength": 255, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" })
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $meant:expr, $lenient:expr;)*) => {
        $(
            $(#[doc = $doc])+
            pub(crate) enum $name {}

            impl $name {
                /// The schema of what is taken.
                pub(crate) fn taken() -> Value {
                    $lenient
                }
            }

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let mut meant: Value = $meant;
                    meant["description"] = json!(concat!($($doc),+).trim());
                    meant[LENIENT] = Self::taken();
                    schema(meant)
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

kinds! {
    /// A text. Numbers and booleans are taken for their text.
    Text = json!({ "type": "string" }), scalar();

    /// The id of something else, at most 255 characters. Numbers and booleans are taken for their text.
    Reference = json!({ "type": "string", "maxLength": 255 }),
        json!({ "type": ["string", "number", "boolean"], "maxLength": 255 });

    /// A word. Anything else counts as not given.
    Word = json!({ "type": "string" }), anything();

    /// A text. Anything else is kept as it is.
    FreeText = json!({ "type": "string" }), anything();

    /// A name: a text that is not blank. Numbers and booleans are taken for their text.
    Name = json!({ "type": "string", "minLength": 1, "pattern": "\\S" }),
        json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" });

    /// An id that the client chooses: 1 to 255 characters, not blank, no control characters. What is blank, or no text,
    /// counts as not given.
    ChosenId = json!({
            "type": "string", "minLength": 1, "maxLength": 255,
            "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\x00-\\x20\\x7f-\\xa0][^\\x00-\\x1f\\x7f-\\x9f]*$",
        }),
        json!({ "anyOf": [no_text(), blank(), identifier()] });

    /// An id that the client chooses for an event or action: at most 255 characters, no control characters, not ending
    /// in `.decision`. Outer spaces are cut off; what is blank counts as not given.
    ChosenEventId = json!({ "type": "string", "maxLength": 255, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" }),
        json!({ "anyOf": [
            { "type": ["number", "boolean"] },
            blank(),
            { "allOf": [identifier(), { "not": { "type": "string", "pattern": "\\.decision\\s*$" } }] },
        ] });

    /// A time: RFC 3339, or without offset (taken as UTC), or a date. What is no text, or empty, counts as not given.
    Moment = date_time(), json!({ "anyOf": [no_text(), { "anyOf": times() }] });

    /// A time: RFC 3339, or without offset (taken as UTC), or a date. An empty text counts as not given.
    StrictMoment = date_time(), json!({ "anyOf": times() });

    /// The `updatedAt` that the client has seen, exactly as it was served. What is empty, false or zero asks for nothing.
    SeenVersion = json!({ "type": "string" }), anything();

    /// Percent, 0 to 100. Numeric texts are taken, fractions cut off, and what is out of range becomes the nearest end;
    /// anything else is 0.
    Percent = json!({ "type": "integer", "minimum": 0, "maximum": 100 }), anything();

    /// An amount of money. Numeric texts are taken; what is negative, or no number, is 0.
    Amount = json!({ "type": "number", "minimum": 0 }), anything();

    /// What may be spent. Numeric texts are taken, and objects with `planned`, `total` or `amount`; what is negative, or
    /// no number, is 0.
    Budget = json!({ "type": "number", "minimum": 0 }), anything();

    /// Money, as an object with a `total` (its other fields are kept) or as a bare number. A `total` that is negative or
    /// missing is 0; so is anything else.
    MoneyInput = json!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            {
                "type": "object",
                "properties": { "total": { "type": "number", "minimum": 0 } },
                "additionalProperties": true,
            },
        ] }),
        anything();

    /// Money: a `total`, and whatever else the client sent with it.
    Money = json!({
            "type": "object", "required": ["total"],
            "properties": { "total": { "type": "number", "minimum": 0, "description": "The amount." } },
            "additionalProperties": true,
        }),
        anything();

    /// A count of tokens, at most 2^63 - 1. Digits in a text are taken, fractions cut off; what is negative, or no
    /// number, is 0.
    Count = json!({ "type": "integer", "format": "int64", "minimum": 0 }),
        json!({ "anyOf": [
            { "type": ["boolean", "object", "array"] },
            { "type": "number", "maximum": i64::MAX },
            { "type": "string", "not": { "pattern": "^\\s*\\+?0*[1-9][0-9]{19,}\\s*$" } },
        ] });

    /// A list of texts. One text is a list of one; numbers and booleans are taken for their text.
    Texts = json!({ "type": "array", "items": { "type": "string" } }),
        json!({
            "type": ["string", "number", "boolean", "array"],
            "items": { "type": ["string", "number", "boolean", "null"] },
        });

    /// A list of texts. Items of other types are kept as they are; one text is a list of one.
    Items = json!({ "type": "array", "items": { "type": "string" } }),
        json!({ "type": ["string", "number", "boolean", "array"] });

    /// A list of texts. Items of other types are kept as they are; what is no list is passed over.
    ItemsOnly = json!({ "type": "array", "items": { "type": "string" } }), anything();

    /// A list of ids. Items of other types are passed over.
    Ids = json!({ "type": "array", "items": { "type": "string" } }), json!({ "type": "array" });

    /// A list of anything; what is no list is a list of one, or passed over by a change.
    Links = json!({ "type": "array", "items": {} }), anything();

    /// An object with any fields; anything else is an empty one, or passed over by a change.
    Fields = json!({ "type": "object", "additionalProperties": true }), anything();

    /// A time in the query string; an empty one is not given.
    QueryTime = json!({ "type": "string", "format": "date-time", "examples": ["2026-02-11T15:00:00Z"] }),
        json!({ "anyOf": times() });

    /// A number in the query string. What is no integer means the default, what is out of bounds the nearest bound.
    QueryNumber = json!({ "type": "integer", "minimum": 0 }), scalar();

    /// The place of a ledger line; an empty one is not given.
    QueryPlace = json!({ "type": "integer", "format": "int64", "minimum": 0 }),
        json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": i64::MAX },
            { "type": "string", "maxLength": 0 },
        ] });

    /// Operations of the ledger, separated by commas.
    OperationNames = json!({
            "type": "string", "pattern": "^[a-z_]+\\.([a-z_]+|\\*)(,[a-z_]+\\.([a-z_]+|\\*))*$",
            "examples": ["project.*,event.appended"],
        }),
        json!({ "type": "string" });
    /// A place in the past: the `seq` of a line of the ledger, or a time. An empty one is not given.
    QueryAt = json!({ "anyOf": [
            { "type": "integer", "format": "int64", "minimum": 0 },
            { "type": "string", "format": "date-time" },
        ] }),
        json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": i64::MAX },
            { "anyOf": times() },
        ] });

    /// What a series is split by; any other word is passed over.
    QuerySeries = json!({ "type": "string", "enum": ["model", "project", "agent", "workspace", "source"] }),
        json!({ "type": "string" });

    /// A level, in any case; `warning` is `warn`, and any other word is passed over.
    QueryLevel = json!({ "type": "string", "enum": ["debug", "info", "warn", "error"] }),
        json!({ "type": "string" });

    /// A claim in the query string: 1, true, yes, on, or 0, false, no, off. Anything else is passed over.
    QueryFlag = json!({ "type": "boolean" }), scalar();

    /// Whether it is in use. The usual words are taken; anything else means yes.
    Enabled = json!({ "type": "boolean" }), anything();
}

/// Always true.
pub(crate) enum Yes {}

impl PartialSchema for Yes {
    fn schema() -> RefOr<Schema> {
        schema(json!({ "type": "boolean", "enum": [true], "description": "Always true." }))
    }
}

impl ToSchema for Yes {}

/// Always false.
pub(crate) enum No {}

impl PartialSchema for No {
    fn schema() -> RefOr<Schema> {
        schema(json!({ "type": "boolean", "enum": [false], "description": "Always false." }))
    }
}

impl ToSchema for No {}
