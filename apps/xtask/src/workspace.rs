//! Where things are in the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::programs;

/// The checkout that this program was built from, and where its build results go.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

/// How much the compiler optimizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build, with debug assertions.
    Dev,
    /// What users run.
    Release,
}

impl Workspace {
    /// Finds the checkout.
    ///
    /// # Errors
    ///
    /// If this program does not lie in a target folder of cargo.
    pub fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("the crate lies in apps/ of the checkout")?;
        // Cargo put this program at <target>/<profile>/xtask; that spares asking for the settings that moved <target>.
        let program = std::env::current_exe()?;
        let target =
            program.ancestors().nth(2).context("this program does not lie in a target folder")?;
        Ok(Self { root: root.to_owned(), target: target.to_owned() })
    }

    /// The folder that holds the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a program of the workspace is put when it is built.
    #[must_use]
    pub fn built(&self, profile: Profile) -> PathBuf {
        self.target.join(match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        })
    }

    /// The folder for what is made for others, emptied.
    ///
    /// # Errors
    ///
    /// If the folder cannot be emptied or made.
    pub fn products(&self, name: &str) -> Result<PathBuf> {
        emptied(self.target.join(name))
    }

    /// The folder for tools that the tasks install for themselves.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// A fresh, empty folder for one task, replacing what an earlier run left.
    ///
    /// # Errors
    ///
    /// If the folder cannot be emptied or made.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        emptied(self.target.join("scratch").join(name))
    }

    /// A call of cargo at the root of the workspace.
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// Builds one program of the workspace and says where it is.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn build(&self, package: &str, program: &str, profile: Profile) -> Result<PathBuf> {
        let mut command = self.cargo(&["build", "--package", package, "--bin", program]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        programs::run(&mut command)?;
        Ok(self.built(profile).join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
    }

    /// Builds the server and says where its program is.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn build_server(&self, profile: Profile) -> Result<PathBuf> {
        self.build("pilotdeck-server", "pilotdeck", profile)
    }
}

fn emptied(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
