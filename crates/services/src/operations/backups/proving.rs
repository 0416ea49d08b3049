//! Proving a backup, and watching over those that are kept.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use pilotdeck_domain::identity::{Actor, Author, Permission};
use pilotdeck_domain::ledger::Operation;
use pilotdeck_domain::times::WireTime;
use pilotdeck_storage::{Candidate, CandidateError, Census, Scratch};
use serde_json::json;

use super::folder::{BackupNote, BackupState, Finding};
use super::making::require_room;
use super::{KeptBackup, Operations, Turn, list, unusable};
use crate::operations::backup::through;
use crate::operations::off_thread;
use crate::operations::progress::{Phase, Task};
use crate::operations::restore::verified;
use crate::{Error, Services};

/// Proofs that are noted of a backup.
const PROOFS: usize = 10;
const GONE: &str = "its file is gone";
const NOT_AS_WRITTEN: &str = "its bytes are not those that were written";
/// The table that grows when a database of an older schema is brought up to date.
const LEDGER: &str = "ledger";

impl Operations {
    /// Proves a kept backup, and waits for that.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::UnderWay`]; [`crate::Unavailable::Full`] if there is no room to restore it to;
    /// [`Error::BackupFailed`], [`Error::Denied`], [`Error::Store`].
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn prove_backup(&self, actor: &Actor, name: &str) -> Result<KeptBackup, Error> {
        let author = actor.require(Permission::Administer)?;
        let (_, kept) = self.find_backup(name).await?;
        let turn = self.take_turn(Task::Proof).await?;
        self.prove_kept(&author, &turn, kept).await
    }

    /// Begins to prove a kept backup. How far that is can be asked for, and how it ended seen in the list.
    ///
    /// # Errors
    ///
    /// As [`Operations::prove_backup`], as far as it is known at once.
    #[tracing::instrument(skip_all, err(level = "debug"))]
    pub async fn begin_proof(&self, actor: &Actor, name: &str) -> Result<(), Error> {
        let author = actor.require(Permission::Administer)?;
        let (_, kept) = self.find_backup(name).await?;
        let turn = self.take_turn(Task::Proof).await?;
        self.require_room_to_prove(&turn, &kept).await?;
        let operations = self.clone();
        self.unless_stopped(async move {
            if let Err(error) = operations.prove_kept(&author, &turn, kept).await {
                tracing::warn!(%error, "the proof that was asked for came to no end");
            }
        });
        Ok(())
    }

    async fn require_room_to_prove(&self, turn: &Turn, kept: &KeptBackup) -> Result<(), Error> {
        let needed = kept.bytes.saturating_add(self.settings.reserve_bytes);
        require_room(&turn.folder, needed).await
    }

    /// Restores a backup to a file of its own and notes what was found. What fails on our side is no proof of anything.
    pub(super) async fn prove_kept(
        &self,
        author: &Author,
        turn: &Turn,
        mut kept: KeptBackup,
    ) -> Result<KeptBackup, Error> {
        turn.meter.about(kept.name.as_str());
        self.require_room_to_prove(turn, &kept).await?;
        let began = Instant::now();
        let at = WireTime::from(self.store.clock.now()).to_string();

        let (place, path) = (turn.folder.clone(), turn.folder.file(&kept.name));
        let opened = off_thread(move || {
            let open = || Ok((File::open(&path)?, Scratch::beside(&path, "proof")?));
            Ok(open())
        });
        let opened = opened.await?.map_err(|error| unusable(&place, &error))?;
        let (source, (scratch, target)) = opened;
        turn.meter.phase(Phase::Restoring, Some(kept.bytes));
        let (bytes, sha256, target) =
            through(source, Some(target), |done| turn.meter.reach(done)).await?;
        drop(target);
        let took_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if kept.note.as_ref().is_some_and(|note| note.sha256 != sha256) {
            let reason = Some(NOT_AS_WRITTEN.to_owned());
            let check = Finding { at, holds: false, reason, took_ms: took_ms() };
            return self.note_check(author, turn, kept, check).await;
        }

        let found = self.examine(turn, scratch, kept.note.as_ref()).await?;
        let (holds, reason) = (found.is_ok(), found.as_ref().err().cloned());
        let made_at = WireTime::from(kept.name.made_at()).to_string();
        // Of a file that somebody put there, what is found is what is known.
        let note = kept.note.get_or_insert_with(|| BackupNote::new(bytes, sha256, made_at, None));
        if note.rows.is_empty()
            && let Ok(census) = found
        {
            let head = census.head.unwrap_or_default();
            (note.ledger_seq, note.ledger_hash, note.rows) = (head.seq, head.hash, census.rows);
        }
        note.check =
            Some(Finding { at: at.clone(), holds: true, reason: None, took_ms: took_ms() });
        note.proofs.insert(0, Finding { at, holds, reason: reason.clone(), took_ms: took_ms() });
        note.proofs.truncate(PROOFS);
        let facts = json!({
            "sha256": note.sha256, "ledgerSeq": note.ledger_seq, "rows": note.rows, "tookMs": took_ms(), "reason": reason
        });
        self.write_note(turn, &kept).await?;
        let operation = if holds { Operation::BackupProved } else { Operation::BackupFailed };
        self.tell(author, operation, Some(kept.name.as_str()), &facts).await?;
        match reason {
            None => tracing::info!(duration_ms = took_ms(), "proved the backup {}", kept.name),
            Some(reason) => {
                tracing::error!(reason, "the backup {} could not be restored", kept.name);
            }
        }
        Ok(kept)
    }

    /// Does to a copy of a backup what a restore would do, and compares. Says what it holds, or why it is none.
    async fn examine(
        &self,
        turn: &Turn,
        scratch: Scratch,
        note: Option<&BackupNote>,
    ) -> Result<Result<Census, String>, Error> {
        turn.meter.phase(Phase::Examining, None);
        let local_time = Arc::clone(&self.settings.local_time);
        let now = self.store.clock.now();
        let candidate = match Candidate::examine(scratch, &*local_time, now).await {
            Ok(candidate) => candidate,
            Err(CandidateError::Store(error)) => return Err(error.into()),
            Err(error) => return Ok(Err(reason(&error))),
        };
        let services = Services::new(candidate.database().clone(), self.store.clock.clone());
        let held = compare(&services, note, turn).await;
        services.close().await;
        drop(candidate.close().await);
        match held {
            Ok(census) => Ok(Ok(census)),
            Err(Error::NoDatabase(reason)) => Ok(Err(reason)),
            Err(error) => Err(error),
        }
    }

    /// Compares every kept backup with what was written, and notes what was found.
    pub(super) async fn check_kept(&self, author: &Author, turn: &Turn) -> Result<(), Error> {
        let place = turn.folder.clone();
        let lost = off_thread(move || Ok(place.lost())).await?;
        for name in lost.map_err(|error| unusable(&turn.folder, &error))? {
            tracing::error!("the file of the backup {name} is gone, which somebody else removed");
            let gone = KeptBackup { name, bytes: 0, note: None };
            self.remove_kept(author, &turn.folder, &gone, GONE).await?;
        }
        for kept in list(&turn.folder).await? {
            let Some(note) = &kept.note else { continue };
            turn.meter.about(kept.name.as_str());
            turn.meter.phase(Phase::Hashing, Some(kept.bytes));
            let began = Instant::now();
            let at = WireTime::from(self.store.clock.now()).to_string();
            let path = turn.folder.file(&kept.name);
            let read = match off_thread(move || Ok(File::open(path))).await? {
                Ok(file) => through(file, None, |done| turn.meter.reach(done)).await,
                Err(error) => Err(unusable(&turn.folder, &error)),
            };
            let reason = match read {
                Ok((_, sha256, _)) if sha256 == note.sha256 => None,
                Ok(_) => Some(NOT_AS_WRITTEN.to_owned()),
                // A disk that cannot read it has lost it.
                Err(error) => Some(format!("it cannot be read: {error}")),
            };
            let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let check = Finding { at, holds: reason.is_none(), reason, took_ms };
            self.note_check(author, turn, kept, check).await?;
        }
        Ok(())
    }

    /// Notes what was found when a backup was compared. The ledger has a line when it is no longer what it was.
    async fn note_check(
        &self,
        author: &Author,
        turn: &Turn,
        mut kept: KeptBackup,
        check: Finding,
    ) -> Result<KeptBackup, Error> {
        let was_rotten = kept.state() == BackupState::Rotten;
        let (holds, reason) = (check.holds, check.reason.clone());
        let Some(note) = &mut kept.note else { return Ok(kept) };
        note.check = Some(check);
        let facts = json!({ "sha256": note.sha256, "reason": reason });
        self.write_note(turn, &kept).await?;
        if !holds && !was_rotten {
            tracing::error!(reason, "the backup {} is rotten", kept.name);
            let name = Some(kept.name.as_str());
            self.tell(author, Operation::BackupRotten, name, &facts).await?;
        }
        Ok(kept)
    }

    async fn write_note(&self, turn: &Turn, kept: &KeptBackup) -> Result<(), Error> {
        let (place, copy) = (turn.folder.clone(), kept.clone());
        let written = off_thread(move || {
            Ok(copy.note.as_ref().map_or(Ok(()), |note| place.write_note(&copy.name, note)))
        });
        written.await?.map_err(|error| unusable(&turn.folder, &error))
    }

    /// Removes the backups beyond as many as are to be kept, and never the last one that is proven. Those that are rotten
    /// or could not be restored do not count; they go when there are enough newer ones, of either kind.
    pub(super) async fn remove_surplus(&self, author: &Author, turn: &Turn) -> Result<(), Error> {
        let kept = list(&turn.folder).await?;
        for surplus in surplus(&kept, turn.settings.keep) {
            self.remove_kept(author, &turn.folder, surplus, "there are enough newer ones").await?;
        }
        Ok(())
    }
}

/// The backups beyond `keep`; `kept` has the newest first.
fn surplus(kept: &[KeptBackup], keep: usize) -> Vec<&KeptBackup> {
    let proved = kept.iter().find(|kept| kept.state() == BackupState::Proved);
    let (mut counted, mut bad) = (0, 0);
    let mut surplus = Vec::new();
    for one in kept {
        // A file that somebody else put there is theirs.
        if one.note.is_none() {
            continue;
        }
        let is_last_proved = proved.is_some_and(|proved| proved.name == one.name);
        if (counted >= keep || bad >= keep && !one.counts()) && !is_last_proved {
            surplus.push(one);
        }
        counted += usize::from(one.counts());
        bad += usize::from(!one.counts());
    }
    surplus
}

/// Verifies the ledger of a candidate and compares what it holds with what was noted of it.
async fn compare(
    services: &Services,
    note: Option<&BackupNote>,
    turn: &Turn,
) -> Result<Census, Error> {
    turn.meter.phase(Phase::Verifying, None);
    verified(services, &turn.meter).await?;
    let census = services.store.db.census().await?;
    let Some(note) = note.filter(|note| !note.rows.is_empty()) else { return Ok(census) };
    let line = services.store.db.read().await?.ledger().head_at(note.ledger_seq).await?;
    if line.is_none_or(|line| line.hash != note.ledger_hash) {
        let reason = format!("its ledger has another line at seq {}", note.ledger_seq);
        return Err(Error::NoDatabase(reason));
    }
    for (table, rows) in &note.rows {
        let found = census.rows.get(table).copied().unwrap_or_default();
        // A newer program says in the ledger that it brought it up to date.
        let holds = if table == LEDGER { found >= *rows } else { found == *rows };
        if !holds {
            let reason = format!("it has {found} rows of {table}, and {rows} were written");
            return Err(Error::NoDatabase(reason));
        }
    }
    Ok(census)
}

fn reason(error: &CandidateError) -> String {
    match error {
        CandidateError::Damaged(reason) => format!("{error}: {reason}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(day: u32, state: BackupState) -> KeptBackup {
        let at = || String::from("2026-02-11T15:00:00.000000Z");
        let found = |holds| Finding { at: at(), holds, reason: None, took_ms: 1 };
        let mut note = BackupNote::new(1, String::new(), at(), None);
        note.check = Some(found(state != BackupState::Rotten));
        match state {
            BackupState::Proved | BackupState::Rotten => note.proofs.push(found(true)),
            BackupState::Failed => note.proofs.push(found(false)),
            BackupState::Unproved => {}
        }
        let name = format!("pm_backup_202602{day:02}T150000Z.db").parse().unwrap();
        KeptBackup { name, bytes: 1, note: Some(note) }
    }

    fn gone(kept: &[KeptBackup], keep: usize) -> Vec<usize> {
        let surplus = surplus(kept, keep);
        (0..kept.len()).filter(|place| surplus.contains(&&kept[*place])).collect()
    }

    #[test]
    fn what_is_beyond_as_many_as_are_kept_is_surplus_but_for_the_last_proven_one() {
        use BackupState::{Failed, Proved, Rotten, Unproved};
        let of = |states: &[BackupState]| -> Vec<_> {
            let days = (0..).map(|back| 28 - back);
            states.iter().zip(days).map(|(state, day)| kept(day, *state)).collect()
        };

        assert!(gone(&of(&[Proved, Proved]), 2).is_empty());
        assert_eq!(gone(&of(&[Proved, Proved, Proved]), 2), [2]);
        assert!(gone(&of(&[Unproved, Unproved, Proved]), 2).is_empty());
        assert_eq!(gone(&of(&[Unproved, Unproved, Proved, Proved]), 2), [3]);
        assert!(gone(&of(&[Rotten, Failed, Proved, Proved]), 2).is_empty());
        assert_eq!(gone(&of(&[Proved, Proved, Rotten, Failed]), 2), [2, 3]);
        assert_eq!(gone(&of(&[Failed, Failed, Failed, Proved]), 2), [2]);
        let mut strangers = of(&[Proved, Proved, Proved]);
        strangers[2].note = None;
        assert!(gone(&strangers, 1) == [1], "what somebody else put there stays");
    }
}
