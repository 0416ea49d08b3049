//! The API as its clients see it: a real server, spoken to over HTTP.

mod actions;
mod addresses;
mod adoption;
mod capabilities;
mod console;
mod edge;
mod events;
mod fields;
mod guard;
mod history;
mod identity;
mod input;
mod insights;
mod ledger;
mod openapi;
mod operations;
mod people;
mod plugin;
mod profiles;
mod projects;
mod proposals;
mod receipts;
mod runs;
mod stream;
mod usage;
