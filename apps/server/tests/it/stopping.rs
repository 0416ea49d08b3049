//! Being told to stop.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{Server, client, serve};

/// What the server promises.
const IN_ORDER_WITHIN: Duration = Duration::from_secs(10);

fn address(server: &Server) -> &str {
    server.base_url.strip_prefix("http://").expect("the server speaks HTTP")
}

fn has_nothing_left_over(folder: &Path) -> bool {
    let wal = folder.join("pm.db-wal");
    !wal.exists() || wal.metadata().expect("it is there").len() == 0
}

/// Everything the other side sends until it closes.
async fn rest(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    connection.read_to_end(&mut text).await.expect("the connection ends in order");
    String::from_utf8(text).expect("the answer is text")
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_in_order() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&mut serve(folder.path())).await;
        server.write("/api/agent/events", &json!({ "id": "evt-kept" })).await;

        let told = Instant::now();
        server.signal(signal);
        let (status, lines) = server.ended().await;

        assert_eq!(status.code(), Some(0), "{lines:#?}");
        assert!(told.elapsed() < IN_ORDER_WITHIN);
        assert!(lines.last().unwrap().contains("stopped"), "{lines:#?}");
        assert!(has_nothing_left_over(folder.path()));
        let again = Server::start(&mut serve(folder.path())).await;
        let events = again.read("/api/agent/events").await;
        assert_eq!(events["data"][0]["id"], "evt-kept");
    }
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let mut silent = TcpStream::connect(address(&server)).await.unwrap();
    let clients: Vec<_> = (0..8).map(|_| client(None)).collect();
    for client in &clients {
        let response = client.get(server.url("/api/health")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap();
    }

    let told = Instant::now();
    server.stop().await;

    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn what_was_accepted_is_answered_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let body = json!({ "id": "evt-slow", "message": "x".repeat(1_000) }).to_string();
    let mut upload = TcpStream::connect(address(&server)).await.unwrap();
    let head = format!(
        "POST /api/agent/events HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        address(&server),
        body.len()
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    upload.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    // Each takes a turn at hashing, so that some are still waiting for theirs when the signal comes.
    let sign_ins: Vec<_> = (0..6)
        .map(|_| {
            let credentials = json!({ "username": "admin", "password": "admin" });
            tokio::spawn(client(None).post(server.url("/api/auth/login")).json(&credentials).send())
        })
        .collect();
    let mut answered = Vec::new();
    let mut sign_ins = sign_ins.into_iter();
    answered.push(sign_ins.next().unwrap().await.unwrap().unwrap().status());

    let told = Instant::now();
    server.signal("TERM");
    server.line("SIGTERM").await;
    upload.write_all(body.as_bytes()).await.unwrap();
    let answer = rest(&mut upload).await;
    for sign_in in sign_ins {
        answered.push(sign_in.await.unwrap().unwrap().status());
    }
    let (status, _) = server.ended().await;

    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(answered.iter().all(|status| *status == 200), "{answered:?}");
    assert_eq!(status.code(), Some(0));
    assert!(told.elapsed() < IN_ORDER_WITHIN);
    let again = Server::start(&mut serve(folder.path())).await;
    let events = again.read("/api/agent/events").await;
    assert_eq!(events["data"][0]["id"], "evt-slow");
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut serve(folder.path())).await;
    let _endless = half_a_request(&server).await;

    let told = Instant::now();
    server.signal("TERM");
    let (status, lines) = server.ended().await;

    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(told.elapsed() < IN_ORDER_WITHIN, "{:?}", told.elapsed());
    assert!(has_nothing_left_over(folder.path()));
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let server = Server::start(&mut serve(folder.path())).await;
        let _endless = half_a_request(&server).await;

        server.signal(first);
        server.line(&format!("SIG{first}: ")).await;
        let told = Instant::now();
        server.signal(second);
        let (status, lines) = server.ended().await;

        assert_eq!(status.code(), Some(1), "{lines:#?}");
        assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
        assert_eq!(lines.last().unwrap(), "pilotdeck: stopped at once");
    }
    Server::start(&mut serve(folder.path())).await.stop().await;
}

/// A request whose body is awaited by the server, and never comes.
async fn half_a_request(server: &Server) -> TcpStream {
    let mut upload = TcpStream::connect(address(server)).await.unwrap();
    let head = format!(
        "POST /api/agent/events HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: 10\r\nexpect: 100-continue\r\n\r\n",
        address(server)
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    upload.read_exact(&mut go_on).await.unwrap();
    upload
}

#[tokio::test]
async fn streams_are_told_of_the_stop_and_do_not_hold_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(serve(folder.path()).env("PM_ADMIN_TOKEN", "token")).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        let head = format!(
            "GET /api/stream HTTP/1.1\r\nhost: {}\r\nx-pm-token: token\r\n\r\n",
            address(&server)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"}\n\n") {
            assert_ne!(stream.read_buf(&mut greeting).await.unwrap(), 0);
        }
        streams.push(stream);
    }

    let told = Instant::now();
    server.signal("TERM");
    for stream in &mut streams {
        assert_eq!(rest(stream).await, "event: ended\ndata: {\"reason\":\"stopping\"}\n\n");
    }
    let (status, lines) = server.ended().await;

    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(has_nothing_left_over(folder.path()));
}
