//! The commands about people: what an administrator does who cannot, or need not, sign in.

use std::io::{self, Write as _};

use anyhow::Result;
use chrono::Duration;
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{
    Actor, Email, FullName, NewPassword, SessionDetails, UserDetails, UserPatch, Username,
};
use pilotdeck_services::Services;
use pilotdeck_services::identity::{CreateUser, Invite};
use serde::Serialize;
use serde_json::{Value, json};

use super::{open, read_password};
use crate::settings::{
    AddArgs, InviteArgs, KeysArgs, ListArgs, PersonArgs, RevokeKeyArgs, SetPasswordArgs,
    SetRoleArgs, UserCommand,
};

/// What a command says, to a person and to a program.
struct Said {
    lines: Vec<String>,
    document: Value,
}

impl Said {
    fn new(line: String, document: &impl Serialize) -> Self {
        Self { lines: vec![line], document: json!(document) }
    }

    fn list<T: Serialize>(items: &[T], line: impl Fn(&T) -> String) -> Self {
        Self { lines: items.iter().map(line).collect(), document: json!(items) }
    }
}

/// Does what the command asks for, on the database file.
pub(crate) async fn run(command: UserCommand) -> Result<()> {
    let to = match &command {
        UserCommand::List(to)
        | UserCommand::Add(AddArgs { to, .. })
        | UserCommand::SetRole(SetRoleArgs { to, .. })
        | UserCommand::SetPassword(SetPasswordArgs { to, .. })
        | UserCommand::Invite(InviteArgs { to, .. })
        | UserCommand::Keys(KeysArgs { to, .. })
        | UserCommand::RevokeKey(RevokeKeyArgs { to, .. })
        | UserCommand::Disable(PersonArgs { to, .. })
        | UserCommand::Enable(PersonArgs { to, .. })
        | UserCommand::ResetSecondFactor(PersonArgs { to, .. })
        | UserCommand::Sessions(PersonArgs { to, .. })
        | UserCommand::EndSessions(PersonArgs { to, .. }) => to,
    };
    let services = Services::new(open(&to.database).await?, Clock::default());
    let said = obey(&services, &command).await;
    services.close().await;
    print(to, &said?)
}

fn print(to: &ListArgs, said: &Said) -> Result<()> {
    let mut out = io::stdout().lock();
    if to.json {
        serde_json::to_writer_pretty(&mut out, &said.document)?;
        writeln!(out)?;
        return Ok(());
    }
    for line in &said.lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn obey(services: &Services, command: &UserCommand) -> Result<Said> {
    let (identity, system) = (&services.identity, Actor::system());
    let named = async |name: &str| identity.user_named(&system, name).await;
    let change = async |name: &str, patch: UserPatch| {
        let id = named(name).await?.id;
        identity.change_user(&system, id.as_str(), patch).await
    };
    Ok(match command {
        UserCommand::List(_) => Said::list(&identity.users(&system).await?, user_line),
        UserCommand::Add(args) => {
            let username = Username::parse("username", &args.username)?;
            let name = args.full_name.as_deref().map(|raw| FullName::parse("full-name", raw));
            let email = args.email.as_deref().map(|raw| Email::parse("email", raw));
            let (full_name, email) = (name.transpose()?, email.transpose()?);
            let password = password_for(username.as_str())?;
            let input = CreateUser { username, password, role: args.role, full_name, email };
            let user = identity.create_user(&system, input).await?;
            Said::new(format!("{} may sign in as {}", user.username, user.role), &user)
        }
        UserCommand::SetRole(SetRoleArgs { username, role, .. }) => {
            let patch = UserPatch { role: Some(*role), ..UserPatch::default() };
            let user = change(username, patch).await?;
            Said::new(format!("{} is {} now", user.username, user.role), &user)
        }
        UserCommand::Disable(PersonArgs { username, .. }) => {
            let patch = UserPatch { is_active: Some(false), ..UserPatch::default() };
            let user = change(username, patch).await?;
            let line = "may not sign in any more; all their sessions and keys are over";
            Said::new(format!("{} {line}", user.username), &user)
        }
        UserCommand::Enable(PersonArgs { username, .. }) => {
            let patch = UserPatch { is_active: Some(true), ..UserPatch::default() };
            let user = change(username, patch).await?;
            Said::new(format!("{} may sign in again", user.username), &user)
        }
        UserCommand::SetPassword(SetPasswordArgs { username, .. }) => {
            let password = password_for(username)?;
            identity.set_password(&system, username, &password).await?;
            let line =
                format!("the password of {username} is replaced; all their sessions are over");
            Said::new(line, &named(username).await?)
        }
        UserCommand::ResetSecondFactor(PersonArgs { username, .. }) => {
            let id = named(username).await?.id;
            identity.reset_second_factor(&system, id.as_str()).await?;
            let user = named(username).await?;
            Said::new(format!("{} signs in with the password alone", user.username), &user)
        }
        UserCommand::Invite(args) => invite(services, args).await?,
        UserCommand::Sessions(PersonArgs { username, .. }) => {
            let id = named(username).await?.id;
            Said::list(&identity.sessions_of(&system, id.as_str()).await?, session_line)
        }
        UserCommand::EndSessions(PersonArgs { username, .. }) => {
            let id = named(username).await?.id;
            let count = identity.end_sessions_of(&system, id.as_str()).await?;
            Said::new(format!("sessions ended: {count}"), &json!({ "endedSessions": count }))
        }
        UserCommand::Keys(KeysArgs { username, .. }) => {
            let owner = match username {
                Some(username) => Some(named(username).await?.id),
                None => None,
            };
            Said::list(&identity.keys(&system, owner.as_ref()).await?, |key| {
                let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
                let used = key.last_used_at.as_ref().map_or("never used", |time| time.as_str());
                let (scopes, shown) = (scopes.join(","), &key.prefix);
                format!("{}  {}  {shown}…  {scopes}  {used}  {}", key.id, key.username, key.name)
            })
        }
        UserCommand::RevokeKey(RevokeKeyArgs { id, .. }) => {
            let key = identity.revoke_key(&system, id).await?;
            Said::new(
                format!("the key {} of {} opens nothing any more", key.name, key.username),
                &key,
            )
        }
    })
}

async fn invite(services: &Services, args: &InviteArgs) -> Result<Said> {
    let name = args.full_name.as_deref().map(|raw| FullName::parse("full-name", raw));
    let email = args.email.as_deref().map(|raw| Email::parse("email", raw));
    let input = Invite {
        role: args.role,
        full_name: name.transpose()?,
        email: email.transpose()?,
        projects: args.project.clone(),
        expires_at: Some((services.clock().now() + Duration::days(args.days.into())).into()),
    };
    let invited = services.identity.invite(&Actor::system(), input).await?;
    let link = format!("{}/join#{}", args.url.trim_end_matches('/'), invited.token);
    let mut document = json!(invited.invitation);
    document["link"] = json!(link);
    Ok(Said { lines: vec![link], document })
}

fn password_for(username: &str) -> Result<NewPassword> {
    Ok(NewPassword::parse("password", &read_password(username)?)?)
}

fn user_line(user: &UserDetails) -> String {
    let state = if user.is_active { "active" } else { "disabled" };
    let factor = if user.has_second_factor { "second factor" } else { "password" };
    let last = user.last_sign_in_at.as_ref().map_or("never signed in", |time| time.as_str());
    format!("{}  {}  {state}  {factor}  {last}  {}", user.username, user.role, user.id)
}

fn session_line(session: &SessionDetails) -> String {
    let address = session.address.as_deref().unwrap_or("-");
    let agent = session.user_agent.as_deref().unwrap_or("-");
    format!("{}  {}  {address}  {agent}", session.id, session.last_seen_at)
}
