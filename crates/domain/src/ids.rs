//! Identifiers. Clients may choose them; those that the server mints sort by the time they were made.

use crate::{InputCode, InvalidInput};

/// The longest identifier, in characters.
pub const MAX_ID_CHARS: usize = 255;

/// Checks what is true of every identifier.
///
/// # Errors
///
/// [`InputCode::Id`] if `raw` is blank, longer than [`MAX_ID_CHARS`] or has a control character.
pub(crate) fn check(field: &'static str, raw: &str) -> Result<(), InvalidInput> {
    let reason = if raw.trim().is_empty() {
        "must not be blank"
    } else if raw.chars().nth(MAX_ID_CHARS).is_some() {
        "must have at most 255 characters"
    } else if raw.chars().any(char::is_control) {
        "must not have control characters"
    } else {
        return Ok(());
    };
    Err(InvalidInput::new(field, format!("{field} {reason}")).with_code(InputCode::Id))
}

/// Declares the identifier of one kind of thing.
macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new identifier, unique without coordination and ascending with time.
            #[must_use]
            pub fn mint() -> Self {
                Self(format!(concat!($prefix, "-{}"), uuid::Uuid::now_v7().simple()))
            }

            /// Reads an identifier that a client chose.
            ///
            /// # Errors
            ///
            /// [`InputCode::Id`](crate::InputCode::Id) if it is blank, over-long or has a control character.
            pub fn parse(field: &'static str, raw: &str) -> Result<Self, crate::InvalidInput> {
                crate::ids::check(field, raw)?;
                Ok(Self(raw.to_owned()))
            }

            /// Takes a stored identifier as it is.
            #[must_use]
            pub fn stored(raw: impl Into<String>) -> Self {
                Self(raw.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type! {
    /// Identifies one project.
    ProjectId, "proj"
}
id_type! {
    /// Identifies one agent run.
    RunId, "run"
}
id_type! {
    /// Identifies one event.
    EventId, "evt"
}
id_type! {
    /// Identifies one semantic action, and the event that records it.
    ActionId, "act"
}
id_type! {
    /// Identifies one agent profile.
    ProfileId, "agent"
}
id_type! {
    /// Identifies one capability.
    CapabilityId, "cap"
}
id_type! {
    /// Identifies one usage record.
    UsageId, "usage"
}
id_type! {
    /// Identifies one person who can sign in.
    UserId, "user"
}
id_type! {
    /// Identifies one API key.
    KeyId, "key"
}
id_type! {
    /// Identifies one session of a person. It opens nothing.
    SessionId, "sess"
}
id_type! {
    /// Identifies one invitation. It is not the link.
    InvitationId, "inv"
}
