//! What a follower of the ledger wants to hear.

use std::str::FromStr;

use crate::InvalidInput;
use crate::identity::Reach;
use crate::ledger::{Line, Operation};

/// Operations to be told of, from a list such as `project.updated,event.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations(Vec<&'static str>);

impl Operations {
    /// Their names in the ledger.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

impl FromStr for Operations {
    type Err = InvalidInput;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut names = Vec::new();
        for asked in raw.split(',').map(str::trim).filter(|asked| !asked.is_empty()) {
            let before = names.len();
            let names_it = |name: &&'static str| match asked.strip_suffix(".*") {
                Some(subject) => name.split_once('.').is_some_and(|(kind, _)| kind == subject),
                None => *name == asked,
            };
            names
                .extend(Operation::ALL.iter().map(|operation| operation.as_str()).filter(names_it));
            if names.len() == before {
                let reason = format!("{asked} is no operation of the ledger, nor a group of them");
                return Err(InvalidInput::new("operations", reason));
            }
        }
        if names.is_empty() {
            return Err(InvalidInput::new("operations", "operations must name at least one"));
        }
        names.sort_unstable();
        names.dedup();
        Ok(Self(names))
    }
}

/// Which lines a follower is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Only lines of this project.
    pub project_id: Option<String>,
    /// Only lines of these operations.
    pub operations: Option<Operations>,
    /// How far the follower reaches.
    pub reach: Reach,
}

impl Interest {
    /// Whether every line is told.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.project_id.is_none() && self.operations.is_none() && self.reach.is_everything()
    }

    /// Whether `line` is told.
    #[must_use]
    pub fn covers(&self, line: &Line) -> bool {
        let in_project = match &self.project_id {
            Some(id) => line.project_id.as_ref() == Some(id),
            None => true,
        };
        in_project
            && self.reach.tells(line)
            && self
                .operations
                .as_ref()
                .is_none_or(|operations| operations.0.contains(&line.operation.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_one_by_one_or_by_their_subject() {
        let names = |raw: &str| raw.parse::<Operations>().map(|operations| operations.0);

        assert_eq!(names("event.appended, event.appended,"), Ok(vec!["event.appended"]));
        assert_eq!(
            names("usage.*,project.deleted").unwrap(),
            ["project.deleted", "usage.corrected", "usage.recorded"]
        );
        assert!(names("project.*").unwrap().iter().all(|name| name.starts_with("project.")));
    }

    #[test]
    fn what_is_no_operation_is_refused() {
        for raw in
            ["", ",", "*", ".*", "event", "event.", "Event.appended", "event.appended,what.*"]
        {
            assert!(raw.parse::<Operations>().is_err(), "{raw}");
        }
    }

    #[test]
    fn every_operation_reads_back_from_its_own_name() {
        for operation in Operation::ALL {
            assert_eq!(operation.as_str().parse(), Ok(Operations(vec![operation.as_str()])));
        }
    }
}
