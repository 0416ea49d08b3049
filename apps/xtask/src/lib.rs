//! What the developer tasks and the measurements share: running programs, and a server that is ready when it says so.
//!
//! It stays small and free of dependencies, because `cargo xtask run` is the first thing that a newcomer compiles.

pub mod programs;
pub mod server_process;
pub mod workspace;
