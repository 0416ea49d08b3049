//! Identifiers of what is named by something else.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first half of a digest, in hex: an id for what is named by something else.
pub(crate) fn digest(kind: &str, name: &str) -> String {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    digest.iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
