//! The files about deploy jobs, in the folder of the installation: what runs, what it prints, how it ended.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DeployJob, DeployState, DeployStatus, LOG};

const STATE: &str = "deploy_state.json";
const LOCK: &str = "deploy_run.lock";
/// Lines of the log that are sent, and that may follow a finish mark.
const LAST_LINES: usize = 240;
const MARK_LINES: usize = 800;
/// Bytes of the log that are read for them, and of one line.
const LAST_BYTES: u64 = 1 << 20;
const MAX_LINE_CHARS: usize = 4_000;
/// What a state file may have.
const MAX_STATE_BYTES: u64 = 64 << 10;

/// Where the files about deploy jobs are.
#[derive(Clone, Debug)]
pub struct DeployFiles {
    root: PathBuf,
}

/// The lock of the one job that may run. It is given back when this is dropped, or the process ends.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "open is what it is for")] File);

/// How a job stood when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Running,
    Success,
    Failed,
}

impl State {
    pub(super) const fn into_status(self) -> DeployState {
        match self {
            Self::Running => DeployState::Running,
            Self::Success => DeployState::Success,
            Self::Failed => DeployState::Failed,
        }
    }
}

/// The state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) job_id: String,
    pub(super) unit: String,
    #[serde(default)]
    pub(super) pid: Option<u32>,
    pub(super) method: String,
    pub(super) state: State,
    pub(super) started_at: String,
    #[serde(default)]
    pub(super) start_error: Option<String>,
    pub(super) updated_at: String,
    #[serde(default)]
    pub(super) exit_code: Option<i32>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

impl Record {
    pub(super) fn new(job_id: &str, now: &str) -> Self {
        Self {
            job_id: job_id.to_owned(),
            unit: format!("pilotdeck-deploy-{job_id}"),
            pid: None,
            method: "popen".to_owned(),
            state: State::Running,
            started_at: now.to_owned(),
            start_error: None,
            updated_at: now.to_owned(),
            exit_code: None,
            message: None,
        }
    }

    pub(super) fn end(&mut self, state: State, exit_code: Option<i32>, message: Option<String>) {
        (self.state, self.exit_code, self.message) = (state, exit_code, message);
    }

    pub(super) fn job(&self) -> DeployJob {
        DeployJob {
            job_id: self.job_id.clone(),
            unit: self.unit.clone(),
            pid: self.pid,
            method: self.method.clone(),
            log_file: LOG,
        }
    }

    pub(super) fn status(self) -> DeployStatus {
        DeployStatus {
            state: self.state.into_status(),
            job: Some(self.job()),
            exit_code: self.exit_code,
            message: self.message.or(self.start_error),
            started_at: Some(self.started_at),
            updated_at: Some(self.updated_at),
        }
    }
}

impl DeployFiles {
    /// The files in this folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log, to be written at its end.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn log(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(self.root.join(LOG))
    }

    /// Writes how a job ended.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn mark_finish(&self, job_id: &str, exit_code: i32) -> io::Result<()> {
        let mut log = self.log()?;
        writeln!(log, "Deploy finished jobId={job_id} (exit={exit_code})")?;
        log.sync_all()
    }

    /// Takes the lock for a job; none if another one has it.
    ///
    /// # Errors
    ///
    /// If there can be no lock.
    pub fn hold(&self, job_id: &str, pid: u32) -> io::Result<Option<Held>> {
        let Some(mut file) = self.try_lock()? else { return Ok(None) };
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{job_id} {pid}")?;
        Ok(Some(Held(file)))
    }

    /// Whether a job runs.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        if !self.root.join(LOCK).exists() {
            return Ok(false);
        }
        Ok(self.try_lock()?.is_none())
    }

    /// The job that took the lock last, and the process that did.
    pub(super) fn holder(&self) -> Option<(String, u32)> {
        let text = fs::read_to_string(self.root.join(LOCK)).ok()?;
        let (job_id, pid) = text.trim().split_once(' ')?;
        Some((job_id.to_owned(), pid.parse().ok()?))
    }

    fn try_lock(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.root.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The state file; none if there is none that can be read.
    pub(super) fn load(&self) -> io::Result<Option<Record>> {
        let file = match File::open(self.root.join(STATE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut text = Vec::new();
        file.take(MAX_STATE_BYTES).read_to_end(&mut text)?;
        let read = serde_json::from_slice(&text);
        Ok(read
            .inspect_err(
                |error| tracing::warn!(%error, "{STATE} cannot be read and is passed over"),
            )
            .ok())
    }

    /// Writes the state file, whole or not at all.
    pub(super) fn save(&self, record: &Record) -> io::Result<()> {
        let path = self.root.join(STATE);
        let unfinished = path.with_added_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    }

    /// The last lines of the log.
    pub(super) fn last_lines(&self) -> io::Result<Vec<String>> {
        let mut lines = self.tail(LAST_LINES)?;
        for line in &mut lines {
            if let Some((end, _)) = line.char_indices().nth(MAX_LINE_CHARS) {
                line.truncate(end);
            }
        }
        Ok(lines)
    }

    /// What a job ended with, if the log says so.
    pub(super) fn finish_mark(&self, job_id: &str) -> io::Result<Option<i32>> {
        let start = format!("Deploy finished jobId={job_id} (exit=");
        let lines = self.tail(MARK_LINES)?;
        Ok(lines.iter().rev().find_map(|line| {
            line.trim_end().strip_prefix(start.as_str())?.strip_suffix(')')?.parse().ok()
        }))
    }

    fn tail(&self, most: usize) -> io::Result<Vec<String>> {
        let mut file = match File::open(self.root.join(LOG)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        let bytes = file.metadata()?.len();
        let skipped = bytes.saturating_sub(LAST_BYTES);
        file.seek(SeekFrom::Start(skipped))?;
        let mut text = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        // The first line may have begun before.
        let mut lines: Vec<&str> = text.lines().skip(usize::from(skipped > 0)).collect();
        let first = lines.len().saturating_sub(most);
        Ok(lines.drain(first..).map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_tells_who_runs_and_one_runs_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let files = DeployFiles::new(folder.path());
        assert!(!files.is_held().unwrap());

        let held = files.hold("job-1", 7).unwrap().unwrap();

        assert!(files.is_held().unwrap());
        assert!(files.hold("job-2", 8).unwrap().is_none());
        assert_eq!(files.holder(), Some(("job-1".to_owned(), 7)));
        drop(held);
        assert!(!files.is_held().unwrap());
    }

    #[test]
    fn the_end_of_a_long_log_is_read_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let files = DeployFiles::new(folder.path());
        assert!(files.last_lines().unwrap().is_empty());
        let mut log = files.log().unwrap();
        for line in 0..200_000 {
            writeln!(log, "line {line}").unwrap();
        }
        log.write_all(b"\xff not text\n").unwrap();
        writeln!(log, "{}", "x".repeat(MAX_LINE_CHARS + 1)).unwrap();
        files.mark_finish("job-1", 3).unwrap();

        let lines = files.last_lines().unwrap();

        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines[LAST_LINES - 2].len(), MAX_LINE_CHARS);
        assert_eq!(files.finish_mark("job-1").unwrap(), Some(3));
        assert_eq!(files.finish_mark("job-2").unwrap(), None);
    }

    #[test]
    fn a_state_file_that_is_none_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let files = DeployFiles::new(folder.path());
        let record = Record::new("job-1", "2026-02-11T15:00:00.000000Z");

        files.save(&record).unwrap();
        assert_eq!(files.load().unwrap(), Some(record));
        fs::write(folder.path().join(STATE), "[]").unwrap();
        assert_eq!(files.load().unwrap(), None);
    }
}
