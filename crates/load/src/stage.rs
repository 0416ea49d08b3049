//! The projects that a load works on: made for it, and taken away after it.

use std::sync::Arc;

use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::samples;
use crate::work::{Work, WorkKind};

/// Reads alternate between so many projects.
const READ: usize = 20;
/// Events of several projects lie between each other.
const WRITTEN: usize = 5;

/// Projects on a server that are there for a load.
#[derive(Debug)]
pub struct Stage {
    endpoint: Arc<Endpoint>,
    projects: Vec<String>,
}

/// What became of a stage.
#[derive(Debug)]
pub struct Struck {
    /// Projects that were deleted.
    pub deleted: usize,
    /// Ids of projects that could not be.
    pub left: Vec<String>,
}

impl Stage {
    /// Makes projects for work of this kind.
    ///
    /// # Errors
    ///
    /// If the server does not make them; those that it made are deleted again if it lets us.
    pub async fn set(endpoint: &Arc<Endpoint>, kind: WorkKind) -> Result<Self, Failure> {
        let count = if kind == WorkKind::Projects { READ } else { WRITTEN };
        let mut connection = Connection::to(endpoint).await?;
        let mut stage = Self { endpoint: Arc::clone(endpoint), projects: Vec::new() };
        for index in 0..count {
            let name = format!("pilotdeck bench {}", index + 1);
            let made = connection.post("/api/projects", &samples::project(&name, index)).await;
            let id = made.and_then(|answer| {
                let id = answer["data"]["id"].as_str().map(str::to_owned);
                id.ok_or_else(|| Failure::NotHttp("a new project has no id".to_owned()))
            });
            match id {
                Ok(id) => stage.projects.push(id),
                Err(failure) => {
                    stage.strike().await;
                    return Err(failure);
                }
            }
        }
        Ok(stage)
    }

    /// The ids of the projects.
    #[must_use]
    pub fn projects(&self) -> &[String] {
        &self.projects
    }

    /// The work on these projects; `seed` distinguishes its ids from those of every other load.
    #[must_use]
    pub fn work(&self, kind: WorkKind, seed: u64) -> Arc<dyn Work> {
        samples::work(kind, &self.projects, seed).into()
    }

    /// Deletes the projects.
    pub async fn strike(self) -> Struck {
        let mut struck = Struck { deleted: 0, left: Vec::new() };
        let mut connection = Connection::to(&self.endpoint).await;
        for id in self.projects {
            let deleted = match &mut connection {
                Ok(connection) => connection.delete(&format!("/api/projects/{id}")).await.is_ok(),
                Err(_) => false,
            };
            if deleted {
                struck.deleted += 1;
            } else {
                struck.left.push(id);
            }
        }
        struck
    }
}
