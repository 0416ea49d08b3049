//! Making a backup.

use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::time::Duration;

use chrono::{DateTime, Utc};
use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::Operation;
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{Census, Scratch, room_beside};
use serde_json::json;
use tokio::time::interval;

use super::folder::{BackupNote, BackupState, Folder};
use super::{Alert, KeptBackup, Operations, Turn, unusable};
use crate::operations::backup::through;
use crate::operations::off_thread;
use crate::operations::progress::{Phase, Task};
use crate::{Error, Unavailable};

/// How often a copy that is being made is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Operations {
    /// Makes a backup and proves it, and waits for that.
    ///
    /// # Errors
    ///
    /// [`Error::BackupsOff`]; [`Error::UnderWay`]; [`Unavailable::Full`] if there is no room for it and its proof;
    /// [`Error::BackupFailed`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn make_backup(&self, actor: &Actor) -> Result<KeptBackup, Error> {
        let author = actor.require(Permission::Administer)?;
        let turn = self.take_turn(Task::Backup).await?;
        self.pass(&author, &turn, None).await
    }

    /// Begins to make a backup and to prove it. How far that is can be asked for, and how it ended seen in the list.
    ///
    /// # Errors
    ///
    /// As [`Operations::make_backup`], as far as it is known at once.
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn begin_backup(&self, actor: &Actor) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let turn = self.take_turn(Task::Backup).await?;
        self.require_room(&turn).await?;
        let operations = self.clone();
        self.unless_stopped(async move {
            if let Err(error) = operations.pass(&author, &turn, None).await {
                tracing::warn!(%error, "the backup that was asked for was not made");
            }
        });
        Ok(())
    }

    /// Does `work` where it outlives the request, until the program ends.
    pub(super) fn unless_stopped(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.desk.stop.subscribe();
        self.desk.runtime.spawn(async move {
            tokio::select! {
                () = work => {}
                _ = stop.wait_for(|stops| *stops) => {}
            }
        });
    }

    /// Looks at what is kept, makes a backup, proves it, and removes what is too much.
    pub(super) async fn pass(
        &self,
        author: &Author,
        turn: &Turn,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<KeptBackup, Error> {
        let passed = self.try_pass(author, turn, due_at).await;
        match &passed {
            Ok(made) if made.state() == BackupState::Proved => self.desk.set_alert(None),
            Ok(made) => {
                let found = made.note.as_ref().and_then(|note| note.proofs.first()?.reason.clone());
                let reason = found.unwrap_or_else(|| "it is not what was written".to_owned());
                let reason = format!("{} could not be restored: {reason}", made.name);
                let at = self.store.clock.now().into();
                self.desk.set_alert(Some(Alert { at, is_full: false, reason }));
            }
            // The next look finds the other database.
            Err(Error::Unavailable(Unavailable::Restoring)) => {}
            Err(error) => self.raise_alert(author, error).await,
        }
        passed
    }

    async fn try_pass(
        &self,
        author: &Author,
        turn: &Turn,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<KeptBackup, Error> {
        self.check_kept(author, turn).await?;
        self.require_room(turn).await?;
        let made = self.make(author, turn, due_at).await?;
        let proved = self.prove_kept(author, turn, made).await?;
        if proved.state() == BackupState::Proved {
            self.remove_surplus(author, turn).await?;
        }
        Ok(proved)
    }

    /// Room for the copy, and for the copy of it that proves it.
    async fn require_room(&self, turn: &Turn) -> Result<(), Error> {
        let needed = self.store.db.bytes().await?.saturating_mul(2);
        require_room(&turn.folder, needed.saturating_add(self.settings.reserve_bytes)).await
    }

    async fn make(
        &self,
        author: &Author,
        turn: &Turn,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<KeptBackup, Error> {
        let now = self.store.clock.now();
        let place = turn.folder.clone();
        let named = off_thread(move || {
            Ok(place.free_name(now).and_then(|name| {
                let (scratch, file) = Scratch::beside(&place.file(&name), "backup")?;
                Ok((name, scratch, file))
            }))
        });
        let named = named.await?.map_err(|error| unusable(&turn.folder, &error))?;
        let (name, scratch, _) = named;
        turn.meter.about(name.as_str());

        let before = self.store.db.census().await?;
        self.copy_into(turn, &scratch).await?;
        let after = self.store.db.census().await?;
        let census = Census::of_file(scratch.path()).await?;
        hold(&before, &census, &after).map_err(|reason| {
            Error::BackupFailed(format!("the copy is not the database: {reason}"))
        })?;

        let file = File::open(scratch.path()).map_err(|error| unusable(&turn.folder, &error))?;
        let length = file.metadata().map(|found| found.len()).unwrap_or_default();
        turn.meter.phase(Phase::Hashing, Some(length));
        let (bytes, sha256, _) = through(file, None, |done| turn.meter.reach(done)).await?;
        let due_at = due_at.map(|due_at| WireTime::from(due_at).to_string());
        let mut note = BackupNote::new(bytes, sha256, WireTime::from(now).to_string(), due_at);
        let head = census.head.unwrap_or_default();
        (note.ledger_seq, note.ledger_hash, note.rows) = (head.seq, head.hash, census.rows);

        let kept = KeptBackup { name, bytes, note: Some(note) };
        let (place, copy) = (turn.folder.clone(), kept.clone());
        let placed = off_thread(move || Ok(put_in_place(&place, &scratch, &copy))).await?;
        placed.map_err(|error| unusable(&turn.folder, &error))?;
        if let Some(note) = &kept.note {
            let facts = json!({
                "bytes": note.bytes, "sha256": note.sha256, "ledgerSeq": note.ledger_seq, "dueAt": note.due_at
            });
            self.tell(author, Operation::BackupMade, Some(kept.name.as_str()), &facts).await?;
        }
        tracing::info!(bytes, "made the backup {}", kept.name);
        Ok(kept)
    }

    async fn copy_into(&self, turn: &Turn, scratch: &Scratch) -> Result<(), Error> {
        turn.meter.phase(Phase::Copying, Some(self.store.db.bytes().await?));
        let copying = self.store.db.copy_to(scratch.path());
        tokio::pin!(copying);
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                copied = &mut copying => return Ok(copied?),
                _ = looks.tick() => {
                    turn.meter.reach(fs::metadata(scratch.path()).map_or(0, |found| found.len()));
                }
            }
        }
    }
}

pub(super) async fn require_room(folder: &Folder, needed: u64) -> Result<(), Error> {
    // Beside a file in it.
    let place = folder.path().join("backup");
    let room = off_thread(move || Ok(room_beside(&place))).await??;
    if room < needed {
        return Err(Unavailable::Full.into());
    }
    Ok(())
}

/// The note first: a note without a file says that one is missing, a file without a note says nothing.
fn put_in_place(folder: &Folder, scratch: &Scratch, kept: &KeptBackup) -> io::Result<()> {
    let mut file = File::open(scratch.path())?;
    file.sync_all()?;
    file.rewind()?;
    if let Some(note) = &kept.note {
        folder.write_note(&kept.name, note)?;
    }
    let target = folder.file(&kept.name);
    if fs::hard_link(scratch.path(), &target).is_err() {
        // Not every file system has second names. The name was free, and nobody else has the turn.
        fs::rename(scratch.path(), &target)?;
    }
    folder.sync()
}

/// Holds a copy against the database before and after it was made. Its ledger says where in between it stands; lines and
/// events are never fewer than before. Where nothing was written meanwhile, all of it must be the same.
fn hold(before: &Census, copy: &Census, after: &Census) -> Result<(), String> {
    let seq = |census: &Census| census.head.as_ref().map_or(0, |head| head.seq);
    // A checkpoint has no line: the ledger alone does not say that nothing was written.
    if before == after && before != copy {
        return Err(format!("it has {:?} rows, and not {:?}", copy.rows, before.rows));
    }
    if !(seq(before)..=seq(after)).contains(&seq(copy)) {
        return Err(format!("its ledger ends at seq {}", seq(copy)));
    }
    let rows = |census: &Census, table: &str| census.rows.get(table).copied().unwrap_or_default();
    let grows = ["agent_events", "ledger_checkpoints", "ledger"];
    let wrong = grows.into_iter().find(|table| {
        let range = rows(before, table)..=rows(after, table);
        !range.contains(&rows(copy, table))
    });
    match wrong {
        Some(table) => Err(format!("it has {} rows of {table}", rows(copy, table))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use pilotdeck_domain::ledger::Head;

    use super::*;

    fn census(seq: i64, events: i64) -> Census {
        let rows = [("agent_events".to_owned(), events), ("ledger".to_owned(), seq)];
        let head = Some(Head { seq, hash: seq.to_string() });
        Census { rows: rows.into(), head, ..Census::default() }
    }

    #[test]
    fn a_copy_lies_between_what_was_before_and_what_is_after_it() {
        assert!(hold(&census(5, 2), &census(5, 2), &census(5, 2)).is_ok());
        assert!(hold(&census(5, 2), &census(6, 3), &census(9, 5)).is_ok());
        assert!(hold(&census(5, 2), &census(5, 1), &census(5, 2)).is_err());
        let mut signed = census(5, 2);
        signed.rows.insert("ledger_checkpoints".to_owned(), 1);
        assert!(hold(&census(5, 2), &signed, &signed).is_ok());
        assert!(hold(&signed, &census(5, 2), &signed).is_err());
        assert!(hold(&census(5, 2), &census(4, 2), &census(9, 5)).is_err());
        assert!(hold(&census(5, 2), &census(10, 5), &census(9, 5)).is_err());
        assert!(hold(&census(5, 2), &census(6, 1), &census(9, 5)).is_err());
    }
}
