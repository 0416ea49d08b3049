//! The client and the load against servers that answer what they are told to.

mod answers;
mod loads;
mod server;
