//! The past of projects: how one was, what became of it, and taking a change back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::actions::{Undo, UndoRequest, is_action, is_undo_of, reason};
pub use pilotdeck_domain::history::At;
use pilotdeck_domain::history::{Differing, Given, Step, Untold};
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::{Line, Operation};
use pilotdeck_storage::{Collection, Document, StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::Access;
use crate::actions::{append, in_run};
use crate::projects::{check_version, restore, version};
use crate::{Error, Kind, Store};

/// Lines read at a time on the way back.
const PAGE: usize = 500;

/// What can be asked about the past of projects.
#[derive(Clone)]
pub struct History(Store);

/// A project as it was.
#[derive(Clone, Debug)]
pub struct PastProject {
    /// The project.
    pub project: Document,
    /// The place of the line that made it so, or of the first line of a ledger that found it so.
    pub seq: i64,
    /// When that line was written.
    pub ts: String,
}

/// Changes of a project, newest first.
#[derive(Clone, Debug)]
pub struct ProjectHistory {
    /// The changes.
    pub changes: Vec<ProjectChange>,
    /// The place to go on before, if there are older changes.
    pub next_before: Option<i64>,
}

/// A change of a project.
#[derive(Clone, Debug)]
pub struct ProjectChange {
    /// Its line in the ledger.
    pub line: Line,
    /// The name of the person who made it.
    pub actor_name: Option<String>,
    /// The event of the action that made it.
    pub event: Option<Map<String, Value>>,
    /// Why it was made, if the action said so.
    pub reason: Option<String>,
    /// The fields it was about, as they were; the whole project where it was deleted.
    pub before: Option<Map<String, Value>>,
    /// The fields it was about, as they became; the whole project where it was created.
    pub after: Option<Map<String, Value>>,
    /// Whether it can be undone now.
    pub is_undoable: bool,
}

/// A change that was undone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undone {
    /// The action that undid it.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The project as it is now, if it is there.
    pub project: Option<Document>,
    /// The event that records the undo.
    pub event: Document,
    /// Whether this request undid it; false when it had been done before.
    pub is_new: bool,
}

/// Why a change cannot be undone: what has another value than it gave.
#[derive(Clone, Debug)]
pub struct ChangedSince {
    /// The fields.
    pub fields: Vec<ChangedField>,
    /// The project as it is.
    pub current: Document,
}

/// A field that has another value than a change gave it.
#[derive(Clone, Debug)]
pub struct ChangedField {
    /// The field, and both values.
    pub differing: Differing,
    /// The line of the last change of the field, with the name of the person who made it.
    pub by: Option<(Line, Option<String>)>,
}

/// A change of a project that is to be undone.
struct Target {
    undo: Undo,
    given: Given,
}

impl History {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// The project as it was then.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there was no such project then; [`Error::Unrecorded`] if the ledger cannot tell;
    /// [`Error::Invalid`] if there is no such place yet; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = id), err(level = "debug"))]
    pub async fn at(&self, actor: &Actor, id: &str, at: &At) -> Result<PastProject, Error> {
        Access::new(actor, Permission::ReadProjects)?.to_project(id)?;
        let mut tx = self.0.db.snapshot().await?;
        if let At::Seq(seq) = at {
            let last = tx.ledger().head().await?.seq;
            if *seq > last {
                let reason = format!("at must not be behind the last line of the ledger, {last}");
                return Err(InvalidInput::new("at", reason).into());
            }
        }
        let not_found = || Error::not_found(Kind::Project, id);
        let stored = tx.projects().find(id).await?;
        let mut is_known = stored.is_some();
        let mut state = stored.map(|stored| stored.fields()).transpose()?;
        let mut before = i64::MAX;
        loop {
            let page = tx.history().of_project(id, before, PAGE).await?;
            for line in page.lines {
                if at.includes(&line) {
                    return Ok(past(&state.ok_or_else(not_found)?, line));
                }
                is_known = true;
                before = line.seq;
                state = Step::of(&line)?.reverted(line.seq, state)?;
            }
            if !page.has_more {
                break;
            }
        }
        if !is_known {
            return Err(not_found());
        }
        match (tx.history().first().await?, state) {
            (Some(first), Some(state)) if at.includes(&first) => Ok(past(&state, first)),
            (Some(first), _) if at.includes(&first) || begins(&first) => Err(not_found()),
            _ => Err(Error::Unrecorded),
        }
    }

    /// The changes of a project before the place `before`, newest first: `limit` at most, fewer where they are large.
    ///
    /// Who may read projects may read this: it tells of a project what its timeline and its earlier states tell, and of
    /// people no more than their names.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there never was such a project; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = id), err(level = "debug"))]
    pub async fn list(
        &self,
        actor: &Actor,
        id: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<ProjectHistory, Error> {
        Access::new(actor, Permission::ReadProjects)?.to_project(id)?;
        let mut tx = self.0.db.snapshot().await?;
        let stored = tx.projects().find(id).await?;
        let page = tx.history().of_project(id, before.unwrap_or(i64::MAX), limit).await?;
        if stored.is_none()
            && page.lines.is_empty()
            && tx.history().of_project(id, i64::MAX, 1).await?.lines.is_empty()
        {
            return Err(Error::not_found(Kind::Project, id));
        }
        let next_before = page.lines.last().filter(|_| page.has_more).map(|line| line.seq);
        let deleted = match stored {
            Some(_) => tx.history().deleted(id).await?,
            None => None,
        };
        let now = stored.map(|stored| stored.fields()).transpose()?;
        let seqs: Vec<i64> = page.lines.iter().map(|line| line.seq).collect();
        let causes = tx.history().causes(&seqs).await?;
        let mut causes: HashMap<i64, _> =
            causes.into_iter().map(|cause| (cause.seq, cause)).collect();
        let mut names = Names::default();
        let mut changes = Vec::with_capacity(page.lines.len());
        for line in page.lines {
            let (before, after, is_undoable) = match Step::of(&line)? {
                Step::Created(after) => (None, Some(after), false),
                Step::Deleted(before) => (Some(before), None, false),
                Step::Changed(given) => {
                    let stands = now.as_ref().is_some_and(|now| given.stands(now));
                    let is_undoable = stands && deleted.is_none_or(|deleted| deleted < line.seq);
                    (Some(given.before), Some(given.after), is_undoable)
                }
            };
            let gave = after.as_ref().map(version);
            let cause = causes.remove(&line.seq);
            let event = cause
                .filter(|cause| cause.version.is_some() && cause.version.as_deref() == gave)
                .and_then(|cause| cause.event.fields().ok());
            let reason = event.as_ref().and_then(reason).map(str::to_owned);
            let actor_name = names.of(&mut tx, &line).await?;
            changes.push(ProjectChange {
                line,
                actor_name,
                event,
                reason,
                before,
                after,
                is_undoable,
            });
        }
        Ok(ProjectHistory { changes, next_before })
    }

    /// Takes back what an action changed, as an action of its own. Undoing it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such action, or its project is gone; [`Error::NotAnAction`];
    /// [`Error::NothingToUndo`]; [`Error::ChangedSince`]; [`Error::NotUndoable`] if the ledger does not tell what it
    /// changed; [`Error::Taken`] if the undo's id is that of something else; [`Error::Stale`], [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, fields(action.id = id), err(level = "debug"))]
    pub async fn undo_action(
        &self,
        actor: &Actor,
        id: &str,
        request: UndoRequest,
    ) -> Result<Undone, Error> {
        let access = Access::new(actor, Permission::WriteAgents)?;
        let (mut tx, before) = self.0.begin::<Undone>(actor, access.author()).await?;
        if let Some(before) = before {
            access.to(Kind::Action, id, Some(&before.project_id))?;
            return Ok(before);
        }
        let now = self.0.clock.now();
        let target = change_of_action(&mut tx, &access, id).await?;
        let author = access.to(Kind::Action, id, Some(&target.undo.project_id))?;
        self.undo(tx, actor, (&access, &author), now, request, target).await
    }

    /// Takes back the change of a project that the line at `seq` tells of, as an action of its own. Undoing it again
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such change of the project, or it is gone; [`Error::NotUndoable`] if the line
    /// tells that it came into being or was deleted; [`Error::NothingToUndo`], [`Error::ChangedSince`],
    /// [`Error::Taken`], [`Error::Stale`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = id, seq), err(level = "debug"))]
    pub async fn undo_change(
        &self,
        actor: &Actor,
        id: &str,
        seq: i64,
        request: UndoRequest,
    ) -> Result<Undone, Error> {
        let access = Access::new(actor, Permission::WriteProjects)?;
        let author = access.to_project(id)?;
        let (mut tx, before) = self.0.begin(actor, access.author()).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.0.clock.now();
        let target = change_at(&mut tx, id, seq).await?;
        self.undo(tx, actor, (&access, &author), now, request, target).await
    }

    async fn undo(
        &self,
        mut tx: Tx,
        actor: &Actor,
        (access, author): (&Access, &Author),
        now: DateTime<Utc>,
        mut request: UndoRequest,
        target: Target,
    ) -> Result<Undone, Error> {
        let Target { undo, given } = target;
        let id = request.id.clone().unwrap_or_else(|| undo.id());
        let project_id = undo.project_id.clone();
        let stored = tx.projects().find(&project_id).await?;
        if let Some(event) = tx.events().find(id.as_str()).await? {
            // Anybody may append an event that looks so; only an action has a line as one.
            let is_done = tx.history().action(id.as_str()).await?.is_some();
            if !is_done || !is_undo_of(&event.fields()?, undo.seq) {
                return Err(Error::Taken { kind: Kind::Action, id: id.to_string() });
            }
            let id = id.to_string();
            let outcome = Undone { id, project_id, project: stored, event, is_new: false };
            return self.0.finish_unchanged(tx, actor, access.author(), outcome).await;
        }
        let stored = stored.ok_or_else(|| Error::not_found(Kind::Project, &project_id))?;
        let before = stored.fields()?;
        check_version(request.expected_version.as_deref(), &before, &stored)?;
        if tx.history().deleted(&project_id).await?.is_some_and(|deleted| deleted > undo.seq) {
            return Err(Error::NotUndoable("the project was deleted since; there is a new one"));
        }
        let differing = given.differing(&before);
        if !differing.is_empty() {
            let last = tx.ledger().head().await?.seq;
            // The search for what changed is long; others may write meanwhile.
            drop(tx);
            return Err(self.changed_since(&undo, differing, last, stored).await?);
        }
        let fields: Vec<&str> = given.fields().collect();
        let Some(project) = restore(&mut tx, author, now, &before, &given).await? else {
            return Err(Error::NothingToUndo);
        };
        let after = project.fields()?;
        request.context = in_run(&mut tx, access, &request.context).await?;
        let event = undo.event(&id, &request, &fields, (&before, &after), now);
        let gave = Some(version(&after));
        let event = append(&mut tx, author, now, Operation::ActionApplied, &event, gave).await?;
        tx.touch(Collection::Projects, now);
        let outcome =
            Undone { id: id.to_string(), project_id, project: Some(project), event, is_new: true };
        self.0.finish(tx, actor, access.author(), outcome).await
    }

    /// Names the last change of each field up to the line `last`, at which the fields were found to differ.
    async fn changed_since(
        &self,
        undo: &Undo,
        differing: Vec<Differing>,
        last: i64,
        current: Document,
    ) -> Result<Error, Error> {
        let fields = differing.into_iter().map(|differing| ChangedField { differing, by: None });
        let mut fields: Vec<ChangedField> = fields.collect();
        let mut tx = self.0.db.snapshot().await?;
        let mut names = Names::default();
        let mut before = last.saturating_add(1);
        loop {
            let page = tx.history().of_project(&undo.project_id, before, PAGE).await?;
            for line in page.lines {
                before = line.seq;
                if line.seq <= undo.seq || fields.iter().all(|field| field.by.is_some()) {
                    return Ok(Error::ChangedSince(Box::new(ChangedSince { fields, current })));
                }
                let Ok(Step::Changed(given)) = Step::of(&line) else { continue };
                for field in fields.iter_mut().filter(|field| field.by.is_none()) {
                    if given.is_about(&field.differing.field) {
                        let name = names.of(&mut tx, &line).await?;
                        field.by = Some((line.clone(), name));
                    }
                }
            }
            if !page.has_more {
                return Ok(Error::ChangedSince(Box::new(ChangedSince { fields, current })));
            }
        }
    }
}

/// The names of the people who made changes, each looked up once.
#[derive(Default)]
struct Names(HashMap<String, Option<String>>);

impl Names {
    async fn of(&mut self, tx: &mut Tx, line: &Line) -> Result<Option<String>, StoreError> {
        let Some(id) = &line.actor_id else { return Ok(None) };
        if let Some(name) = self.0.get(id) {
            return Ok(name.clone());
        }
        let account = tx.identity().find(&UserId::stored(id)).await?;
        let name = account.map(|account| account.user.username);
        self.0.insert(id.clone(), name.clone());
        Ok(name)
    }
}

impl From<Untold> for Error {
    fn from(untold: Untold) -> Self {
        match untold {
            Untold::Gap(_) => Self::Unrecorded,
            Untold::Unreadable(_) => {
                StoreError::Corrupt { table: "ledger", reason: untold.to_string() }.into()
            }
        }
    }
}

fn past(state: &Map<String, Value>, line: Line) -> PastProject {
    PastProject { project: Document::from(state), seq: line.seq, ts: line.ts }
}

/// Whether nothing was there before this line.
fn begins(first: &Line) -> bool {
    first.operation == Operation::DatabaseCreated.as_str()
}

/// The change that an action made.
async fn change_of_action(tx: &mut Tx, access: &Access, id: &str) -> Result<Target, Error> {
    let found = tx.events().find(id).await?.filter(|event| access.sees_document(event));
    let event = found.ok_or_else(|| Error::not_found(Kind::Action, id))?;
    access.to_document(Kind::Action, id, &event)?;
    let Some(line) = tx.history().action(id).await? else {
        // What an older PilotDeck did has an event, but no line of any kind.
        let is_adopted = is_action(&event.fields()?) && !is_recorded(tx, id).await?;
        return Err(if is_adopted {
            Error::NotUndoable("it was done before the ledger began")
        } else {
            Error::NotAnAction { id: id.to_owned() }
        });
    };
    let facts: Map<String, Value> = serde_json::from_str(&line.change)
        .map_err(|_| Error::from(Untold::Unreadable(line.seq)))?;
    let gave = facts.get("version").and_then(Value::as_str).ok_or(Error::NothingToUndo)?;
    // The change is recorded first, the action that made it right after.
    let change = tx.history().line(line.seq - 1).await?;
    let change = change.ok_or(Untold::Unreadable(line.seq))?;
    match (Step::of(&change)?, change.subject_id) {
        (Step::Changed(given), Some(project_id)) if version(&given.after) == gave => {
            let undo = Undo { seq: change.seq, action_id: Some(id.to_owned()), project_id };
            Ok(Target { undo, given })
        }
        _ => Err(Untold::Unreadable(change.seq).into()),
    }
}

/// The change of a project that the line at `seq` tells of.
async fn change_at(tx: &mut Tx, id: &str, seq: i64) -> Result<Target, Error> {
    let missing = || Error::not_found(Kind::Change, &seq.to_string());
    let line = tx.history().line(seq).await?.ok_or_else(missing)?;
    let is_of_project = line.subject_kind == "project" && line.subject_id.as_deref() == Some(id);
    if !is_of_project {
        return Err(missing());
    }
    match Step::of(&line)? {
        Step::Changed(given) => {
            let gave = version(&given.after).to_owned();
            let causes = tx.history().causes(&[seq]).await?;
            let cause = causes.into_iter().find(|cause| cause.version.as_deref() == Some(&gave));
            let action_id = match cause {
                Some(cause) => {
                    cause.event.fields()?.get("id").and_then(Value::as_str).map(str::to_owned)
                }
                None => None,
            };
            Ok(Target { undo: Undo { seq, action_id, project_id: id.to_owned() }, given })
        }
        Step::Created(_) => Err(Error::NotUndoable("creating a project is undone by deleting it")),
        Step::Deleted(_) => Err(Error::NotUndoable(
            "a deletion is not undone; the project can be created again as it was",
        )),
    }
}

/// Whether the ledger has any line about this event.
async fn is_recorded(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let filter = pilotdeck_storage::LedgerFilter {
        subject_id: Some(id.to_owned()),
        limit: 1,
        ..pilotdeck_storage::LedgerFilter::default()
    };
    Ok(!tx.ledger().list(&filter).await?.is_empty())
}
