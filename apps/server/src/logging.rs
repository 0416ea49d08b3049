//! Log lines, for people or for programs.
//!
//! What is logged of a request is chosen where its line is made (`api/edge.rs`). Beyond that, nothing is said that may quote
//! what a client sent, however much is asked for: not the details of other packages, not the texts of refusals (their codes
//! are in the lines of their requests), not what a verb was asked about.

use std::fmt;
use std::io;

use anyhow::{Context as _, Result};
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::LogSettings;

/// What begins the names of our targets.
const OURS: &str = "pilotdeck";
/// The one span whose fields are on lines: it has the id of the request.
const REQUEST: &str = "request";
/// The names of fields on a line, where others are used in the code.
const RENAMED: [(&str, &str); 2] = [("message", "msg"), ("request.id", "request_id")];

/// Starts logging to standard error.
pub(crate) fn init() -> Result<()> {
    let settings = LogSettings::read()?;
    let filter = filter(&settings)?;
    // A line that cannot be written, because the disk that takes the log is full, is lost: complaining about it on the
    // same output would end the thread that answers.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let is_sayable = filter_fn(is_sayable);
    let registry = tracing_subscriber::registry().with(filter);
    if settings.as_json {
        let lines = lines.fmt_fields(JsonFields::new()).event_format(JsonLines);
        registry.with(lines.with_filter(is_sayable)).init();
    } else {
        let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
        let lines = lines.with_ansi(is_terminal).with_target(false).compact();
        registry.with(lines.with_filter(is_sayable)).init();
    }
    Ok(())
}

/// What is logged.
pub(crate) fn filter(settings: &LogSettings) -> Result<EnvFilter> {
    EnvFilter::try_new(&settings.filter).with_context(|| {
        format!("PM_LOG is {}: it must be a level or a list of target=level", settings.filter)
    })
}

/// Whether something may be logged, however much was asked for.
fn is_sayable(said: &Metadata<'_>) -> bool {
    if said.is_span() {
        return said.name() == REQUEST;
    }
    let is_detail = *said.level() > Level::INFO;
    !is_detail || said.target().starts_with(OURS) && said.fields().field("error").is_none()
}

/// A JSON object a line: `ts`, `level`, `target`, `msg`, and the fields of the event and of what it happened in.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Fields::default();
        #[expect(clippy::disallowed_methods, reason = "a line is written when it is written")]
        let now = Utc::now();
        line.put("ts", now.to_rfc3339_opts(SecondsFormat::Micros, true).into());
        line.put("level", event.metadata().level().as_str().into());
        line.put("target", event.metadata().target().into());
        line.put("msg", Value::Null);
        for span in context.event_scope().into_iter().flatten().collect::<Vec<_>>().iter().rev() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let fields = fields.and_then(|fields| serde_json::from_str(&fields.fields).ok());
            for (name, value) in fields.into_iter().flat_map(|fields: Map<String, Value>| fields) {
                line.put(&name, value);
            }
        }
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// The fields of a line.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        let renamed = RENAMED.iter().find(|(from, _)| *from == name);
        let name = renamed.map_or(name, |(_, to)| to);
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }
}
