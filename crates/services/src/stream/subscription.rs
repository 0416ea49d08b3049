//! One who follows.

use std::cmp::Ordering;
use std::sync::Arc;

use pilotdeck_domain::stream::Interest;
use pilotdeck_storage::{Generation, LedgerStretch};
use tokio::sync::watch;

use super::holders::{Pass, Slot};
use super::ring::{After, Told};
use super::{Hub, News, PAGE, Standing};
use crate::Error;

/// Lines of the table that are looked through at a time, whatever is found.
const STRETCH: i64 = 20_000;
/// Heartbeats for which a reader that takes nothing is waited for.
const PATIENCE: u64 = 2;

/// What one who follows is told.
#[derive(Clone, Debug)]
pub enum Message {
    /// The first one: what comes after `since` follows.
    Hello {
        /// Where the stream begins.
        since: i64,
        /// The last line that there is.
        last_seq: i64,
    },
    /// The first one, where not everything after the known line is there: it is too old, or of another ledger; any one,
    /// where the database is another one. Read again what you show; what comes after `last_seq` follows.
    Resync {
        /// The first line that is kept.
        first_seq: i64,
        /// The last one.
        last_seq: i64,
    },
    /// The next lines.
    Lines(Vec<Arc<Told>>),
    /// You are still connected.
    Beat {
        /// Everything up to this line was told, or is of no interest; none if that is known.
        seq: Option<i64>,
    },
    /// The stream is over.
    Ended(End),
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The reader did not keep up with what is written. It may resume where it stands.
    SlowReader,
    /// The session ended.
    SessionEnded,
    /// The key was revoked, or is too old.
    KeyEnded,
    /// What the reader may see is not what it was. They may resume where they stand.
    AccessChanged,
    /// The server stops. The reader may resume when it is back.
    Stopping,
    /// The ledger could not be read. The reader may resume where it stands.
    Unavailable,
}

impl End {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SlowReader => "slow_reader",
            Self::SessionEnded => "session_ended",
            Self::KeyEnded => "key_ended",
            Self::AccessChanged => "access_changed",
            Self::Stopping => "stopping",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A stream of the ledger. Its slot is free again when it is dropped.
pub struct Subscription {
    hub: Arc<Hub>,
    news: watch::Receiver<News>,
    pass: Option<Arc<Pass>>,
    /// None: everything.
    interest: Option<Box<Interest>>,
    first: Option<Box<Message>>,
    /// The file that the places are in.
    generation: Generation,
    /// Everything up to here was told, or is of no interest.
    cursor: i64,
    /// The place that the reader knows.
    told: i64,
    beats: u64,
    /// Whether the newest lines were reached.
    is_live: bool,
    /// Whether the reader had to be waited for since then.
    is_slow: bool,
    _slot: Slot,
}

impl Subscription {
    pub(super) fn new(
        hub: Arc<Hub>,
        slot: Slot,
        pass: Option<Arc<Pass>>,
        interest: Interest,
        (generation, cursor, first): (Generation, i64, Message),
    ) -> Self {
        let news = hub.news.subscribe();
        let beats = news.borrow().beats;
        Self {
            hub,
            news,
            pass,
            interest: (!interest.is_everything()).then(|| Box::new(interest)),
            first: Some(Box::new(first)),
            generation,
            cursor,
            told: cursor,
            beats,
            is_live: false,
            is_slow: false,
            _slot: slot,
        }
    }

    /// The place up to which everything was told, or is of no interest.
    #[must_use]
    pub const fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Waits for what comes next. Nothing is lost when the wait is given up. After [`Message::Ended`] nothing comes.
    pub async fn next(&mut self) -> Message {
        loop {
            // Looked at before the lines: what comes in between wakes the wait below.
            let news = *self.news.borrow_and_update();
            if let Some(end) = self.end(news) {
                return Message::Ended(end);
            }
            if let Some(first) = self.first.take() {
                return *first;
            }
            let after = {
                let newest = self.hub.newest();
                match newest.generation().cmp(&self.generation) {
                    // It will hear of the next file soon.
                    Ordering::Less => Some(After::Nothing),
                    Ordering::Equal => Some(newest.after(self.cursor, self.interest.as_deref())),
                    Ordering::Greater => None,
                }
            };
            // Looked at after the lines: who may not see them any more is told before they are there.
            if let Some(end) = self.end(news) {
                return Message::Ended(end);
            }
            let Some(after) = after else {
                match Box::pin(self.begin_anew()).await {
                    Ok(message) => return message,
                    Err(error) => return unavailable(&error),
                }
            };
            match after {
                After::Lines(lines, up_to) => {
                    if !self.is_live {
                        (self.is_live, self.is_slow) = (true, false);
                    }
                    self.cursor = up_to;
                    if let Some(message) = self.lines(lines) {
                        return message;
                    }
                }
                After::Older if self.is_live && self.is_slow => {
                    return Message::Ended(End::SlowReader);
                }
                After::Older => {
                    self.is_live = false;
                    // Boxed: one who only waits should not carry the room for reading.
                    match Box::pin(self.replay()).await {
                        Ok(lines) => {
                            if let Some(end) = self.end(news) {
                                return Message::Ended(end);
                            }
                            if let Some(message) = self.lines(lines) {
                                return message;
                            }
                        }
                        Err(error) => return unavailable(&error),
                    }
                }
                After::Nothing => {
                    (self.is_live, self.is_slow) = (true, false);
                    if self.beats != news.beats {
                        self.beats = news.beats;
                        let seq = (self.cursor > self.told).then_some(self.cursor);
                        self.told = self.cursor;
                        return Message::Beat { seq };
                    }
                    if self.news.changed().await.is_err() {
                        return Message::Ended(End::Stopping);
                    }
                }
            }
        }
    }

    /// Notes that the reader had to be waited for.
    pub const fn reader_is_slow(&mut self) {
        self.is_slow = true;
    }

    /// Ends when a reader that takes nothing was waited for long enough, or the stream is over.
    pub fn patience(&self) -> impl Future<Output = ()> + use<> {
        let (mut news, pass) = (self.news.clone(), self.pass.clone());
        async move {
            let end = news.borrow().beats + PATIENCE;
            let is_over = |news: &News| {
                news.is_closed
                    || news.beats >= end
                    || pass.as_ref().is_some_and(|pass| pass.end().is_some())
            };
            let _ = news.wait_for(is_over).await;
        }
    }

    fn end(&self, news: News) -> Option<End> {
        let end = self.pass.as_ref().and_then(|pass| pass.end());
        end.or_else(|| news.is_closed.then_some(End::Stopping))
    }

    fn lines(&mut self, lines: Vec<Arc<Told>>) -> Option<Message> {
        self.told = lines.last()?.line().seq;
        Some(Message::Lines(lines))
    }

    /// Goes on at the end of the ledger: of another file.
    async fn begin_anew(&mut self) -> Result<Message, Error> {
        let Standing { generation, first_seq, last_seq } = self.hub.standing().await?;
        (self.generation, self.cursor, self.told) = (generation, last_seq, last_seq);
        (self.is_live, self.is_slow) = (false, false);
        Ok(Message::Resync { first_seq, last_seq })
    }

    /// The next lines of the table.
    async fn replay(&mut self) -> Result<Vec<Arc<Told>>, Error> {
        let _turn = self.hub.replays.acquire().await.ok();
        let mut tx = self.hub.store.db.read().await?;
        // The file cannot be replaced while somebody reads it.
        if self.hub.store.db.generation() != self.generation {
            return Ok(Vec::new());
        }
        let head = tx.ledger().head().await?.seq;
        let interest = self.interest.as_deref();
        let within = interest.and_then(|interest| interest.reach.to_json());
        let stretch = LedgerStretch {
            after: self.cursor,
            up_to: head.min(self.cursor + STRETCH),
            project_id: interest.and_then(|interest| interest.project_id.as_deref()),
            operations: interest.and_then(|interest| {
                interest.operations.as_ref().map(pilotdeck_domain::stream::Operations::names)
            }),
            within: within.as_deref(),
            limit: PAGE,
        };
        let is_seen = interest.is_none_or(|interest| {
            interest.project_id.is_none() || interest.reach.covers(interest.project_id.as_deref())
        });
        let lines = if is_seen { tx.ledger().stretch(stretch).await? } else { Vec::new() };
        drop(tx);
        if let Some(pass) = self.pass.as_ref().filter(|_| within.is_some()) {
            // The table may tell of more than was heard of: of a member who was removed, and of what came then.
            pass.look_at(self.hub.rights(&pass.credential).await?.as_ref());
        }
        // A full page may end before the stretch does.
        self.cursor = match lines.last() {
            Some(line) if lines.len() == usize::try_from(PAGE).unwrap_or(usize::MAX) => line.seq,
            _ => stretch.up_to,
        };
        Ok(Told::all(lines).collect())
    }
}

fn unavailable(error: &Error) -> Message {
    tracing::warn!(%error, "a stream cannot read the ledger");
    Message::Ended(End::Unavailable)
}
