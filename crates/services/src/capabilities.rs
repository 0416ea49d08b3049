//! Capabilities.

use pilotdeck_domain::capabilities::Capability;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_storage::{Collection, Document};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::projects::seen;
use crate::{Error, Kind, Store};

/// What can be asked about capabilities.
#[derive(Clone)]
pub struct Capabilities(Store);

/// A capability, and whether this request made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreatedCapability {
    /// The capability as it is stored.
    pub capability: Document,
    /// Whether it did not exist before.
    pub created: bool,
}

impl Capabilities {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// All capabilities, or only those that are enabled, or are not; the last changed first.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(&self, actor: &Actor, enabled: Option<bool>) -> Result<Vec<Document>, Error> {
        actor.require(Permission::ReadCatalog)?;
        Ok(self.0.db.read().await?.capabilities().list(enabled).await?)
    }

    /// One capability.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(capability.id = id), err(level = "debug"))]
    pub async fn get(&self, actor: &Actor, id: &str) -> Result<Document, Error> {
        actor.require(Permission::ReadCatalog)?;
        let found = self.0.db.read().await?.capabilities().find(id).await?;
        found.ok_or_else(|| Error::not_found(Kind::Capability, id))
    }

    /// Creates a capability, unless one with its id exists; then that one is it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn create(
        &self,
        actor: &Actor,
        body: Map<String, Value>,
    ) -> Result<CreatedCapability, Error> {
        let author = actor.require(Permission::WriteCatalog)?;
        let (mut tx, before) = self.0.begin(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.0.clock.now();
        let capability = Capability::create(body, now)?;
        let id = capability.id().as_str();
        if !tx.capabilities().insert(&capability).await? {
            let stored = tx
                .capabilities()
                .find(id)
                .await?
                .ok_or_else(|| Error::not_found(Kind::Capability, id))?;
            let outcome = CreatedCapability { capability: stored, created: false };
            return self.0.finish_unchanged(tx, actor, &author, outcome).await;
        }
        tx.touch(Collection::Capabilities, now);
        tx.record(
            &author,
            now,
            entry(Operation::CapabilityCreated, id, Change::created(capability.document())),
        );
        self.0
            .finish(
                tx,
                actor,
                &author,
                CreatedCapability { capability: capability.document().into(), created: true },
            )
            .await
    }

    /// Changes the fields of a capability that `patch` names.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(capability.id = id), err(level = "debug"))]
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
        let stored = tx
            .capabilities()
            .find(id)
            .await?
            .ok_or_else(|| Error::not_found(Kind::Capability, id))?;
        let before = stored.fields()?;
        let capability = Capability::merged(&before, patch, now)?;
        tx.capabilities().save(&capability, &seen(&before)).await?;
        tx.touch(Collection::Capabilities, now);
        let change = Change::between(&before, capability.document());
        tx.record(&author, now, entry(Operation::CapabilityUpdated, id, change));
        self.0.finish(tx, actor, &author, capability.document().into()).await
    }

    /// Deletes a capability.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(capability.id = id), err(level = "debug"))]
    pub async fn delete(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let author = actor.require(Permission::WriteCatalog)?;
        let (mut tx, before) = self.0.begin(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.0.clock.now();
        let stored = tx
            .capabilities()
            .find(id)
            .await?
            .ok_or_else(|| Error::not_found(Kind::Capability, id))?;
        tx.capabilities().delete(id).await?;
        tx.touch(Collection::Capabilities, now);
        tx.record(
            &author,
            now,
            entry(Operation::CapabilityDeleted, id, Change::deleted(&stored.fields()?)),
        );
        self.0.finish(tx, actor, &author, ()).await
    }
}

/// Prompts may be erased; the ledger, which cannot, holds their digest.
fn entry(operation: Operation, id: &str, change: Change) -> Entry {
    Entry::new(operation, SubjectKind::Capability, id, change.with_digest_of("promptPack"))
}
