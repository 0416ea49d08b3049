//! What must stay secret: kept beside the database, so that a restart changes nothing, and not in it, so that a copy of
//! the database is no key.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pilotdeck_domain::ledger::checkpoint::SigningKey;
use rand::RngCore as _;

/// Random bytes of the secret that signs cookies, and of the key that signs checkpoints.
const COOKIE_BYTES: usize = 64;
const KEY_BYTES: usize = 32;

/// Reads the secret that signs session cookies, or makes it.
pub(crate) fn of_cookies(database: &Path) -> Result<Vec<u8>> {
    let path = beside(database, ".secret");
    let secret = kept(&path, || random::<COOKIE_BYTES>().to_vec())?;
    if secret.len() < COOKIE_BYTES {
        bail!(
            "{} is too short to sign sessions with: delete it, and a new one is made",
            path.display()
        );
    }
    Ok(secret)
}

/// Where the key that signs checkpoints is, unless it is said otherwise.
pub(crate) fn ledger_key_path(database: &Path, set: Option<PathBuf>) -> PathBuf {
    set.unwrap_or_else(|| beside(database, ".ledger-key"))
}

/// Reads the key that signs checkpoints, or makes it.
pub(crate) fn ledger_key(path: &Path) -> Result<SigningKey> {
    let text = kept(path, || {
        let digits: Vec<String> =
            random::<KEY_BYTES>().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}\n", digits.concat()).into_bytes()
    })?;
    read_ledger_key(path, &text)
}

/// Reads the key that signs checkpoints, if there is one.
pub(crate) fn ledger_key_if_any(path: &Path) -> Result<Option<SigningKey>> {
    match fs::read(path) {
        Ok(text) => read_ledger_key(path, &text).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn read_ledger_key(path: &Path, text: &[u8]) -> Result<SigningKey> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{} signs the ledger, and others than its owner may use it (mode {mode:04o}): chmod 600 it; if somebody else \
             may have read it, delete it, and a new one is made",
            path.display()
        );
    }
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).with_context(|| {
        format!(
            "{} is no key of a ledger, which is 64 lowercase hexadecimal digits: name another file in PM_LEDGER_KEY",
            path.display()
        )
    })
}

/// Reads a secret, or makes it with `make`.
fn kept(path: &Path, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read.with_context(|| format!("{} cannot be read", path.display())),
    }
    write(path, make).with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes a whole file or none: one that ends early would keep the next start from being one. Of two that write at once,
/// the first one's secret is the one that both get.
fn write(path: &Path, make: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let unfinished = path.with_added_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&unfinished)?;
    file.lock()?;
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => {
            let _ = fs::remove_file(&unfinished);
            return read;
        }
    }
    let secret = make();
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.set_len(0)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(secret)
}

fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_secret_is_made_once_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");

        let first = of_cookies(&database).unwrap();
        let second = of_cookies(&database).unwrap();

        assert_eq!(first, second);
        assert_eq!(mode(&beside(&database, ".secret")), 0o600);
    }

    #[test]
    fn a_secret_whose_writing_was_cut_short_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");
        let path = beside(&database, ".secret");
        let unfinished = path.with_added_extension("new");
        fs::write(&unfinished, "cut sh").unwrap();

        assert_eq!(of_cookies(&database).unwrap().len(), COOKIE_BYTES);

        assert_eq!(mode(&path), 0o600);
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_secret_that_is_too_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pm.db");
        fs::write(beside(&database, ".secret"), "short").unwrap();

        assert!(of_cookies(&database).is_err());
    }

    #[test]
    fn the_key_of_the_ledger_is_made_once_however_many_ask_and_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = ledger_key_path(&folder.path().join("pm.db"), None);
        assert!(ledger_key_if_any(&path).unwrap().is_none());

        let keys: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> =
                (0..8).map(|_| scope.spawn(|| ledger_key(&path).unwrap().public())).collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect()
        });

        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(ledger_key_if_any(&path).unwrap().unwrap().public(), keys[0]);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(path, folder.path().join("pm.db.ledger-key"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_use_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        ledger_key(&path).unwrap();
        for open in [0o640, 0o604, 0o620, 0o610] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let refused = ledger_key(&path).unwrap_err().to_string();
            assert!(refused.contains("chmod 600"), "{open:o}: {refused}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            fs::write(&path, text).unwrap();
            let refused = ledger_key(&path).unwrap_err().to_string();
            assert!(refused.contains("no key of a ledger"), "{refused}");
        }
    }
}
