//! How much memory a process has, as Linux tells.

use anyhow::{Context as _, Result};

/// Memory of a process, in mebibytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// What is in memory, libraries shared with other processes included.
    pub(crate) resident_mib: f64,
    /// The same with what is shared divided by the number of those who share it.
    pub(crate) proportional_mib: f64,
}

/// Reads the memory of the process `id`.
pub(crate) fn of(id: u32) -> Result<Memory> {
    Ok(Memory {
        resident_mib: field(&format!("/proc/{id}/status"), "VmRSS:")?,
        proportional_mib: field(&format!("/proc/{id}/smaps_rollup"), "Pss:")?,
    })
}

fn field(path: &str, name: &str) -> Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let kibibytes: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok())
        .with_context(|| format!("{path} does not tell {name}"))?;
    Ok(kibibytes / 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some_memory() {
        let memory = of(std::process::id()).unwrap();

        assert!(memory.resident_mib > 0.1);
        assert!(memory.proportional_mib <= memory.resident_mib + 1.0);
    }
}
