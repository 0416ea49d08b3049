//! What is counted for Prometheus, and how it is read.
//!
//! A request is counted under the template of its address, never under the address: the number of series is bounded by the
//! document, whatever is asked for. Counting a request takes one look-up and two atomic additions.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, get, web::Data};
use pilotdeck_services::operations::Figures;
use pilotdeck_services::{Meters, Services};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Mutex;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::error::{ApiError, ApiResult, ErrorCode};
use crate::limits::CallerKind;
use crate::process;
use crate::server::Surface;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What begins the names of ours; those of processes are everybody's.
const PREFIX: &str = "pilotdeck";
/// The template of what belongs to no operation.
pub(crate) const OTHER: &str = "(other)";
/// The template of the web console's pages and files.
pub(crate) const CONSOLE: &str = "(console)";
const LOGIN: &str = "/api/auth/login";
/// Seconds of an answer.
const SECONDS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// The methods that are told apart, and the word for all others.
pub(crate) const METHODS: [&str; 8] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_metrics);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallerLabel {
    caller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The series of one method and class of status.
struct Series {
    count: Counter,
    seconds: Histogram,
}

/// The series of one template; each begins with the first request of its kind.
#[derive(Default)]
struct Route([[OnceLock<Series>; CLASSES.len()]; METHODS.len()]);

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    routes: HashMap<String, Route>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RequestLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    /// In the order of [`CallerKind`].
    refused: [Counter; 3],
    sign_ins: Family<ResultLabel, Counter>,
    now: Now,
    /// Reading sets what is measured at that moment: one reads at a time.
    reading: Mutex<()>,
}

/// What is measured when somebody asks.
#[derive(Default)]
struct Now {
    ready: Gauge,
    ledger_seq: Gauge,
    streams: Gauge,
    waiting_bytes: Gauge,
    database_bytes: Gauge,
    log_bytes: Gauge,
    free_bytes: Gauge<f64, AtomicU64>,
    backups: Gauge<f64, AtomicU64>,
    backups_bad: Gauge<f64, AtomicU64>,
    backup_bytes: Gauge<f64, AtomicU64>,
    backup_proven: Gauge<f64, AtomicU64>,
    resident_bytes: Gauge<f64, AtomicU64>,
    cpu_seconds: Counter<f64, AtomicU64>,
    open_fds: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Counters for these templates and the database.
    pub(crate) fn new<'a>(templates: impl Iterator<Item = &'a str>, database: &Meters) -> Self {
        let mut all = Registry::default();
        let now = Now::default();
        now.register_process(&mut all);
        let registry = all.sub_registry_with_prefix(PREFIX);
        let requests = Family::<RequestLabels, Counter>::default();
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds =
            Family::<RequestLabels, Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        let (in_flight, sign_ins) =
            (Gauge::<i64>::default(), Family::<ResultLabel, Counter>::default());
        let refusals = Family::<CallerLabel, Counter>::default();
        let refused = CallerKind::ALL
            .map(|kind| refusals.get_or_create_owned(&CallerLabel { caller: kind.as_str() }));
        for result in ["succeeded", "refused", "throttled"] {
            sign_ins.get_or_create_owned(&ResultLabel { result });
        }
        let build = Info::new(BuildLabels { version: env!("CARGO_PKG_VERSION") });
        registry.register("build", "The program", build);
        registry.register("http_requests", "Answered requests", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "From the head of a request to the head of its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests without an answer",
            in_flight.clone(),
        );
        registry.register("rate_limit_refusals", "Requests beyond the limit", refusals);
        registry.register("sign_ins", "Attempts to sign in with a password", sign_ins.clone());
        register_database(registry, database);
        now.register(registry);
        let templates = templates.chain([OTHER, CONSOLE]);
        let routes = templates.map(|template| (template.to_owned(), Route::default())).collect();
        let reading = Mutex::default();
        Self {
            registry: all,
            routes,
            requests,
            seconds,
            in_flight,
            refused,
            sign_ins,
            now,
            reading,
        }
    }

    /// Counts a request until what is returned is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Whether requests are counted under this template.
    pub(crate) fn knows(&self, template: &str) -> bool {
        self.routes.contains_key(template)
    }

    /// Counts an answer.
    pub(crate) fn answered(
        &self,
        template: &str,
        method: &Method,
        status: StatusCode,
        error: Option<ErrorCode>,
        elapsed: Duration,
    ) {
        let template = if self.knows(template) { template } else { OTHER };
        let known = METHODS.iter().position(|known| *known == method.as_str());
        let method = known.unwrap_or(METHODS.len() - 1);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let series = self.routes[template].0[method][class].get_or_init(|| {
            let (method, status) = (METHODS[method], CLASSES[class]);
            let labels = RequestLabels { route: template.to_owned(), method, status };
            Series {
                count: self.requests.get_or_create_owned(&labels),
                seconds: self.seconds.get_or_create_owned(&labels),
            }
        });
        series.count.inc();
        series.seconds.observe(elapsed.as_secs_f64());
        if template == LOGIN && METHODS[method] == "POST" {
            let result = match error {
                None => "succeeded",
                Some(ErrorCode::TooManyAttempts | ErrorCode::RateLimited) => "throttled",
                Some(_) if status == StatusCode::UNAUTHORIZED => "refused",
                Some(_) => return,
            };
            self.sign_ins.get_or_create(&ResultLabel { result }).inc();
        }
    }

    /// Counts a request beyond the limit.
    pub(crate) fn refused(&self, kind: CallerKind) {
        self.refused[kind as usize].inc();
    }

    /// Everything, as text.
    async fn read(&self, services: &Services) -> Result<String, std::fmt::Error> {
        let _reading = self.reading.lock().await;
        let is_ready = services.operations.readiness().await.reasons().is_empty();
        self.now.set(&services.operations.figures().await, is_ready);
        let mut text = String::with_capacity(64 << 10);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A request that is not answered yet. Its client may hang up before it is.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn register_database(registry: &mut Registry, meters: &Meters) {
    let Meters { read, write, wait, waiting } = meters.clone();
    for (name, help, seconds) in [
        ("database_read", "How long units of work had a reading connection", read),
        ("database_write", "How long units of work had the writer's turn", write),
        ("database_writer_wait", "How long they waited for it", wait),
    ] {
        registry.register_with_unit(name, help, Unit::Seconds, seconds);
    }
    registry.register("database_writer_waiting", "Units of work that wait for the writer", waiting);
}

impl Now {
    fn register(&self, registry: &mut Registry) {
        let mut gauge =
            |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("ready", "1 if the server can do its work, as /health/ready says", &self.ready);
        gauge("ledger_seq", "The last line of the ledger", &self.ledger_seq);
        gauge("streams_open", "Open streams of the ledger", &self.streams);
        gauge(
            "intake_waiting_bytes",
            "What was accepted and waits to be written",
            &self.waiting_bytes,
        );
        gauge("database_file_bytes", "The size of the database", &self.database_bytes);
        gauge("database_wal_bytes", "The size of its write-ahead log", &self.log_bytes);
        for (name, help, gauge) in [
            ("disk_free_bytes", "What is free on the disk of the database", &self.free_bytes),
            ("backups_kept", "Backups that are kept; NaN without a schedule", &self.backups),
            (
                "backups_bad",
                "Those that are not what was written, or could not be restored",
                &self.backups_bad,
            ),
            ("backups_kept_bytes", "Their size; NaN without a schedule", &self.backup_bytes),
            (
                "backup_last_proven_timestamp_seconds",
                "When a backup was last restored and found whole; NaN if never",
                &self.backup_proven,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    fn register_process(&self, registry: &mut Registry) {
        registry.register(
            "process_resident_memory_bytes",
            "Memory of the process",
            self.resident_bytes.clone(),
        );
        registry.register("process_cpu_seconds", "Time on processors", self.cpu_seconds.clone());
        registry.register("process_open_fds", "Open files and connections", self.open_fds.clone());
        let started: Gauge<f64, AtomicU64> = Gauge::default();
        started.set(process::started());
        registry.register("process_start_time_seconds", "When the process began", started);
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus keeps every number as a float")]
    fn set(&self, figures: &Figures, is_ready: bool) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let float = |number: Option<u64>| number.map_or(f64::NAN, |number| number as f64);
        self.ready.set(is_ready.into());
        if let Some(seq) = figures.ledger_seq {
            self.ledger_seq.set(seq);
        }
        self.streams.set(whole(figures.streams as u64));
        self.waiting_bytes.set(whole(figures.waiting_bytes as u64));
        self.database_bytes.set(whole(figures.database_bytes));
        self.log_bytes.set(whole(figures.log_bytes));
        self.free_bytes.set(float(figures.free_bytes));
        let backups = figures.backups.as_ref();
        self.backups.set(float(backups.map(|backups| backups.kept as u64)));
        self.backups_bad.set(float(backups.map(|backups| backups.bad as u64)));
        self.backup_bytes.set(float(backups.map(|backups| backups.bytes)));
        let proven = backups.filter(|backups| backups.last_proof_held == Some(true));
        let proven = proven.and_then(|backups| backups.last_proof_at);
        self.backup_proven.set(proven.map_or(f64::NAN, |proven| proven.timestamp() as f64));
        self.resident_bytes.set(float(process::resident_bytes()));
        self.cpu_seconds
            .inner()
            .store(process::cpu_seconds().to_bits(), std::sync::atomic::Ordering::Relaxed);
        self.open_fds.set(float(process::open_files()));
    }
}

/// Figures for Prometheus.
///
/// In the text format of OpenMetrics. Programs on this machine that ask without a proxy need no credential.
#[utoipa::path(
    tag = "operations",
    responses((status = 200, description = "The figures", content_type = "application/openmetrics-text", body = String)),
    extensions(("x-permission" = json!("administer"))),
)]
#[get("/metrics")]
async fn get_metrics(services: Data<Services>, surface: Data<Surface>) -> ApiResult {
    let text = surface.metrics.read(&services).await.map_err(|error| ApiError::internal(&error))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, OPENMETRICS)).body(text))
}
