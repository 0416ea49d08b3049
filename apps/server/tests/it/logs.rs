//! What is logged, and what is not.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::process::{Server, answer, client, pilotdeck, serve};

const AGENT: &str = "agent-token-of-the-logs";
const ADMIN: &str = "admin-token-of-the-logs";
const SIGNING: &str = "signing-secret-of-the-logs-long-enough";

#[tokio::test]
async fn a_request_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;

    server.read("/api/projects?status=active").await;
    let missing = server.get("/api/projects/proj-none").header("x-request-id", "mine-1");
    assert_eq!(answer(missing).await.0, 404);
    let lines = server.stop().await;

    let answered: Vec<_> = lines.iter().filter(|line| line.contains("answered")).collect();
    assert_eq!(answered.len(), 2, "{lines:#?}");
    for part in
        ["request.id=", "method=GET", "path=\"/api/projects\" ", "status=200", "duration_ms="]
    {
        assert!(answered[0].contains(part), "{part} is not in {}", answered[0]);
    }
    for part in ["mine-1", "path=\"/api/projects/proj-none\" ", "status=404"] {
        assert!(answered[1].contains(part), "{part} is not in {}", answered[1]);
    }
}

#[tokio::test]
async fn lines_for_programs_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(serve(folder.path()).env("PM_LOG_FORMAT", "json")).await;
    answer(server.get("/api/projects/none").header("x-request-id", "mine-1")).await;
    let lines = server.stop().await;

    let lines: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!(answered["method"], "GET");
    assert_eq!(answered["path"], "/api/projects/none");
    assert_eq!(answered["status"], 404);
    assert!(answered["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(answered["span"]["request.id"], "mine-1");
}

#[tokio::test]
async fn no_secret_is_logged_even_when_more_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.env("PM_DEBUG", "1").env("PM_SECRET_KEY", SIGNING);
    let server =
        Server::start(command.env("PM_AGENT_TOKEN", AGENT).env("PM_ADMIN_TOKEN", ADMIN)).await;
    let mut secrets: BTreeSet<String> = [AGENT, ADMIN, SIGNING].map(str::to_owned).into();
    let mut plant = |text: &str| {
        secrets.insert(text.to_owned());
        text.to_owned()
    };

    let (_, session) = server.sign_in("admin", "admin").await;
    let session = session.unwrap();
    plant(session.split_once('=').unwrap().1);
    server.sign_in("admin", &plant("wrong-password-1")).await;
    server.sign_in(&plant("typed-into-the-name"), "x").await;
    let change = json!({
        "currentPassword": plant("wrong-password-2"), "newPassword": plant("new-password-2"),
    });
    answer(server.post("/api/auth/change-password", &change).header("cookie", &session)).await;
    for (name, value) in [
        ("x-pm-agent-token", AGENT.to_owned()),
        ("x-pm-token", ADMIN.to_owned()),
        ("x-pm-agent-token", plant("wrong-agent-token")),
        ("authorization", format!("Bearer {}", plant("bearer-token"))),
        ("cookie", format!("pilotdeck_session={}", plant("forged-cookie"))),
        ("x-request-id", plant("not a plain id")),
        ("host", plant("planted.example")),
        ("origin", format!("http://{}", plant("origin.example"))),
    ] {
        let path = format!("/api/projects?token={}", plant("token-in-the-query"));
        answer(server.get(&path).header(name, value)).await;
    }
    for body in [
        json!({ "id": "", "name": plant("text-of-a-name"), "createdAt": plant("text-of-a-time") }),
        json!({ "name": "x", "notes": plant("text-of-the-notes") }),
        json!({ "name": "x", "id": 5, "updatedAt": plant("another-time") }),
    ] {
        answer(server.post("/api/projects", &body).header("x-pm-agent-token", AGENT)).await;
    }
    for (path, body) in [
        ("/api/agent/events", json!({ "message": plant("text-of-a-message"), "id": ["a"] })),
        ("/api/agent/events", json!({ "message": "x", "data": plant("text-of-the-data") })),
        ("/api/agent/usage", json!({ "ts": plant("time-of-the-usage") })),
        (
            "/api/agent/actions",
            json!({ "actions": [{ "projectId": "p", "type": plant("type-of-an-action") }] }),
        ),
    ] {
        answer(server.post(path, &body).header("x-pm-agent-token", AGENT)).await;
    }
    let request = server.client.post(server.url("/api/projects")).header("x-pm-agent-token", AGENT);
    let broken = request.header("content-type", "application/json");
    answer(broken.body(format!("{{\"a\": {}", plant("broken-json")))).await;
    let lines = server.stop().await;

    assert!(lines.iter().any(|line| line.contains("DEBUG")), "{lines:#?}");
    for secret in &secrets {
        let said = lines.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(said, None, "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_log_that_takes_no_line_harms_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = pilotdeck(folder.path());
    command.args(["serve", "--port", &port.to_string()]).stderr(full);
    let mut server = command.spawn().unwrap();
    let path = format!("http://127.0.0.1:{port}/api/health");

    let answered = loop {
        match client(None).get(&path).send().await {
            Ok(answered) => break Some(answered.status()),
            // It does not listen yet, unless it has ended.
            Err(_) if server.try_wait().unwrap().is_none() => {}
            Err(_) => break None,
        }
    };
    let _ = server.kill();
    server.wait().unwrap();

    assert_eq!(answered.map(|status| status.as_u16()), Some(200));
}
