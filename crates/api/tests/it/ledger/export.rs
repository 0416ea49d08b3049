//! The export, and the key that proves it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use pilotdeck_domain::identity::Actor;
use pilotdeck_domain::ledger::checkpoint::PublicKey;
use pilotdeck_services::ledger::prove;
use pilotdeck_testkit::{ADMIN_TOKEN, TestApp};
use serde_json::{Value, json};

use super::{an_app, change_everything, lines};

async fn exported(app: &TestApp) -> String {
    let answer = app.get("/api/ledger/export").as_admin().send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

async fn key(app: &TestApp) -> Value {
    app.get("/api/ledger/key").as_admin().send().await.body["data"].clone()
}

#[tokio::test]
async fn an_export_has_every_line_and_is_proven_by_the_key_that_is_served() {
    let app = an_app().await;
    let body = json!({ "id": "odd", "name": "é\u{2028}\"\\\u{7f}", "hash": "x", "line": { "hash": [1e21, -0.0] } });
    app.post("/api/projects").json(&body).send().await;
    app.services.ledger.checkpoint(&Actor::system()).await.unwrap();
    change_everything(&app).await;
    let last = app.services.ledger.checkpoint(&Actor::system()).await.unwrap().checkpoint;

    let answer = app.get("/api/ledger/export").as_admin().send().await;

    let shown = key(&app).await;
    let (mut found, mut checkpoints) = (Vec::new(), 0);
    for line in answer.text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line.get("line") {
            Some(content) => {
                let mut content = content.clone();
                content["hash"] = line["hash"].clone();
                found.push(content);
            }
            None => checkpoints += 1,
        }
    }
    assert_eq!(found, lines(&app, "since=0&limit=2000").await);
    assert_eq!((checkpoints, found.len()), (2, usize::try_from(last.seq).unwrap()));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let name = format!("attachment; filename=\"pilotdeck-ledger-{}.jsonl\"", last.seq);
    assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
    let keys: [PublicKey; 1] = [shown["key"].as_str().unwrap().parse().unwrap()];
    let proof = prove(answer.text.as_bytes(), &keys, |_| {}).unwrap().unwrap();
    assert_eq!((proof.proven(), proof.last), (last.seq, Some(last)));
}

#[tokio::test]
async fn the_key_is_shown_with_the_last_checkpoint() {
    let app = an_app().await;

    let before = key(&app).await;
    let signed = app.services.ledger.checkpoint(&Actor::system()).await.unwrap();
    let after = key(&app).await;

    assert_eq!(
        (&before["algorithm"], &before["lastCheckpoint"]),
        (&json!("Ed25519"), &json!(null))
    );
    assert_eq!(after["key"], before["key"]);
    let checkpoint = &after["lastCheckpoint"];
    assert_eq!(checkpoint["seq"], signed.checkpoint.seq);
    assert_eq!(checkpoint["signature"], signed.signature);
    assert_eq!(checkpoint["key"], before["key"]);
}

#[tokio::test]
async fn reading_slowly_keeps_nobody_waiting_and_giving_up_leaves_nothing_behind() {
    let app = an_app().await;
    let records = json!({ "records": vec![json!({}); 6_000] });
    app.post("/api/agent/usage").json(&records).send().await;
    let address = app.base_url.replace("http://", "");
    let begin = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!(
            "GET /api/ledger/export HTTP/1.1\r\nhost: {address}\r\nx-pm-token: {ADMIN_TOKEN}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        stream
    };

    // More than there are connections to the database.
    let slow: Vec<_> = (0..12).map(|_| begin()).collect();
    let beside = exported(&app).await;
    let write = app.post("/api/projects").json(&json!({ "name": "P" })).send().await;
    drop(slow);
    let after = exported(&app).await;

    assert_eq!(write.status, 201);
    assert!(after.starts_with(&beside));
    assert_eq!(after.lines().count(), beside.lines().count() + 1);
}
