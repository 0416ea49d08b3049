//! The program as a process: how it starts, serves, logs, is stopped and is killed.

mod bench;
mod commands;
mod doctor;
mod faults;
mod ledger;
mod logs;
mod operating;
mod process;
mod starting;
mod stopping;
