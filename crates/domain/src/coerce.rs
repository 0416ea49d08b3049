//! How values of one JSON type are taken for another, the same for every field.
//!
//! Agents send numbers as text and flags as words. These readings are lenient, but total: no value panics, no number
//! becomes NaN or infinite.

use serde_json::Value;

/// A whole number: fractions are cut off, booleans are 1 and 0, text may hold spaces, a sign and decimal digits.
/// What is beyond the range stays at its end, which is far outside of every range that a field allows.
pub(crate) fn int(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(flag) => Some(i128::from(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Some(i128::from(whole)),
            (None, Some(whole)) => Some(i128::from(whole)),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "cutting the fraction is meant, the cast saturates"
            )]
            (None, None) => {
                number.as_f64().filter(|float| float.is_finite()).map(|float| float as i128)
            }
        },
        Value::String(text) => int_of_text(text.trim()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn int_of_text(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = digits.parse::<i128>().unwrap_or(i128::MAX);
    Some(if negative { -whole } else { whole })
}

/// A finite number: booleans are 1 and 0, text may hold spaces, a sign, decimal or exponent form.
#[must_use]
pub fn float(value: &Value) -> Option<f64> {
    let float = match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    float.is_finite().then_some(float)
}

/// An amount of money: what is no number, or negative, is 0.
pub(crate) fn amount(value: &Value) -> f64 {
    float(value).filter(|float| *float > 0.0).unwrap_or(0.0)
}

/// The text of a scalar, in the words of the systems whose files are read here; objects and lists have none.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("None".to_owned()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text of any value; objects and lists are printed as JSON.
pub(crate) fn any_text(value: &Value) -> String {
    text(value).unwrap_or_else(|| value.to_string())
}

/// Whether a value counts as given: null, false, zero and everything empty do not.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// One of the usual words for yes and no, in any case.
///
/// ```
/// use pilotdeck_domain::coerce::flag_word;
///
/// assert_eq!(flag_word(" Yes "), Some(true));
/// assert_eq!(flag_word("off"), Some(false));
/// assert_eq!(flag_word("perhaps"), None);
/// ```
#[must_use]
pub fn flag_word(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A flag that was sent: absent and empty mean no, what is neither yes nor no is none.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(word) if word.trim().is_empty() => Some(false),
        Value::String(word) => flag_word(word),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a profile or capability is in use: everything but the words for no, so that an absent flag means yes.
pub(crate) fn enabled(value: &Value) -> bool {
    match value {
        Value::String(word) if word.trim().is_empty() => false,
        value => text(value).and_then(|word| flag_word(&word)) != Some(false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn a_whole_number_is_read_from_numbers_booleans_and_digits_alone() {
        for (value, read) in [
            (json!(50), Some(50)),
            (json!(50.9), Some(50)),
            (json!(-50.9), Some(-50)),
            (json!(true), Some(1)),
            (json!(false), Some(0)),
            (json!(" 50 "), Some(50)),
            (json!("+7"), Some(7)),
            (json!("-7"), Some(-7)),
            (json!(u64::MAX), Some(i128::from(u64::MAX))),
            (json!("9".repeat(60)), Some(i128::MAX)),
            (json!(format!("-{}", "9".repeat(60))), Some(-i128::MAX)),
            (json!(1e300), Some(i128::MAX)),
            (json!("50.9"), None),
            (json!("1e3"), None),
            (json!(""), None),
            (json!("-"), None),
            (json!("+-5"), None),
            (json!("1 0"), None),
            (json!("٣"), None),
            (json!(null), None),
            (json!([1]), None),
            (json!({ "a": 1 }), None),
        ] {
            assert_eq!(int(&value), read, "{value}");
        }
    }

    #[test]
    fn a_float_is_read_from_numbers_booleans_and_numeric_text_and_is_finite() {
        for (value, read) in [
            (json!(2), Some(2.0)),
            (json!(2.5), Some(2.5)),
            (json!(true), Some(1.0)),
            (json!(" -2.5 "), Some(-2.5)),
            (json!("1e3"), Some(1000.0)),
            (json!("1,000"), None),
            (json!("nan"), None),
            (json!("inf"), None),
            (json!("-Infinity"), None),
            (json!("1e999"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([1]), None),
            (json!({}), None),
        ] {
            assert_eq!(float(&value), read, "{value}");
        }
    }

    #[test]
    fn an_amount_is_never_negative() {
        for (value, read) in [
            (json!("12.5"), 12.5),
            (json!(-1), 0.0),
            (json!(-0.0), 0.0),
            (json!("x"), 0.0),
            (json!(null), 0.0),
        ] {
            let amount = amount(&value);
            assert!((amount - read).abs() < f64::EPSILON && amount.is_sign_positive(), "{value}");
        }
    }

    #[test]
    fn scalars_have_a_text_and_structures_have_none() {
        for (value, read) in [
            (json!("a "), Some("a ")),
            (json!(5), Some("5")),
            (json!(0.1), Some("0.1")),
            (json!(50.0), Some("50.0")),
            (json!(true), Some("True")),
            (json!(false), Some("False")),
            (json!(null), Some("None")),
            (json!([1, "a"]), None),
            (json!({ "a": 1 }), None),
        ] {
            assert_eq!(text(&value).as_deref(), read, "{value}");
        }
        assert_eq!(any_text(&json!({ "a": [1] })), r#"{"a":[1]}"#);
    }

    #[test]
    fn empty_values_are_not_truthy_but_every_other_text_is() {
        for value in
            [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({})]
        {
            assert!(!truthy(&value), "{value}");
        }
        for value in [
            json!(true),
            json!(-1),
            json!(0.1),
            json!("false"),
            json!(" "),
            json!([0]),
            json!({ "a": 0 }),
        ] {
            assert!(truthy(&value), "{value}");
        }
    }

    #[test]
    fn flags_take_the_usual_words_and_nothing_else() {
        for value in [json!(true), json!(1), json!("1"), json!("TRUE"), json!(" yes"), json!("on")]
        {
            assert_eq!(flag(&value), Some(true), "{value}");
        }
        for value in [
            json!(null),
            json!(false),
            json!(0),
            json!("0"),
            json!("False"),
            json!("NO"),
            json!("off"),
            json!(""),
        ] {
            assert_eq!(flag(&value), Some(false), "{value}");
        }
        for value in [json!(2), json!("maybe"), json!([]), json!({})] {
            assert_eq!(flag(&value), None, "{value}");
        }
    }

    #[test]
    fn enabled_is_everything_but_the_words_for_no() {
        for value in [
            json!(null),
            json!(true),
            json!(1),
            json!(2),
            json!("yes"),
            json!("perhaps"),
            json!([]),
            json!({}),
        ] {
            assert!(enabled(&value), "{value}");
        }
        for value in [
            json!(false),
            json!(0),
            json!("0"),
            json!("No"),
            json!("OFF"),
            json!("false"),
            json!(""),
        ] {
            assert!(!enabled(&value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_reading_is_total_and_finite(value in arbitrary::json()) {
            let _ = (int(&value), truthy(&value), flag(&value), enabled(&value), any_text(&value));
            prop_assert!(float(&value).is_none_or(f64::is_finite));
            prop_assert!(amount(&value) >= 0.0);
        }

        #[test]
        fn the_text_of_a_number_is_read_as_the_same_number(float in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let text = text(&json!(float)).unwrap();
            prop_assert_eq!(super::float(&json!(text)), Some(float));
        }
    }
}
