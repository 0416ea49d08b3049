//! One module for each kind of work.

pub(crate) mod append;
pub(crate) mod events;
pub(crate) mod reads;
pub(crate) mod start;
pub(crate) mod streams;
pub(crate) mod tokens;
