//! Tools that the tasks need and that a fresh machine lacks: installed once, below the target folder, at fixed versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::programs;
use xtask::workspace::Workspace;

const CARGO_CYCLONEDX: &str = "0.5.9";
const CARGO_DEB: &str = "3.8.0";
const CARGO_DENY: &str = "0.20.2";
const SCHEMATHESIS: &str = "4.32.5";
const NODE_MAJOR: u32 = 20;
/// Where Debian puts it.
const CHROMIUM: &str = "/usr/bin/chromium";

/// The program of cargo-cyclonedx, which lists what the server is made of.
pub(crate) fn cargo_cyclonedx(workspace: &Workspace) -> Result<PathBuf> {
    cargo_tool(workspace, "cargo-cyclonedx", CARGO_CYCLONEDX, &["cyclonedx", "--version"])
}

/// The program of cargo-deb, which makes Debian packages.
pub(crate) fn cargo_deb(workspace: &Workspace) -> Result<PathBuf> {
    cargo_tool(workspace, "cargo-deb", CARGO_DEB, &["--version"])
}

/// The program of cargo-deny.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    cargo_tool(workspace, "cargo-deny", CARGO_DENY, &["--version"])
}

/// A program from crates.io, which says its version when it is asked with `asked`.
fn cargo_tool(workspace: &Workspace, name: &str, version: &str, asked: &[&str]) -> Result<PathBuf> {
    let root = workspace.tools();
    let program = root.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !is_version(Command::new(&program).args(asked), version) {
        // A folder of its own, removed at once: its hundreds of packages would fill the disk beside ours.
        let build = root.join("build");
        let install = ["install", name, "--version", version, "--locked", "--debug", "--force"];
        programs::run(
            workspace.cargo(&install).arg("--root").arg(&root).arg("--target-dir").arg(&build),
        )?;
        std::fs::remove_dir_all(&build)
            .with_context(|| format!("cannot remove {}", build.display()))?;
    }
    Ok(program)
}

/// The program `st` of schemathesis, in a Python environment of its own.
pub(crate) fn schemathesis(workspace: &Workspace) -> Result<PathBuf> {
    let environment = workspace.tools().join("schemathesis");
    let program = environment.join("bin").join("st");
    if !is_version(Command::new(&program).arg("--version"), SCHEMATHESIS) {
        let create = || {
            let mut command = Command::new("python3");
            command.args(["-m", "venv", "--clear"]).arg(&environment);
            command
        };
        if !programs::succeeds(&mut create()) {
            install_packages(
                &["python3-venv"],
                "schemathesis needs Python 3 with its `venv` module",
            )?;
            programs::run(&mut create())?;
        }
        let requirement = format!("schemathesis=={SCHEMATHESIS}");
        programs::run(
            Command::new(environment.join("bin").join("python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg(requirement),
        )?;
    }
    Ok(program)
}

/// Makes sure that `node` and `npm` are there and new enough.
pub(crate) fn ensure_node() -> Result<()> {
    if node_major().is_none() || !programs::succeeds(Command::new("npm").arg("--version")) {
        install_packages(
            &["nodejs", "npm"],
            "the web console and the generated client need Node.js with npm",
        )?;
    }
    let major = node_major().unwrap_or(0);
    ensure!(major >= NODE_MAJOR, "Node.js {NODE_MAJOR} or newer is needed; this one is {major}");
    Ok(())
}

/// The browser that the web console is tested in: the one that `CHROMIUM` names, or the system's.
pub(crate) fn chromium() -> Result<PathBuf> {
    let starts = |program: &Path| programs::succeeds(Command::new(program).arg("--version"));
    let named = std::env::vars_os().find(|(name, value)| name == "CHROMIUM" && !value.is_empty());
    if let Some((_, program)) = named {
        let program = PathBuf::from(program);
        ensure!(starts(&program), "CHROMIUM names {}, which cannot be started", program.display());
        return Ok(program);
    }
    let program = PathBuf::from(CHROMIUM);
    if !starts(&program) {
        install_packages(
            &["chromium"],
            "the web console is tested in Chromium (the variable CHROMIUM names one that is elsewhere)",
        )?;
        ensure!(starts(&program), "{CHROMIUM} cannot be started");
    }
    Ok(program)
}

/// Whether this task may do everything on this machine.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether cargo-nextest is there; the tests run without it, only slower.
pub(crate) fn has_nextest() -> bool {
    programs::succeeds(Command::new("cargo").args(["nextest", "--version"]))
}

fn node_major() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn is_version(asked: &mut Command, version: &str) -> bool {
    let Ok(output) = asked.output() else { return false };
    String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == version)
}

/// Installs packages of the operating system where that needs no question: as root, with apt.
pub(crate) fn install_packages(packages: &[&str], why: &str) -> Result<()> {
    if !is_root() || !programs::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{why}; install it, for example the package(s) {}", packages.join(", "));
    }
    programs::run(Command::new("apt-get").arg("update").arg("--quiet"))?;
    programs::run(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "--quiet", "--yes", "--no-install-recommends"])
            .args(packages),
    )
}
