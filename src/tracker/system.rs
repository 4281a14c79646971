//! What the machine did while a run trained, under MLflow's names (`mlflow/system_metrics` of MLflow 3.17.2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sysinfo::{Disks, NetworkData, Networks, System};

use super::clock::{append_line, milliseconds};
use super::graphics::{self, Reader};
use super::lines::last_lines;
use crate::error::{Result, refuse};

/// A million bytes, MLflow's megabyte.
pub(super) const MEGABYTE: f64 = 1e6;

/// One line of a run's `system.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemSample {
    /// The number of the sample; a resumed run goes on with the next.
    pub step: u64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// The numbers, by MLflow's key.
    pub scalars: BTreeMap<String, f64>,
}

/// Looks at the machine now and then.
pub struct SystemMonitor {
    path: PathBuf,
    system: System,
    networks: Networks,
    /// Bytes that had been received and sent when the monitor began.
    before: [u64; 2],
    /// None where no graphics processor can be asked.
    graphics: Option<Reader>,
    next: u64,
}

impl SystemMonitor {
    /// A monitor that writes to the file at `path`. Shares of time are counted from here.
    pub fn new(path: &Path) -> Result<Self> {
        let failed = |error: sysinfo::Error| {
            refuse(
                format!("cannot ask the system for its load: {error}"),
                "leave it out with `--set tracking.system_seconds=0`",
            )
        };
        let last = last_lines(path)?
            .into_iter()
            .find_map(|line| serde_json::from_str::<SystemSample>(&line).ok());
        let mut system = System::new().map_err(failed)?;
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list().map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            system,
            before: traffic(&networks),
            networks,
            graphics: graphics::driver(),
            next: last.map_or(0, |sample| sample.step + 1),
        })
    }

    /// Looks, and writes down what it sees.
    pub fn sample(&mut self) -> Result<()> {
        let sample = SystemSample {
            step: self.next,
            time: milliseconds(SystemTime::now()),
            scalars: self.look(),
        };
        append_line(&self.path, &sample)?;
        self.next += 1;
        Ok(())
    }

    /// Processor, memory, the disk of the run, the network since the monitor began, and graphics processors.
    fn look(&mut self) -> BTreeMap<String, f64> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(false);
        let (used, total) = (
            self.system.used_memory() as f64,
            self.system.total_memory() as f64,
        );
        let mut scalars = vec![
            (
                "cpu_utilization_percentage",
                f64::from(self.system.global_cpu_usage()),
            ),
            ("system_memory_usage_megabytes", used / MEGABYTE),
            (
                "system_memory_usage_percentage",
                100.0 * used / total.max(1.0),
            ),
        ];
        let disks = Disks::new_with_refreshed_list().ok();
        let place = std::path::absolute(&self.path).unwrap_or_default();
        // The innermost disk that the run lies on.
        let disks = disks.iter().flat_map(|disks| disks.iter());
        let disk = disks
            .filter(|disk| place.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().components().count());
        if let Some(disk) = disk {
            let (total, free) = (disk.total_space() as f64, disk.available_space() as f64);
            let used = total - free;
            scalars.extend([
                ("disk_usage_percentage", 100.0 * used / total.max(1.0)),
                ("disk_usage_megabytes", used / MEGABYTE),
                ("disk_available_megabytes", free / MEGABYTE),
            ]);
        }
        let [received, sent] = traffic(&self.networks);
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64 / MEGABYTE;
        scalars.extend([
            ("network_receive_megabytes", since(received, self.before[0])),
            ("network_transmit_megabytes", since(sent, self.before[1])),
        ]);
        let graphics = self
            .graphics
            .as_mut()
            .map(|look| look())
            .unwrap_or_default();
        let rounded = |value: f64| (value * 10.0).round() / 10.0;
        let named = |(name, value): (&str, f64)| (name.to_owned(), value);
        scalars
            .into_iter()
            .map(named)
            .chain(graphics::scalars(&graphics))
            .map(|(name, value)| (format!("system/{name}"), rounded(value)))
            .collect()
    }
}

/// Bytes that were received and sent since the machine started.
fn traffic(networks: &Networks) -> [u64; 2] {
    let sum = |count: fn(&NetworkData) -> u64| networks.values().map(count).sum();
    [
        sum(NetworkData::total_received),
        sum(NetworkData::total_transmitted),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_numbered_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("system.jsonl");
        for _ in 0..2 {
            let mut monitor = SystemMonitor::new(&path).unwrap();
            monitor.sample().unwrap();
            monitor.sample().unwrap();
        }
        let samples: Vec<SystemSample> = super::super::lines::whole_lines(&path)
            .unwrap()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let steps: Vec<u64> = samples.iter().map(|sample| sample.step).collect();
        assert_eq!(steps, [0, 1, 2, 3]);
        let share = samples[3].scalars["system/cpu_utilization_percentage"];
        assert!((0.0..=100.0).contains(&share), "{share}");
        assert!(samples[3].scalars["system/system_memory_usage_megabytes"] > 0.0);
    }

    #[test]
    fn graphics_processors_have_the_keys_and_units_of_mlflow() {
        let folder = tempfile::tempdir().unwrap();
        let mut monitor = SystemMonitor::new(&folder.path().join("system.jsonl")).unwrap();
        monitor.graphics = Some(graphics::pretended());
        let found = monitor.look().into_iter();
        let found: Vec<(String, f64)> = found.filter(|(key, _)| key.contains("gpu")).collect();
        let wanted = [
            ("system/gpu_0_memory_usage_megabytes", 20_000.0),
            ("system/gpu_0_memory_usage_percentage", 25.0),
            ("system/gpu_0_power_usage_percentage", 50.0),
            ("system/gpu_0_power_usage_watts", 175.3),
            ("system/gpu_0_utilization_percentage", 37.0),
            ("system/gpu_1_utilization_percentage", 0.0),
        ];
        assert_eq!(found, wanted.map(|(key, value)| (key.to_owned(), value)));
        monitor.graphics = None;
        assert!(monitor.look().keys().all(|key| !key.contains("gpu")));
    }
}
