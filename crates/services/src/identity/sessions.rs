//! Sessions: who asks, which there are, and ending them.

use pilotdeck_domain::identity::{Actor, Denied, Permission, Person, SessionDetails};
use pilotdeck_domain::ids::{SessionId, UserId};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use serde_json::json;

use super::{Identity, keys};
use crate::{Error, Kind};

impl Identity {
    /// The person whose session has this key.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn session(&self, key: &str) -> Result<Option<Person>, Error> {
        let now = self.store.clock.now();
        let mut tx = self.store.db.read().await?;
        let hash = keys::hash(key);
        let found = tx.identity().find_session(&hash, WireTime::from(now).as_str()).await?;
        drop(tx);
        let Some(found) = found else { return Ok(None) };
        if self.seen.is_due(found.id.as_str(), found.last_seen_at.instant(), now) {
            let (db, id) = (self.store.db.clone(), found.id);
            // Nobody waits for it.
            tokio::spawn(async move {
                let written = async { db.write().await?.session_seen(&id, &now.into()).await };
                if let Err(error) = written.await {
                    tracing::debug!(%error, "the use of a session could not be noted");
                }
            });
        }
        Ok(Some(found.person))
    }

    /// The open sessions of the person who signed in, the newest first. `session_key` is that of the one that asks.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] if nobody signed in; [`Error::Store`].
    pub async fn own_sessions(
        &self,
        actor: &Actor,
        session_key: &str,
    ) -> Result<Vec<SessionDetails>, Error> {
        actor.require(Permission::OwnAccount)?;
        let person = actor.person().ok_or(Denied::Unauthenticated)?;
        let now = WireTime::from(self.store.clock.now());
        let mut tx = self.store.db.read().await?;
        let hash = keys::hash(session_key);
        Ok(tx.identity().list_sessions(&person.id, now.as_str(), &hash).await?)
    }

    /// Ends a session of the person who signed in.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if they have none with this id; [`Error::Denied`]; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn end_own_session(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let author = actor.require(Permission::OwnAccount)?;
        let person = actor.person().ok_or(Denied::Unauthenticated)?;
        self.end(&author, &person.id, id).await
    }

    /// Ends all sessions of the person who signed in, but the one that asks; returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`]; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn end_other_sessions(
        &self,
        actor: &Actor,
        session_key: &str,
    ) -> Result<usize, Error> {
        let author = actor.require(Permission::OwnAccount)?;
        let person = actor.person().ok_or(Denied::Unauthenticated)?;
        self.end_all(&author, &person.id, &keys::hash(session_key)).await
    }

    /// The open sessions of a user.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    pub async fn sessions_of(
        &self,
        actor: &Actor,
        user: &str,
    ) -> Result<Vec<SessionDetails>, Error> {
        let user = self.user(actor, user).await?.id;
        let now = WireTime::from(self.store.clock.now());
        let mut tx = self.store.db.read().await?;
        Ok(tx.identity().list_sessions(&user, now.as_str(), "").await?)
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn end_session_of(&self, actor: &Actor, user: &str, id: &str) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let user = self.user(actor, user).await?.id;
        self.end(&author, &user, id).await
    }

    /// Ends all sessions of a user; returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn end_sessions_of(&self, actor: &Actor, user: &str) -> Result<usize, Error> {
        let author = actor.require(Permission::Administer)?;
        let user = self.user(actor, user).await?.id;
        self.end_all(&author, &user, "").await
    }

    async fn end(
        &self,
        author: &pilotdeck_domain::identity::Author,
        user: &UserId,
        id: &str,
    ) -> Result<(), Error> {
        let mut tx = self.store.db.write().await?;
        let session = SessionId::stored(id);
        if !tx.identity().end_session_of(user, &session).await? {
            return Err(Error::not_found(Kind::Session, id));
        }
        tx.record(author, self.store.clock.now(), ended(user, &session));
        tx.commit().await?;
        Ok(())
    }

    async fn end_all(
        &self,
        author: &pilotdeck_domain::identity::Author,
        user: &UserId,
        kept: &str,
    ) -> Result<usize, Error> {
        let mut tx = self.store.db.write().await?;
        let sessions = tx.identity().end_sessions_but(user, kept).await?;
        if sessions.is_empty() {
            return Ok(0);
        }
        let now = self.store.clock.now();
        for session in &sessions {
            tx.record(author, now, ended(user, session));
        }
        tx.commit().await?;
        Ok(sessions.len())
    }
}

fn ended(user: &UserId, session: &SessionId) -> Entry {
    let change = Change::of(&json!({ "userId": user }));
    Entry::new(Operation::SessionEnded, SubjectKind::Session, session.as_str(), change)
}
