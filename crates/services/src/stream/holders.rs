//! Who follows, with how many streams, and whether what lets them in still does.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use pilotdeck_domain::identity::{Author, Memberships, Person, Role};
use pilotdeck_domain::ids::KeyId;
use tokio::sync::Notify;

use super::End;

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
    passes: Mutex<HashMap<Credential, Vec<Weak<Pass>>>>,
    left: Notify,
}

/// The right to one stream. It is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    holders: Arc<Holders>,
    holder: Arc<Holder>,
}

/// What lets a person follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Credential {
    /// A session, by its key.
    Session(String),
    /// A key, by its id.
    Key(KeyId),
}

/// What a person may, as streams were opened with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    role: Role,
    memberships: Memberships,
}

impl Rights {
    pub(super) fn of(person: &Person) -> Self {
        Self { role: person.role, memberships: person.memberships.clone() }
    }
}

/// A credential that streams depend on, and what it was good for when they began.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) credential: Credential,
    rights: Rights,
    end: OnceLock<End>,
}

impl Pass {
    /// Why the streams end, if they do.
    pub(super) fn end(&self) -> Option<End> {
        self.end.get().copied()
    }

    /// Ends the streams unless the credential is good for the same as when they began; says whether it did.
    pub(super) fn look_at(&self, rights: Option<&Rights>) -> bool {
        let end = match (rights, &self.credential) {
            (Some(rights), _) if *rights == self.rights => return false,
            (Some(_), _) => End::AccessChanged,
            (None, Credential::Session(_)) => End::SessionEnded,
            (None, Credential::Key(_)) => End::KeyEnded,
        };
        self.end.set(end).is_ok()
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

    /// The pass of this credential, shared by all streams that began with the same rights.
    pub(super) fn pass(&self, credential: Credential, rights: Rights) -> Arc<Pass> {
        let mut passes = self.passes();
        let known = passes.entry(credential.clone()).or_default();
        known.retain(|pass| pass.strong_count() > 0);
        let mut upgraded = known.iter().filter_map(Weak::upgrade);
        if let Some(pass) = upgraded.find(|pass| pass.rights == rights && pass.end().is_none()) {
            return pass;
        }
        let pass = Arc::new(Pass { credential, rights, end: OnceLock::new() });
        known.push(Arc::downgrade(&pass));
        pass
    }

    /// All passes that streams depend on.
    pub(super) fn open_passes(&self) -> Vec<Arc<Pass>> {
        let mut passes = self.passes();
        passes.retain(|_, passes| {
            passes.retain(|pass| pass.strong_count() > 0);
            !passes.is_empty()
        });
        let open = passes.values().flatten().filter_map(Weak::upgrade);
        open.filter(|pass| pass.end().is_none()).collect()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Arc<Holder>, usize>> {
        self.counts.lock().expect("counting does not panic")
    }

    fn passes(&self) -> MutexGuard<'_, HashMap<Credential, Vec<Weak<Pass>>>> {
        self.passes.lock().expect("looking up does not panic")
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
