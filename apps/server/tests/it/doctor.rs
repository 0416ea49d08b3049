//! What `pilotdeck doctor` finds.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::{Finished, Server, finish, pilotdeck, serve};

fn doctor(folder: &Path) -> Command {
    let mut command = pilotdeck(folder);
    command.args(["doctor", "--json"]);
    command
}

/// What was found: the level and the next step of each check that something is wrong with.
fn found(finished: &Finished) -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_str(&finished.stdout).expect(&finished.stdout);
    let findings = document["findings"].as_array().unwrap();
    let worst = match finished.code {
        Some(0) => "ok",
        Some(1) => "warn",
        Some(2) => "fail",
        _ => panic!("{finished:?}"),
    };
    assert_eq!(document["status"], worst, "{finished:?}");
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = findings.iter().filter(|finding| finding["level"] != "ok").map(|finding| {
        assert!(!text(finding, "nextStep").is_empty(), "{finding}");
        let said = format!("{} -> {}", text(finding, "message"), text(finding, "nextStep"));
        (text(finding, "check"), text(finding, "level"), said)
    });
    findings.collect()
}

/// A folder with a database that nothing is wrong with.
async fn well() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    Server::start(&mut serve(folder.path())).await.stop().await;
    let password = ["user", "set-password", "admin"];
    assert_eq!(finish(pilotdeck(folder.path()).args(password), "a good password\n").code, Some(0));
    let backup = ["backup", "--output", "pm_backup_20260211T150000Z.db"];
    assert_eq!(finish(pilotdeck(folder.path()).args(backup), "").code, Some(0));
    folder
}

#[tokio::test]
async fn a_healthy_installation_is_found_to_be_one_while_it_is_served_and_while_it_is_not() {
    let folder = well().await;

    let resting = finish(&mut doctor(folder.path()), "");
    let server = Server::start(&mut serve(folder.path())).await;
    let watched = finish(pilotdeck(folder.path()).args(["doctor", "--whole"]), "");
    let id = server.id();
    server.read("/api/projects").await;
    server.stop().await;

    assert_eq!((resting.code, found(&resting)), (Some(0), vec![]), "{resting:?}");
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert!(watched.stdout.contains(&format!("process {id} serves it")), "{watched:?}");
    assert!(watched.stdout.contains("lines hold"), "{watched:?}");
}

#[tokio::test]
async fn a_first_start_is_fine_but_for_the_password_and_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;

    let findings = found(&finish(&mut doctor(folder.path()), ""));
    drop(server);

    let checks: Vec<_> =
        findings.iter().map(|(check, level, _)| (check.as_str(), level.as_str())).collect();
    assert_eq!(checks, [("backups", "warn"), ("exposure", "warn")], "{findings:?}");
    assert!(findings[1].2.contains("pilotdeck user set-password admin"));
}

#[tokio::test]
async fn keys_that_others_can_read_and_tampered_files_are_found() {
    let folder = well().await;
    let mode = |name: &str, mode| {
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(mode)).unwrap();
    };
    for (name, bits, level) in [
        ("pm.db.secret", 0o640, "fail"),
        ("pm.db.ledger-key", 0o604, "fail"),
        ("pm.db", 0o644, "warn"),
    ] {
        mode(name, bits);
        let findings = found(&finish(&mut doctor(folder.path()), ""));
        let said = findings.iter().find(|(check, ..)| check == "permissions").expect(name);
        assert_eq!(said.1, level, "{findings:?}");
        assert!(said.2.contains("-> chmod 600 ") && said.2.contains(name), "{findings:?}");
        mode(name, 0o600);
    }

    let database = folder.path().join("pm.db");
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    let size = file.metadata().unwrap().len();
    for place in (8_192..size).step_by(4_096) {
        file.write_all_at(&[0xa5; 512], place).unwrap();
    }
    let findings = found(&finish(&mut doctor(folder.path()), ""));
    assert!(
        findings.iter().any(|(check, level, _)| check == "database" && level == "fail"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn a_line_that_somebody_changed_is_found() {
    let folder = well().await;
    let database = folder.path().join("pm.db");
    let bytes = fs::read(&database).unwrap();
    let said = b"\"role\":\"admin\"";
    let places: Vec<usize> = bytes
        .windows(said.len())
        .enumerate()
        .filter(|(_, window)| window == said)
        .map(|(place, _)| place)
        .collect();
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    for place in places {
        file.write_all_at(b"\"role\":\"nimda\"", place.try_into().unwrap()).unwrap();
    }

    let findings = found(&finish(&mut doctor(folder.path()), ""));

    assert!(
        findings.iter().any(|(check, level, _)| check == "ledger" && level == "fail"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn settings_that_mean_nothing_or_open_a_door_are_found() {
    let folder = well().await;
    let with = |settings: &[(&str, &str)]| {
        found(&finish(doctor(folder.path()).envs(settings.iter().copied()), ""))
    };
    let token = "a-token-that-nobody-guesses";

    for (settings, check, level, said) in [
        (&[("PM_TOKEN_AGENT", token)][..], "settings", "warn", "call it PM_AGENT_TOKEN"),
        (&[("PM_NOTHING", "x")], "settings", "warn", "PM_NOTHING is no setting"),
        (&[("PM_PORT", "many")], "settings", "fail", "PM_PORT"),
        (&[("PM_LOG", "a=b=c")], "settings", "fail", "PM_LOG"),
        (
            &[("PM_AGENT_TOKEN", token), ("PM_ADMIN_TOKEN", token)],
            "settings",
            "fail",
            "are the same",
        ),
        (&[("PM_AGENT_TOKEN", "short")], "settings", "warn", "guessed"),
        (&[("SESSION_COOKIE_SECURE", "true")], "settings", "warn", "PM_TRUSTED_PROXIES"),
        (&[("PM_ALLOWED_HOSTS", "https://deck.example")], "settings", "warn", "name hosts only"),
        (&[("PM_BIND", "0.0.0.0")], "exposure", "fail", "PM_AGENT_TOKEN"),
        (
            &[("PM_BIND", "0.0.0.0"), ("PM_AGENT_TOKEN", token)],
            "exposure",
            "warn",
            "PM_ALLOWED_HOSTS",
        ),
        (
            &[
                ("PM_TRUSTED_PROXIES", "10.0.0.0/8"),
                ("PM_AGENT_TOKEN", token),
                ("PM_RATE_LIMIT", "0"),
            ],
            "exposure",
            "warn",
            "no limit",
        ),
        (&[("PM_BACKUP_DIR", "not-there")], "backups", "warn", "mkdir -p"),
    ] {
        let findings = with(settings);
        assert!(
            findings
                .iter()
                .any(|(found, how, text)| found == check && how == level && text.contains(said)),
            "{settings:?}: {findings:?}"
        );
        assert!(findings.iter().all(|(_, _, text)| !text.contains(token)), "{findings:?}");
    }
}

#[test]
fn without_a_database_the_next_step_is_to_start_a_server() {
    let folder = tempfile::tempdir().unwrap();

    let finished = finish(&mut doctor(folder.path()), "");

    let findings = found(&finished);
    assert!(
        findings
            .iter()
            .any(|(check, _, text)| check == "database" && text.contains("start the server"))
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing was made");
}
