//! The HTTP surfaces: identify the caller, guard the operation, parse the input, call one verb, serve a view.
//!
//! Every operation declares its permission where it is mounted (`x-permission`); the OpenAPI document that is generated
//! from the mounted routes carries it, and the guard reads it from there. The web console is no operation, and public.

mod actions;
mod capabilities;
mod client;
mod console;
mod cross_origin;
mod edge;
mod envelope;
mod error;
mod events;
mod extract;
mod guard;
mod handover;
mod history;
mod hosts;
mod identify;
mod identity;
mod insights;
mod ledger;
mod limits;
mod listener;
mod maintenance;
mod members;
mod metrics;
mod openapi;
mod operations;
mod paging;
mod patience;
mod process;
mod profiles;
mod projects;
mod proposals;
mod receipts;
mod runs;
mod schemas;
mod server;
mod sessions;
mod stream;
mod usage;

pub use actix_web::dev::{Server, ServerHandle};
pub use console::{ConsoleFile, ConsoleFiles};
pub use limits::Limits;
pub use openapi::{document, document_text};
pub use server::{MAX_STREAMS, Setup, SetupError, TimeLimits, serve};
