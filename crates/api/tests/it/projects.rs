//! Projects.

use futures_util::future::join_all;
use pilotdeck_domain::clock::Clock;
use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

/// A segment of a path: every byte that is not plain is encoded.
pub(crate) fn segment(id: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    id.bytes()
        .map(
            |byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") },
        )
        .collect()
}

fn at(id: &str) -> String {
    format!("/api/projects/{}", segment(id))
}

fn ids(answer: &Answer) -> Vec<&str> {
    let items = answer.body["data"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    statuses
}

async fn still(app: &TestApp) -> (Value, Value) {
    let list = app.get("/api/projects").send().await;
    (list.body, json!(app.ledger_head().await))
}

#[tokio::test]
async fn a_new_project_has_every_default_and_keeps_what_it_does_not_know() {
    let app = TestApp::builder()
        .with_clock(Clock::fixed("2026-02-11T15:00:00Z".parse().unwrap()))
        .start()
        .await;
    let body = json!({ "name": "Apollo", "github": "https://example.org/a", "orders": [{ "id": "ord-1", "amount": 1.5 }], "深": null });

    let answer = app.post("/api/projects").json(&body).send().await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.body["success"], true);
    assert_eq!(answer.body["message"], "project created");
    let project = &answer.body["data"];
    assert!(project["id"].as_str().unwrap().starts_with("proj-"));
    let expected = json!({
        "id": project["id"], "name": "Apollo", "status": "planning", "priority": "medium", "category": null,
        "progress": 0, "description": "", "notes": "", "tags": [], "cost": { "total": 0 }, "revenue": { "total": 0 },
        "budget": 0.0, "actualCost": 0.0, "createdAt": "2026-02-11T15:00:00.000000Z",
        "updatedAt": "2026-02-11T15:00:00.000000Z", "github": "https://example.org/a",
        "orders": [{ "id": "ord-1", "amount": 1.5 }], "深": null,
    });
    assert_eq!(project, &expected);
    let read = app.get(&at(project["id"].as_str().unwrap())).send().await;
    assert_eq!(read.body["data"], expected);
}

#[tokio::test]
async fn what_a_client_sends_is_brought_into_its_normal_form_at_once() {
    let app = TestApp::start().await;

    let project = app
        .a_project(json!({
            "id": "p", "name": 5, "status": "someday", "progress": "150", "tags": [" a ", "", 7, "a"], "cost": -3,
            "revenue": { "total": "12.5", "currency": "CNY" }, "budget": { "planned": null, "total": "40" },
            "createdAt": "2026-02-01T08:00:00+08:00", "updatedAt": "2026-02-01", "category": "",
        }))
        .await;

    for (field, value) in [
        ("name", json!("5")),
        ("status", json!("someday")),
        ("progress", json!(100)),
        ("tags", json!(["a", "7", "a"])),
        ("cost", json!({ "total": 0 })),
        ("revenue", json!({ "total": 12.5, "currency": "CNY" })),
        ("budget", json!(40.0)),
        ("createdAt", json!("2026-02-01T00:00:00.000000Z")),
        ("updatedAt", json!("2026-02-01T00:00:00.000000Z")),
        ("category", json!("")),
    ] {
        assert_eq!(project[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_project_without_a_name_is_not_created() {
    let app = TestApp::start().await;
    let before = still(&app).await;

    for body in
        [json!({}), json!({ "name": null }), json!({ "name": "" }), json!({ "name": " \t" })]
    {
        let answer = app.post("/api/projects").json(&body).send().await;

        assert_eq!((answer.status.as_u16(), answer.code()), (400, "name_missing"), "{body}");
        assert_eq!(answer.body["error"], "Project name cannot be empty");
        assert_eq!(answer.body["details"][0]["field"], "name");
    }
    assert_eq!(still(&app).await, before);
}

#[tokio::test]
async fn an_id_that_is_in_use_is_refused() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p", "name": "First" })).await;
    let before = still(&app).await;

    let again =
        app.post("/api/projects").json(&json!({ "id": "p", "name": "Second" })).send().await;

    assert_eq!((again.status.as_u16(), again.code()), (409, "id_taken"));
    assert_eq!(still(&app).await, before);
}

#[tokio::test]
async fn any_id_can_be_read_changed_and_deleted_by_its_path() {
    let app = TestApp::start().await;

    for id in [
        "a/b",
        " padded ",
        "项目 一",
        "100%",
        "a%2Fb",
        "%",
        "a+b",
        "a?b#c",
        "..",
        ".",
        "a\\b",
        "'; --",
        "🚀",
        "reorder",
        "batch",
        "a;b=c",
        "a&b",
        "\u{feff}x",
        &"x".repeat(255),
        &"深".repeat(255),
    ] {
        app.a_project(json!({ "id": id })).await;
        let path = at(id);

        let read = app.get(&path).send().await;
        let patched = app.patch(&path).json(&json!({ "progress": 1 })).send().await;
        let put = app.put(&path).json(&json!({ "progress": 2 })).send().await;
        let deleted = app.delete(&path).send().await;
        let gone = app.get(&path).send().await;

        // Clients remove dot segments before they send; nobody can ask for these.
        if ["..", "."].contains(&id) {
            continue;
        }
        assert_eq!(read.body["data"]["id"], id, "{}", read.text);
        assert_eq!(patched.body["data"]["id"], id, "{}", patched.text);
        assert_eq!(put.body["data"]["progress"], 2, "{}", put.text);
        assert_eq!(deleted.body["message"], format!("project deleted: {id}"), "{}", deleted.text);
        assert_eq!((gone.status.as_u16(), gone.code()), (404, "not_found"), "{id}");
        assert_eq!(gone.body["error"], format!("Project not found: {id}"));
    }
}

#[tokio::test]
async fn lists_filter_by_exact_words_and_keep_the_order_of_people() {
    let app = TestApp::start().await;
    assert_eq!(
        app.get("/api/projects").send().await.body,
        json!({ "success": true, "data": [], "total": 0, "lastUpdated": null })
    );
    for (id, status, category) in [
        ("a", "planning", json!("web")),
        ("b", "paused", json!("web")),
        ("c", "paused", json!(null)),
        ("d", "paused", json!("w & b")),
    ] {
        app.a_project(json!({ "id": id, "status": status, "category": category })).await;
    }

    let list = async |query: &str| app.get(&format!("/api/projects{query}")).send().await;

    let all = list("").await;
    assert_eq!(ids(&all), ["a", "b", "c", "d"]);
    assert_eq!(all.body["total"], 4);
    assert!(all.body["lastUpdated"].is_string());
    for (query, expected) in [
        ("?status=paused", &["b", "c", "d"] as &[_]),
        ("?status=paused&category=web", &["b"]),
        ("?priority=medium&category=web", &["a", "b"]),
        ("?category=w+%26%20b", &["d"]),
        ("?status=Paused", &[]),
        ("?status=", &["a", "b", "c", "d"]),
        ("?status=paused&status=planning", &["b", "c", "d"]),
        ("?unknown=1", &["a", "b", "c", "d"]),
        ("?category=%00", &[]),
    ] {
        let filtered = list(query).await;
        assert_eq!(ids(&filtered), expected, "{query}");
        assert_eq!(filtered.body["total"], expected.len());
    }
}

#[tokio::test]
async fn put_and_patch_merge_field_by_field() {
    let app = TestApp::start().await;

    for method in ["PUT", "PATCH"] {
        let id = method.to_lowercase();
        let created = app
            .a_project(json!({ "id": id, "meta": { "a": 1 }, "tags": ["x"], "github": "g", "status": "paused", "cost": 4 }))
            .await;
        let patch = json!({
            "id": "other", "createdAt": "2020-01-01", "updatedAt": "2020-01-01", "meta": { "b": 2 }, "github": null,
            "status": null, "cost": { "total": 9 }, "new": [1],
        });

        let answer = app.request(method.parse().unwrap(), &at(&id)).json(&patch).send().await;

        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["message"], "project updated");
        let project = &answer.body["data"];
        for (field, value) in [
            ("id", json!(id)),
            ("createdAt", created["createdAt"].clone()),
            ("meta", json!({ "b": 2 })),
            ("github", json!(null)),
            ("tags", json!(["x"])),
            ("status", json!("planning")),
            ("cost", json!({ "total": 9 })),
            ("actualCost", json!(4.0)),
            ("new", json!([1])),
        ] {
            assert_eq!(project[field], value, "{method} {field}");
        }
        assert!(project["updatedAt"].as_str() > created["updatedAt"].as_str());
        assert_eq!(app.get(&at(&id)).send().await.body["data"], *project);
        assert_eq!(app.get("/api/projects/other").send().await.status, 404);
    }
}

#[tokio::test]
async fn a_change_cannot_blank_the_name() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;
    let before = still(&app).await;

    for name in [json!(""), json!("  "), json!(null)] {
        let put = app.put("/api/projects/p").json(&json!({ "name": name })).send().await;
        let patch = app.patch("/api/projects/p").json(&json!({ "name": name })).send().await;

        assert_eq!((put.status.as_u16(), put.code()), (400, "name_missing"));
        assert_eq!((patch.status.as_u16(), patch.code()), (400, "name_missing"));
    }
    assert_eq!(still(&app).await, before);
}

#[tokio::test]
async fn a_change_of_what_is_not_there_is_404() {
    let app = TestApp::start().await;
    let before = still(&app).await;

    let answers = [
        app.get("/api/projects/none").send().await,
        app.patch("/api/projects/none").json(&json!({ "progress": 1 })).send().await,
        app.put("/api/projects/none").json(&json!({ "progress": 1 })).send().await,
        app.delete("/api/projects/none").send().await,
    ];

    for answer in &answers {
        assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found"));
        assert_eq!(answer.body["error"], "Project not found: none");
    }
    assert_eq!(still(&app).await, before);
}

#[tokio::test]
async fn the_version_is_compared_as_the_exact_text_that_was_served() {
    let app = TestApp::start().await;
    let project = app.a_project(json!({ "id": "p", "updatedAt": "2026-02-11T15:00:05Z" })).await;
    let version = project["updatedAt"].as_str().unwrap();
    assert_eq!(version, "2026-02-11T15:00:05.000000Z");
    let before = still(&app).await;

    for method in ["PUT", "PATCH"] {
        for seen in [
            json!("2026-02-11T15:00:05Z"),
            json!("2026-02-11T15:00:05.000000"),
            json!(" "),
            json!(5),
            json!(true),
        ] {
            let body = json!({ "progress": 7, "ifUpdatedAt": seen });

            let refused =
                app.request(method.parse().unwrap(), "/api/projects/p").json(&body).send().await;

            assert_eq!(
                (refused.status.as_u16(), refused.code()),
                (409, "version_mismatch"),
                "{method} {seen}"
            );
            assert_eq!(refused.body["error"], "Conflict: updatedAt mismatch");
            let data = &refused.body["data"];
            assert_eq!(data["actualUpdatedAt"], version);
            assert_eq!(data["current"], project);
            let expected = data["expectedUpdatedAt"].as_str().unwrap();
            assert_eq!(data["message"], format!("expected={expected}, actual={version}"));
            if let Some(seen) = seen.as_str() {
                assert_eq!(expected, seen);
            }
        }
    }
    assert_eq!(still(&app).await, before);

    let accepted =
        app.patch("/api/projects/p").json(&json!({ "ifUpdatedAt": version })).send().await;
    assert_eq!(accepted.status, 200);
    assert!(accepted.body["data"].get("ifUpdatedAt").is_none());
}

#[tokio::test]
async fn a_version_that_says_nothing_is_not_compared() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;

    for seen in [json!(null), json!(""), json!(0), json!(0.0), json!(false), json!([]), json!({})] {
        let body = json!({ "ifUpdatedAt": seen });

        let patch = app.patch("/api/projects/p").json(&body).send().await;
        let put = app.put("/api/projects/p").json(&body).send().await;

        assert_eq!((patch.status.as_u16(), put.status.as_u16()), (200, 200), "{seen}");
    }
}

#[tokio::test]
async fn every_change_makes_a_later_version_though_the_clock_stands_still() {
    let app = TestApp::builder()
        .with_clock(Clock::fixed("2026-02-11T15:00:00Z".parse().unwrap()))
        .start()
        .await;
    let mut version =
        app.a_project(json!({ "id": "p" })).await["updatedAt"].as_str().unwrap().to_owned();

    for body in [
        json!({}),
        json!({ "progress": 1 }),
        json!({ "progress": 1 }),
        json!({ "updatedAt": "2000-01-01" }),
    ] {
        let answer = app.patch("/api/projects/p").json(&body).send().await;

        let next = answer.body["data"]["updatedAt"].as_str().unwrap().to_owned();
        assert!(next > version, "{next} {version}");
        version = next;
    }
    assert_eq!(version, "2026-02-11T15:00:00.000004Z");
}

#[tokio::test]
async fn last_updated_moves_with_every_change_and_with_nothing_else() {
    let clock = Clock::fixed("2026-02-11T15:00:00Z".parse().unwrap());
    let app = TestApp::builder().with_clock(clock.clone()).start().await;
    let last = async || {
        clock.turn(chrono::Duration::seconds(1));
        app.get("/api/projects").send().await.body["lastUpdated"].clone()
    };

    app.a_project(json!({ "id": "p" })).await;
    assert_eq!(last().await, "2026-02-11T15:00:00.000000Z");
    app.patch("/api/projects/p").json(&json!({})).send().await;
    assert_eq!(last().await, "2026-02-11T15:00:01.000000Z");
    app.post("/api/projects/reorder").json(&json!({ "ids": [] })).send().await;
    assert_eq!(last().await, "2026-02-11T15:00:02.000000Z");
    app.post("/api/projects/batch")
        .json(&json!({ "ops": [{ "id": "none", "patch": {} }] }))
        .send()
        .await;
    app.patch("/api/projects/p").json(&json!({ "ifUpdatedAt": "old" })).send().await;
    app.get("/api/projects/p").send().await;
    assert_eq!(last().await, "2026-02-11T15:00:02.000000Z");
    app.post("/api/projects/batch")
        .json(&json!({ "ops": [{ "id": "p", "patch": {} }] }))
        .send()
        .await;
    assert_eq!(last().await, "2026-02-11T15:00:04.000000Z");
    app.delete("/api/projects/p").send().await;
    assert_eq!(last().await, "2026-02-11T15:00:05.000000Z");
    assert_eq!(
        app.get("/api/meta").send().await.body["data"]["dataLastUpdated"],
        "2026-02-11T15:00:05.000000Z"
    );
}

#[tokio::test]
async fn deleting_a_project_keeps_its_history() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;
    app.post("/api/agent/runs").json(&json!({ "id": "r", "projectId": "p" })).send().await;
    app.post("/api/agent/events").json(&json!({ "id": "e", "projectId": "p" })).send().await;
    app.post("/api/agent/usage")
        .json(&json!({ "id": "u", "projectId": "p", "totalTokens": 3 }))
        .send()
        .await;

    let deleted = app.delete("/api/projects/p").send().await;

    assert_eq!(deleted.body, json!({ "success": true, "message": "project deleted: p" }));
    assert_eq!(app.get("/api/agent/runs/r").send().await.body["data"]["projectId"], json!(null));
    assert_eq!(ids(&app.get("/api/agent/events?projectId=p").send().await), ["e"]);
    assert_eq!(ids(&app.get("/api/agent/usage?projectId=p").send().await), ["u"]);
    assert_eq!(app.delete("/api/projects/p").send().await.status, 404);
}

#[tokio::test]
async fn reordering_puts_known_ids_first_and_touches_no_project() {
    let app = TestApp::start().await;
    for id in ["a", "b", "c", "d"] {
        app.a_project(json!({ "id": id })).await;
    }
    let before = app.get("/api/projects/c").send().await;

    let body = json!({ "ids": ["c", "none", "a", "c", 5, null, {}, ["b"], "a"] });
    let answer = app.post("/api/projects/reorder").json(&body).send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(ids(&answer), ["c", "a", "b", "d"]);
    assert_eq!(answer.body["total"], 4);
    let list = app.get("/api/projects").send().await;
    assert_eq!(list.body, answer.body);
    assert_eq!(app.get("/api/projects/c").send().await.body, before.body);
    app.a_project(json!({ "id": "e" })).await;
    assert_eq!(ids(&app.get("/api/projects").send().await), ["c", "a", "b", "d", "e"]);
}

#[tokio::test]
async fn reordering_takes_a_list() {
    let app = TestApp::start().await;
    let before = still(&app).await;

    for body in [json!({}), json!({ "ids": null }), json!({ "ids": "a" }), json!({ "ids": {} })] {
        let answer = app.post("/api/projects/reorder").json(&body).send().await;

        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_field"));
        assert_eq!(answer.body["error"], "ids must be an array");
    }
    assert_eq!(still(&app).await, before);
}

#[tokio::test]
async fn a_batch_answers_every_operation_for_itself_and_in_order() {
    let app = TestApp::start().await;
    let project = app.a_project(json!({ "id": "p" })).await;
    let version = project["updatedAt"].as_str().unwrap();

    let body = json!({ "ops": [
        { "opId": "1", "id": "p", "patch": { "progress": 1, "ifUpdatedAt": "not a lock" }, "ifUpdatedAt": version },
        { "opId": 2, "id": "p", "patch": { "progress": 2 }, "ifUpdatedAt": version },
        { "id": "p", "patch": { "status": "paused" }, "ifUpdatedAt": "" },
        { "opId": "4", "id": "none", "patch": {} },
        { "opId": "5", "id": 5, "patch": {} },
        { "opId": "6", "id": "p", "patch": [] },
        { "opId": "7", "id": "p", "patch": { "name": "" } },
        { "opId": "8", "id": "p", "patch": { "category": {} } },
        { "opId": "9", "patch": {} },
        "no object",
        null,
    ] });
    let answer = app.post("/api/projects/batch").json(&body).send().await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    let data = &answer.body["data"];
    let results = data["results"].as_array().unwrap();
    let statuses: Vec<i64> =
        results.iter().map(|result| result["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [200, 409, 200, 404, 400, 400, 400, 400, 400, 400, 400]);
    let labels: Vec<&Value> = results.iter().map(|result| &result["opId"]).collect();
    let none = json!(null);
    assert_eq!(labels[..3], [&json!("1"), &json!(2), &none]);
    assert!(results.iter().all(|result| result.get("opId").is_some()));
    for result in results {
        assert_eq!(result["success"], result["status"] == 200);
        assert_eq!(result["error"].is_string(), result["status"] != 200);
    }
    assert_eq!(results[0]["data"]["progress"], 1);
    assert!(results[0]["data"].get("ifUpdatedAt").is_none());
    let conflict = &results[1];
    assert_eq!(conflict["id"], "p");
    assert_eq!(conflict["error"], "Conflict: updatedAt mismatch");
    assert_eq!(
        conflict["data"],
        json!({ "expectedUpdatedAt": version, "actualUpdatedAt": results[0]["data"]["updatedAt"] })
    );
    assert_eq!(
        (&results[2]["data"]["progress"], &results[2]["data"]["status"]),
        (&json!(1), &json!("paused"))
    );
    assert_eq!(
        (&results[3]["id"], &results[3]["error"]),
        (&json!("none"), &json!("Project not found: none"))
    );
    assert_eq!(data["changed"], true);
    assert!(data["lastUpdated"].is_string());
    assert_eq!(app.get("/api/projects/p").send().await.body["data"], results[2]["data"]);
}

#[tokio::test]
async fn a_batch_that_changes_nothing_says_so_and_leaves_no_trace() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;
    let before = still(&app).await;

    for ops in [json!([]), json!([{ "id": "none", "patch": {} }]), json!([5])] {
        let answer = app.post("/api/projects/batch").json(&json!({ "ops": ops })).send().await;

        assert_eq!(answer.body["data"]["changed"], false);
        assert_eq!(answer.body["data"]["lastUpdated"], before.0["lastUpdated"]);
    }
    for body in [json!({}), json!({ "ops": {} }), json!({ "ops": "x" }), json!({ "ops": null })] {
        let answer = app.post("/api/projects/batch").json(&body).send().await;

        assert_eq!(
            (answer.status.as_u16(), answer.body["error"].as_str()),
            (400, Some("ops must be an array"))
        );
    }
    assert_eq!(still(&app).await, before);
}

#[tokio::test]
async fn of_many_who_saw_the_same_version_exactly_one_may_change_it() {
    let app = TestApp::start().await;
    let project = app.a_project(json!({ "id": "p" })).await;
    let version = &project["updatedAt"];

    let answers = join_all((0..32).map(|turn| {
        let method = if turn % 2 == 0 { "PATCH" } else { "PUT" };
        let body = json!({ "winner": turn, "ifUpdatedAt": version });
        app.request(method.parse().unwrap(), "/api/projects/p").json(&body).send()
    }))
    .await;

    assert_eq!(statuses(&answers)[..2], [200, 409]);
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
    let now = app.get("/api/projects/p").send().await;
    assert_eq!(now.body["data"], winner.body["data"]);
}

#[tokio::test]
async fn changes_of_different_fields_at_the_same_time_are_all_kept() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p" })).await;

    let answers = join_all((0..32).map(|turn| {
        let field = format!("field{turn}");
        match turn % 3 {
            0 => app.patch("/api/projects/p").json(&json!({ field: turn })).send(),
            1 => app.put("/api/projects/p").json(&json!({ field: turn })).send(),
            _ => {
                let body = json!({ "ops": [{ "id": "p", "patch": { field: turn } }] });
                app.post("/api/projects/batch").json(&body).send()
            }
        }
    }))
    .await;

    assert_eq!(statuses(&answers), [200; 32]);
    let project = app.get("/api/projects/p").send().await;
    for turn in 0..32 {
        assert_eq!(project.body["data"][format!("field{turn}")], turn);
    }
    let lines = app.operations_on("p").await;
    assert_eq!(lines.iter().filter(|operation| *operation == "project.updated").count(), 32);
}

#[tokio::test]
async fn of_many_who_choose_the_same_id_exactly_one_gets_it() {
    let app = TestApp::start().await;

    let answers = join_all((0..32).map(|turn| {
        app.post("/api/projects")
            .json(&json!({ "id": "p", "name": format!("Number {turn}") }))
            .send()
    }))
    .await;

    assert_eq!(statuses(&answers)[..2], [201, 409]);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "id_taken"));
    let winner = answers.iter().find(|answer| answer.status == 201).unwrap();
    let list = app.get("/api/projects").send().await;
    assert_eq!(list.body["data"], json!([winner.body["data"]]));
}

#[tokio::test]
async fn projects_created_at_the_same_time_keep_one_order() {
    let app = TestApp::start().await;

    join_all((0..16).map(|_| app.a_project(json!({})))).await;

    let first = app.get("/api/projects").send().await;
    let second = app.get("/api/projects").send().await;
    assert_eq!(first.body["total"], 16);
    assert_eq!(ids(&first), ids(&second));
}

#[tokio::test]
async fn every_change_of_a_project_has_its_line_in_the_ledger() {
    let app = TestApp::start().await;

    app.a_project(json!({ "id": "p" })).await;
    app.patch("/api/projects/p").json(&json!({ "progress": 5 })).send().await;
    app.patch("/api/projects/p").json(&json!({ "ifUpdatedAt": "old" })).send().await;
    app.delete("/api/projects/p").send().await;

    assert_eq!(
        app.operations_on("p").await,
        ["project.created", "project.updated", "project.deleted"]
    );
}
