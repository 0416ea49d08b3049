use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use pilotdeck_domain::clock::Clock;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::*;
use crate::{Candidate, Durability, OpenOptions, Scratch, database, machine_time_zone};

const OLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pilotdeck-v4.db");

/// A database with the rows of an older one, and values that are easily lost on the way.
async fn full(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("pm.db");
    fs::write(&path, fs::read(OLDER).unwrap()).unwrap();
    let clock = Clock::default();
    let options = OpenOptions {
        path: &path,
        durability: Durability::default(),
        clock: &clock,
        local_time: &machine_time_zone,
    };
    crate::open(options).await.unwrap().0.close().await;
    let mut conn = database::options(&path).connect().await.unwrap();
    let odd = "CREATE TABLE theirs (a, b); DROP TABLE theirs;
        INSERT INTO meta (key, value) VALUES
            ('odd.text', 'quote \" line \n 你好 \u{1F600}'), ('odd.blob', x'00ff10'), ('odd.real', 9e999),
            ('odd.integer', 9223372036854775807);";
    sqlx::raw_sql(odd).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    path
}

async fn archived(path: &Path, now: DateTime<Utc>) -> Vec<u8> {
    let (copy, mut file) = Scratch::beside(path, "copy").unwrap();
    io::copy(&mut fs::File::open(path).unwrap(), &mut file).unwrap();
    let mut pieces = archive(copy, now);
    let mut all = Vec::new();
    while let Some(piece) = pieces.recv().await {
        all.extend(piece.unwrap());
    }
    all
}

async fn unarchived(folder: &TempDir, bytes: &[u8]) -> Result<Scratch, ArchiveError> {
    let (target, _) = Scratch::beside(&folder.path().join("pm.db"), "import").unwrap();
    unarchive(bytes, &target).await.map(|_| target)
}

#[tokio::test]
async fn an_archive_makes_a_database_of_equal_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = full(&folder).await;
    let now = Clock::default().now();

    let first = archived(&path, now).await;
    let copy = unarchived(&folder, &first).await.unwrap();
    let second = archived(copy.path(), now).await;

    assert!(first.len() > 10_000);
    assert!(first == second, "the rows differ");
    let candidate = Candidate::examine(copy, &machine_time_zone, now).await.unwrap();
    candidate.close().await;
}

#[tokio::test]
async fn an_archive_that_was_cut_off_or_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = full(&folder).await;
    let whole = archived(&path, Clock::default().now()).await;

    for part in [0, 1, 20, whole.len() / 2, whole.len() - 40, whole.len() - 1] {
        assert!(unarchived(&folder, &whole[..part]).await.is_err(), "{part} bytes");
    }
    let text = String::from_utf8(whole).unwrap();
    for (from, to) in [
        ("\"in-progress\"", "\"in-Progress\""),
        ("\"table\":\"projects\"", "\"table\":\"sqlite_master\""),
        ("\"table\":\"projects\"", "\"table\":\"users\""),
        ("\"archive\":\"pilotdeck\"", "\"archive\":\"somebody\""),
        ("\"format\":1", "\"format\":2"),
        ("\"schema\":", "\"schema\":9"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(unarchived(&folder, changed.as_bytes()).await.is_err(), "{from} to {to}");
    }
    let longer = format!("{text}[1]\n");
    let error = unarchived(&folder, longer.as_bytes()).await.unwrap_err();
    assert!(error.to_string().ends_with("comes after the last one"), "{error}");
}

#[tokio::test]
async fn what_is_no_archive_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let head = "{\"archive\":\"pilotdeck\",\"format\":1,\"schema\":6,\"madeAt\":\"now\"}\n";

    for (lines, expected) in [
        (String::new(), "line 1 of the archive is not the first one of an archive"),
        ("{}\n".to_owned(), "line 1 of the archive is not the first one of an archive"),
        (format!("{head}[1]\n"), "line 2 of the archive is a row of no table"),
        (format!("{head}nonsense\n"), "line 2 of the archive is no line of an archive"),
        (
            format!("{head}{{\"table\":\"meta\",\"columns\":[\"key\"]}}\n"),
            "line 2 of the archive names other columns than the table meta has",
        ),
        (
            format!("{head}{{\"table\":\"meta\",\"columns\":[\"key\",\"value\"]}}\n[\"a\"]\n"),
            "line 3 of the archive has 1 values in place of 2",
        ),
        (
            format!("{head}{{\"table\":\"meta\",\"columns\":[\"key\",\"value\"]}}\n[\"a\",[]]\n"),
            "line 3 of the archive has a value that no archive has",
        ),
    ] {
        let error = unarchived(&folder, lines.as_bytes()).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
