//! From the file that was found to the file that is served.

use serde_json::json;

use super::*;

/// What no adopted row may be, as counts that must all be zero.
const WRONG_ROWS: [&str; 7] = [
    "projects WHERE json_type(payload_json) <> 'object' OR payload_json ->> 'id' IS NOT id
        OR payload_json ->> 'createdAt' <> created_at OR payload_json ->> 'updatedAt' <> updated_at
        OR payload_json ->> 'budget' <> budget OR payload_json ->> 'actualCost' <> actual_cost
        OR payload_json ->> 'category' IS NOT category OR payload_json ->> 'progress' <> progress
        OR payload_json ->> 'name' <> name OR payload_json ->> 'status' <> status
        OR created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR updated_at NOT GLOB '????-??-??T??:??:??.??????Z'",
    "agent_runs WHERE payload_json ->> 'projectId' IS NOT project_id OR payload_json ->> 'agentId' IS NOT agent_id
        OR payload_json ->> 'status' IS NOT status OR payload_json ->> 'createdAt' IS NOT created_at
        OR payload_json ->> 'updatedAt' IS NOT updated_at OR payload_json ->> 'startedAt' IS NOT started_at
        OR payload_json ->> 'finishedAt' IS NOT finished_at OR created_at NOT GLOB '????-??-??T??:??:??.??????Z'
        OR finished_at NOT GLOB '????-??-??T??:??:??.??????Z'",
    "agent_events WHERE payload_json ->> 'ts' IS NOT ts OR ts NOT GLOB '????-??-??T??:??:??.??????Z'",
    "agent_profiles WHERE payload_json ->> 'updatedAt' IS NOT updated_at OR payload_json ->> 'role' IS NOT role
        OR payload_json -> 'enabled' IS NOT iif(enabled, 'true', 'false')",
    "agent_capabilities WHERE payload_json ->> 'updatedAt' IS NOT updated_at OR updated_at NOT LIKE '%Z'",
    "token_usage_records WHERE payload_json ->> 'ts' IS NOT ts OR payload_json ->> 'cost' <> cost
        OR payload_json ->> 'promptTokens' <> prompt_tokens OR payload_json ->> 'workspace' IS NOT workspace
        OR ts NOT GLOB '????-??-??T??:??:??.??????Z'",
    "users WHERE created_at NOT GLOB '????-??-??T??:??:??.??????Z' OR last_login_at NOT LIKE '%Z'",
];

#[tokio::test]
async fn a_real_file_is_adopted_whole_and_adopting_it_again_changes_nothing() {
    let mut file = File::fixture().await;
    let rows = "SELECT (SELECT count(*) FROM projects) + (SELECT sum(rowid) FROM agent_events)";
    let before = file.number(rows).await;

    let report = file.adopt().await.unwrap();
    let adopted = file.dump().await;
    let again = file.adopt().await.unwrap();

    for wrong in WRONG_ROWS {
        assert_eq!(file.number(format!("SELECT count(*) FROM {wrong}")).await, 0, "{wrong}");
    }
    assert_eq!(file.number(rows).await, before);
    assert_eq!((report.from_version, report.seen(), report.rewritten()), (4, 816, 816));
    assert_eq!((report.set_aside(), report.times_left(), report.admin_added), (0, 0, false));
    assert_eq!((again.seen(), again.rewritten(), again.is_changed()), (816, 0, false));
    assert_eq!(file.dump().await, adopted);
    assert_eq!(
        file.text("SELECT value FROM meta WHERE key = 'projects.lastUpdated'").await.as_deref(),
        Some("2026-06-29T19:57:02.796872Z")
    );
}

#[tokio::test]
async fn a_file_of_version_1_gets_budgets_and_costs_from_its_payloads() {
    let mut file = File::old(1).await;
    for (id, payload) in [
        ("number", r#"{"budget":5,"actualCost":null,"actual_cost":" 1e2 ","cost":{"total":9}}"#),
        ("text", r#"{"budget":"7.5","cost":{"total":"9"}}"#),
        ("object", r#"{"budget":{"planned":null,"total":"3","amount":4},"cost":11}"#),
        ("negative", r#"{"budget":-1,"actualCost":-2,"cost":{"total":3}}"#),
        ("nonsense", r#"{"budget":"1,000","actualCost":"inf","cost":"12"}"#),
        ("yes", r#"{"budget":true,"cost":{"total":NaN}}"#),
        ("unreadable", "{"),
    ] {
        file.run(format!(
            "INSERT INTO projects VALUES ('{id}', 0, 'n', 'planning', 'low', NULL, 0, '2026-01-01', '2026-01-01', '{payload}')"
        ))
        .await;
    }

    let report = file.adopt().await.unwrap();

    let money = file
        .texts("SELECT id || ' ' || budget || ' ' || actual_cost FROM projects ORDER BY rowid")
        .await;
    assert_eq!(
        money,
        [
            "number 5.0 100.0",
            "text 7.5 9.0",
            "object 3.0 11.0",
            "negative 0.0 0.0",
            "nonsense 0.0 0.0",
            "yes 1.0 0.0",
            "unreadable 0.0 0.0"
        ]
    );
    assert_eq!(file.payload("projects", "object").await["budget"], json!(3.0));
    assert_eq!((report.from_version, report.admin_added, report.is_changed()), (1, true, true));
}

#[tokio::test]
async fn files_of_every_version_become_version_4_with_the_same_schema() {
    let schema = "SELECT m.name || ' ' || group_concat(i.name) FROM sqlite_master m JOIN pragma_table_info(m.name) i
                  WHERE m.name NOT LIKE 'sqlite%' AND m.name <> 'adopted_payloads' GROUP BY m.name ORDER BY 1";
    let expected = File::fixture().await.texts(schema).await;

    for version in 1..=4 {
        let mut file = File::old(version).await;
        file.run("INSERT INTO meta VALUES ('projects.lastUpdated', '2026-03-01T10:00:00'), ('theme.lastUpdate', '2026-03-01T10:00:00')").await;

        let report = file.adopt().await.unwrap();

        assert_eq!(file.texts(schema).await, expected, "{version}");
        assert_eq!(file.number("PRAGMA user_version").await, 4);
        assert_eq!(report.admin_added, version < 4);
        let meta = file.texts("SELECT value FROM meta ORDER BY key").await;
        assert_eq!(meta, ["2026-03-01T08:00:00.000000Z", "2026-03-01T10:00:00"]);
    }
}

#[tokio::test]
async fn the_step_to_version_4_adds_the_account_that_the_old_server_added() {
    let mut file = File::old(3).await;

    file.adopt().await.unwrap();

    let admin =
        "SELECT username || ' ' || password_hash || ' ' || role || ' ' || created_at FROM users";
    assert_eq!(
        file.texts(admin).await,
        [
            "admin 8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918 admin 2026-11-21T09:00:00.000000Z"
        ]
    );
    let id = file.text("SELECT id FROM users").await.unwrap();
    assert_eq!(id.len(), 22);
    assert!(
        id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
        "{id}"
    );
}

#[tokio::test]
async fn an_account_with_that_name_is_left_alone() {
    let mut file = File::old(3).await;
    file.run(OLD_SCHEMA[3].replace("PRAGMA user_version = 4", "PRAGMA user_version = 3")).await;
    file.run("INSERT INTO users VALUES ('u', 'admin', 'h', 'viewer', '2026-01-01T00:00:00+00:00', '', NULL)").await;

    let report = file.adopt().await.unwrap();

    assert!(!report.admin_added);
    assert_eq!(
        file.texts("SELECT role || created_at FROM users").await,
        ["viewer2026-01-01T00:00:00.000000Z"]
    );
}

#[tokio::test]
async fn a_failing_step_leaves_everything_as_it_was() {
    for version in 1..=4 {
        let mut file = File::old(version).await;
        file.run(
            "INSERT INTO projects (id, name, status, priority, created_at, updated_at, payload_json)
             VALUES ('p', 'n', 's', 'low', '2026-01-01', '2026-01-01', '{');
             INSERT INTO agent_events (id, ts, payload_json) VALUES ('e', '2026-01-01', '[]');
             INSERT INTO meta VALUES ('projects.lastUpdated', '2026-01-01');
             CREATE TRIGGER guard BEFORE UPDATE ON agent_events BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER failing BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no room'); END;",
        )
        .await;
        let before = file.dump().await;

        let failure = file.adopt().await.unwrap_err();

        assert!(matches!(failure, AdoptError::Engine(_)), "{failure:?}");
        assert_eq!(file.dump().await, before, "{version}");
    }
}

#[tokio::test]
async fn what_the_old_server_wrote_after_an_adoption_is_adopted_too() {
    let mut file = File::fixture().await;
    file.adopt().await.unwrap();
    file.run(
        "CREATE TRIGGER \"events \"\"stay\"\"\" BEFORE UPDATE ON agent_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
         CREATE TRIGGER events_remain BEFORE DELETE ON agent_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
         INSERT INTO agent_events (id, ts, payload_json) VALUES ('late', '2026-08-01T12:00:00', '{\"id\":\"late\",\"ts\":\"2026-08-01T12:00:00\"}');
         UPDATE projects SET updated_at = '2026-08-01T12:00:00' WHERE rowid = 1;",
    )
    .await;
    let triggers = "SELECT name || sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name";
    let guards = file.texts(triggers).await;

    let report = file.adopt().await.unwrap();

    assert_eq!(report.rewritten(), 2);
    assert_eq!(
        file.payload("agent_events", "late").await["ts"],
        json!("2026-08-01T10:00:00.000000Z")
    );
    assert_eq!(file.texts(triggers).await, guards);
    assert!(file.try_run("UPDATE agent_events SET ts = ''").await.is_err());
}

#[tokio::test]
async fn adopting_a_file_of_ours_again_leaves_its_schema_alone() {
    let schema = "SELECT name || ifnull(sql, '') FROM sqlite_master ORDER BY name";
    let mut file = File::fixture().await;
    file.adopt().await.unwrap();
    crate::migrations::run(&mut file.conn).await.unwrap();
    let migrated = file.texts(schema).await;
    file.run(
        "INSERT INTO agent_events (id, ts, payload_json) VALUES ('late', '2026-08-01T12:00:00', '{\"id\":\"late\"}');
         UPDATE agent_runs SET updated_at = '2026-08-01T12:00:00' WHERE rowid = (SELECT max(rowid) FROM agent_runs);",
    )
    .await;

    let report = file.adopt().await.unwrap();

    assert_eq!((report.rewritten(), report.set_aside()), (2, 0));
    assert_eq!(file.texts(schema).await, migrated);
}

#[tokio::test]
async fn many_rows_and_long_ones_are_adopted_page_by_page() {
    let mut file = File::old(4).await;
    file.run(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1234)
         INSERT INTO agent_events (rowid, id, ts, payload_json)
         SELECT n * 3 - 1000, 'e' || n, '2026-01-01T00:00:00',
                json_object('id', 'e' || n, 'message', iif(n % 200 = 0, printf('%.*c', 3000000, 'x'), 'm')) FROM n",
    )
    .await;

    let report = file.adopt().await.unwrap();

    assert_eq!((report.seen(), report.rewritten()), (1234, 1234));
    let whole = "SELECT count(*) FROM agent_events WHERE rowid = substr(id, 2) * 3 - 1000 AND payload_json ->> 'id' = id
                 AND ts = '2025-12-31T22:00:00.000000Z' AND length(payload_json ->> 'message') IN (1, 3000000)";
    assert_eq!(file.number(whole).await, 1234);
}

#[test]
fn an_adoption_can_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let _ = |conn: &'static mut SqliteConnection| is_send(&adopt(conn, 4, &two_hours_ahead, now()));
}
