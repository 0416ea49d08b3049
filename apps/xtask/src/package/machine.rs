//! A small Debian in a folder: what a package is tried on. Nothing of it runs but what is called, and systemd does not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::programs;
use xtask::workspace::Workspace;

use crate::tools;

const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// The Debian, fresh at every start.
pub(super) struct Machine {
    root: PathBuf,
}

/// What of a service file decides how its program is called.
pub(super) struct Unit {
    user: String,
    group: String,
    folder: String,
    variables: Vec<String>,
    command: Vec<String>,
}

/// Why there can be no such Debian here, if there cannot.
pub(super) fn objection() -> Option<&'static str> {
    if !tools::is_root() {
        return Some("only root can make one Debian inside of another");
    }
    let is_there = || programs::succeeds(Command::new("debootstrap").arg("--version"));
    let why = "the package is tried in a Debian that debootstrap makes";
    if !is_there() && (tools::install_packages(&["debootstrap"], why).is_err() || !is_there()) {
        return Some("debootstrap is not here and cannot be installed");
    }
    None
}

impl Machine {
    /// Makes it from the packages that this machine itself gets: the base once, a copy of it every time.
    pub(super) fn start(workspace: &Workspace) -> Result<Self> {
        let (mirror, release) = source()?;
        let base = workspace.tools().join(format!("debian-{release}"));
        if !base.exists() {
            println!("Making a Debian to try the package on …");
            let unfinished = workspace.scratch("debian")?;
            let mut make = Command::new("debootstrap");
            make.args(["--variant=minbase", "--include=adduser", &release]);
            programs::run(make.arg(&unfinished).arg(mirror))?;
            fs::create_dir_all(workspace.tools())?;
            fs::rename(&unfinished, &base)?;
        }
        let root = workspace.scratch("package")?.join("machine");
        programs::run(Command::new("cp").arg("--archive").arg(base).arg(&root))?;
        Ok(Self { root })
    }

    /// Where a path of it is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether something is at a path of it.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The text of a file.
    pub(super) fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.path(path)).with_context(|| format!("cannot read {path}"))
    }

    /// A call of a program in it, as its root.
    pub(super) fn call(&self, words: &[&str]) -> Command {
        let mut command = self.enter();
        command.arg(&self.root).args(["env", "-i", PATH, "LC_ALL=C.UTF-8"]);
        command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
        command
    }

    /// A call of the program of a unit, with further words after its own.
    pub(super) fn call_of(&self, unit: &Unit, words: &[&str]) -> Command {
        let mut command = self.enter();
        command.arg(format!("--userspec={}:{}", unit.user, unit.group)).arg(&self.root);
        command.args(["env", "-i", &format!("--chdir={}", unit.folder), PATH]);
        command.args(&unit.variables).args(&unit.command).args(words);
        command
    }

    /// The way in, with a `/proc` that is gone when the call ends.
    fn enter(&self) -> Command {
        let mut mount = OsString::from("--mount-proc=");
        mount.push(self.root.join("proc"));
        let mut command = Command::new("unshare");
        command.arg(mount).arg("chroot");
        command
    }

    /// Hands a package to it and installs it, or puts it in the place of an older one.
    pub(super) fn install(&self, package: &Path) -> Result<()> {
        let name = package.file_name().context("a package has a name")?.to_string_lossy();
        let inside = format!("/tmp/{name}");
        fs::copy(package, self.path(&inside))?;
        programs::run(&mut self.call(&["dpkg", "--install", &inside]))?;
        fs::remove_file(self.path(&inside))?;
        Ok(())
    }

    /// A unit as its file and the files of variables that it names say now.
    pub(super) fn unit(&self, name: &str) -> Result<Unit> {
        let text = self.read(&format!("/usr/lib/systemd/system/{name}"))?;
        let value = |key: &str| values(&text, key).next().unwrap_or_default().to_owned();
        let mut variables: Vec<String> = values(&text, "Environment").map(str::to_owned).collect();
        for file in values(&text, "EnvironmentFile") {
            let settings = self.read(file.trim_start_matches('-'))?;
            let set = settings.lines().map(str::trim);
            variables.extend(set.filter(|line| is_setting(line)).map(str::to_owned));
        }
        let unit = Unit {
            user: value("User"),
            group: value("Group"),
            folder: value("WorkingDirectory"),
            variables,
            command: value("ExecStart").split(' ').map(str::to_owned).collect(),
        };
        ensure!(!unit.user.is_empty() && !unit.folder.is_empty(), "{name} names no user or folder");
        Ok(unit)
    }

    /// All its files and folders, but those in which programs of Debian keep books.
    pub(super) fn files(&self) -> Result<BTreeSet<String>> {
        let mut find = Command::new("find");
        let listed = programs::read(find.arg(&self.root).args(["-xdev", "-printf", "/%P\n"]))?;
        let books = ["/run/", "/var/lib/dpkg/", "/var/cache/", "/var/log/"];
        let kept =
            |file: &&str| !books.iter().any(|book| file.starts_with(book)) && !file.ends_with('-');
        Ok(listed.lines().filter(kept).map(str::to_owned).collect())
    }
}

/// The address of the Debian that this machine gets its packages from, and the name of that Debian.
fn source() -> Result<(String, String)> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE) $(RELEASE)"]);
    command.args(["Created-By: Packages", "Label: Debian", "Component: main"]);
    let listed = programs::read(&mut command)?;
    let sources = listed.lines().filter_map(|line| line.split_once(' '));
    // Updates of a release are sources of their own, such as `bookworm-updates`.
    let mut releases = sources.filter(|(_, release)| !release.contains('-'));
    let (mirror, release) = releases.next().context("apt knows no Debian to take packages from")?;
    Ok((mirror.to_owned(), release.to_owned()))
}

fn values<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(move |(name, _)| *name == key).map(|(_, value)| value)
}

fn is_setting(line: &str) -> bool {
    !line.starts_with('#') && line.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_unit_are_read_by_their_whole_name() {
        let text = "[Service]\nEnvironment=A=1\nEnvironmentFile=-/etc/a.env\nEnvironment=B=2\n";

        assert_eq!(values(text, "Environment").collect::<Vec<_>>(), ["A=1", "B=2"]);
        assert_eq!(values(text, "EnvironmentFile").collect::<Vec<_>>(), ["-/etc/a.env"]);
        assert!(is_setting("PM_PORT=1") && !is_setting("#PM_PORT=1") && !is_setting(""));
    }
}
