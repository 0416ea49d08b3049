//! What is true of every answer: headers, hosts and origins.

use std::net::TcpListener;

use pilotdeck_api::{Setup, SetupError};
use pilotdeck_testkit::{Answer, Method, TestApp};
use serde_json::json;

const SECURITY: [&str; 6] = [
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
];

fn assert_complete(answer: &Answer, what: &str) {
    for header in SECURITY {
        assert!(answer.header(header).is_some(), "{what}: {header} is missing");
    }
    let ids: Vec<_> = answer.headers.get_all("x-request-id").iter().collect();
    assert_eq!(ids.len(), 1, "{what}");
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_a_request_id() {
    let app = TestApp::builder().with_agent_token().start().await;
    let big = vec![b' '; (16 << 20) + 1];

    for (what, request, status) in [
        ("a page", app.get("/"), 200),
        ("an answer", app.get("/api/projects").as_agent(), 200),
        ("the explorer", app.get("/api/docs/"), 200),
        ("a file that is not there", app.get("/api/docs/nothing.js"), 404),
        ("an unknown path", app.get("/api/nothing"), 404),
        ("a wrong method", app.delete("/api/projects").as_agent(), 405),
        ("a wrong method of the explorer", app.post("/api/docs/").json(&json!({})), 405),
        ("a stranger", app.get("/api/projects"), 401),
        ("another host", app.get("/api/health").header("host", "evil.example"), 403),
        (
            "another origin",
            app.post("/api/auth/logout").header("origin", "https://evil.example"),
            403,
        ),
        ("no JSON", app.post("/api/projects").as_agent().raw_json("{"), 400),
        ("no body", app.post("/api/projects").as_agent(), 415),
        ("too large a body", app.post("/api/projects").as_agent().raw_json(big), 413),
        ("options", app.request(Method::OPTIONS, "/api/projects"), 204),
        ("a redirect", app.get("/api/docs"), 307),
        ("not built yet", app.get("/api/admin/backup"), 503),
        ("head", app.request(Method::HEAD, "/api/health"), 200),
    ] {
        let answer = request.send().await;

        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        assert_complete(&answer, what);
    }
}

#[tokio::test]
async fn a_failure_of_the_database_is_answered_like_every_other_failure() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;
    app.services.close().await;

    for request in [app.get("/api/projects"), app.get("/api/projects").with_cookie(&cookie)] {
        let answer = request.send().await;

        assert!(answer.status.is_server_error(), "{}", answer.status);
        assert_eq!(
            (&answer.body["success"], answer.body["code"].is_string()),
            (&json!(false), true),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("pool") && !answer.text.contains("sql"), "{}", answer.text);
        assert_complete(&answer, "a failure");
    }
}

#[tokio::test]
async fn answers_of_the_api_are_not_kept_and_forbid_everything() {
    let app = TestApp::start().await;

    let api = app.get("/api/meta").send().await;
    let page = app.get("/").send().await;

    assert_eq!(api.header("cache-control"), Some("no-store"));
    assert_eq!(
        api.header("content-security-policy"),
        Some("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    );
    assert!(api.headers.get_all("vary").iter().any(|vary| vary == "Cookie"));
    assert_eq!(api.header("content-type"), Some("application/json"));
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
    );
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_harmless_request_id_is_echoed_and_any_other_replaced() {
    let app = TestApp::start().await;
    let id_for = async |sent: &[u8]| {
        let answer = app.get("/api/health").header("x-request-id", sent).send().await;
        answer.header("x-request-id").unwrap().to_owned()
    };

    for harmless in ["abc", "A-1_b.c", &"x".repeat(64)] {
        assert_eq!(id_for(harmless.as_bytes()).await, harmless);
    }
    for other in
        [&b""[..], b"a b", b"a\"b", b"{}", b"\xe4\xbd\xa0", b"a/b", "x".repeat(65).as_bytes()]
    {
        let given = id_for(other).await;
        assert_ne!(given.as_bytes(), other);
        assert_eq!(given.len(), 32);
    }
    assert_ne!(id_for(b"").await, id_for(b"").await);
}

#[tokio::test]
async fn the_request_id_is_on_the_ledger_line_of_the_change() {
    let app = TestApp::start().await;

    app.post("/api/projects")
        .header("x-request-id", "from-the-client")
        .json(&json!({ "id": "p", "name": "Apollo" }))
        .send()
        .await;

    let cookie = app.sign_in("admin", "admin").await;
    let ledger = app.get("/api/ledger?subjectId=p").with_cookie(&cookie).send().await;
    assert_eq!(ledger.body["data"][0]["requestId"], "from-the-client");
}

#[tokio::test]
async fn only_loopback_names_and_listed_hosts_are_answered_for() {
    let app = TestApp::builder()
        .with_setup(|setup| setup.allowed_hosts = vec!["deck.example".to_owned()])
        .start()
        .await;

    for (host, passes) in [
        ("localhost", true),
        ("LocalHost:1234", true),
        ("127.0.0.1", true),
        ("[::1]:80", true),
        ("deck.example", true),
        ("DECK.example:443", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("deck.example.evil.example", false),
        ("localhost@evil.example", false),
        ("10.0.0.1", false),
        ("0.0.0.0", false),
        ("", false),
    ] {
        for path in ["/", "/api/health", "/api/projects", "/api/docs/", "/api/nothing"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");

            let answer = app.raw(request).await;

            let refused = answer.starts_with("HTTP/1.1 403") && answer.contains("host_not_allowed");
            assert_eq!(refused, !passes, "{host} {path}: {answer}");
        }
    }
    let without = app.raw("GET /api/health HTTP/1.0\r\n\r\n").await;
    assert!(without.contains("host_not_allowed"), "{without}");
}

#[tokio::test]
async fn a_change_that_another_origin_asks_for_is_refused() {
    let app = TestApp::builder()
        .with_setup(|setup| setup.allowed_origins = vec!["https://console.example".to_owned()])
        .start()
        .await;
    let own = app.base_url.clone();
    let cookie = app.sign_in("admin", "admin").await;
    let before = app.ledger_head().await;

    for (header, value, passes) in [
        ("origin", own.as_str(), true),
        ("origin", "https://console.example", true),
        ("origin", "https://evil.example", false),
        ("origin", "http://127.0.0.1:1", false),
        ("origin", "http://127.0.0.1", false),
        ("origin", "http://console.example", false),
        ("origin", "https://console.example.evil.example", false),
        ("origin", "null", false),
        ("origin", "", false),
        ("origin", "file://", false),
        ("sec-fetch-site", "same-origin", true),
        ("sec-fetch-site", "none", true),
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "same-site", false),
    ] {
        for (method, path) in [
            ("POST", "/api/projects/reorder"),
            ("PUT", "/api/projects/p"),
            ("PATCH", "/api/projects/p"),
            ("DELETE", "/api/projects/p"),
            ("POST", "/api/auth/login"),
        ] {
            let request = app.request(method.parse().unwrap(), path).with_cookie(&cookie);

            let answer = request.header(header, value).json(&json!({})).send().await;

            let refused = (answer.status.as_u16(), answer.code()) == (403, "cross_origin");
            assert_eq!(refused, !passes, "{header}: {value}, {method} {path}: {}", answer.text);
        }
        let read = app.get("/api/projects").header(header, value).send().await;
        assert_eq!(read.status, 200, "{header}: {value}");
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn only_listed_origins_may_read_the_answers() {
    let app = TestApp::builder()
        .with_setup(|setup| setup.allowed_origins = vec!["https://console.example".to_owned()])
        .start()
        .await;
    let allowed = |answer: &Answer| {
        let header = |name| answer.header(name).map(str::to_owned);
        (header("access-control-allow-origin"), header("access-control-allow-credentials"))
    };

    let listed = app.get("/api/projects").header("origin", "https://console.example").send().await;
    let other = app.get("/api/projects").header("origin", "https://evil.example").send().await;
    let none = app.get("/api/projects").send().await;

    assert_eq!(
        allowed(&listed),
        (Some("https://console.example".to_owned()), Some("true".to_owned()))
    );
    let exposed = listed.header("access-control-expose-headers").unwrap();
    for name in ["x-request-id", "retry-after", "x-ratelimit-remaining"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let vary: Vec<String> = listed
        .headers
        .get_all("vary")
        .iter()
        .map(|vary| vary.to_str().unwrap().to_ascii_lowercase())
        .collect();
    let vary = vary.join(", ");
    assert!(vary.contains("origin") && vary.contains("cookie"), "{vary}");
    assert_eq!((allowed(&other).0, other.status.as_u16()), (None, 200));
    assert_eq!(allowed(&none).0, None);
}

#[tokio::test]
async fn preflights_are_answered_for_listed_origins_only() {
    let app = TestApp::builder()
        .with_agent_token()
        .with_setup(|setup| setup.allowed_origins = vec!["https://console.example".to_owned()])
        .start()
        .await;
    let preflight = async |origin: &str| {
        app.request(Method::OPTIONS, "/api/projects/p")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "content-type,x-pm-agent-token")
            .send()
            .await
    };

    let listed = preflight("https://console.example").await;
    let other = preflight("https://evil.example").await;
    let nobody = preflight("null").await;

    assert_eq!(nobody.header("access-control-allow-origin"), None);
    assert_eq!(nobody.header("access-control-allow-credentials"), None);
    assert!(listed.status.is_success(), "{}", listed.status);
    assert_eq!(listed.header("access-control-allow-origin"), Some("https://console.example"));
    assert!(listed.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(listed.header("access-control-allow-headers").unwrap().contains("x-pm-agent-token"));
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert!(!other.status.is_server_error());
    assert_complete(&listed, "a preflight");
    assert_complete(&other, "a refused preflight");
}

#[tokio::test]
async fn a_server_without_listed_origins_shares_with_nobody() {
    let app = TestApp::start().await;

    for origin in ["https://evil.example", "null", "http://localhost"] {
        let answer = app.get("/api/projects").header("origin", origin).send().await;

        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
}

#[tokio::test]
async fn a_listed_origin_may_be_written_with_capitals_and_a_slash() {
    let app = TestApp::builder()
        .with_setup(|setup| setup.allowed_origins = vec!["HTTPS://Console.example/".to_owned()])
        .start()
        .await;

    let request = app.post("/api/projects/reorder").header("origin", "https://console.example");
    let answer = request.json(&json!({ "ids": [] })).send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://console.example"));
}

#[tokio::test]
async fn a_setup_that_makes_no_sense_keeps_the_server_from_starting() {
    let app = TestApp::start().await;
    let serve = |setup: Setup| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        pilotdeck_api::serve(listener, app.services.clone(), setup).map(drop).unwrap_err()
    };
    let with_origin = |origin: &str| {
        let mut setup = Setup::default();
        setup.allowed_origins.push(origin.to_owned());
        serve(setup)
    };

    for origin in ["*", "deck.example", "https://deck.example/console", "null"] {
        assert!(matches!(with_origin(origin), SetupError::Origin(named) if named == origin));
    }
    let short = Setup { cookie_secret: vec![1; 31], ..Setup::default() };
    assert!(matches!(serve(short), SetupError::ShortSecret));
}
