//! What Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};

use pilotdeck_testkit::{Method, TestApp};
use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

/// The samples, by name with labels.
fn samples(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.to_owned())
    };
    lines.map(sample).collect()
}

#[tokio::test]
async fn requests_are_counted_by_template_method_and_class_of_status() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p1" })).await;
    for path in
        ["/api/projects/p1", "/api/projects/p1", "/api/projects/none", "/api/nothing", "/", "/x"]
    {
        app.get(path).send().await;
    }
    app.request("BREW".parse().unwrap(), "/api/projects/p1").send().await;
    app.request(Method::HEAD, "/api/health").send().await;
    let ready = app.get("/health/ready").send().await;
    assert_eq!(ready.status, 200);

    let answer = app.get("/metrics").send().await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(answer.text.ends_with("# EOF\n"));
    let samples = samples(&answer.text);
    let requests = |route: &str, method: &str, status: &str| {
        let labels = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
        let counted = samples.get(&format!("pilotdeck_http_requests_total{labels}"));
        let timed = format!("pilotdeck_http_request_duration_seconds_count{labels}");
        assert_eq!(samples.get(&timed), counted, "{labels}");
        counted.map(String::as_str)
    };
    assert_eq!(requests("/api/projects/{id}", "GET", "2xx"), Some("2"));
    assert_eq!(requests("/api/projects/{id}", "GET", "4xx"), Some("1"));
    assert_eq!(requests("/api/projects/{id}", "(other)", "4xx"), Some("1"));
    assert_eq!(requests("/api/health", "HEAD", "2xx"), Some("1"));
    assert_eq!(requests("(other)", "GET", "4xx"), Some("1"));
    assert_eq!(requests("(console)", "GET", "2xx"), Some("2"));
    assert_eq!(samples["pilotdeck_http_requests_in_flight"], "1");
    assert_eq!(samples["pilotdeck_ready"], "1");
    let number = |name: &str| samples[name].parse::<f64>().unwrap();
    assert_eq!(samples["pilotdeck_ledger_seq"], app.ledger_head().await.0.to_string());
    assert!(number("pilotdeck_database_write_seconds_count") >= 2.0);
    assert!(number("pilotdeck_database_read_seconds_count") >= 1.0);
    assert!(number("pilotdeck_database_writer_wait_seconds_count") >= 2.0);
    assert_eq!(samples["pilotdeck_database_writer_waiting"], "0");
    assert!(number("pilotdeck_database_file_bytes") > 0.0);
    assert!(number("pilotdeck_disk_free_bytes") > 0.0);
    assert!(number("process_resident_memory_bytes") > 1e6);
    assert!(number("process_cpu_seconds_total") > 0.0);
    let build = format!("pilotdeck_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples[&build], "1");
}

#[tokio::test]
async fn sign_ins_are_counted_by_result_and_streams_while_they_are_open() {
    let app = TestApp::start().await;
    let cookie = app.sign_in("admin", "admin").await;
    for _ in 0..12 {
        let body = json!({ "username": "ada", "password": "wrong" });
        app.post("/api/auth/login").json(&body).send().await;
    }
    let stream = app.get("/api/stream").with_cookie(&cookie).follow().await.unwrap();

    let open = samples(&app.get("/metrics").send().await.text);
    drop(stream);

    assert_eq!(open["pilotdeck_sign_ins_total{result=\"succeeded\"}"], "1");
    assert_eq!(open["pilotdeck_sign_ins_total{result=\"refused\"}"], "10");
    assert_eq!(open["pilotdeck_sign_ins_total{result=\"throttled\"}"], "2");
    assert_eq!(open["pilotdeck_streams_open"], "1");
}

#[tokio::test]
async fn any_number_of_addresses_makes_a_bounded_number_of_series() {
    let app = TestApp::start().await;
    app.get("/api/projects/first").send().await;
    app.get("/api/first").send().await;
    app.get("/first").send().await;
    let before = samples(&app.get("/metrics").send().await.text).len();
    app.get("/metrics").send().await;
    let before = before.max(samples(&app.get("/metrics").send().await.text).len());

    for turn in 0..100 {
        app.get(&format!("/api/projects/planted-{turn}")).send().await;
        app.get(&format!("/api/planted-{turn}")).send().await;
        app.get(&format!("/planted-{turn}")).send().await;
    }
    let answer = app.get("/metrics").send().await;

    assert_eq!(samples(&answer.text).len(), before);
    assert!(!answer.text.contains("planted"));
}

#[tokio::test]
async fn figures_are_for_this_machine_and_for_administrators() {
    let app = TestApp::builder().with_agent_token().with_admin_token().start().await;
    let behind = TestApp::builder()
        .with_agent_token()
        .with_setup(|setup| setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
        .start()
        .await;
    app.a_person("ada", "member").await;
    let (admin, ada) = (app.sign_in("admin", "admin").await, app.sign_in("ada", "password").await);

    assert_eq!(app.get("/metrics").send().await.status, 200);
    for header in [
        "x-forwarded-for",
        "forwarded",
        "via",
        "x-real-ip",
        "x-forwarded-host",
        "x-forwarded-proto",
    ] {
        let through = || app.get("/metrics").header(header, "for=127.0.0.1");
        assert_eq!(through().send().await.status, 401, "{header}");
        assert_eq!(through().as_agent().send().await.status, 401, "{header}");
        assert_eq!(through().with_cookie(&ada).send().await.status, 403, "{header}");
        assert_eq!(through().with_cookie(&admin).send().await.status, 200, "{header}");
        assert_eq!(through().as_admin().send().await.status, 200, "{header}");
    }
    assert_ne!(behind.get("/metrics").send().await.status, 200, "the peer may be the proxy");
    let page = app.get("/metrics").header("host", "deck.example").send().await;
    assert_eq!(page.status, 403);
    assert_eq!(app.post("/metrics").send().await.status, 405);
}

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/pilotdeck.json");
const ALERTS: &str = include_str!("../../../../deploy/prometheus/alerts.yml");

/// The metrics that an expression of Prometheus names.
fn named(expression: &str) -> BTreeSet<String> {
    expression
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("pilotdeck_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// The expressions of a dashboard, wherever they stand in it.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "expr" || name == "query" => {
                        found.push(text.clone());
                    }
                    field => expressions(field, found),
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_use_what_there_is() {
    let app = TestApp::start().await;
    app.a_project(json!({ "id": "p1" })).await;
    let text = app.get("/metrics").send().await.text;
    let text = text + &app.get("/metrics").send().await.text;
    let exported: BTreeSet<String> =
        samples(&text).keys().map(|name| name.split('{').next().unwrap().to_owned()).collect();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut used = Vec::new();
    expressions(&dashboard, &mut used);
    let panels = dashboard["panels"].as_array().unwrap().len();
    let alerts = YamlLoader::load_from_str(ALERTS).unwrap();
    let rules = alerts[0]["groups"][0]["rules"].as_vec().unwrap();
    for rule in rules {
        used.push(rule["expr"].as_str().unwrap().to_owned());
        let name = rule["alert"].as_str().unwrap();
        assert!(rule["labels"]["severity"].as_str().is_some(), "{name}");
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].as_str().is_some(), "{name}: {text}");
        }
    }

    let names: BTreeSet<String> = used.iter().flat_map(|expression| named(expression)).collect();
    let missing: Vec<_> = names.difference(&exported).collect();

    assert!(missing.is_empty(), "{missing:?} are used and not exported");
    assert!(panels > 15 && rules.len() > 10 && names.len() > 15, "{names:?}");
}
