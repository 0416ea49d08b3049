//! A folder of backups that are named for the time when they were made, of which the newest ones are kept.

use std::fs::{self, DirBuilder};
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use chrono::{DateTime, NaiveDateTime, Utc};

/// As a downloaded backup is called.
const NAME: &str = "pm_backup_%Y%m%dT%H%M%SZ.db";
/// The bytes of such a name.
const NAME_BYTES: usize = 29;

/// The folder, and how many of its backups stay.
pub(super) struct Kept {
    folder: PathBuf,
    most: Option<NonZeroUsize>,
}

impl Kept {
    /// Makes the folder, for its owner only, if it is not there.
    pub(super) fn in_folder(folder: PathBuf, most: Option<NonZeroUsize>) -> Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self { folder, most })
    }

    /// The file of a backup that is made now.
    pub(super) fn name(&self, now: DateTime<Utc>) -> PathBuf {
        self.folder.join(now.format(NAME).to_string())
    }

    /// Removes the oldest backups beyond those that stay, and says which. What is called otherwise is nobody's business.
    pub(super) fn remove_older(&self) -> Result<Vec<PathBuf>> {
        let Some(most) = self.most else { return Ok(Vec::new()) };
        let cannot_read = || format!("{} cannot be read", self.folder.display());
        let mut names = Vec::new();
        for entry in self.folder.read_dir().with_context(cannot_read)? {
            let entry = entry.with_context(cannot_read)?;
            let name = entry.file_name().into_string();
            if let Ok(name) = name
                && is_backup(&name)
                && entry.file_type().with_context(cannot_read)?.is_file()
            {
                names.push(name);
            }
        }
        // A name is a time, so that the order of names is the order in which they were made.
        names.sort_unstable_by(|one, other| other.cmp(one));
        let older = names.into_iter().skip(most.get()).map(|name| self.folder.join(name));
        older
            .map(|file| {
                fs::remove_file(&file)
                    .with_context(|| format!("{} cannot be removed", file.display()))?;
                Ok(file)
            })
            .collect()
    }
}

fn is_backup(name: &str) -> bool {
    name.len() == NAME_BYTES && NaiveDateTime::parse_from_str(name, NAME).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_backups_stay_and_what_is_no_backup_stays_too() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::in_folder(folder.path().into(), NonZeroUsize::new(2)).unwrap();
        let others = ["pm.db", "pm_backup_20260101T000000Z.db.part", "pm_backup_mine.db"];
        for name in others.iter().chain(&[
            "pm_backup_20260101T000000Z.db",
            "pm_backup_20251231T235959Z.db",
            "pm_backup_20260102T000000Z.db",
        ]) {
            fs::write(folder.path().join(name), "").unwrap();
        }

        let removed = kept.remove_older().unwrap();

        assert_eq!(removed, [folder.path().join("pm_backup_20251231T235959Z.db")]);
        assert_eq!(
            names(folder.path()),
            [
                "pm.db",
                "pm_backup_20260101T000000Z.db",
                "pm_backup_20260101T000000Z.db.part",
                "pm_backup_20260102T000000Z.db",
                "pm_backup_mine.db",
            ]
        );
        assert!(kept.remove_older().unwrap().is_empty());
    }

    #[test]
    fn all_backups_stay_unless_a_number_is_set_and_a_name_is_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::in_folder(folder.path().join("a/b"), None).unwrap();
        let now: DateTime<Utc> = "2026-02-11T15:00:00.5Z".parse().unwrap();
        let file = kept.name(now);
        fs::write(&file, "").unwrap();

        assert!(kept.remove_older().unwrap().is_empty());
        assert_eq!(file, folder.path().join("a/b/pm_backup_20260211T150000Z.db"));
        assert!(is_backup("pm_backup_20260211T150000Z.db"));
    }
}
