//! The real program as a child process, with nothing of the environment of whoever runs the tests.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

/// Long enough for a debug build on a busy machine; what takes longer has failed.
const WITHIN: Duration = Duration::from_mins(1);

/// A database of the older PilotDeck.
pub(crate) const OLDER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/storage/tests/fixtures/pilotdeck-v4.db");

/// A call of the program in `folder`; its database is `pm.db` there unless the call says otherwise.
pub(crate) fn pilotdeck(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilotdeck"));
    command.env_clear().env("PM_DB_FILE", "pm.db").current_dir(folder);
    command
}

/// A call that serves on a free port of the loopback.
pub(crate) fn serve(folder: &Path) -> Command {
    let mut command = pilotdeck(folder);
    command.args(["serve", "--port", "0"]);
    command
}

/// What a call left behind that ended by itself.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The only line on standard error, which is what a refusal must be.
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.code, Some(1), "{self:?}");
        let line = self.stderr.trim_end();
        assert!(line.starts_with("pilotdeck: ") && !line.contains('\n'), "{self:?}");
        line
    }
}

/// Runs a call to its end, with `input` on its standard input.
pub(crate) fn finish(command: &mut Command, input: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It may refuse before it reads.
    let _ = child.stdin.take().expect("the input is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("the output is text"),
        stderr: String::from_utf8(output.stderr).expect("the output is text"),
    }
}

/// What a server printed so far, on both outputs.
#[derive(Clone, Debug, Default)]
struct Printed {
    lines: Vec<String>,
    /// Outputs that are at their end: the process is about to be gone.
    closed: usize,
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    printed: watch::Receiver<Printed>,
    followers: Vec<JoinHandle<()>>,
    pub(crate) base_url: String,
    pub(crate) client: Client,
}

impl Server {
    /// Starts a server and waits until it listens.
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (says, printed) = watch::channel(Printed::default());
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("the output is piped")),
            Box::new(child.stderr.take().expect("the output is piped")),
        ];
        let followers = outputs.map(|output| follow(output, says.clone())).into();
        let mut server =
            Self { child, printed, followers, base_url: String::new(), client: client(None) };
        let line = server.line("listening on http://").await;
        let (_, address) = line.split_once("listening on ").expect("it was looked for");
        let length = address.find([' ', '"']).unwrap_or(address.len());
        address[..length].clone_into(&mut server.base_url);
        server
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The address of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// The first printed line with `text`; waits for it.
    pub(crate) async fn line(&self, text: &str) -> String {
        let find =
            |printed: &Printed| printed.lines.iter().find(|line| line.contains(text)).cloned();
        let mut printed = self.printed.clone();
        let waited = printed.wait_for(|now| find(now).is_some() || now.closed == 2);
        let waited =
            timeout(WITHIN, waited).await.map(|now| now.expect("it ends after closing").clone());
        match waited {
            Ok(now) if find(&now).is_some() => find(&now).expect("it was just found"),
            Ok(now) => panic!("the server ended without `{text}`: {:#?}", now.lines),
            Err(error) => panic!("no line with `{text}`: {error}, {:#?}", self.lines()),
        }
    }

    /// What it printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.printed.borrow().lines.clone()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", r#"kill -s "$0" "$1""#, name, &self.id().to_string()])
            .status();
        assert!(sent.expect("sh runs").success(), "the server is there to be told {name}");
    }

    /// Waits for the process to end; says how it ended, and all that it printed.
    pub(crate) async fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let closed = self.printed.wait_for(|printed| printed.closed == 2);
        let lines = timeout(WITHIN, closed)
            .await
            .expect("the server ends")
            .expect("it ends after closing")
            .lines
            .clone();
        for follower in std::mem::take(&mut self.followers) {
            follower.join().expect("following does not panic");
        }
        (self.child.wait().expect("the server was started"), lines)
    }

    /// Asks it to stop, and expects that it does so in order.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.signal("TERM");
        let (status, lines) = self.ended().await;
        assert!(status.success(), "{status}: {lines:#?}");
        lines
    }

    /// Ends it without a warning, as a power failure of the process does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server was started");
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    /// The answer to a request that must succeed.
    pub(crate) async fn read(&self, path: &str) -> Value {
        answer(self.get(path)).await.1
    }

    /// The answer of a write that must succeed.
    pub(crate) async fn write(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = answer(self.post(path, body)).await;
        assert!(matches!(status, 200 | 201), "{status}: {answer}");
        answer
    }

    /// The status of a sign-in, and the cookie that it gave.
    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> (u16, Option<String>) {
        let body = serde_json::json!({ "username": username, "password": password });
        let response = self.post("/api/auth/login", &body).send().await.expect("it is answered");
        let cookie = response.headers().get("set-cookie").map(|value| {
            let value = value.to_str().expect("a cookie is text");
            value.split(';').next().expect("a cookie has a value").to_owned()
        });
        (response.status().as_u16(), cookie)
    }

    /// Whether the session in `cookie` is open.
    pub(crate) async fn knows(&self, cookie: &str) -> bool {
        let (status, _) = answer(self.get("/api/auth/me").header("cookie", cookie)).await;
        assert!(matches!(status, 200 | 401), "{status}");
        status == 200
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client with its own connections, which sends `token` as the agents' if there is one.
pub(crate) fn client(token: Option<&str>) -> Client {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let token = HeaderValue::from_str(token).expect("a token fits into a header");
        headers.insert("x-pm-agent-token", token);
    }
    let built = Client::builder().no_proxy().default_headers(headers).timeout(WITHIN).build();
    built.expect("a client can be made")
}

/// The status and the JSON of an answer.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    (status, response.json().await.expect("the answer is JSON"))
}

fn follow(output: impl Read + Send + 'static, says: watch::Sender<Printed>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8(line).expect("the output is text");
            says.send_modify(|printed| printed.lines.push(line));
        }
        says.send_modify(|printed| printed.closed += 1);
    })
}
