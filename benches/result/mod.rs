//! What the benchmarks of `benches/race.py` say.

use serde_json::json;

/// Prints the one line of JSON that is the result: times, for steps the seconds from
/// opening the device to the end of the first, the most memory that this process ever had, the version.
#[expect(clippy::print_stdout, reason = "the one line is the result")]
pub(crate) fn say(milliseconds: &[f64], first_step: Option<f64>) {
    let line = json!({
        "milliseconds": milliseconds,
        "first_step_s": first_step,
        "peak_kib": peak(),
        "version": concat!("histogen ", env!("CARGO_PKG_VERSION")),
    });
    println!("{line}");
}

/// The most memory, in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
