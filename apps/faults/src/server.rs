//! The server of the campaign: started, killed, and started again on the same file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use xtask::programs;
use xtask::server_process::{ServerProcess, serve};

/// Where the server and its files are.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) program: PathBuf,
    pub(crate) database: PathBuf,
    log: PathBuf,
}

impl Site {
    pub(crate) fn new(program: &Path, folder: &Path) -> Self {
        let (program, database) = (program.to_owned(), folder.join("pm.db"));
        Self { program, database, log: folder.join("server.log") }
    }

    /// The same, with the log beside the folder: a disk that is full takes no line that says where the server listens.
    pub(crate) fn logging_beside(&self) -> Self {
        let folder = self.database.parent().unwrap_or(Path::new("."));
        Self { log: folder.with_added_extension("log"), ..self.clone() }
    }

    /// Starts the server and says how long it took until it listened.
    pub(crate) fn start(&self) -> Result<(ServerProcess, Duration)> {
        let started = Instant::now();
        let server = ServerProcess::start(&mut serve(&self.program, &self.database), &self.log)?;
        Ok((server, started.elapsed()))
    }

    /// Starts the server and kills it after some time, wherever it is then.
    pub(crate) fn start_and_kill(&self, after: Duration) -> Result<()> {
        let mut child = serve(&self.program, &self.database)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the server cannot be started")?;
        thread::sleep(after);
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Has the server's own command verify the ledger and the file; returns what it says.
    pub(crate) fn verify(&self) -> Result<String> {
        let mut command = Command::new(&self.program);
        programs::read(command.args(["ledger", "verify", "--db"]).arg(&self.database))
    }
}
