//! When a backup is due.

use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pilotdeck_domain::identity::{Actor, Permission};
use pilotdeck_domain::times::WireTime;
use tokio::time::{MissedTickBehavior, interval};

use super::{KeptBackup, Operations};
use crate::Error;
use crate::operations::progress::Task;

/// How often it is looked whether a backup is due.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long after one that could not be made it is tried again.
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(15);

/// An attempt that came to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried(DateTime<Utc>);

impl Operations {
    /// Makes and proves a backup if one is due. None if it is not, or if one is under way.
    ///
    /// # Errors
    ///
    /// Why it was not made. It is tried again after a while.
    pub async fn backup_if_due(&self) -> Result<Option<KeptBackup>, Error> {
        let Some(settings) = &self.settings.backups else { return Ok(None) };
        let now = self.store.clock.now();
        let tried = *self.tried();
        if tried.is_some_and(|Tried(at)| (now - at).abs() < TRY_AGAIN.min(settings.step())) {
            return Ok(None);
        }
        let made = self.make_if_due(settings.step(), now).await;
        // However long it took: the next one is not due before.
        *self.tried() = made.is_err().then_some(Tried(now));
        made
    }

    async fn make_if_due(
        &self,
        every: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Option<KeptBackup>, Error> {
        let author = Actor::system().require(Permission::Administer)?;
        let kept = match self.kept().await {
            Ok(kept) => kept,
            Err(error) => {
                self.raise_alert(&author, &error).await;
                return Err(error);
            }
        };
        let due = due(&kept, every, now);
        if due > now {
            return Ok(None);
        }
        let turn = match self.take_turn(Task::Backup).await {
            Ok(turn) => turn,
            Err(Error::UnderWay(_)) => return Ok(None),
            Err(error) => {
                self.raise_alert(&author, &error).await;
                return Err(error);
            }
        };
        self.pass(&author, &turn, Some(latest(due, every, now))).await.map(Some)
    }

    /// Makes what is due from now on, until [`Operations::stop_backups`].
    pub async fn keep_backups(self) {
        if self.settings.backups.is_none() {
            return;
        }
        let mut stop = self.desk.stop.subscribe();
        let keep = async {
            let mut turns = interval(LOOK_EVERY);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                // It was said where it went wrong.
                let _ = self.backup_if_due().await;
            }
        };
        tokio::select! {
            () = keep => {}
            _ = stop.wait_for(|stops| *stops) => {}
        }
    }

    fn tried(&self) -> std::sync::MutexGuard<'_, Option<Tried>> {
        self.desk.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the next backup is due: one step after the newest one was due. Without one that was, one step after the newest one
/// was made; without any, now. Backups that somebody asked for do not move the schedule, and how long one takes does not,
/// either.
pub(super) fn due(kept: &[KeptBackup], every: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    let instant = |text: &str| WireTime::stored(text).instant();
    let notes = || kept.iter().filter_map(|kept| kept.note.as_ref());
    // A clock that was set back must not put it off for as long as it was wrong.
    let is_past = |at: &DateTime<Utc>| *at <= now;
    let was_due = notes().filter_map(|note| instant(note.due_at.as_deref()?)).filter(is_past).max();
    let made = || notes().filter_map(|note| instant(&note.made_at)).filter(is_past).max();
    was_due.or_else(made).map_or(now, |last| last + every)
}

/// The last time before `now` that lies whole steps after `due`: what was missed while nobody served is made up for once.
fn latest(due: DateTime<Utc>, every: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    let step = every.num_microseconds().unwrap_or(i64::MAX).max(1);
    let late = (now - due).num_microseconds().unwrap_or_default();
    due + TimeDelta::microseconds(late / step * step)
}

#[cfg(test)]
mod tests {
    use super::super::folder::BackupNote;
    use super::*;

    const DAY: TimeDelta = TimeDelta::hours(24);

    fn time(text: &str) -> DateTime<Utc> {
        format!("2026-02-{text}Z").parse().unwrap()
    }

    fn kept(made_at: &str, due_at: Option<&str>) -> KeptBackup {
        let wire = |text| WireTime::from(time(text)).to_string();
        let note = BackupNote::new(1, String::new(), wire(made_at), due_at.map(wire));
        let name = time(made_at).format("pm_backup_%Y%m%dT%H%M%SZ.db").to_string();
        KeptBackup { name: name.parse().unwrap(), bytes: 1, note: Some(note) }
    }

    #[test]
    fn the_schedule_neither_drifts_nor_follows_what_somebody_asked_for() {
        let now = time("12T10:00:00");
        let scheduled = kept("11T15:00:07", Some("11T15:00:00"));
        let asked_for = kept("12T09:00:00", None);

        assert_eq!(due(&[], DAY, now), now);
        assert_eq!(due(std::slice::from_ref(&asked_for), DAY, now), time("13T09:00:00"));
        assert_eq!(due(&[asked_for, scheduled], DAY, now), time("12T15:00:00"));
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_and_the_hour_stays() {
        let scheduled = kept("11T15:00:00", Some("11T15:00:00"));
        let now = time("14T20:30:00");

        let due = due(&[scheduled], DAY, now);

        assert_eq!(due, time("12T15:00:00"));
        assert_eq!(latest(due, DAY, now), time("14T15:00:00"));
        assert_eq!(latest(now, DAY, now), now);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_it_off() {
        let ahead = kept("28T15:00:00", Some("28T15:00:00"));
        let now = time("11T15:00:00");

        assert_eq!(due(std::slice::from_ref(&ahead), DAY, now), now);
        let before = kept("10T16:00:00", Some("10T16:00:00"));
        assert_eq!(due(&[ahead, before], DAY, now), time("11T16:00:00"));
    }
}
