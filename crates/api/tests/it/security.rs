//! Tricks that are played on servers: planted sessions, requests that other sites make, invented hosts, escaped addresses,
//! headers that end early, and secrets that an answer might tell.

use pilotdeck_api::Setup;
use pilotdeck_testkit::{ADMIN_TOKEN, AGENT_TOKEN, Answer, LEDGER_KEY_SEED, Method, TestApp};
use serde_json::json;

use crate::guard::operations;
use crate::input::shortened;

const INDEX: &[u8] = b"<!doctype html><title>PilotDeck</title>";
const FILES: &[(&str, &[u8])] = &[("index.html", INDEX), ("assets/a.js", b"1")];
const COOKIE: &str = "pilotdeck_session=";

async fn closed() -> TestApp {
    TestApp::builder().with_agent_token().with_admin_token().with_console(FILES).start().await
}

async fn me(app: &TestApp, cookie: &str) -> Answer {
    app.get("/api/auth/me").with_cookie(cookie).send().await
}

/// An operation's address, of things that there are not.
fn address(path: &str) -> String {
    path.replace("{seq}", "1").replace("{id}", "no-such-thing").replace("{userId}", "no-such-thing")
}

async fn raw(app: &TestApp, target: &str, headers: &str) -> String {
    app.raw(format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn a_session_that_somebody_planted_does_not_become_the_victims() {
    let app = TestApp::start().await;
    app.a_person("mallory", "member").await;
    let planted = app.sign_in("mallory", "password").await;

    let body = json!({ "username": "admin", "password": "admin" });
    let answer = app.post("/api/auth/login").with_cookie(&planted).json(&body).send().await;

    let given = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(given, planted);
    assert_eq!(me(&app, &planted).await.status, 401, "it opens nobody's account any more");
    let account = me(&app, &given).await;
    assert_eq!(account.body["data"]["user"]["username"], "admin");
}

#[tokio::test]
async fn there_is_no_session_before_the_sign_in_and_none_that_comes_another_way_than_the_cookie() {
    let app = closed().await;
    let cookie = app.sign_in("admin", "admin").await;
    let key = cookie.strip_prefix(COOKIE).unwrap();

    for (method, path, _) in operations() {
        if path == "/api/auth/login" {
            continue;
        }
        let path = address(&path);
        let stranger = app.request(method.clone(), &path).json(&json!({})).send().await;
        assert!(stranger.header("set-cookie").is_none(), "{method} {path}");
    }
    let wrong = json!({ "username": "admin", "password": "wrong" });
    let refused = app.post("/api/auth/login").json(&wrong).send().await;
    assert!(refused.header("set-cookie").is_none());
    for request in [
        app.get(&format!("/api/auth/me?{cookie}")),
        app.get(&format!("/api/auth/me;{cookie}")),
        app.get("/api/auth/me").header("pilotdeck_session", key),
        app.get("/api/auth/me").header("authorization", format!("Bearer {key}")),
        app.get("/api/auth/me").header("cookie", format!("PilotDeck_Session={key}")),
    ] {
        assert!(matches!(request.send().await.status.as_u16(), 401 | 404));
    }
}

#[tokio::test]
async fn no_operation_that_changes_or_costs_something_is_done_for_another_site() {
    let app = closed().await;
    let cookie = app.sign_in("admin", "admin").await;
    let before = app.ledger_head().await;
    let mut asked = 0;

    for (method, path, _) in operations() {
        if method == Method::GET && !path.starts_with("/api/admin/") {
            continue;
        }
        let path = address(&path);
        for (header, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for content_type in ["application/json", "text/plain"] {
                let request = app.request(method.clone(), &path).with_cookie(&cookie);
                let request = request.header(header, value).header("x-pm-token", ADMIN_TOKEN);

                let answer = request.body(content_type, "{}").send().await;

                let refusal = (answer.status.as_u16(), answer.code());
                assert_eq!(refusal, (403, "cross_origin"), "{method} {path} {header}: {value}");
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "{asked}");
    assert_eq!(app.ledger_head().await, before);
    assert_eq!(me(&app, &cookie).await.status, 200, "not even signed out");
}

#[tokio::test]
async fn a_host_is_believed_from_one_place_only() {
    let app = TestApp::builder().with_console(FILES).start().await;

    for (target, headers, status) in [
        // The address of the request counts, and not the header beside it.
        ("http://evil.example/api/health", "Host: localhost\r\n", "403"),
        ("http://localhost/api/health", "Host: evil.example\r\n", "200"),
        ("http://localhost:80/api/health", "Host: localhost\r\n", "200"),
        ("http://evil@localhost/api/health", "Host: localhost\r\n", "40"),
        ("http://localhost@evil.example/api/health", "Host: localhost\r\n", "40"),
        ("http://localhost:1@evil.example/api/health", "Host: localhost\r\n", "40"),
        // Nobody overrides it.
        ("/api/health", "Host: evil.example\r\nX-Forwarded-Host: localhost\r\n", "403"),
        ("/api/health", "Host: evil.example\r\nForwarded: host=localhost\r\n", "403"),
        ("/api/health", "Host: evil.example\r\nX-Host: localhost\r\n", "403"),
        ("/api/health", "Host: localhost\r\nX-Forwarded-Host: evil.example\r\n", "200"),
        ("/api/health", "Host: localhost\r\nHost: evil.example\r\n", "400"),
        ("/api/health", "Host: evil.example\r\nHost: localhost\r\n", "400"),
        ("/api/health", "Host: localhost, evil.example\r\n", "403"),
        ("/api/health", "", "400"),
        // What only looks like a name of this machine.
        ("/api/health", "Host: localhost.\r\n", "403"),
        ("/api/health", "Host: 127.0.0.1.\r\n", "403"),
        ("/api/health", "Host: evil.localhost\r\n", "403"),
        ("/api/health", "Host: evil@localhost\r\n", "403"),
        ("/api/health", "Host: localhost:80@evil.example\r\n", "403"),
        ("/api/health", "Host: localhost:80:80\r\n", "403"),
        ("/api/health", "Host: localhost:a\r\n", "403"),
        ("/api/health", "Host: localhost/evil\r\n", "403"),
        ("/api/health", "Host: localhost#evil\r\n", "403"),
        ("/api/health", "Host: localhost\\evil\r\n", "403"),
        ("/api/health", "Host: 2130706433\r\n", "403"),
        ("/api/health", "Host: 0x7f.0.0.1\r\n", "403"),
        ("/api/health", "Host: 127.1\r\n", "403"),
        ("/api/health", "Host: [::ffff:127.0.0.1]\r\n", "403"),
        ("/api/health", "Host: [::1]evil.example\r\n", "403"),
        ("/", "Host: evil.example\r\n", "403"),
        ("/assets/a.js", "Host: evil.example\r\n", "403"),
    ] {
        let answer = raw(&app, target, headers).await;

        let what = format!("{target} {headers:?}: {answer}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{what}");
        assert!(!answer.contains("evil"), "a host is never repeated: {what}");
    }
}

#[tokio::test]
async fn an_open_server_is_not_open_through_a_proxy_that_nobody_named() {
    let app = TestApp::start().await;

    for header in [
        "x-forwarded-for",
        "forwarded",
        "via",
        "x-real-ip",
        "x-forwarded-host",
        "x-forwarded-proto",
    ] {
        let read = app.get("/api/projects").header(header, "127.0.0.1").send().await;
        let write = app.post("/api/projects").header(header, "https").json(&json!({ "name": "x" }));
        let write = write.send().await;

        assert_eq!((read.status.as_u16(), read.code()), (401, "unauthenticated"), "{header}");
        assert_eq!((write.status.as_u16(), write.code()), (401, "unauthenticated"), "{header}");
    }
    assert_eq!(app.get("/api/projects").send().await.status, 200);
    assert_eq!(app.get("/api/health").header("via", "1.1 proxy").send().await.status, 200);
}

/// Spellings of an address that a router might take for the address.
fn spellings(path: &str) -> Vec<String> {
    let last = path.rfind('/').unwrap() + 1;
    let escaped = |at: usize, levels: &str| {
        let byte = path.as_bytes()[at];
        format!("{}%{levels}{byte:02x}{}", &path[..at], &path[at + 1..])
    };
    vec![
        escaped(1, ""),
        escaped(last, ""),
        escaped(last, "25"),
        path.replacen('/', "//", 1),
        path.replace('/', "%2f").replacen("%2f", "/", 1),
        path.replacen("/api", "/API", 1),
        format!("{path}/"),
        format!("{path};x"),
        format!("{path}%00"),
        format!("{path}%20"),
        format!("{path}."),
    ]
}

#[tokio::test]
async fn no_other_spelling_of_an_address_is_a_way_around_what_it_takes() {
    let app = closed().await;
    let cookie = app.sign_in("admin", "admin").await;
    let before = app.ledger_head().await;

    for (method, path, operation) in operations() {
        if operation["x-permission"] == "public" || path == "/metrics" {
            continue;
        }
        for spelling in spellings(&address(&path)) {
            let stranger = app.request(method.clone(), &spelling).json(&json!({})).send().await;
            let is_page = stranger.status == 200 && stranger.text.as_bytes() == INDEX;
            let is_refused = matches!(stranger.status.as_u16(), 400 | 401 | 403 | 404 | 405 | 503);
            assert!(is_page || is_refused, "{method} {spelling}: {}", shortened(&stranger.text));

            if path.starts_with("/api/admin/") {
                let linked = app.request(method.clone(), &spelling).with_cookie(&cookie);
                let linked = linked.header("sec-fetch-site", "cross-site").send().await;
                let is_page = linked.status == 200 && linked.text.as_bytes() == INDEX;
                let is_refused = matches!(linked.status.as_u16(), 400 | 403 | 404 | 405);
                assert!(is_page || is_refused, "{method} {spelling}: {}", linked.status);
            }
        }
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_out_of_the_consoles_files() {
    let app = TestApp::builder().with_console(FILES).start().await;
    let climbs = [
        "%252e%252e%252f",
        "..%252f",
        "%25%32%65%25%32%65/",
        "%2e%2e%5c",
        "..%255c",
        "..%c0%af",
        "..%ef%bc%8f",
        "%uff0e%uff0e/",
        "....//",
        "..;/",
        "..%00/",
        "..%09/",
    ];

    for folder in ["/", "/assets/", "/__static/", "/__static/assets/", "/%5f_static/"] {
        for climb in climbs {
            for secret in ["pm.db", "Cargo.toml", "etc/passwd", "index.html%00", "pm.db.secret"] {
                let path = format!("{folder}{}{secret}", climb.repeat(3));

                let answer = raw(&app, &path, "Host: localhost\r\n").await;

                let is_page = answer.ends_with("<title>PilotDeck</title>");
                let is_refused = ["HTTP/1.1 400", "HTTP/1.1 404"]
                    .iter()
                    .any(|status| answer.starts_with(status));
                assert!(is_page || is_refused, "{path}: {answer}");
                assert!(!is_page || !folder.starts_with("/assets"), "{path}: a file is no page");
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_a_client_names_ends_a_header_or_becomes_one() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let planted = "a\r\nX-Injected: yes\r\n\r\n<script>";
    app.a_project(json!({ "id": "p", "name": planted, "notes": planted })).await;
    app.a_run(json!({ "id": "r", "projectId": "p", "title": planted })).await;
    app.an_event(json!({ "id": "e", "runId": "r", "title": planted })).await;
    for id in [planted, "a\nb", "a\rb", "a\0b", "\u{85}", "\u{2028}"] {
        let answer = app.post("/api/projects").json(&json!({ "id": id, "name": "x" })).send().await;
        assert!(answer.header("x-injected").is_none(), "{id:?}");
    }

    for (method, path, operation) in operations() {
        if method != Method::GET || path == "/api/stream" {
            continue;
        }
        let mut targets = vec![path.replace("{id}", "p"), path.replace("{id}", "r")];
        let names = operation["parameters"].as_array().into_iter().flatten();
        for parameter in names.filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            targets.push(format!("{}?{name}=a%0d%0aX-Injected:%20yes", path.replace("{id}", "p")));
        }
        for target in targets {
            let (answer, _) = app.get(&target).with_cookie(&cookie).download().await;

            assert!(answer.header("x-injected").is_none(), "{target}");
            let content_type = answer.header("content-type").unwrap_or_default().to_owned();
            let is_page = content_type.starts_with("text/html");
            assert!(!is_page, "{target}: what people wrote is never a page: {content_type}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
            if let Some(disposition) = answer.header("content-disposition") {
                let name = disposition.strip_prefix("attachment; filename=").unwrap();
                let name = name.trim_matches('"');
                let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
                assert!(name.chars().all(is_plain), "{target}: {disposition}");
            }
        }
    }
    for target in ["/api/docs?x=%0d%0aX-Injected:%20yes", "/api/docs?//evil.example", "/api/docs"] {
        let redirect = app.get(target).send().await;

        assert!(redirect.header("x-injected").is_none(), "{target}");
        assert_eq!(redirect.header("location"), Some("/api/docs/"), "{target}");
    }
}

#[tokio::test]
async fn an_upload_is_stored_under_no_name_of_its_own() {
    let app = TestApp::builder().with_admin_token().start().await;
    let names = || {
        let files = std::fs::read_dir(app.folder()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();

    for name in ["../../pm.db", "/etc/passwd", "pm.db.secret", "..\\pm.db", "a\0b"] {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nno database\r\n--x--\r\n"
        );
        let request = app.post("/api/admin/restore").as_admin();
        let answer = request.body("multipart/form-data; boundary=x", body).send().await;

        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text);
        assert!(!answer.text.contains("passwd"), "{}", answer.text);
        assert_eq!(names(), before, "{name:?}");
    }
}

#[tokio::test]
async fn no_answer_tells_a_secret() {
    let signing = "planted-signing-secret-of-this-server-0123456789";
    let app = TestApp::builder()
        .with_agent_token()
        .with_admin_token()
        .with_setup(|setup: &mut Setup| setup.cookie_secret = signing.as_bytes().to_vec())
        .start()
        .await;
    app.a_person("ada", "member").await;
    let cookie = app.sign_in("admin", "admin").await;
    let ada = app.sign_in("ada", "password").await;
    let seed: String = LEDGER_KEY_SEED.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = [&cookie, &ada].map(|cookie| cookie[cookie.len() - 64..].to_owned());
    let mut secrets =
        vec![AGENT_TOKEN.to_owned(), ADMIN_TOKEN.to_owned(), signing.to_owned(), seed];
    secrets.extend(keys);
    let hashes = ["$argon2", "5e884898da28047151d0e56f8dc62927"];

    for (method, path, _) in operations() {
        let is_copy = ["/api/admin/backup", "/api/admin/export"].contains(&path.as_str());
        // A copy of the database has the hashes of passwords, and no answer is to sign anybody out.
        if is_copy || path == "/api/auth/logout" {
            continue;
        }
        let path = address(&path);
        let mut answers = Vec::new();
        for by in [Some(("cookie", cookie.as_str())), Some(("cookie", ada.as_str())), None] {
            let request = app.request(method.clone(), &path).with(by).as_agent().as_admin();
            let request = request.header("last-event-id", "no-such-thing").json(&json!({}));
            answers.push(request.send().await);
        }
        for answer in answers {
            let headers = format!("{:?}", answer.headers);
            for secret in &secrets {
                let tells = answer.text.contains(secret) || headers.contains(secret.as_str());
                assert!(!tells, "{method} {path} tells {secret}");
            }
            for hash in hashes {
                assert!(!answer.text.contains(hash), "{method} {path} tells a hash");
            }
        }
    }
}
