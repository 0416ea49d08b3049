//! PilotDeck storage.
