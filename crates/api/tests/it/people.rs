//! Users, sessions, keys, invitations and the second factor.

use chrono::Duration;
use futures_util::future::join_all;
use pilotdeck_domain::clock::Clock;
use pilotdeck_testkit::{AGENT_TOKEN, Answer, EventStream, Request, TestApp};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

const PASSWORD: &str = "correct horse battery";

fn clock() -> Clock {
    Clock::fixed("2026-02-11T15:00:00Z".parse().unwrap())
}

/// The answer's data, if it is what was expected.
fn made(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    answer.body["data"].clone()
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{}", answer.text);
}

/// Adds somebody with the password [`PASSWORD`]; returns their id.
async fn add(app: &TestApp, admin: &str, username: &str, role: &str) -> String {
    let body = json!({ "username": username, "password": PASSWORD, "role": role });
    let answer = app.post("/api/users").with_cookie(admin).json(&body).send().await;
    made(&answer, 201)["id"].as_str().unwrap().to_owned()
}

async fn patch(app: &TestApp, admin: &str, id: &str, body: Value) -> Answer {
    app.patch(&format!("/api/users/{id}")).with_cookie(admin).json(&body).send().await
}

async fn login(app: &TestApp, body: Value) -> Answer {
    app.post("/api/auth/login").json(&body).send().await
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

async fn is_open(app: &TestApp, cookie: &str) -> bool {
    app.get("/api/auth/me").with_cookie(cookie).send().await.status == 200
}

async fn key(app: &TestApp, cookie: &str, body: Value) -> (String, String) {
    let answer = app.post("/api/keys").with_cookie(cookie).json(&body).send().await;
    let key = made(&answer, 201);
    (key["id"].as_str().unwrap().to_owned(), key["key"].as_str().unwrap().to_owned())
}

/// Why a stream ends that tells lines before.
async fn end(stream: &mut EventStream) -> String {
    while let Some(block) = stream.next().await {
        if block.name == "ended" {
            return block.data["reason"].as_str().unwrap().to_owned();
        }
    }
    "hung up".to_owned()
}

async fn follow(request: Request) -> EventStream {
    let mut stream = request.follow().await.map_err(|answer| answer.text).unwrap();
    assert_eq!(stream.next().await.unwrap().name, "hello");
    stream
}

#[tokio::test]
async fn an_administrator_adds_and_changes_people_and_no_answer_has_a_hash() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;

    let body = json!({
        "username": " Ada ", "password": PASSWORD, "fullName": "Ada Lovelace", "email": "ada@example.org",
    });
    let created = app.post("/api/users").with_cookie(&admin).json(&body).send().await;
    let ada = made(&created, 201);
    let id = ada["id"].as_str().unwrap();
    assert_eq!((&ada["username"], &ada["role"]), (&json!("ada"), &json!("member")));
    assert_eq!(ada["lastSignInAt"], Value::Null);
    app.sign_in("ADA", PASSWORD).await;
    let changed = patch(&app, &admin, id, json!({ "role": "viewer", "email": null })).await;
    let changed = made(&changed, 200);
    let list = app.get("/api/users").with_cookie(&admin).send().await;

    assert_eq!((&changed["role"], &changed["email"]), (&json!("viewer"), &Value::Null));
    assert!(changed["updatedAt"].as_str() > ada["updatedAt"].as_str());
    assert!(changed["lastSignInAt"].is_string());
    assert_eq!((list.body["total"].as_i64(), &list.body["data"][1]), (Some(2), &changed));
    assert!(!list.text.contains("argon2") && !created.text.contains("argon2"));
    assert_eq!(app.operations_on(id).await, ["user.created", "user.signed_in", "user.updated"]);
    let ledger = app.get("/api/ledger").with_cookie(&admin).send().await.text;
    assert!(!ledger.contains("ada@example.org") && !ledger.contains("Lovelace"));
}

#[tokio::test]
async fn a_name_and_an_address_are_one_persons_whatever_the_case_of_their_letters() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    app.a_person("Bob", "member").await;
    let post =
        async |body: Value| app.post("/api/users").with_cookie(&admin).json(&body).send().await;
    let with = |name: &str, email: Value| json!({ "username": name, "password": PASSWORD, "email": email });
    made(&post(with("ada", json!("ada@example.org"))).await, 201);

    assert_refused(&post(with("ADA", json!(null))).await, 409, "username_taken");
    assert_refused(&post(with("bob", json!(null))).await, 409, "username_taken");
    assert_refused(&post(with("eve", json!("Ada@Example.org"))).await, 409, "email_taken");
    for name in ["a\r\nb", "a b", "", "\u{202e}a", "-rf"] {
        assert_refused(&post(with(name, json!(null))).await, 400, "invalid_field");
    }
    for name in ["Ada\r\nSet-Cookie: x=1", "\u{1b}[31m"] {
        let body = json!({ "username": "eve", "password": PASSWORD, "fullName": name });
        assert_refused(&post(body).await, 400, "invalid_field");
    }
}

#[tokio::test]
async fn the_last_administrator_can_neither_be_disabled_nor_demoted() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    let me = app.get("/api/auth/me").with_cookie(&admin).send().await;
    let id = me.body["data"]["user"]["id"].as_str().unwrap().to_owned();
    let other = add(&app, &admin, "ada", "admin").await;
    made(&patch(&app, &admin, &other, json!({ "isActive": false })).await, 200);

    assert_refused(
        &patch(&app, &admin, &id, json!({ "isActive": false })).await,
        409,
        "last_admin",
    );
    assert_refused(&patch(&app, &admin, &id, json!({ "role": "member" })).await, 409, "last_admin");
    made(&patch(&app, &admin, &other, json!({ "isActive": true })).await, 200);
    let both = [
        patch(&app, &admin, &id, json!({ "role": "member" })),
        patch(&app, &admin, &other, json!({ "role": "member" })),
    ];
    let statuses: Vec<u16> = join_all(both).await.iter().map(|one| one.status.as_u16()).collect();
    assert!(
        statuses.contains(&200) && statuses.iter().any(|status| *status != 200),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_with_every_session_key_and_stream() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    let id = add(&app, &admin, "ada", "member").await;
    let ada = app.sign_in("ada", PASSWORD).await;
    let (_, token) = key(&app, &ada, json!({ "name": "k", "scopes": ["read"] })).await;
    let mut by_cookie = follow(app.get("/api/stream").with_cookie(&ada)).await;
    let mut by_key = follow(app.get("/api/stream").header("x-api-key", &token)).await;

    made(&patch(&app, &admin, &id, json!({ "isActive": false })).await, 200);

    assert!(!is_open(&app, &ada).await);
    let with_key = app.get("/api/projects").header("x-api-key", &token).send().await;
    assert_refused(&with_key, 401, "invalid_key");
    assert_eq!(
        (end(&mut by_cookie).await, end(&mut by_key).await),
        ("session_ended".to_owned(), "key_ended".to_owned())
    );
    let again = login(&app, json!({ "username": "ada", "password": PASSWORD })).await;
    let wrong = login(&app, json!({ "username": "ada", "password": "wrong" })).await;
    assert_eq!(
        (again.status, &again.body),
        (wrong.status, &wrong.body),
        "nobody learns that the password was right"
    );
    made(&patch(&app, &admin, &id, json!({ "isActive": true })).await, 200);
    assert!(!is_open(&app, &ada).await);
    assert_eq!(app.get("/api/projects").header("x-api-key", &token).send().await.status, 401);
    app.sign_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn who_is_demoted_has_lost_it_with_the_next_request_and_open_streams_end() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    let id = add(&app, &admin, "ada", "admin").await;
    let ada = app.sign_in("ada", PASSWORD).await;
    let (_, token) = key(&app, &ada, json!({ "name": "k", "scopes": ["read", "admin"] })).await;
    let body = json!({ "role": "admin" });
    let link = made(&app.post("/api/invitations").with_cookie(&ada).json(&body).send().await, 201);
    let mut by_cookie = follow(app.get("/api/stream").with_cookie(&ada)).await;
    let mut by_key = follow(app.get("/api/stream").header("x-api-key", &token)).await;
    let mut stays = follow(app.get("/api/stream").with_cookie(&admin)).await;

    made(&patch(&app, &admin, &id, json!({ "role": "member" })).await, 200);

    for request in
        [app.get("/api/users").with_cookie(&ada), app.get("/api/users").header("x-api-key", &token)]
    {
        assert_refused(&request.send().await, 403, "forbidden");
    }
    assert_eq!(
        (end(&mut by_cookie).await, end(&mut by_key).await),
        ("access_changed".to_owned(), "access_changed".to_owned())
    );
    assert_eq!(stays.next().await.unwrap().name, "user.updated");
    let token = link["link"].as_str().unwrap().split('#').nth(1).unwrap();
    let join = json!({ "token": token, "username": "eve", "password": PASSWORD });
    let joined = app.post("/api/auth/join").json(&join).send().await;
    assert_refused(&joined, 401, "invitation_invalid");
}

#[tokio::test]
async fn people_see_where_they_are_signed_in_and_end_it() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let here = app.sign_in("admin", "admin").await;
    let body = json!({ "username": "admin", "password": "admin" });
    let there = app
        .post("/api/auth/login")
        .header("user-agent", b"curl/8 \xe2\x80\xaeevil\xff")
        .json(&body)
        .send()
        .await;
    let there = cookie(&there);
    app.clock.turn(Duration::seconds(90));
    let other = app.sign_in("admin", "admin").await;

    let list = app.get("/api/auth/sessions").with_cookie(&there).send().await;
    let sessions = made(&list, 200);
    let listed = |place: usize| &sessions[place];
    assert_eq!(sessions.as_array().unwrap().len(), 3);
    let of_there =
        sessions.as_array().unwrap().iter().find(|one| one["isCurrent"] == true).unwrap();
    assert_eq!(of_there["userAgent"], "curl/8  evil\u{fffd}");
    assert_eq!(of_there["address"], "127.0.0.1");
    for cookie in [&here, &there, &other] {
        let key = &cookie[cookie.len() - 64..];
        assert!(!list.text.contains(key));
    }
    let newest = listed(0)["id"].as_str().unwrap();
    let delete = async |path: &str| app.delete(path).with_cookie(&there).send().await;
    assert_eq!(delete(&format!("/api/auth/sessions/{newest}")).await.status, 200);
    assert_refused(&delete(&format!("/api/auth/sessions/{newest}")).await, 404, "not_found");
    assert!(!is_open(&app, &other).await && is_open(&app, &here).await);
    assert_eq!(delete("/api/auth/sessions").await.body["message"], "sessions ended: 1");
    assert!(!is_open(&app, &here).await && is_open(&app, &there).await);
    assert_eq!(app.operations_on(newest).await, ["session.ended"]);
}

#[tokio::test]
async fn the_last_use_of_a_session_is_noted_to_the_minute_and_is_no_line() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let admin = app.sign_in("admin", "admin").await;
    let head = app.ledger_head().await;
    let seen = async || {
        let list = app.get("/api/auth/sessions").with_cookie(&admin).send().await;
        list.body["data"][0]["lastSeenAt"].as_str().unwrap().to_owned()
    };
    app.clock.turn(Duration::seconds(59));
    assert_eq!(seen().await, "2026-02-11T15:00:00.000000Z");

    app.clock.turn(Duration::seconds(1));
    while seen().await != "2026-02-11T15:01:00.000000Z" {
        tokio::task::yield_now().await;
    }

    assert_eq!(app.ledger_head().await, head);
}

#[tokio::test]
async fn an_administrator_ends_the_sessions_of_others_and_members_do_not() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    let id = add(&app, &admin, "ada", "member").await;
    let ada = app.sign_in("ada", PASSWORD).await;
    let path = format!("/api/users/{id}/sessions");
    let own = made(&app.get("/api/auth/sessions").with_cookie(&admin).send().await, 200);
    let foreign = format!("/api/auth/sessions/{}", own[0]["id"].as_str().unwrap());

    assert_refused(&app.delete(&foreign).with_cookie(&ada).send().await, 404, "not_found");
    assert_refused(&app.get(&path).with_cookie(&ada).send().await, 403, "forbidden");
    let listed = made(&app.get(&path).with_cookie(&admin).send().await, 200);
    let one = format!("{path}/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(app.delete(&one).with_cookie(&admin).send().await.status, 200);
    assert!(!is_open(&app, &ada).await && is_open(&app, &admin).await);
    let ada = app.sign_in("ada", PASSWORD).await;
    assert_eq!(app.delete(&path).with_cookie(&admin).send().await.status, 200);
    assert!(!is_open(&app, &ada).await);
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_what_it_is_for() {
    let app = TestApp::builder().with_agent_token().start().await;
    let admin = app.sign_in("admin", "admin").await;
    for id in ["ours", "theirs"] {
        let body = json!({ "id": id, "name": id });
        app.post("/api/projects").as_agent().json(&body).send().await;
    }
    let (id, token) = key(&app, &admin, json!({ "name": "reads", "scopes": ["read"] })).await;
    let bound = json!({ "name": "bound", "scopes": ["read", "write"], "projectId": "ours" });
    let (_, bound) = key(&app, &admin, bound).await;

    assert!(token.starts_with("pd_") && token.len() == 67);
    let list = app.get("/api/keys").with_cookie(&admin).send().await;
    assert!(!list.text.contains(&token) && list.text.contains(&token[..11]));
    assert_eq!(list.body["total"], 2);
    for (name, value) in
        [("x-api-key", token.clone()), ("authorization", format!("Bearer {token}"))]
    {
        let read = app.get("/api/projects/theirs").header(name, &value).send().await;
        let write = app
            .patch("/api/projects/ours")
            .header(name, &value)
            .json(&json!({ "notes": "x" }))
            .send()
            .await;
        assert_eq!(read.status, 200, "{}", read.text);
        assert_refused(&write, 403, "forbidden");
    }
    let write = app.patch("/api/projects/ours").header("x-api-key", &bound);
    assert_eq!(write.json(&json!({ "notes": "x" })).send().await.status, 200);
    for path in ["/api/auth/me", "/api/keys", "/api/users"] {
        assert_refused(&app.get(path).header("x-api-key", &bound).send().await, 403, "forbidden");
    }
    let project = json!({ "name": "k", "scopes": ["read"], "projectId": "none" });
    assert_refused(
        &app.post("/api/keys").with_cookie(&admin).json(&project).send().await,
        404,
        "not_found",
    );
    assert_eq!(app.delete(&format!("/api/keys/{id}")).with_cookie(&admin).send().await.status, 200);
    assert_refused(
        &app.get("/api/projects").header("x-api-key", &token).send().await,
        401,
        "invalid_key",
    );
    assert_eq!(app.operations_on(&id).await, ["key.created", "key.revoked"]);
}

#[tokio::test]
async fn a_key_that_does_not_hold_opens_nothing_where_everybody_may_come_in() {
    let app = TestApp::builder().at("2026-02-11T15:00:00Z").start().await;
    let admin = app.sign_in("admin", "admin").await;
    let body = json!({ "name": "k", "scopes": ["read"], "expiresAt": "2026-02-11T16:00:00Z" });
    let (_, token) = key(&app, &admin, body).await;
    let mut stream = follow(app.get("/api/stream").header("x-api-key", &token)).await;
    let open =
        async |name: &str, value: &[u8]| app.get("/api/projects").header(name, value).send().await;

    assert_eq!(app.get("/api/projects").send().await.status, 200);
    assert_eq!(open("x-api-key", token.as_bytes()).await.status, 200);
    app.clock.turn(Duration::hours(1));
    app.services.stream.beat().await;
    assert_eq!(end(&mut stream).await, "key_ended");
    let made_up = format!("pd_{}", "0".repeat(64));
    for (name, value) in [
        ("x-api-key", token.as_bytes()),
        ("x-api-key", made_up.as_bytes()),
        ("x-api-key", b"pd_"),
        ("x-api-key", b"\xff\xfe"),
        ("x-api-key", AGENT_TOKEN.as_bytes()),
        ("authorization", format!("bearer {made_up}").as_bytes()),
    ] {
        assert_refused(&open(name, value).await, 401, "invalid_key");
    }
    let both =
        app.get("/api/projects").header("x-api-key", &made_up).with_cookie(&admin).send().await;
    assert_refused(&both, 401, "invalid_key");
    // A proxy's own bearer is none of ours.
    assert_eq!(open("authorization", b"Bearer eyJhbGciOi").await.status, 200);
    let past = json!({ "name": "k", "scopes": ["read"], "expiresAt": "2026-02-11T15:00:00Z" });
    assert_refused(
        &app.post("/api/keys").with_cookie(&admin).json(&past).send().await,
        400,
        "invalid_field",
    );
}

#[tokio::test]
async fn a_request_with_a_key_is_no_browsers_and_its_cookie_does_not_count() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    let (_, token) = key(&app, &admin, json!({ "name": "k", "scopes": ["write"] })).await;
    let create = || {
        app.post("/api/projects")
            .header("origin", "https://elsewhere.example")
            .json(&json!({ "name": "x" }))
    };

    assert_refused(&create().with_cookie(&admin).send().await, 403, "cross_origin");
    assert_eq!(create().header("x-api-key", &token).send().await.status, 201);
    let users = app.get("/api/users").header("x-api-key", &token).with_cookie(&admin).send().await;
    assert_refused(&users, 403, "forbidden");
}

#[tokio::test]
async fn members_see_and_revoke_their_own_keys_and_administrators_all() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    let id = add(&app, &admin, "ada", "member").await;
    let ada = app.sign_in("ada", PASSWORD).await;
    let (of_admin, _) = key(&app, &admin, json!({ "name": "a", "scopes": ["read"] })).await;
    let (of_ada, _) = key(&app, &ada, json!({ "name": "b", "scopes": ["read"] })).await;
    let count = async |path: &str, cookie: &str| {
        app.get(path).with_cookie(cookie).send().await.body["total"].as_i64()
    };

    assert_eq!(
        (count("/api/keys", &admin).await, count("/api/keys", &ada).await),
        (Some(2), Some(1))
    );
    assert_eq!(count(&format!("/api/keys?userId={id}"), &admin).await, Some(1));
    let foreign = app.delete(&format!("/api/keys/{of_admin}")).with_cookie(&ada).send().await;
    assert_refused(&foreign, 404, "not_found");
    let theirs = app.delete(&format!("/api/keys/{of_ada}")).with_cookie(&admin).send().await;
    assert_eq!(theirs.status, 200);
    let scopes = json!({ "name": "b", "scopes": ["admin"] });
    assert_refused(
        &app.post("/api/keys").with_cookie(&ada).json(&scopes).send().await,
        400,
        "invalid_field",
    );
}

async fn invited(app: &TestApp, admin: &str, body: Value) -> (String, String) {
    let answer = app.post("/api/invitations").with_cookie(admin).json(&body).send().await;
    let invitation = made(&answer, 201);
    let token = invitation["link"].as_str().unwrap().strip_prefix("/join#").unwrap();
    (invitation["id"].as_str().unwrap().to_owned(), token.to_owned())
}

async fn join(app: &TestApp, token: &str, username: &str) -> Answer {
    let body = json!({ "token": token, "username": username, "password": PASSWORD });
    app.post("/api/auth/join").json(&body).send().await
}

#[tokio::test]
async fn an_invitation_makes_a_user_exactly_once_however_many_come_at_the_same_time() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin", "admin").await;
    app.a_project(json!({ "id": "ours" })).await;
    let body = json!({
        "role": "viewer", "fullName": "Grace Hopper", "email": "grace@example.org",
        "projects": [{ "projectId": "ours", "role": "viewer" }],
    });
    let (id, token) = invited(&app, &admin, body).await;
    let list = app.get("/api/invitations").with_cookie(&admin).send().await;
    assert!(list.body["total"] == 1 && !list.text.contains(&token));

    let answers = join_all((0..6).map(|turn| {
        let name = format!("grace{turn}");
        let (app, token) = (&app, &token);
        async move { join(app, token, &name).await }
    }))
    .await;

    let joined: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(joined.len(), 1);
    assert!(answers.iter().all(|one| one.status == 201 || one.code() == "invitation_invalid"));
    let grace = cookie(joined[0]);
    assert!(is_open(&app, &grace).await);
    let users = app.get("/api/users").with_cookie(&admin).send().await;
    assert_eq!(users.body["total"], 2);
    let user = &users.body["data"][1];
    assert_eq!((&user["fullName"], &user["role"]), (&json!("Grace Hopper"), &json!("viewer")));
    assert_eq!(app.operations_on(&id).await, ["invitation.created", "invitation.accepted"]);
    assert_eq!(app.get("/api/invitations").with_cookie(&admin).send().await.body["total"], 0);
}

#[tokio::test]
async fn an_invitation_that_is_not_good_says_nothing_about_names_and_is_throttled() {
    let app = TestApp::builder().with_clock(clock()).start().await;
    let admin = app.sign_in("admin", "admin").await;
    let (old, token) = invited(&app, &admin, json!({})).await;
    app.clock.turn(Duration::days(7));
    let admin = app.sign_in("admin", "admin").await;
    let (id, back) = invited(&app, &admin, json!({})).await;
    assert_eq!(
        app.delete(&format!("/api/invitations/{id}")).with_cookie(&admin).send().await.status,
        200
    );

    let mut answers = Vec::new();
    for token in [token.as_str(), back.as_str(), "made up", &"0".repeat(64), &old] {
        for name in ["admin", "nobody"] {
            let answer = join(&app, token, name).await;
            assert_refused(&answer, 401, "invitation_invalid");
            answers.push(answer.text);
        }
    }

    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let (_, good) = invited(&app, &admin, json!({})).await;
    assert_refused(&join(&app, &good, "nobody").await, 429, "too_many_attempts");
    app.clock.turn(Duration::minutes(15));
    assert_refused(&join(&app, &good, "Admin").await, 409, "username_taken");
    assert_eq!(join(&app, &good, "nobody").await.status, 201);
}

/// The code that an app with this secret shows.
fn code(app: &TestApp, secret: &str) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).with_account_name("x").build().unwrap();
    totp.generate(app.clock.now().timestamp().try_into().unwrap()).to_string()
}

/// Gives the administrator a second factor; returns its secret and recovery codes.
async fn second_factor(app: &TestApp, cookie: &str) -> (String, Vec<String>) {
    let post = async |path: &str, body: Value| {
        let path = format!("/api/auth/second-factor{path}");
        app.post(&path).with_cookie(cookie).json(&body).send().await
    };
    assert_refused(&post("", json!({ "password": "wrong" })).await, 401, "wrong_credentials");
    let begun = made(&post("", json!({ "password": "admin" })).await, 200);
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/PilotDeck:admin?secret="));
    assert_eq!(login(app, json!({ "username": "admin", "password": "admin" })).await.status, 200);
    assert_refused(&post("/confirm", json!({ "code": "000000" })).await, 401, "wrong_code");
    let confirmed = made(&post("/confirm", json!({ "code": code(app, &secret) })).await, 200);
    let codes = confirmed["recoveryCodes"].as_array().unwrap();
    let codes: Vec<String> = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    assert_refused(&post("", json!({ "password": "admin" })).await, 409, "second_factor_state");
    (secret, codes)
}

async fn login_with(app: &TestApp, code: &str) -> Answer {
    login(app, json!({ "username": "admin", "password": "admin", "code": code })).await
}

#[tokio::test]
async fn with_a_second_factor_signing_in_takes_a_code_and_each_code_once() {
    let app = TestApp::builder().with_clock(clock()).start().await;
    let admin = app.sign_in("admin", "admin").await;
    let (secret, recovery) = second_factor(&app, &admin).await;

    let without = login(&app, json!({ "username": "admin", "password": "admin" })).await;
    assert_refused(&without, 401, "second_factor_required");
    assert!(without.header("set-cookie").is_none());
    let guessed =
        login(&app, json!({ "username": "admin", "password": "x", "code": "123456" })).await;
    assert_refused(&guessed, 401, "wrong_credentials");
    assert_refused(&login_with(&app, &code(&app, &secret)).await, 401, "wrong_code");
    app.clock.turn(Duration::seconds(60));
    let shown = code(&app, &secret);
    let answers = join_all((0..5).map(|_| login_with(&app, &shown))).await;
    let statuses: Vec<u16> = answers.iter().map(|one| one.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");

    assert_eq!(login_with(&app, &recovery[0].to_uppercase()).await.status, 200);
    assert_refused(&login_with(&app, &recovery[0]).await, 401, "wrong_code");
    let status = app.data_as("/api/auth/second-factor", &admin).await;
    assert_eq!(status, json!({ "isEnabled": true, "recoveryCodesLeft": 9 }));
    let disable = async |password: &str| {
        let path = "/api/auth/second-factor/disable";
        app.post(path).with_cookie(&admin).json(&json!({ "password": password })).send().await
    };
    assert_refused(&disable("wrong").await, 401, "wrong_credentials");
    assert_eq!(disable("admin").await.status, 200);
    app.sign_in("admin", "admin").await;
}

#[tokio::test]
async fn codes_are_throttled_and_the_right_password_does_not_forgive() {
    let app = TestApp::builder().with_clock(clock()).start().await;
    let admin = app.sign_in("admin", "admin").await;
    let (secret, _) = second_factor(&app, &admin).await;
    app.clock.turn(Duration::seconds(60));

    for _ in 0..10 {
        assert_refused(&login_with(&app, "000000").await, 401, "wrong_code");
        let body = json!({ "username": "admin", "password": "admin" });
        let without = login(&app, body).await;
        assert!(matches!(without.code(), "second_factor_required" | "too_many_attempts"));
    }

    assert_refused(&login_with(&app, &code(&app, &secret)).await, 429, "too_many_attempts");
    app.clock.turn(Duration::minutes(15));
    assert_eq!(login_with(&app, &code(&app, &secret)).await.status, 200);
}

#[tokio::test]
async fn an_administrator_takes_a_lost_second_factor_away() {
    let app = TestApp::builder().with_clock(clock()).start().await;
    let admin = app.sign_in("admin", "admin").await;
    second_factor(&app, &admin).await;
    let me = app.data_as("/api/auth/me", &admin).await["user"]["id"].clone();
    let path = format!("/api/users/{}/second-factor", me.as_str().unwrap());

    assert_eq!(app.delete(&path).with_cookie(&admin).send().await.status, 200);
    assert_refused(&app.delete(&path).with_cookie(&admin).send().await, 409, "second_factor_state");

    app.sign_in("admin", "admin").await;
}

#[tokio::test]
async fn the_database_file_has_nothing_that_opens_a_door() {
    let app = TestApp::builder().with_clock(clock()).start().await;
    let admin = app.sign_in("admin", "admin").await;
    let (_, token) = key(&app, &admin, json!({ "name": "planted-key", "scopes": ["read"] })).await;
    let idempotent = app.post("/api/keys").with_cookie(&admin).header("idempotency-key", "once");
    let again =
        made(&idempotent.json(&json!({ "name": "k", "scopes": ["read"] })).send().await, 201);
    let (_, link) = invited(&app, &admin, json!({ "fullName": "planted name" })).await;
    let (secret, recovery) = second_factor(&app, &admin).await;
    let raw = Secret::try_from_base32(&secret).unwrap().as_bytes().to_vec();
    let session = &admin[admin.len() - 64..];
    assert_eq!(app.get("/api/projects").header("x-api-key", &token).send().await.status, 200);

    let mut file = Vec::new();
    for name in ["pm.db", "pm.db-wal"] {
        file.extend(std::fs::read(app.folder().join(name)).unwrap_or_default());
    }

    let holds = |needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    for there in ["planted-key", "planted name", &token[..11]] {
        assert!(holds(there.as_bytes()), "the file is the right one: {there}");
    }
    let mut secrets =
        vec![token, link, secret, session.to_owned(), again["key"].as_str().unwrap().to_owned()];
    secrets.extend(recovery.iter().map(|code| code.replace('-', "")));
    secrets.extend(recovery);
    for secret in &secrets {
        assert!(!holds(secret.as_bytes()), "{secret}");
    }
    assert!(!holds(&raw) && !holds(&session.as_bytes()[..32]));
    let ledger = app.get("/api/ledger?limit=2000").with_cookie(&admin).send().await;
    assert!(secrets.iter().all(|secret| !ledger.text.contains(secret)));
}
