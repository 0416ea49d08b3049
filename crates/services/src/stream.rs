//! Following the ledger: what is in the table first, then every line as it is committed, without gap and repetition.
//!
//! A [`Subscription`] is a place in the ledger and little more. The newest lines are shared by all (`stream/ring.rs`); who is
//! behind them reads the table. The places of lines are consecutive, so that a gap cannot go unnoticed, wherever a line
//! was written: what another process commits is found in the table, with the next commit of this one or the next beat.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use pilotdeck_domain::identity::{Actor, ActorKind, Denied, Permission};
use pilotdeck_domain::ids::KeyId;
use pilotdeck_domain::ledger::{Line, Operation};
use pilotdeck_domain::stream::Interest;
use pilotdeck_storage::{Commit, Generation, LedgerStretch};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::identity::Identity;
use crate::{Error, Store};

mod holders;
mod ring;
mod subscription;

use holders::{Credential, Holders, Rights};
use ring::Ring;
pub use ring::Told;
pub use subscription::{End, Message, Subscription};

/// How often those who follow hear that they are still connected.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long those who follow may take to leave when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// Subscriptions that read the table at the same time: other readers need its connections, too.
const REPLAYS: usize = 2;
/// Lines that are read from the table at a time.
const PAGE: i64 = 128;
/// Further behind than this, the newest lines begin anew.
const CATCH_UP: i64 = 8_192;

/// The way to follow the ledger. Cheap to clone.
#[derive(Clone)]
pub struct Stream(Arc<Hub>);

/// What all subscriptions share.
struct Hub {
    store: Store,
    identity: Identity,
    ring: RwLock<Ring>,
    news: watch::Sender<News>,
    /// Somebody follows.
    awake: Notify,
    holders: Arc<Holders>,
    replays: Semaphore,
}

/// What wakes those who follow, beside lines.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    beats: u64,
    is_closed: bool,
}

/// What somebody wants to follow.
#[derive(Clone, Debug, Default)]
pub struct Subscribe {
    /// The last line that they know; without it they begin with the next one that is written.
    pub since: Option<i64>,
    /// Which lines.
    pub interest: Interest,
    /// The session in which a person follows: when it ends, so does the stream.
    pub session_key: Option<String>,
    /// Where they come from.
    pub address: Option<IpAddr>,
    /// How many streams one principal may hold at a time.
    pub most_streams: usize,
}

impl Stream {
    pub(crate) fn new(store: Store, identity: Identity) -> Self {
        Self(Arc::new(Hub {
            store,
            identity,
            ring: RwLock::default(),
            news: watch::Sender::default(),
            awake: Notify::new(),
            holders: Arc::default(),
            replays: Semaphore::new(REPLAYS),
        }))
    }

    /// How many streams are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.holders.streams()
    }

    /// Begins to follow the ledger.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`]; [`Error::TooManyStreams`] if the principal holds as many as one may; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn subscribe(
        &self,
        actor: &Actor,
        subscribe: Subscribe,
    ) -> Result<Subscription, Error> {
        let author = actor.require(Permission::ReadLedger)?;
        let reach = actor.reach(Permission::ReadLedger)?;
        let Subscribe { since, mut interest, session_key, address, most_streams } = subscribe;
        let slot = self
            .0
            .holders
            .admit(&author, address, most_streams)
            .ok_or(Error::TooManyStreams { most: most_streams })?;
        let credential = match (author.kind, session_key, &author.id) {
            (ActorKind::Person, Some(key), _) => Some(Credential::Session(key)),
            (ActorKind::Key, _, Some(id)) => Some(Credential::Key(KeyId::stored(id))),
            _ => None,
        };
        let pass = match (credential, actor.on_behalf_of()) {
            (Some(credential), Some(person)) => {
                // It is known to be watched first and to be good then, so that its end cannot fall between.
                let pass = self.0.holders.pass(credential, Rights::of(person));
                let rights = self.0.rights(&pass.credential).await?;
                if rights.is_none() {
                    return Err(Denied::Unauthenticated.into());
                }
                pass.look_at(rights.as_ref());
                Some(pass)
            }
            _ => None,
        };
        // Where that changes, the stream ends.
        interest.reach = reach;
        let Standing { generation, first_seq, last_seq } = self.0.standing().await?;
        let is_kept = |since: &i64| (first_seq - 1..=last_seq).contains(since);
        let (cursor, first) = match since {
            Some(since) if is_kept(&since) => (since, Message::Hello { since, last_seq }),
            Some(_) => (last_seq, Message::Resync { first_seq, last_seq }),
            None => (last_seq, Message::Hello { since: last_seq, last_seq }),
        };
        self.0.awake.notify_one();
        let begins = (generation, cursor, first);
        Ok(Subscription::new(Arc::clone(&self.0), slot, pass, interest, begins))
    }

    /// The database is another one: whoever follows is told to read anew, unless their session is over.
    pub(crate) async fn restart(&self) {
        self.0.catch_up_or_warn().await;
    }

    /// Keeps all subscriptions up to date until the streams are closed.
    pub async fn run(self) {
        let hub = &self.0;
        let mut news = hub.news.subscribe();
        let closed = async { news.wait_for(|news| news.is_closed).await.is_ok() };
        tokio::select! {
            _ = closed => {}
            () = hub.follow() => {}
        }
    }

    /// Looks for lines of other processes and for sessions that ended, and lets everybody hear that they are connected.
    pub async fn beat(&self) {
        self.0.beat().await;
    }

    /// Ends all streams; returns when they ended, or after a second.
    pub async fn close(&self) {
        self.0.news.send_modify(|news| news.is_closed = true);
        if timeout(FAREWELL, self.0.holders.all_left()).await.is_err() {
            tracing::warn!("some streams did not end in time");
        }
    }
}

/// Which lines there are.
struct Standing {
    generation: Generation,
    first_seq: i64,
    last_seq: i64,
}

impl Hub {
    async fn standing(&self) -> Result<Standing, Error> {
        let mut tx = self.store.db.read().await?;
        // The file cannot be replaced while somebody reads it.
        let generation = self.store.db.generation();
        let last_seq = tx.ledger().head().await?.seq;
        let first_seq = tx.ledger().first().await?.unwrap_or(last_seq + 1);
        Ok(Standing { generation, first_seq, last_seq })
    }

    /// Follows the commits while somebody is there to hear of them.
    async fn follow(&self) {
        let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.awake.notified().await;
            let mut commits = self.store.db.follow();
            self.catch_up_or_warn().await;
            loop {
                tokio::select! {
                    lines = commits.next() => match lines {
                        Some(commit) => self.hear(commit).await,
                        None => return,
                    },
                    _ = beats.tick() => {
                        self.beat().await;
                        if self.holders.are_none() {
                            break;
                        }
                    }
                }
            }
            let mut newest = self.newest_mut();
            let generation = newest.generation();
            newest.restart(0, generation);
        }
    }

    fn newest(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().expect("nothing panics while it holds the lines")
    }

    fn newest_mut(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().expect("nothing panics while it holds the lines")
    }

    async fn beat(&self) {
        self.catch_up_or_warn().await;
        self.look_after_passes().await;
        self.news.send_modify(|news| news.beats += 1);
    }

    async fn hear(&self, Commit { generation, lines }: Commit) {
        if lines.iter().any(changes_access) {
            self.look_after_passes().await;
        }
        if !self.push(lines, generation) {
            // Another process wrote in between, or the database is another one.
            self.catch_up_or_warn().await;
        }
        self.news.send_modify(|_| ());
    }

    /// Adds lines to the newest ones; false if lines between are missing.
    fn push(&self, lines: impl Into<Arc<[Line]>>, generation: Generation) -> bool {
        let mut ring = self.newest_mut();
        match generation.cmp(&ring.generation()) {
            Ordering::Less => return true,
            Ordering::Equal => {}
            Ordering::Greater => return false,
        }
        Told::all(lines).all(|told| ring.push(told))
    }

    async fn catch_up_or_warn(&self) {
        if let Err(error) = self.catch_up().await {
            // The next commit or beat tries again; until then nobody is told anything, and so nothing is passed over.
            tracing::warn!(%error, "the stream cannot read the ledger");
        }
    }

    /// Reads what is in the table after the newest line that is known.
    async fn catch_up(&self) -> Result<(), Error> {
        let mut tx = self.store.db.read().await?;
        // The file cannot be replaced while somebody reads it.
        let generation = self.store.db.generation();
        let head = tx.ledger().head().await?.seq;
        let (mut last, is_another) = {
            let newest = self.newest();
            (newest.last(), newest.generation() != generation)
        };
        // Nothing is known yet, or too little to be worth reading: who needs older lines finds them in the table.
        if is_another || last == 0 || head - last > CATCH_UP {
            self.look_after_passes().await;
            self.newest_mut().restart(head, generation);
            self.news.send_modify(|_| ());
            return Ok(());
        }
        while last < head {
            let stretch = LedgerStretch {
                after: last,
                up_to: head,
                project_id: None,
                operations: None,
                within: None,
                limit: PAGE,
            };
            let lines = tx.ledger().stretch(stretch).await?;
            let Some(newest) = lines.last().map(|line| line.seq) else { break };
            if lines.iter().any(changes_access) {
                self.look_after_passes().await;
            }
            self.push(lines, generation);
            self.news.send_modify(|_| ());
            last = newest;
        }
        Ok(())
    }

    /// Ends the streams of who may not follow any more, or not what they follow.
    async fn look_after_passes(&self) {
        for pass in self.holders.open_passes() {
            match self.rights(&pass.credential).await {
                Ok(rights) => {
                    if pass.look_at(rights.as_ref()) {
                        self.news.send_modify(|_| ());
                    }
                }
                Err(error) => tracing::warn!(%error, "a session or key cannot be looked up"),
            }
        }
    }

    /// What a credential is good for; none if it is for nothing any more.
    async fn rights(&self, credential: &Credential) -> Result<Option<Rights>, Error> {
        let person = match credential {
            Credential::Session(key) => self.identity.session(key).await?,
            Credential::Key(id) => self.identity.key_with_id(id).await?.map(|key| key.owner),
        };
        Ok(person.as_ref().map(Rights::of))
    }
}

/// Whether a line may change what people may see. Members of projects come and go by lines of their own, with the projects
/// that people create, and with those that are gone.
fn changes_access(line: &Line) -> bool {
    const SUBJECTS: [&str; 3] = ["session.", "key.", "member."];
    const OPERATIONS: [Operation; 6] = [
        Operation::UserSignedOut,
        Operation::PasswordChanged,
        Operation::UserUpdated,
        Operation::DatabaseRestored,
        Operation::ProjectCreated,
        Operation::ProjectDeleted,
    ];
    let operation = line.operation.as_str();
    SUBJECTS.iter().any(|subject| operation.starts_with(subject))
        || OPERATIONS.iter().any(|known| known.as_str() == operation)
}
