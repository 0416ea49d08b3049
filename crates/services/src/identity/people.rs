//! Users: who there is, and what they may do.

use chrono::{DateTime, Utc};
use pilotdeck_domain::InvalidInput;
use pilotdeck_domain::identity::{
    Actor, Author, Email, FullName, NewPassword, Permission, Role, User, UserDetails, UserPatch,
    Username,
};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::{Change, Operation};
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{Account, Claimed, Tx};
use serde_json::{Map, Value, json};

use super::{Identity, entry};
use crate::{Error, Kind};

/// Somebody to add.
pub struct CreateUser {
    /// The name that they sign in with.
    pub username: Username,
    /// The password that they sign in with.
    pub password: NewPassword,
    /// What they are here.
    pub role: Role,
    /// What they are called.
    pub full_name: Option<FullName>,
    /// Where to write to them.
    pub email: Option<Email>,
}

impl Identity {
    /// All users, the first ones first.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    pub async fn users(&self, actor: &Actor) -> Result<Vec<UserDetails>, Error> {
        actor.require(Permission::Administer)?;
        Ok(self.store.db.read().await?.identity().list().await?)
    }

    /// What is known of a user.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    pub async fn user(&self, actor: &Actor, id: &str) -> Result<UserDetails, Error> {
        actor.require(Permission::Administer)?;
        let found = self.store.db.read().await?.identity().details(&UserId::stored(id)).await?;
        found.ok_or_else(|| Error::not_found(Kind::User, id))
    }

    /// What is known of the user who signs in with this name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    pub async fn user_named(&self, actor: &Actor, username: &str) -> Result<UserDetails, Error> {
        actor.require(Permission::Administer)?;
        let name = username.trim();
        let found = self.store.db.read().await?.identity().find_by_name(name).await?;
        let account = found.ok_or_else(|| Error::not_found(Kind::User, name))?;
        self.user(actor, account.user.id.as_str()).await
    }

    /// Adds a user.
    ///
    /// # Errors
    ///
    /// [`Error::Claimed`] if another one has the name or the address; [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn create_user(
        &self,
        actor: &Actor,
        input: CreateUser,
    ) -> Result<UserDetails, Error> {
        let author = actor.require(Permission::Administer)?;
        let hash = self.passwords.hash(input.password.expose()).await;
        let mut tx = self.store.db.write().await?;
        let now = self.store.clock.now();
        let CreateUser { username, role, full_name, email, .. } = input;
        let user = new_user(&username, role, full_name.as_ref(), email.as_ref(), now);
        add(&mut tx, &author, &user, hash, json!({})).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Changes a user. Who may not sign in any more has no session, key or open invitation from then on; who is no
    /// administrator any more has no open invitation.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the name is to change before the default password; [`Error::LastAdmin`] if nobody else could do
    /// everything; [`Error::Claimed`] if another one has the name or the
    /// address; [`Error::NotFound`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn change_user(
        &self,
        actor: &Actor,
        id: &str,
        patch: UserPatch,
    ) -> Result<UserDetails, Error> {
        let author = actor.require(Permission::Administer)?;
        let id = UserId::stored(id);
        if patch.username.is_some() && self.has_default_password(&id).await? {
            // The account with the default password is known by its name.
            let reason = "replace the default password before the name";
            return Err(InvalidInput::new("username", reason).into());
        }
        let mut tx = self.store.db.write().await?;
        let before = tx.identity().details(&id).await?;
        let before = before.ok_or_else(|| Error::not_found(Kind::User, id.as_str()))?;
        let mut user = before.patched(patch);
        if user == before {
            return Ok(before);
        }
        let now = self.store.clock.now();
        user.updated_at = WireTime::after(&before.updated_at, now);
        if before.administers()
            && !user.administers()
            && tx.identity().count_other_administrators(&id).await? == 0
        {
            return Err(Error::LastAdmin);
        }
        let is_renamed = user.username != before.username;
        let name = if is_renamed { user.username.as_str() } else { "" };
        let email = user.email.as_deref().filter(|_| user.email != before.email);
        refuse_claimed(&mut tx, Some(&id), name, email).await?;
        tx.identity().save(&user).await?;
        let mut change = change(Some(&before), &user);
        if !user.is_active && before.is_active {
            let sessions = tx.identity().end_sessions_but(&id, "").await?;
            let keys = tx.identity().delete_keys_of(&id).await?;
            change = change
                .with("endedSessions", &json!(sessions.len()))
                .with("revokedKeys", &json!(keys));
        }
        if before.administers() && !user.administers() {
            let invitations = tx.identity().delete_invitations_by(&id).await?;
            change = change.with("revokedInvitations", &json!(invitations));
        }
        tx.record(&author, now, entry(Operation::UserUpdated, Some(&id), change));
        tx.commit().await?;
        Ok(user)
    }
}

/// A user who comes now.
pub(super) fn new_user(
    username: &Username,
    role: Role,
    full_name: Option<&FullName>,
    email: Option<&Email>,
    now: DateTime<Utc>,
) -> UserDetails {
    UserDetails {
        id: UserId::mint(),
        username: username.as_str().to_owned(),
        full_name: full_name.map(|name| name.as_str().to_owned()),
        email: email.map(|email| email.as_str().to_owned()),
        role,
        is_active: true,
        has_second_factor: false,
        created_at: now.into(),
        updated_at: now.into(),
        last_sign_in_at: None,
    }
}

/// Adds a user, and says so with `more` facts.
pub(super) async fn add(
    tx: &mut Tx,
    author: &Author,
    user: &UserDetails,
    password_hash: String,
    more: Value,
) -> Result<(), Error> {
    refuse_claimed(tx, None, &user.username, user.email.as_deref()).await?;
    let UserDetails { id, username, role, .. } = user.clone();
    let account = Account { user: User { id, username, role }, password_hash };
    tx.identity().insert(&account, user.created_at.as_str()).await?;
    tx.identity().save(user).await?;
    let mut change = change(None, user);
    for (fact, value) in more.as_object().into_iter().flatten() {
        change = change.with(fact, value);
    }
    let now = user.created_at.instant().unwrap_or_default();
    tx.record(author, now, entry(Operation::UserCreated, Some(&user.id), change));
    Ok(())
}

/// Refuses a name or an address that another user has. An empty name is none.
pub(super) async fn refuse_claimed(
    tx: &mut Tx,
    id: Option<&UserId>,
    username: &str,
    email: Option<&str>,
) -> Result<(), Error> {
    match tx.identity().claimed(id, username, email).await? {
        Some(Claimed::Username) => Err(Error::Claimed { field: "username" }),
        Some(Claimed::Email) => Err(Error::Claimed { field: "email" }),
        None => Ok(()),
    }
}

/// What the ledger says of a user. What tells who they are in the world outside may have to be erased one day: a digest
/// stands for it.
fn change(before: Option<&UserDetails>, after: &UserDetails) -> Change {
    let change = match before {
        Some(before) => Change::between(&document(before), &document(after)),
        None => Change::created(&document(after)),
    };
    change.with_digest_of("fullName").with_digest_of("email")
}

fn document(user: &UserDetails) -> Map<String, Value> {
    let mut document = json!({
        "username": user.username, "role": user.role, "isActive": user.is_active, "updatedAt": user.updated_at,
    });
    for (field, text) in [("fullName", &user.full_name), ("email", &user.email)] {
        if let Some(text) = text {
            document[field] = json!(text);
        }
    }
    match document {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}
