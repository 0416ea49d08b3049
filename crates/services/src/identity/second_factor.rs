//! A second factor: codes of an authenticator app (RFC 6238), and recovery codes for those who lost it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use pilotdeck_domain::identity::{Actor, Author, Denied, Permission, Person};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::{Change, Operation};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::Tx;
use serde_json::json;
use totp_rs::{Builder, Secret, Totp};

use super::{Identity, Vault, entry, keys};
use crate::Error;

/// Who asks for the code, as apps show it.
const ISSUER: &str = "PilotDeck";
/// 160 bits, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// How long one is: 80 bits.
const RECOVERY_CHARS: usize = 16;
/// What they are made of: no letter looks like a digit.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// The longest text that is read as a code.
const MAX_CODE_BYTES: usize = 64;

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whether signing in takes a code.
    pub is_enabled: bool,
    /// How many recovery codes are left.
    pub recovery_codes_left: i64,
}

/// A second factor that waits for its first code.
pub struct Begun {
    /// What the app is to know, in base 32.
    pub secret: String,
    /// The same for an app that reads it as a picture.
    pub uri: String,
}

impl Identity {
    /// How things stand for the person who signed in.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    pub async fn second_factor(&self, actor: &Actor) -> Result<SecondFactor, Error> {
        let (_, person) = signed_in(actor)?;
        let mut tx = self.store.db.read().await?;
        let factor = tx.identity().find_factor(&person.id).await?;
        Ok(SecondFactor {
            is_enabled: factor.is_some_and(|factor| factor.is_confirmed),
            recovery_codes_left: tx.identity().count_codes(&person.id).await?,
        })
    }

    /// Makes a secret for the app of the person who signed in. It is not asked for until it is confirmed.
    ///
    /// # Errors
    ///
    /// [`Error::WrongCredentials`] if it is not their password; [`Error::SecondFactorState`] if there is a second factor
    /// already; [`Error::Throttled`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn begin_second_factor(
        &self,
        actor: &Actor,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<Begun, Error> {
        let (author, person) = signed_in(actor)?;
        let account = self.account(&person.id).await?;
        self.confirm_password(&author, &account, password, address).await?;
        let secret = keys::random::<SECRET_BYTES>();
        let totp = totp(&secret, &person.username)?;
        let sealed = self.vault()?.seal(person.id.as_str(), &secret);
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        let wire_now = WireTime::from(now);
        if !tx.identity().begin_factor(&person.id, &sealed, wire_now.as_str()).await? {
            return Err(Error::SecondFactorState("there is a second factor already"));
        }
        record(&mut tx, &author, now, Operation::SecondFactorBegun, &person.id);
        tx.commit().await?;
        let uri = totp.to_url().map_err(|_| Error::Sealed)?;
        Ok(Begun { secret: totp.secret().to_base32(), uri })
    }

    /// Asks for the second factor from now on, if the app shows the right code; returns the recovery codes: the one copy
    /// there is.
    ///
    /// # Errors
    ///
    /// [`Error::WrongCode`]; [`Error::SecondFactorState`] if none was begun, or it is confirmed; [`Error::Throttled`],
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn confirm_second_factor(
        &self,
        actor: &Actor,
        code: &str,
    ) -> Result<Vec<String>, Error> {
        let (author, person) = signed_in(actor)?;
        let guess = self.begin_guess(&person.id)?;
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        let factor = tx.identity().find_factor(&person.id).await?;
        let factor = factor.ok_or(Error::SecondFactorState("begin a second factor first"))?;
        if factor.is_confirmed {
            return Err(Error::SecondFactorState("the second factor is confirmed already"));
        }
        if !self.takes(&mut tx, &person.id, &factor.sealed, &plain(code), now).await? {
            return Err(Error::WrongCode);
        }
        tx.identity().confirm_factor(&person.id, WireTime::from(now).as_str()).await?;
        let codes = replace_codes(&mut tx, &person.id).await?;
        record(&mut tx, &author, now, Operation::SecondFactorEnabled, &person.id);
        tx.commit().await?;
        self.forgive(&guess);
        Ok(codes)
    }

    /// Asks for the password alone from now on.
    ///
    /// # Errors
    ///
    /// [`Error::WrongCredentials`] if it is not their password; [`Error::SecondFactorState`] if there is no second factor;
    /// [`Error::Throttled`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn disable_second_factor(
        &self,
        actor: &Actor,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let (author, person) = signed_in(actor)?;
        let account = self.account(&person.id).await?;
        self.confirm_password(&author, &account, password, address).await?;
        self.forget_factor(&author, &person.id).await
    }

    /// Replaces the recovery codes of the person who signed in; returns the new ones: the one copy there is.
    ///
    /// # Errors
    ///
    /// As [`Self::disable_second_factor`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn replace_recovery_codes(
        &self,
        actor: &Actor,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<Vec<String>, Error> {
        let (author, person) = signed_in(actor)?;
        let account = self.account(&person.id).await?;
        self.confirm_password(&author, &account, password, address).await?;
        let mut tx = self.store.db.write().await?;
        let factor = tx.identity().find_factor(&person.id).await?;
        if !factor.is_some_and(|factor| factor.is_confirmed) {
            return Err(NONE);
        }
        let codes = replace_codes(&mut tx, &person.id).await?;
        let now = self.store.clock.now();
        record(&mut tx, &author, now, Operation::RecoveryCodesReplaced, &person.id);
        tx.commit().await?;
        Ok(codes)
    }

    /// Takes the second factor of a user who lost it away.
    ///
    /// # Errors
    ///
    /// [`Error::SecondFactorState`] if there is none; [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn reset_second_factor(&self, actor: &Actor, user: &str) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let user = self.user(actor, user).await?;
        self.forget_factor(&author, &user.id).await
    }

    async fn forget_factor(&self, author: &Author, user: &UserId) -> Result<(), Error> {
        let mut tx = self.store.db.write().await?;
        if !tx.identity().delete_factor(user).await? {
            return Err(NONE);
        }
        record(&mut tx, author, self.store.clock.now(), Operation::SecondFactorDisabled, user);
        tx.commit().await?;
        Ok(())
    }

    /// Takes the code of a person who signs in, if they have a second factor; says which kind it was.
    ///
    /// # Errors
    ///
    /// [`Error::SecondFactorRequired`] if there is no code; [`Error::WrongCode`] if it is none, or was used before.
    pub(super) async fn ask_for_factor(
        &self,
        tx: &mut Tx,
        user: &UserId,
        code: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<&'static str>, Error> {
        let factor = tx.identity().find_factor(user).await?;
        let Some(factor) = factor.filter(|factor| factor.is_confirmed) else { return Ok(None) };
        let code = plain(code.ok_or(Error::SecondFactorRequired)?);
        if code.len() == RECOVERY_CHARS {
            let hash = recovery_hash(user, &code);
            let is_used = tx.identity().use_code(user, &hash).await?;
            return if is_used { Ok(Some("recovery code")) } else { Err(Error::WrongCode) };
        }
        let is_taken = self.takes(tx, user, &factor.sealed, &code, now).await?;
        if is_taken { Ok(Some("code")) } else { Err(Error::WrongCode) }
    }

    /// Takes a code of the app: the one of this half minute, or of the one before or after; each once.
    async fn takes(
        &self,
        tx: &mut Tx,
        user: &UserId,
        sealed: &[u8],
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let Some(secret) = self.vault()?.open(user.as_str(), sealed) else {
            tracing::warn!(
                user.id = %user,
                "the secret of a second factor was sealed with another key; recovery codes are still good, and \
                 `pilotdeck user reset-second-factor` takes it away"
            );
            return Ok(false);
        };
        let time = u64::try_from(now.timestamp()).unwrap_or_default();
        match totp(&secret, "")?.check(code, time).map(i64::try_from) {
            Some(Ok(step)) => Ok(tx.identity().use_step(user, step).await?),
            _ => Ok(false),
        }
    }

    fn vault(&self) -> Result<&Vault, Error> {
        self.vault.get().ok_or(Error::Sealed)
    }
}

const NONE: Error = Error::SecondFactorState("there is no second factor");

fn signed_in(actor: &Actor) -> Result<(Author, &Person), Error> {
    let author = actor.require(Permission::OwnAccount)?;
    Ok((author, actor.person().ok_or(Denied::Unauthenticated)?))
}

fn totp(secret: &[u8], account: &str) -> Result<Totp, Error> {
    Builder::new()
        .with_secret(Secret::from(secret))
        .with_issuer(Some(ISSUER))
        // A colon ends the issuer there.
        .with_account_name(account.replace(':', " "))
        .build()
        .map_err(|_| Error::Sealed)
}

/// A code without what people put between its characters.
fn plain(code: &str) -> String {
    let code = code.get(..MAX_CODE_BYTES).unwrap_or(code);
    code.chars()
        .filter(|char| !char.is_whitespace() && *char != '-')
        .flat_map(char::to_lowercase)
        .take(MAX_CODE_BYTES)
        .collect()
}

/// What is stored of a recovery code. It has too many bits to be guessed, so that a plain hash is enough.
fn recovery_hash(user: &UserId, code: &str) -> String {
    keys::hash(&format!("{user}\n{code}"))
}

async fn replace_codes(tx: &mut Tx, user: &UserId) -> Result<Vec<String>, Error> {
    let codes: Vec<String> = std::iter::repeat_with(recovery_code).take(RECOVERY_CODES).collect();
    let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(user, &plain(code))).collect();
    tx.identity().replace_codes(user, &hashes).await?;
    Ok(codes)
}

/// A recovery code, in groups of four.
fn recovery_code() -> String {
    let mut code = String::new();
    for (place, byte) in keys::random::<RECOVERY_CHARS>().into_iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    }
    code
}

fn record(tx: &mut Tx, author: &Author, now: DateTime<Utc>, operation: Operation, user: &UserId) {
    tx.record(author, now, entry(operation, Some(user), Change::of(&json!({}))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let totp = totp(b"12345678901234567890", "ada").unwrap();

        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(totp.check(code, time), Some(time / 30));
        }
        assert_eq!(totp.check("", 59), None);
        assert_eq!(totp.check("28708", 59), None);
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let code = recovery_code();

        assert_eq!((code.len(), plain(&code).len()), (19, RECOVERY_CHARS));
        assert_eq!(plain(&code.to_uppercase().replace('-', " ")), plain(&code));
        assert_eq!(plain(" 123 456 "), "123456");
        assert!(plain(&"é".repeat(500)).len() <= 2 * MAX_CODE_BYTES);
    }
}
