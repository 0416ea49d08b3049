//! One request at a time, for setting up what is measured.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to a server by its base address, such as `http://127.0.0.1:8689`.
    pub(crate) async fn open(base_url: &str) -> Result<Self> {
        let address = address(base_url)?;
        let stream = TcpStream::connect(address).await?;
        // Requests are written at once; without this a body waits for the acknowledgement of its head.
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// Sends a request and returns the status of its answer; the body goes to `keep`, or nowhere.
    pub(crate) async fn exchange(
        &mut self,
        method: &Method,
        path: &str,
        body: &Bytes,
        mut keep: Option<&mut Vec<u8>>,
    ) -> Result<StatusCode> {
        let mut request =
            Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.sender.ready().await?;
        let mut answer = self.sender.send_request(request.body(Full::new(body.clone()))?).await?;
        while let Some(frame) = answer.frame().await {
            if let (Some(keep), Ok(data)) = (keep.as_deref_mut(), frame?.into_data()) {
                keep.extend_from_slice(&data);
            }
        }
        Ok(answer.status())
    }

    /// The bytes of a successful answer to a GET.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let status = self.exchange(&Method::GET, path, &Bytes::new(), Some(&mut bytes)).await?;
        ensure!(
            status.is_success(),
            "GET {path} answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(bytes)
    }

    /// The document of a successful answer to a POST.
    pub(crate) async fn post(&mut self, path: &str, document: &Value) -> Result<Value> {
        let mut bytes = Vec::new();
        let body = Bytes::from(document.to_string());
        let status = self.exchange(&Method::POST, path, &body, Some(&mut bytes)).await?;
        ensure!(
            status.is_success(),
            "POST {path} answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        serde_json::from_slice(&bytes)
            .with_context(|| format!("POST {path} did not answer with JSON"))
    }
}

fn address(base_url: &str) -> Result<SocketAddr> {
    let address = base_url.trim_start_matches("http://").trim_end_matches('/');
    address
        .parse()
        .with_context(|| format!("{base_url} is not the address of a server on this machine"))
}
