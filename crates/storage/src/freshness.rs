//! Whether what was read is still what is stored, known without asking the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the transactions that change projects: odd while one is open, even otherwise.
///
/// What was read entirely while the count was even and stayed the same is what is stored for as long as the count is
/// that one. The engine itself reports every changed row, so no statement can be forgotten.
#[derive(Clone, Debug, Default)]
pub struct Freshness(Arc<AtomicU64>);

/// A state of the projects: between two transactions that changed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition(u64);

impl Freshness {
    /// The present edition; none while a transaction that changes projects is open.
    #[must_use]
    pub fn edition(&self) -> Option<Edition> {
        let count = self.0.load(Ordering::Acquire);
        count.is_multiple_of(2).then_some(Edition(count))
    }

    /// A row of `table` is changed by the writer.
    pub(crate) fn changing(&self, table: &str) {
        // There is one writer: nobody else counts meanwhile.
        if table == "projects" && self.edition().is_some() {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The file is another one.
    pub(crate) fn replaced(&self) {
        self.settle();
        self.0.fetch_add(2, Ordering::AcqRel);
    }

    /// The writer's transaction ended, in a commit or in nothing.
    pub(crate) fn settle(&self) {
        if self.edition().is_none() {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_lasts_until_projects_change() {
        let freshness = Freshness::default();
        let first = freshness.edition();

        freshness.changing("agent_events");
        freshness.settle();
        assert_eq!(freshness.edition(), first);

        freshness.changing("projects");
        freshness.changing("projects");
        assert_eq!(freshness.edition(), None);
        freshness.settle();
        assert!(freshness.edition().is_some_and(|edition| Some(edition) != first));
    }
}
