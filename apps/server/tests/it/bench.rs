//! The load that the program itself can put on a running server.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{Server, answer, finish, pilotdeck, serve};

const TOKEN: &str = "a token of agents";

#[tokio::test]
async fn every_kind_of_work_is_answered_and_leaves_no_project_behind() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    for (work, rate) in [("events", None), ("projects", None), ("mixed", Some("200"))] {
        let mut command = pilotdeck(folder.path());
        command.args(["bench", "--url", &server.base_url, "--work", work, "--json"]);
        command.args(["--connections", "4", "--seconds", "1"]);
        if let Some(rate) = rate {
            command.args(["--rate", rate]);
        }

        let done = finish(&mut command, "");

        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stderr.contains("projects made for this: proj-"), "{done:?}");
        let figures: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(figures["failures"], 0, "{figures:#}");
        assert!(figures["answers"].as_u64().unwrap() > 20, "{figures:#}");
        assert!(figures["latencyMs"]["p50"].as_f64() <= figures["latencyMs"]["p99.9"].as_f64());
        assert_eq!(figures["projectsLeft"], serde_json::json!([]));
        assert_eq!(server.read("/api/projects").await["total"], 0);
    }
    let events = server.read("/api/agent/events?agentId=pilotdeck-bench&limit=1").await;
    assert_eq!(events["total"], 1, "events stay");
}

#[tokio::test]
async fn the_token_of_agents_is_read_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(serve(folder.path()).env("PM_AGENT_TOKEN", TOKEN)).await;
    let call = || {
        let mut command = pilotdeck(folder.path());
        command.args(["bench", "--url", &server.base_url, "--seconds", "1"]);
        command
    };

    let without = finish(&mut call(), "");
    let with = finish(call().env("PM_AGENT_TOKEN", TOKEN), "");
    let named = finish(call().args(["--agent-token-env", "OTHER"]).env("OTHER", TOKEN), "");

    assert!(without.refusal().contains("answered 401"), "{without:?}");
    for done in [with, named] {
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.contains("p99.9"), "{done:?}");
        assert!(done.stdout.contains("0 errors"), "{done:?}");
        assert!(!format!("{done:?}").contains(TOKEN));
    }
}

#[test]
fn what_cannot_be_asked_is_refused_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    for (url, why) in [
        ("https://example.org", "https is not spoken here"),
        ("localhost:8689", "no address of a server"),
        ("http://127.0.0.1:1", "cannot connect"),
    ] {
        let refused = finish(pilotdeck(folder.path()).args(["bench", "--url", url]), "");

        assert!(refused.refusal().contains(why), "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_counted_and_what_was_measured_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&mut serve(folder.path())).await;
    let mut command = pilotdeck(folder.path());
    command.args(["bench", "--url", &server.base_url, "--seconds", "3", "--connections", "4"]);
    let running = tokio::task::spawn_blocking(move || finish(&mut command, ""));
    // More than the connections, so that some were answered.
    let events = "/api/agent/events?agentId=pilotdeck-bench&limit=20";
    while answer(server.get(events)).await.1["total"] != 20 {}

    server.kill();
    let done = running.await.unwrap();

    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("cannot connect"), "{done:?}");
    assert!(done.stdout.contains("these could not be deleted: proj-"), "{done:?}");
}

#[tokio::test]
async fn a_load_that_is_interrupted_prints_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let mut command = pilotdeck(folder.path());
    command.args(["bench", "--url", &server.base_url, "--seconds", "3600", "--connections", "2"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let events = "/api/agent/events?agentId=pilotdeck-bench&limit=20";
    while answer(server.get(events)).await.1["total"] != 20 {}

    let id = running.id().to_string();
    let told = Command::new("sh").args(["-c", r#"kill -s INT "$0""#, &id]).status().unwrap();
    let done = running.wait_with_output().unwrap();

    assert!(told.success() && done.status.success(), "{done:?}");
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(printed.contains("a second") && printed.contains("were deleted"), "{printed}");
    assert_eq!(server.read("/api/projects").await["total"], 0);
}
