//! Why a verb did not do what was asked.

use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::Denied;
use pilotdeck_storage::{Document, StoreError};
use serde::{Deserialize, Serialize};

use crate::history::ChangedSince;

/// The kinds of things that can be missing or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A project.
    Project,
    /// An agent run.
    Run,
    /// A proposal.
    Proposal,
    /// An action.
    Action,
    /// A change of a project.
    Change,
    /// An agent profile.
    Profile,
    /// A capability.
    Capability,
    /// A user.
    User,
    /// A member of a project.
    Member,
    /// An event.
    Event,
    /// A usage record.
    Usage,
    /// A person's or a client's session.
    Session,
    /// A key.
    Key,
    /// An invitation.
    Invitation,
    /// A kept backup.
    Backup,
}

impl Kind {
    /// The word in a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Run => "Run",
            Self::Proposal => "Proposal",
            Self::Action => "Action",
            Self::Change => "Change",
            Self::Profile => "Agent profile",
            Self::Capability => "Capability",
            Self::User => "User",
            Self::Member => "Member",
            Self::Event => "Event",
            Self::Usage => "Usage record",
            Self::Session => "Session",
            Self::Key => "Key",
            Self::Invitation => "Invitation",
            Self::Backup => "Backup",
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
    /// The project would have no owner any more.
    #[error("the last owner of a project stays its owner; make somebody else an owner first")]
    LastOwner,
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
    /// The event records no action.
    #[error("the event records no action: {id}")]
    NotAnAction {
        /// The event.
        id: String,
    },
    /// What is to be undone changed nothing.
    #[error("there is nothing to undo: the project was not changed")]
    NothingToUndo,
    /// What is to be undone is none of the changes that can be.
    #[error("this cannot be undone: {0}")]
    NotUndoable(&'static str),
    /// What is to be undone was changed by others since.
    #[error("this cannot be undone: what it changed was changed since")]
    ChangedSince(Box<ChangedSince>),
    /// The ledger does not tell what was then.
    #[error("what was then is not recorded")]
    Unrecorded,
    /// The user name and the password do not belong together.
    #[error("wrong user name or password")]
    WrongCredentials,
    /// The password is right, and a code is missing.
    #[error("send the code of your second factor, or a recovery code, too")]
    SecondFactorRequired,
    /// The code is none, or was used before.
    #[error("this code is wrong, or was used already")]
    WrongCode,
    /// There is a second factor already, or there is none.
    #[error("{0}")]
    SecondFactorState(&'static str),
    /// The name or the address belongs to another user.
    #[error("another user has this {}", .field)]
    Claimed {
        /// `username` or `email`.
        field: &'static str,
    },
    /// Nobody else could do everything.
    #[error("this is the last administrator who can sign in; make somebody else one first")]
    LastAdmin,
    /// The link is none, was used, or is too old.
    #[error("this invitation is not valid: it was used, taken back, or is too old")]
    NotInvited,
    /// There is nothing to seal or open secrets with.
    #[error("the secret of a second factor cannot be sealed or opened")]
    Sealed,
    /// Too many failed sign-ins.
    #[error("too many failed sign-ins; try again in {retry_after_seconds} seconds")]
    Throttled {
        /// How long to wait.
        retry_after_seconds: u64,
    },
    /// One may not follow the ledger with more streams.
    #[error("you already follow with {most} streams, which is as many as may be; close one")]
    TooManyStreams {
        /// How many there may be.
        most: usize,
    },
    /// The ledger is not the one that was signed before.
    #[error("the ledger was changed behind PilotDeck's back: {0}")]
    Tampered(String),
    /// There is nothing to sign checkpoints of the ledger with.
    #[error("there is no key to sign checkpoints of the ledger with")]
    NoLedgerKey,
    /// A file that was uploaded cannot become the database.
    #[error("Invalid SQLite backup ({0})")]
    NoDatabase(String),
    /// A file is no archive of a database.
    #[error("{0}")]
    NoArchive(String),
    /// An upload has more bytes than may be.
    #[error("a database that is uploaded may have at most {most} bytes (PM_MAX_RESTORE_BYTES)")]
    TooLarge {
        /// As many as may be.
        most: u64,
    },
    /// With the database, anybody who reaches the server could sign in.
    #[error(
        "in this database the account admin has the default password, and others can reach this server: restore it with          `pilotdeck restore` and replace the password with `pilotdeck user set-password`"
    )]
    WouldBeOpen,
    /// There is one at a time.
    #[error("{0} is under way; wait until it ended")]
    UnderWay(&'static str),
    /// There is no folder for backups.
    #[error("no backups are kept here: set PM_BACKUP_DIR to a folder for them")]
    BackupsOff,
    /// A backup cannot be made or kept.
    #[error("{0}")]
    BackupFailed(String),
    /// There is no deploy job that could be cancelled.
    #[error("no deploy job is running")]
    NoDeployJob,
    /// The deploy job cannot be begun.
    #[error("{0}")]
    NotDeployable(String),
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
    /// Another file takes its place.
    #[error("Service is restoring database. Please retry shortly.")]
    Restoring,
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
            StoreError::Replacing => Unavailable::Restoring.into(),
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
