//! Events.

use pilotdeck_domain::events::Event;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
pub use pilotdeck_storage::EventFilter;
use pilotdeck_storage::{Document, Page, Tx};
use serde_json::{Map, Value};

use crate::{Error, Store};

/// What can be asked about events.
#[derive(Clone)]
pub struct Events(Store);

/// An event, and whether this request appended it.
#[derive(Clone, Debug)]
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
        actor.require(Permission::ReadAgents)?;
        let mut tx = self.0.db.read().await?;
        if let Some(reference) = &filter.run_id
            && let Some(run) = tx.runs().resolve(reference).await?
        {
            filter.run_id = Some(run.id);
        }
        Ok(tx.events().list(&filter).await?)
    }

    /// Appends an event, unless one with its id, or its idempotency key, exists; then that one is it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn append(
        &self,
        actor: &Actor,
        body: Map<String, Value>,
    ) -> Result<AppendedEvent, Error> {
        let author = actor.require(Permission::WriteAgents)?;
        let mut tx = self.0.db.write().await?;
        let now = self.0.clock.now();
        let event = Event::create(body, now)?;
        let event = belonging(&mut tx, event).await?;
        let id = event.id().to_string();
        let Some(document) = tx.events().append(&event).await? else {
            let stored =
                tx.events().find(&id).await?.ok_or(pilotdeck_storage::StoreError::Stale)?;
            return Ok(AppendedEvent { id, event: stored, created: false });
        };
        tx.record(
            &author,
            now,
            entry(Operation::EventAppended, SubjectKind::Event, &event, &document),
        );
        tx.commit().await?;
        Ok(AppendedEvent { id, event: document, created: true })
    }
}

/// The ledger's entry about an appended event: its digest, for the event itself never changes.
pub(crate) fn entry(
    operation: Operation,
    subject: SubjectKind,
    event: &Event,
    document: &Document,
) -> Entry {
    Entry::new(operation, subject, event.id().as_str(), Change::digest(document.as_str()))
        .in_project(event.project_id())
        .in_run(event.run_id())
}

/// Events of clients that know only their session: the run is the session's, the project is the run's.
async fn belonging(tx: &mut Tx, event: Event) -> Result<Event, Error> {
    let Some(reference) = event.run_id() else { return Ok(event) };
    let Some(run) = tx.runs().resolve(reference).await? else { return Ok(event) };
    let event = if reference == run.id { event } else { event.with_run(&run.id) };
    Ok(match &run.project_id {
        Some(project_id) if event.project_id().is_none() => event.with_project(project_id),
        _ => event,
    })
}
