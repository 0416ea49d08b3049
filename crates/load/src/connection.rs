//! One connection: a request, its answer, and the next.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::work::Method;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 64;
/// As much of a body as is kept.
const MAX_KEPT: usize = 256 << 20;
const READ: usize = 16 << 10;
/// A server may close what was idle for so long; before that, looking would cost more than it finds.
const IDLE: Duration = Duration::from_millis(500);
/// Of a body that says what is wrong.
const EXCERPT: usize = 300;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: &'a str,
    /// Headers beside those that every request has; neither names nor values may hold control characters.
    pub headers: &'a [(&'a str, &'a str)],
    /// The JSON that is sent, if any.
    pub body: &'a [u8],
}

/// A connection that is kept open. It is opened again when the server closed it between two requests.
#[derive(Debug)]
pub struct Connection {
    endpoint: Arc<Endpoint>,
    stream: Option<TcpStream>,
    header_lines: String,
    sent: Vec<u8>,
    received: BytesMut,
    last_used: Instant,
}

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    WithConnection,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    length: usize,
    status: u16,
    framing: Framing,
    closes: bool,
}

/// Where a body goes: the first `most` bytes of it, and the rest nowhere.
struct Sink<'a> {
    into: &'a mut Vec<u8>,
    most: usize,
}

impl Connection {
    /// Connects to a server by its base address, such as `http://127.0.0.1:8689`.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotConnect`] if nobody listens there, or it is no address.
    pub async fn open(base_url: &str) -> Result<Self, Failure> {
        let endpoint = base_url.parse::<Endpoint>();
        let endpoint = endpoint.map_err(|error| Failure::CannotConnect(io::Error::other(error)))?;
        Self::to(&Arc::new(endpoint)).await
    }

    /// Connects to a server.
    ///
    /// # Errors
    ///
    /// [`Failure::CannotConnect`] if nobody listens there.
    pub async fn to(endpoint: &Arc<Endpoint>) -> Result<Self, Failure> {
        let mut connection = Self {
            endpoint: Arc::clone(endpoint),
            stream: None,
            header_lines: endpoint.header_lines(),
            sent: Vec::new(),
            received: BytesMut::new(),
            last_used: Instant::now(),
        };
        connection.connect().await?;
        Ok(connection)
    }

    /// Sends a request, and returns the status of the answer; its body is added to `keep`.
    ///
    /// # Errors
    ///
    /// If there is no whole answer; the next request is sent on a new connection then.
    pub async fn exchange(
        &mut self,
        request: Request<'_>,
        keep: &mut Vec<u8>,
    ) -> Result<u16, Failure> {
        self.send(request, Sink { into: keep, most: MAX_KEPT }).await
    }

    /// The same, but keeps only the beginning of the body: enough to see what is wrong.
    ///
    /// # Errors
    ///
    /// If there is no whole answer.
    pub async fn exchange_briefly(
        &mut self,
        request: Request<'_>,
        keep: &mut Vec<u8>,
    ) -> Result<u16, Failure> {
        self.send(request, Sink { into: keep, most: EXCERPT }).await
    }

    /// The body of a successful answer to a GET.
    ///
    /// # Errors
    ///
    /// If there is no successful answer.
    pub async fn get(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        self.succeed(Request { method: Method::Get, path, headers: &[], body: &[] }).await
    }

    /// The document of a successful answer to a POST.
    ///
    /// # Errors
    ///
    /// If there is no successful answer, or it is no JSON.
    pub async fn post(&mut self, path: &str, document: &Value) -> Result<Value, Failure> {
        let body = document.to_string();
        let request = Request { method: Method::Post, path, headers: &[], body: body.as_bytes() };
        let answer = self.succeed(request).await?;
        serde_json::from_slice(&answer).map_err(|_| Failure::NotJson(format!("POST {path}")))
    }

    /// Takes something away.
    ///
    /// # Errors
    ///
    /// If there is no successful answer.
    pub async fn delete(&mut self, path: &str) -> Result<(), Failure> {
        let request = Request { method: Method::Delete, path, headers: &[], body: &[] };
        self.succeed(request).await.map(drop)
    }

    async fn succeed(&mut self, request: Request<'_>) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let status = self.exchange(request, &mut bytes).await?;
        if (200..300).contains(&status) {
            return Ok(bytes);
        }
        Err(unexpected(request.method, request.path, status, &bytes))
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        self.received.clear();
        let connected = timeout(CONNECT_WITHIN, TcpStream::connect(self.endpoint.address())).await;
        let stream = connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(Failure::CannotConnect)?;
        // Requests are written at once; without this one may wait for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(Failure::CannotConnect)?;
        self.stream = Some(stream);
        self.last_used = Instant::now();
        Ok(())
    }

    async fn send(&mut self, request: Request<'_>, sink: Sink<'_>) -> Result<u16, Failure> {
        if self.stream.is_none() || self.was_closed() {
            self.connect().await?;
        }
        self.write_head(&request);
        // Whoever gives up half-way, or fails, leaves no stream behind that is in the middle of an answer.
        let mut stream = self.stream.take().expect("it was just connected");
        stream.write_all(&self.sent).await.map_err(Failure::HungUp)?;
        let head = read_head(&mut stream, &mut self.received).await?;
        read_body(&mut stream, &mut self.received, head.framing, sink).await?;
        if !head.closes {
            self.stream = Some(stream);
            self.last_used = Instant::now();
        }
        Ok(head.status)
    }

    fn was_closed(&self) -> bool {
        let Some(stream) = &self.stream else { return true };
        self.last_used.elapsed() > IDLE
            && !matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn write_head(&mut self, request: &Request<'_>) {
        let sent = &mut self.sent;
        sent.clear();
        let mut write = |text: &str| sent.extend_from_slice(text.as_bytes());
        write(request.method.as_str());
        write(" ");
        write(self.endpoint.prefix());
        write(request.path);
        write(" HTTP/1.1\r\n");
        write(&self.header_lines);
        for (name, value) in request.headers {
            write(name);
            write(": ");
            write(value);
            write("\r\n");
        }
        if !request.body.is_empty() {
            write("content-type: application/json\r\n");
        }
        if !request.body.is_empty() || request.method != Method::Get {
            write("content-length: ");
            write(&request.body.len().to_string());
            write("\r\n");
        }
        write("\r\n");
        sent.extend_from_slice(request.body);
    }
}

/// The failure that a status is.
pub(crate) fn unexpected(method: Method, path: &str, status: u16, body: &[u8]) -> Failure {
    let body = &body[..body.len().min(EXCERPT)];
    let body = String::from_utf8_lossy(body).into_owned();
    Failure::Status { asked: format!("{} {path}", method.as_str()), status, body }
}

async fn fill(stream: &mut TcpStream, received: &mut BytesMut) -> Result<(), Failure> {
    received.reserve(READ);
    match stream.read_buf(received).await.map_err(Failure::HungUp)? {
        0 => Err(Failure::end()),
        _ => Ok(()),
    }
}

async fn read_head(stream: &mut TcpStream, received: &mut BytesMut) -> Result<Head, Failure> {
    loop {
        match parse_head(received)? {
            // `100 Continue` and its like come before the answer.
            Some(head) if (100..200).contains(&head.status) => received.advance(head.length),
            Some(head) => {
                received.advance(head.length);
                return Ok(head);
            }
            None if received.len() > MAX_HEAD => {
                return Err(Failure::NotHttp("its head does not end".to_owned()));
            }
            None => fill(stream, received).await?,
        }
    }
}

fn parse_head(received: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(received).map_err(|error| Failure::NotHttp(error.to_string()))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let mut framing = Framing::WithConnection;
    let mut closes = response.version == Some(0);
    for header in response.headers.iter() {
        let has = |word: &[u8]| {
            header
                .value
                .split(|byte| *byte == b',')
                .any(|one| one.trim_ascii().eq_ignore_ascii_case(word))
        };
        if header.name.eq_ignore_ascii_case("transfer-encoding") && has(b"chunked") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("content-length") && framing != Framing::Chunked
        {
            let length =
                std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            let length =
                length.ok_or_else(|| Failure::NotHttp("its content-length is none".to_owned()))?;
            framing = Framing::Length(length);
        } else if header.name.eq_ignore_ascii_case("connection") && has(b"close") {
            closes = true;
        }
    }
    if matches!(status, 100..200 | 204 | 304) {
        framing = Framing::Length(0);
    }
    closes |= framing == Framing::WithConnection;
    Ok(Some(Head { length, status, framing, closes }))
}

async fn read_body(
    stream: &mut TcpStream,
    received: &mut BytesMut,
    framing: Framing,
    mut sink: Sink<'_>,
) -> Result<(), Failure> {
    match framing {
        Framing::Length(length) => read_exactly(stream, received, length, &mut sink).await,
        Framing::Chunked => loop {
            let size = loop {
                match httparse::parse_chunk_size(received) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        received.advance(length);
                        break size;
                    }
                    Ok(httparse::Status::Partial) if received.len() <= MAX_HEAD => {
                        fill(stream, received).await?;
                    }
                    _ => return Err(Failure::NotHttp("a chunk has no size".to_owned())),
                }
            };
            read_exactly(stream, received, size, &mut sink).await?;
            let mut end = Vec::new();
            // The server sends no trailers, so that the last chunk ends as every other.
            read_exactly(stream, received, 2, &mut Sink { into: &mut end, most: 2 }).await?;
            if end != b"\r\n" {
                return Err(Failure::NotHttp("a chunk does not end".to_owned()));
            }
            if size == 0 {
                return Ok(());
            }
        },
        Framing::WithConnection => loop {
            let length = received.len() as u64;
            read_exactly(stream, received, length, &mut sink).await?;
            match fill(stream, received).await {
                Ok(()) => {}
                Err(Failure::HungUp(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        },
    }
}

async fn read_exactly(
    stream: &mut TcpStream,
    received: &mut BytesMut,
    mut length: u64,
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    loop {
        let here = usize::try_from(length).unwrap_or(usize::MAX).min(received.len());
        let kept = here.min(sink.most.saturating_sub(sink.into.len()));
        sink.into.extend_from_slice(&received[..kept]);
        received.advance(here);
        length -= here as u64;
        if length == 0 {
            return Ok(());
        }
        fill(stream, received).await?;
    }
}
