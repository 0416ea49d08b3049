//! Identifiers of what is named by something else: whoever names it again means the same thing.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The identifier, beginning with `prefix`, of what is called `name` among things of this kind.
pub(crate) fn id(prefix: &str, kind: &str, name: &str) -> String {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    digest.iter().take(16).fold(format!("{prefix}-"), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_gives_one_id_per_kind() {
        assert_eq!(id("evt", "event", "a"), id("evt", "event", "a"));
        assert_ne!(id("evt", "event", "a"), id("evt", "event", "b"));
        assert_ne!(id("evt", "event", "a"), id("evt", "run", "a"));
        assert_eq!(id("prop", "proposal", "深: 1").len(), "prop-".len() + 32);
    }
}
