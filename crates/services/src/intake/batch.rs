//! Requests that are written in one transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::events::Event;
use pilotdeck_domain::identity::Author;
use pilotdeck_domain::ledger::{Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{
    Collection, Database, Document, Found, Generation, KnownRun, Next, StoredUsage, Tx, Wanted,
};
use serde::{Deserialize, Serialize};

use super::{EventJob, Job, MAX_BATCH_BYTES, MAX_BATCH_ROWS, Recorded, Work};
use crate::access::{Access, project_of};
use crate::events::{AppendedEvent, entry};
use crate::receipts::Key;
use crate::usage::{PrintedUsage, Unrecorded};
use crate::{Answered, Error, Kind};

/// Requests that are written together.
pub(super) struct Batch {
    jobs: Vec<Job>,
    rows: usize,
    bytes: usize,
    generation: Generation,
}

/// What became of a request.
enum Fate {
    Appended(AppendedEvent),
    Recorded(Vec<Recorded>),
    Refused(Error),
}

impl Batch {
    pub(super) fn new(job: Job) -> Self {
        let (rows, bytes, generation) = (job.rows, job.bytes, job.generation);
        Self { jobs: vec![job], rows, bytes, generation }
    }

    /// Whether there is room for `job`, and it is meant for the same file.
    pub(super) fn takes(&self, job: &Job) -> bool {
        self.generation == job.generation
            && self.rows + job.rows <= MAX_BATCH_ROWS
            && self.bytes + job.bytes <= MAX_BATCH_BYTES
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
        let turn = db.next(alone[0].generation).await;
        let fates = attempt(&mut alone, turn, clock).await;
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
        // Nobody may be there any more: it is written all the same.
        match (self.work, fate) {
            (Work::Event(_, reply), Fate::Appended(appended)) => drop(reply.send(Ok(appended))),
            (Work::Usage(_, reply), Fate::Recorded(stored)) => drop(reply.send(Ok(stored))),
            (Work::Event(_, reply), Fate::Refused(error)) => drop(reply.send(Err(error))),
            (Work::Usage(_, reply), Fate::Refused(error)) => drop(reply.send(Err(error))),
            (_, Fate::Appended(_) | Fate::Recorded(_)) => {
                unreachable!("an event is appended, usage is recorded")
            }
        }
    }

    fn refuse(self, error: Error) {
        self.answer(Fate::Refused(error));
    }
}

/// Writes the requests in one transaction, and says what became of them. They may be written again if it fails.
async fn attempt(jobs: &mut [Job], turn: Next, clock: &Clock) -> Result<Vec<Fate>, Error> {
    let (tx, found) = turn.begin(&wanted(jobs), clock.now()).await?;
    let now = clock.now();
    let mut writing =
        Writing { tx, now, ts: now.into(), found, is_changed: false, has_receipts: false };
    let mut fates = Vec::with_capacity(jobs.len());
    for job in jobs {
        fates.push(writing.write(job).unwrap_or_else(Fate::Refused));
    }
    if writing.is_changed {
        writing.tx.commit().await?;
    } else if writing.has_receipts {
        writing.tx.commit_receipts().await?;
    }
    Ok(fates)
}

/// What may be there already, and the runs that are referred to.
fn wanted(jobs: &[Job]) -> Wanted<'_> {
    let mut wanted = Wanted::default();
    for job in jobs {
        wanted.receipts.extend(job.key.as_ref().map(|key| key.hash.as_str()));
        match &job.work {
            Work::Event(EventJob { event, is_named }, _) => {
                wanted.runs.extend(event.run_id());
                if *is_named {
                    wanted.events.push(event.id().as_str());
                }
            }
            Work::Usage(records, _) => {
                wanted.usage.extend(records.iter().map(|record| record.id.as_str()));
                if !job.access.is_everywhere() {
                    wanted.runs.extend(records.iter().filter_map(PrintedUsage::run));
                }
            }
        }
    }
    // Each is read once, however often it is named: a document may be large.
    let Wanted { events, usage, runs, receipts } = &mut wanted;
    for names in [events, usage, runs, receipts] {
        names.sort_unstable();
        names.dedup();
    }
    wanted
}

/// A transaction that is being filled.
struct Writing {
    tx: Tx,
    now: DateTime<Utc>,
    ts: WireTime,
    /// What is there, what this transaction writes included.
    found: Found,
    is_changed: bool,
    has_receipts: bool,
}

impl Writing {
    /// Writes what a request wants, unless its receipt is there.
    fn write(&mut self, job: &mut Job) -> Result<Fate, Error> {
        let receipt = job.key.as_ref().and_then(|key| self.found.receipts.get(&key.hash));
        let before = job.key.as_ref().zip(receipt);
        match &mut job.work {
            Work::Event(event, _) => {
                if let Some((key, receipt)) = before {
                    let appended: AppendedEvent = key.outcome(receipt)?;
                    job.access.to_document(Kind::Event, &appended.id, &appended.event)?;
                    return Ok(Fate::Appended(appended));
                }
                let appended = self.append(&job.access, event)?;
                self.keep(job.key.as_ref(), &appended);
                Ok(Fate::Appended(appended))
            }
            Work::Usage(records, _) => {
                if let Some((key, receipt)) = before {
                    let recorded: Vec<Stored> = key.outcome(receipt)?;
                    let recorded = recorded.into_iter().map(Recorded::from);
                    return Ok(Fate::Recorded(
                        recorded.map(|one| seen(&job.access, one)).collect(),
                    ));
                }
                self.check(&job.access, records)?;
                let mut stored = Vec::with_capacity(records.len());
                for record in records.iter() {
                    stored.push(match self.record(&job.access, record) {
                        Ok(stored) => Ok(stored),
                        Err(error) => Err(Unrecorded::of(error)?),
                    });
                }
                if job.key.is_some() {
                    let kept: Vec<Stored> = stored.iter().cloned().map(Stored::from).collect();
                    self.keep(job.key.as_ref(), &kept);
                }
                Ok(Fate::Recorded(stored))
            }
        }
    }

    fn keep(&mut self, key: Option<&Key>, outcome: &impl Serialize) {
        let Some(key) = key else { return };
        let receipt = key.receipt(outcome);
        self.tx.keep_receipt(&receipt, self.now);
        self.found.receipts.insert(key.hash.clone(), receipt);
        self.has_receipts = true;
    }

    /// Appends an event, unless its id is taken: then that one is it.
    fn append(&mut self, access: &Access, job: &mut EventJob) -> Result<AppendedEvent, Error> {
        let id = job.event.id().to_string();
        // Whose it is is decided before it is looked up: who may not append it hears nothing of another one.
        let author = self.settle(access, &mut job.event)?;
        if job.is_named
            && let Some(stored) = self.found.events.get(&id)
        {
            if !access.sees_document(stored) {
                return Err(Error::Taken { kind: Kind::Event, id });
            }
            access.to_document(Kind::Event, &id, stored)?;
            return Ok(AppendedEvent { id, event: stored.clone(), created: false });
        }
        // The time is that of the transaction: who reads on from the last event that they saw misses none.
        job.event.stamp(&self.ts);
        let event = &job.event;
        self.tx.events().append_with_commit(event);
        let entry = entry(Operation::EventAppended, SubjectKind::Event, event);
        self.tx.record(&author, self.now, entry);
        let document = Document::from(event);
        if job.is_named {
            self.found.events.insert(id.clone(), document.clone());
        }
        self.is_changed = true;
        Ok(AppendedEvent { id, event: document, created: true })
    }

    /// Events of clients that know only their session: the run is the session's, the project is the run's. Who does not
    /// reach everything names runs that they may write to.
    fn settle(&self, access: &Access, event: &mut Event) -> Result<Author, Error> {
        let reference = event.run_id().map(str::to_owned);
        let run = match &reference {
            Some(reference) => self.run(access, reference)?,
            None => None,
        };
        let Some(run) = run else { return access.put_into(event.project_id()) };
        if event.run_id() != Some(&run.id) {
            event.put_in_run(&run.id);
        }
        if let Some(project_id) = &run.project_id
            && event.project_id().is_none()
        {
            event.put_in_project(project_id);
        }
        access.put_into(event.project_id())
    }

    /// The run that is referred to. It need not be there for those who reach everything.
    fn run(&self, access: &Access, reference: &str) -> Result<Option<&KnownRun>, Error> {
        let found = self.found.run(reference, |run| access.sees(run.project_id.as_deref()));
        match found {
            _ if access.is_everywhere() => {}
            Some(run) => drop(access.to(Kind::Run, reference, run.project_id.as_deref())?),
            None => return Err(Error::not_found(Kind::Run, reference)),
        }
        Ok(found)
    }

    /// Refuses records that cannot all be answered, before any of them is stored.
    fn check(&self, access: &Access, records: &[PrintedUsage]) -> Result<(), InvalidInput> {
        let mut first: HashMap<&str, &Document> = HashMap::new();
        let mut answered = Answered::new("records");
        for record in records {
            let id = record.id.as_str();
            let own = &record.row.document;
            let stored = self.found.usage.get(id).filter(|stored| access.sees_document(stored));
            answered.add(stored.unwrap_or_else(|| *first.entry(id).or_insert(own)))?;
        }
        Ok(())
    }

    /// Stores a usage record, unless its id is taken: then that one is it.
    fn record(&mut self, access: &Access, record: &PrintedUsage) -> Result<StoredUsage, Error> {
        let author = access.put_into(record.entry.project_id.as_deref())?;
        if !access.is_everywhere() {
            self.check_run(access, record)?;
        }
        let id = record.id.as_str();
        if let Some(stored) = self.found.usage.get(id) {
            if !access.sees_document(stored) {
                return Err(Error::Taken { kind: Kind::Usage, id: id.to_owned() });
            }
            access.to_document(Kind::Usage, id, stored)?;
            return Ok(StoredUsage { created: false, document: stored.clone() });
        }
        self.tx.usage().append_with_commit(&record.row);
        self.tx.record(&author, self.now, record.entry.clone());
        self.tx.touch(Collection::Usage, self.now);
        let document = record.row.document.clone();
        self.found.usage.insert(record.id.to_string(), document.clone());
        self.is_changed = true;
        Ok(StoredUsage { created: true, document })
    }

    /// A record of a call takes the place of the total of its run, or of its session's: it must not be that of a run which
    /// the actor may not write to.
    fn check_run(&self, access: &Access, record: &PrintedUsage) -> Result<(), Error> {
        if let Some(reference) = record.entry.run_id.as_deref() {
            self.run(access, reference)?;
        } else if let Some(session) = &record.session_id
            && self.found.run(session, |_| true).is_some()
        {
            let taken = || Error::Taken { kind: Kind::Session, id: session.clone() };
            self.run(access, session).map_err(|_| taken())?;
        }
        Ok(())
    }
}

/// What is kept of a record in a receipt. Those of before know no refusal.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Stored(StoredUsage),
    Refused(Unrecorded),
}

impl From<Stored> for Recorded {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Stored(stored) => Ok(stored),
            Stored::Refused(unrecorded) => Err(unrecorded),
        }
    }
}

impl From<Recorded> for Stored {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Ok(stored) => Self::Stored(stored),
            Err(unrecorded) => Self::Refused(unrecorded),
        }
    }
}

/// A record that was stored, unless it is out of reach by now.
fn seen(access: &Access, recorded: Recorded) -> Recorded {
    let stored = recorded?;
    if access.sees_document(&stored.document) {
        return Ok(stored);
    }
    let id = project_of(&stored.document).unwrap_or_default();
    Err(Unrecorded::NotFound { kind: Kind::Project, id })
}
