//! How many requests, how slow, how large.

use std::time::{Duration, Instant};

use pilotdeck_api::Limits;
use pilotdeck_testkit::{AGENT_TOKEN, Answer, TestApp};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const ANSWER: Duration = Duration::from_secs(20);

fn numbers(answer: &Answer) -> Option<(u64, u64, i64)> {
    let number = |name: &str| answer.header(name)?.parse::<i64>().ok();
    Some((
        number("x-ratelimit-limit")?.try_into().ok()?,
        number("x-ratelimit-remaining")?.try_into().ok()?,
        number("x-ratelimit-reset")?,
    ))
}

async fn limited(limits: Limits) -> TestApp {
    let builder = TestApp::builder().with_agent_token().with_admin_token();
    builder
        .with_setup(|setup| {
            setup.limits = limits;
            setup.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        })
        .at("2026-02-11T15:00:00Z")
        .start()
        .await
}

#[tokio::test]
async fn beyond_the_limit_requests_are_refused_with_the_time_to_come_again() {
    let app = limited(Limits { people: 0, tokens: 0, strangers: 3 }).await;

    for left in [2, 1, 0] {
        let answer = app.get("/api/meta").send().await;
        let (limit, remaining, reset) = numbers(&answer).unwrap();
        assert_eq!((answer.status.as_u16(), limit, remaining), (200, 3, left));
        let reset = reset - app.clock.now().timestamp();
        assert!((1..=60).contains(&reset), "{reset}");
    }
    let refused = app.get("/api/meta").send().await;

    assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited"));
    assert_eq!(refused.body["success"], false);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(numbers(&refused).unwrap().1, 0);
    assert!(refused.header("x-request-id").is_some());
    for path in ["/health", "/health/live", "/health/ready", "/api/health", "/", "/projects/p1"] {
        let answer = app.get(path).send().await;
        assert_eq!((answer.status.as_u16(), numbers(&answer)), (200, None), "{path}");
    }
    let metrics = app.get("/metrics").as_admin().send().await;
    assert!(metrics.text.contains("pilotdeck_rate_limit_refusals_total{caller=\"stranger\"} 1\n"));
}

#[tokio::test]
async fn a_guess_beyond_the_limit_is_not_even_looked_at() {
    let app = limited(Limits { people: 0, tokens: 0, strangers: 2 }).await;
    let body = json!({ "username": "admin", "password": "wrong" });
    let guess = async || app.post("/api/auth/login").json(&body).send().await;
    let head = app.ledger_head().await.0;

    assert_eq!([guess().await.status, guess().await.status], [401, 401]);
    let refused = guess().await;

    assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited"));
    assert_eq!(app.ledger_head().await.0, head + 2, "nothing is recorded of it");
}

#[tokio::test]
async fn people_are_counted_one_by_one_and_others_by_where_they_come_from() {
    let app = limited(Limits { people: 2, tokens: 2, strangers: 20 }).await;
    app.a_person("ada", "member").await;
    let (admin, ada) = (app.sign_in("admin", "admin").await, app.sign_in("ada", "password").await);
    let ask = async |headers: &[(&str, &str)]| {
        let request = app.get("/api/projects");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.status.as_u16()
    };
    let from = |address| ("x-forwarded-for", address);
    let agent = ("x-pm-agent-token", AGENT_TOKEN);

    for (headers, expected) in [
        (vec![("cookie", &*admin), from("1.1.1.1")], [200, 200, 429]),
        // The same person elsewhere, and another one there.
        (vec![("cookie", &*admin), from("2.2.2.2")], [429, 429, 429]),
        (vec![("cookie", &*ada), from("1.1.1.1")], [200, 200, 429]),
        (vec![agent, from("1.1.1.1")], [200, 200, 429]),
        (vec![agent, from("9.9.9.9, 3.3.3.3")], [200, 200, 429]),
        (vec![agent, from("8.8.8.8, 3.3.3.3")], [429, 429, 429]),
        (vec![agent, from("2001:db8:1:2::1")], [200, 200, 429]),
        (vec![agent, from("2001:db8:1:2:ffff::9")], [429, 429, 429]),
        (vec![agent, from("2001:db8:1:3::1")], [200, 200, 429]),
        (vec![("x-pm-agent-token", "wrong"), from("1.1.1.1")], [401, 401, 401]),
    ] {
        let answers = [ask(&headers).await, ask(&headers).await, ask(&headers).await];
        assert_eq!(answers, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn without_limits_nothing_is_said_of_them() {
    let app = TestApp::start().await;

    let answer = app.get("/api/projects").send().await;

    assert_eq!((answer.status.as_u16(), numbers(&answer)), (200, None));
}

/// A server whose patience is short.
async fn impatient() -> TestApp {
    TestApp::builder()
        .with_setup(|setup| {
            setup.time_limits.head = Duration::from_millis(1_500);
            setup.time_limits.body = Duration::from_millis(1_500);
            setup.time_limits.answer = Duration::from_millis(1_500);
        })
        .start()
        .await
}

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.base_url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends `head`, then a byte every now and then until the server hangs up; what it said, and after how long.
async fn drip(app: &TestApp, head: &str, drop: &[u8]) -> (String, Duration) {
    let (mut reading, mut writing) = connect(app).await.into_split();
    let began = Instant::now();
    writing.write_all(head.as_bytes()).await.unwrap();
    let drop = drop.to_vec();
    let dripping = tokio::spawn(async move {
        while writing.write_all(&drop).await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    });
    let mut said = Vec::new();
    let _ = timeout(ANSWER, reading.read_to_end(&mut said)).await.expect("the server hangs up");
    dripping.abort();
    (String::from_utf8_lossy(&said).into_owned(), began.elapsed())
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let app = impatient().await;

    let (said, after) =
        drip(&app, "GET /api/health HTTP/1.1\r\nHost: localhost\r\nX: ", b"x").await;

    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    assert!((1..10).contains(&after.as_secs()), "{after:?}");
    let (said, _) = drip(&app, "", b"").await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off() {
    let app = impatient().await;
    let head =
        "POST /api/projects HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

    for (length, drop) in
        [("Content-Length: 1000000", &b" "[..]), ("Transfer-Encoding: chunked", b"1\r\n \r\n")]
    {
        let (said, after) = drip(&app, &format!("{head}{length}\r\n\r\n"), drop).await;

        assert!(said.starts_with("HTTP/1.1 408 "), "{length}: {said}");
        assert!(said.contains("\"request_timeout\""), "{said}");
        assert!((1..10).contains(&after.as_secs()), "{length}: {after:?}");
    }
}

#[tokio::test]
async fn a_refused_request_is_not_listened_to_any_longer() {
    let app = TestApp::builder()
        .with_agent_token()
        .with_setup(|setup| setup.time_limits.body = Duration::from_millis(1_500))
        .start()
        .await;
    let head =
        "POST /api/projects HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

    for (length, drop) in
        [("Content-Length: 1000000", &b" "[..]), ("Transfer-Encoding: chunked", b"1\r\n \r\n")]
    {
        let (said, after) = drip(&app, &format!("{head}{length}\r\n\r\n"), drop).await;

        assert!(said.starts_with("HTTP/1.1 401 "), "{length}: {said}");
        assert!(after.as_secs() < 10, "{length}: {after:?}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let app = impatient().await;
    for turn in 0..12 {
        let notes = "n".repeat(1 << 20);
        app.a_project(json!({ "id": format!("p{turn}"), "notes": notes })).await;
    }
    let mut stream = connect(&app).await;
    stream.write_all(b"GET /api/projects HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    sleep(Duration::from_secs(4)).await;

    let mut taken = Vec::new();
    let ended = timeout(ANSWER, stream.read_to_end(&mut taken)).await;

    assert!(ended.is_ok(), "the connection ends");
    assert!(taken.len() < 12 << 20, "{} bytes were kept for one who took none", taken.len());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let app = TestApp::start().await;
    let head =
        format!("GET /api/health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n", "x".repeat(200_000));

    let said = app.raw(format!("{head}Connection: close\r\n\r\n")).await;

    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
}

#[tokio::test]
async fn a_connection_goes_on_after_a_body_that_came_in_time() {
    let app = impatient().await;
    let mut stream = connect(&app).await;
    let head =
        "POST /api/projects HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

    for _ in 0..2 {
        stream.write_all(format!("{head}Content-Length: 12\r\n\r\n").as_bytes()).await.unwrap();
        sleep(Duration::from_millis(500)).await;
        stream.write_all(br#"{"name":"x"}"#).await.unwrap();
        let mut said = [0; 16];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said[..12], b"HTTP/1.1 201");
        let mut rest = vec![0; 1 << 16];
        let _ = timeout(Duration::from_millis(100), stream.read(&mut rest)).await;
        sleep(Duration::from_secs(2)).await;
    }
}
