//! Keys of people, for their programs.

use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::{
    Actor, ApiKey, Denied, KeyDetails, KeyName, Permission, Role, Scope,
};
use pilotdeck_domain::ids::{KeyId, UserId};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{KnownKey, NewKey};
use serde_json::json;

use super::{Identity, keys};
use crate::{Error, Kind};

/// What every key begins with: so it is recognized where it should not be.
const PREFIX: &str = "pd_";
/// What is shown of a key, in characters.
const SHOWN: usize = PREFIX.len() + 8;
/// How long a key is, in bytes.
const KEY_BYTES: usize = PREFIX.len() + 64;
/// The most keys that one person may have.
const MOST_KEYS: i64 = 100;

/// A key to make.
pub struct CreateKey {
    /// What its owner calls it.
    pub name: KeyName,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// The only project that it opens.
    pub project_id: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<WireTime>,
}

/// A key that was made.
pub struct CreatedKey {
    /// What is said of it.
    pub details: KeyDetails,
    /// The key: the one copy there is.
    pub key: String,
}

impl Identity {
    /// The key that was sent, if it holds.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn api_key(&self, sent: &str) -> Result<Option<ApiKey>, Error> {
        if sent.len() != KEY_BYTES || !sent.starts_with(PREFIX) {
            return Ok(None);
        }
        let now = self.store.clock.now();
        let mut tx = self.store.db.read().await?;
        let found = tx.identity().find_key(&keys::hash(sent), WireTime::from(now).as_str()).await?;
        drop(tx);
        let Some(KnownKey { key, last_used_at }) = found else { return Ok(None) };
        if self.seen.is_due(key.id.as_str(), last_used_at.and_then(|last| last.instant()), now) {
            let (db, id) = (self.store.db.clone(), key.id.clone());
            // Nobody waits for it.
            tokio::spawn(async move {
                let written = async { db.write().await?.key_used(&id, &now.into()).await };
                if let Err(error) = written.await {
                    tracing::debug!(%error, "the use of a key could not be noted");
                }
            });
        }
        Ok(Some(key))
    }

    /// The key with this id, if it holds.
    pub(crate) async fn key_with_id(&self, id: &KeyId) -> Result<Option<ApiKey>, Error> {
        let now = WireTime::from(self.store.clock.now());
        let mut tx = self.store.db.read().await?;
        let found = tx.identity().find_key_by_id(id, now.as_str()).await?;
        Ok(found.map(|found| found.key))
    }

    /// The actor's own keys; an administrator has those of `user`, or of everybody.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] if they ask for those of somebody else and may not; [`Error::Store`].
    pub async fn keys(
        &self,
        actor: &Actor,
        user: Option<&UserId>,
    ) -> Result<Vec<KeyDetails>, Error> {
        actor.require(Permission::ManageKeys)?;
        let own = actor.on_behalf_of().map(|person| &person.id);
        let user = match actor.require(Permission::Administer) {
            Ok(_) => user,
            Err(denied) => match (own, user) {
                (Some(own), asked) if asked.is_none_or(|asked| asked == own) => Some(own),
                _ => return Err(denied.into()),
            },
        };
        Ok(self.store.db.read().await?.identity().list_keys(user).await?)
    }

    /// Makes a key of the person who signed in.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it could do nothing, or they have too many; [`Error::NotFound`] or [`Error::Denied`] if it is
    /// for a project that there is not for them; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn create_key(&self, actor: &Actor, input: CreateKey) -> Result<CreatedKey, Error> {
        let author = actor.require(Permission::OwnAccount)?;
        let owner = actor.person().ok_or(Denied::Unauthenticated)?;
        let CreateKey { name, mut scopes, project_id, expires_at } = input;
        let now = self.store.clock.now();
        scopes.sort_by_key(|scope| Scope::ALL.iter().position(|known| known == scope));
        scopes.dedup();
        if scopes.is_empty() {
            return Err(InvalidInput::new("scopes", "name at least one scope").into());
        }
        if scopes.contains(&Scope::Admin) && owner.role != Role::Admin {
            let reason = "only keys of administrators can have the scope admin";
            return Err(InvalidInput::new("scopes", reason).into());
        }
        refuse_past(expires_at.as_ref(), now)?;
        if let Some(project) = &project_id {
            actor.require_in(Permission::ReadProjects, Some(project))?;
        }
        let mut tx = self.store.db.write().await?;
        if let Some(project) = &project_id
            && !tx.identity().has_project(project).await?
        {
            return Err(Error::not_found(Kind::Project, project));
        }
        if tx.identity().count_keys(&owner.id).await? >= MOST_KEYS {
            let reason = "you have 100 keys, which is as many as one may; revoke one";
            return Err(InvalidInput::new("name", reason).into());
        }
        let key = format!("{PREFIX}{}", keys::mint());
        let details = KeyDetails {
            id: KeyId::mint(),
            name: name.as_str().to_owned(),
            prefix: key[..SHOWN].to_owned(),
            scopes,
            project_id,
            user_id: owner.id.clone(),
            username: owner.username.clone(),
            created_at: now.into(),
            expires_at,
            last_used_at: None,
        };
        let key_hash = keys::hash(&key);
        tx.identity().insert_key(&NewKey { details: &details, key_hash: &key_hash }).await?;
        tx.record(&author, now, entry(Operation::KeyCreated, &details, "after"));
        tx.commit().await?;
        Ok(CreatedKey { details, key })
    }

    /// Revokes a key of the actor; an administrator revokes any.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none for them; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn revoke_key(&self, actor: &Actor, id: &str) -> Result<KeyDetails, Error> {
        let mut author = actor.require(Permission::ManageKeys)?;
        let mut tx = self.store.db.write().await?;
        let found = tx.identity().key_details(&KeyId::stored(id)).await?;
        let is_own =
            |key: &KeyDetails| actor.on_behalf_of().is_some_and(|person| person.id == key.user_id);
        let Some(details) = found else { return Err(Error::not_found(Kind::Key, id)) };
        if !is_own(&details) {
            author = actor
                .require(Permission::Administer)
                .map_err(|_| Error::not_found(Kind::Key, id))?;
        }
        tx.identity().delete_key(&details.id).await?;
        tx.record(
            &author,
            self.store.clock.now(),
            entry(Operation::KeyRevoked, &details, "before"),
        );
        tx.commit().await?;
        Ok(details)
    }
}

/// Refuses an end that is over already.
pub(super) fn refuse_past(
    expires_at: Option<&WireTime>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), InvalidInput> {
    match expires_at {
        Some(end) if end.instant().is_none_or(|end| end <= now) => {
            Err(InvalidInput::new("expiresAt", "expiresAt must lie in the future"))
        }
        _ => Ok(()),
    }
}

fn entry(operation: Operation, key: &KeyDetails, state: &str) -> Entry {
    let facts = json!({ state: {
        "name": key.name, "prefix": key.prefix, "scopes": key.scopes, "projectId": key.project_id,
        "userId": key.user_id, "expiresAt": key.expires_at,
    } });
    Entry::new(operation, SubjectKind::Key, key.id.as_str(), Change::of(&facts))
}
