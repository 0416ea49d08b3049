//! Going back to what the database was before an upgrade or a restore.
//!
//! The file comes back as it was, byte for byte: an older program is to find what it left. So it gets no line in its ledger;
//! the database that it replaces stays beside it, with all of its own.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use pilotdeck_domain::clock::Clock;
use pilotdeck_storage::{Census, Claim, Scratch, previous_files};

use super::backup::through;
use super::off_thread;
use super::progress::{Meter, Phase, Task, Works};
use super::restore::plain_file;
use crate::Error;

/// Why a copy of the database was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviousKind {
    /// Its schema is older than that of the database: an upgrade was about to change it.
    BeforeUpgrade,
    /// Its schema is that of the database: another file was about to take its place.
    BeforeRestore,
    /// Its schema is newer than that of the database, which was gone back to.
    Newer,
    /// It cannot be read.
    Unreadable,
}

impl PreviousKind {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeUpgrade => "before an upgrade",
            Self::BeforeRestore => "before a restore",
            Self::Newer => "before a rollback",
            Self::Unreadable => "cannot be read",
        }
    }
}

/// What the database was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The file.
    pub path: PathBuf,
    /// Until when it was the database.
    pub until: DateTime<Utc>,
    /// Why it was kept.
    pub kind: PreviousKind,
    /// What it holds, if it can be read.
    pub census: Option<Census>,
}

/// What is in the database that is left, and not in the one that comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lines of the ledger that were written since; none where the two have no line in common.
    pub lines: Option<i64>,
    /// The tables with another number of rows: how many before, and how many there will be.
    pub rows: Vec<(String, i64, i64)>,
}

/// A database that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The database.
    pub file: PathBuf,
    /// The copy that it was made of, which stays.
    pub from: PathBuf,
    /// The file that was the database before, if there was one.
    pub previous: Option<PathBuf>,
    /// What is not in the database any more.
    pub lost: Lost,
}

/// What `database` was before, newest first.
///
/// # Errors
///
/// [`Error::Store`] if the folder cannot be read.
pub async fn previous_databases(database: &Path) -> Result<Vec<Previous>, Error> {
    let path = database.to_owned();
    let files = off_thread(move || previous_files(&path)).await?;
    let current = Census::of_file(database).await.unwrap_or_default();
    let mut list = Vec::with_capacity(files.len());
    for (path, until) in files {
        let census = Census::of_file(&path).await.ok().filter(|census| census.user_version > 0);
        let kind = match &census {
            None => PreviousKind::Unreadable,
            Some(census) => match age(census).cmp(&age(&current)) {
                std::cmp::Ordering::Less => PreviousKind::BeforeUpgrade,
                std::cmp::Ordering::Equal => PreviousKind::BeforeRestore,
                std::cmp::Ordering::Greater => PreviousKind::Newer,
            },
        };
        list.push(Previous { path, until, kind, census });
    }
    Ok(list)
}

fn age(census: &Census) -> (i64, i64) {
    (census.user_version, census.migration)
}

/// Makes `previous` the database that `claim` is about, as it is. The file that is replaced stays beside it, and so does the
/// copy.
///
/// # Errors
///
/// [`Error::NoDatabase`] if the copy is damaged; [`crate::Unavailable::Busy`] if somebody has the database open;
/// [`Error::Store`]. Whatever fails, the database is what it was.
pub async fn roll_back(
    claim: Claim,
    previous: &Previous,
    clock: &Clock,
    works: &Works,
) -> Result<RolledBack, Error> {
    let meter = works.begin(Task::Restore, clock.now().into());
    let Some(census) = &previous.census else {
        return Err(Error::NoDatabase("it cannot be read".to_owned()));
    };
    let next = copied(&claim, previous, &meter).await?;
    meter.phase(Phase::Examining, None);
    if let Some(damage) = Census::damage_of(next.path()).await? {
        return Err(Error::NoDatabase(format!("integrity_check failed: {damage}")));
    }
    // What the log of the database holds is merged by now or by the switch; it counts, too.
    let lost = if claim.path().exists() {
        lost(&Census::of_database(claim.path()).await?, census, claim.path()).await?
    } else {
        Lost::default()
    };
    meter.phase(Phase::Switching, None);
    let file = claim.path().to_owned();
    let kept = claim.name_for_previous(clock.now());
    claim.replace(next, kept.as_deref()).await?;
    Ok(RolledBack { file, from: previous.path.clone(), previous: kept, lost })
}

async fn copied(claim: &Claim, previous: &Previous, meter: &Meter) -> Result<Scratch, Error> {
    let (from, database) = (previous.path.clone(), claim.path().to_owned());
    let ((source, length), (scratch, target)) =
        off_thread(move || Ok((plain_file(&from)?, Scratch::beside(&database, "rollback")?)))
            .await?;
    meter.phase(Phase::Restoring, Some(length));
    through(source, Some(target), |done| meter.reach(done)).await?;
    Ok(scratch)
}

/// What `now` has and `then` has not.
async fn lost(now: &Census, then: &Census, database: &Path) -> Result<Lost, Error> {
    let tables = now.rows.keys().chain(then.rows.keys()).collect::<std::collections::BTreeSet<_>>();
    let rows = |census: &Census, table: &str| census.rows.get(table).copied().unwrap_or_default();
    let rows = tables.into_iter().map(|table| (table.clone(), rows(now, table), rows(then, table)));
    let lines = match (&now.head, &then.head) {
        (Some(last), None) => Some(last.seq),
        (Some(last), Some(first)) => {
            let is_shared = Census::has_line(database, first).await?;
            is_shared.then_some(last.seq - first.seq)
        }
        (None, _) => Some(0),
    };
    Ok(Lost { lines, rows: rows.filter(|(_, now, then)| now != then).collect() })
}
