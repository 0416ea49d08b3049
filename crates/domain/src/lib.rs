//! The vocabulary and the rules of PilotDeck: what a project, a run, an event is, what may become of it, and how raw
//! input becomes one. No I/O happens here: time is handed in, storage and HTTP are unknown.
//!
//! Every entity keeps the fields that PilotDeck knows as typed members and the rest of what a client sent verbatim, so
//! that unknown fields survive a round trip. A value of a type in this crate is always valid.

pub mod clock;
pub mod error;
pub mod identity;
pub mod ids;
pub mod ledger;
pub mod times;

pub use error::{InputCode, InvalidInput};
