//! Signing in and out, passwords and sessions.

use chrono::Duration;
use futures_util::future::join_all;
use pilotdeck_domain::clock::Clock;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

const NEW_PASSWORD: &str = "correct horse battery";

async fn login(app: &TestApp, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    app.post("/api/auth/login").json(&body).send().await
}

async fn me(app: &TestApp, cookie: &str) -> Answer {
    app.get("/api/auth/me").with_cookie(cookie).send().await
}

fn clock() -> Clock {
    Clock::fixed("2026-02-11T15:00:00Z".parse().unwrap())
}

/// The attributes of a cookie, in lower case.
fn attributes(answer: &Answer) -> Vec<String> {
    let cookie = answer.header("set-cookie").expect("a cookie is set");
    cookie.split(';').skip(1).map(|attribute| attribute.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn signing_in_answers_with_the_person_and_a_cookie_of_the_browser_session() {
    let app = TestApp::start().await;

    let answer = login(&app, " admin ", " admin ").await;

    assert_eq!(answer.status, 200);
    let user = &answer.body["data"]["user"];
    assert_eq!(
        (&user["username"], &user["role"], &user["passwordIsDefault"]),
        (&json!("admin"), &json!("admin"), &json!(true))
    );
    assert!(user["id"].is_string() && user.get("passwordHash").is_none());
    assert!(answer.header("set-cookie").unwrap().starts_with("pilotdeck_session="));
    let mut attributes = attributes(&answer);
    attributes.sort();
    assert_eq!(attributes, ["httponly", "path=/", "samesite=lax"]);
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1);
}

#[tokio::test]
async fn the_cookie_is_for_https_only_where_that_is_set() {
    let app = TestApp::builder().with_setup(|setup| setup.secure_cookie = true).start().await;

    let answer = login(&app, "admin", "admin").await;

    assert!(attributes(&answer).contains(&"secure".to_owned()));
}

#[tokio::test]
async fn the_account_is_shown_to_who_signed_in_and_to_nobody_else() {
    let app = TestApp::start().await;
    let signed_in = login(&app, "admin", "admin").await;
    let cookie = app.sign_in("admin", "admin").await;

    let known = me(&app, &cookie).await;
    let unknown = app.get("/api/auth/me").send().await;

    assert_eq!(known.body, signed_in.body);
    assert_eq!((unknown.status.as_u16(), unknown.code()), (401, "unauthenticated"));
    assert!(unknown.header("set-cookie").is_none());
}

#[tokio::test]
async fn wrong_credentials_and_unknown_names_are_refused_alike() {
    let app = TestApp::start().await;

    let wrong = login(&app, "admin", "wrong").await;
    let unknown = login(&app, "nobody", "admin").await;
    let strange = login(&app, "ad'min\u{202e}--", "🚀").await;
    let long = login(&app, &"x".repeat(100_000), &"y".repeat(100_000)).await;

    assert_eq!((wrong.status.as_u16(), wrong.code()), (401, "wrong_credentials"));
    for other in [&unknown, &strange, &long] {
        assert_eq!((other.status, &other.body), (wrong.status, &wrong.body));
    }
    assert!(wrong.header("set-cookie").is_none());
}

#[tokio::test]
async fn missing_blank_and_structured_credentials_are_400() {
    let app = TestApp::start().await;
    let before = app.ledger_head().await;

    for (body, field) in [
        (json!({}), "username"),
        (json!({ "username": "admin" }), "password"),
        (json!({ "username": "admin", "password": null }), "password"),
        (json!({ "username": " ", "password": "admin" }), "username"),
        (json!({ "username": "admin", "password": " \t" }), "password"),
        (json!({ "username": 5, "password": "admin" }), "username"),
        (json!({ "username": "admin", "password": ["admin"] }), "password"),
        (json!({ "username": {}, "password": true }), "username"),
    ] {
        let answer = app.post("/api/auth/login").json(&body).send().await;

        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_field"), "{body}");
        assert_eq!(answer.body["details"][0]["field"], field, "{body}");
    }
    assert_eq!(app.ledger_head().await, before);
}

#[tokio::test]
async fn a_session_outlives_the_server() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;

    let app = app.restart().await;

    assert_eq!(me(&app, &cookie).await.status, 200);
}

#[tokio::test]
async fn a_cookie_signed_with_another_secret_is_not_accepted() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let other = TestApp::start().await;

    assert_eq!(me(&other, &cookie).await.status, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_the_cookie_away() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;

    let out = app.post("/api/auth/logout").with_cookie(&cookie).send().await;

    assert_eq!((out.status.as_u16(), &out.body), (200, &json!({ "success": true })));
    assert!(attributes(&out).contains(&"max-age=0".to_owned()), "{:?}", out.headers);
    assert_eq!(me(&app, &cookie).await.status, 401);
    let again = app.post("/api/auth/logout").with_cookie(&cookie).send().await;
    let without = app.post("/api/auth/logout").send().await;
    assert_eq!((again.status.as_u16(), without.status.as_u16()), (200, 200));
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    let app = TestApp::start().await;
    let first = app.sign_in("admin", "admin").await;
    let elsewhere = app.sign_in("admin", "admin").await;

    let body = json!({ "username": "admin", "password": "admin" });
    let answer = app.post("/api/auth/login").with_cookie(&first).json(&body).send().await;

    let second = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(me(&app, &first).await.status, 401);
    assert_eq!(me(&app, &second).await.status, 200);
    assert_eq!(me(&app, &elsewhere).await.status, 200);
}

#[tokio::test]
async fn a_failed_sign_in_leaves_the_session_that_the_browser_had() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;

    let body = json!({ "username": "admin", "password": "wrong" });
    let answer = app.post("/api/auth/login").with_cookie(&cookie).json(&body).send().await;

    assert_eq!(answer.status, 401);
    assert_eq!(me(&app, &cookie).await.status, 200);
}

#[tokio::test]
async fn a_cookie_that_the_client_made_is_worth_nothing_before_and_after_signing_in() {
    let app = TestApp::start().await;
    let planted = "pilotdeck_session=chosen-by-an-attacker";

    let body = json!({ "username": "admin", "password": "admin" });
    let answer = app.post("/api/auth/login").with_cookie(planted).json(&body).send().await;

    let given = answer.header("set-cookie").unwrap().split(';').next().unwrap();
    assert!(!given.contains("chosen-by-an-attacker"));
    assert_eq!(me(&app, planted).await.status, 401);
    assert_eq!(me(&app, given).await.status, 200);
}

#[tokio::test]
async fn a_tampered_cookie_is_no_session_and_no_error() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let mut flipped = cookie.clone().into_bytes();
    let last = flipped.len() - 1;
    flipped[last] = if flipped[last] == b'a' { b'b' } else { b'a' };

    for bad in [
        flipped,
        cookie.as_bytes()[..cookie.len() - 5].to_vec(),
        b"pilotdeck_session=".to_vec(),
        b"pilotdeck_session=%ff%00".to_vec(),
        b"pilotdeck_session=\xff\xfe".to_vec(),
        format!("pilotdeck_session={}", "x".repeat(6_000)).into_bytes(),
        b";;;===".to_vec(),
    ] {
        let answer = app.get("/api/auth/me").header("cookie", &bad).send().await;
        let open = app.get("/api/projects").header("cookie", &bad).send().await;

        assert_eq!((answer.status.as_u16(), open.status.as_u16()), (401, 200), "{bad:?}");
    }
}

#[tokio::test]
async fn a_session_ends_24_hours_after_signing_in_whether_it_was_used_or_not() {
    let clock = clock();
    let app = TestApp::builder().with_clock(clock.clone()).start().await;
    let cookie = app.sign_in("admin", "admin").await;

    clock.turn(Duration::hours(24) - Duration::seconds(1));
    assert_eq!(me(&app, &cookie).await.status, 200);
    clock.turn(Duration::seconds(1));

    assert_eq!(me(&app, &cookie).await.status, 401);
    let fresh = app.sign_in("admin", "admin").await;
    assert_eq!(me(&app, &fresh).await.status, 200);
}

async fn change(app: &TestApp, cookie: &str, body: Value) -> Answer {
    app.post("/api/auth/change-password").with_cookie(cookie).json(&body).send().await
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let app = TestApp::start().await;
    let here = app.sign_in("admin", "admin").await;
    let elsewhere = app.sign_in("admin", "admin").await;

    let body = json!({ "currentPassword": "admin", "newPassword": format!("  {NEW_PASSWORD} ") });
    let answer = change(&app, &here, body).await;

    assert_eq!(
        (answer.status.as_u16(), &answer.body["success"]),
        (200, &json!(true)),
        "{}",
        answer.text
    );
    assert_eq!(me(&app, &elsewhere).await.status, 401);
    assert_eq!(me(&app, &here).await.body["data"]["user"]["passwordIsDefault"], false);
    assert_eq!(login(&app, "admin", "admin").await.status, 401);
    let again = login(&app, "admin", NEW_PASSWORD).await;
    assert_eq!(again.body["data"]["user"]["passwordIsDefault"], false);
}

#[tokio::test]
async fn a_password_is_changed_only_by_who_knows_it_and_into_one_that_is_long_enough() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;

    let wrong =
        change(&app, &cookie, json!({ "currentPassword": "no", "newPassword": NEW_PASSWORD }))
            .await;
    let stranger = app.post("/api/auth/change-password").json(&json!({})).send().await;

    assert_eq!((wrong.status.as_u16(), wrong.code()), (401, "wrong_credentials"));
    assert_eq!((stranger.status.as_u16(), stranger.code()), (401, "unauthenticated"));
    for body in [
        json!({}),
        json!({ "currentPassword": "admin" }),
        json!({ "newPassword": NEW_PASSWORD }),
        json!({ "currentPassword": "admin", "newPassword": "short" }),
        json!({ "currentPassword": "admin", "newPassword": "admin" }),
        json!({ "currentPassword": "admin", "newPassword": " \t      \t " }),
        json!({ "currentPassword": "admin", "newPassword": "x".repeat(1_025) }),
        json!({ "currentPassword": "admin", "newPassword": 12_345_678 }),
        json!({ "currentPassword": ["admin"], "newPassword": NEW_PASSWORD }),
    ] {
        let answer = change(&app, &cookie, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_field"), "{body}");
    }
    assert_eq!(login(&app, "admin", "admin").await.status, 200);
}

#[tokio::test]
async fn of_two_changes_of_one_password_at_the_same_time_one_is_made() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;

    let passwords = ["the first new one", "the second new one"];
    let answers = join_all(passwords.map(|new| {
        change(&app, &cookie, json!({ "currentPassword": "admin", "newPassword": new }))
    }))
    .await;

    let made: Vec<bool> = answers.iter().map(|answer| answer.status == 200).collect();
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{answers:?}");
    for (password, made) in passwords.iter().zip(made) {
        assert_eq!(login(&app, "admin", password).await.status == 200, made);
    }
}

#[tokio::test]
async fn after_ten_failures_an_account_must_wait() {
    let clock = clock();
    let app = TestApp::builder().with_clock(clock.clone()).start().await;
    for _ in 0..10 {
        assert_eq!(login(&app, "admin", "wrong").await.status, 401);
    }
    let before = app.ledger_head().await;

    let waiting = login(&app, "admin", "admin").await;
    let other = login(&app, "somebody", "wrong").await;

    assert_eq!((waiting.status.as_u16(), waiting.code()), (429, "too_many_attempts"));
    assert_eq!(waiting.header("retry-after"), Some("901"));
    assert_eq!(waiting.body["data"]["retryAfterSeconds"], 901);
    assert!(waiting.header("set-cookie").is_none());
    assert_eq!(other.status, 401);
    assert_eq!(app.ledger_head().await.0, before.0 + 1, "who waits is not written down");
    clock.turn(Duration::minutes(15));
    assert_eq!(login(&app, "admin", "admin").await.status, 200);
}

#[tokio::test]
async fn many_guesses_at_the_same_time_are_counted_like_many_in_a_row() {
    let app = TestApp::builder().with_clock(clock()).start().await;

    let answers = join_all((0..30).map(|_| login(&app, "admin", "wrong"))).await;

    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    let waiting = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((refused, waiting), (10, 20));
}

#[tokio::test]
async fn failures_are_counted_by_the_address_that_a_trusted_proxy_names() {
    let trusting = TestApp::builder()
        .with_clock(clock())
        .with_setup(|setup| setup.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()])
        .start()
        .await;
    let wary = TestApp::builder().with_clock(clock()).start().await;
    let guess = async |app: &TestApp, from: &str| {
        let body = json!({ "username": "admin", "password": "wrong" });
        let request = app.post("/api/auth/login").header("x-forwarded-for", from);
        request.json(&body).send().await.status.as_u16()
    };
    for turn in 0..10 {
        assert_eq!(guess(&trusting, &format!("6.6.6.{turn}, 1.1.1.1")).await, 401);
        assert_eq!(guess(&wary, &format!("6.6.6.{turn}")).await, 401);
    }

    assert_eq!(
        guess(&trusting, "6.6.6.66, 1.1.1.1").await,
        429,
        "what lies beyond the client does not count"
    );
    assert_eq!(guess(&trusting, "1.1.1.1, 2.2.2.2").await, 401);
    assert_eq!(guess(&wary, "2.2.2.2").await, 429, "nobody is believed who is not trusted");
}

#[tokio::test]
async fn no_password_key_or_hash_enters_the_ledger() {
    let app = TestApp::start().await;
    login(&app, "my-password-typed-here", "wrong").await;
    let cookie = app.sign_in("admin", "admin").await;
    change(&app, &cookie, json!({ "currentPassword": "admin", "newPassword": NEW_PASSWORD })).await;
    app.post("/api/auth/logout").with_cookie(&cookie).send().await;
    let cookie = app.sign_in("admin", NEW_PASSWORD).await;

    let ledger = app.get("/api/ledger").with_cookie(&cookie).send().await;

    let operations: Vec<&str> = ledger.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert_eq!(
        operations,
        [
            "database.created",
            "user.created",
            "user.sign_in_refused",
            "user.signed_in",
            "user.password_changed",
            "user.signed_out",
            "user.signed_in"
        ]
    );
    for secret in
        ["my-password-typed-here", NEW_PASSWORD, "argon2", cookie.split('=').nth(1).unwrap()]
    {
        assert!(!ledger.text.contains(secret), "{secret}");
    }
}
