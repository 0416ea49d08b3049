//! What is known of people, and of what opens the door to them: sessions, keys, invitations. No secret is part of it.

use serde::{Deserialize, Serialize};

use super::{ProjectRole, Role, Scope};
use crate::InvalidInput;
use crate::ids::{InvitationId, KeyId, SessionId, UserId};
use crate::times::WireTime;

/// The longest user name, in characters.
const MAX_USERNAME_CHARS: usize = 64;
/// The longest name of a person or a key, in characters.
const MAX_NAME_CHARS: usize = 120;
/// The longest address of a mailbox, in bytes (RFC 5321).
const MAX_EMAIL_BYTES: usize = 254;
/// As much of a program's description of itself as is kept, in characters.
const MAX_AGENT_CHARS: usize = 200;

/// Characters that are not seen and change how others are: they would let one name look like another.
const fn is_deceptive(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text of one line, trimmed, of 1 to `most` characters.
fn line(field: &'static str, raw: &str, most: usize) -> Result<String, InvalidInput> {
    let text = raw.trim();
    let reason = if text.is_empty() {
        "must not be blank".to_owned()
    } else if text.chars().nth(most).is_some() {
        format!("must have at most {most} characters")
    } else if text.chars().any(|char| char.is_control() || is_deceptive(char)) {
        "must not have control characters".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(InvalidInput::new(field, format!("{field} {reason}")))
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

texts! {
    /// A name to sign in with: lowercase letters and digits of any script, and `. _ - @ +`; it begins with a letter or a
    /// digit.
    Username;
    /// What a person is called.
    FullName;
    /// The address of a mailbox.
    Email;
    /// What the owner of a key calls it.
    KeyName;
    /// What a program says that it is.
    UserAgent;
}

impl Username {
    /// Takes a chosen name: trimmed, in lowercase.
    ///
    /// # Errors
    ///
    /// If it is empty, too long, or has other characters than names have.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, InvalidInput> {
        let name = Self::folded(raw);
        let allowed = |char: char| char.is_alphanumeric() || "._-@+".contains(char);
        let reason = if name.chars().nth(MAX_USERNAME_CHARS).is_some() {
            "must have at most 64 characters"
        } else if !name.starts_with(char::is_alphanumeric) {
            "must begin with a letter or a digit"
        } else if !name.chars().all(allowed) {
            "must have letters, digits and . _ - @ + only"
        } else {
            return Ok(Self(name));
        };
        Err(InvalidInput::new(field, format!("{field} {reason}")))
    }

    /// How names are compared: two that are the same, but for the case of their letters, are one.
    #[must_use]
    pub fn folded(raw: &str) -> String {
        raw.trim().to_lowercase()
    }
}

impl FullName {
    /// Takes a person's name.
    ///
    /// # Errors
    ///
    /// If it is blank, has more than 120 characters, or is no single line.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, InvalidInput> {
        line(field, raw, MAX_NAME_CHARS).map(Self)
    }
}

impl KeyName {
    /// Takes the name of a key.
    ///
    /// # Errors
    ///
    /// If it is blank, has more than 120 characters, or is no single line.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, InvalidInput> {
        line(field, raw, MAX_NAME_CHARS).map(Self)
    }
}

impl Email {
    /// Takes an address. Whether somebody reads what is sent there is not known.
    ///
    /// # Errors
    ///
    /// If it cannot be one.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, InvalidInput> {
        let address = line(field, raw, MAX_EMAIL_BYTES)?;
        let is_whole = address.split_once('@').is_some_and(|(person, host)| {
            !person.is_empty() && !host.is_empty() && !host.contains('@')
        });
        if is_whole && address.len() <= MAX_EMAIL_BYTES && !address.contains(char::is_whitespace) {
            return Ok(Self(address));
        }
        Err(InvalidInput::new(field, format!("{field} must be an address such as ada@example.org")))
    }
}

impl UserAgent {
    /// Keeps what can be shown of a header: one line, at most 200 characters. Nothing is left of one that has no such.
    #[must_use]
    pub fn of_header(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(raw);
        let shown = text
            .chars()
            .map(|char| if char.is_control() || is_deceptive(char) { ' ' } else { char });
        let text: String = shown.take(MAX_AGENT_CHARS).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

/// A user, with everything that is known of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDetails {
    /// Who it is.
    pub id: UserId,
    /// The name that they sign in with.
    pub username: String,
    /// What they are called.
    pub full_name: Option<String>,
    /// Where to write to them.
    pub email: Option<String>,
    /// What they are here.
    pub role: Role,
    /// Whether they may sign in.
    pub is_active: bool,
    /// Whether signing in takes a second factor.
    pub has_second_factor: bool,
    /// When they came.
    pub created_at: WireTime,
    /// When they were last changed.
    pub updated_at: WireTime,
    /// When they last signed in.
    pub last_sign_in_at: Option<WireTime>,
}

impl UserDetails {
    /// Whether they may do everything here.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.is_active && self.role == Role::Admin
    }

    /// The same user, changed.
    #[must_use]
    pub fn patched(&self, patch: UserPatch) -> Self {
        let mut user = self.clone();
        if let Some(username) = patch.username {
            user.username = username.0;
        }
        if let Some(full_name) = patch.full_name {
            user.full_name = full_name.map(|name| name.0);
        }
        if let Some(email) = patch.email {
            user.email = email.map(|email| email.0);
        }
        user.role = patch.role.unwrap_or(user.role);
        user.is_active = patch.is_active.unwrap_or(user.is_active);
        user
    }
}

/// What is to change of a user; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    /// The name that they sign in with.
    pub username: Option<Username>,
    /// What they are called; none: it is not known any more.
    pub full_name: Option<Option<FullName>>,
    /// Where to write to them; none: it is not known any more.
    pub email: Option<Option<Email>>,
    /// What they are here.
    pub role: Option<Role>,
    /// Whether they may sign in.
    pub is_active: Option<bool>,
}

/// A session, as its owner and administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDetails {
    /// Which one.
    pub id: SessionId,
    /// When somebody signed in.
    pub created_at: WireTime,
    /// When it was last used, to the minute.
    pub last_seen_at: WireTime,
    /// When it ends by itself.
    pub expires_at: WireTime,
    /// Where the sign-in came from.
    pub address: Option<String>,
    /// The program that signed in, by its own word.
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// A key, as its owner and administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDetails {
    /// Which one.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: String,
    /// How it begins: enough to recognize it, too little to use it.
    pub prefix: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// The only project that it opens, if there is one.
    pub project_id: Option<String>,
    /// Whose it is.
    pub user_id: UserId,
    /// The name that the owner signs in with.
    pub username: String,
    /// When it was made.
    pub created_at: WireTime,
    /// When it ends by itself.
    pub expires_at: Option<WireTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<WireTime>,
}

/// What somebody becomes in a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectGrant {
    /// The project.
    pub project_id: String,
    /// What they become there.
    pub role: ProjectRole,
}

/// An invitation that waits to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Which one.
    pub id: InvitationId,
    /// What who accepts it becomes here.
    pub role: Role,
    /// Who it is meant for.
    pub full_name: Option<String>,
    /// Where they are written to.
    pub email: Option<String>,
    /// What they become in projects.
    pub projects: Vec<ProjectGrant>,
    /// The administrator who invited; none: the holder of the token, or the command line.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created_at: WireTime,
    /// Until when it can be accepted.
    pub expires_at: WireTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_the_same_whatever_the_case_of_their_letters() {
        for (raw, name) in [
            (" Ada ", "ada"),
            ("Ada.Lovelace@Example.org", "ada.lovelace@example.org"),
            ("ÄDA", "äda"),
            ("李雷", "李雷"),
            ("7of9", "7of9"),
        ] {
            assert_eq!(Username::parse("username", raw).unwrap().as_str(), name);
        }
    }

    #[test]
    fn user_names_have_nothing_that_is_not_seen_or_breaks_a_line() {
        let long = "x".repeat(65);
        for raw in [
            "",
            " ",
            "a b",
            "a\r\nSet-Cookie: x",
            "a\u{202e}b",
            "a\u{200b}",
            "-rf",
            "a:b",
            "<b>",
            &long,
        ] {
            assert!(Username::parse("username", raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(FullName::parse("fullName", " Ada Lovelace ").unwrap().as_str(), "Ada Lovelace");
        for raw in ["", "a\nb", "a\r\nX: y", "a\u{7f}", "\u{202e}abc"] {
            assert!(FullName::parse("fullName", raw).is_err(), "{raw:?}");
            assert!(KeyName::parse("name", raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn an_address_has_a_person_and_a_host() {
        assert!(Email::parse("email", "ada@example.org").is_ok());
        for raw in ["ada", "@example.org", "ada@", "a@b@c", "a b@c", "ada@example.org\r\nBcc: x@y"]
        {
            assert!(Email::parse("email", raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn what_a_program_says_of_itself_is_kept_as_one_short_line() {
        let kept = |raw: &[u8]| UserAgent::of_header(raw).map(|agent| agent.0);
        assert_eq!(kept(b"curl/8.1\r\nX-Evil: 1").as_deref(), Some("curl/8.1  X-Evil: 1"));
        assert_eq!(kept(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(kept(b" \t ").as_deref(), None);
        assert_eq!(kept(&[b'x'; 5_000]).unwrap().len(), 200);
    }
}
