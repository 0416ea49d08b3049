//! What each step does.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use xtask::programs;
use xtask::server_process::{ServerProcess, serve};
use xtask::workspace::{Profile, Workspace};

use super::counts::Counts;
use crate::{node, openapi, tools};

/// Tokens of the servers that the steps start; they listen on the loopback, for a minute, on an empty database.
const AGENT_TOKEN: &str = "agent-token-of-the-tests";
const ADMIN_TOKEN: &str = "admin-token-of-the-tests";

pub(super) fn fmt(workspace: &Workspace) -> Result<Counts> {
    programs::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    Ok(Counts::PASSED)
}

pub(super) fn deny(workspace: &Workspace) -> Result<Counts> {
    let mut command = Command::new(tools::cargo_deny(workspace)?);
    command.current_dir(workspace.root());
    // Advisories are left to a scheduled job: they change without a change here, and need a network.
    programs::run(command.args(["--locked", "check", "licenses", "bans", "sources"]))?;
    Ok(Counts::PASSED)
}

pub(super) fn clippy(workspace: &Workspace) -> Result<Counts> {
    programs::run(&mut workspace.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    Ok(Counts::PASSED)
}

pub(super) fn tests(workspace: &Workspace) -> Result<Counts> {
    let mut command = if tools::has_nextest() {
        workspace.cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests", "pass"])
    } else {
        workspace.cargo(&["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    count(coloured(&mut command))
}

pub(super) fn doc(workspace: &Workspace) -> Result<Counts> {
    count(coloured(&mut workspace.cargo(&["test", "--workspace", "--no-fail-fast", "--doc"])))
}

pub(super) fn openapi(workspace: &Workspace) -> Result<Counts> {
    openapi::check(workspace)?;
    Ok(Counts::PASSED)
}

/// What of the web console needs no browser.
pub(super) fn frontend(workspace: &Workspace) -> Result<Counts> {
    let folder = node::frontend(workspace);
    node::install(&folder)?;
    programs::run(&mut node::script(&folder, "check"))?;
    count(&mut node::script(&folder, "test"))
}

/// Walks through the web console that a debug build serves; the walks start servers of their own.
pub(super) fn e2e(workspace: &Workspace) -> Result<Counts> {
    let browser = tools::chromium()?;
    // First the files, then the program that has them.
    node::build_frontend(workspace)?;
    let program = workspace.build_server(Profile::Dev)?;
    let mut walks = node::script(&node::frontend(workspace), "e2e");
    walks.env("PILOTDECK_PROGRAM", program).env("CHROMIUM", browser);
    count(programs::without_settings(&mut walks))
}

/// Generates types from the committed document, compiles one whole flow of an agent with them, and runs it.
pub(super) fn client(workspace: &Workspace) -> Result<Counts> {
    let folder = workspace.root().join("openapi/client-test");
    node::install(&folder)?;
    programs::run(&mut node::script(&folder, "generate"))?;
    programs::run(&mut node::script(&folder, "check"))?;
    let (server, _) = start(workspace, "client")?;
    let mut flow = node::script(&folder, "flow");
    flow.env("BASE_URL", server.base_url()).env("AGENT_TOKEN", AGENT_TOKEN);
    let counts = count(&mut flow)?;
    if counts.failed > 0 {
        println!("{}", server.failure("the flow failed"));
        return Ok(counts);
    }
    server.stop()?;
    Ok(counts)
}

/// Asks the server whatever its document allows, and much that it does not.
pub(super) fn schemathesis(workspace: &Workspace) -> Result<Counts> {
    let program = tools::schemathesis(workspace)?;
    let (server, folder) = start(workspace, "schemathesis")?;
    let mut command = Command::new(program);
    // What it remembers between runs is written to the folder that it runs in.
    command.current_dir(folder);
    let settings = workspace.root().join("openapi");
    command.arg("--config-file").arg(settings.join("schemathesis.toml"));
    command.arg("run").arg(format!("{}/api/openapi.json", server.base_url()));
    command
        .env("HOOKS", settings.join("schemathesis_hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("BASE_URL", server.base_url())
        .env("AGENT_TOKEN", AGENT_TOKEN)
        .env("ADMIN_TOKEN", ADMIN_TOKEN);
    let watched = programs::watch(&mut command)?;
    ensure!(watched.success, server.failure("schemathesis found failures, see above"));
    server.stop()?;
    Ok(Counts::PASSED)
}

/// A debug build of the server on a new database, with both tokens set, and the folder that holds both.
fn start(workspace: &Workspace, step: &str) -> Result<(ServerProcess, PathBuf)> {
    let program = workspace.build_server(Profile::Dev)?;
    let folder = workspace.scratch(step)?;
    let mut command = serve(&program, &folder.join("pm.db"));
    command.env("PM_AGENT_TOKEN", AGENT_TOKEN).env("PM_ADMIN_TOKEN", ADMIN_TOKEN);
    let server = ServerProcess::start(&mut command, &folder.join("server.log"))?;
    Ok((server, folder))
}

fn count(command: &mut Command) -> Result<Counts> {
    let watched = programs::watch(command)?;
    Ok(Counts::of_run(watched.success, &watched.lines))
}

/// Colours for a person, although the output passes through this program.
fn coloured(command: &mut Command) -> &mut Command {
    let colour = if std::io::stdout().is_terminal() { "always" } else { "never" };
    command.env("CARGO_TERM_COLOR", colour)
}
