//! The newest lines, shared by all who follow.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use pilotdeck_domain::ledger::Line;
use pilotdeck_domain::stream::Interest;
use pilotdeck_storage::Generation;

/// Lines that are kept; who is further behind reads the table.
const MAX_LINES: usize = 8_192;
/// What they may weigh, so that large changes do not stay in memory.
const MAX_WEIGHT: usize = 8 << 20;
/// The weight of a line beside its change.
const LINE_WEIGHT: usize = 1_024;
/// Lines that are handed out at a time, and what they may weigh.
const MAX_TAKEN: usize = 64;
const MAX_TAKEN_WEIGHT: usize = 256 << 10;
/// Lines that are looked at, at a time.
const MAX_SEEN: usize = 2_048;

/// A line that is told to everybody who follows, and what it looks like on the wire, which is made once.
pub struct Told {
    commit: Arc<[Line]>,
    place: usize,
    wire: OnceLock<Box<str>>,
}

impl Told {
    /// The lines of one commit, or of one page.
    pub(super) fn all(lines: impl Into<Arc<[Line]>>) -> impl Iterator<Item = Arc<Self>> {
        let commit: Arc<[Line]> = lines.into();
        (0..commit.len()).map(move |place| {
            Arc::new(Self { commit: Arc::clone(&commit), place, wire: OnceLock::new() })
        })
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.commit[self.place]
    }

    /// What it looks like on the wire; the first to ask makes it.
    pub fn wire(&self, render: impl FnOnce(&Line) -> String) -> &str {
        self.wire.get_or_init(|| render(self.line()).into_boxed_str())
    }

    fn weight(&self) -> usize {
        LINE_WEIGHT + 2 * self.line().change.len()
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line().seq)
    }
}

/// A stretch of the ledger without gaps, up to the newest line that is known.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The file that the lines are in.
    generation: Generation,
    /// The place before the first line that is here.
    base: i64,
    lines: VecDeque<Arc<Told>>,
    weight: usize,
}

/// What there is after some place.
pub(super) enum After {
    /// Nothing yet.
    Nothing,
    /// These lines, which is all of interest up to a place.
    Lines(Vec<Arc<Told>>, i64),
    /// Older lines than are here.
    Older,
}

impl Ring {
    /// The place of the newest line that is known.
    pub(super) fn last(&self) -> i64 {
        self.lines.back().map_or(self.base, |told| told.line().seq)
    }

    /// The file that the lines are in.
    pub(super) const fn generation(&self) -> Generation {
        self.generation
    }

    /// Begins anew after `base`, with lines of the file `generation`.
    pub(super) fn restart(&mut self, base: i64, generation: Generation) {
        *self = Self { generation, base, ..Self::default() };
    }

    /// Adds a line: false if lines between are missing. One that is known already is passed over.
    pub(super) fn push(&mut self, told: Arc<Told>) -> bool {
        let last = self.last();
        if told.line().seq <= last {
            return true;
        }
        if told.line().seq > last + 1 {
            return false;
        }
        self.weight += told.weight();
        self.lines.push_back(told);
        while self.lines.len() > MAX_LINES || self.weight > MAX_WEIGHT {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.weight -= oldest.weight();
            self.base = oldest.line().seq;
        }
        true
    }

    /// The next lines of interest after `cursor`.
    pub(super) fn after(&self, cursor: i64, interest: Option<&Interest>) -> After {
        if cursor >= self.last() {
            return After::Nothing;
        }
        let Some(skipped) = usize::try_from(cursor - self.base).ok() else { return After::Older };
        let (mut taken, mut weight, mut up_to) = (Vec::new(), 0, cursor);
        for told in self.lines.range(skipped..).take(MAX_SEEN) {
            up_to = told.line().seq;
            if interest.is_none_or(|interest| interest.covers(told.line())) {
                weight += told.weight();
                taken.push(Arc::clone(told));
                if taken.len() == MAX_TAKEN || weight > MAX_TAKEN_WEIGHT {
                    break;
                }
            }
        }
        After::Lines(taken, up_to)
    }
}

#[cfg(test)]
mod tests {
    use pilotdeck_domain::identity::{Actor, Permission};
    use pilotdeck_domain::ledger::{Change, Entry, Head, Operation, SubjectKind};
    use pilotdeck_domain::times::WireTime;
    use serde_json::json;

    use super::*;

    fn line(seq: i64, weight: usize) -> Arc<Told> {
        let author = Actor::system().require(Permission::Administer).unwrap();
        let change = Change::of(&json!({ "after": "x".repeat(weight) }));
        let entry = Entry::new(Operation::ProjectUpdated, SubjectKind::Project, "p", change);
        let head = Head { seq: seq - 1, ..Head::default() };
        let ts = WireTime::stored("2026-02-11T15:00:00.000000Z");
        Told::all(vec![Line::seal(&head, &author, &ts, entry)]).next().unwrap()
    }

    fn places(after: After) -> Option<(Vec<i64>, i64)> {
        match after {
            After::Lines(lines, up_to) => {
                Some((lines.iter().map(|told| told.line().seq).collect(), up_to))
            }
            After::Nothing => Some((Vec::new(), 0)),
            After::Older => None,
        }
    }

    #[test]
    fn a_ring_holds_a_stretch_without_gaps() {
        let mut ring = Ring::default();
        ring.restart(4, Generation::default());

        assert!(!ring.push(line(6, 0)));
        assert!(ring.push(line(5, 0)));
        assert!(ring.push(line(6, 0)));
        assert!(ring.push(line(5, 0)), "what is known is no gap");

        assert_eq!(ring.last(), 6);
        assert_eq!(places(ring.after(3, None)), None);
        assert_eq!(places(ring.after(4, None)), Some((vec![5, 6], 6)));
        assert_eq!(places(ring.after(5, None)), Some((vec![6], 6)));
        assert_eq!(places(ring.after(6, None)), Some((vec![], 0)));
        assert_eq!(places(ring.after(9, None)), Some((vec![], 0)));
    }

    #[test]
    fn the_oldest_lines_leave_a_full_ring_by_number_and_by_weight() {
        let mut ring = Ring::default();
        for seq in 1..=10_000 {
            assert!(ring.push(line(seq, 0)));
        }
        assert!(ring.lines.len() <= MAX_LINES);
        assert_eq!(ring.last(), 10_000);
        assert!(places(ring.after(ring.base, None)).unwrap().0.contains(&(ring.base + 1)));

        assert!(ring.push(line(10_001, MAX_WEIGHT)));
        assert_eq!((ring.last(), ring.lines.len(), ring.weight), (10_001, 0, 0));
        assert_eq!(places(ring.after(10_000, None)), None, "it is in the table");
    }

    #[test]
    fn lines_of_no_interest_are_passed_over_and_counted() {
        let mut ring = Ring::default();
        assert!(ring.push(line(1, 0)));
        let elsewhere = Interest { project_id: Some("q".to_owned()), ..Interest::default() };

        assert_eq!(places(ring.after(0, Some(&elsewhere))), Some((vec![], 1)));
    }
}
