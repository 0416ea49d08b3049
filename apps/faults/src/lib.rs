//! The fault campaign: a server is killed at random moments under a mixed load, again and again, and started again on
//! the same file; and its disk is filled and made read-only under it. Another
//! campaign kills restores (`restores.rs`).
//!
//! The clients keep a record of what they sent and of what was acknowledged (`world.rs`). After each restart it is
//! compared with what the server and its file have: what was acknowledged is there once, with the content that was
//! acknowledged; what was not is there once or not at all, and never by half; the ledger says so, too, and its chain
//! holds; and a request that is sent again is harmless.

mod campaign;
mod check;
mod disk;
mod file;
mod load;
mod repeat;
mod restores;
mod server;
mod summary;
mod world;

pub use campaign::{Plan, kill_and_restart};
pub use disk::{DiskFault, Outcome, try_fault};
pub use restores::{RestorePlan, RestoreSummary, kill_restores};
pub use summary::Summary;
