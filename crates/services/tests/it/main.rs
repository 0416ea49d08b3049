//! What the services promise whatever happens at the same time.

mod actions;
mod checkpoints;
mod history;
mod identity;
mod intake;
mod ledger;
mod projects;
mod proposals;
mod receipts;
mod runs;
mod stream;
mod usage;
mod visibility;
mod world;
