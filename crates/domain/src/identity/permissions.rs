//! The permission table: which role, and which role in a project, may do what. This file is all of it.

use std::str::FromStr;

use crate::InvalidInput;
use crate::words::words;

words! {
    /// What a person is on this installation, from the least on.
    #[derive(PartialOrd, Ord)]
    Role {
        /// Reads the projects that they are a member of.
        Viewer = "viewer",
        /// Creates projects, and does in projects what they are there.
        Member = "member",
        /// May do everything, in every project.
        Admin = "admin",
    }
}

words! {
    /// What a person is in one project, from the least on.
    #[derive(PartialOrd, Ord)]
    ProjectRole {
        /// Reads.
        Viewer = "viewer",
        /// Changes everything but the members, and does not delete the project.
        Editor = "editor",
        /// May do everything in the project.
        Owner = "owner",
    }
}

words! {
    /// What an API key is for.
    Scope {
        /// To read.
        Read = "read",
        /// To change, and with it to record.
        Write = "write",
        /// To record usage.
        Ingest = "ingest",
        /// To work in the pool.
        Worker = "worker",
        /// What takes the role of an administrator.
        Admin = "admin",
    }
}

/// Declares the permissions, and what each takes: the least role of a person, the least role in the project that it is
/// about (none: it is about no project), the scopes of which a key needs one, and whether agents hold it.
macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal: $role:ident, $in_project:expr, [$($scope:ident),*], $agents:ident;)*) => {
        /// What an operation asks of the one who calls it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$doc])* $variant,)* }

        impl Permission {
            /// Every permission, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in the OpenAPI document (`x-permission`).
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn need(self) -> Need {
                match self {
                    $(Self::$variant => Need {
                        role: Role::$role,
                        in_project: $in_project,
                        scopes: &[$(Scope::$scope),*],
                        agents: $agents,
                    },)*
                }
            }
        }
    };
}

const VIEWER: Option<ProjectRole> = Some(ProjectRole::Viewer);
const EDITOR: Option<ProjectRole> = Some(ProjectRole::Editor);
const OWNER: Option<ProjectRole> = Some(ProjectRole::Owner);
/// Agents hold it: on this installation they are one body, whose token opens every project.
const AGENTS: bool = true;
/// It takes a person, one of their keys, or the administrator.
const PEOPLE: bool = false;

permissions! {
    /// Nothing: anybody who reaches the server.
    Public = "public": Viewer, None, [Read, Write, Ingest, Worker, Admin], AGENTS;
    /// To be a person who signed in.
    OwnAccount = "account": Viewer, None, [], PEOPLE;
    /// To see and revoke one's own keys; with `administer`, those of everybody.
    ManageKeys = "keys.manage": Viewer, None, [Admin], PEOPLE;
    /// To read projects, and who their members are.
    ReadProjects = "projects.read": Viewer, VIEWER, [Read], AGENTS;
    /// To create projects.
    CreateProjects = "projects.create": Member, None, [Write], AGENTS;
    /// To change and order projects.
    WriteProjects = "projects.write": Member, EDITOR, [Write], AGENTS;
    /// To delete projects.
    DeleteProjects = "projects.delete": Member, OWNER, [Write], AGENTS;
    /// To say who the members of a project are.
    WriteMembers = "members.write": Member, OWNER, [Write], PEOPLE;
    /// To read statistics.
    ReadStats = "stats.read": Viewer, VIEWER, [Read], AGENTS;
    /// To read runs, events and usage.
    ReadAgents = "agents.read": Viewer, VIEWER, [Read], AGENTS;
    /// To record runs, events and actions.
    WriteAgents = "agents.write": Member, EDITOR, [Write], AGENTS;
    /// To record usage.
    RecordUsage = "usage.record": Member, EDITOR, [Write, Ingest], AGENTS;
    /// To decide what agents only proposed.
    DecideProposals = "proposals.decide": Member, EDITOR, [Write], PEOPLE;
    /// To read profiles and capabilities.
    ReadCatalog = "catalog.read": Viewer, None, [Read], AGENTS;
    /// To change profiles and capabilities.
    WriteCatalog = "catalog.write": Admin, None, [Write], AGENTS;
    /// To read and follow the ledger.
    ReadLedger = "ledger.read": Viewer, VIEWER, [Read], PEOPLE;
    /// To take the whole ledger away, and to prove that it holds.
    ProveLedger = "ledger.prove": Admin, None, [Admin], PEOPLE;
    /// To operate the installation: backup, restore, deploy, people.
    Administer = "administer": Admin, None, [Admin], PEOPLE;
}

struct Need {
    role: Role,
    in_project: Option<ProjectRole>,
    scopes: &'static [Scope],
    agents: bool,
}

impl Permission {
    /// Whether a person of this role holds it, in some project at least.
    #[must_use]
    pub fn is_for(self, role: Role) -> bool {
        role >= self.need().role
    }

    /// Whether a person holds it in a project where they are this.
    #[must_use]
    pub fn is_for_member(self, role: ProjectRole) -> bool {
        self.need().in_project.is_none_or(|least| role >= least)
    }

    /// Whether it is about a project: who is no administrator holds it only where they are a member.
    #[must_use]
    pub const fn is_about_a_project(self) -> bool {
        self.need().in_project.is_some()
    }

    /// Whether a key with these scopes holds it, if its owner does.
    #[must_use]
    pub fn is_within(self, scopes: &[Scope]) -> bool {
        self.need().scopes.iter().any(|scope| scopes.contains(scope))
    }

    /// Whether the holder of the agent token holds it.
    #[must_use]
    pub const fn is_for_agents(self) -> bool {
        self.need().agents
    }

    /// Whether the holder of the administrator token holds it: they operate the installation, and do not work in it.
    #[must_use]
    pub const fn is_for_the_administrator(self) -> bool {
        matches!(
            self,
            Self::Public
                | Self::ManageKeys
                | Self::ReadLedger
                | Self::ProveLedger
                | Self::Administer
        )
    }
}

impl FromStr for Permission {
    type Err = InvalidInput;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .find(|permission| permission.as_str() == raw)
            .copied()
            .ok_or_else(|| InvalidInput::new("permission", format!("{raw} is no permission")))
    }
}

impl Role {
    /// The role of a stored word. One that is not known is the least.
    #[must_use]
    pub fn stored(raw: &str) -> Self {
        Self::from_word(raw).unwrap_or(Self::Viewer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_reads_back_from_its_own_name() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
    }

    #[test]
    fn a_larger_role_may_do_what_a_smaller_one_may() {
        for permission in Permission::ALL {
            assert!(permission.is_for(Role::Admin), "{permission:?}");
            assert!(!permission.is_for(Role::Viewer) || permission.is_for(Role::Member));
            let (viewer, editor, owner) = (
                permission.is_for_member(ProjectRole::Viewer),
                permission.is_for_member(ProjectRole::Editor),
                permission.is_for_member(ProjectRole::Owner),
            );
            assert!(owner && (!viewer || editor), "{permission:?}");
        }
    }

    #[test]
    fn only_the_exact_word_makes_an_administrator() {
        for word in ["", "Admin", "administrator", " admin", "root", "owner"] {
            assert_eq!(Role::stored(word), Role::Viewer, "{word:?}");
        }
        assert_eq!(Role::stored("admin"), Role::Admin);
    }
}
