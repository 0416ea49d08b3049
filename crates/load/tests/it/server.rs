//! A server that answers what it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A running server. It answers each request with the next of its answers, by its number.
pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) requests: Arc<AtomicU64>,
}

/// What to do with a request.
pub(crate) enum Answer {
    /// Send these bytes.
    Bytes(Vec<u8>),
    /// Send these bytes after some time.
    Late(std::time::Duration, Vec<u8>),
    /// Send these bytes and hang up.
    Last(Vec<u8>),
    /// Say nothing, ever.
    Silence,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(u64) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU64::new(0));
        let (answer, counted) = (Arc::new(answer), Arc::clone(&requests));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&counted)));
            }
        });
        Self { base_url, requests }
    }
}

/// A plain answer.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(u64) -> Answer>,
    requests: Arc<AtomicU64>,
) {
    let mut received = Vec::new();
    loop {
        // The requests of these tests have no body.
        while !received.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        }
        received.clear();
        match answer(requests.fetch_add(1, Ordering::Relaxed)) {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
            Answer::Late(after, bytes) => {
                tokio::time::sleep(after).await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Answer::Last(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Answer::Silence => {}
        }
    }
}
