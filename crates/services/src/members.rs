//! Members of projects: who sees one, and what they may do there.

use chrono::{DateTime, Utc};
use pilotdeck_domain::identity::{Actor, Author, Permission, ProjectRole};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
pub use pilotdeck_storage::Member;
use pilotdeck_storage::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::Access;
use crate::{Error, Kind, Store};

/// As many people are named to those who look for a member.
const MOST_PEOPLE: i64 = 2_000;

/// What can be asked about members.
#[derive(Clone)]
pub struct Members(Store);

/// Somebody who was made a member, and whether this request did it.
#[derive(Clone, Debug)]
pub struct AddedMember {
    /// What they are.
    pub member: Member,
    /// Whether they were none before.
    pub created: bool,
}

/// A user, as those see them who look for a member.
#[derive(Clone, Debug)]
pub struct PersonName {
    /// Who it is.
    pub id: UserId,
    /// The name they sign in with.
    pub username: String,
}

/// What is kept of an outcome.
#[derive(Serialize, Deserialize)]
struct Done {
    user_id: String,
    username: String,
    role: ProjectRole,
    added_at: String,
    created: bool,
}

impl From<&AddedMember> for Done {
    fn from(AddedMember { member, created }: &AddedMember) -> Self {
        let Member { user_id, username, role, added_at } = member.clone();
        let user_id = user_id.as_str().to_owned();
        Self { user_id, username, role, added_at, created: *created }
    }
}

impl From<Done> for AddedMember {
    fn from(done: Done) -> Self {
        let Done { user_id, username, role, added_at, created } = done;
        let member = Member { user_id: UserId::stored(user_id), username, role, added_at };
        Self { member, created }
    }
}

impl Members {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// The members of a project, the first one first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such project; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = project), err(level = "debug"))]
    pub async fn list(&self, actor: &Actor, project: &str) -> Result<Vec<Member>, Error> {
        Access::new(actor, Permission::ReadProjects)?.to_project(project)?;
        let mut tx = self.0.db.snapshot().await?;
        must_exist(&mut tx, project).await?;
        Ok(tx.members().list(project).await?)
    }

    /// The people who could be made members, by name; for those who may make somebody a member.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn people(&self, actor: &Actor) -> Result<Vec<PersonName>, Error> {
        let reach = actor.reach(Permission::WriteMembers)?;
        if reach.ids().is_some_and(|ids| ids.is_empty()) {
            return Err(pilotdeck_domain::identity::Denied::Forbidden.into());
        }
        let people = self.0.db.read().await?.members().people(MOST_PEOPLE).await?;
        Ok(people.into_iter().map(|(id, username)| PersonName { id, username }).collect())
    }

    /// Makes a user, named by id or user name, a member of a project. Who is one stays what they are.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such project or user; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = project), err(level = "debug"))]
    pub async fn add(
        &self,
        actor: &Actor,
        project: &str,
        user: &str,
        role: ProjectRole,
    ) -> Result<AddedMember, Error> {
        let author = Access::new(actor, Permission::WriteMembers)?.to_project(project)?;
        let (mut tx, before) = self.0.begin::<Done>(actor, &author).await?;
        if let Some(before) = before {
            return Ok(before.into());
        }
        must_exist(&mut tx, project).await?;
        let found = tx.members().find_user(user).await?;
        let (id, name) = found.ok_or_else(|| Error::not_found(Kind::User, user))?;
        let now = self.0.clock.now();
        let created = insert(&mut tx, &author, now, project, (&id, &name), role).await?;
        let member = find(&mut tx, project, id.as_str()).await?;
        let added = AddedMember { member, created };
        let done = Done::from(&added);
        if created {
            self.0.finish(tx, actor, &author, done).await?;
        } else {
            self.0.finish_unchanged(tx, actor, &author, done).await?;
        }
        Ok(added)
    }

    /// Makes a member, named by id or user name, something else.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such project or member; [`Error::LastOwner`]; [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = project), err(level = "debug"))]
    pub async fn change(
        &self,
        actor: &Actor,
        project: &str,
        user: &str,
        role: ProjectRole,
    ) -> Result<Member, Error> {
        let author = Access::new(actor, Permission::WriteMembers)?.to_project(project)?;
        let (mut tx, before) = self.0.begin::<Done>(actor, &author).await?;
        if let Some(before) = before {
            return Ok(AddedMember::from(before).member);
        }
        let member = find(&mut tx, project, user).await?;
        let changed = AddedMember { member: Member { role, ..member.clone() }, created: false };
        let done = Done::from(&changed);
        if member.role == role {
            self.0.finish_unchanged(tx, actor, &author, done).await?;
            return Ok(member);
        }
        keep_an_owner(&mut tx, project, &member).await?;
        tx.members().change(project, &member.user_id, role).await?;
        let change = Change::of(&json!({
            "before": { "role": member.role }, "after": { "role": role }, "username": member.username,
        }));
        let line = entry(Operation::MemberChanged, project, &member.user_id, change);
        tx.record(&author, self.0.clock.now(), line);
        self.0.finish(tx, actor, &author, done).await?;
        Ok(changed.member)
    }

    /// Removes a member, named by id or user name, from a project. Everybody may leave.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such project or member; [`Error::LastOwner`]; [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, fields(project.id = project), err(level = "debug"))]
    pub async fn remove(&self, actor: &Actor, project: &str, user: &str) -> Result<(), Error> {
        let leaves = actor
            .person()
            .is_some_and(|person| [person.id.as_str(), person.username.as_str()].contains(&user));
        let permission = if leaves { Permission::ReadProjects } else { Permission::WriteMembers };
        let access = Access::new(actor, permission)?;
        let (mut tx, before) = self.0.begin(actor, access.author()).await?;
        if let Some(before) = before {
            // Who left may not see the project any more.
            return Ok(before);
        }
        let author = access.to_project(project)?;
        must_exist(&mut tx, project).await?;
        let member = find(&mut tx, project, user).await?;
        keep_an_owner(&mut tx, project, &member).await?;
        tx.members().remove(project, &member.user_id).await?;
        let change = Change::of(&json!({ "before": facts(&member) }));
        let line = entry(Operation::MemberRemoved, project, &member.user_id, change);
        tx.record(&author, self.0.clock.now(), line);
        self.0.finish(tx, actor, access.author(), ()).await
    }
}

/// Makes a user a member, and says so in the ledger; false if they are one, or there is no such user any more.
pub(crate) async fn insert(
    tx: &mut Tx,
    author: &Author,
    now: DateTime<Utc>,
    project: &str,
    (id, username): (&UserId, &str),
    role: ProjectRole,
) -> Result<bool, StoreError> {
    let added_at = WireTime::from(now).as_str().to_owned();
    if !tx.members().insert(project, id, role, &added_at).await? {
        return Ok(false);
    }
    let member = Member { user_id: id.clone(), username: username.to_owned(), role, added_at };
    let change = Change::of(&json!({ "after": facts(&member) }));
    tx.record(author, now, entry(Operation::MemberAdded, project, id, change));
    Ok(true)
}

/// What the ledger tells of a member.
pub(crate) fn facts(member: &Member) -> Value {
    json!({ "userId": member.user_id, "username": member.username, "role": member.role })
}

async fn must_exist(tx: &mut Tx, project: &str) -> Result<(), Error> {
    let found = tx.projects().find(project).await?;
    found.map(drop).ok_or_else(|| Error::not_found(Kind::Project, project))
}

async fn find(tx: &mut Tx, project: &str, user: &str) -> Result<Member, Error> {
    must_exist(tx, project).await?;
    let members = tx.members().list(project).await?;
    let by_id = members.iter().find(|member| member.user_id.as_str() == user);
    let found = by_id.or_else(|| members.iter().find(|member| member.username == user));
    found.cloned().ok_or_else(|| Error::not_found(Kind::Member, user))
}

/// Refuses to take its last owner from a project.
async fn keep_an_owner(tx: &mut Tx, project: &str, member: &Member) -> Result<(), Error> {
    let members = tx.members().list(project).await?;
    let owners = members.iter().filter(|member| member.role == ProjectRole::Owner).count();
    if member.role == ProjectRole::Owner && owners == 1 {
        return Err(Error::LastOwner);
    }
    Ok(())
}

fn entry(operation: Operation, project: &str, user: &UserId, change: Change) -> Entry {
    Entry::new(operation, SubjectKind::Member, user.as_str(), change).in_project(Some(project))
}
