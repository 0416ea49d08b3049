//! Signed statements of where the ledger stood.
//!
//! A chain of hashes says that a line fits to the lines before it; it does not keep anybody from writing all of them
//! anew. A checkpoint does: it names a line by its place and its hash, and is signed with a key that is not in the
//! database.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{Head, hex};
use crate::InvalidInput;
use crate::times::WireTime;

/// What the signed statement says that it is, so that a signature under it can mean nothing else.
pub const TYPE: &str = "pilotdeck.ledger.checkpoint/1";

/// What a public key begins with when it is written.
const ALGORITHM: &str = "ed25519:";

/// The secret half of a key.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key that follows from 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The half that may be shown.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// States that the ledger stood at `head` at the time `ts`; `previous` is the place of the checkpoint before this
    /// one, 0 if there is none.
    #[must_use]
    pub fn sign(&self, head: &Head, previous: i64, ts: &WireTime) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            hash: head.hash.clone(),
            key: self.public().to_string(),
            previous,
            seq: head.seq,
            ts: ts.as_str().to_owned(),
            kind: TYPE.to_owned(),
        };
        let signature = self.0.sign(checkpoint.statement().as_bytes());
        SignedCheckpoint { checkpoint, signature: hex(&signature.to_bytes()) }
    }
}

impl FromStr for SigningKey {
    type Err = InvalidInput;

    /// Reads the 32 random bytes as 64 lowercase hexadecimal digits.
    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let seed = unhex(raw.trim().as_bytes());
        seed.map(|seed| Self::from_seed(&seed)).ok_or_else(|| {
            InvalidInput::new("key", "a secret key is 64 lowercase hexadecimal digits")
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", self.public())
    }
}

/// The half of a key that proves what the other half signed: `ed25519:` and 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", hex(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = InvalidInput;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let invalid = || {
            InvalidInput::new(
                "key",
                "a public key is `ed25519:` and 64 lowercase hexadecimal digits",
            )
        };
        let digits = raw.trim().strip_prefix(ALGORITHM).ok_or_else(invalid)?;
        let bytes = unhex(digits.as_bytes()).ok_or_else(invalid)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| invalid())
    }
}

/// A statement of where the ledger stood: the line with this place has this hash. Its fields are in the order of their
/// names, which is the canonical one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The hash of the line.
    pub hash: String,
    /// The key that it is signed with, as [`PublicKey`] is written.
    pub key: String,
    /// The place of the checkpoint before it, 0 if there is none: one that is left out is noticed.
    pub previous: i64,
    /// The place of the line.
    pub seq: i64,
    /// When it was signed.
    pub ts: String,
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
}

impl Checkpoint {
    /// The text that is signed: canonical JSON (RFC 8785).
    #[must_use]
    pub fn statement(&self) -> String {
        json(self)
    }
}

/// A checkpoint with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCheckpoint {
    /// What is stated.
    pub checkpoint: Checkpoint,
    /// The Ed25519 signature (RFC 8032) over the statement: 128 lowercase hexadecimal digits.
    pub signature: String,
}

impl SignedCheckpoint {
    /// Reads a checkpoint as [`SignedCheckpoint::text`] writes it, and in no other form.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(text)
            .map_err(|error| format!("it is no checkpoint: {error}"))?;
        if read.text().as_bytes() != text {
            return Err("it is a checkpoint that is not in canonical form".to_owned());
        }
        Ok(read)
    }

    /// Its canonical JSON.
    #[must_use]
    pub fn text(&self) -> String {
        json(self)
    }

    /// Whether one of `keys` signed it.
    ///
    /// # Errors
    ///
    /// Why not, for a person.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<(), String> {
        let Checkpoint { kind, key, .. } = &self.checkpoint;
        if kind != TYPE {
            return Err(format!("it says that it is {kind:?}, not {TYPE:?}"));
        }
        let Some(known) = keys.iter().find(|known| known.to_string() == *key) else {
            return Err(format!("it is signed with the key {key:?}, which is not the one given"));
        };
        let signature = unhex(self.signature.as_bytes())
            .map(|bytes| Signature::from_bytes(&bytes))
            .ok_or("its signature is not 128 lowercase hexadecimal digits")?;
        known
            .0
            .verify_strict(self.checkpoint.statement().as_bytes(), &signature)
            .map_err(|_| "its signature is not the one of its statement".to_owned())
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and integers are JSON")
}

/// The bytes that exactly as many lowercase hexadecimal digits stand for.
pub(super) fn unhex<const BYTES: usize>(digits: &[u8]) -> Option<[u8; BYTES]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != BYTES * 2 {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (SigningKey, SignedCheckpoint) {
        let key = SigningKey::from_seed(&[7; 32]);
        let head = Head { seq: 42, hash: "ab".repeat(32) };
        let ts = WireTime::stored("2026-02-11T15:00:00.000000Z");
        let signed = key.sign(&head, 40, &ts);
        (key, signed)
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_holds() {
        let (key, signed) = signed();

        let read = SignedCheckpoint::read(signed.text().as_bytes()).unwrap();

        assert_eq!(read, signed);
        assert_eq!(read.verify(&[key.public()]), Ok(()));
        let canonical = serde_json_canonicalizer::to_string(&signed).unwrap();
        assert_eq!(signed.text(), canonical);
    }

    #[test]
    fn every_altered_field_is_noticed() {
        let (key, signed) = signed();
        let alterations: [fn(&mut SignedCheckpoint); 7] = [
            |signed| signed.checkpoint.seq += 1,
            |signed| signed.checkpoint.previous -= 1,
            |signed| signed.checkpoint.hash.replace_range(0..1, "0"),
            |signed| signed.checkpoint.ts.replace_range(0..1, "3"),
            |signed| signed.checkpoint.kind.push('0'),
            |signed| signed.checkpoint.key.push('0'),
            |signed| signed.signature = signed.signature.to_uppercase(),
        ];
        for alter in alterations {
            let mut altered = signed.clone();
            alter(&mut altered);
            assert!(altered.verify(&[key.public()]).is_err(), "{altered:?}");
        }
    }

    #[test]
    fn another_key_is_named() {
        let (_, signed) = signed();
        let other = SigningKey::from_seed(&[8; 32]).public();

        let refused = signed.verify(&[other]).unwrap_err();

        assert!(refused.contains(&signed.checkpoint.key), "{refused}");
    }

    #[test]
    fn other_spellings_of_a_checkpoint_are_refused() {
        let (_, signed) = signed();
        let text = signed.text();
        for other in [
            text.replace(":42", ": 42"),
            text.replace(":42", ":42.0"),
            text.replace("\"seq\"", "\"se\\u0071\""),
            text.replace("{\"hash\"", "{\"extra\":1,\"hash\""),
            format!("{text} "),
        ] {
            assert!(SignedCheckpoint::read(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn a_public_key_reads_back_from_its_own_text() {
        let key = SigningKey::from_seed(&[7; 32]).public();

        assert_eq!(format!(" {key}\n").parse(), Ok(key));
        for raw in ["", "ed25519:", "ed25519:00", &key.to_string().to_uppercase()] {
            assert!(raw.parse::<PublicKey>().is_err(), "{raw}");
        }
    }
}
