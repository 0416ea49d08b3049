//! `cargo xtask package`: the Debian package, lists of what it is made of, and digests of them all.

mod deb;
mod machine;
mod parts;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use xtask::programs;
use xtask::workspace::{Profile, Workspace};

use crate::node;
use deb::Pressing;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Install the package in a Debian of its own below the target folder, use it, upgrade, remove and purge it. Needs
    /// root and debootstrap; where they are missing, it says so and leaves it out.
    #[arg(long = "try")]
    tries: bool,
    /// Take the release build that is there.
    #[arg(long)]
    no_build: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    ensure!(
        programs::succeeds(Command::new("dpkg-deb").arg("--version")),
        "a Debian package is made on Debian or what is made of it: dpkg-deb is not here"
    );
    let program = if arguments.no_build {
        let program = workspace.built(Profile::Release).join("pilotdeck");
        ensure!(program.exists(), "{} is not there: leave out --no-build", program.display());
        program
    } else {
        node::build_frontend(workspace)?;
        workspace.build_server(Profile::Release)?
    };
    let products = workspace.products("package")?;
    let version = version(&program)?;
    deb::stage(workspace, &program, &version)?;
    let package = deb::build(workspace, &products, &version, Pressing::Small)?;
    parts::list_crates(workspace, &products.join(format!("pilotdeck_{version}.cdx.json")))?;
    parts::list_packages(workspace, &products.join(format!("console_{version}.cdx.json")))?;
    write_digests(&products)?;
    if arguments.tries {
        trial::run(workspace, &package, &version)?;
    }
    println!("\nThe package and what belongs to it are in {}", products.display());
    Ok(ExitCode::SUCCESS)
}

/// The version that a program says it has.
fn version(program: &Path) -> Result<String> {
    let says = programs::read(Command::new(program).arg("--version"))?;
    let version = says.split_whitespace().nth(1);
    Ok(version.context("the program does not say its version")?.to_owned())
}

/// Writes the SHA-256 of every file beside them.
fn write_digests(products: &Path) -> Result<()> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(products)? {
        names.push(entry?.file_name().into());
    }
    names.sort();
    let digests =
        programs::read(Command::new("sha256sum").current_dir(products).arg("--").args(names))?;
    fs::write(products.join("SHA256SUMS"), digests).context("cannot write SHA256SUMS")
}
