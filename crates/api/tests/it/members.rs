//! Members of projects.

use pilotdeck_testkit::{Answer, TestApp};
use serde_json::{Value, json};

/// An app with the people `ada`, `bob` and `eve`, of whom `eve` is a viewer; and `p`, which `ada` created.
async fn an_app() -> (TestApp, String) {
    let app = TestApp::builder().with_agent_token().start().await;
    for (name, role) in [("ada", "member"), ("bob", "member"), ("eve", "viewer")] {
        app.a_person(name, role).await;
    }
    let ada = app.sign_in("ada", "password").await;
    let body = json!({ "id": "p", "name": "Apollo" });
    let created = app.post("/api/projects").with_cookie(&ada).json(&body).send().await;
    assert_eq!(created.status, 201, "{}", created.text);
    (app, ada)
}

async fn add(app: &TestApp, cookie: &str, username: &str, role: &str) -> Answer {
    let body = json!({ "username": username, "role": role });
    app.post("/api/projects/p/members").with_cookie(cookie).json(&body).send().await
}

async fn roles(app: &TestApp, cookie: &str) -> Vec<(String, String)> {
    let answer = app.get("/api/projects/p/members").with_cookie(cookie).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let text = |member: &Value, field: &str| member[field].as_str().unwrap().to_owned();
    let members = answer.body["data"].as_array().unwrap().iter();
    members.map(|member| (text(member, "username"), text(member, "role"))).collect()
}

fn pair(name: &str, role: &str) -> (String, String) {
    (name.to_owned(), role.to_owned())
}

#[tokio::test]
async fn who_creates_a_project_owns_it_and_an_agents_project_has_no_members() {
    let (app, ada) = an_app().await;
    let admin = app.sign_in("admin", "admin").await;
    let made =
        app.post("/api/projects").as_agent().json(&json!({ "id": "q", "name": "n" })).send().await;
    assert_eq!(made.status, 201);

    assert_eq!(roles(&app, &ada).await, [pair("ada", "owner")]);
    let of_agent = app.get("/api/projects/q/members").with_cookie(&admin).send().await;
    assert_eq!(of_agent.body["total"], 0);
    let lines = app.get("/api/ledger?projectId=p").with_cookie(&ada).send().await.body;
    let told: Vec<&str> = lines["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["project.created", "member.added"]);
    assert_eq!(lines["data"][1]["change"]["after"]["username"], "ada");
}

#[tokio::test]
async fn members_are_added_changed_and_removed_by_id_or_name_with_effect_on_the_next_request() {
    let (app, ada) = an_app().await;
    let bob = app.sign_in("bob", "password").await;
    let sees =
        || async { app.get("/api/projects/p").with_cookie(&bob).send().await.status.as_u16() };
    let writes = || async {
        let body = json!({ "notes": "n" });
        app.patch("/api/projects/p").with_cookie(&bob).json(&body).send().await.status.as_u16()
    };
    assert_eq!((sees().await, writes().await), (404, 404));

    let added = add(&app, &ada, "bob", "viewer").await;
    assert_eq!((added.status.as_u16(), &added.body["created"]), (201, &json!(true)));
    assert_eq!((sees().await, writes().await), (200, 403));

    let again = add(&app, &ada, "bob", "owner").await;
    assert_eq!((again.status.as_u16(), &again.body["message"]), (200, &json!("member exists")));
    assert_eq!(again.body["data"]["role"], "viewer");

    let id = added.body["data"]["userId"].as_str().unwrap().to_owned();
    let change = app.patch(&format!("/api/projects/p/members/{id}")).with_cookie(&ada);
    let changed = change.json(&json!({ "role": "editor" })).send().await;
    assert_eq!((changed.status.as_u16(), &changed.body["data"]["role"]), (200, &json!("editor")));
    assert_eq!((sees().await, writes().await), (200, 200));

    let removed = app.delete("/api/projects/p/members/bob").with_cookie(&ada).send().await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    assert_eq!((sees().await, writes().await), (404, 404));
    let mut operations = app.operations_on(&id).await;
    operations.retain(|operation| operation.starts_with("member."));
    assert_eq!(operations, ["member.added", "member.changed", "member.removed"]);
}

#[tokio::test]
async fn the_last_owner_stays_and_everybody_else_may_leave() {
    let (app, ada) = an_app().await;
    let admin = app.sign_in("admin", "admin").await;
    let eve = app.sign_in("eve", "password").await;
    assert_eq!(add(&app, &ada, "eve", "viewer").await.status, 201);

    for cookie in [&ada, &admin] {
        let left = app.delete("/api/projects/p/members/ada").with_cookie(cookie).send().await;
        assert_eq!((left.status.as_u16(), left.code()), (409, "last_owner"));
        let less = app.patch("/api/projects/p/members/ada").with_cookie(cookie);
        let less = less.json(&json!({ "role": "editor" })).send().await;
        assert_eq!((less.status.as_u16(), less.code()), (409, "last_owner"));
    }
    let other = app.delete("/api/projects/p/members/ada").with_cookie(&eve).send().await;
    assert_eq!((other.status.as_u16(), other.code()), (403, "forbidden"));
    let left = app.delete("/api/projects/p/members/eve").with_cookie(&eve).send().await;
    assert_eq!(left.status, 200, "{}", left.text);
    assert_eq!(add(&app, &ada, "bob", "owner").await.status, 201);
    let left = app.delete("/api/projects/p/members/ada").with_cookie(&ada).send().await;
    assert_eq!(left.status, 200, "{}", left.text);
    assert_eq!(roles(&app, &admin).await, [pair("bob", "owner")]);
}

#[tokio::test]
async fn a_deleted_project_takes_its_members_along_and_says_who_they_were() {
    let (app, ada) = an_app().await;
    assert_eq!(add(&app, &ada, "bob", "editor").await.status, 201);

    let deleted = app.delete("/api/projects/p").with_cookie(&ada).send().await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    let made =
        app.post("/api/projects").as_agent().json(&json!({ "id": "p", "name": "n" })).send().await;
    assert_eq!(made.status, 201, "{}", made.text);

    let admin = app.sign_in("admin", "admin").await;
    assert_eq!(roles(&app, &admin).await, []);
    let again = app.get("/api/projects/p").with_cookie(&ada).send().await;
    assert_eq!(again.status, 404);
    let lines = app.get("/api/ledger?projectId=p&operation=project.deleted").with_cookie(&admin);
    let change = lines.send().await.body["data"][0]["change"].clone();
    let names: Vec<&str> = change["removedMembers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["username"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ada", "bob"]);
}

#[tokio::test]
async fn owners_and_administrators_find_people_and_others_do_not() {
    let (app, ada) = an_app().await;
    let bob = app.sign_in("bob", "password").await;

    let people = app.get("/api/people").with_cookie(&ada).send().await;
    let refused = app.get("/api/people").with_cookie(&bob).send().await;
    let unknown = add(&app, &ada, "nobody", "viewer").await;
    let nameless = app.post("/api/projects/p/members").with_cookie(&ada);
    let nameless = nameless.json(&json!({ "role": "viewer" })).send().await;

    let names = people.body["data"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|person| person["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "admin", "bob", "eve"]);
    assert_eq!(refused.status, 403);
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "not_found"));
    assert_eq!((nameless.status.as_u16(), nameless.code()), (400, "invalid_field"));
    for role in [json!("admin"), json!(null), json!(5)] {
        let body = json!({ "username": "bob", "role": role });
        let answer = app.post("/api/projects/p/members").with_cookie(&ada).json(&body).send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_field"));
    }
}
