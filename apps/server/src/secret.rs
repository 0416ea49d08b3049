//! The secret that signs session cookies: kept beside the database, so that a restart signs nobody out, and not in it,
//! so that a copy of the database is no key.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rand::RngCore as _;

const BYTES: usize = 64;

/// Reads the secret, or makes it.
pub(crate) fn beside(database: &Path) -> Result<Vec<u8>> {
    let path = path(database);
    match fs::read(&path) {
        Ok(secret) if secret.len() >= BYTES => return Ok(secret),
        Ok(_) => bail!(
            "{} is too short to sign sessions with: delete it, and a new one is made",
            path.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    }
    let mut secret = vec![0_u8; BYTES];
    rand::rng().fill_bytes(&mut secret);
    write(&path, &secret).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(secret)
}

/// Writes a whole file or none: one that ends early would keep the next start from being one.
fn write(path: &Path, secret: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(secret)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".secret");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");

        let first = beside(&database).unwrap();
        let second = beside(&database).unwrap();

        assert_eq!(first, second);
        assert_eq!(fs::metadata(path(&database)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_whose_writing_was_cut_short_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");
        let unfinished = path(&database).with_added_extension("new");
        fs::write(&unfinished, "cut sh").unwrap();

        assert_eq!(beside(&database).unwrap().len(), BYTES);

        assert_eq!(fs::metadata(path(&database)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_secret_that_is_too_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");
        fs::write(path(&database), "short").unwrap();

        assert!(beside(&database).is_err());
    }
}
