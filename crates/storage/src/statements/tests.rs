//! Every statement, prepared and explained by the engine.

use pilotdeck_domain::clock::Clock;
use sqlx::{AssertSqlSafe, Row as _};

use crate::{OpenOptions, machine_time_zone, open};

/// Tables that never have more rows than a page can show.
const SMALL: [&str; 9] = [
    "projects",
    "users",
    "agent_profiles",
    "agent_capabilities",
    "meta",
    "json_each",
    "jsonb_each",
    "usage_groups",
    "run_counts",
];

/// Names that the plans of our statements give to other things than tables that grow.
const NO_TABLES: [&str; 10] =
    ["wanted", "new", "amounts", "edges", "e", "chosen", "g", "parts", "recent", "CONSTANT"];

/// Statements that look at many rows or sort some, and why they may.
const EXCUSED: [(&str, &str, &str); 13] = [
    ("events", "LIST_IN_RUN", "sorts the events of one moment"),
    ("runs", "FIND_BY_SESSION", "sorts the runs of one session: one for each program"),
    ("runs", "RESOLVE", "sorts the runs of one session: one for each program"),
    ("keys", "LIST_KEYS", "administrators see them all: a person has a hundred at most"),
    ("insights", "TOKENS", "adds up what is kept of each group and day, of which there are few"),
    ("insights", "SERIES", "adds up what is kept of each group and day, of which there are few"),
    ("usage", "LIST_IN_GROUPS", "sorts a page of each group"),
    ("sums", "READ_CACHES", "computes all anew"),
    ("sums", "SETTLE_TOTALS", "computes all anew"),
    ("sums", "FORGET_SUMS", "computes all anew"),
    ("sums", "FIND_GROUPS", "computes all anew"),
    ("sums", "ADD_UP", "computes all anew"),
    ("sums", "COUNT_RUNS", "computes all anew"),
];

const ALL: [(&str, &[(&str, &str)]); 15] = [
    ("capabilities", crate::capabilities::STATEMENTS),
    ("checkpoints", crate::checkpoints::STATEMENTS),
    ("events", crate::events::STATEMENTS),
    ("history", crate::history::STATEMENTS),
    ("insights", crate::insights::STATEMENTS),
    ("ledger", crate::ledger::STATEMENTS),
    ("members", crate::members::STATEMENTS),
    ("meta", crate::meta::STATEMENTS),
    ("profiles", crate::profiles::STATEMENTS),
    ("projects", crate::projects::STATEMENTS),
    ("receipts", crate::receipts::STATEMENTS),
    ("runs", crate::runs::STATEMENTS),
    ("streams", crate::streams::STATEMENTS),
    ("sums", crate::sums::STATEMENTS),
    ("usage", crate::usage::STATEMENTS),
];

/// What is wrong with one step of a plan of `sql`.
fn objection(step: &str, sql: &str) -> Option<String> {
    let small = |name: &str| SMALL.contains(&name) || NO_TABLES.contains(&name);
    if let Some(scan) = step.strip_prefix("SCAN ") {
        let name = scan.split_whitespace().next().unwrap_or_default();
        // The rows of the ledger lie in the order of their places.
        let is_ordered = scan.contains("INDEX") || name == "ledger";
        let walks_a_page = is_ordered && sql.contains("LIMIT");
        // What a subquery reads is a step of its own.
        let is_subquery = name.starts_with("(subquery-");
        return (!small(name) && !walks_a_page && !is_subquery)
            .then(|| format!("reads all of {name}: {step}"));
    }
    let sorts_small = SMALL.iter().any(|table| sql.contains(&format!("FROM {table}")));
    (step.contains("TEMP B-TREE") && !sorts_small).then(|| format!("sorts: {step}"))
}

#[tokio::test]
async fn every_statement_prepares_and_none_reads_all_of_a_table_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        path: &folder.path().join("pm.db"),
        durability: crate::Durability::Process,
        clock: &Clock::default(),
        local_time: &machine_time_zone,
    };
    let (database, _) = open(options).await.unwrap();
    let mut tx = database.read().await.unwrap();
    let mut objections = Vec::new();

    for (module, statements) in ALL.into_iter().chain(crate::identity::ALL_STATEMENTS) {
        for (name, sql) in statements {
            let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = sqlx::query(explained)
                .fetch_all(tx.conn())
                .await
                .unwrap_or_else(|error| panic!("{module}.{name} does not prepare: {error}"));
            let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            if !EXCUSED.iter().any(|excused| (excused.0, excused.1) == (module, *name)) {
                let wrong = steps.iter().filter_map(|step| objection(step, sql));
                objections.extend(wrong.map(|wrong| format!("{module}.{name} {wrong}")));
            }
        }
    }

    assert_eq!(objections, Vec::<String>::new());
}
