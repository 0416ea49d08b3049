//! What the operating system knows of this process. Where it does not say, nothing is said.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// The memory that it holds.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    resident(&status)
}

fn resident(status: &str) -> Option<u64> {
    let said = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = said.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The files and connections that it has open.
pub(crate) fn open_files() -> Option<u64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count();
    // The one that reads them does not count.
    u64::try_from(files).ok()?.checked_sub(1)
}

/// The seconds that it spent on processors.
pub(crate) fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    seconds(spent.tv_sec, spent.tv_nsec)
}

/// When it began, near enough: when this is called for the first time, in seconds since 1970.
pub(crate) fn started() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a float keeps more digits than the clock has")]
fn seconds(seconds: i64, nanoseconds: i64) -> f64 {
    seconds as f64 + nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_where_the_system_says_it() {
        assert_eq!(
            resident("Name:\tpilotdeck\nVmRSS:\t   38912 kB\nThreads:\t9\n"),
            Some(39_845_888)
        );
        assert_eq!(resident("Name:\tpilotdeck\n"), None);
        assert_eq!(resident("VmRSS:\tmany\n"), None);
    }

    #[test]
    fn time_is_spent() {
        assert!(cpu_seconds() > 0.0);
    }
}
