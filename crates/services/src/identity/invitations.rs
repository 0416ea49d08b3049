//! Invitations: a link that makes whoever has it a user, once.

use chrono::Duration;
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::{
    Actor, ActorKind, Author, Email, FullName, Invitation, NewPassword, Permission, ProjectGrant,
    Role, User, Username,
};
use pilotdeck_domain::ids::{InvitationId, UserId};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use serde_json::json;

use super::api_keys::refuse_past;
use super::people::{add, new_user, refuse_claimed};
use super::{Identity, Origin, SignedIn, begin_session, keys};
use crate::{Error, Kind};

/// How long an invitation is good for, unless it is said otherwise.
const DEFAULT_DAYS: i64 = 7;
/// The longest.
const MOST_DAYS: i64 = 30;
/// The most that wait at a time.
const MOST: i64 = 1_000;
/// The most projects that one names.
const MOST_PROJECTS: usize = 100;
/// What attempts to join are counted under; no name to sign in with has a control character.
const JOINING: &str = "join\njoin";

/// Whom to invite.
pub struct Invite {
    /// What they become here.
    pub role: Role,
    /// What they are called.
    pub full_name: Option<FullName>,
    /// Where to write to them.
    pub email: Option<Email>,
    /// What they become in projects.
    pub projects: Vec<ProjectGrant>,
    /// Until when they can join; in seven days when absent.
    pub expires_at: Option<WireTime>,
}

/// An invitation that was made.
pub struct Invited {
    /// What is said of it.
    pub invitation: Invitation,
    /// What the link carries: the one copy there is.
    pub token: String,
}

/// Somebody who comes with a link.
pub struct Join<'a> {
    /// What the link carries.
    pub token: &'a str,
    /// The name that they want to sign in with.
    pub username: Username,
    /// The password that they want to sign in with.
    pub password: NewPassword,
    /// What they are called, if it is not what the invitation says.
    pub full_name: Option<FullName>,
    /// Where they come from.
    pub from: Origin,
}

impl Identity {
    /// Invitations that wait, also those that are too old.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    pub async fn invitations(&self, actor: &Actor) -> Result<Vec<Invitation>, Error> {
        actor.require(Permission::Administer)?;
        Ok(self.store.db.read().await?.identity().list_invitations(MOST).await?)
    }

    /// Invites somebody.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it could not be accepted, or too many wait; [`Error::NotFound`] if it names a project that
    /// there is not; [`Error::Claimed`] if a user has the address; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn invite(&self, actor: &Actor, input: Invite) -> Result<Invited, Error> {
        let author = actor.require(Permission::Administer)?;
        let Invite { role, full_name, email, projects, expires_at } = input;
        let now = self.store.clock.now();
        refuse_past(expires_at.as_ref(), now)?;
        let latest = WireTime::from(now + Duration::days(MOST_DAYS));
        if expires_at.as_ref().is_some_and(|end| *end > latest) {
            let reason = "an invitation is good for at most 30 days";
            return Err(InvalidInput::new("expiresAt", reason).into());
        }
        if projects.len() > MOST_PROJECTS {
            return Err(InvalidInput::new("projects", "name at most 100 projects").into());
        }
        let mut tx = self.store.db.write().await?;
        for (place, grant) in projects.iter().enumerate() {
            if projects[..place].iter().any(|other| other.project_id == grant.project_id) {
                return Err(InvalidInput::new("projects", "name each project once").into());
            }
            if !tx.identity().has_project(&grant.project_id).await? {
                return Err(Error::not_found(Kind::Project, &grant.project_id));
            }
        }
        refuse_claimed(&mut tx, None, "", email.as_ref().map(Email::as_str)).await?;
        if tx.identity().count_invitations(MOST).await? >= MOST {
            let reason = "1,000 invitations wait, which is as many as may; take some back";
            return Err(InvalidInput::new("role", reason).into());
        }
        let token = keys::mint();
        let invitation = Invitation {
            id: InvitationId::mint(),
            role,
            full_name: full_name.map(|name| name.as_str().to_owned()),
            email: email.map(|email| email.as_str().to_owned()),
            projects,
            invited_by: inviter(actor, &author),
            created_at: now.into(),
            expires_at: expires_at.unwrap_or_else(|| (now + Duration::days(DEFAULT_DAYS)).into()),
        };
        tx.identity().insert_invitation(&invitation, &keys::hash(&token)).await?;
        tx.record(&author, now, entry(Operation::InvitationCreated, &invitation, "after"));
        tx.commit().await?;
        Ok(Invited { invitation, token })
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn revoke_invitation(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let mut tx = self.store.db.write().await?;
        let taken = tx.identity().delete_invitation(&InvitationId::stored(id)).await?;
        let taken = taken.ok_or_else(|| Error::not_found(Kind::Invitation, id))?;
        let now = self.store.clock.now();
        tx.record(&author, now, entry(Operation::InvitationRevoked, &taken, "before"));
        tx.commit().await?;
        Ok(())
    }

    /// Makes a user of somebody who comes with a link, and signs them in. The link opens nothing any more then.
    ///
    /// # Errors
    ///
    /// [`Error::NotInvited`] if the link is none, was used or is too old; [`Error::Claimed`] if the name is another user's,
    /// and the link stays good; [`Error::Throttled`] after too many of either; [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn join(&self, actor: &Actor, join: Join<'_>) -> Result<SignedIn, Error> {
        let stranger = actor.require(Permission::Public)?;
        let Join { token, username, password, full_name, from } = join;
        let attempt = self.begin_attempt(JOINING, from.address)?;
        let token_hash = keys::hash(token.trim());
        let mut tx = self.store.db.read().await?;
        let now = WireTime::from(self.store.clock.now());
        // Before the work of hashing, and before anything is said about names.
        if !tx.identity().is_invited(&token_hash, now.as_str()).await? {
            drop(tx);
            return self.turn_away(&stranger, &from).await;
        }
        refuse_claimed(&mut tx, None, username.as_str(), None).await?;
        drop(tx);
        let hash = self.passwords.hash(password.expose()).await;

        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        let taken =
            tx.identity().take_invitation(&token_hash, WireTime::from(now).as_str()).await?;
        let Some(invitation) = taken else {
            drop(tx);
            return self.turn_away(&stranger, &from).await;
        };
        let mut user = new_user(&username, invitation.role, full_name.as_ref(), None, now);
        user.full_name = user.full_name.or_else(|| invitation.full_name.clone());
        user.email.clone_from(&invitation.email);
        let more = json!({ "invitation": invitation.id, "invitedBy": invitation.invited_by });
        add(&mut tx, &stranger, &user, hash, more).await?;
        for grant in &invitation.projects {
            tx.identity().grant(&user.id, grant, user.created_at.as_str()).await?;
        }
        let accepted = entry(Operation::InvitationAccepted, &invitation, "before");
        tx.record(&stranger, now, accepted);
        let user = User { id: user.id, username: user.username, role: user.role };
        let facts = json!({ "address": from.address, "invitation": invitation.id });
        let session_key = begin_session(&mut tx, &stranger, &user, &from, (now, &facts)).await?;
        tx.commit().await?;
        self.forgive(&attempt);
        Ok(SignedIn { user, session_key, password_is_default: false })
    }

    async fn turn_away<T>(&self, stranger: &Author, from: &Origin) -> Result<T, Error> {
        let mut tx = self.store.db.write().await?;
        let change = Change::of(&json!({ "address": from.address }));
        let mut entry =
            Entry::new(Operation::InvitationRefused, SubjectKind::Invitation, "", change);
        entry.subject_id = None;
        tx.record(stranger, self.store.clock.now(), entry);
        tx.commit().await?;
        Err(Error::NotInvited)
    }
}

/// The administrator in whose name it is done, if it is a person.
fn inviter(actor: &Actor, author: &Author) -> Option<UserId> {
    match author.kind {
        ActorKind::Person | ActorKind::Key => actor.on_behalf_of().map(|person| person.id.clone()),
        _ => None,
    }
}

fn entry(operation: Operation, invitation: &Invitation, state: &str) -> Entry {
    let facts = json!({ state: {
        "role": invitation.role, "projects": invitation.projects, "invitedBy": invitation.invited_by,
        "expiresAt": invitation.expires_at,
    } });
    Entry::new(operation, SubjectKind::Invitation, invitation.id.as_str(), Change::of(&facts))
}
