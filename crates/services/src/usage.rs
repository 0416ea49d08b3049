//! Token usage.

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ids::UsageId;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::paging::Cursor;
use pilotdeck_domain::runs::Run;
use pilotdeck_domain::usage::UsageRecord;
use pilotdeck_storage::{Collection, Page, StoreError, Tx, UsageRow};
pub use pilotdeck_storage::{StoredUsage, UsageFilter};
use serde_json::{Map, Value};

use crate::receipts::Key;
use crate::{Error, MAX_ITEMS, Store};

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
        actor.require(Permission::ReadAgents)?;
        Ok(self.0.db.read().await?.usage().list(filter, after, limit).await?)
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
    ) -> Result<Vec<Result<StoredUsage, InvalidInput>>, Error> {
        let author = actor.require(Permission::RecordUsage)?;
        if items.len() > MAX_ITEMS {
            return Err(
                InvalidInput::new("records", "records must have at most 10000 items").into()
            );
        }
        let now = self.0.clock.now();
        let mut records = Vec::with_capacity(items.len());
        // What was parsed goes before the wait: what waits is printed, and counted.
        let refusals: Vec<Option<InvalidInput>> = items
            .into_iter()
            .map(|item| match UsageRecord::create(item, now) {
                Ok(record) => {
                    records.push(PrintedUsage::from(&record));
                    None
                }
                Err(invalid) => Some(invalid),
            })
            .collect();
        let key = Key::of(actor, &author);
        let mut stored = self.0.intake.record(author, key, records).await?.into_iter();
        Ok(refusals
            .into_iter()
            .filter_map(|refusal| refusal.map_or_else(|| stored.next().map(Ok), |no| Some(Err(no))))
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
        let author = actor.require(Permission::RecordUsage)?;
        let record = PrintedUsage::from(&UsageRecord::create(item, self.0.clock.now())?);
        let key = Key::of(actor, &author);
        let stored = self.0.intake.record(author, key, vec![record]).await?;
        // Each record that is left has its outcome.
        stored.into_iter().next().ok_or(Error::Store(StoreError::Closed))
    }
}

/// A usage record, ready to be written.
pub(crate) struct PrintedUsage {
    pub(crate) id: UsageId,
    pub(crate) row: UsageRow,
    pub(crate) entry: Entry,
}

impl From<&UsageRecord> for PrintedUsage {
    fn from(record: &UsageRecord) -> Self {
        let row = UsageRow::from(record);
        let entry = entry(record, Change::digest(row.document.as_str()));
        Self { id: record.id().clone(), row, entry }
    }
}

/// Keeps the one usage record of a run that reports its total in step with what it reports.
///
/// The record of a client that also sends a record per call does not count: the calls are that usage already. Which of
/// the two comes first makes no difference ([`pilotdeck_storage::Usage::mark_total`]).
pub(crate) async fn ingest(
    tx: &mut Tx,
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
