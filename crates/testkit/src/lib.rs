//! PilotDeck testkit.
