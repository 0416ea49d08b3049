//! How far somebody reaches: everything, or the projects that they are a member of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Permission, ProjectRole};
use crate::ledger::{Line, SubjectKind};

/// What belongs to no project and is everybody's: lines about it are told to all who may read the ledger. Lines about
/// people, the order of projects and the installation are not.
pub const CATALOG: [SubjectKind; 2] = [SubjectKind::Profile, SubjectKind::Capability];

/// What a person is in each of the projects that they are a member of. Cheap to clone.
pub type Memberships = Arc<BTreeMap<String, ProjectRole>>;

/// What somebody reaches with a permission.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Everything, what belongs to no project included.
    Everything,
    /// What belongs to these projects, by their ids.
    Projects(BTreeMap<String, ProjectRole>),
}

impl Default for Reach {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Reach {
    /// No project.
    pub(super) const NOTHING: Self = Self::Projects(BTreeMap::new());

    /// What `memberships` give with `permission`, within one project if it is `bound`.
    pub(super) fn of(
        memberships: &Memberships,
        permission: Permission,
        bound: Option<&str>,
    ) -> Self {
        let within = memberships.iter().filter(|(id, role)| {
            bound.is_none_or(|only| only == id.as_str()) && permission.is_for_member(**role)
        });
        Self::Projects(within.map(|(id, role)| (id.clone(), *role)).collect())
    }

    /// Both together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Projects(mut ours), Self::Projects(theirs)) => {
                for (id, role) in theirs {
                    let known = ours.entry(id).or_insert(role);
                    *known = role.max(*known);
                }
                Self::Projects(ours)
            }
            _ => Self::Everything,
        }
    }

    /// Whether what belongs to this project is within; none: to no project.
    #[must_use]
    pub fn covers(&self, project: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Projects(projects) => project.is_some_and(|id| projects.contains_key(id)),
        }
    }

    /// Whether nothing is left out.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether a line of the ledger is told: one of a project within, or one about the [`CATALOG`].
    #[must_use]
    pub fn tells(&self, line: &Line) -> bool {
        let is_of_catalog = || {
            line.project_id.is_none()
                && CATALOG.iter().any(|kind| kind.as_str() == line.subject_kind)
        };
        self.covers(line.project_id.as_deref()) || is_of_catalog()
    }

    /// The ids of the projects as a JSON array, for statements; none: no project is left out.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        self.ids().map(|ids| serde_json::json!(ids).to_string())
    }

    /// The ids of the projects, sorted; none: no project is left out.
    #[must_use]
    pub fn ids(&self) -> Option<Vec<&str>> {
        match self {
            Self::Everything => None,
            Self::Projects(projects) => Some(projects.keys().map(String::as_str).collect()),
        }
    }
}
