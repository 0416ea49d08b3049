//! SQL, and nothing else: one struct per aggregate, borrowed from a unit of work ([`Tx`]) that the services begin and
//! commit. The writer is alone with the database, so that what a transaction reads is still true when it commits.
//!
//! Every stored document (`payload_json`) is a strict JSON object in exactly the form in which it is served. What older
//! databases hold is brought into this form once, when they are opened ([`open`]).

mod adoption;
mod archive;
mod backup;
mod candidate;
mod capabilities;
mod census;
mod checkpoints;
mod commits;
mod database;
mod document;
mod error;
mod events;
mod freshness;
mod gate;
mod history;
mod identity;
mod insights;
mod ledger;
mod lock;
mod members;
mod merger;
mod meta;
mod meters;
mod migrations;
mod open;
mod paging;
mod pending;
mod probe;
mod profiles;
mod projects;
mod receipts;
mod replace;
mod runs;
mod scratch;
mod statements;
mod streams;
mod sums;
#[cfg(test)]
mod testing;
mod tx;
mod usage;
mod writer;

pub use adoption::{AdoptError, Report, TableReport, machine_time_zone};
pub use archive::{ArchiveError, ArchiveSummary, archive, unarchive};
pub use candidate::{Candidate, CandidateError};
pub use capabilities::Capabilities;
pub use census::Census;
pub use checkpoints::Checkpoints;
pub use commits::{Commit, Commits};
pub use database::{Database, Durability};
pub use document::{Document, Documents};
pub use error::StoreError;
pub use events::{EventFilter, Events, StoredProposal};
pub use freshness::{Edition, Freshness};
pub use gate::Generation;
pub use history::{Cause, History, HistoryPage};
pub use identity::{
    Account, Claimed, Identity, KnownKey, KnownSession, NewKey, NewSession, StoredFactor,
};
pub use insights::{
    DaySum, Dimension, Insights, Money, ProjectCount, TokenFilter, TokenSum, bench,
};
pub use ledger::{Ledger, LedgerFilter, LedgerStretch};
pub use members::{Member, Members};
pub use meta::Collection;
pub use meters::Meters;
pub use open::{LocalTime, OpenError, OpenOptions, Opened, join, open};
pub use paging::Page;
pub use profiles::Profiles;
pub use projects::{ProjectFilter, Projects};
pub use receipts::Receipt;
pub use replace::Claim;
pub use runs::{KnownRun, RunFilter, RunList, Runs};
pub use scratch::{Scratch, previous_files, room_beside};
pub use streams::{Found, Next, Wanted};
pub use tx::Tx;
pub use usage::{StoredUsage, Usage, UsageFilter, UsageRow};
