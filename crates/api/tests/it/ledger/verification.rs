//! Verifying the ledger of the running server.

use futures_util::future::join_all;
use pilotdeck_domain::identity::Actor;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

use super::{an_app, change_everything};

const PATH: &str = "/api/ledger/verification";

async fn verify(app: &TestApp) -> Answer {
    app.post(PATH).as_admin().send().await
}

async fn known(app: &TestApp) -> Value {
    app.get(PATH).as_admin().send().await.body["data"].clone()
}

#[tokio::test]
async fn a_sound_ledger_is_intact_and_the_last_verification_is_remembered() {
    let app = an_app().await;
    let signed = app.services.ledger.checkpoint(&Actor::system()).await.unwrap().checkpoint.seq;
    let before = known(&app).await;
    change_everything(&app).await;

    let answer = verify(&app).await;

    assert_eq!(before, json!({ "last": null, "running": null }));
    let found = &answer.body["data"];
    let (seq, hash) = app.ledger_head().await;
    assert_eq!((&found["state"], &found["faults"]), (&json!("intact"), &json!([])), "{found}");
    assert_eq!((&found["lines"], &found["lastSeq"]), (&json!(seq), &json!(seq)));
    assert_eq!(found["lastHash"], hash);
    assert_eq!((&found["checkpoints"], &found["lastSignedSeq"]), (&json!(1), &json!(signed)));
    assert_eq!(found["signaturesVerified"], true);
    assert!(found["durationMs"].is_u64() && found["verifiedAt"].is_string());
    assert_eq!(known(&app).await, json!({ "last": found, "running": null }));
}

#[tokio::test]
async fn a_byte_that_was_flipped_in_the_file_is_named() {
    let app = an_app().await;
    for name in ["First", "Wnmistakable", "Last"] {
        app.a_project(json!({ "name": name })).await;
    }
    app.services.close().await;
    let mut file = std::fs::read(app.folder().join("pm.db")).unwrap();
    let places: Vec<usize> = file
        .windows(12)
        .enumerate()
        .filter(|(_, text)| text == b"Wnmistakable")
        .map(|(at, _)| at)
        .collect();
    for at in places {
        file[at] ^= 2;
    }
    let altered = app.folder().join("altered.db");
    std::fs::write(&altered, file).unwrap();

    let again = TestApp::builder().with_admin_token().on_copy_of(&altered).start().await;
    let answer = verify(&again).await;

    let found = &answer.body["data"];
    let reason = "its content does not have the hash that it carries";
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(found["state"], "broken");
    assert_eq!(found["faults"], json!([{ "seq": 4, "reason": reason }]));
    assert_eq!(known(&again).await["last"], *found);
}

#[tokio::test]
async fn who_asks_meanwhile_gets_the_same_result_and_nobody_waits() {
    let app = an_app().await;
    let records = json!({ "records": vec![json!({}); 6_000] });
    app.post("/api/agent/usage").json(&records).send().await;

    let asked = join_all((0..4).map(|_| verify(&app)));
    let beside = async {
        let written = app.post("/api/projects").json(&json!({ "name": "P" })).send().await;
        (written.status, known(&app).await)
    };
    let (asked, (written, seen)) = futures_util::future::join(asked, beside).await;

    assert_eq!(written, 201);
    if let Some(running) = seen["running"].as_object() {
        assert!(running["line"].as_i64() <= running["ofLines"].as_i64(), "{seen}");
    }
    // All four arrive before six thousand lines are hashed: what they get is one and the same.
    for answer in &asked {
        assert_eq!(answer.body["data"], asked[0].body["data"]);
    }
    assert_eq!(asked[0].body["data"]["state"], "intact");
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let app = TestApp::builder().with_agent_token().with_admin_token().start().await;

    assert_eq!(app.post(PATH).send().await.status, 401);
    assert_eq!(app.get(PATH).send().await.status, 401);
    assert_eq!(app.post(PATH).as_agent().send().await.status, 403);
}
