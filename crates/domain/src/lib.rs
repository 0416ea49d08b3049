//! The vocabulary and the rules of PilotDeck: what a project, a run, an event is, what may become of it, and how raw
//! input becomes one. No I/O happens here: time is handed in, storage and HTTP are unknown.
//!
//! Every entity keeps the fields that PilotDeck knows as typed members and the rest of what a client sent verbatim, so
//! that unknown fields survive a round trip. A value of a type in this crate is always valid.

pub mod actions;
#[cfg(test)]
mod arbitrary;
pub mod capabilities;
pub mod clock;
pub mod coerce;
mod derived;
mod draft;
pub mod error;
pub mod events;
pub mod history;
pub mod identity;
pub mod ids;
pub mod ledger;
pub mod profiles;
pub mod projects;
pub mod runs;
pub mod stream;
pub mod times;
pub mod usage;
mod words;

pub use error::{InputCode, InvalidInput};
