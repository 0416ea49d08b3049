//! Requests that are written in one transaction.

use chrono::{DateTime, Utc};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::events::Event;
use pilotdeck_domain::identity::Author;
use pilotdeck_domain::ledger::{Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{Collection, Database, Document, Found, Next, StoredUsage, Tx, Wanted};

use super::{EventJob, Job, MAX_BATCH_BYTES, MAX_BATCH_ROWS, Work};
use crate::Error;
use crate::events::{AppendedEvent, entry};
use crate::usage::PrintedUsage;

/// Requests that are written together.
pub(super) struct Batch {
    jobs: Vec<Job>,
    rows: usize,
    bytes: usize,
}

/// For each row of a request, what was stored under its id before; none if the row is the one.
type Fate = Vec<Option<Document>>;

impl Batch {
    pub(super) fn new(job: Job) -> Self {
        let (rows, bytes) = (job.rows, job.bytes);
        Self { jobs: vec![job], rows, bytes }
    }

    /// Whether there is room for `job`.
    pub(super) const fn takes(&self, job: &Job) -> bool {
        self.rows + job.rows <= MAX_BATCH_ROWS && self.bytes + job.bytes <= MAX_BATCH_BYTES
    }

    pub(super) fn push(&mut self, job: Job) {
        self.rows += job.rows;
        self.bytes += job.bytes;
        self.jobs.push(job);
    }

    /// Writes all requests and answers them. If they cannot be written together, and one of them may be why, each is
    /// written for itself.
    #[tracing::instrument(level = "debug", skip_all, fields(requests = self.jobs.len(), rows = self.rows))]
    pub(super) async fn write(mut self, db: Database, turn: Next, clock: Clock) {
        match attempt(&mut self.jobs, turn, &clock).await {
            Ok(fates) => {
                for (job, fate) in self.jobs.into_iter().zip(fates) {
                    job.answer(fate);
                }
            }
            Err(Error::Unavailable(reason)) => {
                for job in self.jobs {
                    job.refuse(reason.into());
                }
            }
            Err(error) if self.jobs.len() == 1 => {
                if let Some(job) = self.jobs.pop() {
                    job.refuse(error);
                }
            }
            Err(error) => {
                tracing::warn!(%error, requests = self.jobs.len(), "a batch failed; its requests are written singly");
                for job in self.jobs {
                    job.write_alone(&db, &clock).await;
                }
            }
        }
    }
}

impl Job {
    async fn write_alone(self, db: &Database, clock: &Clock) {
        let mut alone = [self];
        let fates = attempt(&mut alone, db.next().await, clock).await;
        let [job] = alone;
        match fates {
            Ok(fates) => {
                if let Some(fate) = fates.into_iter().next() {
                    job.answer(fate);
                }
            }
            Err(error) => job.refuse(error),
        }
    }

    fn answer(self, fate: Fate) {
        let mut fate = fate.into_iter();
        match self.work {
            Work::Event(EventJob { event, .. }, reply) => {
                let id = event.id().to_string();
                let appended = match fate.next().flatten() {
                    Some(stored) => AppendedEvent { id, event: stored, created: false },
                    None => AppendedEvent { id, event: event.into(), created: true },
                };
                // Nobody is there any more: it is written all the same.
                let _ = reply.send(Ok(appended));
            }
            Work::Usage(records, reply) => {
                let stored = records.into_iter().zip(fate).map(|(record, fate)| match fate {
                    Some(document) => StoredUsage { created: false, document },
                    None => StoredUsage { created: true, document: record.row.document },
                });
                let _ = reply.send(Ok(stored.collect()));
            }
        }
    }

    fn refuse(self, error: Error) {
        match self.work {
            Work::Event(_, reply) => drop(reply.send(Err(error))),
            Work::Usage(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// Writes the requests in one transaction, and says what became of them. They may be written again if it fails.
async fn attempt(jobs: &mut [Job], turn: Next, clock: &Clock) -> Result<Vec<Fate>, Error> {
    let (mut tx, found) = turn.begin(&wanted(jobs)).await?;
    let now = clock.now();
    let mut writing = Writing { tx: &mut tx, now, ts: now.into(), found, is_changed: false };
    let mut fates = Vec::with_capacity(jobs.len());
    for job in jobs {
        let author = &job.author;
        fates.push(match &mut job.work {
            Work::Event(job, _) => vec![writing.append(author, job)],
            Work::Usage(records, _) => {
                records.iter().map(|record| writing.record(author, record)).collect()
            }
        });
    }
    if writing.is_changed {
        tx.commit().await?;
    }
    Ok(fates)
}

/// What may be there already, and the runs that are referred to.
fn wanted(jobs: &[Job]) -> Wanted<'_> {
    let mut wanted = Wanted::default();
    for job in jobs {
        match &job.work {
            Work::Event(EventJob { event, is_named }, _) => {
                wanted.runs.extend(event.run_id());
                if *is_named {
                    wanted.events.push(event.id().as_str());
                }
            }
            Work::Usage(records, _) => {
                wanted.usage.extend(records.iter().map(|record| record.id.as_str()));
            }
        }
    }
    wanted.runs.sort_unstable();
    wanted.runs.dedup();
    wanted
}

/// A transaction that is being filled.
struct Writing<'a> {
    tx: &'a mut Tx,
    now: DateTime<Utc>,
    ts: WireTime,
    /// What is there, what this transaction writes included.
    found: Found,
    is_changed: bool,
}

impl Writing<'_> {
    /// Appends an event, unless its id is taken: then it returns what is stored under it.
    fn append(&mut self, author: &Author, job: &mut EventJob) -> Option<Document> {
        if job.is_named
            && let Some(stored) = self.found.events.get(job.event.id().as_str())
        {
            return Some(stored.clone());
        }
        // The time is that of the transaction: who reads on from the last event that they saw misses none.
        job.event.stamp(&self.ts);
        self.settle(&mut job.event);
        let event = &job.event;
        self.tx.events().append_with_commit(event);
        let entry = entry(Operation::EventAppended, SubjectKind::Event, event);
        self.tx.record(author, self.now, entry);
        if job.is_named {
            self.found.events.insert(event.id().to_string(), event.clone().into());
        }
        self.is_changed = true;
        None
    }

    /// Events of clients that know only their session: the run is the session's, the project is the run's.
    fn settle(&self, event: &mut Event) {
        let Some(run) = event.run_id().and_then(|reference| self.found.run(reference)) else {
            return;
        };
        if event.run_id() != Some(&run.id) {
            event.put_in_run(&run.id);
        }
        if let Some(project_id) = &run.project_id
            && event.project_id().is_none()
        {
            event.put_in_project(project_id);
        }
    }

    /// Stores a usage record, unless its id is taken: then it returns what is stored under it.
    fn record(&mut self, author: &Author, record: &PrintedUsage) -> Option<Document> {
        if let Some(stored) = self.found.usage.get(record.id.as_str()) {
            return Some(stored.clone());
        }
        self.tx.usage().append_with_commit(&record.row);
        self.tx.record(author, self.now, record.entry.clone());
        self.tx.touch(Collection::Usage, self.now);
        self.found.usage.insert(record.id.to_string(), record.row.document.clone());
        self.is_changed = true;
        None
    }
}
