//! Whether the clock can be believed.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Datelike as _, Utc};

use super::Findings;

const CHECK: &str = "clock";
/// No machine that runs this program lives outside of these years.
const YEARS: std::ops::RangeInclusive<i32> = 2025..=2100;
/// How long the clock is watched.
const WATCH: Duration = Duration::from_millis(250);
/// What it may lose or win meanwhile.
const DRIFT: Duration = Duration::from_millis(100);

pub(super) async fn check(findings: &mut Findings) {
    let (began, wall) = (Instant::now(), SystemTime::now());
    tokio::time::sleep(WATCH).await;
    let went = wall.elapsed();
    judge(DateTime::<Utc>::from(wall), began.elapsed(), went.ok(), findings);
}

/// `went` is how far the clock went in the time `passed`; nothing if it went back.
fn judge(now: DateTime<Utc>, passed: Duration, went: Option<Duration>, findings: &mut Findings) {
    if !YEARS.contains(&now.year()) {
        let message = format!("it is {} on this machine", now.format("%Y-%m-%d"));
        return findings.fail(
            CHECK,
            message,
            "set the clock (timedatectl set-ntp true), then restart",
        );
    }
    if went.is_none_or(|went| went.abs_diff(passed) > DRIFT) {
        return findings.warn(
            CHECK,
            "it jumps while it is looked at",
            "see that one program alone sets it (timedatectl timesync-status)",
        );
    }
    if findings.is_fine(CHECK) {
        findings.ok(CHECK, format!("{} UTC, and steady", now.format("%Y-%m-%d %H:%M:%S")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn judged(now: &str, went: Option<u64>) -> Level {
        let mut findings = Findings::default();
        judge(now.parse().unwrap(), WATCH, went.map(Duration::from_millis), &mut findings);
        findings.worst()
    }

    #[test]
    fn a_clock_is_sane_and_goes_as_time_does() {
        assert_eq!(judged("2026-02-11T15:00:00Z", Some(251)), Level::Ok);
        assert_eq!(judged("1970-01-01T00:00:07Z", Some(251)), Level::Fail);
        assert_eq!(judged("2106-01-01T00:00:07Z", Some(251)), Level::Fail);
        assert_eq!(judged("2026-02-11T15:00:00Z", Some(3_600_000)), Level::Warn);
        assert_eq!(judged("2026-02-11T15:00:00Z", None), Level::Warn);
    }
}
