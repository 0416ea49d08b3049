//! How many of the tokens went through the cache of the model's provider.

use serde_json::{Map, Value};

use crate::coerce;

/// What a record says about the cache, read from it as it was sent.
///
/// Programs spell it in their own ways, in the record itself or inside of it, so that every usual way counts: case,
/// underscores, hyphens and points do not matter. Of several the outermost that is a count above 0 counts.
///
/// ```
/// use pilotdeck_domain::usage::CacheTokens;
/// use serde_json::json;
///
/// let record = json!({ "cache_read_input_tokens": 900, "data": { "tokens": { "cache": { "write": 40 } } } });
/// let cache = CacheTokens::of(record.as_object().unwrap());
/// assert_eq!((cache.read, cache.write), (900, 40));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheTokens {
    /// Tokens that came out of the cache.
    pub read: i64,
    /// Tokens that were put into it.
    pub write: i64,
}

const READ: &[&str] = &[
    "cachereadtokens",
    "cachereadinputtokens",
    "cacheread",
    "cachedtokens",
    "cachedinputtokens",
    "cachedtokencount",
    "cachedcontenttokencount",
];

const WRITE: &[&str] = &[
    "cachewritetokens",
    "cachewriteinputtokens",
    "cachecreationtokens",
    "cachecreationinputtokens",
    "cachewrite",
    "cachecreation",
    "cachewritetokencount",
];

/// What a count is called inside of [`CACHE`].
const READ_IN_CACHE: &[&str] = &["read"];
const WRITE_IN_CACHE: &[&str] = &["write", "creation"];

const CACHE: &str = "cache";

/// Objects that hold counts, inside of the record or of each other.
const AROUND: &[&str] =
    &["data", "tokens", "usage", "prompttokensdetails", "inputtokensdetails", CACHE];

/// How deep they may lie: `data.tokens.cache`.
const LEVELS: usize = 3;

impl CacheTokens {
    /// What `record` says.
    #[must_use]
    pub fn of(record: &Map<String, Value>) -> Self {
        Self {
            read: count(record, READ, READ_IN_CACHE, LEVELS),
            write: count(record, WRITE, WRITE_IN_CACHE, LEVELS),
        }
    }
}

/// The count that has one of the `names`; 0 where none has.
fn count(
    fields: &Map<String, Value>,
    names: &[&str],
    names_in_cache: &[&str],
    levels: usize,
) -> i64 {
    let here = names.iter().find_map(|name| {
        let mut counts = fields.iter().filter(|(key, _)| is(key, name));
        counts.find_map(|(_, value)| positive(value))
    });
    if here.is_some() || levels == 0 {
        return here.unwrap_or_default();
    }
    let inside = fields.iter().find_map(|(key, value)| {
        let inner = value.as_object()?;
        let around = AROUND.iter().find(|name| is(key, name))?;
        let names = if *around == CACHE { names_in_cache } else { names };
        Some(count(inner, names, names_in_cache, levels - 1)).filter(|count| *count > 0)
    });
    inside.unwrap_or_default()
}

/// A count above 0; nobody is refused for one that is beyond 64 bits.
fn positive(value: &Value) -> Option<i64> {
    let count = coerce::int(value).filter(|count| *count > 0)?;
    Some(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Whether `key` is `name`, which is in lower case, but for what separates its words.
fn is(key: &str, name: &str) -> bool {
    let letters = key.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b'.'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(name.bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary::{self, fields};

    fn cache(record: Value) -> (i64, i64) {
        let cache = CacheTokens::of(&fields(record));
        (cache.read, cache.write)
    }

    #[test]
    fn every_usual_spelling_counts_in_the_record_and_inside_of_it() {
        for (read, write) in [
            ("cacheReadTokens", "cacheWriteTokens"),
            ("cache_read_tokens", "cache_creation_tokens"),
            ("cacheReadInputTokens", "cacheCreationInputTokens"),
            ("cache_read_input_tokens", "cache_creation_input_tokens"),
            ("cache_read.input_tokens", "cache_creation.input_tokens"),
            ("cachedInputTokens", "cacheWriteInputTokens"),
            ("cached_token_count", "cache_write_token_count"),
            ("cachedTokens", "cacheWrite"),
            ("cacheRead", "cacheCreation"),
        ] {
            let counts = || json!({ read: 7, write: "5" });
            for record in [
                counts(),
                json!({ "data": counts() }),
                json!({ "usage": counts() }),
                json!({ "data": { "usage": counts() } }),
                json!({ "data": { "tokens": counts() } }),
            ] {
                assert_eq!(cache(record.clone()), (7, 5), "{record}");
            }
        }
        for record in [
            json!({ "cache": { "read": 7, "write": 5 } }),
            json!({ "tokens": { "input": 1, "cache": { "read": 7, "write": 5 } } }),
            json!({ "data": { "tokens": { "cache": { "read": 7, "creation": 5 } } } }),
        ] {
            assert_eq!(cache(record.clone()), (7, 5), "{record}");
        }
        let details =
            json!({ "data": { "usage": { "prompt_tokens_details": { "cached_tokens": 7 } } } });
        assert_eq!(cache(details), (7, 0));
    }

    #[test]
    fn what_is_no_count_is_0_and_the_outermost_count_counts() {
        for odd in
            [json!(-1), json!("many"), json!("1.5"), json!(null), json!({ "read": 3 }), json!([3])]
        {
            assert_eq!(cache(json!({ "cacheReadTokens": odd })), (0, 0), "{odd}");
        }
        for (record, read) in [
            (json!({ "read": 3, "data": { "read": 3 } }), 0),
            (json!({ "cacheReadTokens": 3, "data": { "cacheReadTokens": 4 } }), 3),
            (json!({ "cacheReadTokens": 0, "data": { "cacheReadTokens": 4 } }), 4),
            (json!({ "data": { "data": { "data": { "cacheReadTokens": 4 } } } }), 4),
            (json!({ "data": { "data": { "data": { "data": { "cacheReadTokens": 4 } } } } }), 0),
            (json!({ "cacheReadTokens": 2.9 }), 2),
            (json!({ "cacheReadTokens": 1e30 }), i64::MAX),
        ] {
            assert_eq!(cache(record.clone()).0, read, "{record}");
        }
    }

    proptest! {
        #[test]
        fn no_count_is_negative(record in arbitrary::object(&["data", "cache", "cacheReadTokens", "cacheWrite"])) {
            let cache = CacheTokens::of(&record);
            prop_assert!(cache.read >= 0 && cache.write >= 0);
        }
    }
}
