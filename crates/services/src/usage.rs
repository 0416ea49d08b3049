//! Token usage.

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::{Actor, Author, Denied, Permission};
use pilotdeck_domain::ids::UsageId;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::paging::Cursor;
use pilotdeck_domain::runs::Run;
use pilotdeck_domain::usage::UsageRecord;
use pilotdeck_storage::{Collection, Page, StoreError, Tx, UsageRow};
pub use pilotdeck_storage::{StoredUsage, UsageFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::Access;
use crate::receipts::Key;
use crate::{Error, Kind, MAX_ITEMS, Store};

/// The fields of a run's usage record that make it another total than before, or the total of another session.
const COUNTED: [&str; 6] =
    ["promptTokens", "completionTokens", "totalTokens", "cost", "model", "sessionId"];

/// What can be asked about token usage.
#[derive(Clone)]
pub struct Usage(Store);

impl Usage {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// The newest `limit` records that `filter` lets through and that count, newest first, after the page that ended at
    /// `after`.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &UsageFilter,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Page, Error> {
        let access = Access::new(actor, Permission::ReadAgents)?;
        let Some(filter) = bounded(filter, &access) else { return Ok(Page::default()) };
        Ok(self.0.db.read().await?.usage().list(&filter, after, limit).await?)
    }

    /// Records usage. Each item is stored for itself, once per id; all in one transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there are more than [`MAX_ITEMS`], or they are about more than
    /// [`crate::MAX_ANSWER_BYTES`]; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(records = items.len()), err(level = "debug"))]
    pub async fn record(
        &self,
        actor: &Actor,
        items: Vec<Map<String, Value>>,
    ) -> Result<Vec<Result<StoredUsage, Unrecorded>>, Error> {
        let access = Access::new(actor, Permission::RecordUsage)?;
        if items.len() > MAX_ITEMS {
            return Err(
                InvalidInput::new("records", "records must have at most 10000 items").into()
            );
        }
        let now = self.0.clock.now();
        let mut records = Vec::with_capacity(items.len());
        // What was parsed goes before the wait: what waits is printed, and counted.
        let refusals: Vec<Option<Unrecorded>> = items
            .into_iter()
            .map(|item| match UsageRecord::create(item, now) {
                Ok(record) => {
                    records.push(PrintedUsage::from(&record));
                    None
                }
                Err(invalid) => Some(Unrecorded::Invalid(invalid)),
            })
            .collect();
        let key = Key::of(actor, access.author());
        let mut stored = self.0.intake.record(access, key, records).await?.into_iter();
        Ok(refusals
            .into_iter()
            .filter_map(|refusal| refusal.map_or_else(|| stored.next(), |no| Some(Err(no))))
            .collect())
    }

    /// Records one piece of usage, once per id.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn record_one(
        &self,
        actor: &Actor,
        item: Map<String, Value>,
    ) -> Result<StoredUsage, Error> {
        let access = Access::new(actor, Permission::RecordUsage)?;
        let record = PrintedUsage::from(&UsageRecord::create(item, self.0.clock.now())?);
        let key = Key::of(actor, access.author());
        let stored = self.0.intake.record(access, key, vec![record]).await?;
        // Each record that is left has its outcome.
        let stored = stored.into_iter().next().ok_or(Error::Store(StoreError::Closed))?;
        stored.map_err(Error::from)
    }
}

/// Why a record is not stored, though others are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Unrecorded {
    /// It is not what it must be.
    #[error(transparent)]
    Invalid(InvalidInput),
    /// Its run, or its project, is not there.
    #[error("{} not found: {id}", .kind.as_str())]
    NotFound {
        /// What kind of thing.
        kind: Kind,
        /// The id that was sent.
        id: String,
    },
    /// The caller may not record usage there.
    #[error("you may not do this")]
    Forbidden,
    /// Its id, or its session, is that of something that the caller does not see.
    #[error("{} id is already in use: {id}", .kind.as_str())]
    Taken {
        /// What kind of thing.
        kind: Kind,
        /// The id.
        id: String,
    },
}

impl Unrecorded {
    /// What is wrong with one record; an error that is everybody's stays one.
    pub(crate) fn of(error: Error) -> Result<Self, Error> {
        match error {
            Error::Invalid(invalid) => Ok(Self::Invalid(invalid)),
            Error::NotFound { kind, id } => Ok(Self::NotFound { kind, id }),
            Error::Taken { kind, id } => Ok(Self::Taken { kind, id }),
            Error::Denied(Denied::Forbidden) => Ok(Self::Forbidden),
            fatal => Err(fatal),
        }
    }
}

impl From<Unrecorded> for Error {
    fn from(unrecorded: Unrecorded) -> Self {
        match unrecorded {
            Unrecorded::Invalid(invalid) => Self::Invalid(invalid),
            Unrecorded::NotFound { kind, id } => Self::NotFound { kind, id },
            Unrecorded::Forbidden => Denied::Forbidden.into(),
            Unrecorded::Taken { kind, id } => Self::Taken { kind, id },
        }
    }
}

/// The filter, bounded by what the actor reaches; none where it lets nothing of that through.
pub(crate) fn bounded(filter: &UsageFilter, access: &Access) -> Option<UsageFilter> {
    if filter.project_id.is_some() && !access.sees(filter.project_id.as_deref()) {
        return None;
    }
    Some(UsageFilter { within: access.within().map(str::to_owned), ..filter.clone() })
}

/// A usage record, ready to be written.
pub(crate) struct PrintedUsage {
    pub(crate) id: UsageId,
    pub(crate) row: UsageRow,
    pub(crate) entry: Entry,
    /// The session that it names in place of a run.
    pub(crate) session_id: Option<String>,
}

impl PrintedUsage {
    /// What it says is its run: the session stands for one.
    pub(crate) fn run(&self) -> Option<&str> {
        self.entry.run_id.as_deref().or(self.session_id.as_deref())
    }
}

impl From<&UsageRecord> for PrintedUsage {
    fn from(record: &UsageRecord) -> Self {
        let row = UsageRow::from(record);
        let entry = entry(record, Change::digest(row.document.as_str()));
        let session_id = record.session_id().filter(|_| record.run_id().is_none());
        Self { id: record.id().clone(), row, entry, session_id: session_id.map(str::to_owned) }
    }
}

/// Keeps the one usage record of a run that reports its total in step with what it reports.
///
/// The record of a client that also sends a record per call does not count: the calls are that usage already. Which of
/// the two comes first makes no difference ([`pilotdeck_storage::Usage::mark_total`]).
pub(crate) async fn ingest(
    tx: &mut Tx,
    access: &Access,
    author: &Author,
    now: DateTime<Utc>,
    run: &Run,
) -> Result<(), Error> {
    let Some(record) = run.usage(now) else { return Ok(()) };
    let id = record.id().as_str();
    let Some(stored) = tx.usage().find(id).await? else {
        tx.usage().mark_total(&record).await?;
        let PrintedUsage { row, entry, .. } = PrintedUsage::from(&record);
        tx.usage().append_with_commit(&row);
        tx.record(author, now, entry);
        tx.touch(Collection::Usage, now);
        return Ok(());
    };
    if !access.sees_document(&stored) {
        return Err(Error::Taken { kind: Kind::Usage, id: id.to_owned() });
    }
    let before = stored.fields()?;
    if COUNTED.iter().all(|field| before.get(*field) == record.document().get(*field)) {
        return Ok(());
    }
    tx.usage().mark_total(&record).await?;
    tx.usage().replace(&record).await?;
    tx.touch(Collection::Usage, now);
    let mut entry = entry(&record, Change::between(&before, record.document()));
    entry.operation = Operation::UsageCorrected;
    tx.record(author, now, entry);
    Ok(())
}

fn entry(record: &UsageRecord, change: Change) -> Entry {
    Entry::new(Operation::UsageRecorded, SubjectKind::Usage, record.id().as_str(), change)
        .in_project(record.project_id())
        .in_run(record.run_id())
}
