//! What the services promise whatever happens at the same time.

mod actions;
mod identity;
mod intake;
mod ledger;
mod projects;
mod proposals;
mod runs;
mod usage;
mod world;
