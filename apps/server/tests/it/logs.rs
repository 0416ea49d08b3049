//! What is logged, and what is not.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;

use reqwest::RequestBuilder;
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
    command.env("PM_AGENT_TOKEN", AGENT).env("PM_ADMIN_TOKEN", ADMIN);
    let server = Server::start(&mut command).await;
    let secrets = [AGENT, ADMIN, SIGNING].map(str::to_owned).into();
    let mut planter = Planter { server, secrets, refusals: Vec::new() };

    planter.sign_in().await;
    planter.send_headers().await;
    planter.name_things().await;
    planter.ask_for_addresses().await;
    planter.send_bodies().await;
    planter.upload().await;

    let Planter { server, secrets, refusals } = planter;
    let figures = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    let lines = server.stop().await;
    assert!(lines.iter().any(|line| line.contains("DEBUG")), "{lines:#?}");
    assert!(figures.ends_with("# EOF\n"), "{figures}");
    assert!(refusals.len() > 20, "{refusals:#?}");
    for secret in &secrets {
        let said = lines.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(said, None, "{secret} is in the log");
        assert!(!figures.contains(secret.as_str()), "{secret} is in the figures");
        let told = refusals.iter().find(|body| body.to_string().contains(secret.as_str()));
        assert_eq!(told, None, "{secret} is in a refusal");
    }
}

/// Who sends secrets.
struct Planter {
    server: Server,
    secrets: BTreeSet<String>,
    /// What was answered with an error.
    refusals: Vec<Value>,
}

impl Planter {
    fn plant(&mut self, text: &str) -> String {
        self.secrets.insert(text.to_owned());
        text.to_owned()
    }

    async fn send(&mut self, request: RequestBuilder) {
        let (status, body) = answer(request).await;
        if status >= 400 {
            self.refusals.push(body);
        }
    }

    async fn sign_in(&mut self) {
        let (_, session) = self.server.sign_in("admin", "admin").await;
        let session = session.unwrap();
        self.plant(session.split_once('=').unwrap().1);
        let wrong = self.plant("wrong-password-1");
        self.server.sign_in("admin", &wrong).await;
        let name = self.plant("typed-into-the-name");
        self.server.sign_in(&name, "x").await;
        let change = json!({
            "currentPassword": self.plant("wrong-password-2"), "newPassword": self.plant("new-password-2"),
        });
        self.send(
            self.server.post("/api/auth/change-password", &change).header("cookie", &session),
        )
        .await;
    }

    async fn send_headers(&mut self) {
        for (name, value) in [
            ("x-pm-agent-token", AGENT.to_owned()),
            ("x-pm-token", ADMIN.to_owned()),
            ("x-pm-agent-token", self.plant("wrong-agent-token")),
            ("authorization", format!("Bearer {}", self.plant("bearer-token"))),
            ("cookie", format!("pilotdeck_session={}", self.plant("forged-cookie"))),
            ("x-request-id", self.plant("not a plain id")),
            ("host", self.plant("planted.example")),
            ("origin", format!("http://{}", self.plant("origin.example"))),
            ("user-agent", self.plant("planted-agent")),
            ("referer", format!("http://localhost/{}", self.plant("planted-referer"))),
            ("x-forwarded-for", self.plant("planted-hop")),
            ("idempotency-key", self.plant("secret key")),
        ] {
            let query = self.plant("token-in-the-query");
            let path = format!("/api/projects?token={query}");
            self.send(self.server.get(&path).header(name, &value)).await;
            self.send(self.server.post(&path, &json!({})).header(name, value)).await;
        }
        let method = self.plant("SECRETMETHOD").parse().unwrap();
        self.send(self.server.client.request(method, self.server.url("/api/meta"))).await;
    }

    /// An id is named again to whoever asks for the thing, and to nobody else.
    async fn name_things(&mut self) {
        for path in ["projects", "agent/runs", "agent/profiles", "agent/capabilities"] {
            let path = format!("/api/{path}/{}", self.plant("token-in-the-path"));
            answer(self.server.get(&path).header("x-pm-agent-token", AGENT)).await;
            self.send(self.server.get(&path)).await;
        }
        let undo = format!("/api/agent/actions/{}/undo", self.plant("action-in-the-path"));
        answer(self.server.post(&undo, &json!({})).header("x-pm-agent-token", AGENT)).await;
    }

    async fn ask_for_addresses(&mut self) {
        for path in [
            format!("/api/{}", self.plant("address-of-nothing")),
            format!("/api/projects?status={}", self.plant("secret-status")),
            format!("/api/agent/events?limit={}", self.plant("secret-limit")),
            format!("/api/agent/events?cursor={}", self.plant("secret-cursor")),
            format!("/api/agent/usage?since={}", self.plant("secret-since")),
        ] {
            self.send(self.server.get(&path).header("x-pm-agent-token", AGENT)).await;
        }
        let (page, code) = (self.plant("page-of-the-console"), self.plant("code-of-the-page"));
        self.server.get(&format!("/{page}?code={code}")).send().await.unwrap();
    }

    async fn send_bodies(&mut self) {
        for (path, body) in [
            (
                "/api/projects",
                json!({ "id": "", "name": self.plant("text-of-a-name"), "createdAt": self.plant("text-of-a-time") }),
            ),
            ("/api/projects", json!({ "name": "x", "notes": self.plant("text-of-the-notes") })),
            (
                "/api/projects",
                json!({ "name": "x", "id": 5, "updatedAt": self.plant("another-time") }),
            ),
            (
                "/api/agent/events",
                json!({ "message": self.plant("text-of-a-message"), "id": ["a"] }),
            ),
            (
                "/api/agent/events",
                json!({ "message": "x", "data": self.plant("text-of-the-data") }),
            ),
            ("/api/agent/usage", json!({ "ts": self.plant("time-of-the-usage") })),
            (
                "/api/agent/actions",
                json!({ "actions": [{ "projectId": "p", "type": self.plant("type-of-an-action") }] }),
            ),
        ] {
            // What a body got wrong may be quoted to its sender.
            answer(self.server.post(path, &body).header("x-pm-agent-token", AGENT)).await;
        }
        let request = self.server.client.post(self.server.url("/api/projects"));
        let request = request.header("x-pm-agent-token", AGENT);
        let broken = format!("{{\"a\": {}", self.plant("broken-json"));
        self.send(request.header("content-type", "application/json").body(broken)).await;
    }

    async fn upload(&mut self) {
        let upload = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: text/{}\r\n\r\n{}\r\n--b--\r\n",
            self.plant("name-of-the-file"),
            self.plant("type-of-the-file"),
            self.plant("content-of-the-file")
        );
        let other = upload.replace("\"file\"", &format!("\"{}\"", self.plant("name-of-the-field")));
        for body in [upload, other, self.plant("no-multipart")] {
            let upload = self.server.client.post(self.server.url("/api/admin/restore"));
            let upload = upload.header("x-pm-token", ADMIN);
            let kind = "multipart/form-data; boundary=b";
            self.send(upload.header("content-type", kind).body(body)).await;
        }
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
