//! The database and its ledger, and whether the door is closed that leads to them.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use pilotdeck_domain::clock::Clock;
use pilotdeck_domain::ledger::Head;
use pilotdeck_services::Services;
use pilotdeck_services::ledger::{Verdict, verify_signed};
use pilotdeck_services::operations::BackupSettings;
use pilotdeck_storage::{Database, Durability, LedgerStretch, join};

use super::Findings;
use super::files::BACKUPS;
use crate::exposure::{self, Facts};
use crate::secret;
use crate::settings::{self, Settings, beside};

const DATABASE: &str = "database";
const LEDGER: &str = "ledger";
const EXPOSURE: &str = "exposure";
const CLOCK: &str = "clock";
/// As many lines are verified unless all are asked for; a ledger that has no more is verified whole.
const TAIL: i64 = 20_000;
/// Lines that are read at a time.
const PAGE: i64 = 1_000;
/// A log larger than this is not merged any more (512 MiB).
const LARGE_LOG: u64 = 512 << 20;
/// How far clocks may differ.
const TOLERANCE: TimeDelta = TimeDelta::minutes(2);

pub(super) async fn check(
    path: &Path,
    settings: Option<&Settings>,
    is_whole: bool,
    findings: &mut Findings,
) {
    let served = serving(path);
    if !path.exists() {
        let step = "start the server once, or name the right file (PM_DB_FILE)";
        findings.warn(DATABASE, format!("there is none at {}", path.display()), step);
        return exposure(settings, false, findings);
    }
    let database = match join(path, Durability::default()).await {
        Ok(database) => database,
        Err(error) => {
            let step = "read docs/operations.md on this message; a backup can be put back with pilotdeck restore";
            findings.fail(DATABASE, error.to_string(), step);
            return exposure(settings, false, findings);
        }
    };
    file(&database, is_whole, served, findings).await;
    ledger(&database, is_whole, findings).await;
    let mut services = Services::new(database, Clock::default());
    if let Some(settings) = settings
        && let Some(kept) = &settings.backups
        && let Ok(operations) = settings.operations(path)
    {
        services = services.with_operations(operations);
        backups(&services, kept, findings).await;
    }
    let is_default = services.identity.default_password_in_use().await.unwrap_or(false);
    services.close().await;
    exposure(settings, is_default, findings);
}

/// The process that serves the file, if one does; 0 if it left no number.
fn serving(database: &Path) -> Option<u32> {
    let path = beside(database, ".lock");
    let file = File::open(&path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            Some(holder.trim().parse().unwrap_or_default())
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

async fn file(database: &Database, is_whole: bool, served: Option<u32>, findings: &mut Findings) {
    let damage = if is_whole { database.damage().await } else { database.apparent_damage().await };
    let step = "stop the server, keep the file, and put back a backup: pilotdeck restore FILE";
    match damage {
        Ok(None) => {}
        Ok(Some(damage)) => {
            return findings.fail(DATABASE, format!("it is damaged: {damage}"), step);
        }
        Err(error) => return findings.fail(DATABASE, format!("it cannot be read: {error}"), step),
    }
    let log = fs::metadata(beside(database.path(), "-wal")).map_or(0, |found| found.len());
    if log > LARGE_LOG {
        findings.warn(
            DATABASE,
            format!("its write-ahead log has {} MiB", log >> 20),
            "look for a program that reads the database for hours, and end it",
        );
    }
    if findings.is_fine(DATABASE) {
        let served = match served {
            Some(0) => ", and is served".to_owned(),
            Some(process) => format!(", and process {process} serves it"),
            None => ", and nobody serves it".to_owned(),
        };
        let path = database.path().display();
        findings.ok(DATABASE, format!("{path} is whole and of this version{served}"));
    }
}

async fn ledger(database: &Database, is_whole: bool, findings: &mut Findings) {
    let step = "keep the file as it is, and see what changed: pilotdeck ledger verify";
    let found = match look(database, is_whole).await {
        Ok(found) => found,
        Err(reason) => return findings.fail(LEDGER, reason, step),
    };
    if let Some(last) = found.last
        && last > DateTime::<Utc>::from(std::time::SystemTime::now()) + TOLERANCE
    {
        let message = format!("the last line of the ledger is of {last}, which is still to come");
        findings.fail(CLOCK, message, "set the clock of this machine (timedatectl set-ntp true)");
    }
    findings.ok(LEDGER, found.message);
}

struct Found {
    message: String,
    last: Option<DateTime<Utc>>,
}

async fn look(database: &Database, is_whole: bool) -> Result<Found, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
    let mut tx = database.snapshot().await.map_err(|error| unreadable(&error))?;
    let end = tx.ledger().head().await.map_err(|error| unreadable(&error))?;
    let first = tx.ledger().first().await.map_err(|error| unreadable(&error))?.unwrap_or(1);
    if is_whole || end.seq - first < TAIL {
        let last = times(&mut tx, end.seq).await?;
        let key = secret::ledger_key_path(database.path(), settings::ledger_key());
        let key = secret::ledger_key_if_any(&key).map_err(|error| error.to_string())?;
        let keys: Vec<_> =
            key.iter().map(pilotdeck_domain::ledger::checkpoint::SigningKey::public).collect();
        let keys = (!keys.is_empty()).then_some(keys.as_slice());
        let signed =
            verify_signed(tx, keys, |_, _| {}).await.map_err(|error| unreadable(&error))?;
        return match signed.verdict {
            Verdict::Holds(head) => {
                let proven = signed.last.map_or(0, |last| last.seq);
                let message = format!("all {} lines hold, signed up to {proven}", head.seq);
                Ok(Found { message, last })
            }
            Verdict::Broken { seq, reason } => {
                Err(format!("it does not hold at seq {seq}: {reason}"))
            }
        };
    }
    let mut head: Option<Head> = None;
    let (mut after, mut last) = (end.seq - TAIL, None);
    while after < end.seq {
        let stretch = LedgerStretch {
            after,
            up_to: end.seq,
            project_id: None,
            operations: None,
            limit: PAGE,
            within: None,
        };
        let lines = tx.ledger().stretch(stretch).await.map_err(|error| unreadable(&error))?;
        let Some(end_of_page) = lines.last() else {
            return Err(format!("lines are missing after seq {after}"));
        };
        (after, last) = (end_of_page.seq, Some(end_of_page.ts.clone()));
        for line in &lines {
            if let Some(head) = &head {
                line.verify(head)
                    .map_err(|reason| format!("it does not hold at seq {}: {reason}", line.seq))?;
            }
            head = Some(line.head());
        }
    }
    let last = last.and_then(|ts| ts.as_str().parse().ok());
    let message = format!("its last {TAIL} lines hold, up to {}; --whole verifies all", end.seq);
    Ok(Found { message, last })
}

/// The time of the last line.
async fn times(tx: &mut pilotdeck_storage::Tx, seq: i64) -> Result<Option<DateTime<Utc>>, String> {
    let stretch = LedgerStretch {
        after: seq - 1,
        up_to: seq,
        project_id: None,
        operations: None,
        limit: 1,
        within: None,
    };
    let lines = tx.ledger().stretch(stretch).await;
    let lines = lines.map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(lines.first().and_then(|line| line.ts.as_str().parse().ok()))
}

/// The backups that the server makes.
async fn backups(services: &Services, settings: &BackupSettings, findings: &mut Findings) {
    let folder = settings.folder.display();
    let step = "see what the server says of it: GET /api/admin/backups, or its log";
    let figures = match services.operations.backup_figures().await {
        Ok(figures) => figures,
        Err(error) => return findings.fail(BACKUPS, format!("{folder}: {error}"), step),
    };
    if figures.bad > 0 {
        let message =
            format!("{} of {} backups in {folder} are damaged", figures.bad, figures.kept);
        findings.fail(
            BACKUPS,
            message,
            "look at that disk, and make one elsewhere now: pilotdeck backup --output FILE",
        );
    }
    match figures.age {
        None => findings.warn(BACKUPS, format!("there is none in {folder} that counts"), step),
        Some(age) if age > settings.every * 2 => {
            let message = format!("the newest is {} hours old", age.as_secs() / 3_600);
            findings.warn(BACKUPS, message, step);
        }
        Some(_) if figures.last_proof_held != Some(true) => {
            findings.warn(BACKUPS, "the newest proof did not hold, or there is none", step);
        }
        Some(age) if findings.is_fine(BACKUPS) => {
            let hours = age.as_secs() / 3_600;
            findings
                .ok(BACKUPS, format!("{} are kept, the newest is {hours} hours old", figures.kept));
        }
        Some(_) => {}
    }
}

fn exposure(settings: Option<&Settings>, password_is_default: bool, findings: &mut Findings) {
    // What is wrong with the settings is said already.
    let Some(settings) = settings else { return };
    let facts = Facts {
        is_loopback: settings.bind.is_loopback(),
        has_proxy: !settings.trusted_proxies.is_empty(),
        password_is_default,
        has_agent_token: settings.agent_token.is_some(),
    };
    if let Some(objection) = exposure::objection(facts) {
        let step = "do that; the server does not start before";
        return findings.fail(EXPOSURE, objection, step);
    }
    if password_is_default {
        findings.warn(
            EXPOSURE,
            "everybody on this machine can sign in as admin with the default password",
            "pilotdeck user set-password admin",
        );
    }
    if !settings.is_reachable() {
        let message = format!("only this machine reaches {}:{}", settings.bind, settings.port);
        return findings.ok(EXPOSURE, message);
    }
    if settings.allowed_hosts.is_empty() {
        findings.warn(
            EXPOSURE,
            "requests may carry any host name",
            "set PM_ALLOWED_HOSTS to the names that people use",
        );
    }
    if !settings.secure_cookie {
        findings.warn(
            EXPOSURE,
            "session cookies also travel without HTTPS",
            "put a proxy with HTTPS in front (PM_TRUSTED_PROXIES), or set SESSION_COOKIE_SECURE=true",
        );
    }
    if settings.limits.strangers == 0 || settings.limits.people == 0 {
        findings.warn(
            EXPOSURE,
            "there is no limit on requests",
            "remove PM_RATE_LIMIT=0 and PM_RATE_LIMIT_ANONYMOUS=0",
        );
    }
    if findings.is_fine(EXPOSURE) {
        findings.ok(EXPOSURE, "others reach the server, and need a password or a token");
    }
}
