//! Reading projects.

use anyhow::Result;

use crate::http::Connection;
use crate::load::{Target, in_turn};
use crate::report::{Bar, Row, rounded};
use crate::{Plan, floor_server, subject};

const PROJECTS: u32 = 60;

/// One project by its id.
pub(crate) async fn one_project(plan: &Plan) -> Result<Vec<Row>> {
    measure(plan, "project", "GET /api/projects/{id}", Bar::Share(0.5), |id| {
        format!("/api/projects/{id}")
    })
    .await
}

/// The list of all projects.
pub(crate) async fn all_projects(plan: &Plan) -> Result<Vec<Row>> {
    let work = format!("GET /api/projects ({PROJECTS} projects)");
    measure(plan, "projects", &work, Bar::Share(0.6), |_| "/api/projects".to_owned()).await
}

async fn measure(
    plan: &Plan,
    database: &str,
    work: &str,
    bar: Bar,
    path: impl FnOnce(&str) -> String,
) -> Result<Vec<Row>> {
    let server = subject::start(plan, database)?;
    let ids = subject::create_projects(&server, PROJECTS).await?;
    let path = path(&ids[0]);
    let bytes = Connection::open(server.base_url()).await?.get(&path).await?;
    let floor = floor_server::start(plan, &[&bytes])?;

    let read = Target::get(server.base_url(), &path);
    let same_bytes = Target::get(floor.base_url(), "/bytes/0");
    let [subject, floor] = in_turn([&read, &same_bytes], plan.load, plan.rounds).await?;

    Ok(vec![Row {
        work: work.to_owned(),
        subject: subject.per_second,
        floor: Some(floor.per_second),
        unit: "/s",
        bar,
        note: format!(
            "{} bytes an answer; median {} ms (floor {} ms)",
            bytes.len(),
            rounded(subject.median_ms),
            rounded(floor.median_ms)
        ),
    }])
}
