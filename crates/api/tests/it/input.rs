//! What no client should send: it is refused or understood, in the one shape of failures, and never a failure of ours.

use pilotdeck_testkit::{Answer, Method, TestApp};
use serde_json::{Map, Value, json};

use crate::guard::operations;

/// Operations whose body may be absent.
const BODY_IS_OPTIONAL: [&str; 2] =
    ["/api/agent/proposals/{id}/accept", "/api/agent/proposals/{id}/reject"];

/// An app with one thing of each kind, called `x`, and the cookie of a person.
async fn furnished() -> (TestApp, String) {
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

/// The operations that take a body, and an address of each.
fn with_body() -> Vec<(Method, String, String)> {
    operations()
        .into_iter()
        .filter(|(_, _, operation)| operation.get("requestBody").is_some())
        .map(|(method, path, _)| {
            let address = path.replace("{id}", "x");
            (method, path, address)
        })
        .collect()
}

fn assert_failure(answer: &Answer, statuses: &[u16], what: &str) {
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
fn assert_sound(answer: &Answer, what: &str) {
    if answer.status.is_success() {
        assert_eq!(answer.body["success"], true, "{what}: {}", shortened(&answer.text));
    } else {
        assert_failure(answer, &[400, 401, 404, 409, 413, 415], what);
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Everything that can be listed is still listed, as strict JSON.
async fn assert_readable(app: &TestApp, cookie: &str, after: &str) {
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

    for (method, _, address) in with_body() {
        for (name, body) in &bodies {
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
            assert_failure(&declared, &[404], &path);
            assert_failure(&undeclared, &[404], &path);
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

/// Values that hardly any field is made for.
fn odd_values() -> Vec<Value> {
    let whole = |digits: usize| serde_json::from_str::<Value>(&"9".repeat(digits)).unwrap();
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(-0.0),
        json!(1e308),
        json!(5e-324),
        json!(u64::MAX),
        json!(i64::MIN),
        whole(60),
        json!(""),
        json!(" \t"),
        json!("nan"),
        json!("-inf"),
        json!("1e999"),
        json!("0x10"),
        json!("9".repeat(60)),
        json!("x".repeat(256)),
        json!("深".repeat(300)),
        json!("a\u{1}b\r\n\u{7f}\u{85}"),
        json!("\u{202e}\u{feff}\u{fffd}\u{10ffff}"),
        json!("'; DROP TABLE projects; --"),
        json!("../../etc/passwd"),
        json!("2026-02-30T00:00:00Z"),
        json!("2026-13-01"),
        json!("soon"),
        json!("123456789012-01-01T00:00:00Z"),
        json!("-0001-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("0000-01-01T00:00:00+23:59"),
        json!("2016-12-31T23:59:60Z"),
        json!([]),
        json!([null, 1, "a", {}, [[]]]),
        json!({}),
        json!({ "total": "nan", "planned": {}, "a": { "b": [] } }),
        json!({ "$ref": "#", "__proto__": {}, "constructor": 1 }),
        json!(vec![json!("x"); 50]),
        deep,
    ]
}

/// Every operation with a body, a body that it accepts, and the fields to spoil.
fn bodies() -> Vec<(&'static str, &'static str, Value, &'static [&'static str])> {
    vec![
        (
            "POST",
            "/api/projects",
            json!({ "name": "Apollo" }),
            &[
                "id",
                "name",
                "status",
                "priority",
                "category",
                "progress",
                "description",
                "notes",
                "tags",
                "cost",
                "revenue",
                "budget",
                "actualCost",
                "actual_cost",
                "createdAt",
                "updatedAt",
                "ifUpdatedAt",
                "orders",
            ],
        ),
        (
            "PATCH",
            "/api/projects/x",
            json!({}),
            &[
                "id",
                "name",
                "status",
                "category",
                "progress",
                "notes",
                "tags",
                "cost",
                "budget",
                "createdAt",
                "updatedAt",
                "ifUpdatedAt",
            ],
        ),
        (
            "PUT",
            "/api/projects/x",
            json!({}),
            &["name", "revenue", "actualCost", "ifUpdatedAt", "other"],
        ),
        ("POST", "/api/projects/reorder", json!({ "ids": ["x"] }), &["ids"]),
        ("POST", "/api/projects/batch", json!({ "ops": [] }), &["ops"]),
        (
            "POST",
            "/api/projects/batch",
            json!({ "ops": [{ "id": "x", "patch": {} }] }),
            &["/ops/0", "/ops/0/opId", "/ops/0/id", "/ops/0/patch", "/ops/0/ifUpdatedAt"],
        ),
        (
            "POST",
            "/api/agent/runs",
            json!({}),
            &[
                "id",
                "projectId",
                "agentId",
                "agent",
                "status",
                "title",
                "summary",
                "links",
                "tags",
                "metrics",
                "meta",
                "source",
                "sessionId",
                "createdAt",
                "updatedAt",
                "startedAt",
                "finishedAt",
                "usage",
                "error",
            ],
        ),
        (
            "PATCH",
            "/api/agent/runs/x",
            json!({}),
            &[
                "id",
                "projectId",
                "agentId",
                "status",
                "links",
                "tags",
                "metrics",
                "meta",
                "startedAt",
                "finishedAt",
                "usage",
                "sessionId",
            ],
        ),
        (
            "POST",
            "/api/agent/events",
            json!({}),
            &[
                "id",
                "type",
                "level",
                "projectId",
                "runId",
                "agentId",
                "title",
                "message",
                "data",
                "ts",
                "description",
                "evidence",
                "createdBy",
                "idempotencyKey",
            ],
        ),
        (
            "POST",
            "/api/agent/actions",
            json!({ "projectId": "x", "actions": [{ "type": "set_status", "params": { "status": "paused" } }] }),
            &[
                "actions",
                "agentId",
                "runId",
                "projectId",
                "/actions/0",
                "/actions/0/id",
                "/actions/0/type",
                "/actions/0/params",
                "/actions/0/projectId",
                "/actions/0/recordOnly",
                "/actions/0/ifUpdatedAt",
                "/actions/0/params/status",
            ],
        ),
        (
            "POST",
            "/api/agent/actions",
            json!({ "projectId": "x", "actions": [{ "type": "bump_progress", "params": { "delta": 1 } }] }),
            &["/actions/0/params/delta"],
        ),
        (
            "POST",
            "/api/agent/actions",
            json!({ "projectId": "x", "actions": [{ "type": "append_note", "params": { "note": "n", "alsoWriteToProjectNotes": true } }] }),
            &["/actions/0/params/note", "/actions/0/params/alsoWriteToProjectNotes"],
        ),
        (
            "POST",
            "/api/agent/actions",
            json!({ "runId": "x", "type": "add_note", "payload": { "note": "n" }, "status": "pending_review" }),
            &[
                "runId",
                "type",
                "payload",
                "rationale",
                "status",
                "proposedBy",
                "idempotencyKey",
                "projectId",
                "action",
                "params",
                "id",
            ],
        ),
        (
            "POST",
            "/api/agent/profiles",
            json!({ "name": "p" }),
            &[
                "id",
                "name",
                "role",
                "description",
                "styleTags",
                "skills",
                "permissions",
                "meta",
                "enabled",
                "createdAt",
                "updatedAt",
            ],
        ),
        (
            "PATCH",
            "/api/agent/profiles/x",
            json!({}),
            &["id", "name", "role", "skills", "permissions", "enabled", "createdAt", "updatedAt"],
        ),
        (
            "POST",
            "/api/agent/capabilities",
            json!({ "name": "c" }),
            &[
                "id",
                "name",
                "description",
                "promptPack",
                "skillPack",
                "constraints",
                "meta",
                "enabled",
                "createdAt",
                "updatedAt",
            ],
        ),
        (
            "PATCH",
            "/api/agent/capabilities/x",
            json!({}),
            &["id", "name", "promptPack", "skillPack", "enabled", "updatedAt"],
        ),
        (
            "POST",
            "/api/agent/usage",
            json!({ "totalTokens": 1 }),
            &[
                "records",
                "id",
                "ts",
                "projectId",
                "runId",
                "agentId",
                "workspace",
                "sessionId",
                "model",
                "source",
                "promptTokens",
                "completionTokens",
                "totalTokens",
                "cost",
                "data",
            ],
        ),
        (
            "POST",
            "/api/agent/usage",
            json!({ "records": [{}] }),
            &["/records/0", "/records/0/id", "/records/0/totalTokens", "/records/0/ts"],
        ),
        ("POST", "/api/agent/proposals/none/accept", json!({}), &["reason"]),
        ("POST", "/api/agent/proposals/none/reject", json!({}), &["reason"]),
        (
            "POST",
            "/api/auth/login",
            json!({ "username": "nobody", "password": "x" }),
            &["username"],
        ),
        ("POST", "/api/auth/change-password", json!({ "newPassword": "x" }), &["newPassword"]),
    ]
}

fn spoiled(body: &Value, field: &str, value: &Value) -> Value {
    let mut body = body.clone();
    if let Some(place) = field.starts_with('/').then(|| body.pointer_mut(field)).flatten() {
        *place = value.clone();
        return body;
    }
    let (parent, field) = field.rsplit_once('/').unwrap_or(("", field));
    body.pointer_mut(parent).unwrap()[field] = value.clone();
    body
}

#[tokio::test]
async fn odd_values_in_known_fields_are_refused_or_brought_into_form() {
    let (app, cookie) = furnished().await;
    let mut head = app.ledger_head().await;

    for (method, path, body, fields) in bodies() {
        for (field, value) in fields
            .iter()
            .flat_map(|field| odd_values().into_iter().map(move |value| (field, value)))
        {
            let what = format!("{method} {path} {field}: {}", shortened(&value.to_string()));
            // A sign-in that is refused is counted and recorded; these are not about guessing.
            if path == "/api/auth/login"
                && value.as_str().is_some_and(|name| !name.trim().is_empty())
            {
                continue;
            }

            let request = app.request(method.parse().unwrap(), path).with_cookie(&cookie);
            let answer = request.json(&spoiled(&body, field, &value)).send().await;

            assert_sound(&answer, &what);
            if answer.status.is_success() {
                head = app.ledger_head().await;
            }
            assert_eq!(app.ledger_head().await, head, "{what}");
        }
        assert_readable(&app, &cookie, &format!("{method} {path}")).await;
    }
}

#[tokio::test]
async fn ids_that_cannot_be_ids_are_refused_and_blank_ones_count_as_none() {
    let (app, _) = furnished().await;

    for (path, body) in [
        ("/api/projects", json!({ "name": "Apollo" })),
        ("/api/agent/runs", json!({})),
        ("/api/agent/events", json!({})),
        ("/api/agent/profiles", json!({ "name": "p" })),
        ("/api/agent/capabilities", json!({ "name": "c" })),
    ] {
        for id in [
            "x".repeat(256),
            "深".repeat(256),
            "a\nb".to_owned(),
            "\u{1b}[2J".to_owned(),
            "a\u{85}b".to_owned(),
        ] {
            let before = app.ledger_head().await;

            let answer = app.post(path).json(&spoiled(&body, "id", &json!(id))).send().await;

            assert_failure(&answer, &[400], &format!("{path} {id:?}"));
            assert_eq!(answer.code(), "invalid_id", "{path} {id:?}");
            assert_eq!(app.ledger_head().await, before);
        }
        for id in [json!(""), json!("  "), json!(null)] {
            let answer = app.post(path).json(&spoiled(&body, "id", &id)).send().await;

            assert_eq!(answer.status, 201, "{path} {id}: {}", answer.text);
            assert!(answer.body["data"]["id"].as_str().unwrap().contains('-'), "{path} {id}");
        }
    }
}

#[tokio::test]
async fn what_is_no_time_is_refused_by_name() {
    let (app, cookie) = furnished().await;
    let before = app.ledger_head().await;

    for (method, path, body, fields) in [
        (
            "POST",
            "/api/projects",
            json!({ "name": "Apollo" }),
            &["createdAt", "updatedAt"] as &[&str],
        ),
        (
            "POST",
            "/api/agent/runs",
            json!({}),
            &["createdAt", "updatedAt", "startedAt", "finishedAt"],
        ),
        ("PATCH", "/api/agent/runs/x", json!({}), &["startedAt", "finishedAt"]),
        ("POST", "/api/agent/profiles", json!({}), &["createdAt", "updatedAt"]),
        ("POST", "/api/agent/capabilities", json!({}), &["createdAt", "updatedAt"]),
    ] {
        for field in fields {
            for time in [
                "soon",
                "2026-02-30",
                "2026-02-11T25:00:00Z",
                "123456789012-01-01T00:00:00Z",
                "11/02/2026",
                "1770000000",
            ] {
                let request = app.request(method.parse().unwrap(), path).with_cookie(&cookie);

                let answer = request.json(&spoiled(&body, field, &json!(time))).send().await;

                assert_failure(&answer, &[400], &format!("{path} {field} {time}"));
                assert_eq!(answer.code(), "invalid_time", "{path} {field} {time}");
                assert_eq!(answer.body["details"][0]["field"], *field);
            }
        }
    }
    assert_eq!(app.ledger_head().await, before);
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
async fn integers_beyond_64_bits_stay_numbers_and_exact_ones_stay_exact() {
    let app = TestApp::start().await;

    let body = format!(
        r#"{{"name":"Apollo","cost":9007199254740993,"big":{},"progress":{},"small":18446744073709551615}}"#,
        "9".repeat(60),
        "9".repeat(60)
    );
    let answer = app.post("/api/projects").raw_json(body).send().await;

    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(answer.text.contains(r#""cost":{"total":9007199254740993}"#), "{}", answer.text);
    assert!(answer.text.contains(r#""small":18446744073709551615"#), "{}", answer.text);
    assert_eq!(
        (&answer.body["data"]["progress"], &answer.body["data"]["big"]),
        (&json!(100), &json!(1e60))
    );
}

#[tokio::test]
async fn hostile_paths_are_not_found_and_no_failure_of_ours() {
    let (app, cookie) = furnished().await;
    let long = "x".repeat(30_000);

    for (method, path, _) in operations() {
        if !path.contains("{id}") {
            continue;
        }
        for id in [
            "%zz",
            "%",
            "%2",
            "%00",
            "%ff%fe",
            "%c0%af",
            "%2e%2e%2f",
            "..%2f..%2fetc",
            "%0d%0aX-A:%20b",
            "%ED%A0%80",
            "%F0%9F%9A%80",
            "a%2fb",
            "~",
            "*",
            &long,
        ] {
            let what = format!("{method} {path} {}", shortened(id));

            let request =
                app.request(method.clone(), &path.replace("{id}", id)).with_cookie(&cookie);
            let answer = request.json(&json!({})).send().await;

            assert_failure(&answer, &[400, 404], &what);
            assert!(answer.header("x-a").is_none(), "{what}");
        }
    }
    let before = app.ledger_head().await;
    for target in [
        "/api/projects/a\u{1}b",
        "/api//projects",
        "//api/projects",
        "/api/projects/../../etc/passwd",
        "/API/projects",
        "/api/projects;x=1",
    ] {
        let answer = app
            .raw(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .await;

        assert!(
            answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
            "{target}: {answer}"
        );
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn hostile_queries_are_understood_or_refused_and_no_failure_of_ours() {
    let (app, cookie) = furnished().await;

    for (method, path, operation) in operations() {
        if method != Method::GET {
            continue;
        }
        let path = path.replace("{id}", "x");
        let names: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in names.into_iter().chain(["unknown", "%00", "limit"]) {
            for value in [
                "",
                "-1",
                "0",
                "1e9",
                "1000000000",
                "99999999999999999999",
                "-9223372036854775808",
                "9223372036854775807",
                "abc",
                "%zz",
                "%",
                "%00",
                "%ff",
                "%ED%A0%80",
                "+",
                "1&1",
                "a&limit=2&limit=3",
                "2026-02-30",
                "2026-02-11T15:00:00+08:00",
                "123456789012-01-01",
                "true",
                "'%20OR%201=1--",
                "%F0%9F%9A%80",
                "[]",
                "*",
            ] {
                let address = format!("{path}?{name}={value}");

                let answer = app.get(&address).with_cookie(&cookie).send().await;

                if answer.status != 200 {
                    assert_failure(&answer, &[400, 503], &address);
                    assert!(
                        answer.status != 503 || path.contains("/admin/"),
                        "{address}: {}",
                        answer.text
                    );
                }
            }
        }
    }
    for query in ["?", "?&&&", "?=", "?limit", "?%", &format!("?status={}", "x".repeat(30_000))] {
        assert_eq!(
            app.get(&format!("/api/projects{query}")).send().await.status,
            200,
            "{}",
            shortened(query)
        );
    }
}

#[tokio::test]
async fn limits_and_offsets_are_brought_into_their_bounds() {
    let (app, _) = furnished().await;
    app.post("/api/agent/runs").json(&json!({ "id": "y" })).send().await;

    for (query, limit, offset, found) in [
        ("", 50, 0, 2),
        ("?limit=-1", 1, 0, 1),
        ("?limit=0", 1, 0, 1),
        ("?limit=1000000000", 500, 0, 2),
        ("?limit=abc", 50, 0, 2),
        ("?limit=1.5", 50, 0, 2),
        ("?limit=99999999999999999999", 50, 0, 2),
        ("?limit=1&limit=2", 1, 0, 1),
        ("?offset=-5", 50, 0, 2),
        ("?offset=1", 50, 1, 1),
        ("?offset=9223372036854775807", 50, i64::MAX, 0),
        ("?offset=abc", 50, 0, 2),
    ] {
        let answer = app.get(&format!("/api/agent/runs{query}")).send().await;

        assert_eq!(
            (&answer.body["limit"], &answer.body["offset"]),
            (&json!(limit), &json!(offset)),
            "{query}"
        );
        assert_eq!(
            (answer.body["data"].as_array().unwrap().len(), &answer.body["total"]),
            (found, &json!(2)),
            "{query}"
        );
    }
}
