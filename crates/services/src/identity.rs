//! People: signing in and out, passwords, sessions.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use pilotdeck_domain::identity::{Actor, Author, NewPassword, Permission, Person, Role, User};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{Account, StoreError};
use serde_json::json;

use crate::{Error, Kind, Store};

mod keys;
mod passwords;
mod throttle;

pub(crate) use keys::hex;
use passwords::Passwords;
use throttle::Throttle;

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
        Self { store, passwords: Passwords::default(), throttle: Arc::default() }
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
    /// [`Error::WrongCredentials`], for an unknown name and a wrong password alike; [`Error::Throttled`] after too many
    /// of them; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn sign_in(
        &self,
        actor: &Actor,
        username: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<SignedIn, Error> {
        let stranger = actor.require(Permission::Public)?;
        let (username, password) = (username.trim(), password.trim());
        let attempt = self.begin_attempt(username, address)?;
        let account = match username.chars().nth(MAX_USERNAME_CHARS) {
            Some(_) => None,
            None => self.store.db.read().await?.identity().find_by_name(username).await?,
        };
        let hash = account.as_ref().map(|account| account.password_hash.as_str());
        let verified = self.passwords.verify(password, hash).await;
        let Some((account, rehashed)) = account.as_ref().zip(verified) else {
            self.refuse(&stranger, account.as_ref(), address).await?;
            return Err(Error::WrongCredentials);
        };
        self.forgive(&attempt);
        self.open_session(
            &stranger,
            account,
            rehashed.as_deref(),
            address,
            password == DEFAULT_PASSWORD,
        )
        .await
    }

    /// The person whose session has this key.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn session(&self, key: &str) -> Result<Option<Person>, Error> {
        let now = WireTime::from(self.store.clock.now());
        Ok(self
            .store
            .db
            .read()
            .await?
            .identity()
            .find_session(&keys::hash(key), now.as_str())
            .await?)
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
        let person = actor.person().ok_or(pilotdeck_domain::identity::Denied::Unauthenticated)?;
        let account = self.account(&person.id).await?;
        let attempt = self.begin_attempt(&account.user.username, address)?;
        if self.passwords.verify(current.trim(), Some(&account.password_hash)).await.is_none() {
            self.refuse(&author, Some(&account), address).await?;
            return Err(Error::WrongCredentials);
        }
        self.forgive(&attempt);
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

    async fn account(&self, id: &UserId) -> Result<Account, Error> {
        let found = self.store.db.read().await?.identity().find(id).await?;
        found.ok_or_else(|| Error::not_found(Kind::User, id.as_str()))
    }

    fn begin_attempt(
        &self,
        username: &str,
        address: Option<IpAddr>,
    ) -> Result<throttle::Attempt, Error> {
        self.throttle
            .lock()
            .expect("counting does not panic")
            .begin(username, address, self.store.clock.now())
            .map_err(|wait| Error::Throttled { retry_after_seconds: wait })
    }

    fn forgive(&self, attempt: &throttle::Attempt) {
        self.throttle.lock().expect("counting does not panic").forgive(attempt);
    }

    /// Opens a session, and replaces a hash of the old kind.
    async fn open_session(
        &self,
        stranger: &Author,
        account: &Account,
        rehashed: Option<&str>,
        address: Option<IpAddr>,
        password_is_default: bool,
    ) -> Result<SignedIn, Error> {
        let session_key = keys::mint();
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        let id = &account.user.id;
        // The password may have been replaced while this one was verified.
        let still =
            tx.identity().find(id).await?.filter(|now| now.password_hash == account.password_hash);
        if still.is_none() {
            return Err(Error::WrongCredentials);
        }
        let wire_now = WireTime::from(now);
        let expires_at = WireTime::from(now + Duration::hours(SESSION_HOURS));
        tx.identity()
            .open_session(&keys::hash(&session_key), id, wire_now.as_str(), expires_at.as_str())
            .await?;
        if let Some(hash) = rehashed {
            tx.identity().set_password(id, hash, wire_now.as_str()).await?;
        }
        let person = Author {
            kind: pilotdeck_domain::identity::ActorKind::Person,
            id: Some(id.as_str().to_owned()),
            name: Some(account.user.username.clone()),
            request_id: stranger.request_id.clone(),
        };
        let facts = json!({ "address": address, "passwordHashReplaced": rehashed.is_some() });
        tx.record(&person, now, entry(Operation::UserSignedIn, Some(id), Change::of(&facts)));
        tx.commit().await?;
        Ok(SignedIn { user: account.user.clone(), session_key, password_is_default })
    }

    /// Records a failure. What was typed as the name is not kept: people type passwords there.
    async fn refuse(
        &self,
        author: &Author,
        account: Option<&Account>,
        address: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.db.write().await?;
        let reason = if account.is_some() { "wrong password" } else { "unknown account" };
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
        let change = Change::of(&json!({ "endedSessions": ended }));
        tx.record(author, now, entry(Operation::PasswordChanged, Some(id), change));
        tx.commit().await?;
        Ok(())
    }
}

fn entry(operation: Operation, id: Option<&UserId>, change: Change) -> Entry {
    let mut entry = Entry::new(operation, SubjectKind::User, "", change);
    entry.subject_id = id.map(|id| id.as_str().to_owned());
    entry
}
