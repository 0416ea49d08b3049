//! What a person or an agent can ask of PilotDeck, one verb per method: authorize, one transaction, ledger line,
//! commit. No HTTP and no SQL is known here; the API, the command line and embedding tools come through the same door.

use std::sync::Arc;

use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::ledger::checkpoint::SigningKey;
pub use pilotdeck_domain::paging;
pub use pilotdeck_storage::{Database, Document, Documents, Meters, Page};

mod access;
pub mod actions;
pub mod capabilities;
mod error;
pub mod events;
pub mod history;
pub mod identity;
pub mod insights;
mod intake;
pub mod ledger;
pub mod members;
pub mod operations;
pub mod profiles;
pub mod projects;
mod receipts;
mod remembered;
pub mod runs;
pub mod stream;
pub mod usage;

pub use error::{Error, Kind, Stale, Unavailable};
use intake::Intake;

/// The most items that one request may carry: more would hold the writer for too long.
pub const MAX_ITEMS: usize = 10_000;

/// The most bytes of documents that one answer to many items may carry: a small request may name a large document again
/// and again.
pub const MAX_ANSWER_BYTES: usize = 128 << 20;

/// What an answer to many items carries so far.
pub(crate) struct Answered {
    field: &'static str,
    bytes: usize,
}

impl Answered {
    /// Nothing yet; `field` is the one that holds the items.
    pub(crate) const fn new(field: &'static str) -> Self {
        Self { field, bytes: 0 }
    }

    /// Counts in another document.
    ///
    /// # Errors
    ///
    /// If the answer has more than [`MAX_ANSWER_BYTES`] then.
    pub(crate) fn add(&mut self, document: &Document) -> Result<(), InvalidInput> {
        self.bytes += document.as_str().len();
        if self.bytes <= MAX_ANSWER_BYTES {
            return Ok(());
        }
        let reason =
            format!("{} are about more than can be answered at once; send fewer", self.field);
        Err(InvalidInput::new(self.field, reason))
    }
}

/// Everything that can be asked.
#[derive(Clone)]
pub struct Services {
    /// Projects.
    pub projects: projects::Projects,
    /// Members of projects.
    pub members: members::Members,
    /// Agent runs.
    pub runs: runs::Runs,
    /// Events.
    pub events: events::Events,
    /// Semantic actions and proposals.
    pub actions: actions::Actions,
    /// The past of projects.
    pub history: history::History,
    /// Agent profiles.
    pub profiles: profiles::Profiles,
    /// Capabilities.
    pub capabilities: capabilities::Capabilities,
    /// Token usage.
    pub usage: usage::Usage,
    /// Statistics.
    pub insights: insights::Insights,
    /// The ledger.
    pub ledger: ledger::Ledger,
    /// Following the ledger.
    pub stream: stream::Stream,
    /// People and their sessions.
    pub identity: identity::Identity,
    /// Backup, restore, deploy.
    pub operations: operations::Operations,
    store: Store,
}

/// What every service works on.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) db: Database,
    pub(crate) clock: Clock,
    pub(crate) intake: Intake,
}

impl Services {
    /// The services of an open database.
    ///
    /// # Panics
    ///
    /// Outside a runtime: what arrives in streams is written by a task of its own, which ends with the last copy of the
    /// services.
    #[must_use]
    pub fn new(db: Database, clock: Clock) -> Self {
        let intake = Intake::open(db.clone(), clock.clone());
        let store = Store { db, clock, intake };
        let identity = identity::Identity::new(store.clone());
        let ledger = ledger::Ledger::new(store.clone());
        let stream = stream::Stream::new(store.clone(), identity.clone());
        Self {
            projects: projects::Projects::new(store.clone()),
            members: members::Members::new(store.clone()),
            runs: runs::Runs::new(store.clone()),
            events: events::Events::new(store.clone()),
            actions: actions::Actions::new(store.clone()),
            history: history::History::new(store.clone()),
            profiles: profiles::Profiles::new(store.clone()),
            capabilities: capabilities::Capabilities::new(store.clone()),
            usage: usage::Usage::new(store.clone()),
            insights: insights::Insights::new(store.clone()),
            operations: operations::Operations::new(store.clone(), ledger.clone(), stream.clone()),
            ledger,
            stream,
            identity,
            store,
        }
    }

    /// The same services, with a key that signs checkpoints of the ledger.
    #[must_use]
    pub fn with_ledger_key(mut self, key: SigningKey) -> Self {
        self.ledger.key = Some(Arc::new(key));
        self
    }

    /// The same services, operated as `settings` say.
    #[must_use]
    pub fn with_operations(mut self, settings: operations::Settings) -> Self {
        self.operations.set(settings);
        self
    }

    /// The time, as the services see it.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.store.clock
    }

    /// Ends the streams, waits for what was accepted and closes the database.
    pub async fn close(&self) {
        self.stream.close().await;
        self.store.intake.close().await;
        self.store.db.close().await;
    }
}
