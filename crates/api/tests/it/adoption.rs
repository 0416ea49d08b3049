//! A database of the PilotDeck before this one, served as its own server served it.

use std::path::Path;

use pilotdeck_domain::times::{self, Reading};
use pilotdeck_testkit::{ADMIN_TOKEN, TestApp};
use serde_json::{Value, json};

/// A database that was really used, reduced in its streams; projects, profiles and capabilities are complete.
const DATABASE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../storage/tests/fixtures/pilotdeck-v4.db");
/// What the old server answered on it.
const EXPECTED: &str = include_str!("../fixtures/pilotdeck-v4.expected.json");

async fn an_adopted_app() -> TestApp {
    TestApp::builder().with_admin_token().on_copy_of(Path::new(DATABASE)).start().await
}

/// The instant of a text that is a time; the old server wrote local ones, on a machine whose clock shows UTC.
fn instant(text: &str) -> Option<i64> {
    let time = match times::read(text)? {
        Reading::Instant(time) => time,
        Reading::Local(time) => time.and_utc(),
    };
    Some(time.timestamp_micros())
}

/// The first place where `actual` lacks something of `expected`. More fields than expected are fine, numbers count by
/// their value and times by their instant.
fn difference(expected: &Value, actual: &Value, place: &str) -> Option<String> {
    let alike = match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            return expected.iter().find_map(|(key, value)| {
                let place = format!("{place}.{key}");
                match actual.get(key) {
                    Some(actual) => difference(value, actual, &place),
                    None => Some(format!("{place} is missing")),
                }
            });
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            return expected.iter().zip(actual).enumerate().find_map(|(n, (expected, actual))| {
                difference(expected, actual, &format!("{place}[{n}]"))
            });
        }
        (Value::Number(expected), Value::Number(actual)) => {
            if let (Some(expected), Some(actual)) = (expected.as_i64(), actual.as_i64()) {
                expected == actual
            } else {
                let (expected, actual) = (expected.as_f64().unwrap(), actual.as_f64().unwrap());
                (expected - actual).abs() <= 1e-6 * expected.abs()
            }
        }
        (Value::String(expected), Value::String(actual)) => {
            expected == actual
                || (instant(expected).is_some() && instant(expected) == instant(actual))
        }
        (expected, actual) => expected == actual,
    };
    (!alike).then(|| format!("{place}: expected {expected}, got {actual}"))
}

#[tokio::test]
async fn an_adopted_database_is_served_as_its_own_server_served_it() {
    let app = an_adopted_app().await;
    let expected: Vec<Value> = serde_json::from_str(EXPECTED).unwrap();

    for mut request in expected {
        let path = request["path"].as_str().unwrap().to_owned();
        let answer = app.get(&path).send().await;

        assert_eq!(request["status"], answer.status.as_u16(), "{path}");
        if answer.status.is_success() {
            // Tells how the server is set up, not what the database holds.
            request["body"]["data"].as_object_mut().map(|data| data.remove("auth"));
            assert_eq!(difference(&request["body"], &answer.body, &path), None);
        } else {
            assert_eq!(answer.body["success"], false);
        }
    }
}

#[tokio::test]
async fn every_list_of_an_adopted_database_can_be_read_to_its_end() {
    let app = an_adopted_app().await;

    for (path, total) in [
        ("/api/agent/runs?limit=500", 62),
        ("/api/agent/events?limit=2000", 427),
        ("/api/agent/usage?limit=5000", 250),
    ] {
        let answer = app.get(path).send().await;
        let listed = answer.body["data"].as_array().unwrap();
        assert!(listed.iter().all(|item| item["id"].is_string()), "{path}");
        assert!(listed.len() <= total && listed.len() + 20 > total, "{path}: {}", listed.len());
    }
    assert_eq!(app.data("/api/stats/tokens").await["totals"]["records"], 250);
}

#[tokio::test]
async fn an_adopted_database_takes_changes_of_everything_it_holds() {
    let app = an_adopted_app().await;

    for (path, field) in [
        ("/api/projects", "name"),
        ("/api/agent/runs?limit=500", "title"),
        ("/api/agent/profiles", "name"),
        ("/api/agent/capabilities", "name"),
    ] {
        for item in app.data(path).await.as_array().unwrap() {
            let collection = path.split('?').next().unwrap();
            let one = format!("{collection}/{}", item["id"].as_str().unwrap());
            let answer = app.patch(&one).json(&json!({ field: "changed" })).send().await;

            assert_eq!(answer.status, 200, "{one}: {}", answer.text);
            assert_eq!(answer.body["data"][field], "changed");
            assert!(answer.body["data"]["updatedAt"] != item["updatedAt"], "{one}");
            assert_eq!(app.data(&one).await, answer.body["data"]);
        }
    }
}

#[tokio::test]
async fn the_ledger_begins_with_the_adoption() {
    let app = an_adopted_app().await;

    let answer =
        app.get("/api/ledger?limit=1&since=0").header("x-pm-token", ADMIN_TOKEN).send().await;

    let line = &answer.body["data"][0];
    assert_eq!(
        (&line["seq"], &line["operation"]),
        (&json!(1), &json!("database.adopted")),
        "{}",
        answer.text
    );
    assert_eq!((&line["actorKind"], &line["subjectKind"]), (&json!("system"), &json!("database")));
}

#[tokio::test]
async fn a_person_of_an_adopted_database_signs_in_with_their_old_password() {
    let app = an_adopted_app().await;

    let first = app.sign_in("admin", "admin").await;
    let second = app.sign_in("admin", "admin").await;

    for cookie in [first, second] {
        assert_eq!(app.get("/api/auth/me").with_cookie(&cookie).send().await.status, 200);
    }
}
