//! The most memory that this process held, as Linux counts it. Elsewhere nobody is asked.

use std::fs;

/// A count of the most memory from its beginning on.
pub struct PeakMemory {
    /// Whether the system could be told to count anew; otherwise the count would be that of earlier work.
    is_new: bool,
}

impl PeakMemory {
    /// Begins to count: the system forgets what the process held before (`proc(5)`, `clear_refs`, value 5).
    pub fn start() -> Self {
        Self {
            is_new: fs::write("/proc/self/clear_refs", "5").is_ok(),
        }
    }

    /// The largest resident set since the start, in millions of bytes; none where the system does not say.
    pub fn megabytes(&self) -> Option<f64> {
        let status = self
            .is_new
            .then(|| fs::read_to_string("/proc/self/status").ok());
        largest(&status??)
    }
}

/// The peak in the text of `/proc/self/status`, in millions of bytes.
fn largest(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / super::system::MEGABYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status_of_the_process() {
        let status = "Name:\thistogen\nVmPeak:\t  999 kB\nVmHWM:\t  250000 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(largest(status), Some(256.0));
        assert_eq!(largest("Name:\thistogen\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peak_holds_what_was_held_after_its_start() {
        let peak = PeakMemory::start();
        let held = std::hint::black_box(vec![1u8; 64_000_000]);
        let megabytes = peak.megabytes();
        drop(held);
        assert!(megabytes.is_none_or(|megabytes| megabytes > 64.0));
    }
}
