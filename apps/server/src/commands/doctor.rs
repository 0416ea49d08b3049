//! `pilotdeck doctor`: looks at everything that an administrator would look at, changes nothing, and says what to do next.
//!
//! It works on the same files and the same environment as the server, which may be running.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::settings::DoctorArgs;

mod clock;
mod database;
mod files;
mod settings;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// It is as it should be.
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// It does not work, or a door is open.
    Fail,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    level: Level,
    message: String,
    /// The one thing to do next, if there is anything to do.
    #[serde(rename = "nextStep")]
    next_step: Option<String>,
}

/// All that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, message: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, message: message.into(), next_step: None });
    }

    fn warn(
        &mut self,
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.add(check, Level::Warn, message.into(), next_step.into());
    }

    fn fail(
        &mut self,
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.add(check, Level::Fail, message.into(), next_step.into());
    }

    fn add(&mut self, check: &'static str, level: Level, message: String, next_step: String) {
        self.0.push(Finding { check, level, message, next_step: Some(next_step) });
    }

    /// Whether nothing was found to be wrong with `check`.
    fn is_fine(&self, check: &str) -> bool {
        self.0.iter().all(|finding| finding.check != check)
    }

    fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Finding { check, level, message, next_step } in &self.0 {
            let word = match level {
                Level::Ok => "ok  ",
                Level::Warn => "WARN",
                Level::Fail => "FAIL",
            };
            let _ = writeln!(text, "{word}  {check:<11} {message}");
            if let Some(step) = next_step {
                let _ = writeln!(text, "{:>18}-> {step}", "");
            }
        }
        let count = |level| self.0.iter().filter(|finding| finding.level == level).count();
        let (warned, failed) = (count(Level::Warn), count(Level::Fail));
        let _ =
            writeln!(text, "\n{} findings, {warned} to look at, {failed} to repair", self.0.len());
        text
    }

    fn json(&self) -> String {
        let document = serde_json::json!({ "status": self.worst(), "findings": self.0 });
        format!("{document:#}\n")
    }
}

/// Looks, and prints what it found: 0 if all is well, 1 if something should be looked at, 2 if something must be repaired.
pub(crate) async fn examine(args: &DoctorArgs) -> Result<ExitCode> {
    let mut findings = Findings::default();
    let settings = settings::check(&args.serve, &mut findings);
    let path = args.serve.database.path();
    files::check(&path, settings.as_ref(), &mut findings);
    database::check(&path, settings.as_ref(), args.whole, &mut findings).await;
    clock::check(&mut findings).await;
    let text = if args.json { findings.json() } else { findings.text() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match findings.worst() {
        Level::Ok => ExitCode::SUCCESS,
        Level::Warn => ExitCode::from(1),
        Level::Fail => ExitCode::from(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let mut findings = Findings::default();
        assert_eq!(findings.worst(), Level::Ok);
        findings.warn("disk", "it is nearly full", "make room");
        findings.ok("clock", "it is right");
        assert_eq!(findings.worst(), Level::Warn);
        findings.fail("database", "it is gone", "restore a backup");
        assert_eq!(findings.worst(), Level::Fail);

        assert!(findings.text().contains("-> restore a backup\n"));
        let document: serde_json::Value = serde_json::from_str(&findings.json()).unwrap();
        assert_eq!(document["status"], "fail");
        assert_eq!(document["findings"][0]["nextStep"], "make room");
    }
}
