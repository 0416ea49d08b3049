//! Who follows, with how many streams, and whether their session is still open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use pilotdeck_domain::identity::{Author, Permission, Principal, Reach};
use tokio::sync::Notify;

use crate::Error;
use crate::identity::Identity;

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
    key: String,
    is_over: AtomicBool,
    /// How far the person reaches who holds it.
    reach: Mutex<Reach>,
    /// How often that became another one.
    edition: AtomicU64,
    /// Held while it is looked up: what is read last is what is known.
    looked_up: tokio::sync::Mutex<()>,
}

/// A session that a stream depends on, as far as the stream knows it.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) session: Arc<Session>,
    edition: u64,
    /// What the stream's request reached without the session.
    beyond: Reach,
}

impl Followed {
    /// The session of a request that reached this far.
    pub(super) fn new(session: Arc<Session>, reach: &Reach) -> Self {
        let edition = session.edition.load(Ordering::Acquire);
        let is_more = reach.is_everything() && !session.reach().is_everything();
        let beyond = if is_more { Reach::Everything } else { Reach::default() };
        Self { session, edition, beyond }
    }

    /// How far the stream reaches.
    pub(super) fn reach(&self) -> Reach {
        self.session.reach().or(self.beyond.clone())
    }

    /// How far it reaches, if that was looked up anew since it was asked for.
    pub(super) fn news(&mut self) -> Option<Reach> {
        let edition = self.session.edition.load(Ordering::Acquire);
        let is_new = std::mem::replace(&mut self.edition, edition) != edition;
        is_new.then(|| self.reach())
    }
}

impl Session {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Looks up whether it is open and how far it reaches; true if that is new.
    pub(super) async fn refresh(&self, identity: &Identity) -> Result<bool, Error> {
        let _turn = self.looked_up.lock().await;
        let Some(person) = identity.session(&self.key).await? else {
            return Ok(!self.is_over.swap(true, Ordering::Relaxed));
        };
        let reach = Principal::Person(person).reach(Permission::ReadLedger);
        let mut known = self.reach.lock().expect("comparing does not panic");
        let is_new = *known != reach;
        if is_new {
            *known = reach;
            self.edition.fetch_add(1, Ordering::Release);
        }
        Ok(is_new)
    }

    fn reach(&self) -> Reach {
        self.reach.lock().expect("comparing does not panic").clone()
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
        let session = Arc::new(Session {
            key: key.to_owned(),
            is_over: AtomicBool::new(false),
            reach: Mutex::default(),
            edition: AtomicU64::new(0),
            looked_up: tokio::sync::Mutex::default(),
        });
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
