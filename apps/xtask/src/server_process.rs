//! A server as a child process: ready when it says where it listens, gone when its owner is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::programs;

/// Long enough for a debug build on a busy machine.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// The server promises to end within ten seconds; the rest is for a busy machine.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);
/// How often it is looked at; nothing tells when a file has a new line.
const LOOK: Duration = Duration::from_millis(1);
const LINES_SHOWN: usize = 40;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    base_url: String,
    log: PathBuf,
}

/// A call of the server on a database file and a free port of the loopback, untouched by the settings of whoever calls.
#[must_use]
pub fn serve(program: &Path, database: &Path) -> Command {
    let mut command = Command::new(program);
    programs::without_settings(&mut command);
    command.args(["serve", "--bind", "127.0.0.1", "--port", "0", "--db"]).arg(database);
    command
}

impl ServerProcess {
    /// Starts a server and waits for the line, on either output, that says `listening on http://…`.
    ///
    /// What the server prints goes to the file `log`, directly, as a user's would: reading it along would take time from
    /// what is measured.
    ///
    /// # Errors
    ///
    /// If it cannot be started, ends before it listens (the message holds what it printed), or says nothing for a minute.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cannot_write = || format!("cannot write {}", log.display());
        // Emptied first and then appended to by both outputs, each where the other one ended.
        File::create(log).with_context(cannot_write)?;
        let output = || File::options().append(true).open(log).with_context(cannot_write);
        let child = command
            .stdin(Stdio::null())
            .stdout(output()?)
            .stderr(output()?)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let mut server = Self { child, base_url: String::new(), log: log.to_owned() };
        let started = Instant::now();
        loop {
            let has_ended = server.child.try_wait()?.is_some();
            if let Some(base_url) = server.printed().lines().find_map(announced) {
                base_url.clone_into(&mut server.base_url);
                return Ok(server);
            }
            if has_ended {
                return Err(server.failure(&format!("{program} ended before it listened")));
            }
            if started.elapsed() > READY_WITHIN {
                return Err(server.failure(&format!(
                    "{program} did not say `listening on http://…` within a minute"
                )));
            }
            thread::sleep(LOOK);
        }
    }

    /// Where it listens, such as `http://127.0.0.1:8689`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal, such as `TERM`.
    ///
    /// # Errors
    ///
    /// If it is not there to be told.
    pub fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id();
        programs::run(Command::new("sh").args(["-c", &format!("kill -s {name} {id}")]))
    }

    /// Asks it to stop and waits until it did, so that its database file is complete.
    ///
    /// # Errors
    ///
    /// If it does not stop in time, or fails while it does.
    pub fn stop(mut self) -> Result<()> {
        self.signal("TERM")?;
        let told = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if told.elapsed() > STOPPED_WITHIN {
                bail!(self.failure("the server did not stop when it was asked to"));
            }
            thread::sleep(LOOK);
        };
        if status.success() {
            Ok(())
        } else {
            Err(self.failure(&format!("the server stopped with {status}")))
        }
    }

    /// An error with the last lines that the server printed.
    #[must_use]
    pub fn failure(&self, what: &str) -> anyhow::Error {
        let printed = self.printed();
        let lines: Vec<&str> = printed.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
        anyhow!("{what}; the last lines it printed:\n{last}")
    }

    fn printed(&self) -> String {
        let raw = std::fs::read(&self.log).unwrap_or_default();
        programs::without_colours(&String::from_utf8_lossy(&raw))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line that announces one.
fn announced(line: &str) -> Option<&str> {
    const SCHEME: &str = "http://";
    let (_, address) = line.split_once("listening on ")?;
    let host = address.strip_prefix(SCHEME)?;
    let length = host
        .find(|c: char| !(c.is_ascii_alphanumeric() || "[]:.-".contains(c)))
        .unwrap_or(host.len());
    Some(&address[..SCHEME.len() + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_plain_and_from_json_lines() {
        assert_eq!(announced("listening on http://127.0.0.1:8689"), Some("http://127.0.0.1:8689"));
        assert_eq!(announced("INFO listening on http://[::1]:1/ (open)"), Some("http://[::1]:1"));
        assert_eq!(
            announced(r#"{"message":"listening on http://127.0.0.1:9"}"#),
            Some("http://127.0.0.1:9")
        );
        assert_eq!(announced("connecting to http://127.0.0.1:9"), None);
    }

    #[test]
    fn a_server_is_ready_when_it_says_so_and_stops_when_asked() {
        let script = "trap 'kill $!; exit 0' TERM; tail -f /dev/null >/dev/null 2>&1 & \
                      echo listening on http://127.0.0.1:9 >&2; wait";
        let log = log_file("stops");

        let server = ServerProcess::start(Command::new("sh").args(["-c", script]), &log).unwrap();

        assert_eq!(server.base_url(), "http://127.0.0.1:9");
        server.stop().unwrap();
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_server_that_ends_early_is_an_error_with_its_last_words() {
        let log = log_file("early");

        let error = ServerProcess::start(
            Command::new("sh").args(["-c", "echo no such file >&2; exit 1"]),
            &log,
        );

        assert!(error.unwrap_err().to_string().contains("no such file"));
        std::fs::remove_file(log).unwrap();
    }

    fn log_file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{name}-{}.log", std::process::id()))
    }
}
