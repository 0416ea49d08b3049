//! What opens a door: 256 random bits, of which only the hash is stored.

use std::fmt::Write as _;

use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

/// A new key, in hex.
pub(super) fn mint() -> String {
    hex(&random::<32>())
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// What is stored of a key. A plain hash is enough: the key has more entropy than anyone can try.
pub(super) fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
