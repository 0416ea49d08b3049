//! The whole database as an archive of JSON lines, and back.

use std::io::BufRead;

use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::ledger::{Change, Operation};
use pilotdeck_storage::{
    ArchiveError, ArchiveSummary, Candidate, Claim, LocalTime, Scratch, StoreError, archive,
    unarchive,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::backup::entry;
use super::progress::{Phase, Task, Works};
use super::restore::{prepare, put};
use super::{Operations, Restored, off_thread, to_the_end};
use crate::Error;

/// An archive of the database as it was when it began, read piece by piece: whole lines.
#[derive(Debug)]
pub struct Archive {
    /// What a file with it should be called.
    pub name: String,
    pieces: mpsc::Receiver<Result<Vec<u8>, StoreError>>,
}

impl Operations {
    /// Begins an archive of the database as it is now. The ledger has a line about it, which the archive does not have
    /// yet.
    ///
    /// # Errors
    ///
    /// [`crate::Unavailable::Full`] if there is no room for the copy that it is read from; [`Error::Denied`],
    /// [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn export(&self, actor: &Actor) -> Result<Archive, Error> {
        let author = actor.require(Permission::Administer)?;
        let operations = self.clone();
        to_the_end(async move {
            let turn = operations.copying.acquire().await;
            let copy = operations.store.db.copy(operations.settings.reserve_bytes).await?;
            drop(turn);
            let now = operations.store.clock.now();
            let mut tx = operations.store.db.write().await?;
            tx.record(&author, now, entry(Operation::DatabaseExported, Change::of(&json!({}))));
            tx.commit().await?;
            let name = format!("pilotdeck_export_{}.jsonl", now.format("%Y%m%dT%H%M%SZ"));
            Ok(Archive { name, pieces: archive(copy, now) })
        })
        .await
    }
}

impl Archive {
    /// The next piece; none at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the copy cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.pieces.recv().await.transpose()?)
    }
}

/// Makes the database that `claim` is about of an archive. The file before stays beside it. It reads without letting
/// others have a turn: for the command line.
///
/// # Errors
///
/// [`Error::NoDatabase`] if it is no archive, or no database can be made of it; [`Error::Store`].
pub async fn import_archive(
    input: impl BufRead,
    claim: Claim,
    clock: &Clock,
    local_time: &LocalTime,
    works: &Works,
) -> Result<(Restored, ArchiveSummary), Error> {
    let author = Actor::system().require(Permission::Administer)?;
    let meter = works.begin(Task::Restore, clock.now().into());
    meter.phase(Phase::Uploading, None);
    let database = claim.path().to_owned();
    let (scratch, _) = off_thread(move || Scratch::beside(&database, "import")).await?;
    let summary = unarchive(input, &scratch).await?;
    meter.phase(Phase::Examining, None);
    let now = clock.now();
    let candidate = Candidate::examine(scratch, local_time, now).await?;
    let previous = claim.name_for_previous(now);
    let change = Change::of(&json!({ "rows": summary.rows, "sha256": summary.sha256 }));
    let said = (Operation::DatabaseImported, change);
    let next = prepare(candidate, clock, false, &author, said, &meter).await?;
    Ok((put(claim, next, previous, &meter).await?, summary))
}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Store(error) => error.into(),
            ArchiveError::Unreadable(error) => StoreError::from(error).into(),
            other => Self::NoArchive(other.to_string()),
        }
    }
}
