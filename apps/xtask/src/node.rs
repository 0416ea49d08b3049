//! Node.js packages of the checkout: the web console, and the client that is generated for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use xtask::programs;
use xtask::workspace::Workspace;

use crate::tools;

/// What lies below the web console's folder and does not go into its build.
const NOT_BUILT: [&str; 5] = ["dist", "e2e", "node_modules", "playwright-report", "test-results"];
/// How files are called that do not either, wherever they lie.
const ENDINGS: [&str; 2] = [".d.ts", ".tsbuildinfo"];

/// Where the web console lies.
pub(crate) fn frontend(workspace: &Workspace) -> PathBuf {
    workspace.root().join("frontend")
}

/// Builds the web console, which the server embeds, if this checkout has one and it is not built already.
pub(crate) fn build_frontend(workspace: &Workspace) -> Result<()> {
    let folder = frontend(workspace);
    if !folder.join("package.json").exists() {
        return Ok(());
    }
    if is_built(&folder, &workspace.root().join("openapi/openapi.json"))? {
        println!("The web console is built already: nothing below frontend/ has changed.");
        return Ok(());
    }
    install(&folder)?;
    println!("Building the web console …");
    programs::run(&mut script(&folder, "build"))
}

/// Installs the locked packages of a folder, unless what is installed is as new as the lock.
pub(crate) fn install(folder: &Path) -> Result<()> {
    tools::ensure_node()?;
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < modified(&folder.join("package-lock.json")) {
        let name = folder.file_name().unwrap_or_default();
        println!("Installing the packages of {} (npm ci) …", name.display());
        programs::run(&mut npm(folder, &["ci", "--no-audit", "--no-fund"]))?;
    }
    Ok(())
}

/// A call of a script that the folder's `package.json` defines.
pub(crate) fn script(folder: &Path, name: &str) -> Command {
    npm(folder, &["run", "--silent", name])
}

/// A call of npm in a folder.
pub(crate) fn npm(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    // The browser of the tests is the system's.
    command.current_dir(folder).args(arguments).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    command
}

/// Whether nothing that goes into the web console is newer than its page.
fn is_built(folder: &Path, document: &Path) -> Result<bool> {
    let Some(built) = modified(&folder.join("dist/index.html")) else { return Ok(false) };
    Ok(modified(document) <= Some(built) && !has_newer(folder, built, &NOT_BUILT)?)
}

/// Whether something in a folder is newer than `time`. A folder is as new as the last thing that came or went.
fn has_newer(folder: &Path, time: SystemTime, except: &[&str]) -> Result<bool> {
    let cannot_read = || format!("cannot read {}", folder.display());
    for entry in folder.read_dir().with_context(cannot_read)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Types are gone from what is built, and some are written by the build; what is hidden belongs to tools.
        let is_by_the_way = name.starts_with('.') || ENDINGS.iter().any(|end| name.ends_with(end));
        if is_by_the_way || except.contains(&&*name) {
            continue;
        }
        let path = entry.path();
        if modified(&path) > Some(time) || path.is_dir() && has_newer(&path, time, &[])? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    struct Checkout(PathBuf);

    impl Checkout {
        /// A checkout whose files are an hour old, and whose web console was built half an hour ago.
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            let checkout = Self(root);
            for path in ["openapi.json", "frontend/package.json", "frontend/src/app/App.vue"] {
                checkout.write(path, 60);
            }
            checkout.write("frontend/dist/index.html", 30);
            for folder in ["frontend/src/app", "frontend/src", "frontend"] {
                checkout.date(folder, 60);
            }
            checkout
        }

        fn write(&self, path: &str, minutes_ago: u64) {
            let file = self.0.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            self.date(path, minutes_ago);
        }

        fn date(&self, path: &str, minutes_ago: u64) {
            let time = SystemTime::now() - Duration::from_mins(minutes_ago);
            File::open(self.0.join(path)).unwrap().set_modified(time).unwrap();
        }

        fn is_built(&self) -> bool {
            is_built(&self.0.join("frontend"), &self.0.join("openapi.json")).unwrap()
        }
    }

    impl Drop for Checkout {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_console_is_built_again_when_a_source_or_the_document_is_newer() {
        for path in [
            "openapi.json",
            "frontend/package-lock.json",
            "frontend/index.html",
            "frontend/src/app/App.vue",
        ] {
            let checkout = Checkout::new("newer");
            assert!(checkout.is_built());

            checkout.write(path, 10);
            assert!(!checkout.is_built(), "{path}");
        }
    }

    #[test]
    fn a_console_is_built_again_when_a_source_is_gone() {
        let checkout = Checkout::new("gone");

        fs::remove_file(checkout.0.join("frontend/src/app/App.vue")).unwrap();

        assert!(!checkout.is_built());
    }

    #[test]
    fn a_console_is_not_built_again_for_what_is_no_source_of_it() {
        let checkout = Checkout::new("others");

        for path in [
            "frontend/node_modules/vue/index.js",
            "frontend/dist/assets/index.js",
            "frontend/e2e/shell.spec.ts",
            "frontend/test-results/shell/trace.zip",
            "frontend/components.d.ts",
            "frontend/tsconfig.app.tsbuildinfo",
            "frontend/.nuxt-ui/ui.css",
        ] {
            checkout.write(path, 10);
        }

        assert!(checkout.is_built());
    }

    #[test]
    fn a_console_without_a_page_is_not_built() {
        let checkout = Checkout::new("unbuilt");

        fs::remove_dir_all(checkout.0.join("frontend/dist")).unwrap();

        assert!(!checkout.is_built());
    }
}
