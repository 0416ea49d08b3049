//! The commands beside serving.

use std::fs;

use serde_json::json;

use crate::process::{OLDER, Server, answer, finish, pilotdeck, serve};

const OPENAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/openapi.json");

#[test]
fn the_program_says_what_it_is_and_what_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    let version = finish(pilotdeck(folder.path()).arg("--version"), "");
    assert_eq!(version.stdout, concat!("pilotdeck ", env!("CARGO_PKG_VERSION"), "\n"));

    for call in [&["--help"][..], &["serve", "--help"]] {
        let help = finish(pilotdeck(folder.path()).args(call), "");
        assert_eq!(help.code, Some(0));
        for name in ["--bind", "--port", "--db", "PM_AGENT_TOKEN", "SESSION_COOKIE_SECURE"] {
            assert!(help.stdout.contains(name), "{name}");
        }
    }
    let unknown = finish(pilotdeck(folder.path()).arg("--prot"), "");
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn there_is_a_manual_page_for_every_command_that_is_not_hidden() {
    let folder = tempfile::tempdir().unwrap();

    let written = finish(pilotdeck(folder.path()).args(["man", "."]), "");

    assert_eq!(written.code, Some(0), "{written:?}");
    let page = fs::read_to_string(folder.path().join("pilotdeck.1")).unwrap();
    assert!(page.contains("PM_AGENT_TOKEN") && page.contains("pilotdeck\\-restore"), "{page}");
    assert!(folder.path().join("pilotdeck-ledger-verify.1").exists());
    assert!(!folder.path().join("pilotdeck-run-deploy-job.1").exists());
}

#[tokio::test]
async fn a_server_is_well_as_long_as_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let port = server.base_url.rsplit_once(':').unwrap().1.to_owned();
    // Listening everywhere, it listens here, too.
    let ask = || {
        let mut command = pilotdeck(folder.path());
        finish(command.arg("health").env("PM_BIND", "0.0.0.0").env("PM_PORT", &port), "")
    };

    let while_it_runs = ask();
    server.stop().await;
    let afterwards = ask();

    assert_eq!(while_it_runs.code, Some(0), "{while_it_runs:?}");
    assert!(while_it_runs.stdout.ends_with(" answers\n"), "{while_it_runs:?}");
    assert!(afterwards.refusal().contains(" is not well"), "{afterwards:?}");
}

#[tokio::test]
async fn the_document_is_the_same_wherever_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;

    let printed = finish(pilotdeck(folder.path()).arg("openapi"), "");
    let response = server.get("/api/openapi.json").send().await.unwrap();
    let sent = response.text().await.unwrap();

    assert_eq!(printed.code, Some(0));
    assert!(printed.stdout == sent, "the printed document is not the served one");
    let committed = fs::read_to_string(OPENAPI).unwrap();
    assert!(printed.stdout == committed, "the committed document is not current");
}

#[tokio::test]
async fn the_ledger_is_verified_with_and_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let verify = || finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
    let (_, session) = server.sign_in("admin", "admin").await;
    server.write("/api/agent/events", &json!({})).await;
    let request = server.get("/api/ledger").header("cookie", session.unwrap());
    let (_, ledger) = answer(request).await;
    let (seq, hash) = (&ledger["lastSeq"], ledger["lastHash"].as_str().unwrap());

    let beside = verify();
    server.stop().await;
    let alone = verify();

    for verified in [beside, alone] {
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let says = format!("the ledger holds: last seq {seq}, hash {hash}\n");
        assert!(verified.stdout.starts_with(&says), "{verified:?}");
        assert_eq!(verified.stderr, "");
    }
}

#[tokio::test]
async fn what_was_changed_behind_its_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pm.db");
    let server = Server::start(&mut serve(folder.path())).await;
    server.write("/api/projects", &json!({ "name": "Apollo, as it was" })).await;
    for _ in 0..40 {
        server.write("/api/agent/events", &json!({ "message": "x".repeat(4_000) })).await;
    }
    server.stop().await;
    let whole = fs::read(&file).unwrap();
    let verify = || finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
    assert_eq!(verify().code, Some(0));

    let mut told_otherwise = whole.clone();
    let (name, other) = (b"Apollo, as it was", b"Apollo, as it is!");
    let mut places = 0;
    for place in 0..whole.len() - name.len() {
        if whole[place..].starts_with(name) {
            told_otherwise[place..place + name.len()].copy_from_slice(other);
            places += 1;
        }
    }
    fs::write(&file, told_otherwise).unwrap();
    let tampered = verify();

    let mut torn = whole.clone();
    // The last page belongs to what was written last: a message.
    let page = torn.len() - 4_096;
    torn[page..].fill(0xff);
    fs::write(&file, torn).unwrap();
    let damaged = verify();

    assert!(places > 1, "the ledger has the name, too");
    assert!(tampered.refusal().contains("does not hold at seq 3"), "{tampered:?}");
    assert!(damaged.refusal().contains("damaged"), "{damaged:?}");
}

#[test]
fn what_is_not_ready_is_not_touched_by_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "certainly not a database").unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::copy(OLDER, path("older")).unwrap();
    for (name, why) in [
        ("text", "not a SQLite database"),
        ("empty", "is empty: start `pilotdeck serve`"),
        ("older", "older PilotDeck: start `pilotdeck serve`"),
        ("none", "is not there: start `pilotdeck serve`"),
    ] {
        let before = fs::read(path(name)).ok();
        for command in [&["ledger", "verify"][..], &["user", "set-password"]] {
            let mut command_line = pilotdeck(folder.path());
            let refused = finish(command_line.args(command).args(["--db", name]), "long enough\n");
            assert!(refused.refusal().contains(why), "{refused:?}");
        }
        assert_eq!(fs::read(path(name)).ok(), before);
    }
    let names = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(names.count(), 3, "no file is left over");
}

#[tokio::test]
async fn a_password_is_replaced_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let (_, session) = server.sign_in("admin", "admin").await;
    let session = session.unwrap();
    assert!(server.knows(&session).await);
    let set = |arguments: &[&str], input: &str| {
        let mut command = pilotdeck(folder.path());
        finish(command.args(["user", "set-password"]).args(arguments), input)
    };

    for (input, why) in [("short\n", "at least 8"), ("", "at least 8"), ("admin\n", "new password")]
    {
        let refused = set(&[], input);
        assert!(refused.refusal().contains(why), "{refused:?}");
    }
    let unknown = set(&["nobody"], "long enough\n");
    assert!(unknown.refusal().contains("nobody"), "{unknown:?}");
    assert!(server.knows(&session).await);

    let replaced = set(&["admin"], "  a new password \n");

    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    assert!(!replaced.stdout.contains("a new password"));
    assert!(!server.knows(&session).await);
    assert_eq!(server.sign_in("admin", "admin").await.0, 401);
    assert_eq!(server.sign_in("admin", "a new password").await.0, 200);
    // The server goes on with the ledger where the command left it.
    server.write("/api/agent/events", &json!({})).await;
    server.stop().await;
    let verified = finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test]
async fn people_are_managed_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let user = |arguments: &[&str], input: &str| {
        finish(pilotdeck(folder.path()).arg("user").args(arguments), input)
    };
    let json = |arguments: &[&str]| -> serde_json::Value {
        let said = user(&[arguments, &["--json"]].concat(), "");
        assert_eq!(said.code, Some(0), "{said:?}");
        serde_json::from_str(&said.stdout).unwrap()
    };

    let added = user(&["add", "Ada", "--role", "viewer"], "a long password\n");
    assert_eq!(added.code, Some(0), "{added:?}");
    assert!(!added.stdout.contains("a long password"));
    let (_, session) = server.sign_in("ada", "a long password").await;
    let session = session.unwrap();
    assert!(server.knows(&session).await);
    assert_eq!(json(&["sessions", "ada"]).as_array().unwrap().len(), 1);
    assert_eq!(json(&["end-sessions", "ada"])["endedSessions"], 1);
    assert!(!server.knows(&session).await);
    assert_eq!(json(&["set-role", "ada", "member"])["role"], "member");
    assert_eq!(json(&["disable", "ada"])["isActive"], false);
    assert_eq!(server.sign_in("ada", "a long password").await.0, 401);
    assert_eq!(json(&["enable", "ada"])["isActive"], true);
    assert_eq!(server.sign_in("ada", "a long password").await.0, 200);
    let link = json(&["invite", "--url", "https://deck.example"])["link"].to_string();
    assert!(link.starts_with("\"https://deck.example/join#"), "{link}");
    assert_eq!(json(&["keys"]), json!([]));

    for (arguments, why) in [
        (&["disable", "admin"][..], "last administrator"),
        (&["add", "ADA"], "another user has this username"),
        (&["set-role", "nobody", "admin"], "User not found: nobody"),
        (&["set-role", "ada", "root"], "must be admin, member or viewer"),
        (&["invite", "--project", "none=owner"], "Project not found: none"),
        (&["reset-second-factor", "ada"], "there is no second factor"),
        (&["revoke-key", "none"], "Key not found: none"),
    ] {
        let refused = user(arguments, "a long password\n");
        assert!(refused.code != Some(0) && refused.stderr.contains(why), "{refused:?}");
    }
    server.stop().await;
    let verified = finish(pilotdeck(folder.path()).args(["ledger", "verify"]), "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
