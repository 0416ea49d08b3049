//! Who asks, and what they may do.
//!
//! A request may carry several credentials (a browser's session, an agent's token, the administrator's token). Each one
//! that holds becomes a [`Principal`] of the request's [`Actor`]; an operation asks the actor for its [`Permission`]
//! and gets the [`Author`] in whose name the change is recorded.

use crate::InvalidInput;
use crate::ids::{KeyId, UserId};

mod people;
mod permissions;
mod reach;

pub use people::{
    Email, FullName, Invitation, KeyDetails, KeyName, ProjectGrant, SessionDetails, UserAgent,
    UserDetails, UserPatch, Username,
};
pub use permissions::{Permission, ProjectRole, Role, Scope};
pub use reach::{CATALOG, Memberships, Reach};

/// A person, and where they are a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub id: UserId,
    /// The name they sign in with.
    pub username: String,
    /// What they are on this installation.
    pub role: Role,
    /// What they are in projects. An administrator needs to be nothing.
    pub memberships: Memberships,
}

/// A key of a person, which may do no more than they, what it is for, and in its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Which one.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// The only project that it opens, if there is one.
    pub project: Option<String>,
    /// Whose it is.
    pub owner: Person,
}

/// Someone whose credential holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person who signed in.
    Person(Person),
    /// A holder of a person's key.
    Key(Box<ApiKey>),
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
    /// Whether this principal holds `permission`, in some project at least.
    #[must_use]
    pub fn holds(&self, permission: Permission) -> bool {
        match self {
            Self::System => true,
            Self::Person(person) => permission.is_for(person.role),
            Self::Key(key) => {
                permission.is_for(key.owner.role)
                    && permission.is_within(&key.scopes)
                    // What is about no project is not within one.
                    && (key.project.is_none() || permission.is_about_a_project() || is_harmless(permission))
            }
            Self::Agent | Self::Anybody => permission.is_for_agents(),
            Self::Administrator => permission.is_for_the_administrator(),
        }
    }

    /// What this principal reaches with `permission`.
    #[must_use]
    pub fn reach(&self, permission: Permission) -> Reach {
        let within = |person: &Person, bound: Option<&str>| match (person.role, bound) {
            (Role::Admin, None) => Reach::Everything,
            (Role::Admin, Some(id)) => {
                Reach::Projects([(id.to_owned(), ProjectRole::Owner)].into())
            }
            _ => Reach::of(&person.memberships, permission, bound),
        };
        match self {
            _ if !self.holds(permission) => Reach::NOTHING,
            Self::Person(person) => within(person, None),
            Self::Key(key) => within(&key.owner, key.project.as_deref()),
            Self::System | Self::Agent | Self::Anybody | Self::Administrator => Reach::Everything,
        }
    }

    /// Whether it took a credential to be this principal.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Anybody)
    }
}

/// What a key that is bound to a project may do outside it.
const fn is_harmless(permission: Permission) -> bool {
    matches!(permission, Permission::Public | Permission::ReadCatalog)
}

/// The kind of an [`Author`], as the ledger writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person.
    Person,
    /// A holder of a person's key.
    Key,
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
            Self::Key => "key",
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
    /// The id of the person or of the key; other principals have none.
    pub id: Option<String>,
    /// The name of either, for texts that people read.
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
    /// What it is about does not exist for the one who asks.
    #[error("there is no such thing")]
    Hidden,
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

    /// The author of a change that takes `permission`, to what belongs to `project`; none: to no project.
    ///
    /// # Errors
    ///
    /// As [`Self::require`]; [`Denied::Hidden`] if nothing in that project can be seen with the actor's principals.
    pub fn require_in(
        &self,
        permission: Permission,
        project: Option<&str>,
    ) -> Result<Author, Denied> {
        self.require(permission)?;
        let able = |principal: &&Principal| principal.reach(permission).covers(project);
        if let Some(principal) = self.principals.iter().find(able) {
            return Ok(self.author(principal));
        }
        Err(if self.sees(project) { Denied::Forbidden } else { Denied::Hidden })
    }

    /// What the actor reaches with `permission`: lists leave out everything else.
    ///
    /// # Errors
    ///
    /// As [`Self::require`].
    pub fn reach(&self, permission: Permission) -> Result<Reach, Denied> {
        self.require(permission)?;
        let reaches = self.principals.iter().map(|principal| principal.reach(permission));
        Ok(reaches.fold(Reach::NOTHING, Reach::or))
    }

    /// Whether what belongs to `project` exists for the actor.
    fn sees(&self, project: Option<&str>) -> bool {
        let reads =
            |principal: &Principal| principal.reach(Permission::ReadProjects).covers(project);
        self.principals.iter().any(reads)
    }

    /// The person who signed in.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        self.principals.iter().find_map(|principal| match principal {
            Principal::Person(person) => Some(person),
            _ => None,
        })
    }

    /// The person in whose name it is done: who signed in, or the owner of the key.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&Person> {
        self.principals.iter().find_map(|principal| match principal {
            Principal::Person(person) => Some(person),
            Principal::Key(key) => Some(&key.owner),
            _ => None,
        })
    }

    /// The key that was sent.
    #[must_use]
    pub fn key(&self) -> Option<&ApiKey> {
        self.principals.iter().find_map(|principal| match principal {
            Principal::Key(key) => Some(&**key),
            _ => None,
        })
    }

    fn author(&self, principal: &Principal) -> Author {
        let (kind, who) = match principal {
            Principal::Person(person) => {
                (ActorKind::Person, Some((person.id.as_str().to_owned(), person.username.clone())))
            }
            Principal::Key(key) => {
                (ActorKind::Key, Some((key.id.as_str().to_owned(), key.name.clone())))
            }
            Principal::Agent => (ActorKind::Agent, None),
            Principal::Anybody => (ActorKind::Anybody, None),
            Principal::Administrator => (ActorKind::Administrator, None),
            Principal::System => (ActorKind::System, None),
        };
        let (id, name) = who.unzip();
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
    pub role: Role,
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
mod tests;
