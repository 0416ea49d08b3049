//! How answers are read.

use std::sync::atomic::Ordering;

use pilotdeck_load::{Connection, Failure, FailureKind};

use crate::server::{Answer, Server, ok};

#[tokio::test]
async fn a_body_is_read_however_it_is_framed() {
    let server = Server::start(|turn| match turn {
        0 => Answer::Bytes(ok("whole")),
        1 => Answer::Bytes(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\nin \r\n6;x=y\r\nchunks\r\n0\r\n\r\n"
                .to_vec(),
        ),
        2 => Answer::Last(b"HTTP/1.1 200 OK\r\n\r\nto the end".to_vec()),
        3 => Answer::Last(
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nConnection: close\r\n\r\nlast".to_vec(),
        ),
        _ => Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
    })
    .await;
    let mut connection = Connection::open(&server.base_url).await.unwrap();

    for expected in ["whole", "in chunks", "to the end", "last", ""] {
        assert_eq!(connection.get("/").await.unwrap(), expected.as_bytes());
    }
    assert_eq!(server.requests.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn what_is_no_whole_answer_is_a_failure_and_the_next_request_is_not_harmed() {
    let server = Server::start(|turn| match turn {
        0 => Answer::Last(Vec::new()),
        1 => Answer::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()),
        2 => Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        3 => Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n".to_vec()),
        4 => Answer::Bytes(b"HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nfull".to_vec()),
        _ => Answer::Bytes(ok("fine")),
    })
    .await;
    let mut connection = Connection::open(&server.base_url).await.unwrap();

    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(connection.get("/").await.unwrap_err().kind());
    }

    let (hung_up, not_understood) = (FailureKind::HungUp, FailureKind::NotUnderstood);
    let status = FailureKind::Status(503);
    assert_eq!(kinds, [hung_up, hung_up, not_understood, not_understood, status]);
    assert_eq!(connection.get("/").await.unwrap(), b"fine");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure() {
    let refused = Connection::open("http://127.0.0.1:1").await.unwrap_err();

    assert!(matches!(refused, Failure::CannotConnect(_)), "{refused}");
}
