//! Events.

use pilotdeck_domain::events::Event;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
pub use pilotdeck_storage::EventFilter;
use pilotdeck_storage::{Document, Page};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::Access;
use crate::receipts::Key;
use crate::{Error, Store};

/// What can be asked about events.
#[derive(Clone)]
pub struct Events(Store);

/// An event, and whether this request appended it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppendedEvent {
    /// Identifies the event.
    pub id: String,
    /// The event as it is stored.
    pub event: Document,
    /// Whether it did not exist before.
    pub created: bool,
}

impl Events {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// The newest events that `filter` lets through, oldest first. The run may be named by its client's session.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(&self, actor: &Actor, mut filter: EventFilter) -> Result<Page, Error> {
        let access = Access::new(actor, Permission::ReadAgents)?;
        filter.within = access.within().map(str::to_owned);
        if filter.project_id.is_some() && !access.sees(filter.project_id.as_deref()) {
            return Ok(Page::default());
        }
        let mut tx = self.0.db.read().await?;
        if let Some(reference) = &filter.run_id
            && let Some(run) = tx.runs().resolve(reference, access.within()).await?
        {
            filter.run_id = Some(run.id);
        }
        Ok(tx.events().list(&filter).await?)
    }

    /// Appends an event, unless one with its id, or its idempotency key, exists; then that one is it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the actor does not reach everything and its project or its run does not exist for them;
    /// [`Error::Taken`] if its id is that of an event that they do not see; [`Error::Invalid`], [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn append(
        &self,
        actor: &Actor,
        body: Map<String, Value>,
    ) -> Result<AppendedEvent, Error> {
        let access = Access::new(actor, Permission::WriteAgents)?;
        let is_named = body.contains_key("id") || body.contains_key("idempotencyKey");
        let event = Event::create(body, self.0.clock.now())?;
        let key = Key::of(actor, access.author());
        self.0.intake.append(access, key, event, is_named).await
    }
}

/// The ledger's entry about an appended event: its digest, for the event itself never changes.
pub(crate) fn entry(operation: Operation, subject: SubjectKind, event: &Event) -> Entry {
    Entry::new(operation, subject, event.id().as_str(), Change::digest(event.as_json()))
        .in_project(event.project_id())
        .in_run(event.run_id())
}
