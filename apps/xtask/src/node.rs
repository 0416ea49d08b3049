//! Node.js packages of the checkout: the web console, and the client that is generated for the tests.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use xtask::programs;
use xtask::workspace::Workspace;

use crate::tools;

/// Builds the web console, which the server embeds, if this checkout has one.
pub(crate) fn build_frontend(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root().join("frontend");
    if !folder.join("package.json").exists() {
        return Ok(());
    }
    install(&folder)?;
    programs::run(&mut script(&folder, "build"))
}

/// Installs the locked packages of a folder, unless what is installed is as new as the lock.
pub(crate) fn install(folder: &Path) -> Result<()> {
    tools::ensure_node()?;
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < modified(&folder.join("package-lock.json")) {
        programs::run(&mut npm(folder, &["ci", "--no-audit", "--no-fund"]))?;
    }
    Ok(())
}

/// A call of a script that the folder's `package.json` defines.
pub(crate) fn script(folder: &Path, name: &str) -> Command {
    npm(folder, &["run", "--silent", name])
}

fn npm(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(folder).args(arguments);
    command
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().ok()?.modified().ok()
}
