//! The picture of the layers, held: which crate may name which, and which packages belong to one layer alone.

use std::process::Command;

use serde_json::Value;

/// Each crate of the workspace, what it may depend on, and what its tests may use besides.
///
/// Dependencies point down: `server -> api -> services -> storage -> domain`. `load` is a client: it knows the server by
/// its address alone. The applications below `apps` other than the server are tools of developers, and nothing but tests
/// depends on them.
const LAYERS: &[Layer] = &[
    Layer {
        name: "pilotdeck-server",
        may_use: &[
            "pilotdeck-api",
            "pilotdeck-services",
            "pilotdeck-storage",
            "pilotdeck-domain",
            "pilotdeck-load",
        ],
        tests_may_use: &["pilotdeck-testkit", "pilotdeck-faults"],
    },
    Layer {
        name: "pilotdeck-api",
        may_use: &["pilotdeck-services", "pilotdeck-domain"],
        tests_may_use: &["pilotdeck-testkit"],
    },
    Layer {
        name: "pilotdeck-services",
        may_use: &["pilotdeck-storage", "pilotdeck-domain"],
        tests_may_use: &["pilotdeck-testkit"],
    },
    Layer { name: "pilotdeck-storage", may_use: &["pilotdeck-domain"], tests_may_use: &[] },
    Layer { name: "pilotdeck-domain", may_use: &[], tests_may_use: &[] },
    Layer {
        name: "pilotdeck-testkit",
        may_use: &["pilotdeck-api", "pilotdeck-services", "pilotdeck-storage", "pilotdeck-domain"],
        tests_may_use: &[],
    },
    Layer { name: "pilotdeck-load", may_use: &[], tests_may_use: &[] },
    Layer { name: "xtask", may_use: &[], tests_may_use: &[] },
    Layer {
        name: "pilotdeck-bench",
        may_use: &["pilotdeck-load", "pilotdeck-storage", "xtask"],
        tests_may_use: &[],
    },
    Layer { name: "pilotdeck-faults", may_use: &["pilotdeck-load", "xtask"], tests_may_use: &[] },
];

/// Packages that only some crates may name; `*` at the end stands for any ending.
///
/// The measurements name them too: their floors are the same libraries without PilotDeck. So does the fault campaign, which
/// reads the file past the server.
const RESERVED: &[Reserved] = &[
    Reserved {
        package: "actix*",
        only: &["pilotdeck-api", "pilotdeck-bench"],
        optional: &[],
        in_tests: &[],
        why: "HTTP is spoken in `api`; the layers below are also used by tools that speak no HTTP",
    },
    Reserved {
        package: "utoipa*",
        only: &["pilotdeck-api"],
        optional: &["pilotdeck-domain"],
        in_tests: &[],
        why: "the OpenAPI document is made in `api`; `domain` may describe ids and enums behind a feature",
    },
    Reserved {
        package: "sqlx*",
        only: &["pilotdeck-storage", "pilotdeck-bench", "pilotdeck-faults"],
        optional: &[],
        in_tests: &["pilotdeck-services"],
        why: "SQL is written in `storage` alone; tests look at the file behind its back",
    },
    Reserved {
        package: "rust-embed*",
        only: &["pilotdeck-server"],
        optional: &[],
        in_tests: &[],
        why: "the files of the web console belong to the binary; `api` is handed them and need not be built anew for them",
    },
    Reserved {
        package: "rusqlite*",
        only: &[],
        optional: &[],
        in_tests: &[],
        why: "one SQLite per process: sqlx brings it",
    },
];

struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    tests_may_use: &'static [&'static str],
}

struct Reserved {
    package: &'static str,
    only: &'static [&'static str],
    /// Crates that may name it as an optional dependency.
    optional: &'static [&'static str],
    /// Crates whose tests may name it.
    in_tests: &'static [&'static str],
    why: &'static str,
}

/// One line below `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
struct Dependency {
    of: String,
    on: String,
    for_tests: bool,
    optional: bool,
}

#[test]
fn every_crate_has_its_place_in_the_picture() {
    for name in packages().iter().map(|package| text(&package["name"])) {
        assert!(
            LAYERS.iter().any(|layer| layer.name == name),
            "`{name}` is in the workspace, but LAYERS in {} does not say what it may depend on",
            file!()
        );
    }
}

#[test]
fn crates_depend_only_on_the_layers_below_them() {
    for Dependency { of, on, for_tests, .. } in dependencies() {
        if !LAYERS.iter().any(|layer| layer.name == on) {
            continue;
        }
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == of) else { continue };
        let is_allowed = layer.may_use.contains(&on.as_str())
            || (for_tests && layer.tests_may_use.contains(&on.as_str()));
        assert!(
            is_allowed,
            "`{of}` must not depend on `{on}`{}; it may use {:?}, and in tests also {:?}",
            if for_tests { " (in its tests)" } else { "" },
            layer.may_use,
            layer.tests_may_use
        );
    }
}

#[test]
fn reserved_packages_stay_in_their_layer() {
    for Dependency { of, on, for_tests, optional } in dependencies() {
        for reserved in RESERVED.iter().filter(|reserved| matches(reserved.package, &on)) {
            let is_allowed = reserved.only.contains(&of.as_str())
                || (optional && reserved.optional.contains(&of.as_str()))
                || (for_tests && reserved.in_tests.contains(&of.as_str()));
            assert!(is_allowed, "`{of}` must not depend on `{on}`: {}", reserved.why);
        }
    }
}

fn matches(pattern: &str, package: &str) -> bool {
    pattern.strip_suffix('*').map_or(package == pattern, |start| package.starts_with(start))
}

fn dependencies() -> Vec<Dependency> {
    let mut all = Vec::new();
    for package in packages() {
        for dependency in
            package["dependencies"].as_array().expect("a package has a list of dependencies")
        {
            all.push(Dependency {
                of: text(&package["name"]),
                on: text(&dependency["name"]),
                for_tests: dependency["kind"] == "dev",
                optional: dependency["optional"] == true,
            });
        }
    }
    all
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs the tests, so it can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    metadata["packages"].as_array().expect("a workspace has packages").clone()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a name is a string").to_owned()
}
