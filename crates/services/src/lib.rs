//! PilotDeck services.
