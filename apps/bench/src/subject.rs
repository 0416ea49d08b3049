//! The server that is measured, and what it holds.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use pilotdeck_load::{Events, Work as _, project};
use serde_json::Value;
use xtask::server_process::{ServerProcess, serve};

use crate::Plan;
use crate::http::Connection;

/// Starts the server on a database file of the plan's folder; a file that is not there yet is created.
pub(crate) fn start(plan: &Plan, database: &str) -> Result<ServerProcess> {
    ServerProcess::start(
        &mut serve(&plan.server, &file(plan, database)),
        &plan.folder.join(format!("{database}.log")),
    )
}

/// Where a database of the plan lies.
pub(crate) fn file(plan: &Plan, database: &str) -> PathBuf {
    plan.folder.join(format!("{database}.db"))
}

/// Copies the database of a server that was stopped.
pub(crate) fn copy(plan: &Plan, from: &str, to: &str) -> Result<PathBuf> {
    let (source, target) = (file(plan, from), file(plan, to));
    std::fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
    let log = |database: &Path| PathBuf::from(format!("{}-wal", database.display()));
    if log(&source).exists() {
        std::fs::copy(log(&source), log(&target))?;
    }
    Ok(target)
}

/// Creates projects as people have them and returns their ids.
pub(crate) async fn create_projects(server: &ServerProcess, count: usize) -> Result<Vec<String>> {
    let mut connection = Connection::open(server.base_url()).await?;
    let mut ids = Vec::new();
    for index in 0..count {
        let answer =
            connection.post("/api/projects", &project(&format!("Project {index}"), index)).await?;
        ids.push(answer["data"]["id"].as_str().context("a created project has an id")?.to_owned());
    }
    Ok(ids)
}

/// The first of the events that [`Events`] sends.
pub(crate) fn event(project_id: &str) -> Value {
    let mut body = Vec::new();
    Events::of(&[project_id.to_owned()], 0).next(&mut body);
    serde_json::from_slice(&body).expect("events are sent as JSON")
}
