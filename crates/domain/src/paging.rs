//! Where a page of a list ends, and the next one begins.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::InvalidInput;

/// How much of the digest is in a cursor: enough to tell a cursor of one list from a text, or from that of another list.
const DIGEST_BYTES: usize = 4;

/// The last row of a page, in the order of its list: by time, then by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its time, as it is stored.
    pub time: String,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// The cursor as clients of the list called `list` carry it.
    #[must_use]
    pub fn print(&self, list: &str) -> String {
        let words = serde_json::json!([self.time, self.id]).to_string().into_bytes();
        digest(list, &words).iter().chain(&words).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Reads back what [`Cursor::print`] wrote for the same list.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`] in `field` for every other text.
    pub fn parse(field: &'static str, list: &str, text: &str) -> Result<Self, InvalidInput> {
        let words = bytes(text).filter(|bytes| bytes.len() > DIGEST_BYTES).and_then(|bytes| {
            let (mark, words) = bytes.split_at(DIGEST_BYTES);
            (digest(list, words) == mark).then(|| words.to_vec())
        });
        let read = words.and_then(|words| serde_json::from_slice::<(String, String)>(&words).ok());
        match read {
            Some((time, id)) => Ok(Self { time, id }),
            None => Err(InvalidInput::new(
                field,
                format!("{field} must be the nextCursor of a page of the same list"),
            )),
        }
    }
}

fn digest(list: &str, words: &[u8]) -> [u8; DIGEST_BYTES] {
    let digest = Sha256::new().chain_update(list).chain_update([0]).chain_update(words).finalize();
    let mut start = [0; DIGEST_BYTES];
    start.copy_from_slice(&digest[..DIGEST_BYTES]);
    start
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_in_its_own_list_alone(time in ".{0,40}", id in ".{0,40}") {
            let cursor = Cursor { time, id };
            let text = cursor.print("runs");

            prop_assert_eq!(Cursor::parse("cursor", "runs", &text), Ok(cursor));
            prop_assert!(Cursor::parse("cursor", "events", &text).is_err());
        }

        #[test]
        fn no_other_text_is_a_cursor(text in ".{0,60}|[0-9a-f]{0,200}") {
            prop_assert!(Cursor::parse("cursor", "runs", &text).is_err());
        }
    }
}
