//! Agent runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::runs::{NewRun, Run};
use pilotdeck_domain::times::WireTime;
pub use pilotdeck_storage::RunFilter;
use pilotdeck_storage::{Collection, Document, Page, RunList, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::{Access, project_of};
use crate::{Error, Kind, Store, usage};

/// What can be asked about agent runs.
#[derive(Clone)]
pub struct Runs(Store);

/// One page of runs.
#[derive(Clone, Debug, Default)]
pub struct RunPage {
    /// The runs, newest first, and where the next page begins.
    pub page: Page,
    /// How many match in all.
    pub total: i64,
    /// When those of the page that are not over last gave a sign of life, by their ids.
    pub signs: BTreeMap<String, String>,
}

/// A run, as it stands.
#[derive(Clone, Debug)]
pub struct FoundRun {
    /// The run as it is stored.
    pub run: Document,
    /// When it last gave a sign of life, if it ever did.
    pub last_sign: Option<String>,
}

/// A run that was asked for, and whether this request made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartedRun {
    /// Identifies the run.
    pub id: String,
    /// The run as it is stored.
    pub run: Document,
    /// Whether it did not exist before.
    pub created: bool,
}

impl Runs {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// One page of the runs that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(&self, actor: &Actor, filter: &RunFilter) -> Result<RunPage, Error> {
        let access = Access::new(actor, Permission::ReadAgents)?;
        let mut filter = filter.clone();
        filter.within = access.within().map(str::to_owned);
        if filter.project_id.is_some() && !access.sees(filter.project_id.as_deref()) {
            return Ok(RunPage::default());
        }
        let mut tx = self.0.db.snapshot().await?;
        let RunList { page, total, going_on } = tx.runs().list(&filter).await?;
        let signs = if going_on.is_empty() {
            BTreeMap::new()
        } else {
            tx.runs().last_signs(&going_on, access.within()).await?
        };
        Ok(RunPage { page, total, signs })
    }

    /// One run, by its id or by the id of its client's session.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(run.id = reference), err(level = "debug"))]
    pub async fn get(&self, actor: &Actor, reference: &str) -> Result<FoundRun, Error> {
        let access = Access::new(actor, Permission::ReadAgents)?;
        let within = access.within();
        let mut tx = self.0.db.snapshot().await?;
        let found = tx.runs().find_by_reference(reference, within).await?;
        let run = found.ok_or_else(|| Error::not_found(Kind::Run, reference))?;
        let known = tx.runs().resolve(reference, within).await?.map(|known| known.id);
        let signs = tx.runs().last_signs(known.as_slice(), within).await?;
        Ok(FoundRun { run, last_sign: signs.into_values().next() })
    }

    /// Starts a run, unless a run with its id, or without one a run of its session, exists; then that one is it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if it is to be of a project that the actor does not see; [`Error::Taken`] if its id, or its
    /// session, is that of a run that they do not see; [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn start(
        &self,
        actor: &Actor,
        body: Map<String, Value>,
    ) -> Result<StartedRun, Error> {
        let access = Access::new(actor, Permission::WriteAgents)?;
        let (mut tx, before) = self.0.begin::<StartedRun>(actor, access.author()).await?;
        if let Some(before) = before {
            access.to_document(Kind::Run, &before.id, &before.run)?;
            return Ok(before);
        }
        let now = self.0.clock.now();
        let NewRun { run, session, id_given } = Run::create(body, now)?;
        let author = access.put_into(run.project_id())?;
        let taken = |kind, id: &str| Error::Taken { kind, id: id.to_owned() };
        if let Some(session) = session.as_ref()
            && let Some(run) = tx.runs().find_by_identity(session).await?
            && (!id_given || !access.sees_document(&run))
        {
            if !access.sees_document(&run) {
                return Err(taken(Kind::Session, &session.session_id));
            }
            let id = run.fields()?.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            access.to_document(Kind::Run, &id, &run)?;
            let outcome = StartedRun { id, run, created: false };
            return self.0.finish_unchanged(tx, actor, access.author(), outcome).await;
        }
        if !tx.runs().insert(&run).await? {
            let id = run.id().as_str();
            let run = tx.runs().find(id).await?.ok_or_else(|| Error::not_found(Kind::Run, id))?;
            if !access.sees_document(&run) {
                return Err(taken(Kind::Run, id));
            }
            access.to_document(Kind::Run, id, &run)?;
            let outcome = StartedRun { id: id.to_owned(), run, created: false };
            return self.0.finish_unchanged(tx, actor, access.author(), outcome).await;
        }
        if let Some(session) = &session {
            tx.runs().remember(session, &run).await?;
        }
        tx.touch(Collection::Runs, now);
        tx.record(
            &author,
            now,
            entry(Operation::RunCreated, &run, Change::created(run.document())),
        );
        usage::ingest(&mut tx, &access, &author, now, &run).await?;
        self.0
            .finish(
                tx,
                actor,
                access.author(),
                StartedRun { id: run.id().to_string(), run: run.document().into(), created: true },
            )
            .await
    }

    /// Changes the fields of a run that `patch` names, the run found by its id or by its client's session.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such run, or no such project for the actor where it is to move;
    /// [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(run.id = reference), err(level = "debug"))]
    pub async fn change(
        &self,
        actor: &Actor,
        reference: &str,
        patch: Map<String, Value>,
    ) -> Result<Document, Error> {
        let access = Access::new(actor, Permission::WriteAgents)?;
        let (mut tx, before) = self.0.begin::<Document>(actor, access.author()).await?;
        if let Some(before) = before {
            access.to_document(Kind::Run, reference, &before)?;
            return Ok(before);
        }
        let now = self.0.clock.now();
        let (run, author) = apply(&mut tx, &access, now, reference, patch).await?;
        usage::ingest(&mut tx, &access, &author, now, &run).await?;
        tx.touch(Collection::Runs, now);
        self.0.finish(tx, actor, access.author(), run.document().into()).await
    }
}

async fn apply(
    tx: &mut Tx,
    access: &Access,
    now: DateTime<Utc>,
    reference: &str,
    patch: Map<String, Value>,
) -> Result<(Run, Author), Error> {
    let stored = tx.runs().find_by_reference(reference, access.within()).await?;
    let stored = stored.ok_or_else(|| Error::not_found(Kind::Run, reference))?;
    let author = access.to_document(Kind::Run, reference, &stored)?;
    let before = stored.fields()?;
    let run = Run::merged(&before, patch, now)?;
    if !access.is_everywhere() && project_of(&stored).as_deref() != run.project_id() {
        // It takes the right in both.
        access.put_into(run.project_id())?;
    }
    let seen = before.get("updatedAt").and_then(Value::as_str).map(WireTime::stored);
    tx.runs().save(&run, seen.as_ref()).await?;
    let change = Change::between(&before, run.document());
    tx.record(&author, now, entry(Operation::RunUpdated, &run, change));
    Ok((run, author))
}

fn entry(operation: Operation, run: &Run, change: Change) -> Entry {
    let id = run.id().as_str();
    Entry::new(operation, SubjectKind::Run, id, change)
        .in_project(run.project_id())
        .in_run(Some(id))
}
