//! Deploy jobs: the script of the installation, run by a process that outlives this one.
//!
//! The script is expected to restart PilotDeck. So a process of its own, the runner, runs it, writes what it prints to the
//! log, and at last how it ended (the finish mark). While the runner lives it holds a lock: that, and not a process id, is
//! how one knows that a job is running, also after a restart, and why there is one at a time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use rand::RngCore as _;
use serde_json::json;

use super::{Operations, off_thread};
use crate::Error;
use crate::identity::hex;

mod files;
mod launch;

pub use files::{DeployFiles, Held};
use files::{Record, State};

/// The file with what jobs print.
const LOG: &str = "deploy_run.log";
/// How often a running job is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const CANCELLED: &str = "cancelled";

/// How jobs are run.
#[derive(Clone, Debug, Default)]
pub struct DeploySettings {
    /// The script.
    pub script: PathBuf,
    /// The folder of the installation: where the script runs and the files about jobs are.
    pub root: PathBuf,
    /// The program that runs a job, with its first arguments; `--job`, `--root` and `--script` follow. Empty: there is
    /// none.
    pub runner: Vec<OsString>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployState {
    /// There never was one.
    Unknown,
    /// It runs.
    Running,
    /// It ended well.
    Success,
    /// It did not.
    Failed,
}

impl DeployState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployJob {
    /// Its name: when it was asked for, and eight digits.
    pub job_id: String,
    /// Its name as a unit of systemd.
    pub unit: String,
    /// The runner, where it is our child.
    pub pid: Option<u32>,
    /// `systemd-run` or `popen`.
    pub method: String,
    /// The file with what it prints.
    pub log_file: &'static str,
}

/// How the last job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployStatus {
    /// Its state.
    pub state: DeployState,
    /// Which one it is.
    pub job: Option<DeployJob>,
    /// What the script ended with.
    pub exit_code: Option<i32>,
    /// What else is to be said, for a person.
    pub message: Option<String>,
    /// When it began.
    pub started_at: Option<String>,
    /// When its state was last looked at.
    pub updated_at: Option<String>,
}

impl Operations {
    /// Starts the script.
    ///
    /// # Errors
    ///
    /// [`Error::UnderWay`] if a job runs; [`Error::NotDeployable`] if there is no script, or it cannot be started;
    /// [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn start_deploy(&self, actor: &Actor) -> Result<DeployJob, Error> {
        let author = actor.require(Permission::Administer)?;
        let operations = self.clone();
        super::to_the_end(async move { operations.begin(&author).await }).await
    }

    async fn begin(&self, author: &Author) -> Result<DeployJob, Error> {
        let turn = Arc::clone(&self.deploying).lock_owned().await;
        let files = self.deploy_files();
        self.settle().await?;
        let DeploySettings { script, runner, .. } = &self.settings.deploy;
        if off_thread(move || files.is_held()).await? {
            return Err(Error::UnderWay("a deploy job"));
        }
        if runner.is_empty() {
            return Err(Error::NotDeployable("this program runs no deploy jobs".to_owned()));
        }
        if !script.is_file() {
            let script = script.display();
            return Err(Error::NotDeployable(format!(
                "deploy script not found: {script}; put one there, or name one in PM_DEPLOY_SCRIPT"
            )));
        }
        let now = self.store.clock.now();
        let mut digits = [0; 4];
        rand::rng().fill_bytes(&mut digits);
        let job_id = format!("{}-{}", now.format("%Y%m%d-%H%M%S"), hex(&digits));
        let mut record = Record::new(&job_id, WireTime::from(now).as_str());
        self.say(
            author,
            Operation::DeployStarted,
            &job_id,
            &json!({ "script": script.display().to_string() }),
        )
        .await?;
        let (settings, launching) = (self.settings.deploy.clone(), record.clone());
        let launched = off_thread(move || Ok(launch::launch(&settings, launching))).await?;
        match launched {
            Ok(launched) => record = launched,
            Err(reason) => {
                record.end(State::Failed, None, Some(reason.clone()));
                self.finish(&record).await?;
                return Err(Error::NotDeployable(reason));
            }
        }
        tracing::info!(job = job_id, method = record.method, "a deploy job began");
        drop(turn);
        tokio::spawn(self.clone().follow_deploy());
        Ok(record.job())
    }

    /// Tells the job to stop; returns which one it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoDeployJob`] if none runs; [`Error::NotDeployable`] if it cannot be told; [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn cancel_deploy(&self, actor: &Actor) -> Result<String, Error> {
        let author = actor.require(Permission::Administer)?;
        let _turn = self.deploying.lock().await;
        let Some(mut record) = self.settle().await?.filter(|record| record.state == State::Running)
        else {
            return Err(Error::NoDeployJob);
        };
        self.say(&author, Operation::DeployCancelled, &record.job_id, &json!({})).await?;
        record.message = Some(CANCELLED.to_owned());
        let files = self.deploy_files();
        let job_id = record.job_id.clone();
        let told = off_thread(move || {
            files.save(&record)?;
            Ok(launch::cancel(&files, &record))
        });
        told.await?.map_err(Error::NotDeployable)?;
        Ok(job_id)
    }

    /// How the last job stands.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    pub async fn deploy_status(&self, actor: &Actor) -> Result<DeployStatus, Error> {
        actor.require(Permission::Administer)?;
        let _turn = self.deploying.lock().await;
        Ok(self.settle().await?.map_or(
            DeployStatus {
                state: DeployState::Unknown,
                job: None,
                exit_code: None,
                message: None,
                started_at: None,
                updated_at: None,
            },
            Record::status,
        ))
    }

    /// The last lines of the log.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::Store`].
    pub async fn deploy_log(&self, actor: &Actor) -> Result<Vec<String>, Error> {
        actor.require(Permission::Administer)?;
        let files = self.deploy_files();
        off_thread(move || files.last_lines()).await
    }

    /// Watches over the running job until it ended, so that the ledger hears of it, also after a restart.
    pub async fn follow_deploy(self) {
        loop {
            let turn = self.deploying.lock().await;
            match self.settle().await {
                Ok(Some(record)) if record.state == State::Running => {}
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "a deploy job cannot be looked after"),
            }
            drop(turn);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn deploy_files(&self) -> DeployFiles {
        DeployFiles::new(Path::new(&self.settings.deploy.root))
    }

    /// Looks at the last job; if it ended since, that is noted. One does this at a time.
    async fn settle(&self) -> Result<Option<Record>, Error> {
        let files = self.deploy_files();
        let now = WireTime::from(self.store.clock.now()).as_str().to_owned();
        let (record, has_ended) = off_thread(move || {
            let Some(mut record) = files.load()? else { return Ok((None, false)) };
            if record.state != State::Running {
                return Ok((Some(record), false));
            }
            // In this order: the mark is written while the lock is held.
            let is_held = files.is_held()?;
            match files.finish_mark(&record.job_id)? {
                Some(0) => record.end(State::Success, Some(0), record.message.clone()),
                Some(code) => record.end(State::Failed, Some(code), record.message.clone()),
                None if is_held => {}
                None => {
                    let lost = "the job ended without a word: something killed it";
                    record.end(State::Failed, None, Some(lost.to_owned()));
                }
            }
            record.updated_at = now;
            let has_ended = record.state != State::Running;
            Ok((Some(record), has_ended))
        })
        .await?;
        if let Some(record) = record.as_ref().filter(|_| has_ended) {
            self.finish(record).await?;
        }
        Ok(record)
    }

    /// Says how a job ended, and remembers it.
    async fn finish(&self, record: &Record) -> Result<(), Error> {
        let author = Actor::system().require(Permission::Administer)?;
        let facts = json!({
            "state": record.state.into_status().as_str(),
            "exitCode": record.exit_code,
            "message": record.message,
        });
        self.say(&author, Operation::DeployFinished, &record.job_id, &facts).await?;
        tracing::info!(job = record.job_id, exit_code = record.exit_code, "a deploy job ended");
        let (files, record) = (self.deploy_files(), record.clone());
        off_thread(move || files.save(&record)).await
    }

    async fn say(
        &self,
        author: &Author,
        operation: Operation,
        job_id: &str,
        facts: &serde_json::Value,
    ) -> Result<(), Error> {
        let mut tx = self.store.db.write().await?;
        let entry = Entry::new(operation, SubjectKind::Deploy, job_id, Change::of(facts));
        tx.record(author, self.store.clock.now(), entry);
        Ok(tx.commit().await?)
    }
}
