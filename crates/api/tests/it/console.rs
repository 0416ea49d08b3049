//! The web console: files, the page behind every other address, and what neither of them answers.

use pilotdeck_testkit::{ADMIN_TOKEN, AGENT_TOKEN, Answer, Method, TestApp};

use crate::guard::operations;

const INDEX: &[u8] = b"<!doctype html><title>PilotDeck</title>";
const SCRIPT: &[u8] = b"console.log('plain')";
const FILES: &[(&str, &[u8])] = &[
    ("index.html", INDEX),
    ("index.html.br", b"index as br"),
    ("index.html.gz", b"index as gzip"),
    ("assets/index-Bx3f.js", SCRIPT),
    ("assets/index-Bx3f.js.br", b"script as br"),
    ("assets/index-Bx3f.js.gz", b"script as gzip"),
    ("assets/inter-C0ffee.woff2", b"wOF2"),
    ("res/icon-black.png", b"\x89PNG"),
    ("manifest.webmanifest", b"{}"),
];
const SCRIPT_PATH: &str = "/assets/index-Bx3f.js";

async fn with_console() -> TestApp {
    TestApp::builder().with_console(FILES).start().await
}

fn is_page(answer: &Answer) -> bool {
    answer.status == 200 && answer.text.as_bytes() == INDEX
}

fn is_missing(answer: &Answer) -> bool {
    answer.status == 404 && answer.code() == "not_found"
}

#[tokio::test]
async fn a_file_is_served_under_its_name_and_below_static() {
    let app = with_console().await;

    for (path, content, content_type) in [
        (SCRIPT_PATH, SCRIPT, "text/javascript; charset=utf-8"),
        ("/__static/assets/index-Bx3f.js", SCRIPT, "text/javascript; charset=utf-8"),
        ("/index.html", INDEX, "text/html; charset=utf-8"),
        ("/__static/index.html", INDEX, "text/html; charset=utf-8"),
        ("/assets/inter-C0ffee.woff2", b"wOF2", "font/woff2"),
        ("/manifest.webmanifest", b"{}", "application/manifest+json"),
        ("/manifest.webmanifest?v=2", b"{}", "application/manifest+json"),
    ] {
        let get = app.get(path).send().await;
        let head = app.request(Method::HEAD, path).send().await;

        assert_eq!((get.status.as_u16(), get.text.as_bytes()), (200, content), "{path}");
        assert_eq!(get.header("content-type"), Some(content_type), "{path}");
        assert_eq!(get.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
        for header in ["content-length", "content-type", "etag", "cache-control", "vary"] {
            assert_eq!(head.header(header), get.header(header), "{path} {header}");
        }
    }
}

#[tokio::test]
async fn every_other_address_of_a_person_is_the_page() {
    let app = with_console().await;

    for path in [
        "/",
        "/?status=active",
        "/projects",
        "/projects/",
        "/projects/proj-a/timeline?type=error",
        "/projects/%E4%BD%A0%E5%A5%BD",
        "/projects/a%2Fb",
        "/projects/v1.2",
        "/runs/api/metrics",
        "/apis",
        "/%2561pi",
    ] {
        let answer = app.get(path).send().await;

        assert!(is_page(&answer), "{path}: {} {}", answer.status, answer.text);
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
    }
}

#[tokio::test]
async fn what_programs_ask_for_is_never_answered_with_the_page() {
    let app = with_console().await;

    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/API/projects",
        "/%61pi/projects",
        "/%61%70%69/projects",
        "/api%2Fprojects",
        "/api;v=1/projects",
        "/v1",
        "/v1/messages",
        "/hooks/github",
        "/otlp/v1/traces",
        "/mcp",
        "/Mcp",
        "/healthz",
        "/health/",
        "/health/nothing",
        "/metrics/",
        "/.well-known/oauth-authorization-server",
        "/.env",
        "/assets",
        "/assets/",
        "/assets/index-0ld.js",
        "/assets/../index.html",
        "/__static",
        "/__static/",
        "/__static/nothing.js",
        "/__static/projects",
    ] {
        let answer = app
            .raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .await;

        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains(r#""code":"not_found""#), "{path}: {answer}");
    }
    for path in ["/", "/projects", SCRIPT_PATH] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = app.request(method.parse().unwrap(), path).send().await;

            assert!(is_missing(&answer), "{method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn no_operation_has_an_address_of_the_console() {
    let app = with_console().await;

    for (_, path, _) in operations() {
        let is_for_programs =
            ["/api/", "/health", "/metrics"].iter().any(|base| path.starts_with(base));
        assert!(is_for_programs, "{path}");
    }
    let explorer = app.get("/api/docs/").send().await;
    let health = app.get("/api/health").send().await;

    assert!(explorer.text.contains("swagger"));
    assert_eq!(health.body["status"], "healthy");
}

#[tokio::test]
async fn a_path_does_not_climb_out_of_the_console() {
    let app = with_console().await;
    let deep = "/..".repeat(2_000);
    let long = format!("/{}", "x".repeat(60_000));
    let too_long = format!("/{}", "x".repeat(200_000));

    for path in [
        "/../etc/passwd",
        "/assets/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/%2e%2e%2fetc%2fpasswd",
        "/..%2f..%2fetc%2fpasswd",
        "/..%5c..%5cetc%5cpasswd",
        "/..\\..\\etc\\passwd",
        "/assets\\..\\..\\Cargo.toml",
        "/__static/../Cargo.toml",
        "/__static/%2e%2e/Cargo.toml",
        "/__static/..%2f..%2fCargo.toml",
        "/__static//etc/passwd",
        "/__static/%2fetc%2fpasswd",
        "//etc/passwd",
        "/index.html%00.js",
        "/index.html\0",
        "/%00",
        "/./index.html",
        "/assets/./index-Bx3f.js",
        "/%c0%ae%c0%ae/etc/passwd",
        "/%ff",
        "/a%0d%0aX-Injected:%20yes",
        "/file:///etc/passwd/..",
        &deep,
        &too_long,
    ] {
        let answer = app
            .raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .await;

        let shown = &path[..path.len().min(60)];
        let is_refused = ["HTTP/1.1 400", "HTTP/1.1 404", "HTTP/1.1 414", "HTTP/1.1 431"]
            .iter()
            .any(|status| answer.starts_with(status));
        assert!(is_refused, "{shown}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("\nx-injected"), "{shown}: {answer}");
    }
    assert!(is_page(&app.get(&long).send().await), "long, but harmless");
    assert!(is_page(&app.get("/projects/%2525").send().await));
}

#[tokio::test]
async fn the_best_variant_that_the_client_takes_is_sent() {
    let app = with_console().await;

    for (accepted, coding, content) in [
        (None, None, "console.log('plain')"),
        (Some(""), None, "console.log('plain')"),
        (Some("gzip, deflate, br, zstd"), Some("br"), "script as br"),
        (Some("gzip"), Some("gzip"), "script as gzip"),
        (Some("br;q=0.5, gzip"), Some("gzip"), "script as gzip"),
        (Some("br;q=0, gzip;q=0.1"), Some("gzip"), "script as gzip"),
        (Some("BR"), Some("br"), "script as br"),
        (Some("identity, br;q=0.5"), None, "console.log('plain')"),
        (Some("identity"), None, "console.log('plain')"),
        (Some("zstd"), None, "console.log('plain')"),
        (Some("br;q=0, gzip;q=0"), None, "console.log('plain')"),
        (Some("*;q=0"), None, "console.log('plain')"),
        (Some("br;q=nonsense"), None, "console.log('plain')"),
        (Some(";;;,,,=\u{e4}"), None, "console.log('plain')"),
    ] {
        let mut request = app.get(SCRIPT_PATH);
        if let Some(accepted) = accepted {
            request = request.header("accept-encoding", accepted);
        }
        let answer = request.send().await;

        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, content), "{accepted:?}");
        assert_eq!(answer.header("content-encoding"), coding, "{accepted:?}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepted:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/javascript; charset=utf-8"),
            "{accepted:?}"
        );
    }
    let page = app.get("/projects").header("accept-encoding", "br").send().await;
    let icon = app.get("/res/icon-black.png").header("accept-encoding", "br").send().await;

    assert_eq!((page.text.as_str(), page.header("content-encoding")), ("index as br", Some("br")));
    assert_eq!((icon.header("content-encoding"), icon.header("vary")), (None, None));
}

#[tokio::test]
async fn the_variants_are_not_files_of_their_own() {
    let app = with_console().await;

    for path in
        ["/index.html.br", "/index.html.gz", "/assets/index-Bx3f.js.br", "/__static/index.html.gz"]
    {
        let answer = app.get(path).send().await;

        assert!(is_missing(&answer), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let app = with_console().await;

    for path in ["/", "/projects", SCRIPT_PATH] {
        for accepted in ["identity", "br", "gzip"] {
            let get = async |tags: &str| {
                app.get(path)
                    .header("accept-encoding", accepted)
                    .header("if-none-match", tags)
                    .send()
                    .await
            };
            let first = get("").await;
            let tag = first.header("etag").unwrap().to_owned();

            for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()]
            {
                let again = get(&known).await;

                assert_eq!(
                    (again.status.as_u16(), again.text.as_str()),
                    (304, ""),
                    "{path} {known}"
                );
                for header in ["etag", "cache-control", "vary"] {
                    assert_eq!(again.header(header), first.header(header), "{path} {header}");
                }
                assert_eq!(again.header("content-encoding"), None);
            }
            for other in ["\"x\"", "x", tag.trim_matches('"'), "\"unfinished"] {
                assert_eq!(get(other).await.status, 200, "{path} {other}");
            }
        }
    }
}

#[tokio::test]
async fn every_representation_has_a_tag_of_its_own() {
    let app = with_console().await;
    let mut tags = Vec::new();

    for accepted in ["identity", "br", "gzip"] {
        let answer = app.get("/").header("accept-encoding", accepted).send().await;
        tags.push(answer.header("etag").unwrap().to_owned());
    }
    let of_br = app.get("/").header("if-none-match", &tags[1]).send().await;

    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
    assert_eq!(of_br.status, 200, "another representation is not the one that the browser has");
    assert!(tags.iter().all(|tag| tag.starts_with('"')), "strong: {tags:?}");
}

#[tokio::test]
async fn files_with_a_hash_in_their_name_are_kept_and_all_others_asked_for_again() {
    let app = with_console().await;

    for path in [SCRIPT_PATH, "/__static/assets/index-Bx3f.js", "/assets/inter-C0ffee.woff2"] {
        let answer = app.get(path).send().await;

        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000, immutable"),
            "{path}"
        );
    }
    for path in ["/", "/index.html", "/projects", "/res/icon-black.png", "/manifest.webmanifest"] {
        assert_eq!(app.get(path).send().await.header("cache-control"), Some("no-cache"), "{path}");
    }
}

#[tokio::test]
async fn a_proxy_hears_of_everything_that_an_answer_depends_on() {
    let app = TestApp::builder()
        .with_console(FILES)
        .with_setup(|setup| setup.allowed_origins = vec!["https://console.example".to_owned()])
        .start()
        .await;

    let answer = app.get("/").header("origin", "https://console.example").send().await;

    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    let vary = format!("{vary:?}").to_ascii_lowercase();
    assert!(vary.contains("accept-encoding") && vary.contains("origin"), "{vary}");
}

#[tokio::test]
async fn the_console_is_public_on_purpose_and_reveals_nothing_to_anybody() {
    let app =
        TestApp::builder().with_console(FILES).with_agent_token().with_admin_token().start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let before = app.ledger_head().await;

    for path in ["/", "/projects/proj-a", SCRIPT_PATH, "/__static/index.html"] {
        let stranger = app.get(path).send().await;
        assert_eq!(stranger.status, 200, "{path}");

        for (name, value) in [
            ("cookie", cookie.as_str()),
            ("cookie", "pilotdeck_session=forged"),
            ("x-pm-agent-token", AGENT_TOKEN),
            ("x-pm-agent-token", "wrong"),
            ("x-pm-token", ADMIN_TOKEN),
        ] {
            let answer = app.get(path).header(name, value).send().await;

            assert_eq!((answer.status, &answer.text), (stranger.status, &stranger.text), "{path}");
            assert_eq!(answer.header("etag"), stranger.header("etag"), "{path} {name}");
        }
    }
    let elsewhere = app.get("/projects").header("host", "evil.example").send().await;

    assert_eq!((elsewhere.status.as_u16(), elsewhere.code()), (403, "host_not_allowed"));
    assert_eq!(app.get("/api/projects").send().await.status, 401);
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn without_a_console_every_address_of_a_person_says_how_to_build_it() {
    let app = TestApp::start().await;

    for path in ["/", "/projects", "/projects/proj-a"] {
        let answer = app.get(path).send().await;

        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains("cargo xtask run"), "{path}: {}", answer.text);
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
    }
    for path in ["/assets/index-Bx3f.js", "/__static/index.html", "/api/nothing"] {
        assert!(is_missing(&app.get(path).send().await), "{path}");
    }
}
