//! `cargo xtask test`: every step, what each of them counted, and one line at the end that says it all.

mod counts;
mod steps;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};
use xtask::workspace::Workspace;

use counts::Counts;

/// The steps that need no built program and no other tool but cargo-deny.
pub(crate) const QUICK: &[Step] = &[Step::Fmt, Step::Deny, Step::Clippy];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Run only these steps.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "skip")]
    only: Vec<Step>,
    /// Leave these steps out.
    #[arg(long, value_enum, value_delimiter = ',')]
    skip: Vec<Step>,
}

impl Arguments {
    /// The steps to run, in their order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let chosen = |step: &Step| {
            (self.only.is_empty() || self.only.contains(step)) && !self.skip.contains(step)
        };
        Step::value_variants().iter().copied().filter(chosen).collect()
    }
}

/// One part of the tests; the quickest to fail come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The format of the Rust code.
    Fmt,
    /// Licences, forbidden packages and where packages come from.
    Deny,
    /// Lints, all of them errors.
    Clippy,
    /// Types, lints and units of the web console.
    Frontend,
    /// Unit and integration tests.
    Tests,
    /// The examples in the documentation.
    Doc,
    /// The committed OpenAPI document is current.
    Openapi,
    /// A typed client, generated from the document, against the running server.
    Client,
    /// The web console in a browser, against the running server.
    E2e,
    /// Generated requests against the running server, checked against the document.
    Schemathesis,
}

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "format",
            Self::Deny => "licences and packages",
            Self::Clippy => "lints",
            Self::Frontend => "web console: types, lints, units",
            Self::Tests => "tests",
            Self::Doc => "documentation examples",
            Self::Openapi => "OpenAPI document is current",
            Self::Client => "generated TypeScript client",
            Self::E2e => "web console in a browser",
            Self::Schemathesis => "schemathesis",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<Counts> {
        match self {
            Self::Fmt => steps::fmt(workspace),
            Self::Deny => steps::deny(workspace),
            Self::Clippy => steps::clippy(workspace),
            Self::Frontend => steps::frontend(workspace),
            Self::Tests => steps::tests(workspace),
            Self::Doc => steps::doc(workspace),
            Self::Openapi => steps::openapi(workspace),
            Self::Client => steps::client(workspace),
            Self::E2e => steps::e2e(workspace),
            Self::Schemathesis => steps::schemathesis(workspace),
        }
    }
}

struct Done {
    step: Step,
    counts: Counts,
    took: Duration,
}

/// Runs all steps, also after one that failed, and sums up.
pub(crate) fn run(workspace: &Workspace, steps: &[Step]) -> ExitCode {
    let mut done = Vec::new();
    for (index, &step) in steps.iter().enumerate() {
        println!("\n=== {}/{} {}", index + 1, steps.len(), step.title());
        let started = Instant::now();
        let counts = step.run(workspace).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Counts::FAILED
        });
        let took = started.elapsed();
        println!(
            "--- {} in {:.1} s",
            if counts.failed == 0 { "passed" } else { "FAILED" },
            took.as_secs_f64()
        );
        done.push(Done { step, counts, took });
    }
    sum_up(&done)
}

fn sum_up(done: &[Done]) -> ExitCode {
    println!("\n{:<32} {:<8} {:>7} {:>7} {:>9}", "step", "result", "passed", "failed", "seconds");
    for Done { step, counts, took } in done {
        let result = if counts.failed == 0 { "ok" } else { "FAILED" };
        let (title, seconds) = (step.title(), took.as_secs_f64());
        println!(
            "{title:<32} {result:<8} {:>7} {:>7} {seconds:>9.1}",
            counts.passed, counts.failed
        );
    }
    let total = done.iter().map(|done| done.counts).sum::<Counts>();
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_run_unless_some_are_chosen_or_left_out() {
        let steps = |only: &[Step], skip: &[Step]| {
            Arguments { only: only.to_vec(), skip: skip.to_vec() }.steps()
        };

        assert_eq!(steps(&[], &[]), Step::value_variants());
        assert_eq!(steps(&[Step::Client, Step::Fmt], &[]), [Step::Fmt, Step::Client]);
        assert!(!steps(&[], &[Step::Schemathesis]).contains(&Step::Schemathesis));
    }
}
