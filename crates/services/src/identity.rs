//! People: who they are, signing in and out, and what opens the door to them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use chrono::{DateTime, Duration, Utc};
use pilotdeck_domain::identity::{
    Actor, ActorKind, Author, Denied, NewPassword, Permission, Role, User, UserAgent,
};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{Account, NewSession, StoreError, Tx};
use serde_json::{Value, json};

use crate::{Error, Kind, Store};

mod api_keys;
mod invitations;
mod keys;
mod passwords;
mod people;
mod second_factor;
mod seen;
mod sessions;
mod throttle;
mod vault;

pub use api_keys::{CreateKey, CreatedKey};
pub use invitations::{Invite, Invited, Join};
pub(crate) use keys::hex;
use passwords::Passwords;
pub use people::CreateUser;
pub use second_factor::{Begun, SecondFactor};
use seen::Seen;
use throttle::Throttle;
use vault::Vault;

/// The account that an empty database begins with.
pub const DEFAULT_USERNAME: &str = "admin";
/// Its password, which the exposure rule lets pass on loopback only.
pub const DEFAULT_PASSWORD: &str = "admin";
/// How long a session lasts, from the sign-in on.
pub const SESSION_HOURS: i64 = 24;
/// The longest user name, in characters.
const MAX_USERNAME_CHARS: usize = 255;

/// What can be asked about people.
#[derive(Clone)]
pub struct Identity {
    store: Store,
    passwords: Passwords,
    throttle: Arc<Mutex<Throttle>>,
    seen: Arc<Seen>,
    vault: Arc<OnceLock<Vault>>,
}

/// A sign-in to try.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    /// The name, as it was typed.
    pub username: &'a str,
    /// The password, as it was typed.
    pub password: &'a str,
    /// A code of the second factor, or a recovery code.
    pub code: Option<&'a str>,
    /// Where it comes from.
    pub from: Origin,
}

/// Where somebody comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address.
    pub address: Option<IpAddr>,
    /// The program, by its own word.
    pub user_agent: Option<UserAgent>,
}

/// A sign-in that succeeded.
pub struct SignedIn {
    /// Who signed in.
    pub user: User,
    /// The key of the session: the one copy there is.
    pub session_key: String,
    /// Whether the password is the default one, which should be changed.
    pub password_is_default: bool,
}

impl Identity {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            passwords: Passwords::default(),
            throttle: Arc::default(),
            seen: Arc::default(),
            vault: Arc::default(),
        }
    }

    /// Seals the secrets of second factors with a key that follows from `secret`. It is said once, and must be the same
    /// at every start: what was sealed with another one cannot be opened.
    pub fn seal_with(&self, secret: &[u8]) {
        let _ = self.vault.set(Vault::new(secret));
    }

    /// Creates the default account if there is nobody who could sign in.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn ensure_somebody(&self) -> Result<(), Error> {
        if self.store.db.read().await?.identity().count().await? > 0 {
            return Ok(());
        }
        let password_hash = self.passwords.hash(DEFAULT_PASSWORD).await;
        self.passwords.remember(&password_hash, true);
        let mut tx = self.store.db.write().await?;
        if tx.identity().count().await? > 0 {
            return Ok(());
        }
        let now = self.store.clock.now();
        let user =
            User { id: UserId::mint(), username: DEFAULT_USERNAME.to_owned(), role: Role::Admin };
        let facts = json!({ "after": { "username": user.username, "role": user.role } });
        tx.identity()
            .insert(&Account { user: user.clone(), password_hash }, WireTime::from(now).as_str())
            .await?;
        let author = Actor::system().require(Permission::Administer)?;
        tx.record(&author, now, entry(Operation::UserCreated, Some(&user.id), Change::of(&facts)));
        tx.commit().await?;
        Ok(())
    }

    /// Whether the default account still has the default password.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn default_password_in_use(&self) -> Result<bool, Error> {
        let account = self.store.db.read().await?.identity().find_by_name(DEFAULT_USERNAME).await?;
        match account {
            Some(account) => Ok(self.passwords.is_default(&account.password_hash).await),
            None => Ok(false),
        }
    }

    /// Whether this person signs in with the default password.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such person any more; [`Error::Store`].
    pub async fn has_default_password(&self, id: &UserId) -> Result<bool, Error> {
        let account = self.account(id).await?;
        Ok(self.passwords.is_default(&account.password_hash).await)
    }

    /// Signs a person in. Failures are counted by account and address, and recorded.
    ///
    /// # Errors
    ///
    /// [`Error::WrongCredentials`], for an unknown name, a wrong password and a person who may not sign in alike;
    /// [`Error::SecondFactorRequired`] and [`Error::WrongCode`] to who knows the password; [`Error::Throttled`] after too
    /// many failures; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn sign_in(&self, actor: &Actor, sign_in: SignIn<'_>) -> Result<SignedIn, Error> {
        let stranger = actor.require(Permission::Public)?;
        let SignIn { username, password, code, from } = sign_in;
        let (username, password) = (username.trim(), password.trim());
        let attempt = self.begin_attempt(username, from.address)?;
        let mut tx = self.store.db.read().await?;
        let account = match username.chars().nth(MAX_USERNAME_CHARS) {
            Some(_) => None,
            None => tx.identity().find_by_name(username).await?,
        };
        drop(tx);
        let hash = account.as_ref().map(|account| account.password_hash.as_str());
        let verified = self.passwords.verify(password, hash).await;
        let Some((account, rehashed)) = account.as_ref().zip(verified) else {
            let reason = if account.is_some() { "wrong password" } else { "unknown account" };
            self.refuse(&stranger, account.as_ref(), reason, from.address).await?;
            return Err(Error::WrongCredentials);
        };
        let guess = code.map(|_| self.begin_guess(&account.user.id)).transpose()?;
        let proven = Proven { account, rehashed, code, from: &from };
        match self.open_session(&stranger, proven).await {
            Ok(session_key) => {
                self.forgive(&attempt);
                if let Some(guess) = &guess {
                    self.forgive(guess);
                }
                let password_is_default = password == DEFAULT_PASSWORD;
                Ok(SignedIn { user: account.user.clone(), session_key, password_is_default })
            }
            Err(Error::SecondFactorRequired) => {
                // The password was right; what was counted before stays counted.
                self.withdraw(&attempt);
                Err(Error::SecondFactorRequired)
            }
            Err(error) => {
                let reason = match &error {
                    Error::WrongCode => "wrong code",
                    Error::WrongCredentials => "may not sign in",
                    _ => return Err(error),
                };
                self.refuse(&stranger, Some(account), reason, from.address).await?;
                Err(error)
            }
        }
    }

    /// Ends a session. One that is over already is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn sign_out(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let author = actor.require(Permission::Public)?;
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        if tx.identity().end_session(&keys::hash(key)).await? {
            let id = actor.person().map(|person| &person.id);
            let entry = entry(Operation::UserSignedOut, id, Change::of(&json!({})));
            let author = actor.require(Permission::OwnAccount).unwrap_or(author);
            tx.record(&author, now, entry);
            tx.commit().await?;
        }
        Ok(())
    }

    /// Replaces a person's own password, and ends all their other sessions.
    ///
    /// # Errors
    ///
    /// [`Error::WrongCredentials`] if `current` is not the password; [`Error::Throttled`] after too many of these;
    /// [`Error::Denied`] if nobody signed in; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn change_password(
        &self,
        actor: &Actor,
        session_key: &str,
        current: &str,
        new: &NewPassword,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let author = actor.require(Permission::OwnAccount)?;
        let person = actor.person().ok_or(Denied::Unauthenticated)?;
        let account = self.account(&person.id).await?;
        self.confirm_password(&author, &account, current, address).await?;
        self.set(&author, &account, new, &keys::hash(session_key)).await
    }

    /// Replaces a person's password on behalf of the one who runs the installation, and ends all their sessions.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    pub async fn set_password(
        &self,
        actor: &Actor,
        username: &str,
        new: &NewPassword,
    ) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let found = self.store.db.read().await?.identity().find_by_name(username.trim()).await?;
        let account = found.ok_or_else(|| Error::not_found(Kind::User, username))?;
        self.set(&author, &account, new, "").await
    }

    /// Makes sure that who signed in as the owner of `account` knows the password.
    async fn confirm_password(
        &self,
        author: &Author,
        account: &Account,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let attempt = self.begin_attempt(&account.user.username, address)?;
        if self.passwords.verify(password.trim(), Some(&account.password_hash)).await.is_none() {
            self.refuse(author, Some(account), "wrong password", address).await?;
            return Err(Error::WrongCredentials);
        }
        self.forgive(&attempt);
        Ok(())
    }

    async fn account(&self, id: &UserId) -> Result<Account, Error> {
        let found = self.store.db.read().await?.identity().find(id).await?;
        found.ok_or_else(|| Error::not_found(Kind::User, id.as_str()))
    }

    fn begin_attempt(
        &self,
        username: &str,
        address: Option<IpAddr>,
    ) -> Result<throttle::Attempt, Error> {
        self.throttle().begin(username, address, self.store.clock.now()).map_err(wait)
    }

    /// Counts a code that somebody tries, wherever they come from: there are few codes.
    fn begin_guess(&self, id: &UserId) -> Result<throttle::Attempt, Error> {
        self.throttle().begin_guess(id.as_str(), self.store.clock.now()).map_err(wait)
    }

    fn forgive(&self, attempt: &throttle::Attempt) {
        self.throttle().forgive(attempt);
    }

    fn withdraw(&self, attempt: &throttle::Attempt) {
        self.throttle().withdraw(attempt);
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().expect("counting does not panic")
    }

    /// Opens a session, and replaces a hash of the old kind.
    async fn open_session(&self, stranger: &Author, proven: Proven<'_>) -> Result<String, Error> {
        let Proven { account, rehashed, code, from } = proven;
        let id = &account.user.id;
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        // The password may have been replaced while this one was verified.
        let still =
            tx.identity().find(id).await?.filter(|now| now.password_hash == account.password_hash);
        let may = tx.identity().details(id).await?.is_some_and(|user| user.is_active);
        if still.is_none() || !may {
            return Err(Error::WrongCredentials);
        }
        let factor = self.ask_for_factor(&mut tx, id, code, now).await?;
        if let Some(hash) = rehashed.as_deref() {
            tx.identity().set_password(id, hash, WireTime::from(now).as_str()).await?;
        }
        let mut facts =
            json!({ "address": from.address, "passwordHashReplaced": rehashed.is_some() });
        if let Some(factor) = factor {
            facts["secondFactor"] = json!(factor);
        }
        let session_key =
            begin_session(&mut tx, stranger, &account.user, from, (now, &facts)).await?;
        tx.commit().await?;
        Ok(session_key)
    }

    /// Records a failure. What was typed as the name is not kept: people type passwords there.
    async fn refuse(
        &self,
        author: &Author,
        account: Option<&Account>,
        reason: &str,
        address: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db.write().await?;
        let change = Change::of(&json!({ "reason": reason, "address": address }));
        let id = account.map(|account| &account.user.id);
        tx.record(author, self.store.clock.now(), entry(Operation::SignInRefused, id, change));
        tx.commit().await
    }

    async fn set(
        &self,
        author: &Author,
        account: &Account,
        new: &NewPassword,
        kept_session: &str,
    ) -> Result<(), Error> {
        let hash = self.passwords.hash(new.expose()).await;
        let id = &account.user.id;
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        let still =
            tx.identity().find(id).await?.filter(|now| now.password_hash == account.password_hash);
        if still.is_none() {
            return Err(Error::WrongCredentials);
        }
        tx.identity().set_password(id, &hash, WireTime::from(now).as_str()).await?;
        let ended = tx.identity().end_sessions_but(id, kept_session).await?;
        let change = Change::of(&json!({ "endedSessions": ended.len() }));
        tx.record(author, now, entry(Operation::PasswordChanged, Some(id), change));
        tx.commit().await?;
        Ok(())
    }
}

/// Who showed that they know the password.
struct Proven<'a> {
    account: &'a Account,
    /// The hash that replaces one of the old kind.
    rehashed: Option<String>,
    code: Option<&'a str>,
    from: &'a Origin,
}

/// Opens a session, and says so; returns its key.
async fn begin_session(
    tx: &mut Tx,
    stranger: &Author,
    user: &User,
    from: &Origin,
    (now, facts): (DateTime<Utc>, &Value),
) -> Result<String, Error> {
    let session_key = keys::mint();
    let session = NewSession {
        key_hash: &keys::hash(&session_key),
        user: &user.id,
        now: &WireTime::from(now),
        expires_at: &WireTime::from(now + Duration::hours(SESSION_HOURS)),
        address: from.address.map(|address| address.to_string()),
        user_agent: from.user_agent.as_ref().map(UserAgent::as_str),
    };
    tx.identity().open_session(&session).await?;
    let person = Author {
        kind: ActorKind::Person,
        id: Some(user.id.as_str().to_owned()),
        name: Some(user.username.clone()),
        request_id: stranger.request_id.clone(),
    };
    tx.record(&person, now, entry(Operation::UserSignedIn, Some(&user.id), Change::of(facts)));
    Ok(session_key)
}

fn wait(seconds: u64) -> Error {
    Error::Throttled { retry_after_seconds: seconds }
}

fn entry(operation: Operation, id: Option<&UserId>, change: Change) -> Entry {
    let mut entry = Entry::new(operation, SubjectKind::User, "", change);
    entry.subject_id = id.map(|id| id.as_str().to_owned());
    entry
}

#[cfg(test)]
mod tests;
