//! What is shipped beside the program: it says what is true, and it stays as hard as it was reviewed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::programs;

/// What the Debian package has, beside the units of systemd: whoever adds something adds it here, too.
const PACKAGED: &[(&str, &str)] = &[
    ("etc/pilotdeck/backup.env", "600"),
    ("etc/pilotdeck/server.env", "640"),
    ("usr/bin/pilotdeck", "755"),
    ("usr/share/doc/pilotdeck/CHANGELOG.md", "644"),
    ("usr/share/doc/pilotdeck/changelog.gz", "644"),
    ("usr/share/doc/pilotdeck/install.md", "644"),
    ("usr/share/doc/pilotdeck/ledger.md", "644"),
    ("usr/share/doc/pilotdeck/operations.md", "644"),
    ("usr/share/man/man1/*.1.gz", "644"),
];

/// What keeps a service from the rest of the machine.
const WALLS: &[&str] = &[
    "AmbientCapabilities=",
    "CapabilityBoundingSet=",
    "MemoryDenyWriteExecute=yes",
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectHome=yes",
    "ProtectSystem=strict",
    "StateDirectory=pilotdeck",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "UMask=0077",
    "User=pilotdeck",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The assets in the manifest of the server: source, destination, mode.
fn assets() -> Vec<[String; 3]> {
    let manifest = read("apps/server/Cargo.toml");
    let (_, rest) = manifest.split_once("\nassets = [\n").unwrap();
    let (lines, _) = rest.split_once("\n]\n").unwrap();
    let asset = |line: &str| {
        let mut words = line.split('"').skip(1).step_by(2).map(str::to_owned);
        [words.next().unwrap(), words.next().unwrap(), words.next().unwrap()]
    };
    lines.lines().map(asset).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("PM_")).map(str::to_owned).collect()
}

#[test]
fn the_package_has_the_files_that_were_reviewed_and_they_are_there() {
    let mut packaged: Vec<(String, String)> = Vec::new();
    for [source, folder, mode] in assets() {
        let (_, name) = source.rsplit_once('/').unwrap();
        packaged.push((format!("{folder}{name}"), mode));
        let is_built = source.starts_with("target/release/");
        assert!(is_built || root().join("apps/server").join(&source).is_file(), "{source}");
    }
    packaged.sort();

    let reviewed: Vec<_> =
        PACKAGED.iter().map(|(path, mode)| ((*path).to_owned(), (*mode).to_owned())).collect();
    assert_eq!(packaged, reviewed);
}

#[test]
fn the_scripts_of_the_package_are_sound() {
    let has_shellcheck = programs::succeeds(Command::new("shellcheck").arg("--version"));
    for name in ["postinst", "prerm", "postrm"] {
        let path = root().join("deploy/debian").join(name);
        let text = fs::read_to_string(&path).unwrap();

        assert!(text.starts_with("#!/bin/sh\nset -e\n"), "{name} goes on after a failure");
        assert!(text.contains("\n#DEBHELPER#\n"), "{name} leaves no place for the units' part");
        assert!(programs::succeeds(Command::new("sh").arg("-n").arg(&path)), "{name}");
        if has_shellcheck {
            programs::run(Command::new("shellcheck").arg(&path)).unwrap();
        }
    }
}

#[test]
fn the_services_are_walled_in_and_start_without_a_shell() {
    for name in ["pilotdeck.service", "pilotdeck-backup.service"] {
        let unit = read(&format!("deploy/systemd/{name}"));
        let lines: Vec<&str> = unit.lines().collect();
        for wall in WALLS {
            assert!(lines.contains(wall), "{name}: {wall}");
        }
        let started = lines.iter().filter_map(|line| line.strip_prefix("ExecStart="));
        let started: Vec<_> = started.collect();
        assert!(matches!(started[..], [one] if one.starts_with("/usr/bin/pilotdeck ")), "{name}");
    }
}

#[test]
fn the_settings_that_ship_are_settings_of_the_program_and_open_no_door() {
    let known = names(&read("apps/server/src/settings.rs"));
    let mut named = BTreeSet::new();
    for path in [
        "deploy/systemd/server.env",
        "deploy/systemd/backup.env",
        "deploy/systemd/pilotdeck.service",
        "deploy/systemd/pilotdeck-backup.service",
        "deploy/docker/Dockerfile",
        "deploy/docker/compose.yaml",
        "deploy/docker/pilotdeck.env.example",
    ] {
        named.extend(names(&read(path)));
    }

    for name in &named {
        assert!(known.contains(name), "{name} is no setting");
    }
    assert!(named.contains("PM_TRUSTED_PROXIES") && named.contains("PM_AGENT_TOKEN"));
    for path in ["deploy/systemd/server.env", "deploy/systemd/backup.env"] {
        let sets = read(path).lines().any(|line| !line.is_empty() && !line.starts_with('#'));
        assert!(!sets, "{path}: what is set by default, the program or the unit says");
    }
}
