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
    for part in ["mine-1", "path=\"/api/projects/{id}\" ", "status=404", "error_code=\"not_found\""]
    {
        assert!(answered[1].contains(part), "{part} is not in {}", answered[1]);
    }
}

#[tokio::test]
async fn lines_for_programs_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(serve(folder.path()).env("PM_LOG_FORMAT", "json")).await;
    server.write("/api/projects", &json!({ "id": "p1", "name": "x" })).await;
    answer(server.get("/api/projects/none").header("x-request-id", "mine-1")).await;
    let (_, session) = server.sign_in("admin", "admin").await;
    answer(server.get("/api/projects/p1").header("cookie", session.unwrap())).await;
    let lines = server.stop().await;

    let lines: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["msg"] == "answered").collect();
    let [_, missing, signed_in, read] = answered.as_slice() else { panic!("{lines:#?}") };
    assert!(missing["ts"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&missing["level"], &missing["target"]),
        (&json!("INFO"), &json!("pilotdeck_api::edge"))
    );
    assert_eq!((&missing["method"], &missing["status"]), (&json!("GET"), &json!(404)));
    assert_eq!(missing["path"], "/api/projects/{id}");
    assert_eq!(missing["request_id"], "mine-1");
    assert_eq!(
        (&missing["error_code"], &missing["client_ip"]),
        (&json!("not_found"), &json!("127.0.0.1"))
    );
    assert!(missing["duration_ms"].as_f64().unwrap() > 0.0);
    assert!(missing["bytes_out"].as_u64().unwrap() > 0);
    assert!(missing["project_id"].is_null() && missing["user_id"].is_null());
    assert_eq!(signed_in["path"], "/api/auth/login");
    assert!(
        read["user_id"].as_str().is_some_and(|id| !id.is_empty()) && read["error_code"].is_null()
    );
    assert_eq!(read["project_id"], "p1");
}

#[tokio::test]
async fn no_secret_is_logged_even_when_more_is() {
    plant_secrets(&[("PM_DEBUG", "1")]).await;
}

#[tokio::test]
async fn no_secret_is_logged_even_when_everything_is() {
    for format in ["human", "json"] {
        plant_secrets(&[("PM_LOG", "trace"), ("PM_LOG_FORMAT", format)]).await;
    }
}

/// Sends secrets wherever a request has room for them, and looks for them in the log, in refusals and in the figures.
async fn plant_secrets(logs: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.envs(logs.iter().copied()).env("PM_SECRET_KEY", SIGNING);
    let server =
        Server::start(command.env("PM_AGENT_TOKEN", AGENT).env("PM_ADMIN_TOKEN", ADMIN)).await;
    let mut refusals = Vec::new();
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
        refusals.push(answer(server.get(&path).header(name, value)).await);
    }
    // An id is named again to whoever asks for it, and to nobody else.
    for path in
        ["/api/projects", "/api/agent/runs", "/api/agent/profiles", "/api/agent/capabilities"]
    {
        let path = format!("{path}/{}", plant("token-in-the-path"));
        answer(server.get(&path).header("x-pm-agent-token", AGENT)).await;
        answer(server.get(&path)).await;
    }
    let undo = format!("/api/agent/actions/{}/undo", plant("action-in-the-path"));
    answer(server.post(&undo, &json!({})).header("x-pm-agent-token", AGENT)).await;
    for path in [
        format!("/api/{}", plant("address-of-nothing")),
        format!("/api/projects?status={}", plant("secret-status")),
        format!(
            "/api/agent/events?limit={}&cursor={}",
            plant("secret-limit"),
            plant("secret-cursor")
        ),
        format!("/api/agent/usage?since={}", plant("secret-since")),
    ] {
        refusals.push(answer(server.get(&path).header("x-pm-agent-token", AGENT)).await);
    }
    let odd =
        server.client.request(plant("SECRETMETHOD").parse().unwrap(), server.url("/api/meta"));
    refusals.push(answer(odd).await);
    let page = format!("/{}?code={}", plant("page-of-the-console"), plant("code-of-the-page"));
    server.get(&page).send().await.unwrap();
    let keyed = server.post("/api/projects", &json!({ "name": "x" }));
    let keyed =
        keyed.header("x-pm-agent-token", AGENT).header("idempotency-key", plant("secret key"));
    refusals.push(answer(keyed).await);
    let upload = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: text/{}\r\n\r\n{}\r\n--b--\r\n",
        plant("name-of-the-file"),
        plant("type-of-the-file"),
        plant("content-of-the-file")
    );
    for body in [
        upload.clone(),
        upload.replace("\"file\"", &plant("\"name-of-the-field")),
        plant("no-multipart"),
    ] {
        let upload =
            server.client.post(server.url("/api/admin/restore")).header("x-pm-token", ADMIN);
        let upload = upload.header("content-type", "multipart/form-data; boundary=b").body(body);
        refusals.push(answer(upload).await);
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
    let figures = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    let lines = server.stop().await;

    assert!(lines.iter().any(|line| line.contains("DEBUG")), "{lines:#?}");
    assert!(figures.ends_with("# EOF\n"), "{figures}");
    for secret in &secrets {
        let said = lines.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(said, None, "{secret} is in the log");
        assert!(!figures.contains(secret.as_str()), "{secret} is in the figures");
        let told = refusals
            .iter()
            .find(|(status, body)| *status >= 400 && body.to_string().contains(secret.as_str()));
        assert_eq!(told, None, "{secret} is in a refusal");
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
