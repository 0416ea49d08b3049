//! What clients read of a row: its payload, merged with its columns.

use serde_json::{Map, Number, Value};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use super::{
    moments::{Moment, Moments},
    payload,
};

/// A column, in the order in which its table is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its key in the payload.
    pub(super) key: &'static str,
    /// How it is read.
    pub(super) kind: Kind,
}

/// How a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Plain,
    /// As a truth value.
    Flag,
    /// A time, which may be rewritten.
    Time,
    /// A number, which is zero where the stored one is infinite.
    Amount,
}

impl Kind {
    /// Whether adoption may write the column.
    pub(super) fn is_written(self) -> bool {
        matches!(self, Self::Time | Self::Amount)
    }
}

/// How columns and payload become what is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Columns overwrite the payload; a payload that is no object lacks these keys too, and they are empty objects.
    Columns(&'static [&'static str]),
    /// The payload is read, with defaults for what it lacks; one that is no object is not read at all.
    Event,
}

/// What becomes of a row.
pub(super) struct Outcome {
    /// The new values of the columns that adoption may write, null for those that stay.
    pub(super) columns: Vec<Value>,
    /// The new payload, if it changes.
    pub(super) payload: Option<String>,
    /// Whether the old payload said something that the new one cannot say.
    pub(super) is_set_aside: bool,
    /// Whether a text is left where a time is expected.
    pub(super) is_time_left: bool,
}

impl Outcome {
    pub(super) fn is_change(&self) -> bool {
        self.payload.is_some() || self.columns.iter().any(|column| !column.is_null())
    }
}

/// What an event that cannot be read has for a payload: reads skip it.
const UNREADABLE_EVENT: &str = "null";

/// The text fields of an event, and what a missing one is.
const EVENT_TEXTS: [(&str, Option<&str>); 9] = [
    ("id", None),
    ("ts", None),
    ("type", Some("note")),
    ("level", Some("info")),
    ("projectId", None),
    ("runId", None),
    ("agentId", None),
    ("title", None),
    ("message", None),
];

/// Reads the row `rowid, payload, columns…` and says what becomes of it.
pub(super) fn outcome(
    row: &SqliteRow,
    columns: &[Column],
    form: Form,
    moments: &Moments<'_>,
) -> Result<Outcome, sqlx::Error> {
    let old = bytes(row, 1)?;
    let mut outcome =
        Outcome { columns: Vec::new(), payload: None, is_set_aside: false, is_time_left: false };
    let mut values = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let mut value = cell(row, index + 2)?;
        let is_new = match column.kind {
            Kind::Plain => false,
            Kind::Flag => {
                value = Value::Bool(is_true(&value));
                false
            }
            Kind::Time => rewrite_time(&mut value, moments, &mut outcome.is_time_left),
            Kind::Amount => replace_infinity(&mut value, row, index + 2)?,
        };
        if column.kind.is_written() {
            outcome.columns.push(if is_new { value.clone() } else { Value::Null });
        }
        values.push((column.key, value));
    }

    let read = payload::read(&old);
    outcome.is_set_aside = !read.is_whole;
    let new = match form {
        Form::Columns(absent) => {
            let mut object = read.object.unwrap_or_else(|| empty_objects(absent));
            for (key, value) in values {
                object.insert(key.to_owned(), value);
            }
            text(&object)
        }
        Form::Event => match read.object {
            Some(object) => text(&event(object, moments, &mut outcome.is_time_left)),
            None => UNREADABLE_EVENT.to_owned(),
        },
    };
    if new.as_bytes() == old {
        // An event that was set aside before.
        outcome.is_set_aside = false;
    } else {
        outcome.payload = Some(new);
    }
    Ok(outcome)
}

fn empty_objects(keys: &[&str]) -> Map<String, Value> {
    keys.iter().map(|key| ((*key).to_owned(), Value::Object(Map::new()))).collect()
}

fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).expect("an object with text keys can be written")
}

fn event(
    mut event: Map<String, Value>,
    moments: &Moments<'_>,
    is_time_left: &mut bool,
) -> Map<String, Value> {
    for (key, missing) in EVENT_TEXTS {
        let value = event.entry(key).or_insert_with(|| missing.map_or(Value::Null, Value::from));
        if let Some(text) = scalar_text(value) {
            *value = Value::String(text);
        }
        if key == "ts" {
            rewrite_time(value, moments, is_time_left);
        }
    }
    event.entry("data").or_insert(Value::Null);
    event
}

/// The text of a scalar that is none yet, as the old server wrote it.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(float_text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The shortest text of a float; exponents have a sign and at least two digits.
fn float_text(float: f64) -> String {
    let text = format!("{float:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
    }
}

fn rewrite_time(value: &mut Value, moments: &Moments<'_>, is_time_left: &mut bool) -> bool {
    let Value::String(text) = value else { return false };
    match moments.of(text) {
        Moment::Right => false,
        Moment::Left => {
            *is_time_left = true;
            false
        }
        Moment::Rewritten(time) => {
            *value = Value::String(time);
            true
        }
    }
}

/// A float that JSON cannot say was read as null.
fn replace_infinity(value: &mut Value, row: &SqliteRow, index: usize) -> Result<bool, sqlx::Error> {
    let is_infinite = value.is_null() && !row.try_get_raw(index)?.is_null();
    if is_infinite {
        *value = Value::from(0);
    }
    Ok(is_infinite)
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// What is stored in a column, whatever type the column was declared with.
fn cell(row: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().name() {
        "INTEGER" => Value::from(row.try_get_unchecked::<i64, _>(index)?),
        "REAL" => {
            Number::from_f64(row.try_get_unchecked(index)?).map_or(Value::Null, Value::Number)
        }
        _ => Value::from(String::from_utf8_lossy(&bytes(row, index)?).into_owned()),
    })
}

fn bytes(row: &SqliteRow, index: usize) -> Result<Vec<u8>, sqlx::Error> {
    Ok(row.try_get_unchecked::<Option<Vec<u8>>, _>(index)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_become_the_texts_that_the_old_server_wrote() {
        for (scalar, text) in [
            ("true", "True"),
            ("false", "False"),
            ("5", "5"),
            ("-7", "-7"),
            ("1.0", "1.0"),
            ("0.1", "0.1"),
            ("1e-5", "1e-05"),
            ("0.0001", "0.0001"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("-1.5e300", "-1.5e+300"),
        ] {
            assert_eq!(
                scalar_text(&serde_json::from_str(scalar).unwrap()).as_deref(),
                Some(text),
                "{scalar}"
            );
        }
    }
}
