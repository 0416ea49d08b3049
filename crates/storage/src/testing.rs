//! What the tests of several modules begin with.

use chrono::{DateTime, Utc};
use pilotdeck_domain::clock::Clock;
use tempfile::TempDir;

use crate::{Database, Durability, OpenOptions, machine_time_zone};

/// The database of a folder; a new one, unless it is there.
pub(crate) async fn database(folder: &TempDir) -> Database {
    let options = OpenOptions {
        path: &folder.path().join("pm.db"),
        durability: Durability::Process,
        clock: &Clock::default(),
        local_time: &machine_time_zone,
    };
    crate::open(options).await.unwrap().0
}

/// A time at which something is written.
pub(crate) fn now() -> DateTime<Utc> {
    pilotdeck_domain::times::parse("2026-11-21T12:00:00Z").unwrap()
}
