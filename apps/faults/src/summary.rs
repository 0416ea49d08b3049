//! What a campaign came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Kind, Violation, ViolationKind};

/// As many violations are told in full.
const TOLD: usize = 20;
/// Of a violation's text.
const EXCERPT: usize = 2_000;

/// Where a server was when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    UnderLoad,
    WhileStarting,
    WhileStopping,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnderLoad => "under load",
            Self::WhileStarting => "while starting",
            Self::WhileStopping => "while stopping",
        }
    }
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub(crate) seed: u64,
    pub(crate) rounds: u64,
    pub(crate) kills: BTreeMap<Phase, u64>,
    pub(crate) acknowledged: BTreeMap<Kind, u64>,
    pub(crate) unanswered: u64,
    pub(crate) unanswered_and_done: u64,
    pub(crate) repeated: u64,
    /// None where the server offers no keys.
    pub(crate) repeated_with_key: Option<u64>,
    pub(crate) restarts: Vec<Duration>,
    pub(crate) ledger_lines: i64,
    pub(crate) verified: String,
    pub(crate) violations: Vec<Violation>,
    pub(crate) took: Duration,
}

impl Summary {
    /// Whether nothing was violated.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many rounds were made.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// How many violations there are.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.violations.len()
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.values().sum()
    }

    /// As a document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kills: serde_json::Map<String, Value> = self
            .kills
            .iter()
            .map(|(phase, count)| (phase.as_str().to_owned(), json!(count)))
            .collect();
        let acknowledged: serde_json::Map<String, Value> = self
            .acknowledged
            .iter()
            .map(|(kind, count)| (kind.as_str().to_owned(), json!(count)))
            .collect();
        let violations: serde_json::Map<String, Value> = ViolationKind::ALL
            .iter()
            .map(|&kind| (kind.as_str().to_owned(), json!(self.count(kind))))
            .collect();
        let texts: Vec<&str> =
            self.violations.iter().map(|violation| violation.text.as_str()).collect();
        json!({
            "seed": self.seed,
            "rounds": self.rounds,
            "seconds": self.took.as_secs_f64(),
            "kills": kills,
            "acknowledged": acknowledged,
            "unanswered": self.unanswered,
            "unansweredAndDone": self.unanswered_and_done,
            "repeated": self.repeated,
            "repeatedWithKey": self.repeated_with_key,
            "restartMedianMs": self.restart(0.5).as_secs_f64() * 1000.0,
            "restartSlowestMs": self.restart(1.0).as_secs_f64() * 1000.0,
            "ledgerLines": self.ledger_lines,
            "verified": self.verified,
            "violations": violations,
            "texts": texts,
        })
    }

    fn count(&self, kind: ViolationKind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }

    fn restart(&self, share: f64) -> Duration {
        let mut sorted = self.restarts.clone();
        sorted.sort();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a short list"
        )]
        let place = (sorted.len().saturating_sub(1) as f64 * share) as usize;
        sorted.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "| {name:<34} | {value:>12} |");
        line("rounds", self.rounds.to_string())?;
        for (phase, count) in &self.kills {
            line(&format!("kills {}", phase.as_str()), count.to_string())?;
        }
        line("acknowledged writes", self.acknowledged().to_string())?;
        for (kind, count) in &self.acknowledged {
            line(&format!("  {}", kind.as_str()), count.to_string())?;
        }
        line("not answered", self.unanswered.to_string())?;
        line("  of these done", self.unanswered_and_done.to_string())?;
        line("sent again after a restart", self.repeated.to_string())?;
        let keys = self.repeated_with_key;
        line("  with a key", keys.map_or_else(|| "no keys".to_owned(), |keys| keys.to_string()))?;
        for kind in ViolationKind::ALL {
            line(kind.as_str(), self.count(kind).to_string())?;
        }
        let millis = |took: Duration| format!("{} ms", took.as_millis());
        line("restart, median", millis(self.restart(0.5)))?;
        line("restart, slowest", millis(self.restart(1.0)))?;
        line("ledger lines verified", self.ledger_lines.to_string())?;
        line("took", format!("{:.0} s", self.took.as_secs_f64()))?;
        writeln!(f, "{}", self.verified.trim_end())?;
        for violation in self.violations.iter().take(TOLD) {
            let text: String = violation.text.chars().take(EXCERPT).collect();
            writeln!(f, "{}: {text}", violation.kind.as_str())?;
        }
        let (violations, seed) = (self.violations.len(), self.seed);
        write!(f, "{violations} violations; again with --seed {seed}")
    }
}
