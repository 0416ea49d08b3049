//! Arbitrary input for property tests.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use crate::times;

/// Any JSON value, with many of those that a reading may stumble over.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object whose keys are often those of `known` and sometimes others.
pub(crate) fn object(known: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![4 => prop::sample::select(known).prop_map(str::to_owned), 1 => key()];
    prop::collection::vec((key, json()), 0..12).prop_map(|fields| fields.into_iter().collect())
}

/// The fields of an object.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

/// The time that tests take for now.
pub(crate) fn now() -> DateTime<Utc> {
    times::parse("2026-02-11T15:00:00Z").unwrap()
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "total", "planned", "amount", "name", "id", "status", "evidence", "github", "深"
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,6}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        any::<u64>().prop_map(|n| json!(n)),
        (-200..200_i64).prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| Number::from_f64(n).map_or(Value::Null, Value::Number)),
        text().prop_map(Value::String),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            " ",
            " a ",
            "0",
            "12",
            "-3",
            "nan",
            "1e999",
            "50.9",
            "false",
            "yes",
            "pending_review",
            "update_status",
            "set_status",
            "in-progress",
            "2026-02-11",
            "2026-02-11T15:00:00Z",
            "2026-02-11T15:00:00.25+08:00",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
        Just("x".repeat(300)),
    ]
}
