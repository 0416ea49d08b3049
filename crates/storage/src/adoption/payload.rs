//! Payloads as the old server wrote them, which is not always JSON.

use serde_json::{Map, Value};

/// The nesting that our readers of payloads follow.
const MAX_DEPTH: usize = 127;

/// From so many digits on, an integer may not fit 64 bits.
const LONG_NUMBER: usize = 19;

/// A payload that was read.
pub(super) struct Payload {
    /// The object; none if the text is unreadable, or something else.
    pub(super) object: Option<Map<String, Value>>,
    /// Whether the object says all that the text said.
    pub(super) is_whole: bool,
}

/// Reads a payload: JSON, or what the old server took for it: `NaN`, `Infinity` and numbers beyond every float become
/// null, surrogates without partner U+FFFD, what is nested deeper than we can follow null.
pub(super) fn read(bytes: &[u8]) -> Payload {
    if !has_long_number(bytes)
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        let object = object(value);
        return Payload { is_whole: object.is_some(), object };
    }
    let text = String::from_utf8_lossy(bytes);
    let mut scan = Scan { rest: &text, strict: String::with_capacity(text.len()), is_whole: true };
    scan.run();
    let is_utf8 = matches!(text, std::borrow::Cow::Borrowed(_));
    let object = serde_json::from_str::<Value>(&scan.strict).ok().and_then(object);
    Payload { is_whole: object.is_some() && scan.is_whole && is_utf8, object }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn has_long_number(bytes: &[u8]) -> bool {
    let mut run = 0;
    bytes.iter().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run >= LONG_NUMBER
    })
}

/// Copies a text and replaces what strict JSON lacks; whether the rest is JSON is for its parser to say.
struct Scan<'a> {
    rest: &'a str,
    strict: String,
    is_whole: bool,
}

impl Scan<'_> {
    fn run(&mut self) {
        let mut depth = 0;
        while let Some(next) = self.rest.as_bytes().first() {
            match next {
                b'"' => self.string(),
                b'[' | b'{' if depth == MAX_DEPTH => self.too_deep(),
                b'[' | b'{' => {
                    depth += 1;
                    self.copy(1);
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.copy(1);
                }
                b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
                _ => {
                    let length = self.rest.chars().next().map_or(1, char::len_utf8);
                    self.copy(length);
                }
            }
        }
    }

    fn take(&mut self, length: usize) -> &str {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn copy(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.strict.push_str(taken);
        self.rest = rest;
    }

    fn replace(&mut self, length: usize, by: &str) {
        self.take(length);
        self.strict.push_str(by);
        self.is_whole = false;
    }

    /// A number, a word such as `true` or `NaN`, or nonsense.
    fn word(&mut self) {
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = self.rest.bytes().take_while(is_part).count();
        let word = &self.rest[..length];
        if matches!(word, "NaN" | "Infinity" | "-Infinity") || is_beyond_floats(word) {
            return self.replace(length, "null");
        }
        self.is_whole &= !is_beyond_integers(word);
        self.copy(length);
    }

    /// A string, from quote to quote.
    fn string(&mut self) {
        self.copy(1);
        loop {
            let plain = self.rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\')).count();
            self.copy(plain);
            match (self.rest.as_bytes().first(), escaped_unit(self.rest)) {
                (Some(b'\\'), None) => {
                    let escaped = self.rest.chars().nth(1).map_or(0, char::len_utf8);
                    self.copy(1 + escaped);
                }
                (_, Some(0xd800..=0xdbff))
                    if matches!(
                        self.rest.get(6..).and_then(escaped_unit),
                        Some(0xdc00..=0xdfff)
                    ) =>
                {
                    self.copy(12);
                }
                (_, Some(0xd800..=0xdfff)) => self.replace(6, "\\ufffd"),
                (_, Some(_)) => self.copy(6),
                // The closing quote, or the end of the text.
                (_, None) => return self.copy(1),
            }
        }
    }

    /// A list or an object that is nested too deep.
    fn too_deep(&mut self) {
        let mut depth = 0_usize;
        let mut in_string = false;
        let mut bytes = self.rest.bytes().enumerate();
        let mut length = self.rest.len();
        while let Some((index, byte)) = bytes.next() {
            match byte {
                b'"' => in_string = !in_string,
                b'\\' if in_string => drop(bytes.next()),
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                length = index + 1;
                break;
            }
        }
        self.replace(length, "null");
    }
}

/// The UTF-16 unit of the escape that `text` begins with.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)
}

fn is_number(word: &str) -> bool {
    word.strip_prefix('-').unwrap_or(word).starts_with(|first: char| first.is_ascii_digit())
}

fn is_beyond_floats(word: &str) -> bool {
    is_number(word) && word.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn is_beyond_integers(word: &str) -> bool {
    is_number(word)
        && !word.contains(['.', 'e', 'E'])
        && word.parse::<u64>().is_err()
        && word.parse::<i64>().is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_text(text: &str) -> (Option<Value>, bool) {
        let payload = read(text.as_bytes());
        (payload.object.map(Value::Object), payload.is_whole)
    }

    #[test]
    fn strict_json_is_read_whole() {
        for text in [
            r#"{"a":[1,-2.5,"x\"y\\",{"b":null}]}"#,
            r#"{"n":18446744073709551615,"m":-9223372036854775808}"#,
            "{}",
        ] {
            assert_eq!(
                read_text(text),
                (Some(serde_json::from_str(text).unwrap()), true),
                "{text}"
            );
        }
    }

    #[test]
    fn what_json_cannot_say_becomes_null() {
        let text = r#"{"a":NaN,"b":[Infinity,-Infinity,1e999,-1e999],"c":"NaN, \"Infinity\" 1e999","d":1e-999}"#;

        let read = read_text(text);

        assert_eq!(
            read,
            (
                Some(
                    json!({"a": null, "b": [null, null, null, null], "c": "NaN, \"Infinity\" 1e999", "d": 0.0})
                ),
                false
            )
        );
    }

    #[test]
    fn integers_beyond_64_bits_become_floats() {
        let read = read_text(
            r#"{"a":123456789012345678901234567890,"b":"12345678901234567890123","c":9007199254740993}"#,
        );

        assert_eq!(
            read,
            (
                Some(
                    json!({"a": 1.234_567_890_123_456_8e29, "b": "12345678901234567890123", "c": 9_007_199_254_740_993_u64})
                ),
                false
            )
        );
    }

    #[test]
    fn digits_inside_a_text_are_no_long_number() {
        assert!(read_text(r#"{"a":"123456789012345678901234567890"}"#).1);
    }

    #[test]
    fn surrogates_without_partner_are_replaced() {
        let text = r#"{"a":"\ud83d\ude00 \ud83d \ude00\ud83dx \\ud83d","\udfff":1}"#;

        let read = read_text(text);

        assert_eq!(
            read,
            (
                Some(json!({"a": "\u{1f600} \u{fffd} \u{fffd}\u{fffd}x \\ud83d", "\u{fffd}": 1})),
                false
            )
        );
    }

    #[test]
    fn what_is_nested_too_deep_becomes_null_and_the_rest_stays() {
        let deep = format!("{}\"]}}\"{}", "[".repeat(400), "]".repeat(400));
        let text = format!(r#"{{"a":1,"deep":{deep},"b":2}}"#);

        let (object, is_whole) = read_text(&text);

        let object = object.unwrap();
        assert_eq!((&object["a"], &object["b"], is_whole), (&json!(1), &json!(2), false));
        assert!(read(object.to_string().as_bytes()).is_whole);
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in [
            "",
            "null",
            "[]",
            "\"{}\"",
            "12",
            "{",
            "{\"a\":}",
            "{'a':1}",
            "NaN",
            "\"\\",
            "{\"a\\",
            "\u{feff}{}",
            "{}x",
        ] {
            assert_eq!(read_text(text), (None, false), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let payload = read(b"{\"a\":\"x\xffy\"}");

        assert_eq!(
            (payload.object.map(Value::Object), payload.is_whole),
            (Some(json!({"a": "x\u{fffd}y"})), false)
        );
    }

    #[test]
    fn no_beginning_of_a_payload_panics() {
        let text = br#"{"a\u00e9\ud83d\ude00\ud83dx\":[NaN,-Infinity,1e999,99999999999999999999,{"\xff":"\\"}],"b":tru}"#;

        for end in 0..text.len() {
            for start in 0..end {
                let _ = read(&text[start..end]);
            }
        }
    }
}
