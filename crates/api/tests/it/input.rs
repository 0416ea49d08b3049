//! What no client should send: it is refused or understood, in the one shape of failures, and never a failure of ours.

use pilotdeck_testkit::{Answer, Method, TestApp};
use serde_json::{Map, Value, json};

use crate::guard::operations;

/// Operations whose body may be absent.
const BODY_IS_OPTIONAL: [&str; 4] = [
    "/api/agent/actions/{id}/undo",
    "/api/agent/proposals/{id}/accept",
    "/api/agent/proposals/{id}/reject",
    "/api/projects/{id}/history/{seq}/undo",
];

/// An app with one thing of each kind, called `x`, and the cookie of a person.
pub(crate) async fn furnished() -> (TestApp, String) {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "x" })).await;
    for (path, body) in [
        ("/api/agent/runs", json!({ "id": "x", "projectId": "x" })),
        ("/api/agent/events", json!({ "id": "x" })),
        ("/api/agent/profiles", json!({ "id": "x", "name": "x" })),
        ("/api/agent/capabilities", json!({ "id": "x", "name": "x" })),
        ("/api/agent/usage", json!({ "id": "x", "totalTokens": 1 })),
    ] {
        let answer = app.post(path).json(&body).send().await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }
    let cookie = app.sign_in("admin", "admin").await;
    (app, cookie)
}

/// Whether an operation takes a body of JSON; an upload is another matter (`operations.rs`).
pub(crate) fn takes_json(operation: &Value) -> bool {
    operation
        .get("requestBody")
        .is_some_and(|body| body.pointer("/content/multipart~1form-data").is_none())
}

/// The operations that take a body of JSON, and an address of each.
pub(crate) fn with_body() -> Vec<(Method, String, String)> {
    operations()
        .into_iter()
        .filter(|(_, _, operation)| takes_json(operation))
        .map(|(method, path, _)| {
            let address = path.replace("{id}", "x").replace("{seq}", "1").replace("{userId}", "x");
            (method, path, address)
        })
        .collect()
}

pub(crate) fn assert_failure(answer: &Answer, statuses: &[u16], what: &str) {
    assert!(
        statuses.contains(&answer.status.as_u16()),
        "{what}: {} {}",
        answer.status,
        answer.text
    );
    assert_eq!(answer.body["success"], false, "{what}: {}", answer.text);
    assert!(answer.body["error"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
    assert!(answer.body["code"].is_string(), "{what}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
}

/// An answer may refuse or accept, but is whole and no failure of ours.
pub(crate) fn assert_sound(answer: &Answer, what: &str) {
    if answer.status.is_success() {
        assert_eq!(answer.body["success"], true, "{what}: {}", shortened(&answer.text));
    } else {
        assert_failure(answer, &[400, 401, 404, 409, 413, 415], what);
    }
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Everything that can be listed is still listed, as strict JSON.
pub(crate) async fn assert_readable(app: &TestApp, cookie: &str, after: &str) {
    for path in [
        "/api/projects",
        "/api/projects/x",
        "/api/stats",
        "/api/stats/tokens",
        "/api/agent/runs?limit=500",
        "/api/agent/events?limit=2000",
        "/api/agent/proposals",
        "/api/agent/profiles",
        "/api/agent/capabilities",
        "/api/agent/usage?limit=5000",
        "/api/ledger?limit=2000",
    ] {
        let answer = app.get(path).with_cookie(cookie).send().await;

        assert_eq!(answer.status, 200, "{path} after {after}: {}", shortened(&answer.text));
        assert_eq!(
            answer.body["success"],
            true,
            "{path} after {after}: {}",
            shortened(&answer.text)
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_everywhere_and_changes_nothing() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;
    let nested = |open: &str, close: &str| {
        format!("{{\"a\":{}1{}}}", open.repeat(10_000), close.repeat(10_000))
    };
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("half an object", b"{\"name\":".to_vec()),
        ("words", b"name=Apollo".to_vec()),
        ("two objects", b"{} {}".to_vec()),
        ("a trailing comma", b"{\"name\":\"a\",}".to_vec()),
        ("a comment", b"{} // yes".to_vec()),
        ("single quotes", b"{'name':'a'}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a list of objects", b"[{\"name\":\"a\"}]".to_vec()),
        ("a text", b"\"name\"".to_vec()),
        ("a number", b"5".to_vec()),
        ("null", b"null".to_vec()),
        ("true", b"true".to_vec()),
        ("spaces", b"  \n ".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"name\":\"a\"}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("bytes that are no UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("an overlong encoding", b"{\"name\":\"\xc0\xaf\"}".to_vec()),
        ("an encoded surrogate", b"{\"name\":\"\xed\xa0\x80\"}".to_vec()),
        ("a lone surrogate", b"{\"name\":\"\\ud800\"}".to_vec()),
        ("a lone low surrogate", b"{\"name\":\"a\\udc00b\"}".to_vec()),
        ("a lone surrogate as a key", b"{\"\\ud800\":1,\"name\":\"a\"}".to_vec()),
        ("U+0000", b"{\"name\":\"a\\u0000b\"}".to_vec()),
        ("U+0000 far inside", b"{\"name\":\"a\",\"x\":[{\"y\":[\"\\u0000\"]}]}".to_vec()),
        ("U+0000 as a key", b"{\"name\":\"a\",\"a\\u0000\":1}".to_vec()),
        ("a raw NUL", b"{\"name\":\"a\0b\"}".to_vec()),
        ("a raw newline", b"{\"name\":\"a\nb\"}".to_vec()),
        ("NaN", b"{\"name\":\"a\",\"progress\":NaN}".to_vec()),
        ("Infinity", b"{\"name\":\"a\",\"cost\":-Infinity}".to_vec()),
        ("1e999", b"{\"name\":\"a\",\"cost\":1e999}".to_vec()),
        ("hexadecimal", b"{\"name\":\"a\",\"cost\":0x10}".to_vec()),
        ("a leading zero", b"{\"name\":\"a\",\"cost\":010}".to_vec()),
        ("10,000 lists", nested("[", "]").into_bytes()),
        ("10,000 objects", nested("{\"a\":", "}").into_bytes()),
        ("10,000 open lists", format!("{{\"a\":{}", "[".repeat(10_000)).into_bytes()),
    ];

    for (method, path, address) in with_body() {
        for (name, body) in &bodies {
            // Null is no body, where none is needed.
            if *name == "null" && BODY_IS_OPTIONAL.contains(&path.as_str()) {
                continue;
            }
            let what = format!("{method} {address}: {name}");

            let request = app.request(method.clone(), &address).with_cookie(&cookie);
            let answer = request.raw_json(body.clone()).send().await;

            assert_failure(&answer, &[400], &what);
            assert_eq!(answer.code(), "malformed_json", "{what}");
        }
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn an_empty_body_is_refused_unless_the_body_is_optional() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;

    for (method, path, address) in with_body() {
        let request = || app.request(method.clone(), &address).with_cookie(&cookie);

        let declared = request().raw_json("").send().await;
        let undeclared = request().send().await;

        if BODY_IS_OPTIONAL.contains(&path.as_str()) {
            // What it is about is not there, or is of another kind.
            assert_failure(&declared, &[404, 409], &path);
            assert_failure(&undeclared, &[404, 409], &path);
        } else {
            assert_failure(&declared, &[400], &path);
            assert_failure(&undeclared, &[415], &path);
        }
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn a_body_has_to_be_declared_as_json() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;

    for (method, _, address) in with_body() {
        let request = || app.request(method.clone(), &address).with_cookie(&cookie);
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "json",
            "*/*",
        ] {
            let answer = request().body(kind, r#"{"name":""}"#).send().await;

            assert_failure(&answer, &[415], &format!("{address} {kind}"));
            assert_eq!(answer.code(), "unsupported_media_type");
        }
        for kind in [
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/json;charset=\"UTF-8\"",
        ] {
            let answer = request().body(kind, "[]").send().await;

            assert_failure(&answer, &[400], &format!("{address} {kind}"));
        }
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn a_body_may_have_16_mib_and_not_a_byte_more() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;
    let most = 16 << 20;
    let body = |bytes: usize| {
        let mut body = br#"{"progress":1,"notes":""#.to_vec();
        body.resize(bytes - 2, b'x');
        body.extend_from_slice(b"\"}");
        body
    };

    let patch = || app.patch("/api/projects/x").with_cookie(&cookie);
    let refused = patch().raw_json(body(most + 1)).send().await;
    let unchanged = app.ledger_head().await;
    let accepted = patch().raw_json(body(most)).send().await;

    assert_failure(&refused, &[413], "a byte too many");
    assert_eq!(refused.code(), "body_too_large");
    assert_eq!(unchanged, before);
    assert_eq!(accepted.status, 200);
    assert_eq!(accepted.body["data"]["notes"].as_str().unwrap().len(), most - 25);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_its_length_is_announced_or_not() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;

    let head = |method: &Method, address: &str| {
        format!(
            "{method} {address} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\
             Content-Type: application/json\r\n"
        )
    };
    let assert_refused = |answer: &str, what: &str| {
        let is_refused = answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large");
        assert!(is_refused, "{what}: {}", shortened(answer));
    };

    for (method, _, address) in with_body() {
        let announced =
            format!("{}Content-Length: {}\r\n\r\n ", head(&method, &address), (16 << 20) + 1);

        let answer = app.raw(announced).await;

        assert_refused(&answer, &address);
    }
    let mut chunked =
        format!("{}Transfer-Encoding: chunked\r\n\r\n", head(&Method::POST, "/api/projects"))
            .into_bytes();
    for _ in 0..=256 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.resize(chunked.len() + 0x10000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_refused(&app.raw(chunked).await, "chunked");
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn a_body_that_ends_early_or_lies_about_its_length_changes_nothing() {
    let (app, _) = furnished().await;
    let before = app.ledger_head().await;
    let head = "POST /api/projects HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";

    for rest in [
        "Content-Length: 10\r\n\r\n{\"name\":\"Apollo\"}",
        "Content-Length: -1\r\n\r\n{\"name\":\"Apollo\"}",
        "Content-Length: 5\r\nContent-Length: 17\r\n\r\n{\"name\":\"Apollo\"}",
        "Content-Length: 17\r\nTransfer-Encoding: chunked\r\n\r\n{\"name\":\"Apollo\"}",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{\"name\":\"Apollo\"}\r\n0\r\n\r\n",
    ] {
        let answer = app.raw(format!("{head}{rest}")).await;

        assert!(answer.starts_with("HTTP/1.1 400"), "{rest}: {}", shortened(&answer));
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn of_a_key_that_comes_twice_the_last_value_counts() {
    let app = TestApp::start().await;

    let body = r#"{"name":"first","name":"second","meta":{"a":1,"a":2}}"#;
    let answer = app.post("/api/projects").raw_json(body).send().await;

    assert_eq!(
        (&answer.body["data"]["name"], &answer.body["data"]["meta"]),
        (&json!("second"), &json!({ "a": 2 }))
    );
}

#[tokio::test]
async fn many_keys_and_many_items_are_carried() {
    let (app, cookie) = furnished().await;
    let mut fields: Map<String, Value> =
        (0..100_000).map(|turn| (format!("key{turn}"), json!(turn))).collect();
    fields.insert("name".to_owned(), json!("Apollo"));

    let created = app.post("/api/projects").json(&Value::Object(fields.clone())).send().await;
    let too_many = json!({ "ops": vec![json!({ "id": "x", "patch": {} }); 10_001] });
    let refused = app.post("/api/projects/batch").with_cookie(&cookie).json(&too_many).send().await;

    assert_eq!(created.status, 201);
    assert_eq!(created.body["data"]["key99999"], 99_999);
    let patched = app
        .patch(&format!("/api/projects/{}", created.body["data"]["id"].as_str().unwrap()))
        .json(&Value::Object(fields))
        .send()
        .await;
    assert_eq!(patched.status, 200);
    assert_failure(&refused, &[400], "10,001 operations");
}

#[tokio::test]
async fn the_deepest_body_that_is_accepted_can_be_read_by_every_way() {
    let (app, cookie) = furnished().await;
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let mut deepest = 0;

    for levels in 90..130 {
        for (method, path, body) in [
            ("PATCH", "/api/projects/x", format!(r#"{{"deep":{}}}"#, deep(levels))),
            ("PATCH", "/api/agent/runs/x", format!(r#"{{"deep":{}}}"#, deep(levels))),
            ("POST", "/api/agent/events", format!(r#"{{"evidence":{}}}"#, deep(levels))),
            ("POST", "/api/agent/events", format!(r#"{{"data":{}}}"#, deep(levels))),
            ("POST", "/api/agent/usage", format!(r#"{{"data":{}}}"#, deep(levels))),
            (
                "POST",
                "/api/agent/actions",
                format!(
                    r#"{{"projectId":"x","actions":[{{"id":"act-{levels}","type":"bump_progress","params":{{"delta":1,"why":{}}}}}]}}"#,
                    deep(levels)
                ),
            ),
            (
                "POST",
                "/api/agent/actions",
                format!(
                    r#"{{"runId":"x","type":"add_note","status":"pending_review","idempotencyKey":"k{levels}","payload":{{"note":"n","why":{}}}}}"#,
                    deep(levels)
                ),
            ),
        ] {
            let what = format!("{method} {path} {levels}");

            let answer = app
                .request(method.parse().unwrap(), path)
                .with_cookie(&cookie)
                .raw_json(body)
                .send()
                .await;

            assert_sound(&answer, &what);
            if answer.status.is_success() {
                deepest = levels;
            }
        }
        assert_readable(&app, &cookie, &format!("{levels} levels")).await;
    }

    assert_eq!(deepest, 99, "and the object around it is the hundredth");
    let proposals = app.get("/api/agent/proposals").send().await;
    for proposal in proposals.body["data"].as_array().unwrap() {
        let path =
            format!("/api/agent/proposals/{}/accept", proposal["proposal"]["id"].as_str().unwrap());
        let answer = app.post(&path).with_cookie(&cookie).send().await;
        assert_sound(&answer, &path);
    }
    assert_readable(&app, &cookie, "the decisions").await;
    let again = app.patch("/api/projects/x").json(&json!({ "progress": 3 })).send().await;
    assert_eq!(again.status, 200, "{}", shortened(&again.text));
    assert_eq!(app.delete("/api/projects/x").send().await.status, 200);
}
