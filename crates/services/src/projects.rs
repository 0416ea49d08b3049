//! Projects.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::history::Given;
use pilotdeck_domain::identity::{
    Actor, ActorKind, Author, Denied, Permission, Person, ProjectRole,
};
use pilotdeck_domain::ids::ProjectId;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::projects::{Project, expected_version};
use pilotdeck_domain::times::WireTime;
pub use pilotdeck_storage::ProjectFilter;
use pilotdeck_storage::{Collection, Document, Documents, StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::error::Stale;
use crate::remembered::{Remembered, Weight};
use crate::{Answered, Error, Kind, MAX_ITEMS, Store, members};

/// What can be asked about projects.
#[derive(Clone)]
pub struct Projects {
    store: Store,
    documents: Remembered<String, Document>,
    lists: Remembered<ProjectFilter, ProjectList>,
}

/// All projects that matched, in the order people gave them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProjectList {
    /// The projects.
    pub projects: Documents,
    /// When any project, or their order, was last changed.
    pub last_updated: Option<String>,
}

impl ProjectList {
    fn is_seen_by(&self, access: &Access) -> bool {
        let seen =
            |project: &Map<String, Value>| access.sees(project.get("id").and_then(Value::as_str));
        let read = || serde_json::from_slice::<Vec<Map<String, Value>>>(self.projects.json());
        access.is_everywhere() || read().is_ok_and(|projects| projects.iter().all(seen))
    }
}

/// One operation of a batch: a patch of one project.
#[derive(Clone, Debug)]
pub struct BatchOp {
    /// The project.
    pub id: String,
    /// The fields to change.
    pub patch: Map<String, Value>,
    /// The version that the caller has seen.
    pub expected_version: Option<String>,
}

/// Why one operation of a batch did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such project.
    #[error("Project not found: {id}")]
    NotFound {
        /// The id that was asked for.
        id: String,
    },
    /// The caller may see the project, and not change it.
    #[error("you may not do this")]
    Forbidden,
    /// The project changed since the caller saw it.
    #[error("Conflict: updatedAt mismatch")]
    Stale(Box<Stale>),
    /// The operation is not what it must be.
    #[error(transparent)]
    Invalid(InvalidInput),
}

impl Refusal {
    /// What is wrong with one operation; an error that is everybody's stays one.
    fn of(error: Error) -> Result<Self, Error> {
        match error {
            Error::NotFound { kind: Kind::Project, id } => Ok(Self::NotFound { id }),
            Error::Denied(Denied::Forbidden) => Ok(Self::Forbidden),
            Error::Stale(stale) => Ok(Self::Stale(stale)),
            Error::Invalid(invalid) => Ok(Self::Invalid(invalid)),
            fatal => Err(fatal),
        }
    }
}

/// What a batch did.
#[derive(Debug, Serialize, Deserialize)]
pub struct BatchOutcome {
    /// The changed project of each operation, or why there is none; in order.
    pub results: Vec<Result<Document, Refusal>>,
    /// When any project was last changed.
    pub last_updated: Option<String>,
}

impl BatchOutcome {
    /// Leaves out what is out of reach by now: as if the project had not been there.
    fn hide(&mut self, access: &Access, ops: &[Result<BatchOp, InvalidInput>]) {
        for (result, op) in self.results.iter_mut().zip(ops) {
            if let Ok(BatchOp { id, .. }) = op
                && !access.sees(Some(id))
            {
                *result = Err(Refusal::NotFound { id: id.clone() });
            }
        }
    }

    /// Whether any operation succeeded.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.results.iter().any(Result::is_ok)
    }
}

impl Projects {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, documents: Remembered::default(), lists: Remembered::default() }
    }

    /// All projects that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn list(&self, actor: &Actor, filter: &ProjectFilter) -> Result<ProjectList, Error> {
        let access = Access::new(actor, Permission::ReadProjects)?;
        // Whoever reaches the same projects is answered the same.
        let within = access.within().map(str::to_owned);
        let filter = &ProjectFilter { within, ..filter.clone() };
        let read = async { list(&mut self.store.db.snapshot().await?, filter).await };
        self.lists.or_read(&self.store.db, filter, read).await
    }

    /// One project.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = id), err(level = "debug"))]
    pub async fn get(&self, actor: &Actor, id: &str) -> Result<Document, Error> {
        Access::new(actor, Permission::ReadProjects)?.to_project(id)?;
        let read = async {
            let found = self.store.db.read().await?.projects().find(id).await?;
            found.ok_or_else(|| Error::not_found(Kind::Project, id))
        };
        self.documents.or_read(&self.store.db, id, read).await
    }

    /// Creates a project behind all others.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] if the client chose an id that is in use; [`Error::Invalid`], [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn create(&self, actor: &Actor, body: Map<String, Value>) -> Result<Document, Error> {
        let author = actor.require(Permission::CreateProjects)?;
        let (mut tx, before) = self.store.begin::<Document>(actor, &author).await?;
        if let Some(before) = before {
            let id = id_of(&before);
            Access::new(actor, Permission::WriteProjects)?.to_project(&id)?;
            return Ok(before);
        }
        let now = self.store.clock.now();
        let project = Project::create(body, now)?;
        let id = project.id().as_str();
        let taken = || Error::Taken { kind: Kind::Project, id: id.to_owned() };
        let owner = owner(actor, &author);
        // What is left of another project with this id is not for everybody who creates one.
        if !actor.reach(Permission::WriteProjects)?.is_everything()
            && tx.projects().is_known(id).await?
        {
            return Err(taken());
        }
        if !tx.projects().insert(&project).await? {
            return Err(taken());
        }
        tx.touch(Collection::Projects, now);
        tx.record(
            &author,
            now,
            entry(Operation::ProjectCreated, id, Change::created(project.document())),
        );
        if let Some(owner) = owner {
            let name = &owner.username;
            members::insert(&mut tx, &author, now, id, (&owner.id, name), ProjectRole::Owner)
                .await?;
        }
        self.store.finish(tx, actor, &author, project.document().into()).await
    }

    /// Changes the fields of a project that `patch` names; everything else stays.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] if the patch names the version it is for and the project is at another one;
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = id), err(level = "debug"))]
    pub async fn change(
        &self,
        actor: &Actor,
        id: &str,
        patch: Map<String, Value>,
    ) -> Result<Document, Error> {
        let author = Access::new(actor, Permission::WriteProjects)?.to_project(id)?;
        let expected = expected_version(&patch);
        let (mut tx, before) = self.store.begin(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before);
        }
        let now = self.store.clock.now();
        let op = BatchOp { id: id.to_owned(), patch, expected_version: expected };
        let changed = apply(&mut tx, &author, now, op).await?;
        tx.touch(Collection::Projects, now);
        self.store.finish(tx, actor, &author, changed).await
    }

    /// Changes several projects, one after the other; each operation succeeds or fails for itself.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there are more than [`MAX_ITEMS`], or they are about more than
    /// [`crate::MAX_ANSWER_BYTES`]; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(operations = ops.len()), err(level = "debug"))]
    pub async fn batch(
        &self,
        actor: &Actor,
        ops: Vec<Result<BatchOp, InvalidInput>>,
    ) -> Result<BatchOutcome, Error> {
        let access = Access::new(actor, Permission::WriteProjects)?;
        let author = access.author();
        if ops.len() > MAX_ITEMS {
            return Err(InvalidInput::new("ops", "ops must have at most 10000 items").into());
        }
        let (mut tx, before) = self.store.begin::<BatchOutcome>(actor, author).await?;
        if let Some(mut before) = before {
            before.hide(&access, &ops);
            return Ok(before);
        }
        let now = self.store.clock.now();
        let mut results = Vec::with_capacity(ops.len());
        let mut answered = Answered::new("ops");
        for op in ops {
            let result = match op {
                Ok(op) => match apply_within(&mut tx, &access, now, op).await {
                    Ok(project) => Ok(project),
                    Err(error) => Err(Refusal::of(error)?),
                },
                Err(invalid) => Err(Refusal::Invalid(invalid)),
            };
            match &result {
                Ok(project) => answered.add(project)?,
                Err(Refusal::Stale(stale)) => answered.add(&stale.current)?,
                Err(_) => {}
            }
            results.push(result);
        }
        let mut outcome = BatchOutcome { results, last_updated: None };
        if outcome.changed() {
            tx.touch(Collection::Projects, now);
        }
        outcome.last_updated = last_updated(&mut tx, access.within()).await?;
        if outcome.changed() {
            self.store.finish(tx, actor, author, outcome).await
        } else {
            self.store.finish_unchanged(tx, actor, author, outcome).await
        }
    }

    /// Puts the projects that `ids` names first, in that order, before all others in theirs. Unknown and repeated ids
    /// are passed over. Who may not change all projects moves those that they may among their own places.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn reorder(&self, actor: &Actor, ids: Vec<String>) -> Result<ProjectList, Error> {
        let access = Access::new(actor, Permission::WriteProjects)?;
        let reach = actor.reach(Permission::WriteProjects)?;
        if reach.ids().is_some_and(|ids| ids.is_empty()) {
            return Err(Denied::Forbidden.into());
        }
        let author = access.author();
        let filter = ProjectFilter {
            within: access.within().map(str::to_owned),
            ..ProjectFilter::default()
        };
        let (mut tx, before) = self.store.begin::<ProjectList>(actor, author).await?;
        if let Some(before) = before {
            // What was answered then may be of projects that are out of reach by now.
            let is_seen = before.is_seen_by(&access);
            return if is_seen { Ok(before) } else { list(&mut tx, &filter).await };
        }
        let now = self.store.clock.now();
        let before = tx.projects().order().await?;
        let after = reordered(&before, ids, |id| reach.covers(Some(id)));
        tx.projects().reorder(&after).await?;
        tx.touch(Collection::Projects, now);
        tx.record(author, now, moved(&before, &after));
        let list = list(&mut tx, &filter).await?;
        self.store.finish(tx, actor, author, list).await
    }

    /// Deletes a project. Its runs stay without a project; its events and usage stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = id), err(level = "debug"))]
    pub async fn delete(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let access = Access::new(actor, Permission::DeleteProjects)?;
        let (mut tx, before) = self.store.begin(actor, access.author()).await?;
        if let Some(before) = before {
            // Their membership is gone with the project.
            return Ok(before);
        }
        let author = access.to_project(id)?;
        let now = self.store.clock.now();
        let stored =
            tx.projects().find(id).await?.ok_or_else(|| Error::not_found(Kind::Project, id))?;
        let members = tx.members().list(id).await?;
        let detached = tx.runs().detach(id).await?;
        tx.projects().delete(&ProjectId::stored(id)).await?;
        tx.touch(Collection::Projects, now);
        let mut change = Change::deleted(&stored.fields()?).with("detachedRuns", &json!(detached));
        if !members.is_empty() {
            let members: Vec<_> = members.iter().map(members::facts).collect();
            change = change.with("removedMembers", &json!(members));
        }
        tx.record(&author, now, entry(Operation::ProjectDeleted, id, change));
        self.store.finish(tx, actor, access.author(), ()).await
    }
}

/// The person who becomes the owner of a project that `author` creates: they, or the owner of the key.
fn owner<'a>(actor: &'a Actor, author: &Author) -> Option<&'a Person> {
    let is_persons = matches!(author.kind, ActorKind::Person | ActorKind::Key);
    actor.on_behalf_of().filter(|_| is_persons)
}

fn id_of(project: &Document) -> String {
    let fields = project.fields().unwrap_or_default();
    fields.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Applies one patch to a project that the actor may change.
async fn apply_within(
    tx: &mut Tx,
    access: &Access,
    now: DateTime<Utc>,
    op: BatchOp,
) -> Result<Document, Error> {
    let author = access.to_project(&op.id)?;
    apply(tx, &author, now, op).await
}

/// Applies one patch and records it; the caller touches the collection and commits.
pub(crate) async fn apply(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    op: BatchOp,
) -> Result<Document, Error> {
    let stored =
        tx.projects().find(&op.id).await?.ok_or_else(|| Error::not_found(Kind::Project, &op.id))?;
    let before = stored.fields()?;
    check_version(op.expected_version.as_deref(), &before, &stored)?;
    change(tx, author, now, &before, op.patch).await
}

/// Applies one patch to the project that was `before`, and records it; the caller touches the collection and commits.
pub(crate) async fn change(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    before: &Map<String, Value>,
    patch: Map<String, Value>,
) -> Result<Document, Error> {
    let project = Project::merged(before, patch, now)?;
    save(tx, author, now, before, &project).await
}

/// Gives the fields of a change the values that they had before it, and records that; none if they have them already.
/// The caller touches the collection and commits.
pub(crate) async fn restore(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    before: &Map<String, Value>,
    given: &Given,
) -> Result<Option<Document>, Error> {
    // They were stored once: nothing is judged again.
    let project = Project::merged(&given.restored(before), Map::new(), now)?;
    let mut unchanged = project.document().clone();
    unchanged.insert("updatedAt".to_owned(), version(before).into());
    if unchanged == *before {
        return Ok(None);
    }
    save(tx, author, now, before, &project).await.map(Some)
}

/// Saves a changed project and records what changed.
async fn save(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    before: &Map<String, Value>,
    project: &Project,
) -> Result<Document, Error> {
    tx.projects().save(project, &seen(before)).await?;
    let change = Change::between(before, project.document());
    tx.record(author, now, entry(Operation::ProjectUpdated, project.id().as_str(), change));
    Ok(project.document().into())
}

/// Refuses a caller who has seen another version than the stored one. The versions are compared as texts.
pub(crate) fn check_version(
    expected: Option<&str>,
    fields: &Map<String, Value>,
    stored: &Document,
) -> Result<(), Error> {
    let actual = version(fields);
    match expected {
        Some(expected) if expected != actual => Err(Error::Stale(Box::new(Stale {
            expected: expected.to_owned(),
            actual: actual.to_owned(),
            current: stored.clone(),
        }))),
        _ => Ok(()),
    }
}

/// The version of a stored document.
pub(crate) fn version(fields: &Map<String, Value>) -> &str {
    fields.get("updatedAt").and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn seen(fields: &Map<String, Value>) -> WireTime {
    WireTime::stored(version(fields))
}

fn entry(operation: Operation, id: &str, change: Change) -> Entry {
    Entry::new(operation, SubjectKind::Project, id, change).in_project(Some(id))
}

impl Weight for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Weight for Document {
    fn bytes(&self) -> usize {
        self.as_str().len()
    }
}

impl Weight for ProjectFilter {
    fn bytes(&self) -> usize {
        let texts = [&self.status, &self.priority, &self.category, &self.within];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

impl Weight for ProjectList {
    fn bytes(&self) -> usize {
        self.projects.json().len()
    }
}

async fn list(tx: &mut Tx, filter: &ProjectFilter) -> Result<ProjectList, Error> {
    let projects = tx.projects().list(filter).await?;
    let last_updated = last_updated(tx, filter.within.as_deref()).await?;
    Ok(ProjectList { projects, last_updated })
}

/// When any project was last changed; of the projects of `within` alone, if there are bounds: then their own versions
/// tell.
pub(crate) async fn last_updated(
    tx: &mut Tx,
    within: Option<&str>,
) -> Result<Option<String>, StoreError> {
    match within {
        None => tx.last_updated(Collection::Projects).await,
        Some(within) => tx.projects().newest(within).await,
    }
}

/// The order in which those that `wanted` names are first among those that `is_movable`; all others keep their places.
fn reordered(
    before: &[String],
    wanted: Vec<String>,
    is_movable: impl Fn(&str) -> bool,
) -> Vec<String> {
    let movable: Vec<&String> = before.iter().filter(|id| is_movable(id)).collect();
    let mut left: HashSet<&str> = movable.iter().map(|id| id.as_str()).collect();
    let mut moved: Vec<String> = wanted.into_iter().filter(|id| left.remove(id.as_str())).collect();
    moved.extend(movable.into_iter().filter(|id| left.contains(id.as_str())).cloned());
    let mut moved = moved.into_iter();
    let place = |id: &String| {
        if is_movable(id) { moved.next() } else { None }.unwrap_or_else(|| id.clone())
    };
    before.iter().map(place).collect()
}

/// The part of the order that moved, with its place.
fn moved(before: &[String], after: &[String]) -> Entry {
    let pairs = || before.iter().zip(after);
    let from = pairs().take_while(|(old, new)| old == new).count();
    let until = before.len()
        - pairs().rev().take_while(|(old, new)| old == new).count().min(before.len() - from);
    let change = Change::of(
        &json!({ "from": from, "before": before[from..until], "after": after[from..until] }),
    );
    let mut entry = Entry::new(Operation::ProjectsReordered, SubjectKind::Projects, "", change);
    entry.subject_id = None;
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn wanted_projects_come_first_once_and_the_others_keep_their_order() {
        assert_eq!(reordered(&ids("a b c d"), ids("c x a c"), |_| true), ids("c a b d"));
        assert_eq!(reordered(&ids("a b"), Vec::new(), |_| true), ids("a b"));
    }

    #[test]
    fn what_may_not_be_moved_keeps_its_place() {
        let moved = reordered(&ids("a X b c Y"), ids("Y c X a"), |id| id != "X" && id != "Y");

        assert_eq!(moved, ids("c X a b Y"));
    }

    #[test]
    fn the_ledger_names_only_the_part_of_the_order_that_moved() {
        let entry = moved(&ids("a b c d"), &ids("a c b d"));
        assert_eq!(
            entry.change.value(),
            &json!({ "from": 1, "before": ["b", "c"], "after": ["c", "b"] })
        );
        let entry = moved(&ids("a b"), &ids("a b"));
        assert_eq!(entry.change.value(), &json!({ "from": 2, "before": [], "after": [] }));
    }
}
