//! What the program is made of, as `CycloneDX` documents: the crates, and the packages of the web console.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::programs;
use xtask::workspace::Workspace;

use crate::{node, tools};

const SPECIFICATION: &str = "1.5";
/// npm itself (`npm sbom`) refuses a tree in which one package asks for another version of its peer than is there.
const CYCLONEDX_NPM: &str = "@cyclonedx/cyclonedx-npm@6.0.1";
/// The name under which cargo-cyclonedx writes, beside the manifest of every member of the workspace.
const BESIDE_MANIFESTS: &str = "xtask-package.cdx";

/// Lists the crates of the server.
pub(super) fn list_crates(workspace: &Workspace, output: &Path) -> Result<()> {
    let mut command = Command::new(tools::cargo_cyclonedx(workspace)?);
    command.current_dir(workspace.root());
    command.args(["cyclonedx", "--manifest-path", "apps/server/Cargo.toml"]);
    command.args(["--format", "json", "--spec-version", SPECIFICATION, "--no-build-deps"]);
    command.args(["--override-filename", BESIDE_MANIFESTS, "--quiet"]);
    let listed = programs::run(&mut command);
    let document = fs::read_to_string(beside(&workspace.root().join("apps/server")));
    for folder in members(workspace)? {
        // Nothing is left in the checkout, whatever happened.
        let _ = fs::remove_file(beside(&folder));
    }
    listed?;
    let document = document.context("cargo-cyclonedx did not write its document")?;
    write(output, &without_root(&document, workspace.root()))
}

/// Lists the packages of the web console.
pub(super) fn list_packages(workspace: &Workspace, output: &Path) -> Result<()> {
    let folder = node::frontend(workspace);
    let mut command = node::npm(&folder, &["exec", "--yes", "--omit=optional", "--package"]);
    command.args([CYCLONEDX_NPM, "--", "cyclonedx-npm", "--package-lock-only", "--omit", "dev"]);
    command.args(["--ignore-npm-errors", "--output-reproducible"]);
    command.args(["--spec-version", SPECIFICATION, "--output-format", "JSON", "--output-file"]);
    let made = command.arg(output).output().context("cannot start npm; is it installed?")?;
    // It repeats on its error output what npm finds wrong with the tree.
    let says = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "the packages of the web console cannot be listed:\n{says}");
    let document =
        fs::read_to_string(output).with_context(|| format!("cannot read {}", output.display()))?;
    write(output, &without_root(&document, workspace.root()))
}

fn write(output: &Path, document: &str) -> Result<()> {
    fs::write(output, document).with_context(|| format!("cannot write {}", output.display()))
}

fn beside(folder: &Path) -> PathBuf {
    folder.join(format!("{BESIDE_MANIFESTS}.json"))
}

fn members(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut members = Vec::new();
    for group in ["apps", "crates"] {
        let group = workspace.root().join(group);
        let cannot_read = || format!("cannot read {}", group.display());
        for entry in group.read_dir().with_context(cannot_read)? {
            members.push(entry.with_context(cannot_read)?.path());
        }
    }
    Ok(members)
}

/// A document without the folder that this checkout happens to be in.
fn without_root(document: &str, root: &Path) -> String {
    document.replace(&*root.to_string_lossy(), "/pilotdeck")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_does_not_say_where_the_checkout_was() {
        let document = r#"{"bom-ref": "path+file:///home/me/checkout/crates/api#0.1.0"}"#;

        let plain = without_root(document, Path::new("/home/me/checkout"));

        assert_eq!(plain, r#"{"bom-ref": "path+file:///pilotdeck/crates/api#0.1.0"}"#);
    }
}
