//! Answers that are given again until what they are about changes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilotdeck_storage::Edition;
use tokio::time::Instant;

use crate::{Database, Error};

/// How long another process on the same file may have changed something before it is seen. The changes of this process
/// are seen at once.
const LASTS: Duration = Duration::from_secs(1);
/// What is remembered takes at most this many bytes in all.
const MAX_BYTES: usize = 4 << 20;
/// What an answer costs beside its question and its text.
const OVERHEAD_BYTES: usize = 256;

/// Answers about projects by what was asked.
#[derive(Clone)]
pub(crate) struct Remembered<K, V>(Arc<Mutex<Answers<K, V>>>);

struct Answers<K, V> {
    by_question: HashMap<K, Answer<V>>,
    bytes: usize,
}

struct Answer<V> {
    edition: Edition,
    until: Instant,
    bytes: usize,
    value: V,
}

/// How much memory something takes.
pub(crate) trait Weight {
    /// In bytes, about.
    fn bytes(&self) -> usize;
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Answers { by_question: HashMap::new(), bytes: 0 })))
    }
}

impl<K: Eq + Hash + Weight, V: Clone + Weight> Remembered<K, V> {
    /// The answer to `question`: the remembered one if no project changed since, else what `read` finds.
    pub(crate) async fn or_read<Q>(
        &self,
        db: &Database,
        question: &Q,
        read: impl Future<Output = Result<V, Error>>,
    ) -> Result<V, Error>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let before = db.freshness().edition();
        if let Some(edition) = before
            && let Some(value) = self.find(question, edition)
        {
            return Ok(value);
        }
        let value = read.await?;
        // What changed while it was read may be in it or not.
        if let Some(edition) = before.filter(|_| db.freshness().edition() == before) {
            self.keep(question.to_owned(), edition, value.clone());
        }
        Ok(value)
    }

    fn find<Q: Eq + Hash + ?Sized>(&self, question: &Q, edition: Edition) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let answers = self.0.lock().expect("remembering does not panic");
        let answer = answers.by_question.get(question)?;
        let holds = answer.edition == edition && Instant::now() < answer.until;
        holds.then(|| answer.value.clone())
    }

    fn keep(&self, question: K, edition: Edition, value: V) {
        let bytes = question.bytes() + value.bytes() + OVERHEAD_BYTES;
        let mut answers = self.0.lock().expect("remembering does not panic");
        if answers.bytes + bytes > MAX_BYTES {
            answers.by_question.clear();
            answers.bytes = 0;
        }
        if bytes > MAX_BYTES {
            return;
        }
        let answer = Answer { edition, until: Instant::now() + LASTS, bytes, value };
        let replaced = answers.by_question.insert(question, answer);
        answers.bytes += bytes;
        answers.bytes -= replaced.map_or(0, |answer| answer.bytes);
    }
}
