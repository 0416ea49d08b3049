//! Signing in and out, passwords, sessions.

use std::net::{IpAddr, Ipv4Addr};

use chrono::Duration;
use pilotdeck_domain::identity::{Actor, NewPassword};
use pilotdeck_services::identity::{DEFAULT_PASSWORD, DEFAULT_USERNAME, Origin, SignIn, SignedIn};
use pilotdeck_services::{Error, Kind};

use crate::world::{World, agent, person, stranger};

const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
const THERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const SECRET: &str = "correct horse 电池";

async fn world() -> World {
    let world = World::new().await;
    world.services.identity.ensure_somebody().await.unwrap();
    world
}

async fn sign_in(world: &World, password: &str) -> Result<SignedIn, Error> {
    sign_in_as(world, DEFAULT_USERNAME, password, HERE).await
}

async fn sign_in_as(
    world: &World,
    username: &str,
    password: &str,
    address: Option<IpAddr>,
) -> Result<SignedIn, Error> {
    let from = Origin { address, user_agent: None };
    let sign_in = SignIn { username, password, code: None, from };
    world.services.identity.sign_in(&stranger(), sign_in).await
}

fn new_password(password: &str) -> NewPassword {
    NewPassword::parse("newPassword", password).unwrap()
}

async fn is_open(world: &World, key: &str) -> bool {
    world.services.identity.session(key).await.unwrap().is_some()
}

#[tokio::test]
async fn an_empty_database_gets_one_account_once() {
    let world = world().await;
    world.services.identity.ensure_somebody().await.unwrap();

    let signed_in = sign_in(&world, " admin ").await.unwrap();

    assert_eq!(world.count("users").await, 1);
    assert!(signed_in.password_is_default);
    assert!(world.services.identity.default_password_in_use().await.unwrap());
    let user = world.services.identity.session(&signed_in.session_key).await.unwrap().unwrap();
    assert_eq!((user.id, user.username), (signed_in.user.id, signed_in.user.username));
    assert_eq!(world.operations().await, ["database.created", "user.created", "user.signed_in"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_refused_alike_and_recorded() {
    let world = world().await;

    let wrong = sign_in(&world, "wrong").await.err().unwrap();
    let unknown = sign_in_as(&world, "nobody", "wrong", HERE).await.err().unwrap();
    let long = "x".repeat(10_000);
    let over_long = sign_in_as(&world, &long, &long, HERE).await;

    assert!(matches!((&wrong, &unknown), (Error::WrongCredentials, Error::WrongCredentials)));
    assert!(matches!(over_long, Err(Error::WrongCredentials)));
    let lines = world.lines().await;
    assert!(lines[2..].iter().all(|line| line.operation == "user.sign_in_refused"));
    assert!(lines[2].subject_id.is_some() && lines[3].subject_id.is_none());
    assert_eq!(world.count("sessions").await, 0);
}

#[tokio::test]
async fn after_ten_failures_even_the_right_password_must_wait() {
    let world = world().await;
    for _ in 0..10 {
        assert!(matches!(sign_in(&world, "wrong").await, Err(Error::WrongCredentials)));
    }

    let throttled = sign_in(&world, DEFAULT_PASSWORD).await;
    let elsewhere = sign_in_as(&world, DEFAULT_USERNAME, DEFAULT_PASSWORD, THERE).await;
    world.clock.turn(Duration::minutes(15));
    let later = sign_in(&world, DEFAULT_PASSWORD).await;

    assert!(matches!(throttled, Err(Error::Throttled { retry_after_seconds: 901 })));
    assert!(elsewhere.is_ok() && later.is_ok());
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let world = world().await;

    for _ in 0..3 {
        for _ in 0..9 {
            assert!(matches!(sign_in(&world, "wrong").await, Err(Error::WrongCredentials)));
        }
        assert!(sign_in(&world, DEFAULT_PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn the_hash_of_an_older_database_is_replaced_at_sign_in() {
    let world = world().await;
    // SHA-256 of `admin`.
    let old = "UPDATE users SET password_hash = '8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918'";
    sqlx::raw_sql(old).execute(&mut world.elsewhere().await).await.unwrap();

    let wrong = sign_in(&world, "Admin").await;
    assert_eq!(world.count("users WHERE password_hash LIKE '$argon2id$%'").await, 0);
    sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    let again = sign_in(&world, DEFAULT_PASSWORD).await;

    assert!(wrong.is_err() && again.is_ok());
    assert_eq!(world.count("users WHERE password_hash LIKE '$argon2id$%'").await, 1);
    let lines = world.lines().await;
    let replaced: Vec<_> =
        lines.iter().map(|line| line.change.contains("\"passwordHashReplaced\":true")).collect();
    assert_eq!(replaced, [false, false, false, true, false]);
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let world = world().await;
    let mine = sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    let other = sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    let me = person(&mine.user.id);
    let identity = &world.services.identity;

    let wrong = identity
        .change_password(&me, &mine.session_key, "wrong", &new_password(SECRET), HERE)
        .await;
    assert!(matches!(wrong, Err(Error::WrongCredentials)));
    assert!(is_open(&world, &other.session_key).await);
    identity
        .change_password(&me, &mine.session_key, DEFAULT_PASSWORD, &new_password(SECRET), HERE)
        .await
        .unwrap();

    assert!(is_open(&world, &mine.session_key).await);
    assert!(!is_open(&world, &other.session_key).await);
    assert!(sign_in(&world, DEFAULT_PASSWORD).await.is_err());
    assert!(!sign_in(&world, SECRET).await.unwrap().password_is_default);
    assert!(!identity.default_password_in_use().await.unwrap());
    let refused =
        identity.change_password(&agent(), "", DEFAULT_PASSWORD, &new_password(SECRET), HERE).await;
    assert!(matches!(refused, Err(Error::Denied(_))));
}

#[tokio::test]
async fn the_command_line_replaces_a_password_and_ends_all_sessions() {
    let world = world().await;
    let session = sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    let identity = &world.services.identity;

    identity.set_password(&Actor::system(), "admin", &new_password(SECRET)).await.unwrap();
    let unknown = identity.set_password(&Actor::system(), "bob", &new_password(SECRET)).await;
    let agents = identity.set_password(&agent(), "admin", &new_password(SECRET)).await;

    assert!(!is_open(&world, &session.session_key).await);
    assert!(sign_in(&world, SECRET).await.is_ok());
    assert!(matches!(unknown, Err(Error::NotFound { kind: Kind::User, .. })));
    assert!(matches!(agents, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_session_ends_at_sign_out_or_after_a_day() {
    let world = world().await;
    let first = sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    world.clock.turn(Duration::hours(12));
    let second = sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    let me = person(&second.user.id);

    world.clock.turn(Duration::hours(12) - Duration::microseconds(1));
    assert!(is_open(&world, &first.session_key).await);
    world.clock.turn(Duration::microseconds(1));
    assert!(!is_open(&world, &first.session_key).await);
    assert!(is_open(&world, &second.session_key).await);

    world.services.identity.sign_out(&me, &second.session_key).await.unwrap();
    world.services.identity.sign_out(&me, &second.session_key).await.unwrap();
    assert!(!is_open(&world, &second.session_key).await);
    sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    assert_eq!(world.count("sessions").await, 1);
    let operations = world.operations().await;
    assert_eq!(operations.iter().filter(|made| *made == "user.signed_out").count(), 1);
}

#[tokio::test]
async fn neither_keys_nor_passwords_are_written_anywhere() {
    let world = world().await;
    let identity = &world.services.identity;
    let first = sign_in(&world, DEFAULT_PASSWORD).await.unwrap();
    let me = person(&first.user.id);
    let _ = sign_in_as(&world, "typed-into-the-wrong-field", "hunter2-hunter2", HERE).await;
    identity
        .change_password(&me, &first.session_key, DEFAULT_PASSWORD, &new_password(SECRET), HERE)
        .await
        .unwrap();
    let second = sign_in(&world, SECRET).await.unwrap();
    identity.sign_out(&me, &first.session_key).await.unwrap();

    let ledger = format!("{:?}", world.lines().await);
    let mut conn = world.elsewhere().await;
    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT key_hash FROM sessions UNION ALL SELECT password_hash FROM users",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let secrets = [
        SECRET,
        "hunter2-hunter2",
        "typed-into-the-wrong-field",
        &first.session_key,
        &second.session_key,
    ];

    for secret in secrets {
        assert!(!ledger.contains(secret), "{secret} in {ledger}");
        assert!(!stored.iter().any(|stored| stored.contains(secret)));
    }
    for stored in &stored {
        assert!(!ledger.contains(stored.as_str()));
    }
    for operation in
        ["user.signed_in", "user.sign_in_refused", "user.password_changed", "user.signed_out"]
    {
        assert!(ledger.contains(operation), "{operation}");
    }
    world.assert_holds().await;
}
