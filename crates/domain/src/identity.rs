//! Who asks, and what they may do.
//!
//! A request may carry several credentials (a browser's session, an agent's token, the administrator's token). Each one
//! that holds becomes a [`Principal`] of the request's [`Actor`]; an operation asks the actor for its [`Permission`]
//! and gets the [`Author`] in whose name the change is recorded.

use std::str::FromStr;

use crate::InvalidInput;
use crate::ids::UserId;

/// What an operation asks of the one who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Nothing: anybody who reaches the server.
    Public,
    /// To be a person who signed in.
    OwnAccount,
    /// To read projects.
    ReadProjects,
    /// To create, change, order and delete projects.
    WriteProjects,
    /// To read statistics.
    ReadStats,
    /// To read runs, events, profiles, capabilities and usage.
    ReadAgents,
    /// To record runs, events, actions, profiles, capabilities and usage.
    WriteAgents,
    /// To decide what agents only proposed.
    DecideProposals,
    /// To read the ledger.
    ReadLedger,
    /// To operate the installation: backup, restore, deploy.
    Administer,
}

impl Permission {
    /// Every permission, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Public,
        Self::OwnAccount,
        Self::ReadProjects,
        Self::WriteProjects,
        Self::ReadStats,
        Self::ReadAgents,
        Self::WriteAgents,
        Self::DecideProposals,
        Self::ReadLedger,
        Self::Administer,
    ];

    /// The name in the OpenAPI document (`x-permission`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::OwnAccount => "account",
            Self::ReadProjects => "projects.read",
            Self::WriteProjects => "projects.write",
            Self::ReadStats => "stats.read",
            Self::ReadAgents => "agents.read",
            Self::WriteAgents => "agents.write",
            Self::DecideProposals => "proposals.decide",
            Self::ReadLedger => "ledger.read",
            Self::Administer => "administer",
        }
    }
}

impl FromStr for Permission {
    type Err = InvalidInput;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == raw)
            .ok_or_else(|| InvalidInput::new("permission", format!("{raw} is no permission")))
    }
}

/// The role of a person who may operate the installation.
pub const ADMIN: &str = "admin";

/// Someone whose credential holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person who signed in.
    Person {
        /// Who it is.
        id: UserId,
        /// The name they sign in with.
        username: String,
        /// What they are here; [`ADMIN`] may operate the installation, every role may do the rest.
        role: String,
    },
    /// A holder of the agent token.
    Agent,
    /// Anybody, on an installation without an agent token.
    Anybody,
    /// The holder of the administrator token.
    Administrator,
    /// PilotDeck itself: start-up, the command line, schedules.
    System,
}

impl Principal {
    /// Whether this principal holds `permission`. This is the whole table.
    #[must_use]
    pub fn holds(&self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::System => true,
            Self::Person { role, .. } => permission != P::Administer || role == ADMIN,
            Self::Agent | Self::Anybody => matches!(
                permission,
                P::Public
                    | P::ReadProjects
                    | P::WriteProjects
                    | P::ReadStats
                    | P::ReadAgents
                    | P::WriteAgents
            ),
            Self::Administrator => matches!(permission, P::Public | P::ReadLedger | P::Administer),
        }
    }

    /// Whether it took a credential to be this principal.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Anybody)
    }
}

/// The kind of an [`Author`], as the ledger writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person.
    Person,
    /// A holder of the agent token.
    Agent,
    /// Nobody in particular: an installation without an agent token, or a stranger at the sign-in.
    Anybody,
    /// The holder of the administrator token.
    Administrator,
    /// PilotDeck itself.
    System,
}

impl ActorKind {
    /// The word in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Agent => "agent",
            Self::Anybody => "anybody",
            Self::Administrator => "administrator",
            Self::System => "system",
        }
    }
}

/// In whose name a change is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// What kind of principal it is.
    pub kind: ActorKind,
    /// The person's id; other principals have none.
    pub id: Option<String>,
    /// The person's name for texts that people read.
    pub name: Option<String>,
    /// The request that asked for the change.
    pub request_id: Option<String>,
}

/// Why an [`Actor`] may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no credential that holds.
    #[error("sign in, or send a valid token")]
    Unauthenticated,
    /// There is one, and it is not enough.
    #[error("you may not do this")]
    Forbidden,
}

/// The one who sent a request, with all the credentials it carried that hold.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    principals: Vec<Principal>,
    request_id: Option<String>,
    intent: Option<Intent>,
}

/// What makes a request the same as one before: the key that its client gave it, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The key, as it was sent.
    pub key: String,
    /// The SHA-256 of the request.
    pub fingerprint: [u8; 32],
}

impl Actor {
    /// An actor with these principals, the one to be named first where several may do the same.
    #[must_use]
    pub const fn new(principals: Vec<Principal>, request_id: Option<String>) -> Self {
        Self { principals, request_id, intent: None }
    }

    /// PilotDeck itself.
    #[must_use]
    pub fn system() -> Self {
        Self::new(vec![Principal::System], None)
    }

    /// Says that the request may be a repetition.
    pub fn intend(&mut self, intent: Intent) {
        self.intent = Some(intent);
    }

    /// What makes the request the same as one before, if its client gave it a key.
    #[must_use]
    pub const fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    /// The author of a change that takes `permission`.
    ///
    /// # Errors
    ///
    /// [`Denied`] if none of the actor's principals holds it.
    pub fn require(&self, permission: Permission) -> Result<Author, Denied> {
        if let Some(principal) =
            self.principals.iter().find(|principal| principal.holds(permission))
        {
            return Ok(self.author(principal));
        }
        match permission {
            Permission::Public => Ok(self.stranger()),
            _ if self.principals.iter().any(Principal::is_known) => Err(Denied::Forbidden),
            _ => Err(Denied::Unauthenticated),
        }
    }

    /// The person among the principals.
    #[must_use]
    pub fn person(&self) -> Option<&UserId> {
        self.principals.iter().find_map(|principal| match principal {
            Principal::Person { id, .. } => Some(id),
            _ => None,
        })
    }

    /// The person among the principals, as the outside may see them.
    #[must_use]
    pub fn user(&self) -> Option<User> {
        self.principals.iter().find_map(|principal| match principal {
            Principal::Person { id, username, role } => {
                Some(User { id: id.clone(), username: username.clone(), role: role.clone() })
            }
            _ => None,
        })
    }

    fn author(&self, principal: &Principal) -> Author {
        let (kind, person) = match principal {
            Principal::Person { id, username, .. } => {
                (ActorKind::Person, Some((id.as_str().to_owned(), username.clone())))
            }
            Principal::Agent => (ActorKind::Agent, None),
            Principal::Anybody => (ActorKind::Anybody, None),
            Principal::Administrator => (ActorKind::Administrator, None),
            Principal::System => (ActorKind::System, None),
        };
        let (id, name) = person.unzip();
        Author { kind, id, name, request_id: self.request_id.clone() }
    }

    fn stranger(&self) -> Author {
        Author {
            kind: ActorKind::Anybody,
            id: None,
            name: None,
            request_id: self.request_id.clone(),
        }
    }
}

/// A person who can sign in, as the outside may see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// The name they sign in with.
    pub username: String,
    /// What they are here.
    pub role: String,
}

/// The shortest password that may be chosen, in characters.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// The longest, in bytes: hashing more would let a request buy too much work.
pub const MAX_PASSWORD_BYTES: usize = 1_024;

/// A password that someone chose.
pub struct NewPassword(String);

impl NewPassword {
    /// Takes a chosen password, trimmed as sign-in trims it.
    ///
    /// # Errors
    ///
    /// If it is shorter than [`MIN_PASSWORD_CHARS`], longer than [`MAX_PASSWORD_BYTES`] or the default one.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, InvalidInput> {
        let password = raw.trim();
        if password.chars().count() < MIN_PASSWORD_CHARS {
            return Err(InvalidInput::new(
                field,
                "the new password must have at least 8 characters",
            ));
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(InvalidInput::new(field, "the new password must have at most 1024 bytes"));
        }
        Ok(Self(password.to_owned()))
    }

    /// The password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_reads_back_from_its_own_name() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
    }

    #[test]
    fn a_change_is_recorded_in_the_name_of_the_first_principal_that_may() {
        let actor =
            Actor::new(vec![person("member"), Principal::Agent, Principal::Administrator], None);

        assert_eq!(actor.require(Permission::WriteProjects).unwrap().kind, ActorKind::Person);
        assert_eq!(actor.require(Permission::Administer).unwrap().kind, ActorKind::Administrator);
    }

    #[test]
    fn people_operate_the_installation_in_the_role_admin_alone() {
        for role in ["member", "viewer", "", "Admin", "administrator", " admin"] {
            let actor = Actor::new(vec![person(role)], None);

            assert_eq!(actor.require(Permission::Administer), Err(Denied::Forbidden), "{role:?}");
        }
        let admin = Actor::new(vec![person(ADMIN)], None);
        assert_eq!(admin.require(Permission::Administer).unwrap().kind, ActorKind::Person);
    }

    fn person(role: &str) -> Principal {
        Principal::Person {
            id: UserId::stored("u1"),
            username: "ada".into(),
            role: role.to_owned(),
        }
    }

    #[test]
    fn strangers_are_asked_to_sign_in_and_small_credentials_are_refused() {
        let stranger = Actor::default();
        let agent = Actor::new(vec![Principal::Agent], None);

        assert_eq!(stranger.require(Permission::ReadProjects), Err(Denied::Unauthenticated));
        assert_eq!(agent.require(Permission::ReadLedger), Err(Denied::Forbidden));
        assert!(stranger.require(Permission::Public).is_ok());
    }
}
