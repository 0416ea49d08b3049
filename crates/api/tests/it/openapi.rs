//! The OpenAPI document, its explorer and the start page.

use std::collections::BTreeSet;

use pilotdeck_testkit::TestApp;
use serde_json::Value;

use crate::guard::operations;
use crate::input::takes_json;

fn document() -> Value {
    serde_json::from_str(&pilotdeck_api::document_text()).unwrap()
}

/// The schema of a body. One that may be absent is described as that or null.
fn body_schema<'a>(document: &'a Value, body: &Value) -> Option<&'a Value> {
    let schema = &body["content"]["application/json"]["schema"];
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let named = alternatives.chain([schema]).find_map(|schema| schema["$ref"].as_str())?;
    document.pointer(named.strip_prefix('#')?)
}

/// Calls `visit` with every object in `value`.
fn walk(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            visit(fields);
            // What is taken beside what is meant is said as shortly as it can be.
            let said = fields.iter().filter(|(key, _)| *key != "x-lenient");
            said.for_each(|(_, value)| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_served_as_it_is_generated() {
    let app = TestApp::start().await;

    let answer = app.get("/api/openapi.json").send().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text, pilotdeck_api::document_text());
}

#[test]
fn the_committed_document_is_the_one_that_is_generated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/openapi.json");

    let committed = std::fs::read_to_string(path).unwrap();

    assert!(committed == pilotdeck_api::document_text(), "`just openapi` brings it up to date");
}

#[test]
fn the_document_has_the_parts_that_openapi_3_1_asks_for() {
    let document = document();

    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for field in ["title", "version"] {
        assert!(document["info"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(path.starts_with('/') && !path.contains("{_"), "{path}");
    }
}

#[test]
fn every_reference_resolves() {
    let document = document();

    let mut references = BTreeSet::new();
    walk(&document, &mut |fields| {
        if let Some(Value::String(reference)) = fields.get("$ref") {
            references.insert(reference.clone());
        }
    });

    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_schema_that_is_named_is_used() {
    let document = document();
    let text = document.to_string();

    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name}");
    }
}

#[test]
fn every_list_says_what_is_in_it_and_every_required_field_is_described() {
    walk(&meant(&document()["components"]), &mut |fields| {
        if fields.get("type").is_some_and(|kind| kind == "array") {
            assert!(fields.contains_key("items"), "{fields:?}");
        }
        if let (Some(Value::Array(required)), Some(Value::Object(properties))) =
            (fields.get("required"), fields.get("properties"))
        {
            for field in required {
                assert!(properties.contains_key(field.as_str().unwrap()), "{field} {fields:?}");
            }
        }
    });
}

/// The document without the wider schemas of what is taken.
fn meant(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "x-lenient")
            .map(|(name, value)| (name.clone(), meant(value)))
            .collect(),
        Value::Array(items) => items.iter().map(meant).collect(),
        value => value.clone(),
    }
}

/// The document with every schema replaced by the wider one of what is taken in its place.
fn widened(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("x-lenient") {
            Some(taken) => taken.clone(),
            None => fields.iter().map(|(name, value)| (name.clone(), widened(value))).collect(),
        },
        Value::Array(items) => items.iter().map(widened).collect(),
        value => value.clone(),
    }
}

#[test]
fn every_example_fits_its_schema_and_the_wider_one() {
    let document = document();
    let wide = widened(&document["components"]);
    let mut examples = 0;

    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for components in [&document["components"], &wide] {
            let root = serde_json::json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": format!("#/components/schemas/{name}"),
                "components": components,
            });
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&root)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            for example in schema
                .get("example")
                .into_iter()
                .chain(schema["examples"].as_array().into_iter().flatten())
            {
                let errors: Vec<String> =
                    validator.iter_errors(example).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{name}: {errors:?}");
                examples += 1;
            }
        }
    }

    assert!(examples > 40, "{examples}");
}

#[test]
fn every_field_and_parameter_is_described() {
    let document = document();

    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}.{field}");
        }
    }
    for (method, path, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let named = parameter["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
            let parameter = named.map_or(Some(parameter), |name| document.pointer(name)).unwrap();
            assert!(parameter["description"].is_string(), "{method} {path}: {}", parameter["name"]);
        }
    }
}

#[test]
fn every_operation_is_named_filed_guarded_and_described() {
    let document = document();
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut names = BTreeSet::new();

    for (method, path, operation) in operations() {
        let what = format!("{method} {path}");
        let name = operation["operationId"].as_str().expect(&what).to_owned();
        assert!(names.insert(name.clone()), "{what}: {name} is the name of another operation, too");
        assert!(operation["x-permission"].is_string(), "{what}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
        for tag in operation["tags"].as_array().expect(&what) {
            assert!(tags.contains(tag.as_str().unwrap()), "{what}: {tag}");
        }
        for requirement in operation["security"].as_array().expect(&what) {
            for scheme in requirement.as_object().unwrap().keys() {
                assert!(schemes.contains_key(scheme), "{what}: {scheme}");
            }
        }
        let is_public = operation["x-permission"] == "public";
        let strangers_pass = operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one == &serde_json::json!({}));
        assert_eq!(is_public, strangers_pass, "{what}");
        assert_eq!(
            operation["responses"].get("401").is_some(),
            !is_public || ["sign_in", "join"].contains(&name.as_str()),
            "{what}"
        );
        for (status, response) in operation["responses"].as_object().expect(&what) {
            assert!(response["description"].is_string(), "{what} {status}");
            let has_body = response["content"].as_object().is_some_and(|content| {
                content.iter().all(|(kind, media)| {
                    kind != "application/json"
                        || media["schema"].is_object()
                        || path.ends_with("openapi.json")
                })
            });
            assert!(has_body, "{what} {status} has no documented body");
        }
        if let Some(body) = operation.get("requestBody").filter(|_| takes_json(&operation)) {
            let schema = body_schema(&document, body).expect(&what);
            assert!(schema["example"].is_object(), "{what} has no example");
        }
        let in_path = path.contains("{id}");
        let declared = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|parameter| parameter["in"] == "path");
        assert_eq!(in_path, declared, "{what}");
    }
}

#[tokio::test]
async fn the_examples_of_bodies_are_accepted() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;
    let document = document();

    for (method, path, operation) in operations() {
        let Some(schema) = body_schema(&document, &operation["requestBody"]) else { continue };
        let example = &schema["example"];

        let request = app
            .request(method.clone(), &path.replace("{id}", "no-such-thing").replace("{seq}", "1"))
            .with_cookie(&cookie);
        let answer = request.json(example).send().await;

        let is_sign_in = path.starts_with("/api/auth/");
        let accepted = match answer.status.as_u16() {
            200 | 201 => true,
            401 => {
                let refused = ["wrong_credentials", "wrong_code", "invitation_invalid"];
                is_sign_in && refused.contains(&answer.code())
            }
            409 => is_sign_in && answer.code() == "second_factor_state",
            404 => path.contains("{id}"),
            _ => false,
        };
        assert!(
            accepted || (path.ends_with("change-password") && answer.status == 200),
            "{method} {path}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn the_explorer_loads_everything_from_this_server() {
    let app = TestApp::start().await;
    let redirect = app.get("/api/docs").send().await;
    assert_eq!(redirect.header("location"), Some("/api/docs/"));
    let index = app.get("/api/docs/").send().await;
    assert_eq!(index.status, 200);
    assert!(index.header("content-type").unwrap().starts_with("text/html"));

    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for part in index.text.split(attribute).skip(1) {
            let asset = part.split('"').next().unwrap();
            assert!(!asset.contains("://") && !asset.starts_with("//"), "{asset}");
            let path = format!("/api/docs/{}", asset.trim_start_matches("./"));

            let answer = app.get(&path).send().await;

            let kind = match path.rsplit('.').next().unwrap() {
                "js" => "javascript",
                "css" => "text/css",
                "png" => "image/png",
                other => panic!("{other}"),
            };
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.header("content-type").unwrap().contains(kind), "{path}");
            loaded += 1;
        }
    }

    assert!(loaded >= 4, "{}", index.text);
    let initializer = app.get("/api/docs/swagger-initializer.js").send().await;
    assert!(initializer.text.contains("/api/openapi.json"), "{}", initializer.text);
    for text in [&index.text, &initializer.text] {
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    }
}

#[tokio::test]
async fn the_explorer_runs_under_its_own_content_security_policy() {
    let app = TestApp::start().await;

    let index = app.get("/api/docs/").send().await;

    let policy = index.header("content-security-policy").unwrap();
    assert!(!policy.contains("script-src"), "scripts fall under default-src 'self'");
    let inline = index.text.split("<script").skip(1).filter(|part| {
        let (tag, rest) = part.split_once('>').unwrap();
        !tag.contains("src=") && !rest.trim_start().starts_with("</script>")
    });
    assert_eq!(inline.count(), 0, "the policy would stop inline scripts: {}", index.text);
}

#[tokio::test]
async fn the_page_in_place_of_a_console_leads_to_places_that_are_there() {
    let app = TestApp::start().await;

    let page = app.get("/").send().await;

    assert!(page.text.contains("cargo xtask run"), "it says how to get the console");
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    for part in page.text.split("href=\"").skip(1) {
        let link = part.split('"').next().unwrap();
        assert_eq!(app.get(link).send().await.status, 200, "{link}");
    }
}

#[tokio::test]
async fn health_and_meta_say_what_clients_look_for() {
    let app = TestApp::builder().with_agent_token().start().await;

    let health = app.get("/api/health").send().await;
    let meta = app.get("/api/meta").send().await;

    assert_eq!(
        (&health.body["success"], &health.body["status"]),
        (&true.into(), &"healthy".into())
    );
    assert!(
        health.body["timestamp"].as_str().unwrap().ends_with('Z')
            && health.body.get("data").is_none()
    );
    let data = &meta.body["data"];
    assert_eq!(data["service"], "PilotDeck");
    assert_eq!(data["apiBase"], "/api");
    assert_eq!(data["dataLastUpdated"], Value::Null);
    assert_eq!(data["projectCount"], 0);
    assert_eq!(
        data["enums"],
        serde_json::json!({
            "status": ["planning", "in-progress", "paused", "completed", "cancelled"],
            "priority": ["low", "medium", "high", "urgent"],
        })
    );
    assert_eq!(
        data["auth"],
        serde_json::json!({
            "agentTokenRequired": true, "adminTokenRequired": false,
            "agentHeader": "X-PM-Agent-Token", "adminHeader": "X-PM-Token",
        })
    );
    for capability in [
        "projects",
        "stats",
        "agentRuns",
        "agentEvents",
        "agentActions",
        "agentProfiles",
        "agentCapabilities",
        "tokenUsage",
        "projectsBatch",
        "projectsPatch",
    ] {
        assert_eq!(data["capabilities"][capability], true, "{capability}");
    }
    assert!(data["version"].is_string());
}
