//! What is kept beside what is computed, after random histories.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use pilotdeck_domain::paging::Cursor;
use pilotdeck_domain::times::{self, WireTime};
use pilotdeck_domain::usage::UsageRecord;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

use super::compute;
use crate::testing::database;
use crate::{
    DaySum, Dimension, Document, RunFilter, RunList, TokenFilter, TokenSum, Tx, UsageFilter,
    UsageRow,
};

/// Something that happens to the rows.
#[derive(Clone, Debug)]
enum Step {
    /// A run is inserted, or there is one already.
    Start { run: u8, words: [Option<u8>; 3] },
    /// A run gets another project, agent and status.
    Change { run: u8, words: [Option<u8>; 3] },
    /// A project is deleted.
    Detach { project: u8 },
    /// Somebody deletes a run.
    Remove { run: u8 },
    /// Records of calls are stored by one commit, each whose id is free.
    Record(Vec<Call>),
    /// A run reports its total, again or for the first time.
    Report { run: u8, session: Option<u8>, call: Call },
    /// Somebody deletes a record.
    Forget { id: u8 },
}

#[derive(Clone, Debug)]
struct Call {
    id: u8,
    belongs: [Option<u8>; 5],
    run: Option<u8>,
    session: Option<u8>,
    hours: u8,
    tokens: i64,
    cost: f64,
    cache: [i64; 2],
}

fn words<const N: usize>() -> impl Strategy<Value = [Option<u8>; N]> {
    prop::array::uniform(prop::option::weighted(0.8, 0..3_u8))
}

fn call() -> impl Strategy<Value = Call> {
    let named = || prop::option::of(0..4_u8);
    let tokens = prop_oneof![8 => 0..1000_i64, 1 => Just(i64::MAX), 1 => Just(0)];
    let cost = prop_oneof![8 => (0..2_000_000_000_u32).prop_map(|parts| f64::from(parts) / 1e9), 2 => Just(0.1), 1 => Just(0.0),
        1 => Just(2e9), 1 => Just(1e17), 1 => Just(1e300)];
    let cache = prop_oneof![4 => Just(0), 4 => 0..1000_i64, 1 => Just(i64::MAX)];
    let cache = prop::array::uniform2(cache);
    (0..12_u8, words(), named(), named(), 0..72_u8, tokens, cost, cache).prop_map(
        |(id, belongs, run, session, hours, tokens, cost, cache)| Call {
            id,
            belongs,
            run,
            session,
            hours,
            tokens,
            cost,
            cache,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let run = || 0..6_u8;
    prop_oneof![
        3 => (run(), words()).prop_map(|(run, words)| Step::Start { run, words }),
        3 => (run(), words()).prop_map(|(run, words)| Step::Change { run, words }),
        1 => (0..3_u8).prop_map(|project| Step::Detach { project }),
        1 => run().prop_map(|run| Step::Remove { run }),
        6 => prop::collection::vec(call(), 1..4).prop_map(Step::Record),
        4 => (0..4_u8, prop::option::of(0..4_u8), call())
            .prop_map(|(run, session, call)| Step::Report { run, session, call }),
        1 => (0..12_u8).prop_map(|id| Step::Forget { id }),
    ]
}

fn noon() -> DateTime<Utc> {
    times::parse("2026-02-11T12:00:00Z").unwrap()
}

async fn run(tx: &mut Tx, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(tx.conn()).await.unwrap();
}

async fn texts(tx: &mut Tx, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(tx.conn()).await.unwrap()
}

fn quoted(prefix: &str, word: Option<u8>) -> String {
    word.map_or_else(|| "NULL".to_owned(), |word| format!("'{prefix}{word}'"))
}

impl Call {
    fn record(&self, id: &str, run: Option<&str>, session: Option<u8>) -> UsageRecord {
        let [project, agent, workspace, source, model] = self.belongs;
        let named = |prefix: &str, word: Option<u8>| word.map(|word| format!("{prefix}{word}"));
        let ts = noon() + TimeDelta::hours(self.hours.into());
        let fields = json!({
            "id": id, "ts": ts, "projectId": named("p", project), "agentId": named("a", agent),
            "workspace": named("w", workspace), "source": named("s", source), "model": named("m", model),
            "runId": run, "sessionId": named("ses", session), "promptTokens": self.tokens / 2,
            "completionTokens": self.tokens / 3, "totalTokens": self.tokens, "cost": self.cost,
            "cacheReadTokens": self.cache[0], "data": { "cache": { "write": self.cache[1] } },
        });
        let Value::Object(fields) = fields else { unreachable!() };
        UsageRecord::create(fields, noon()).unwrap()
    }
}

async fn apply(tx: &mut Tx, place: usize, step: &Step) {
    match step {
        Step::Start { run: id, words: [project, agent, status] } => {
            let (project, agent, status) =
                (quoted("p", *project), quoted("a", *agent), quoted("s", *status));
            let created = if place.is_multiple_of(5) {
                "NULL".to_owned()
            } else {
                format!("'t{}'", place % 3)
            };
            run(
                tx,
                format!(
                    "INSERT INTO agent_runs (id, project_id, agent_id, status, created_at, updated_at, payload_json)
                     VALUES ('r{id}', {project}, {agent}, {status}, {created}, 'Z',
                             json_object('id', 'r{id}', 'createdAt', {created}))
                         ON CONFLICT DO NOTHING"
                ),
            )
            .await;
        }
        Step::Change { run: id, words: [project, agent, status] } => {
            let (project, agent, status) =
                (quoted("p", *project), quoted("a", *agent), quoted("s", *status));
            run(
                tx,
                format!(
                    "UPDATE agent_runs SET project_id = {project}, agent_id = {agent}, status = {status} WHERE id = 'r{id}'"
                ),
            )
            .await;
        }
        Step::Detach { project } => {
            tx.runs().detach(&format!("p{project}")).await.unwrap();
        }
        Step::Remove { run: id } => {
            run(tx, format!("DELETE FROM agent_runs WHERE id = 'r{id}'")).await;
        }
        Step::Record(calls) => {
            let mut taken: BTreeSet<String> =
                texts(tx, "SELECT id FROM token_usage_records").await.into_iter().collect();
            for call in calls {
                let of_run = call
                    .run
                    .map(|run| if run == 3 { "ses0".to_owned() } else { format!("run{run}") });
                let record = call.record(&format!("u{}", call.id), of_run.as_deref(), call.session);
                if taken.insert(record.id().to_string()) {
                    tx.usage().append_with_commit(&UsageRow::from(&record));
                }
            }
        }
        Step::Report { run, session, call } => {
            let record = call.record(&format!("total{run}"), Some(&format!("run{run}")), *session);
            tx.usage().mark_total(&record).await.unwrap();
            if tx.usage().find(record.id().as_str()).await.unwrap().is_some() {
                tx.usage().replace(&record).await.unwrap();
            } else {
                tx.usage().append_with_commit(&UsageRow::from(&record));
            }
        }
        Step::Forget { id } => {
            run(tx, format!("DELETE FROM token_usage_records WHERE id = 'u{id}'")).await;
        }
    }
}

/// What is kept, row by row, without the numbers that groups happen to have.
async fn kept(tx: &mut Tx) -> Vec<String> {
    let mut kept = texts(
        tx,
        "SELECT json_array(project_id, agent_id, workspace, source, model, day, records, prompt_high, prompt_low,
                           completion_high, completion_low, total_high, total_low, cost_high, cost_low,
                           cost_rest, newest, unpriced, unpriced_high, unpriced_low, cache_read_high,
                           cache_read_low, cache_write_high, cache_write_low)
           FROM usage_sums s JOIN usage_groups g ON g.id = s.group_id ORDER BY 1",
    )
    .await;
    kept.extend(
        texts(tx, "SELECT json_array(record_id, is_counted) FROM usage_totals ORDER BY 1").await,
    );
    kept.extend(
        texts(
            tx,
            "SELECT json_array(project_id, agent_id, status, runs) FROM run_counts ORDER BY 1",
        )
        .await,
    );
    kept
}

/// The records that count, as documents.
async fn counted(tx: &mut Tx) -> Vec<Map<String, Value>> {
    let all: Vec<Map<String, Value>> =
        texts(tx, "SELECT payload_json FROM token_usage_records ORDER BY ts DESC, rowid DESC")
            .await
            .into_iter()
            .map(|text| Document::stored(text).fields().unwrap())
            .collect();
    let text = |record: &Map<String, Value>, field: &str| {
        record[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let is_total = |record: &Map<String, Value>| text(record, "id").unwrap().starts_with("total");
    let named: BTreeSet<String> = all
        .iter()
        .filter(|record| !is_total(record))
        .filter_map(|record| text(record, "runId").or_else(|| text(record, "sessionId")))
        .collect();
    let is_replaced = |record: &Map<String, Value>| {
        let of_run = [text(record, "runId"), text(record, "sessionId")];
        is_total(record) && of_run.into_iter().flatten().any(|name| named.contains(&name))
    };
    all.iter().filter(|record| !is_replaced(record)).cloned().collect()
}

fn matches(record: &Map<String, Value>, filter: &UsageFilter) -> bool {
    let is = |field: &str, wanted: &Option<String>| {
        wanted.as_deref().is_none_or(|wanted| record[field].as_str() == Some(wanted))
    };
    let ts = record["ts"].as_str().unwrap();
    is("projectId", &filter.project_id)
        && is("agentId", &filter.agent_id)
        && is("workspace", &filter.workspace)
        && is("source", &filter.source)
        && filter.since.as_deref().is_none_or(|since| ts >= since)
        && filter.until.as_deref().is_none_or(|until| ts <= until)
}

/// What is added up of records that belong together.
#[derive(Debug, PartialEq)]
struct Facts {
    records: i64,
    tokens: i128,
    cost: f64,
    newest: String,
    unpriced: (i64, i128),
    cache: (i128, i128),
}

impl From<TokenSum> for Facts {
    fn from(sum: TokenSum) -> Self {
        Self {
            records: sum.records,
            tokens: sum.total_tokens,
            cost: sum.cost,
            newest: sum.newest,
            unpriced: (sum.unpriced_records, sum.unpriced_tokens),
            cache: (sum.cache_read_tokens, sum.cache_write_tokens),
        }
    }
}

impl Facts {
    fn of(records: &[&Map<String, Value>]) -> Self {
        let whole = |value: &Value| i128::from(value.as_i64().unwrap());
        let tokens = |record: &Map<String, Value>| whole(&record["totalTokens"]);
        let cost = |record: &Map<String, Value>| record["cost"].as_f64().unwrap();
        let costs = records.iter().map(|record| parts(cost(record))).sum::<i128>();
        let unpriced = || {
            let free = records.iter().filter(|record| cost(record) <= 0.0);
            free.map(|record| tokens(record)).filter(|tokens| *tokens > 0)
        };
        #[expect(clippy::cast_precision_loss, reason = "the answer is the double beside the sum")]
        Self {
            records: i64::try_from(records.len()).unwrap(),
            tokens: records.iter().map(|record| tokens(record)).sum(),
            cost: costs as f64 / 1e10,
            newest: records
                .iter()
                .map(|record| record["ts"].as_str().unwrap())
                .max()
                .unwrap()
                .to_owned(),
            unpriced: (i64::try_from(unpriced().count()).unwrap(), unpriced().sum()),
            cache: (
                records.iter().map(|record| whole(&record["cacheReadTokens"])).sum(),
                records.iter().map(|record| whole(&record["data"]["cache"]["write"])).sum(),
            ),
        }
    }
}

/// By dimension, name and, in a series, day.
type Sums = BTreeMap<(u8, String, String), Facts>;

const DIMENSIONS: [Dimension; 7] = [
    Dimension::Total,
    Dimension::Day,
    Dimension::Project,
    Dimension::Agent,
    Dimension::Workspace,
    Dimension::Model,
    Dimension::Source,
];

fn place(dimension: Dimension) -> u8 {
    let place = DIMENSIONS.iter().position(|known| *known == dimension).unwrap();
    u8::try_from(place).unwrap()
}

fn name(record: &Map<String, Value>, dimension: Dimension) -> String {
    let (field, otherwise) = match dimension {
        Dimension::Total => return String::new(),
        Dimension::Day => return day(record),
        Dimension::Project => ("projectId", "unassigned"),
        Dimension::Agent => ("agentId", "unassigned"),
        Dimension::Workspace => ("workspace", "unknown"),
        Dimension::Model => ("model", "unknown"),
        Dimension::Source => ("source", "unknown"),
    };
    let name = record[field].as_str().filter(|name| !name.is_empty());
    name.unwrap_or(otherwise).to_owned()
}

fn day(record: &Map<String, Value>) -> String {
    record["ts"].as_str().unwrap()[..10].to_owned()
}

fn added_up<'r>(
    records: impl Iterator<Item = &'r Map<String, Value>>,
    dimensions: &[Dimension],
    of_day: impl Fn(&Map<String, Value>) -> String,
) -> Sums {
    let mut groups: BTreeMap<_, Vec<&Map<String, Value>>> = BTreeMap::new();
    for record in records {
        for dimension in dimensions {
            let key = (place(*dimension), name(record, *dimension), of_day(record));
            groups.entry(key).or_default().push(record);
        }
    }
    groups.into_iter().map(|(key, records)| (key, Facts::of(&records))).collect()
}

/// A cost in the parts that are added up: ten digits after the point, and no more whole units than 64 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is cut off")]
fn parts(cost: f64) -> i128 {
    let whole = i128::from(cost as i64);
    let rest =
        if cost < 2_f64.powi(53) { ((cost - cost.trunc()) * 1e10).round() as i128 } else { 0 };
    whole * 10_000_000_000 + rest
}

fn filter() -> impl Strategy<Value = TokenFilter> {
    let named = |prefix: &'static str| {
        prop::option::weighted(0.3, 0..3_u8)
            .prop_map(move |word| word.map(|word| format!("{prefix}{word}")))
    };
    let time = || {
        let minutes = prop_oneof![
            (-60..5000_i64),
            (0..72_i64).prop_map(|hours| hours * 60),
            Just(720),
            Just(2160)
        ];
        prop::option::of(minutes.prop_map(|minutes| {
            WireTime::from(noon() + TimeDelta::minutes(minutes)).as_str().to_owned()
        }))
    };
    (named("p"), named("a"), named("w"), named("s"), time(), time(), named("m")).prop_map(
        |(project_id, agent_id, workspace, source, since, until, model)| TokenFilter {
            usage: UsageFilter {
                project_id,
                agent_id,
                workspace,
                source,
                since,
                until,
                within: None,
            },
            model,
        },
    )
}

async fn histories_agree(steps: Vec<Step>, filters: Vec<TokenFilter>) {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    for (place, step) in steps.iter().enumerate() {
        let mut tx = database.write().await.unwrap();
        apply(&mut tx, place, step).await;
        tx.commit_without_lines().await.unwrap();
    }

    let mut tx = database.write().await.unwrap();
    let records = counted(&mut tx).await;
    for filter in filters {
        let matching = || records.iter().filter(|record| matches(record, &filter.usage));
        let of_model = || {
            let wanted = filter.model.as_deref();
            matching()
                .filter(move |record| wanted.is_none_or(|it| record["model"].as_str() == Some(it)))
        };
        let sums = tx.insights().tokens(&filter).await.unwrap();
        let kept: Sums = sums
            .into_iter()
            .map(|sum| ((place(sum.dimension), sum.name.clone(), String::new()), sum.into()))
            .collect();
        assert_eq!(kept, added_up(of_model(), &DIMENSIONS, |_| String::new()), "{filter:?}");
        for dimension in &DIMENSIONS[2..] {
            let series = tx.insights().token_series(&filter, *dimension).await.unwrap();
            let kept: Sums = series
                .into_iter()
                .map(|DaySum { day, sum }| {
                    ((place(sum.dimension), sum.name.clone(), day), sum.into())
                })
                .collect();
            assert_eq!(kept, added_up(of_model(), &[*dimension], day), "{dimension:?} {filter:?}");
        }

        let wanted: Vec<&str> = matching().map(|record| record["id"].as_str().unwrap()).collect();
        assert_eq!(all_pages(&mut tx, &filter.usage).await, wanted, "{filter:?}");
    }
    runs_agree(&mut tx).await;

    let before = kept(&mut tx).await;
    compute(tx.conn()).await.unwrap();
    assert_eq!(before, kept(&mut tx).await);
}

/// The ids of all records, three at a time.
async fn all_pages(tx: &mut Tx, filter: &UsageFilter) -> Vec<String> {
    let (mut ids, mut after): (Vec<String>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = tx.usage().list(filter, after.as_ref(), 3).await.unwrap();
        let id = |record: &Document| record.fields().unwrap()["id"].as_str().unwrap().to_owned();
        ids.extend(page.documents.iter().map(id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

async fn runs_agree(tx: &mut Tx) {
    let choices = |prefix: &str| -> Vec<Option<String>> {
        (0..4_u8).map(|word| (word < 3).then(|| format!("{prefix}{word}"))).collect()
    };
    for project_id in choices("p") {
        for agent_id in choices("a") {
            for status in choices("s") {
                let matching: Vec<String> = sqlx::query_scalar(
                    "SELECT id FROM agent_runs WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR agent_id = $2)
                        AND ($3 IS NULL OR status = $3) ORDER BY created_at DESC, rowid DESC",
                )
                .bind(&project_id)
                .bind(&agent_id)
                .bind(&status)
                .fetch_all(tx.conn())
                .await
                .unwrap();
                let mut filter = RunFilter {
                    project_id: project_id.clone(),
                    agent_id: agent_id.clone(),
                    status: status.clone(),
                    limit: 2,
                    ..RunFilter::default()
                };
                let mut ids = Vec::new();
                loop {
                    let RunList { page, total, .. } = tx.runs().list(&filter).await.unwrap();
                    assert_eq!(usize::try_from(total).unwrap(), matching.len(), "{filter:?}");
                    let id =
                        |run: &Document| run.fields().unwrap()["id"].as_str().unwrap().to_owned();
                    ids.extend(page.documents.iter().map(id));
                    filter.after = page.next;
                    if filter.after.is_none() {
                        break;
                    }
                }
                assert_eq!(ids, matching, "{filter:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_would_be_computed(
        steps in prop::collection::vec(step(), 0..60),
        filters in prop::collection::vec(filter(), 1..12),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(histories_agree(steps, filters));
    }
}

#[tokio::test]
async fn what_an_older_server_did_is_added_up_when_the_file_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = database(&folder).await;
    let total = pilotdeck_domain::runs::total_id("r");
    let mut tx = first.write().await.unwrap();
    // Replaced rows pass the triggers that see deletions, and nobody marked the total. A local time says who wrote.
    run(
        &mut tx,
        format!(
            "INSERT INTO agent_runs (id, project_id, status, updated_at, payload_json) VALUES ('r', 'p', 's', 'Z', '{{}}');
             INSERT OR REPLACE INTO agent_runs (id, project_id, status, updated_at, payload_json)
                  VALUES ('r', 'q', 's', '2026-02-11T12:00:00', '{{}}');
             INSERT INTO token_usage_records (id, ts, run_id, total_tokens, payload_json)
                  VALUES ('{total}', '2026-02-11T12:00:00.000000Z', 'r', 7, '{{}}'),
                         ('item', '2026-02-11T12:00:00.000000Z', 'r', 5, '{{}}');
             INSERT OR REPLACE INTO token_usage_records (id, ts, run_id, total_tokens, payload_json)
                  VALUES ('item', '2026-02-11T12:00:00.000000Z', 'r', 7, '{{\"data\":{{\"cache\":{{\"read\":4}}}}}}');
             COMMIT"
        ),
    )
    .await;
    drop(tx);
    first.close().await;

    let second = database(&folder).await;

    let mut tx = second.read().await.unwrap();
    let sums = tx.insights().tokens(&TokenFilter::default()).await.unwrap();
    let all = sums.iter().find(|sum| sum.dimension == Dimension::Total).unwrap();
    assert_eq!((all.records, all.total_tokens), (1, 7));
    assert_eq!((all.unpriced_records, all.unpriced_tokens, all.cache_read_tokens), (1, 7, 4));
    for (project, expected) in [(None, 1), (Some("p"), 0), (Some("q"), 1)] {
        let filter =
            RunFilter { project_id: project.map(str::to_owned), limit: 5, ..RunFilter::default() };
        assert_eq!(tx.runs().list(&filter).await.unwrap().total, expected, "{project:?}");
    }
}
