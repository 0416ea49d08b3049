//! The API as its clients see it: a real server, spoken to over HTTP.

mod edge;
mod guard;
mod identity;
mod input;
mod openapi;
mod projects;
