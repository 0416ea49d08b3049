//! Who follows, with how many streams, and whether their session is still open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use pilotdeck_domain::identity::Author;
use tokio::sync::Notify;

/// One who holds streams.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Holder {
    kind: &'static str,
    /// The person, or where others come from.
    name: Option<Box<str>>,
}

/// All who hold streams.
#[derive(Debug, Default)]
pub(super) struct Holders {
    counts: Mutex<HashMap<Arc<Holder>, usize>>,
    sessions: Mutex<HashMap<String, Weak<Session>>>,
    left: Notify,
}

/// The right to one stream. It is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    holders: Arc<Holders>,
    holder: Arc<Holder>,
}

/// A session that streams depend on.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: String,
    is_over: AtomicBool,
}

impl Session {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Holders {
    /// One more stream, unless there are `most` already.
    pub(super) fn admit(
        self: &Arc<Self>,
        author: &Author,
        address: Option<IpAddr>,
        most: usize,
    ) -> Option<Slot> {
        let name = match &author.id {
            Some(id) => Some(id.as_str().into()),
            None => address.map(|address| address.to_string().into()),
        };
        let holder = Holder { kind: author.kind.as_str(), name };
        let mut counts = self.counts();
        let holder = match counts.get_key_value(&holder) {
            Some((_, count)) if *count >= most => return None,
            Some((known, _)) => Arc::clone(known),
            None if most == 0 => return None,
            None => Arc::new(holder),
        };
        *counts.entry(Arc::clone(&holder)).or_default() += 1;
        Some(Slot { holders: Arc::clone(self), holder })
    }

    /// How many streams are held.
    pub(super) fn streams(&self) -> usize {
        self.counts().values().sum()
    }

    pub(super) fn are_none(&self) -> bool {
        self.counts().is_empty()
    }

    /// Waits until there are none.
    pub(super) async fn all_left(&self) {
        loop {
            let left = self.left.notified();
            if self.are_none() {
                return;
            }
            left.await;
        }
    }

    /// The session with this key, shared by all its streams.
    pub(super) fn session(&self, key: &str) -> Arc<Session> {
        let mut sessions = self.sessions();
        if let Some(known) = sessions.get(key).and_then(Weak::upgrade) {
            return known;
        }
        let session = Arc::new(Session { key: key.to_owned(), is_over: AtomicBool::new(false) });
        sessions.insert(key.to_owned(), Arc::downgrade(&session));
        session
    }

    /// All sessions that streams depend on.
    pub(super) fn open_sessions(&self) -> Vec<Arc<Session>> {
        let mut sessions = self.sessions();
        sessions.retain(|_, session| session.strong_count() > 0);
        sessions.values().filter_map(Weak::upgrade).filter(|session| !session.is_over()).collect()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Arc<Holder>, usize>> {
        self.counts.lock().expect("counting does not panic")
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Weak<Session>>> {
        self.sessions.lock().expect("looking up does not panic")
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.holders.counts();
        if let Some(count) = counts.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.holder);
            }
        }
        if counts.is_empty() {
            self.holders.left.notify_waiters();
        }
    }
}
