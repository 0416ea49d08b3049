//! One request at a time, for setting up what is measured.

pub(crate) use pilotdeck_load::Connection;
