//! The command line of the commands about people.

use clap::{Args, Subcommand};
use pilotdeck_domain::identity::{ProjectGrant, ProjectRole, Role};

use super::DatabaseArgs;

/// Commands about people. A server may be running: what they change counts from its next request on.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// List everybody who can sign in, or could
    List(ListArgs),
    /// Add a person; the password is read from the terminal or from standard input
    Add(AddArgs),
    /// Change what a person may
    SetRole(SetRoleArgs),
    /// Keep a person from signing in, and end all their sessions and keys
    Disable(PersonArgs),
    /// Let a person sign in again
    Enable(PersonArgs),
    /// Replace a password, read from the terminal or from standard input, and end all sessions of the person
    SetPassword(SetPasswordArgs),
    /// Take the second factor of a person away who lost it
    ResetSecondFactor(PersonArgs),
    /// Make a link with which somebody joins, once
    Invite(InviteArgs),
    /// List where a person is signed in
    Sessions(PersonArgs),
    /// End all sessions of a person
    EndSessions(PersonArgs),
    /// List keys
    Keys(KeysArgs),
    /// Revoke a key
    RevokeKey(RevokeKeyArgs),
}

/// How to print.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which person.
#[derive(Args)]
pub(crate) struct PersonArgs {
    /// The name that the person signs in with
    pub(crate) username: String,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

/// Whose password.
#[derive(Args)]
pub(crate) struct SetPasswordArgs {
    /// The name that the person signs in with
    #[arg(default_value = "admin")]
    pub(crate) username: String,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

/// Whom to add.
#[derive(Args)]
pub(crate) struct AddArgs {
    /// The name that the person is to sign in with
    pub(crate) username: String,
    /// admin, member or viewer
    #[arg(long, default_value = "member", value_parser = role)]
    pub(crate) role: Role,
    /// What the person is called
    #[arg(long, value_name = "NAME")]
    pub(crate) full_name: Option<String>,
    /// Where to write to the person
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

/// What a person is to be.
#[derive(Args)]
pub(crate) struct SetRoleArgs {
    /// The name that the person signs in with
    pub(crate) username: String,
    /// admin, member or viewer
    #[arg(value_parser = role)]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

/// Whom to invite.
#[derive(Args)]
pub(crate) struct InviteArgs {
    /// admin, member or viewer
    #[arg(long, default_value = "member", value_parser = role)]
    pub(crate) role: Role,
    /// What the person is called
    #[arg(long, value_name = "NAME")]
    pub(crate) full_name: Option<String>,
    /// Where to write to the person; nothing is sent
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// A project, and what the person becomes there: owner, editor or viewer. May be given several times
    #[arg(long, value_name = "ID=ROLE", value_parser = grant)]
    pub(crate) project: Vec<ProjectGrant>,
    /// How many days the link is good for
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=30))]
    pub(crate) days: u16,
    /// The address of the server, to print a whole link
    #[arg(long, value_name = "URL", default_value = "")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

/// Whose keys.
#[derive(Args)]
pub(crate) struct KeysArgs {
    /// The name that the owner signs in with [default: everybody's keys]
    pub(crate) username: Option<String>,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

/// Which key.
#[derive(Args)]
pub(crate) struct RevokeKeyArgs {
    /// The id of the key, as `keys` lists it
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) to: ListArgs,
}

fn role(raw: &str) -> Result<Role, &'static str> {
    Role::from_word(raw).ok_or("must be admin, member or viewer")
}

fn grant(raw: &str) -> Result<ProjectGrant, &'static str> {
    let (project, role) = raw.rsplit_once('=').ok_or("must be a project and a role: ID=ROLE")?;
    let role = ProjectRole::from_word(role).ok_or("the role must be owner, editor or viewer")?;
    Ok(ProjectGrant { project_id: project.to_owned(), role })
}
