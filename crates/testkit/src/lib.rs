//! A running PilotDeck for tests: a real server on a real database file in a temporary folder, spoken to over HTTP.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDateTime;
use pilotdeck_api::{ConsoleFile, ConsoleFiles, ServerHandle, Setup};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::identity::{Actor, Permission, Role, User};
use pilotdeck_domain::ids::UserId;
use pilotdeck_domain::ledger::checkpoint::SigningKey;
use pilotdeck_domain::ledger::{Change, Entry, Operation, SubjectKind};
use pilotdeck_domain::times::WireTime;
use pilotdeck_services::ledger::LedgerFilter;
use pilotdeck_services::{Services, operations};
use pilotdeck_storage::{Account, Durability, OpenOptions, Tx};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
pub use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

mod stream;

pub use stream::{Block, EventStream};

/// The agent token of an app that has one.
pub const AGENT_TOKEN: &str = "test-agent-token";
/// The administrator's token of an app that has one.
pub const ADMIN_TOKEN: &str = "test-admin-token";

/// What older databases have of the password `password`.
const SHA256_OF_PASSWORD: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

/// What the key follows from that signs checkpoints.
pub const LEDGER_KEY_SEED: [u8; 32] = [7; 32];

/// A running server. It stops when it is dropped.
pub struct TestApp {
    /// Where it listens, such as `http://127.0.0.1:1234`.
    pub base_url: String,
    /// Its services, to arrange what HTTP cannot.
    pub services: Services,
    /// Its clock.
    pub clock: Clock,
    client: reqwest::Client,
    handle: ServerHandle,
    again: Builder,
}

/// How a server is to be started.
#[derive(Clone)]
pub struct Builder {
    setup: Setup,
    clock: Clock,
    operations: operations::Settings,
    folder: Arc<TempDir>,
}

impl Builder {
    /// With a token for agents.
    #[must_use]
    pub fn with_agent_token(mut self) -> Self {
        self.setup.agent_token = Some(AGENT_TOKEN.into());
        self
    }

    /// With a token for the administrator.
    #[must_use]
    pub fn with_admin_token(mut self) -> Self {
        self.setup.admin_token = Some(ADMIN_TOKEN.into());
        self
    }

    /// With other settings of the surfaces.
    #[must_use]
    pub fn with_setup(mut self, change: impl FnOnce(&mut Setup)) -> Self {
        change(&mut self.setup);
        self
    }

    /// Operated otherwise.
    #[must_use]
    pub fn with_operations(mut self, change: impl FnOnce(&mut operations::Settings)) -> Self {
        change(&mut self.operations);
        self
    }

    /// Operated otherwise, in the folder with its database.
    #[must_use]
    pub fn in_its_folder(mut self, change: impl FnOnce(&mut operations::Settings, &Path)) -> Self {
        change(&mut self.operations, self.folder.path());
        self
    }

    /// With a web console of these files, by name.
    #[must_use]
    pub fn with_console(mut self, files: &[(&'static str, &'static [u8])]) -> Self {
        self.setup.console = Arc::new(Files(files.iter().copied().collect()));
        self
    }

    /// With a clock that the test turns.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// With a clock that stands at `time` until the test turns it.
    ///
    /// # Panics
    ///
    /// If `time` is none.
    #[must_use]
    pub fn at(self, time: &str) -> Self {
        self.with_clock(Clock::fixed(time.parse().expect("a time such as 2026-02-11T15:00:00Z")))
    }

    /// On a copy of this database file; an older PilotDeck wrote it on a machine whose clock shows UTC.
    ///
    /// # Panics
    ///
    /// If the file cannot be copied.
    #[must_use]
    pub fn on_copy_of(self, database: &Path) -> Self {
        // The content alone: fixtures may be read-only.
        let content = std::fs::read(database).expect("the database can be read");
        std::fs::write(self.folder.path().join("pm.db"), content)
            .expect("the database can be copied");
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub async fn start(self) -> TestApp {
        let path = self.folder.path().join("pm.db");
        let options = OpenOptions {
            path: &path,
            durability: Durability::default(),
            clock: &self.clock,
            local_time: &|naive: NaiveDateTime| naive.and_utc(),
        };
        let (database, _) = pilotdeck_storage::open(options).await.expect("the database opens");
        let services = Services::new(database, self.clock.clone())
            .with_ledger_key(SigningKey::from_seed(&LEDGER_KEY_SEED))
            .with_operations(self.operations.clone());
        services.identity.ensure_somebody().await.expect("the default account can be made");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let base_url =
            format!("http://{}", listener.local_addr().expect("the listener has an address"));
        let server = pilotdeck_api::serve(listener, services.clone(), self.setup.clone())
            .expect("the server can be set up");
        let handle = server.handle();
        tokio::spawn(server);
        // A redirect is an answer like any other.
        let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build();
        let client = client.expect("a client can be made");
        TestApp { base_url, services, clock: self.clock.clone(), client, handle, again: self }
    }
}

/// The files of a web console for tests.
struct Files(BTreeMap<&'static str, &'static [u8]>);

impl ConsoleFiles for Files {
    fn file(&self, name: &str) -> Option<ConsoleFile> {
        self.0.get(name).copied().map(ConsoleFile::new)
    }
}

impl TestApp {
    /// How a server can be started otherwise than by [`TestApp::start`].
    ///
    /// # Panics
    ///
    /// If there is no temporary folder to be had.
    #[must_use]
    pub fn builder() -> Builder {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let operations = operations::Settings {
            local_time: Arc::new(|naive: NaiveDateTime| naive.and_utc()),
            ..operations::Settings::default()
        };
        let (setup, clock) = (Setup::default(), Clock::default());
        Builder { setup, clock, operations, folder: Arc::new(folder) }
    }

    /// Starts a server that is open to agents.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The folder with the database, `pm.db`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.again.folder.path()
    }

    /// Stops the server and starts it again: the same files and settings, at another port.
    ///
    /// # Panics
    ///
    /// If it cannot be started again.
    pub async fn restart(self) -> Self {
        self.handle.stop(true).await;
        self.services.close().await;
        let again = self.again.clone();
        drop(self);
        Box::pin(again.start()).await
    }

    /// Keeps the app from changing anything until the returned unit of work is dropped. After five seconds it gives up
    /// waiting for it.
    ///
    /// # Panics
    ///
    /// If the database cannot be opened once more.
    pub async fn occupied(&self) -> Tx {
        let path = self.folder().join("pm.db");
        let beside = pilotdeck_storage::join(&path, Durability::default()).await;
        beside.expect("the database is ready").write().await.expect("nobody else writes for long")
    }

    /// A GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A POST request.
    #[must_use]
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// A PUT request.
    #[must_use]
    pub fn put(&self, path: &str) -> Request {
        self.request(Method::PUT, path)
    }

    /// A PATCH request.
    #[must_use]
    pub fn patch(&self, path: &str) -> Request {
        self.request(Method::PATCH, path)
    }

    /// A DELETE request.
    #[must_use]
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// Any request.
    #[must_use]
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request(self.client.request(method, format!("{}{path}", self.base_url)))
    }

    /// Sends bytes as they are, for what no client library would send; returns all that comes back until the server
    /// closes the connection. The bytes have to ask for that (`Connection: close`).
    ///
    /// # Panics
    ///
    /// If the server cannot be reached.
    pub async fn raw(&self, bytes: impl Into<Vec<u8>>) -> String {
        let (bytes, address) = (bytes.into(), self.base_url.replace("http://", ""));
        let exchange = move || {
            let mut stream = TcpStream::connect(address).expect("the server can be reached");
            // A server that has heard enough may hang up; what it said before is the answer.
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(exchange).await.expect("the exchange does not panic")
    }

    /// Signs in, and returns the cookie as a browser would send it back.
    ///
    /// # Panics
    ///
    /// If the sign-in fails.
    pub async fn sign_in(&self, username: &str, password: &str) -> String {
        let body = json!({ "username": username, "password": password });
        let answer = self.post("/api/auth/login").json(&body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.header("set-cookie").expect("signing in sets a cookie");
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    /// Adds a person with this role, who signs in with the password `password`.
    ///
    /// # Panics
    ///
    /// If they cannot be added.
    pub async fn a_person(&self, username: &str, role: &str) {
        let path = self.folder().join("pm.db");
        let database = pilotdeck_storage::join(&path, Durability::default()).await;
        let database = database.expect("the file can be joined");
        let user =
            User { id: UserId::mint(), username: username.to_owned(), role: Role::stored(role) };
        let account = Account { user, password_hash: SHA256_OF_PASSWORD.to_owned() };
        let now = self.clock.now();
        let mut tx = database.write().await.expect("nobody else writes for long");
        let inserted = tx.identity().insert(&account, WireTime::from(now).as_str()).await;
        inserted.expect("the name is free");
        let author = Actor::system().require(Permission::Administer).expect("the system may");
        let change = Change::of(&json!({}));
        let entry = Entry::new(Operation::UserCreated, SubjectKind::User, username, change);
        tx.record(&author, now, entry);
        tx.commit().await.expect("the person can be added");
        database.close().await;
    }

    /// The services of another process that works on the same file.
    ///
    /// # Panics
    ///
    /// If the file cannot be joined.
    pub async fn elsewhere(&self) -> Services {
        self.services_of("pm.db").await
    }

    /// The services of another process on a file in the app's folder.
    ///
    /// # Panics
    ///
    /// If the file cannot be joined.
    pub async fn services_of(&self, name: &str) -> Services {
        let path = self.folder().join(name);
        let joined = pilotdeck_storage::join(&path, Durability::default()).await;
        Services::new(joined.expect("the file can be joined"), self.clock.clone())
    }

    /// The place and the hash of the ledger's last line: while they stay, nothing has changed.
    ///
    /// # Panics
    ///
    /// If the ledger cannot be read.
    pub async fn ledger_head(&self) -> (i64, String) {
        let filter = LedgerFilter { limit: 1, ..LedgerFilter::default() };
        let read = self.services.ledger.list(&Actor::system(), &filter).await;
        let (_, head) = read.expect("the ledger can be read");
        (head.seq, head.hash)
    }

    /// The operations that the ledger has of this subject, in order.
    ///
    /// # Panics
    ///
    /// If the ledger cannot be read.
    pub async fn operations_on(&self, subject: &str) -> Vec<String> {
        let filter = LedgerFilter {
            subject_id: Some(subject.to_owned()),
            limit: 2_000,
            ..LedgerFilter::default()
        };
        let read = self.services.ledger.list(&Actor::system(), &filter).await;
        let (lines, _) = read.expect("the ledger can be read");
        lines.into_iter().map(|line| line.operation).collect()
    }

    /// Creates a project and returns its document.
    ///
    /// # Panics
    ///
    /// If it cannot be created.
    pub async fn a_project(&self, fields: Value) -> Value {
        let mut body = json!({ "name": "Apollo" });
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
        }
        self.made("/api/projects", body).await
    }

    /// Starts a run and returns its document.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub async fn a_run(&self, fields: Value) -> Value {
        self.made("/api/agent/runs", fields).await
    }

    /// Appends an event and returns its document.
    ///
    /// # Panics
    ///
    /// If it cannot be appended.
    pub async fn an_event(&self, fields: Value) -> Value {
        self.made("/api/agent/events", fields).await
    }

    /// What GET answers as `data`.
    ///
    /// # Panics
    ///
    /// If it does not answer 200.
    pub async fn data(&self, path: &str) -> Value {
        let answer = self.get(path).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body["data"].clone()
    }

    /// What GET answers as `data` to the person whose session has this cookie.
    ///
    /// # Panics
    ///
    /// If it does not answer 200.
    pub async fn data_as(&self, path: &str, cookie: &str) -> Value {
        let answer = self.get(path).with_cookie(cookie).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body["data"].clone()
    }

    async fn made(&self, path: &str, body: Value) -> Value {
        let answer = self.post(path).json(&body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["data"].clone()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The future only waits for the workers; asking is what stops them.
        drop(self.handle.stop(false));
    }
}

/// A request in the making.
pub struct Request(reqwest::RequestBuilder);

impl Request {
    /// As whoever `credential` makes of it; nobody in particular without one.
    #[must_use]
    pub fn with(self, credential: Option<(&str, &str)>) -> Self {
        match credential {
            Some((name, value)) => self.header(name, value),
            None => self,
        }
    }

    /// As an agent with the token.
    #[must_use]
    pub fn as_agent(self) -> Self {
        self.header("x-pm-agent-token", AGENT_TOKEN)
    }

    /// As the administrator.
    #[must_use]
    pub fn as_admin(self) -> Self {
        self.header("x-pm-token", ADMIN_TOKEN)
    }

    /// As the person whose session has this cookie.
    #[must_use]
    pub fn with_cookie(self, cookie: &str) -> Self {
        self.header("cookie", cookie)
    }

    /// With a header.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        Self(self.0.header(name, HeaderValue::from_bytes(value.as_ref()).expect("a header value")))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// With any body, declared as JSON.
    #[must_use]
    pub fn raw_json(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", "application/json").body(body))
    }

    /// With any body and any declaration of it.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", content_type).body(body))
    }

    /// With a file in the field `field` of a form.
    #[must_use]
    pub fn upload(self, field: &str, file: &[u8]) -> Self {
        let mut body = format!(
            "--limit\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"pm.db\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--limit--\r\n");
        self.body("multipart/form-data; boundary=limit", body)
    }

    /// Sends the request and waits for an answer that is no text.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn download(self) -> (Answer, Vec<u8>) {
        let response = self.0.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("the answer has a body").to_vec();
        (Answer { status, headers, text: String::new(), body: Value::Null }, bytes)
    }

    /// Sends the request and waits for the answer.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn send(self) -> Answer {
        Answer::of(self.0.send().await.expect("the server answers")).await
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
    /// Its body as JSON; null if it is none.
    pub body: Value,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let status = response.status();
        let headers = response.headers().clone();
        let text = response.text().await.expect("the answer has a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, body }
    }

    /// The code of a failure.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
