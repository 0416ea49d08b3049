//! Log lines, for people or for programs.

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

use crate::settings::LogSettings;

/// Starts logging to standard error.
pub(crate) fn init() -> Result<()> {
    let settings = LogSettings::read()?;
    let filter = EnvFilter::try_new(&settings.filter).with_context(|| {
        format!("PM_LOG is {}: it must be a level or a list of target=level", settings.filter)
    })?;
    // A line that cannot be written, because the disk that takes the log is full, is lost: complaining about it on the
    // same output would end the thread that answers.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    if settings.as_json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    } else {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        lines.with_ansi(is_terminal).with_target(false).compact().init();
    }
    Ok(())
}
