//! The API as its clients see it: a running server, spoken to over HTTP.

mod actions;
mod adoption;
mod capabilities;
mod events;
mod insights;
mod ledger;
mod plugin;
mod profiles;
mod proposals;
mod runs;
mod usage;
