//! The server that is measured, and what it holds.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
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
pub(crate) async fn create_projects(server: &ServerProcess, count: u32) -> Result<Vec<String>> {
    let mut connection = Connection::open(server.base_url()).await?;
    let mut ids = Vec::new();
    for index in 0..count {
        let answer = connection.post("/api/projects", &project(index)).await?;
        ids.push(answer["data"]["id"].as_str().context("a created project has an id")?.to_owned());
    }
    Ok(ids)
}

/// The body of an event as an agent sends it.
pub(crate) fn event(project_id: &str, run_id: &str) -> String {
    json!({
        "type": "milestone",
        "level": "info",
        "projectId": project_id,
        "runId": run_id,
        "agentId": "agent-builder",
        "title": "Parser rewritten",
        "message": "All fixtures pass; the streaming path is 40 % faster and needs no copy of its input.",
        "data": { "files": ["src/parse.rs", "src/stream.rs"], "tests": { "passed": 218, "failed": 0 } },
    })
    .to_string()
}

fn project(index: u32) -> Value {
    const STATUSES: [&str; 4] = ["planning", "in-progress", "paused", "completed"];
    const PRIORITIES: [&str; 4] = ["low", "medium", "high", "urgent"];
    json!({
        "name": format!("Project {index}"),
        "description": "Rewrites the importer so that it streams: constant memory, resumable, and a report of what it refused.",
        "status": STATUSES[index as usize % 4],
        "priority": PRIORITIES[index as usize % 4],
        "category": "tools",
        "progress": index % 101,
        "tags": ["rust", "import", "streaming"],
        "budget": { "planned": 12000 },
        "cost": { "total": 3400.5, "currency": "EUR" },
        "revenue": { "total": 0 },
        "notes": "Decided: no second parser. Open: what becomes of files that were half imported before the change.",
        "github": "https://example.org/importer",
        "workspace": "/srv/work/importer",
        "milestones": [{ "name": "streams", "status": "done" }, { "name": "resumes", "status": "doing" }],
    })
}
