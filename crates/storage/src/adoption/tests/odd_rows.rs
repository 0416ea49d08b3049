//! What is found in files that were in use for a while.

use serde_json::json;

use super::*;

const T1: &str = "2026-03-01T10:00:00.000001";
const T2: &str = "2026-03-01T10:30:00";
const T1_READ: &str = "2026-03-01T08:00:00.000001Z";
const T2_READ: &str = "2026-03-01T08:30:00.000000Z";

impl File {
    async fn project(&mut self, id: &str, payload: &str) {
        self.insert(
            "projects",
            &format!("'{id}', 0, 'N', 'planning', 'medium', NULL, 7, '{T1}', '{T2}'"),
            payload,
            ", 12.5, 0.0",
        )
        .await;
    }

    async fn a_run(&mut self, id: &str, project: &str, payload: &str) {
        self.insert(
            "agent_runs",
            &format!("'{id}', {project}, 'a', 'running', '{T1}', '{T1}', '{T1}', NULL"),
            payload,
            "",
        )
        .await;
    }

    async fn event(&mut self, id: &str, payload: &str) {
        self.insert(
            "agent_events",
            &format!("'{id}', '{T1}', 'note', 'info', NULL, NULL, NULL, NULL, NULL"),
            payload,
            "",
        )
        .await;
    }

    async fn usage(&mut self, id: &str, payload: &str) {
        let columns = format!(
            "'{id}', '{T1}', 'p', NULL, NULL, '/w', NULL, 'opencode', 'm', 9007199254740993, 2, 3, 0.25"
        );
        self.insert("token_usage_records", &columns, payload, "").await;
    }

    async fn insert(&mut self, table: &str, columns: &str, payload: &str, more: &str) {
        let payload = payload.replace('\'', "''");
        self.run(format!("INSERT INTO {table} VALUES ({columns}, '{payload}'{more})")).await;
    }
}

#[tokio::test]
async fn a_project_whose_payload_is_no_object_has_its_columns() {
    let mut file = File::old(4).await;
    for (id, payload) in [
        ("unreadable", "{\"name\":"),
        ("empty", "{}"),
        ("null", "null"),
        ("list", "[1]"),
        ("text", "\"x\""),
        ("nothing", ""),
    ] {
        file.project(id, payload).await;
    }

    let report = file.adopt().await.unwrap();

    for (id, aside) in [
        ("unreadable", Some("{\"name\":")),
        ("empty", None),
        ("null", Some("null")),
        ("list", Some("[1]")),
        ("text", Some("\"x\"")),
        ("nothing", Some("")),
    ] {
        let expected = json!({
            "id": id, "name": "N", "status": "planning", "priority": "medium", "category": null, "progress": 7,
            "createdAt": T1_READ, "updatedAt": T2_READ, "budget": 12.5, "actualCost": 0.0,
        });
        assert_eq!(file.payload("projects", id).await, expected);
        assert_eq!(file.aside("projects", id).await.as_deref(), aside, "{id}");
    }
    assert_eq!(report.set_aside(), 5);
}

#[tokio::test]
async fn values_that_no_rule_allows_are_shown_as_they_were_stored() {
    let mut file = File::old(4).await;
    file.run(format!(
        "INSERT INTO projects VALUES ('p', 3, '', '', 'x', '', 150, '{T1}', 'last week',
         '{{\"tags\":\"a,b\",\"cost\":12,\"revenue\":\"7\",\"progress\":1,\"startedAt\":\"{T1}\",\"orders\":[{{\"createdAt\":\"{T1}\"}}]}}', -5, 2)"
    ))
    .await;

    let report = file.adopt().await.unwrap();

    assert_eq!(
        file.payload("projects", "p").await,
        json!({
            "tags": "a,b", "cost": 12, "revenue": "7", "progress": 150, "startedAt": T1, "orders": [{"createdAt": T1}],
            "id": "p", "name": "", "status": "", "priority": "x", "category": "", "createdAt": T1_READ,
            "updatedAt": "last week", "budget": -5.0, "actualCost": 2.0,
        })
    );
    assert_eq!((report.set_aside(), report.times_left()), (0, 1));
    assert_eq!(file.number("SELECT progress FROM projects").await, 150);
}

#[tokio::test]
async fn numbers_that_json_cannot_say_are_null_in_payloads_and_zero_in_columns() {
    let payload = r#"{"cost":{"total":NaN},"revenue":{"total":-Infinity},"x":1e999,"notes":"NaN is 1e999","n":0.1}"#;
    let mut file = File::old(4).await;
    file.project("p", payload).await;
    file.usage("u", r#"{"cost":Infinity,"promptTokens":99999999999999999999,"data":{"n":99999999999999999999}}"#).await;
    file.run("UPDATE projects SET budget = 9e999; UPDATE token_usage_records SET cost = -9e999")
        .await;

    file.adopt().await.unwrap();

    let project = file.payload("projects", "p").await;
    assert_eq!(project["cost"], json!({"total": null}));
    assert_eq!(project["revenue"], json!({"total": null}));
    assert_eq!(
        (&project["x"], &project["notes"], &project["n"]),
        (&json!(null), &json!("NaN is 1e999"), &json!(0.1))
    );
    assert_eq!(project["budget"], json!(0));
    assert_eq!(file.aside("projects", "p").await.as_deref(), Some(payload));
    let usage = file.payload("token_usage_records", "u").await;
    assert_eq!(usage["promptTokens"], json!(9_007_199_254_740_993_i64));
    assert_eq!((&usage["cost"], &usage["data"]), (&json!(0), &json!({"n": 1e20})));
    assert!(file.aside("token_usage_records", "u").await.is_some());
    assert_eq!(file.number("SELECT count(*) FROM projects WHERE budget = 0").await, 1);
    assert_eq!(file.number("SELECT count(*) FROM token_usage_records WHERE cost = 0").await, 1);
}

#[tokio::test]
async fn surrogates_without_partner_are_replaced_and_the_original_is_kept() {
    let mut file = File::old(4).await;
    file.project("p", r#"{"notes":"a\ud800b \ud83d\ude00"}"#).await;

    file.adopt().await.unwrap();

    assert_eq!(file.payload("projects", "p").await["notes"], json!("a\u{fffd}b \u{1f600}"));
    assert_eq!(
        file.aside("projects", "p").await.as_deref(),
        Some(r#"{"notes":"a\ud800b \ud83d\ude00"}"#)
    );
}

#[tokio::test]
async fn runs_survive_unreadable_payloads_vanished_projects_and_missing_times() {
    let mut file = File::old(4).await;
    for (id, payload) in [("unreadable", "{"), ("null", "null"), ("list", "[]")] {
        file.a_run(id, "NULL", payload).await;
    }
    file.a_run(
        "orphan",
        "'gone'",
        r#"{"projectId":"gone","x":{"startedAt":"2026-03-01T10:00:00"}}"#,
    )
    .await;
    file.a_run("detached", "NULL", r#"{"projectId":"inbox"}"#).await;
    file.run("INSERT INTO agent_runs VALUES ('timeless', NULL, NULL, NULL, NULL, '', NULL, '2026-03-01T23:59:59Z', '{}')").await;

    file.adopt().await.unwrap();

    for id in ["unreadable", "null", "list"] {
        assert_eq!(
            file.payload("agent_runs", id).await,
            json!({
                "id": id, "projectId": null, "agentId": "a", "status": "running", "createdAt": T1_READ,
                "updatedAt": T1_READ, "startedAt": T1_READ, "finishedAt": null,
            })
        );
    }
    let orphan = file.payload("agent_runs", "orphan").await;
    assert_eq!(
        (&orphan["projectId"], &orphan["x"]),
        (&json!("gone"), &json!({"startedAt": "2026-03-01T10:00:00"}))
    );
    assert_eq!(
        file.text("SELECT project_id FROM agent_runs WHERE id = 'orphan'").await.as_deref(),
        Some("gone")
    );
    assert_eq!(file.payload("agent_runs", "detached").await["projectId"], json!(null));
    assert_eq!(
        file.payload("agent_runs", "timeless").await,
        json!({
            "id": "timeless", "projectId": null, "agentId": null, "status": null, "createdAt": null, "updatedAt": "",
            "startedAt": null, "finishedAt": "2026-03-01T23:59:59.000000Z",
        })
    );
    assert_eq!(file.number("SELECT count(*) FROM agent_runs WHERE created_at IS NULL").await, 1);
}

#[tokio::test]
async fn an_event_is_read_from_its_payload_with_what_it_lacks_filled_in() {
    let mut file = File::old(4).await;
    file.event("bare", "{}").await;
    file.event(
        "mixed",
        r#"{"id":"mixed","ts":"2026-03-01T10:30:00","type":null,"level":3,"projectId":true,"runId":{"a":1},"agentId":[1],"title":1e-5,"extra":"2026-03-01","createdAt":"2026-03-01"}"#,
    )
    .await;
    file.run("UPDATE agent_events SET ts = NULL WHERE id = 'bare'").await;

    file.adopt().await.unwrap();

    assert_eq!(
        file.payload("agent_events", "bare").await,
        json!({
            "id": null, "ts": null, "type": "note", "level": "info", "projectId": null, "runId": null, "agentId": null,
            "title": null, "message": null, "data": null,
        })
    );
    assert_eq!(
        file.payload("agent_events", "mixed").await,
        json!({
            "id": "mixed", "ts": T2_READ, "type": null, "level": "3", "projectId": "True", "runId": {"a": 1},
            "agentId": [1], "title": "1e-05", "extra": "2026-03-01", "createdAt": "2026-03-01", "message": null,
            "data": null,
        })
    );
    assert_eq!(
        file.text("SELECT ts FROM agent_events WHERE id = 'mixed'").await.as_deref(),
        Some(T1_READ)
    );
    assert_eq!(file.text("SELECT ts FROM agent_events WHERE id = 'bare'").await, None);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_becomes_null_and_its_text_is_kept() {
    let mut file = File::old(4).await;
    for (id, payload) in
        [("unreadable", "{\"id\":"), ("null", "null"), ("list", "[{}]"), ("nan", "{\"data\":NaN}")]
    {
        file.event(id, payload).await;
    }

    let report = file.adopt().await.unwrap();

    for id in ["unreadable", "null", "list"] {
        assert_eq!(file.payload("agent_events", id).await, json!(null), "{id}");
    }
    assert_eq!(file.payload("agent_events", "nan").await["data"], json!(null));
    assert_eq!(file.aside("agent_events", "unreadable").await.as_deref(), Some("{\"id\":"));
    assert_eq!(file.aside("agent_events", "list").await.as_deref(), Some("[{}]"));
    assert_eq!(file.aside("agent_events", "nan").await.as_deref(), Some("{\"data\":NaN}"));
    assert_eq!((report.set_aside(), report.rewritten()), (3, 4));
}

#[tokio::test]
async fn usage_without_an_object_has_its_columns_and_empty_data() {
    let mut file = File::old(4).await;
    for (id, payload) in [("unreadable", "{"), ("null", "null"), ("list", "[]"), ("empty", "{}")] {
        file.usage(id, payload).await;
    }
    file.run("UPDATE token_usage_records SET ts = '' WHERE id = 'empty'").await;

    let report = file.adopt().await.unwrap();

    for id in ["unreadable", "null", "list", "empty"] {
        let mut expected = json!({
            "data": {}, "id": id, "ts": T1_READ, "projectId": "p", "runId": null, "agentId": null, "workspace": "/w",
            "sessionId": null, "source": "opencode", "model": "m", "promptTokens": 9_007_199_254_740_993_i64,
            "completionTokens": 2, "totalTokens": 3, "cost": 0.25,
        });
        if id == "empty" {
            expected["ts"] = json!("");
            expected.as_object_mut().unwrap().remove("data");
        }
        assert_eq!(file.payload("token_usage_records", id).await, expected);
    }
    assert_eq!(report.times_left(), 0);
}

#[tokio::test]
async fn a_capability_that_is_enabled_twice_is_shown_enabled() {
    let mut file = File::old(4).await;
    file.run(format!("INSERT INTO agent_capabilities VALUES ('c', 'C', 2, '{T1}', '{T2}', '{{\"enabled\":false,\"x\":1}}')")).await;
    file.run(format!("INSERT INTO agent_profiles VALUES ('a', 'A', NULL, 0, '{T1}', '{T2}', '{{\"enabled\":\"yes\",\"role\":\"r\"}}')")).await;

    file.adopt().await.unwrap();

    assert_eq!(
        file.payload("agent_capabilities", "c").await,
        json!({"enabled": true, "x": 1, "id": "c", "name": "C", "createdAt": T1_READ, "updatedAt": T2_READ})
    );
    assert_eq!(
        file.payload("agent_profiles", "a").await,
        json!({"enabled": false, "role": null, "id": "a", "name": "A", "createdAt": T1_READ, "updatedAt": T2_READ})
    );
    assert_eq!(file.number("SELECT enabled FROM agent_capabilities").await, 2);
}

#[tokio::test]
async fn rows_without_id_and_payloads_of_the_wrong_type_do_not_stop_an_adoption() {
    let mut file = File::old(4).await;
    file.run(format!(
        "INSERT INTO agent_runs VALUES (NULL, NULL, x'ff', 5, '{T1}', 4.5, x'00', NULL, x'7b22ff223a317d');
         INSERT INTO agent_runs VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, x'00');"
    ))
    .await;

    let report = file.adopt().await.unwrap();

    assert_eq!(report.set_aside(), 2);
    assert_eq!(
        file.number("SELECT count(*) FROM agent_runs WHERE json_valid(payload_json)").await,
        2
    );
    assert_eq!(
        file.number("SELECT count(*) FROM agent_runs WHERE typeof(agent_id) = 'blob'").await,
        1
    );
}
