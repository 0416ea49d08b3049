//! Hostile paths and queries.

use pilotdeck_testkit::Method;
use serde_json::json;

use crate::guard::operations;
use crate::input::{assert_failure, furnished, shortened};

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
        // No backup and no user is called `x`: their names are times, and minted.
        let is_nothing = path == "/api/admin/backups/{id}" || path.starts_with("/api/users/{id}");
        if method != Method::GET || is_nothing {
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

                // A stream that begins was understood.
                let followed = app.get(&address).with_cookie(&cookie).follow().await;

                if let Err(answer) = followed
                    && answer.status != 200
                {
                    // There was nothing before the ledger began.
                    let missing = if name == "at" { 404 } else { 400 };
                    assert_failure(&answer, &[400, 503, missing], &address);
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
        ("?limit=99999999999999999999", 500, 0, 2),
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
