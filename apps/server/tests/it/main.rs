//! The program as a process: how it starts, serves, logs, is stopped and is killed.

mod commands;
mod disk;
mod killed;
mod ledger;
mod logs;
mod process;
mod starting;
mod stopping;
