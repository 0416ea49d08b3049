//! The ledger outside of the server: its key, its export, and who can prove it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::process::{Finished, Server, finish, pilotdeck, serve};

const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify_ledger.py");

fn ledger(folder: &Path, arguments: &[&str]) -> Finished {
    finish(pilotdeck(folder).arg("ledger").args(arguments), "")
}

/// What the second verifier says.
fn python(folder: &Path, file: &str, key: &str) -> Finished {
    finish(Command::new("python3").current_dir(folder).args([VERIFIER, file, key]), "")
}

/// A folder with a database that is not served any more, its export `export.jsonl`, and the public key.
async fn an_export() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    server.line("signed the ledger up to seq 2").await;
    server.write("/api/projects", &json!({ "id": "p", "name": "Atl\u{e1}s" })).await;
    let signed = ledger(folder.path(), &["checkpoint"]);
    assert!(signed.stdout.starts_with("signed: seq 3, hash "), "{signed:?}");
    for _ in 0..5 {
        server.write("/api/agent/events", &json!({ "message": "x" })).await;
    }
    let (_, session) = server.sign_in("admin", "admin").await;
    let request = server.get("/api/ledger/export").header("cookie", session.unwrap());
    let sent = request.send().await.unwrap().text().await.unwrap();
    let written = ledger(folder.path(), &["export"]);
    assert_eq!(written.stdout, sent);
    server.stop().await;
    let written = ledger(folder.path(), &["export", "--output", "export.jsonl"]);
    assert_eq!((written.code, written.stdout.as_str(), written.stderr.as_str()), (Some(0), "", ""));
    let key = ledger(folder.path(), &["key"]).stdout.trim().to_owned();
    (folder, key)
}

#[tokio::test]
async fn an_export_is_proven_offline_by_both_verifiers() {
    let (folder, key) = an_export().await;
    let alone = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join("export.jsonl"), alone.path().join("export.jsonl")).unwrap();
    fs::write(alone.path().join("key.pub"), format!("{key}\n")).unwrap();
    let file = fs::read_to_string(alone.path().join("export.jsonl")).unwrap();
    // The end was signed when the server stopped.
    let seq = file.lines().filter(|line| line.starts_with("{\"hash\"")).count();
    let says = format!("proven: seq 1 to {seq}, by ");

    for key in [key.as_str(), "key.pub"] {
        let verified = ledger(alone.path(), &["verify", "--export", "export.jsonl", "--key", key]);
        assert_eq!((verified.code, verified.stderr.as_str()), (Some(0), ""), "{verified:?}");
        assert!(verified.stdout.contains(&says), "{verified:?}");
        assert!(verified.stdout.contains("not proven: that this is all"), "{verified:?}");
    }
    let mut piped = pilotdeck(alone.path());
    let piped = finish(piped.args(["ledger", "verify", "--export", "-", "--key", &key]), &file);
    assert!(piped.code == Some(0) && piped.stdout.contains(&says), "{piped:?}");
    let second = python(alone.path(), "export.jsonl", &key);
    assert_eq!(second.stdout, format!("proven: seq 1 to {seq}; not proven: 0 lines after it\n"));
    assert!(!alone.path().join("pm.db").exists());
}

#[tokio::test]
async fn what_was_done_to_an_export_is_named_by_both_verifiers() {
    let (folder, key) = an_export().await;
    let whole = fs::read_to_string(folder.path().join("export.jsonl")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let without = |line: usize| [&lines[..line - 1], &lines[line..]].concat().concat();
    let swapped = |one: usize, other: usize| {
        let mut lines = lines.clone();
        lines.swap(one - 1, other - 1);
        lines.concat()
    };
    assert!([2, 4].iter().all(|line| lines[*line].starts_with("{\"checkpoint\"")), "{whole}");
    let cases = [
        (whole.replacen("Atl\u{e1}s", "Atlas", 1), "line 4 (seq 3): altered: its content"),
        (whole.replacen("project.created", "project.creates", 1), "line 4 (seq 3): altered"),
        (whole.replacen("},\"signature\"", "} ,\"signature\"", 1), "line 3 (seq 3): altered"),
        (whole.replacen("\"previous\":0", "\"previous\":1", 1), "line 3 (seq 2): altered"),
        (without(1), "line 1 (seq 1): removed: seq 1"),
        (without(7), "line 7 (seq 5): removed: seq 5"),
        (without(3), "line 3 (seq 2): removed: the checkpoint of seq 2"),
        (swapped(2, 7), "line 2 (seq 2): reordered: seq 2 stands at line 7"),
        (swapped(5, 6), "line 5 (seq 3): reordered"),
        (whole.replacen('\n', "\r\n", 1), "line 1 (seq 1): altered"),
        (whole.replacen('\n', "\n\n", 1), "line 2 (seq 2): altered"),
        (whole.trim_end().to_owned(), "the file was cut off here"),
        (format!("\u{feff}{whole}"), "line 1 (seq 1): altered"),
        ("%PDF-1.7\n".to_owned(), "neither a line of a ledger nor a checkpoint"),
        (String::new(), "is empty"),
        (lines[..2].concat(), "nothing is proven"),
    ];

    for (file, says) in cases {
        fs::write(folder.path().join("tampered"), file).unwrap();
        let found = ledger(folder.path(), &["verify", "--export", "tampered", "--key", &key]);
        assert!(found.refusal().contains(says), "{says}: {found:?}");
        let second = python(folder.path(), "tampered", &key);
        assert_eq!(second.code, Some(1), "{says}: {second:?}");
        assert!(!second.stderr.contains("Traceback"), "{second:?}");
    }
    fs::write(folder.path().join("shorter"), lines[..7].concat()).unwrap();
    let shorter = ledger(folder.path(), &["verify", "--export", "shorter", "--key", &key]);
    assert!(shorter.stdout.contains("proven: seq 1 to 3, by 2 checkpoints, "), "{shorter:?}");
    assert!(shorter.stdout.contains("not proven: seq 4 to 5, after the last"), "{shorter:?}");
}

#[tokio::test]
async fn a_wrong_key_is_told_from_a_wrong_file() {
    let (folder, key) = an_export().await;
    let verify = |arguments: &[&str]| {
        let mut command = pilotdeck(folder.path());
        finish(command.args(["ledger", "verify", "--export", "export.jsonl"]).args(arguments), "")
    };
    let other = "ed25519:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

    let wrong = verify(&["--key", other]);
    assert!(wrong.refusal().contains(&key), "the key that it takes is named: {wrong:?}");
    assert_eq!(verify(&["--key", other, "--key", &key]).code, Some(0));
    for none in ["nothing", "export.jsonl", "ed25519:00"] {
        let refused = verify(&["--key", none]);
        assert!(refused.refusal().contains("neither a public key nor a file"), "{refused:?}");
    }
    assert_eq!(verify(&[]).code, Some(2), "an export is nothing without a key");
    assert_eq!(python(folder.path(), "export.jsonl", other).code, Some(1));
    let there = ledger(folder.path(), &["export", "--output", "export.jsonl"]);
    assert!(there.refusal().contains("export.jsonl cannot be made"), "{there:?}");
}

#[tokio::test]
async fn the_key_is_kept_outside_of_the_database_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let (database, elsewhere) = (folder.path().join("pm.db"), folder.path().join("elsewhere"));
    Server::start(&mut serve(folder.path())).await.stop().await;
    let beside = folder.path().join("pm.db.ledger-key");
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let first = ledger(folder.path(), &["key"]).stdout;
    let secret = fs::read_to_string(&beside).unwrap();

    let server = Server::start(serve(folder.path()).env("PM_LEDGER_KEY", &elsewhere)).await;
    server.write("/api/agent/events", &json!({})).await;
    server.stop().await;

    assert_eq!((mode(&beside), mode(&elsewhere)), (0o600, 0o600));
    let content = fs::read(&database).unwrap();
    assert!(!content.windows(64).any(|part| part == secret.trim().as_bytes()));
    // Each end was signed with its key, and verification takes both.
    let second = finish(
        pilotdeck(folder.path()).args(["ledger", "key"]).env("PM_LEDGER_KEY", &elsewhere),
        "",
    );
    assert_ne!(first, second.stdout);
    let (first, second) = (first.trim(), second.stdout.trim());
    let one = ledger(folder.path(), &["verify"]);
    assert!(one.refusal().contains(second), "{one:?}");
    let both = ledger(folder.path(), &["verify", "--key", first, "--key", second]);
    assert!(both.code == Some(0) && both.stdout.contains("by 2 checkpoints"), "{both:?}");
    fs::remove_file(&beside).unwrap();
    let without = ledger(folder.path(), &["verify"]);
    assert!(without.stdout.contains("not proven: the signatures"), "{without:?}");
    assert!(!beside.exists(), "verifying makes no key");

    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = finish(serve(folder.path()).env("PM_LEDGER_KEY", &elsewhere), "");
    assert!(refused.code == Some(1) && refused.stderr.contains("chmod 600"), "{refused:?}");
}
