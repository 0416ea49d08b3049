//! Agent profiles.

use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::profiles::Profile;
use pilotdeck_storage::{Collection, Document};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::projects::seen;
use crate::{Error, Kind, Store};

/// What can be asked about agent profiles.
#[derive(Clone)]
pub struct Profiles(Store);

/// A profile, and whether this request made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreatedProfile {
    /// The profile as it is stored.
    pub profile: Document,
    /// Whether it did not exist before.
    pub created: bool,
}

impl Profiles {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// All profiles, or only those that are enabled, or are not; the last changed first.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(&self, actor: &Actor, enabled: Option<bool>) -> Result<Vec<Document>, Error> {
        actor.require(Permission::ReadCatalog)?;
        Ok(self.0.db.read().await?.profiles().list(enabled).await?)
    }

    /// One profile.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(profile.id = id), err(level = "debug"))]
    pub async fn get(&self, actor: &Actor, id: &str) -> Result<Document, Error> {
        actor.require(Permission::ReadCatalog)?;
        let found = self.0.db.read().await?.profiles().find(id).await?;
        found.ok_or_else(|| Error::not_found(Kind::Profile, id))
    }

    /// Creates a profile, unless one with its id exists; then that one is it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn create(
        &self,
        actor: &Actor,
        body: Map<String, Value>,
    ) -> Result<CreatedProfile, Error> {
        let author = actor.require(Permission::WriteCatalog)?;
        let (mut tx, before) = self.0.begin(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.0.clock.now();
        let profile = Profile::create(body, now)?;
        let id = profile.id().as_str();
        if !tx.profiles().insert(&profile).await? {
            let stored =
                tx.profiles().find(id).await?.ok_or_else(|| Error::not_found(Kind::Profile, id))?;
            let outcome = CreatedProfile { profile: stored, created: false };
            return self.0.finish_unchanged(tx, actor, &author, outcome).await;
        }
        tx.touch(Collection::Profiles, now);
        tx.record(
            &author,
            now,
            entry(Operation::ProfileCreated, id, Change::created(profile.document())),
        );
        self.0
            .finish(
                tx,
                actor,
                &author,
                CreatedProfile { profile: profile.document().into(), created: true },
            )
            .await
    }

    /// Changes the fields of a profile that `patch` names.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(profile.id = id), err(level = "debug"))]
    pub async fn change(
        &self,
        actor: &Actor,
        id: &str,
        patch: Map<String, Value>,
    ) -> Result<Document, Error> {
        let author = actor.require(Permission::WriteCatalog)?;
        let (mut tx, before) = self.0.begin(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.0.clock.now();
        let stored =
            tx.profiles().find(id).await?.ok_or_else(|| Error::not_found(Kind::Profile, id))?;
        let before = stored.fields()?;
        let profile = Profile::merged(&before, patch, now)?;
        tx.profiles().save(&profile, &seen(&before)).await?;
        tx.touch(Collection::Profiles, now);
        let change = Change::between(&before, profile.document());
        tx.record(&author, now, entry(Operation::ProfileUpdated, id, change));
        self.0.finish(tx, actor, &author, profile.document().into()).await
    }

    /// Deletes a profile.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(profile.id = id), err(level = "debug"))]
    pub async fn delete(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let author = actor.require(Permission::WriteCatalog)?;
        let (mut tx, before) = self.0.begin(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.0.clock.now();
        let stored =
            tx.profiles().find(id).await?.ok_or_else(|| Error::not_found(Kind::Profile, id))?;
        tx.profiles().delete(id).await?;
        tx.touch(Collection::Profiles, now);
        tx.record(
            &author,
            now,
            entry(Operation::ProfileDeleted, id, Change::deleted(&stored.fields()?)),
        );
        self.0.finish(tx, actor, &author, ()).await
    }
}

fn entry(operation: Operation, id: &str, change: Change) -> Entry {
    Entry::new(operation, SubjectKind::Profile, id, change)
}
