//! PilotDeck api.
