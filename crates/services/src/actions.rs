//! Semantic actions, done at once, and proposals, which a person decides about.

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::actions::{ActionContext, ActionItem, Proposal, RefusedItem, action_event};
use pilotdeck_domain::events::Event;
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Operation, SubjectKind};
use pilotdeck_storage::{Collection, Document, KnownRun, StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::error::Stale;
use crate::projects::{self, check_version, last_updated, version};
use crate::{Answered, Error, Kind, MAX_ITEMS, Store};

pub mod proposals;

/// What can be asked about actions and proposals.
#[derive(Clone)]
pub struct Actions(pub(crate) Store);

/// What became of one action.
#[derive(Debug, Serialize, Deserialize)]
pub enum ActionOutcome {
    /// It was done, or recorded only.
    Done {
        /// The action.
        id: String,
        /// The project.
        project_id: String,
        /// Whether the project is another one than before.
        changed: bool,
        /// The project as it is now.
        project: Document,
        /// The event that records the action.
        event: Document,
    },
    /// It had been done before.
    Repeated {
        /// The action.
        id: String,
        /// The project that this request named.
        project_id: Option<String>,
        /// The project as it is now, if it is there.
        project: Option<Document>,
        /// The event that recorded the action.
        event: Document,
    },
    /// Its id is that of an event which records no action.
    IdInUse {
        /// The action.
        id: String,
        /// The project.
        project_id: Option<String>,
    },
    /// There is no such project.
    UnknownProject {
        /// The action.
        id: String,
        /// The project.
        project_id: String,
    },
    /// The actor may see the project, and not change it.
    Forbidden {
        /// The action.
        id: String,
        /// The project.
        project_id: Option<String>,
    },
    /// The project changed since the client saw it.
    Stale {
        /// The action.
        id: String,
        /// The project.
        project_id: String,
        /// What the client had seen, and what there is.
        stale: Box<Stale>,
    },
    /// It is not what an action must be.
    Invalid {
        /// The action's id, if it has one.
        id: Option<String>,
        /// What is wrong with it.
        error: InvalidInput,
        /// The item as it was sent.
        item: Value,
    },
}

impl ActionOutcome {
    /// The documents in it.
    fn documents(&self) -> impl Iterator<Item = &Document> {
        let (project, event) = match self {
            Self::Done { project, event, .. } => (Some(project), Some(event)),
            Self::Repeated { project, event, .. } => (project.as_ref(), Some(event)),
            Self::Stale { stale, .. } => (Some(&stale.current), None),
            Self::IdInUse { .. }
            | Self::UnknownProject { .. }
            | Self::Forbidden { .. }
            | Self::Invalid { .. } => (None, None),
        };
        [project, event].into_iter().flatten()
    }

    /// The same, unless it is out of reach by now.
    fn seen_by(self, access: &Access) -> Self {
        match self {
            Self::Done { id, project_id, .. } | Self::Stale { id, project_id, .. }
                if !access.sees(Some(&project_id)) =>
            {
                Self::UnknownProject { id, project_id }
            }
            Self::Repeated { id, project_id, event, .. } if !access.sees_document(&event) => {
                Self::IdInUse { id, project_id }
            }
            Self::Repeated { id, project_id, event, .. } if !access.sees(project_id.as_deref()) => {
                Self::Repeated { id, project_id, project: None, event }
            }
            seen => seen,
        }
    }
}

/// What became of a request to act.
#[derive(Debug, Serialize, Deserialize)]
pub struct ActionsOutcome {
    /// The outcome of each action, in order.
    pub results: Vec<ActionOutcome>,
    /// When any project was last changed.
    pub last_updated: Option<String>,
}

impl ActionsOutcome {
    /// Whether any project is another one than before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.results
            .iter()
            .any(|result| matches!(result, ActionOutcome::Done { changed: true, .. }))
    }
}

impl Actions {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Does `items` in order, all in one transaction. One that cannot be done does not hold up the others; one whose id
    /// was done before is not done again.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there are more than [`MAX_ITEMS`], or they are about more than
    /// [`crate::MAX_ANSWER_BYTES`]; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(actions = items.len()), err(level = "debug"))]
    pub async fn act(
        &self,
        actor: &Actor,
        context: &ActionContext,
        items: Vec<Result<ActionItem, RefusedItem>>,
    ) -> Result<ActionsOutcome, Error> {
        let access = Access::new(actor, Permission::WriteAgents)?;
        if items.len() > MAX_ITEMS {
            return Err(
                InvalidInput::new("actions", "actions must have at most 10000 items").into()
            );
        }
        let (mut tx, before) = self.0.begin::<ActionsOutcome>(actor, access.author()).await?;
        if let Some(mut before) = before {
            let results = before.results.into_iter().map(|result| result.seen_by(&access));
            before.results = results.collect();
            return Ok(before);
        }
        let now = self.0.clock.now();
        let context = &in_run(&mut tx, &access, context).await?;
        let mut results = Vec::with_capacity(items.len());
        let mut answered = Answered::new("actions");
        for item in items {
            let result = match item {
                Ok(item) => act(&mut tx, &access, now, context, item).await?,
                Err(RefusedItem { raw, error, id }) => {
                    ActionOutcome::Invalid { id, error, item: raw }
                }
            };
            for document in result.documents() {
                answered.add(document)?;
            }
            results.push(result);
        }
        let mut outcome = ActionsOutcome { results, last_updated: None };
        if outcome.changed() {
            tx.touch(Collection::Projects, now);
        }
        outcome.last_updated = last_updated(&mut tx, access.within()).await?;
        if outcome.results.iter().any(|result| matches!(result, ActionOutcome::Done { .. })) {
            self.0.finish(tx, actor, access.author(), outcome).await
        } else {
            self.0.finish_unchanged(tx, actor, access.author(), outcome).await
        }
    }
}

/// Clients may know only their session: then the run is the session's.
///
/// # Errors
///
/// As [`written_run`].
pub(crate) async fn in_run(
    tx: &mut Tx,
    access: &Access,
    context: &ActionContext,
) -> Result<ActionContext, Error> {
    let mut context = context.clone();
    if let Some(reference) = &context.run_id
        && let Some(run) = written_run(tx, access, reference).await?
    {
        context.run_id = Some(run.id);
    }
    Ok(context)
}

/// The run that is referred to by what is written. It need not be there for those who reach everything.
///
/// # Errors
///
/// [`Error::NotFound`] if it does not exist for others; [`Error::Denied`] if they may not write to it.
async fn written_run(
    tx: &mut Tx,
    access: &Access,
    reference: &str,
) -> Result<Option<KnownRun>, Error> {
    let found = tx.runs().resolve(reference, access.within()).await?;
    match &found {
        _ if access.is_everywhere() => {}
        Some(run) => drop(access.to(Kind::Run, reference, run.project_id.as_deref())?),
        None => return Err(Error::not_found(Kind::Run, reference)),
    }
    Ok(found)
}

/// Does one action: what is wrong with it is an outcome, what is wrong with the database is an error.
async fn act(
    tx: &mut Tx,
    access: &Access,
    now: DateTime<Utc>,
    context: &ActionContext,
    item: ActionItem,
) -> Result<ActionOutcome, Error> {
    let id = item.id.as_str().to_owned();
    if let Some(event) = tx.events().find(&id).await? {
        return Ok(repeated(tx, access, id, item.project_id, event).await?);
    }
    let Some(project_id) = item.project_id.clone() else {
        let error = InvalidInput::new("projectId", "projectId must be a non-empty string");
        return Ok(ActionOutcome::Invalid { id: Some(id), error, item: item.raw });
    };
    let author = match access.to_project(&project_id) {
        Ok(author) => author,
        Err(Error::NotFound { .. }) => {
            return Ok(ActionOutcome::UnknownProject { id, project_id });
        }
        Err(_) => return Ok(ActionOutcome::Forbidden { id, project_id: Some(project_id) }),
    };
    let Some(stored) = tx.projects().find(&project_id).await? else {
        return Ok(ActionOutcome::UnknownProject { id, project_id });
    };
    let before = stored.fields()?;
    if let Err(Error::Stale(stale)) =
        check_version(item.expected_version.as_deref(), &before, &stored)
    {
        return Ok(ActionOutcome::Stale { id, project_id, stale });
    }
    let action = match &item.action {
        Ok(action) => action,
        Err(error) => {
            let error = error.clone();
            return Ok(ActionOutcome::Invalid { id: Some(id), error, item: item.raw });
        }
    };
    let effect = action.effect(&before, context, now);
    let patch = effect.patch.clone().filter(|_| !item.record_only);
    let changed = patch.is_some();
    let project = match take_effect(tx, &author, now, &before, stored, patch).await {
        Ok(project) => project,
        Err(Error::Invalid(error)) => {
            return Ok(ActionOutcome::Invalid { id: Some(id), error, item: item.raw });
        }
        Err(other) => return Err(other),
    };
    let updated_at = project.fields()?;
    let version = version(&updated_at);
    let event = action_event(&item, context, &project_id, &effect, version, now);
    let gave = changed.then_some(version);
    let event = append(tx, &author, now, Operation::ActionApplied, &event, gave).await?;
    Ok(ActionOutcome::Done { id, project_id, changed, project, event })
}

async fn repeated(
    tx: &mut Tx,
    access: &Access,
    id: String,
    project_id: Option<String>,
    event: Document,
) -> Result<ActionOutcome, StoreError> {
    let fields = event.fields().unwrap_or_default();
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kind.starts_with("action.") || !access.sees_document(&event) {
        return Ok(ActionOutcome::IdInUse { id, project_id });
    }
    let named = fields.get("projectId").and_then(Value::as_str).map(str::to_owned);
    if access.to(Kind::Action, &id, named.as_deref()).is_err() {
        return Ok(ActionOutcome::Forbidden { id, project_id: named });
    }
    let project_id = project_id.or(named);
    let project = match &project_id {
        Some(project_id) if access.sees(Some(project_id)) => tx.projects().find(project_id).await?,
        _ => None,
    };
    Ok(ActionOutcome::Repeated { id, project_id, project, event })
}

/// Changes the project, if there is anything to change.
async fn take_effect(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    before: &Map<String, Value>,
    stored: Document,
    patch: Option<Map<String, Value>>,
) -> Result<Document, Error> {
    match patch {
        Some(patch) => projects::change(tx, author, now, before, patch).await,
        None => Ok(stored),
    }
}

/// Appends the event that records an action. Its id was looked up in this transaction: it is free. The action `gave` its
/// project a version if it changed it; that change was the last thing to be recorded.
pub(crate) async fn append(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    operation: Operation,
    event: &Event,
    gave: Option<&str>,
) -> Result<Document, StoreError> {
    let document = tx.events().append(event).await?.ok_or(StoreError::Stale)?;
    let subject = match operation {
        Operation::ActionApplied => SubjectKind::Action,
        _ => SubjectKind::Proposal,
    };
    let mut entry = crate::events::entry(operation, subject, event);
    if let Some(version) = gave {
        entry.change = entry.change.with("version", &json!(version));
    }
    tx.record(author, now, entry);
    Ok(document)
}
