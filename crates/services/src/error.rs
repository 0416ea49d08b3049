//! Why a verb did not do what was asked.

use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::Denied;
use pilotdeck_storage::{Document, StoreError};
use serde::{Deserialize, Serialize};

/// The kinds of things that can be missing or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A project.
    Project,
    /// An agent run.
    Run,
    /// A proposal.
    Proposal,
    /// An agent profile.
    Profile,
    /// A capability.
    Capability,
    /// A user.
    User,
}

impl Kind {
    /// The word in a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Run => "Run",
            Self::Proposal => "Proposal",
            Self::Profile => "Agent profile",
            Self::Capability => "Capability",
            Self::User => "User",
        }
    }
}

/// Why a verb did not do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input is not what it must be.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// There is no such thing.
    #[error("{} not found: {id}", .kind.as_str())]
    NotFound {
        /// What kind of thing.
        kind: Kind,
        /// The id that was asked for.
        id: String,
    },
    /// The key was that of another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The id belongs to another thing already.
    #[error("{} id is already in use: {id}", .kind.as_str())]
    Taken {
        /// What kind of thing.
        kind: Kind,
        /// The id.
        id: String,
    },
    /// The thing changed since the caller saw it.
    #[error("Conflict: updatedAt mismatch")]
    Stale(Box<Stale>),
    /// The proposal was decided otherwise.
    #[error("the proposal was already {decision}")]
    AlreadyDecided {
        /// `accepted` or `rejected`.
        decision: &'static str,
        /// The event that decided it.
        event: Document,
    },
    /// The proposal belongs to no project, so there is nothing to apply it to.
    #[error("the proposal belongs to no project")]
    NoProject,
    /// What the proposal asks for is no action.
    #[error("the proposal cannot be done: {0}")]
    NotDoable(InvalidInput),
    /// The user name and the password do not belong together.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// Too many failed sign-ins.
    #[error("too many failed sign-ins; try again in {retry_after_seconds} seconds")]
    Throttled {
        /// How long to wait.
        retry_after_seconds: u64,
    },
    /// The database cannot do it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Why the database cannot do something now, though nothing is wrong with the request or the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Another process holds it.
    #[error("the database is busy; try again")]
    Busy,
    /// It can only be read.
    #[error("the database is read-only: nothing can be changed until it is writable again")]
    ReadOnly,
    /// More waits to be written than there is memory for.
    #[error("more is being written than the disk takes; try again")]
    Overloaded,
    /// There is no room.
    #[error("the disk is full: nothing can be changed until there is room")]
    Full,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Unavailable::Busy.into(),
            StoreError::ReadOnly => Unavailable::ReadOnly.into(),
            StoreError::Full => Unavailable::Full.into(),
            other => Self::Store(other),
        }
    }
}

/// What the caller had seen, and what there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// The version that the caller had seen.
    pub expected: String,
    /// The version that there is.
    pub actual: String,
    /// The thing as it is.
    pub current: Document,
}

impl Error {
    pub(crate) fn not_found(kind: Kind, id: &str) -> Self {
        Self::NotFound { kind, id: id.to_owned() }
    }
}
