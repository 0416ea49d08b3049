//! The `pilotdeck` binary.
fn main() {}
