//! The Debian package. `[package.metadata.deb]` in `apps/server/Cargo.toml` says what is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::programs;
use xtask::workspace::{Profile, Workspace};

use crate::tools;

/// Who answers for the package; as in `apps/server/Cargo.toml`.
const MAINTAINER: &str = "PilotDeck maintainers <maintainers@pilotdeck.invalid>";

/// How much time is taken to make a package small.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressing {
    /// As little as possible.
    Fast,
    /// As much as it takes.
    Small,
}

/// Makes what goes into the package beside the program: manual pages, and the changelog that Debian's tools read.
pub(super) fn stage(workspace: &Workspace, program: &Path, version: &str) -> Result<()> {
    let folder = workspace.built(Profile::Release).join("package");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let manual = folder.join("man");
    fs::create_dir_all(&manual).with_context(|| format!("cannot make {}", manual.display()))?;
    programs::run(Command::new(program).arg("man").arg(&manual))?;
    // The time of the last commit, so that the same source is the same package.
    let time = programs::read(Command::new("git").current_dir(workspace.root()).args([
        "log",
        "-1",
        "--format=%cD",
    ]))?;
    fs::write(folder.join("changelog"), changelog(version, time.trim()))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    // As Debian has them; without their own names and times, which would differ at every build.
    let mut compress = Command::new("gzip");
    programs::run(compress.args(["--best", "--no-name", "--recursive"]).arg(&folder))
}

fn changelog(version: &str, time: &str) -> String {
    format!(
        "pilotdeck ({version}) stable; urgency=medium\n\n  * See CHANGELOG.md in this folder.\n\n -- {MAINTAINER}  {time}\n"
    )
}

/// Packs what is built and staged, and says where the package is.
pub(super) fn build(
    workspace: &Workspace,
    products: &Path,
    version: &str,
    pressing: Pressing,
) -> Result<PathBuf> {
    let mut command = Command::new(tools::cargo_deb(workspace)?);
    command.current_dir(workspace.root());
    command.args(["--package", "pilotdeck-server", "--no-build", "--no-strip", "--locked"]);
    command.args(["--deb-version", version, "--output"]).arg(products);
    if pressing == Pressing::Fast {
        command.arg("--fast");
    }
    programs::run(&mut command)?;
    let architecture = programs::read(Command::new("dpkg").arg("--print-architecture"))?;
    let package = products.join(format!("pilotdeck_{version}_{}.deb", architecture.trim()));
    ensure!(package.exists(), "cargo-deb did not write {}", package.display());
    Ok(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_is_one_that_debian_reads() {
        let text = changelog("1.2.3", "Sat, 21 Nov 2026 23:00:00 +0000");

        assert!(text.starts_with("pilotdeck (1.2.3) stable; urgency=medium\n\n  * "));
        assert!(
            text.ends_with(&format!("\n\n -- {MAINTAINER}  Sat, 21 Nov 2026 23:00:00 +0000\n"))
        );
    }
}
