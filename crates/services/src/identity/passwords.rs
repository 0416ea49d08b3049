//! Password hashes: Argon2id, and the unsalted SHA-256 of older databases, which is replaced at the first sign-in.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use pilotdeck_domain::identity::MAX_PASSWORD_BYTES;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::DEFAULT_PASSWORD;
use super::keys::hex;

/// Hashes computed at one time: each takes 19 MiB and a core for some 20 ms.
const AT_ONCE: usize = 2;

/// A hash that no password has: verifying against it takes as long as against a real one.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now(&super::keys::mint()));

/// Computes and verifies hashes, a few at a time, off the threads that serve requests.
#[derive(Clone)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    /// Whether a hash is one of the default password: the answer never changes.
    defaults: Arc<Mutex<HashMap<String, bool>>>,
    /// How often a hash was computed.
    #[cfg(test)]
    computed: Arc<std::sync::atomic::AtomicU64>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            defaults: Arc::default(),
            #[cfg(test)]
            computed: Arc::default(),
        }
    }
}

impl Passwords {
    pub(super) async fn hash(&self, password: &str) -> String {
        let password = password.to_owned();
        self.blocking(move || hash_now(&password)).await
    }

    /// Whether `password` has this hash: `None` if it has not, `Some(Some(hash))` if it has and the hash is of the old
    /// kind and should become the one returned. Without a hash the answer is no, and takes as long.
    pub(super) async fn verify(
        &self,
        password: &str,
        hash: Option<&str>,
    ) -> Option<Option<String>> {
        if password.len() > MAX_PASSWORD_BYTES {
            return None;
        }
        let (password, hash) = (password.to_owned(), hash.map(str::to_owned));
        self.blocking(move || match hash {
            Some(hash) if is_legacy(&hash) => {
                // Computed in any case, so that an old hash answers as slowly as a new one.
                let rehashed = hash_now(&password);
                let digest = hex(&Sha256::digest(password.as_bytes()));
                bool::from(digest.as_bytes().ct_eq(hash.to_ascii_lowercase().as_bytes()))
                    .then_some(Some(rehashed))
            }
            Some(hash) => matches_phc(&password, &hash).then_some(None),
            None => {
                matches_phc(&password, &NOBODY);
                None
            }
        })
        .await
    }

    pub(super) async fn is_default(&self, hash: &str) -> bool {
        let known = self.defaults.lock().expect("a lookup does not panic").get(hash).copied();
        if let Some(known) = known {
            return known;
        }
        let is_default = self.verify(DEFAULT_PASSWORD, Some(hash)).await.is_some();
        self.remember(hash, is_default);
        is_default
    }

    /// Notes whether a hash is one of the default password, so that nobody has to find out.
    pub(super) fn remember(&self, hash: &str, is_default: bool) {
        let mut defaults = self.defaults.lock().expect("an insertion does not panic");
        defaults.insert(hash.to_owned(), is_default);
    }

    #[cfg(test)]
    pub(super) fn computed(&self) -> u64 {
        self.computed.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        #[cfg(test)]
        self.computed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
    }
}

fn is_legacy(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hash_now(password: &str) -> String {
    Argon2::default()
        .hash_password(password.as_bytes())
        .expect("the default parameters are valid and the system has random numbers")
        .to_string()
}

fn matches_phc(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_old_hash_is_verified_once_and_becomes_a_new_one() {
        let passwords = Passwords::default();
        let old = hex(&Sha256::digest(b"secret"));

        let replaced = passwords.verify("secret", Some(&old)).await.unwrap().unwrap();

        assert!(replaced.starts_with("$argon2id$"));
        assert_eq!(passwords.verify("secret", Some(&replaced)).await, Some(None));
        assert_eq!(passwords.verify("Secret", Some(&replaced)).await, None);
        assert_eq!(passwords.verify("Secret", Some(&old)).await, None);
    }

    #[tokio::test]
    async fn nobody_has_a_password_and_a_broken_hash_matches_none() {
        let passwords = Passwords::default();

        assert_eq!(passwords.verify("", None).await, None);
        assert_eq!(passwords.verify("secret", Some("$argon2id$broken")).await, None);
        assert_eq!(passwords.verify(&"x".repeat(2_000), Some("")).await, None);
    }
}
