//! Seals the secrets that must be known again: AES-256-GCM, with a key that is not in the database.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use sha2::{Digest as _, Sha256};

use super::keys;

/// What tells this key from others that follow from the same secret.
const PURPOSE: &[u8] = b"pilotdeck second factors 1\0";
const NONCE_BYTES: usize = 12;

/// Seals and opens.
pub(super) struct Vault(Aes256Gcm);

impl Vault {
    /// A vault whose key follows from `secret`, which is long and random.
    pub(super) fn new(secret: &[u8]) -> Self {
        let key = Sha256::new().chain_update(PURPOSE).chain_update(secret).finalize();
        Self(Aes256Gcm::new_from_slice(&key).expect("the key has 256 bits"))
    }

    /// Seals `secret` for `owner`: for nobody else it can be opened.
    pub(super) fn seal(&self, owner: &str, secret: &[u8]) -> Vec<u8> {
        let nonce = keys::random::<NONCE_BYTES>();
        let payload = Payload { msg: secret, aad: owner.as_bytes() };
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .expect("a secret is shorter than what can be sealed");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed for `owner`; none if it was not, or with another key.
    pub(super) fn open(&self, owner: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: owner.as_bytes() };
        self.0.decrypt(&Nonce::from(*nonce), payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_with_the_same_secret_and_else_not() {
        let vault = Vault::new(&[1; 32]);

        let sealed = vault.seal("ada", b"secret");

        assert_eq!(Vault::new(&[1; 32]).open("ada", &sealed).unwrap(), b"secret");
        assert!(vault.open("bob", &sealed).is_none());
        assert!(Vault::new(&[2; 32]).open("ada", &sealed).is_none());
        assert_ne!(vault.seal("ada", b"secret"), sealed);
        for length in 0..sealed.len() {
            assert!(vault.open("ada", &sealed[..length]).is_none());
        }
    }
}
