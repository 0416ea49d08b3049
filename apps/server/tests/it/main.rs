//! The program as a process: how it starts, serves, is stopped and is killed.

mod killed;
mod process;
mod stopping;
