//! Which file the database is, and whether it is being replaced by another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;

/// Counts the files that the database was since it was opened. What was read of one says nothing about the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// Counts up by two for each file, and is odd while one replaces another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicU64>);

impl Gate {
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.0.load(Ordering::Acquire) / 2)
    }

    pub(crate) fn is_shut(&self) -> bool {
        !self.0.load(Ordering::Acquire).is_multiple_of(2)
    }

    /// Whether who asked when the file was `asked` may still change it.
    pub(crate) fn admit(&self, asked: Generation) -> Result<(), StoreError> {
        if self.is_shut() || self.generation() != asked {
            return Err(StoreError::Replacing);
        }
        Ok(())
    }

    /// Admits nobody until what is returned is dropped. There is one at a time.
    pub(crate) fn shut(&self) -> Shut {
        self.0.fetch_add(1, Ordering::AcqRel);
        Shut(self.clone())
    }
}

/// A gate that is shut.
pub(crate) struct Shut(Gate);

impl Shut {
    /// The next file is there: nobody who asked before is admitted any more.
    pub(crate) fn replaced(&self) {
        self.0.0.fetch_add(2, Ordering::AcqRel);
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_of_the_file_before_is_not_admitted_to_the_next() {
        let gate = Gate::default();
        let asked = gate.generation();
        assert!(gate.admit(asked).is_ok());

        let shut = gate.shut();
        assert!(gate.admit(asked).is_err());
        drop(shut);
        assert!(gate.admit(asked).is_ok(), "nothing was replaced");

        let shut = gate.shut();
        shut.replaced();
        assert!(gate.admit(gate.generation()).is_err());
        drop(shut);
        assert!(gate.admit(asked).is_err() && gate.admit(gate.generation()).is_ok());
    }
}
