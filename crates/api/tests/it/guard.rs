//! Who may do what, for every operation of the document.

use std::collections::BTreeMap;

use pilotdeck_testkit::{ADMIN_TOKEN, AGENT_TOKEN, Answer, Method, TestApp};
use serde_json::{Value, json};

/// The callers, in the order of the columns of [`TABLE`].
const CALLERS: [&str; 8] = [
    "a stranger where no token is set",
    "a stranger",
    "a wrong agent token beside a right one in the other header",
    "an agent by X-PM-Agent-Token",
    "an agent by X-PM-Token",
    "the administrator",
    "a person with the role admin",
    "a member",
];

/// What every operation answers to every caller: `+` lets them pass. Where it is about a project, the member is none of it
/// (`visibility.rs` has what each role in a project may do).
const TABLE: &[(&str, &str)] = &[
    ("GET /api/health", "+ + + + + + + +"),
    ("GET /health", "+ + + + + + + +"),
    ("GET /health/live", "+ + + + + + + +"),
    ("GET /health/ready", "+ + + + + + + +"),
    // As it is for whoever comes through a proxy, or from elsewhere.
    ("GET /metrics", "503 401 401 401 401 + + 403"),
    ("GET /api/meta", "+ + + + + + + +"),
    ("GET /api/openapi.json", "+ + + + + + + +"),
    ("POST /api/auth/login", "+ + + + + + + +"),
    ("POST /api/auth/logout", "+ + + + + + + +"),
    ("GET /api/auth/me", "401 401 401 403 403 403 + +"),
    ("POST /api/auth/change-password", "401 401 401 403 403 403 + +"),
    ("POST /api/auth/join", "+ + + + + + + +"),
    ("GET /api/auth/sessions", "401 401 401 403 403 403 + +"),
    ("DELETE /api/auth/sessions", "401 401 401 403 403 403 + +"),
    ("DELETE /api/auth/sessions/{id}", "401 401 401 403 403 403 + +"),
    ("GET /api/auth/second-factor", "401 401 401 403 403 403 + +"),
    ("POST /api/auth/second-factor", "401 401 401 403 403 403 + +"),
    ("POST /api/auth/second-factor/confirm", "401 401 401 403 403 403 + +"),
    ("POST /api/auth/second-factor/disable", "401 401 401 403 403 403 + +"),
    ("POST /api/auth/second-factor/recovery-codes", "401 401 401 403 403 403 + +"),
    ("GET /api/users", "503 401 401 401 401 + + 403"),
    ("POST /api/users", "503 401 401 401 401 + + 403"),
    ("GET /api/users/{id}", "503 401 401 401 401 + + 403"),
    ("PATCH /api/users/{id}", "503 401 401 401 401 + + 403"),
    ("GET /api/users/{id}/sessions", "503 401 401 401 401 + + 403"),
    ("DELETE /api/users/{id}/sessions", "503 401 401 401 401 + + 403"),
    ("DELETE /api/users/{id}/sessions/{session}", "503 401 401 401 401 + + 403"),
    ("DELETE /api/users/{id}/second-factor", "503 401 401 401 401 + + 403"),
    ("GET /api/keys", "401 401 401 403 403 + + +"),
    ("POST /api/keys", "401 401 401 403 403 403 + +"),
    ("DELETE /api/keys/{id}", "401 401 401 403 403 + + +"),
    ("GET /api/invitations", "503 401 401 401 401 + + 403"),
    ("POST /api/invitations", "503 401 401 401 401 + + 403"),
    ("DELETE /api/invitations/{id}", "503 401 401 401 401 + + 403"),
    ("GET /api/projects", "+ 401 401 + + 403 + +"),
    ("POST /api/projects", "+ 401 401 + + 403 + +"),
    ("POST /api/projects/reorder", "+ 401 401 + + 403 + +"),
    ("POST /api/projects/batch", "+ 401 401 + + 403 + +"),
    ("GET /api/projects/{id}", "+ 401 401 + + 403 + +"),
    ("PUT /api/projects/{id}", "+ 401 401 + + 403 + +"),
    ("PATCH /api/projects/{id}", "+ 401 401 + + 403 + +"),
    ("DELETE /api/projects/{id}", "+ 401 401 + + 403 + +"),
    ("GET /api/projects/{id}/history", "+ 401 401 + + 403 + +"),
    ("POST /api/projects/{id}/history/{seq}/undo", "+ 401 401 + + 403 + +"),
    ("GET /api/projects/{id}/members", "+ 401 401 + + 403 + +"),
    ("POST /api/projects/{id}/members", "401 401 401 403 403 403 + +"),
    ("DELETE /api/projects/{id}/members/{userId}", "401 401 401 403 403 403 + +"),
    ("PATCH /api/projects/{id}/members/{userId}", "401 401 401 403 403 403 + +"),
    ("GET /api/people", "401 401 401 403 403 403 + 403"),
    ("GET /api/stats", "+ 401 401 + + 403 + +"),
    ("GET /api/stats/tokens", "+ 401 401 + + 403 + +"),
    ("GET /api/agent/runs", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/runs", "+ 401 401 + + 403 + 403"),
    ("GET /api/agent/runs/{id}", "+ 401 401 + + 403 + +"),
    ("PATCH /api/agent/runs/{id}", "+ 401 401 + + 403 + +"),
    ("GET /api/agent/events", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/events", "+ 401 401 + + 403 + 403"),
    ("POST /api/agent/actions", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/actions/{id}/undo", "+ 401 401 + + 403 + +"),
    ("GET /api/agent/proposals", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/proposals/{id}/accept", "401 401 401 403 403 403 + +"),
    ("POST /api/agent/proposals/{id}/reject", "401 401 401 403 403 403 + +"),
    ("GET /api/agent/profiles", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/profiles", "+ 401 401 + + 403 + 403"),
    ("GET /api/agent/profiles/{id}", "+ 401 401 + + 403 + +"),
    ("PATCH /api/agent/profiles/{id}", "+ 401 401 + + 403 + 403"),
    ("DELETE /api/agent/profiles/{id}", "+ 401 401 + + 403 + 403"),
    ("GET /api/agent/capabilities", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/capabilities", "+ 401 401 + + 403 + 403"),
    ("GET /api/agent/capabilities/{id}", "+ 401 401 + + 403 + +"),
    ("PATCH /api/agent/capabilities/{id}", "+ 401 401 + + 403 + 403"),
    ("DELETE /api/agent/capabilities/{id}", "+ 401 401 + + 403 + 403"),
    ("GET /api/agent/usage", "+ 401 401 + + 403 + +"),
    ("POST /api/agent/usage", "+ 401 401 + + 403 + 403"),
    ("GET /api/ledger", "401 401 401 403 403 + + +"),
    ("GET /api/stream", "401 401 401 403 403 + + +"),
    ("GET /api/ledger/export", "401 401 401 403 403 + + 403"),
    ("GET /api/ledger/key", "401 401 401 403 403 + + 403"),
    ("GET /api/ledger/verification", "401 401 401 403 403 + + 403"),
    ("POST /api/ledger/verification", "401 401 401 403 403 + + 403"),
    ("GET /api/admin/backup", "503 401 401 401 401 + + 403"),
    ("GET /api/admin/export", "503 401 401 401 401 + + 403"),
    ("POST /api/admin/restore", "503 401 401 401 401 + + 403"),
    ("GET /api/admin/backups", "503 401 401 401 401 + + 403"),
    ("POST /api/admin/backups", "503 401 401 401 401 + + 403"),
    ("POST /api/admin/backups/{id}/prove", "503 401 401 401 401 + + 403"),
    ("GET /api/admin/backups/{id}", "503 401 401 401 401 + + 403"),
    ("POST /api/admin/backups/{id}/restore", "503 401 401 401 401 + + 403"),
    ("DELETE /api/admin/backups/{id}", "503 401 401 401 401 + + 403"),
    ("POST /api/admin/deploy", "503 401 401 401 401 + + 403"),
    ("POST /api/admin/deploy/cancel", "503 401 401 401 401 + + 403"),
    ("GET /api/admin/deploy/status", "503 401 401 401 401 + + 403"),
    ("GET /api/admin/deploy/log", "503 401 401 401 401 + + 403"),
];

/// The operations of the document: method, path, and what is said of them.
pub(crate) fn operations() -> Vec<(Method, String, Value)> {
    let document: Value = serde_json::from_str(&pilotdeck_api::document_text()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            operations.push((method, path.clone(), operation.clone()));
        }
    }
    operations
}

async fn answered(app: &TestApp, operation: &str, headers: &[(&str, &str)]) -> Answer {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path.replace("{id}", "no-such-thing").replace("{seq}", "1");
    let path = path.replace("{userId}", "no-such-thing");
    let mut request = app.request(method.parse().unwrap(), &path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if path == "/api/stream" {
        // An answer without end is not waited for: whoever may follow hears that this is no place to begin.
        request = request.header("last-event-id", "no-such-thing");
    }
    if path == "/metrics" {
        request = request.header("x-forwarded-for", "192.0.2.1");
    }
    if method != "GET" {
        request = request.json(&json!({}));
    }
    request.send().await
}

/// How an answer appears in the table.
fn verdict(answer: &Answer) -> &'static str {
    match (answer.status.as_u16(), answer.code()) {
        (401, "unauthenticated") => "401",
        (403, "forbidden") => "403",
        (503, "administration_off") => "503",
        (200 | 201 | 400, _) | (409, "no_deploy_job" | "backups_off") | (500, "not_deployable") => {
            "+"
        }
        (404, "not_found") if answer.text.contains("not found: ") => "+",
        _ => "?",
    }
}

#[tokio::test]
async fn every_operation_answers_every_caller_as_the_table_says() {
    let open = TestApp::start().await;
    let closed = TestApp::builder().with_agent_token().with_admin_token().start().await;
    closed.a_person("ada", "member").await;
    let table: BTreeMap<&str, &str> = TABLE.iter().copied().collect();

    let mut differences = Vec::new();
    let mut seen = 0;
    for (method, path, _) in operations() {
        let operation = format!("{method} {path}");
        // Signing out must not sign out the caller of the other operations.
        let admin = closed.sign_in("admin", "admin").await;
        let member = closed.sign_in("ada", "password").await;
        let mut row = Vec::new();
        for (caller, headers) in CALLERS.iter().zip([
            vec![],
            vec![],
            vec![("x-pm-agent-token", "wrong"), ("x-pm-token", AGENT_TOKEN)],
            vec![("x-pm-agent-token", AGENT_TOKEN)],
            vec![("x-pm-token", AGENT_TOKEN)],
            vec![("x-pm-token", ADMIN_TOKEN)],
            vec![("cookie", admin.as_str())],
            vec![("cookie", member.as_str())],
        ]) {
            let app = if *caller == CALLERS[0] { &open } else { &closed };
            row.push(verdict(&answered(app, &operation, &headers).await));
        }
        seen += 1;
        if table.get(operation.as_str()) != Some(&row.join(" ").as_str()) {
            differences.push(format!("(\"{operation}\", \"{}\"),", row.join(" ")));
        }
    }

    assert!(differences.is_empty(), "not as in the table:\n{}", differences.join("\n"));
    assert_eq!(seen, TABLE.len(), "the table has operations that there are not");
}

#[tokio::test]
async fn the_administrators_operations_are_for_the_token_and_for_people_with_the_role_admin() {
    let off = TestApp::start().await;
    let on = TestApp::builder().with_admin_token().start().await;

    let status = "/api/admin/deploy/status";
    let without = off.get(status).as_admin().send().await;
    let wrong = on.get(status).header("x-pm-token", "wrong").send().await;
    let right = on.get(status).as_admin().send().await;
    let padded = on.get(status).header("x-pm-token", format!(" {ADMIN_TOKEN} ")).send().await;
    let cookie = off.sign_in("admin", "admin").await;
    let person = off.get(status).with_cookie(&cookie).send().await;

    assert_eq!((without.status.as_u16(), without.code()), (503, "administration_off"));
    assert!(without.body["error"].as_str().unwrap().starts_with("Admin token not configured."));
    assert_eq!((wrong.status.as_u16(), wrong.code()), (401, "unauthenticated"));
    for answer in [right, padded, person] {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn what_an_administrator_asks_for_by_cookie_must_come_from_our_own_pages() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;

    for path in ["/api/admin/restore", "/api/admin/deploy", "/api/admin/deploy/cancel"] {
        let answer = app
            .post(path)
            .with_cookie(&cookie)
            .header("origin", "https://elsewhere.example")
            .send()
            .await;

        assert_eq!((answer.status.as_u16(), answer.code()), (403, "cross_origin"), "{path}");
    }
    let backup = app.get("/api/admin/backup").with_cookie(&cookie);
    let linked = backup.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!((linked.status.as_u16(), linked.code()), (403, "cross_origin"));
}

#[tokio::test]
async fn a_token_that_is_not_ascii_is_a_wrong_token() {
    let app = TestApp::builder().with_agent_token().with_admin_token().start().await;

    let agent =
        app.get("/api/projects").header("x-pm-agent-token", [0xe4, 0xbd, 0xa0]).send().await;
    let admin = app.get("/api/admin/backup").header("x-pm-token", [0xff]).send().await;
    let blank = app
        .get("/api/projects")
        .header("x-pm-agent-token", "  ")
        .header("x-pm-token", AGENT_TOKEN)
        .send()
        .await;

    assert_eq!((agent.status.as_u16(), admin.status.as_u16()), (401, 401));
    assert_eq!(blank.status, 200, "a blank agent token counts as none");
}

#[tokio::test]
async fn unknown_paths_under_api_are_json_404_for_every_method() {
    let app = TestApp::start().await;

    for path in
        ["/api", "/api/", "/api/nothing", "/api/projects/", "/api/projects/a/b", "/api/agent"]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = app.request(method.parse().unwrap(), path).send().await;

            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (404, "not_found"),
                "{method} {path}"
            );
            assert_eq!(answer.body["success"], false);
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_json_405_that_names_the_right_ones() {
    let app = TestApp::start().await;
    let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (method, path, _) in operations() {
        methods.entry(path).or_default().push(method.to_string());
    }

    for (path, mut allowed) in methods {
        if allowed.contains(&"GET".to_owned()) {
            allowed.push("HEAD".to_owned());
        }
        allowed.push("OPTIONS".to_owned());
        let path = path.replace("{id}", "x").replace("{userId}", "x");
        // An address below a resource with an id may be that of a thing with this id, too.
        let is_also_an_id =
            ["/api/projects/reorder", "/api/projects/batch"].contains(&path.as_str());
        for method in ["PUT", "DELETE", "TRACE", "BREW"] {
            if allowed.contains(&method.to_owned()) || is_also_an_id {
                continue;
            }

            let answer = app.request(method.parse().unwrap(), &path).send().await;

            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (405, "method_not_allowed"),
                "{method} {path}"
            );
            let mut named: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
            named.sort_unstable();
            allowed.sort_unstable();
            assert_eq!(named, allowed, "{path}");
        }
    }
}

#[tokio::test]
async fn head_answers_like_get_without_the_body_and_options_names_the_methods() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p1" })).await;

    for path in
        ["/", "/api/health", "/api/projects", "/api/projects/p1", "/api/openapi.json", "/api/docs/"]
    {
        let get = app.get(path).send().await;
        let head = app.request(Method::HEAD, path).send().await;

        assert_eq!(head.status, get.status, "{path}");
        assert!(head.text.is_empty());
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(
            head.header("content-length"),
            Some(get.text.len().to_string().as_str()),
            "{path}"
        );
    }
    let missing = app.request(Method::HEAD, "/api/projects/none").send().await;
    let options = app.request(Method::OPTIONS, "/api/projects/p1").send().await;

    assert_eq!((missing.status.as_u16(), missing.text.as_str()), (404, ""));
    assert_eq!(options.status, 204);
    assert_eq!(options.header("allow"), Some("DELETE, GET, PATCH, PUT, HEAD, OPTIONS"));
}

#[tokio::test]
async fn the_administrators_token_opens_no_project_and_the_agents_none_of_the_administrators_operations()
 {
    let app = TestApp::builder().with_agent_token().with_admin_token().start().await;

    let project = app.get("/api/projects").as_admin().send().await;
    let both = app.get("/api/projects").as_admin().as_agent().send().await;
    let backup = app.get("/api/admin/backup").as_agent().send().await;
    let person = app.sign_in("admin", "admin").await;
    let wrong_beside_cookie = app
        .get("/api/projects")
        .header("x-pm-agent-token", "wrong")
        .with_cookie(&person)
        .send()
        .await;

    assert_eq!(project.status, 403);
    assert_eq!(both.status, 200);
    assert_eq!(backup.status, 401);
    assert_eq!(wrong_beside_cookie.status, 200);
}
