//! PilotDeck storage.

mod adoption;

pub use adoption::{
    AdoptError, Report as AdoptionReport, TableReport as AdoptedTable, machine_time_zone,
};
