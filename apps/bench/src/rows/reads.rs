//! Reading projects.

use anyhow::Result;

use crate::http::Connection;
use crate::load::{Load, Target, at, in_turn};
use crate::report::{Bar, Row};
use crate::{Plan, floor_server, subject};

const PROJECTS: usize = 60;
/// The connections that the bars are about.
const BARRED: usize = 64;

/// One project by its id, at every number of connections.
pub(crate) async fn one_project(plan: &Plan) -> Result<Vec<Row>> {
    let path = |id: &str| format!("/api/projects/{id}");
    let all = plan.all_connections();
    measure(plan, "project", "GET /api/projects/{id}", Bar::Share(0.5), path, &all).await
}

/// The list of all projects.
pub(crate) async fn all_projects(plan: &Plan) -> Result<Vec<Row>> {
    let work = format!("GET /api/projects ({PROJECTS} projects)");
    let path = |_: &str| "/api/projects".to_owned();
    measure(plan, "projects", &work, Bar::Share(0.6), path, &[plan.load]).await
}

async fn measure(
    plan: &Plan,
    database: &str,
    work: &str,
    bar: Bar,
    path: impl FnOnce(&str) -> String,
    loads: &[Load],
) -> Result<Vec<Row>> {
    let server = subject::start(plan, database)?;
    let ids = subject::create_projects(&server, PROJECTS).await?;
    let path = path(&ids[0]);
    let bytes = Connection::open(server.base_url()).await?.get(&path).await?;
    let floor = floor_server::start(plan, &[&bytes])?;

    let read = Target::get(server.base_url(), &path);
    let same_bytes = Target::get(floor.base_url(), "/bytes/0");
    let mut rows = Vec::new();
    for &load in loads {
        let [subject, floor] = in_turn([&read, &same_bytes], load, plan.rounds).await?;
        rows.push(Row {
            work: at(work, load),
            subject: subject.per_second,
            floor: Some(floor.per_second),
            unit: "/s",
            bar: if load.connections == BARRED { bar } else { Bar::None },
            note: format!(
                "{} bytes an answer; {} (floor {})",
                bytes.len(),
                subject.latencies(),
                floor.latencies()
            ),
        });
    }
    Ok(rows)
}
