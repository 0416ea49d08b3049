//! The intake: what arrives in streams (events, usage) is written many requests at a time.
//!
//! A request checks and prints what it has and leaves it here; one task takes all that waits, writes it in one
//! transaction and answers each request after the commit. While it writes, the next ones gather: nobody waits for a
//! timer, and a lone request is written at once. What was left here is written even if its client hangs up.

use std::sync::Arc;

use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::events::Event;
use pilotdeck_storage::{Database, Generation, StoreError, StoredUsage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::access::Access;
use crate::events::AppendedEvent;
use crate::receipts::Key;
use crate::usage::{PrintedUsage, Unrecorded};
use crate::{Error, Unavailable};

mod batch;

use batch::Batch;

/// How many bytes of rows may wait, together with what a row costs beside its bytes.
const CAPACITY: usize = 64 << 20;
/// What a row costs in memory beside its text.
const ROW_BYTES: usize = 1 << 10;
/// As many rows, and
const MAX_BATCH_ROWS: usize = 512;
/// as many bytes are written in one transaction, unless one request alone has more: others wait for the writer, too.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// Where requests leave what they have.
#[derive(Clone)]
pub(crate) struct Intake {
    db: Database,
    jobs: mpsc::UnboundedSender<Message>,
    /// What bounds the queue: each job holds as many permits as bytes.
    room: Arc<Semaphore>,
}

#[expect(clippy::large_enum_variant, reason = "all but the last message are of the large kind")]
enum Message {
    Write(Job),
    Close(oneshot::Sender<()>),
}

/// What one request wants written.
pub(crate) struct Job {
    access: Access,
    key: Option<Key>,
    work: Work,
    rows: usize,
    bytes: usize,
    /// The file that it was meant for.
    generation: Generation,
    _room: OwnedSemaphorePermit,
}

/// What is to be written, and where the answer goes. Nobody may be there to hear it.
#[expect(
    clippy::large_enum_variant,
    reason = "most work is of the large kind, and none is kept for long"
)]
enum Work {
    Event(EventJob, Reply<AppendedEvent>),
    Usage(Vec<PrintedUsage>, Reply<Vec<Recorded>>),
}

/// An event, and whether its id was chosen by somebody, so that it may be taken.
struct EventJob {
    event: Event,
    is_named: bool,
}

/// A record that is stored, now or before, or why it is not.
type Recorded = Result<StoredUsage, Unrecorded>;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

impl Intake {
    /// Opens the intake of a database.
    pub(crate) fn open(db: Database, clock: Clock) -> Self {
        let (jobs, arriving) = mpsc::unbounded_channel();
        tokio::spawn(write_what_arrives(db.clone(), clock, arriving));
        Self { db, jobs, room: Arc::new(Semaphore::new(CAPACITY)) }
    }

    /// Appends an event, unless its id is taken.
    pub(crate) async fn append(
        &self,
        access: Access,
        key: Option<Key>,
        event: Event,
        is_named: bool,
    ) -> Result<AppendedEvent, Error> {
        let bytes = event.as_json().len();
        let job = EventJob { event, is_named };
        self.leave(access, key, 1, bytes, |reply| Work::Event(job, reply)).await
    }

    /// Stores each of the records whose id is free; the first of several with one id wins.
    pub(crate) async fn record(
        &self,
        access: Access,
        key: Option<Key>,
        records: Vec<PrintedUsage>,
    ) -> Result<Vec<Recorded>, Error> {
        // Without a key there is nothing to look up.
        if records.is_empty() && key.is_none() {
            return Ok(Vec::new());
        }
        let bytes = records.iter().map(|record| record.row.size()).sum();
        self.leave(access, key, records.len(), bytes, |reply| Work::Usage(records, reply)).await
    }

    async fn leave<T>(
        &self,
        access: Access,
        key: Option<Key>,
        rows: usize,
        bytes: usize,
        work: impl FnOnce(Reply<T>) -> Work,
    ) -> Result<T, Error> {
        // The largest request fits when nothing else waits; one without rows takes room, too.
        let size = (bytes + rows.max(1) * ROW_BYTES).min(CAPACITY);
        let size = u32::try_from(size).expect("the capacity is small");
        let room = Arc::clone(&self.room)
            .try_acquire_many_owned(size)
            .map_err(|_| Unavailable::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        let generation = self.db.generation();
        let job = Job { access, key, work: work(reply), rows, bytes, generation, _room: room };
        let closed = || Error::Store(StoreError::Closed);
        self.jobs.send(Message::Write(job)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// How many bytes wait to be written, with what their rows cost beside them.
    pub(crate) fn waiting_bytes(&self) -> usize {
        CAPACITY - self.room.available_permits()
    }

    /// Takes nothing more, and waits until all that was left here is written.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Message::Close(done)).is_ok() {
            // It fails when the task is gone, which is as good.
            let _ = closed.await;
        }
    }
}

/// Writes until the intake is closed, or nobody is left who could leave anything.
async fn write_what_arrives(
    db: Database,
    clock: Clock,
    mut arriving: mpsc::UnboundedReceiver<Message>,
) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(message) => message,
            None => match arriving.recv().await {
                Some(message) => message,
                None => return,
            },
        };
        let job = match first {
            Message::Write(job) => job,
            Message::Close(done) => {
                // Whoever comes now is told so; whoever came while others were written is in the queue before.
                arriving.close();
                let _ = done.send(());
                return;
            }
        };
        // What arrives until it is our turn goes along.
        let turn = db.next(job.generation).await;
        let mut batch = Batch::new(job);
        while next.is_none() {
            match arriving.try_recv() {
                Ok(Message::Write(job)) if batch.takes(&job) => batch.push(job),
                Ok(message) => next = Some(message),
                Err(_) => break,
            }
        }
        // A task of its own: if it panics, those who wait are told that something went wrong, and the next batch is
        // written.
        if let Err(error) = tokio::spawn(batch.write(db.clone(), turn, clock.clone())).await {
            tracing::error!(%error, "a batch was given up; its requests are told so");
        }
    }
}
