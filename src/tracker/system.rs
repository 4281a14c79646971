//! What the machine did while a run trained, under MLflow's names (`mlflow/system_metrics` of MLflow 3.17.2).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sysinfo::{Disks, NetworkData, Networks, System};

use super::gpu::{self, Reader};
use super::ledger::milliseconds;
use crate::error::{Result, refuse};
use crate::files::cannot_write;

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

/// A thread that looks at the machine now and then, until this is dropped. A run never fails because of it.
pub struct SystemMonitor {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SystemMonitor {
    /// Looks every `interval` (never if it is zero) while this process writes the run in `folder`. `report` gets what went
    /// wrong, once.
    pub fn start(
        folder: &Path,
        interval: Duration,
        report: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let (stop, stopped) = channel();
        let path = system_log(folder);
        let body = move || -> Result<()> {
            let mut sampler = Sampler::new(&path)?;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                sampler.sample()?;
            }
            Ok(())
        };
        let body = move || {
            if let Err(error) = body() {
                report(&format!("cannot record what the machine does: {error:#}"));
            }
        };
        let thread = thread::Builder::new().name("system monitor".to_owned());
        let thread = (!interval.is_zero()).then(|| thread.spawn(body).ok());
        Self {
            stop: Some(stop),
            thread: thread.flatten(),
        }
    }
}

impl Drop for SystemMonitor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The samples of the run in `folder`.
pub(super) fn system_log(folder: &Path) -> PathBuf {
    folder.join("system.jsonl")
}

/// Looks at the machine, and writes down what it sees.
struct Sampler {
    path: PathBuf,
    /// Open from the first sample on.
    file: Option<File>,
    system: System,
    networks: Networks,
    /// Bytes that had been received and sent when the sampler began.
    before: [u64; 2],
    /// None where no GPU can be asked.
    gpus: Option<Reader>,
    next: u64,
}

impl Sampler {
    /// A sampler that adds to the file at `path`. Fractions of time are counted from here.
    fn new(path: &Path) -> Result<Self> {
        let unavailable = |error: sysinfo::Error| {
            refuse(
                format!("cannot ask the system for its load: {error}"),
                "leave it out with `--set tracking.system_seconds=0`",
            )
        };
        let mut system = System::new().map_err(unavailable)?;
        system.refresh_cpu_usage();
        let networks = Networks::new_with_refreshed_list().map_err(unavailable)?;
        Ok(Self {
            path: path.to_owned(),
            file: None,
            system,
            before: traffic(&networks),
            networks,
            gpus: gpu::driver(),
            next: 0,
        })
    }

    fn sample(&mut self) -> Result<()> {
        let scalars = self.look();
        self.write(scalars)
            .map_err(|error| cannot_write(&self.path, &error))
    }

    fn write(&mut self, scalars: BTreeMap<String, f64>) -> io::Result<()> {
        let mut file = if let Some(file) = self.file.take() {
            file
        } else {
            let (file, last) = open(&self.path)?;
            self.next = last.map_or(0, |sample| sample.step + 1);
            file
        };
        let sample = SystemSample {
            step: self.next,
            time: milliseconds(SystemTime::now()),
            scalars,
        };
        let line = serde_json::to_string(&sample).expect("numbers and text are JSON") + "\n";
        file.write_all(line.as_bytes())?;
        self.next += 1;
        self.file = Some(file);
        Ok(())
    }

    /// CPU, memory, the disk of the run, the network since the sampler began, and GPUs.
    fn look(&mut self) -> BTreeMap<String, f64> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(false);
        let mut scalars = BTreeMap::new();
        let mut add = |name: &str, value: f64| {
            scalars.insert(format!("system/{name}"), (value * 10.0).round() / 10.0);
        };
        let usage = f64::from(self.system.global_cpu_usage());
        add("cpu_utilization_percentage", usage);
        let (used, total) = (self.system.used_memory(), self.system.total_memory());
        add("system_memory_usage_megabytes", used as f64 / MEGABYTE);
        add("system_memory_usage_percentage", percent(used, total));
        // The innermost disk that the run lies on.
        let disks = Disks::new_with_refreshed_list().ok();
        let place = std::path::absolute(&self.path).unwrap_or_default();
        let disks = disks.iter().flat_map(|disks| disks.iter());
        let disk = disks
            .filter(|disk| place.starts_with(disk.mount_point()))
            .max_by_key(|disk| disk.mount_point().components().count());
        if let Some(disk) = disk {
            let (total, free) = (disk.total_space(), disk.available_space());
            let used = total.saturating_sub(free);
            add("disk_usage_percentage", percent(used, total));
            add("disk_usage_megabytes", used as f64 / MEGABYTE);
            add("disk_available_megabytes", free as f64 / MEGABYTE);
        }
        let names = ["network_receive_megabytes", "network_transmit_megabytes"];
        let moved = traffic(&self.networks).into_iter().zip(self.before);
        for (name, (now, before)) in names.into_iter().zip(moved) {
            add(name, now.saturating_sub(before) as f64 / MEGABYTE);
        }
        for (number, gpu) in self.gpus.iter_mut().flat_map(|look| look()).enumerate() {
            for (name, value) in gpu.scalars() {
                add(&format!("gpu_{number}_{name}"), value);
            }
        }
        scalars
    }
}

/// Percent that `part` is of `whole`.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Bytes that were received and sent since the machine started.
fn traffic(networks: &Networks) -> [u64; 2] {
    let sum = |count: fn(&NetworkData) -> u64| networks.values().map(count).sum();
    [
        sum(NetworkData::total_received),
        sum(NetworkData::total_transmitted),
    ]
}

/// The file at `path` to add lines to, cut after its last whole line, and that line.
fn open(path: &Path) -> io::Result<(File, Option<SystemSample>)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.create(true).read(true).append(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes.truncate(end.map_or(0, |end| end + 1));
    file.set_len(bytes.len() as u64)?;
    let mut lines = bytes.rsplit(|byte| *byte == b'\n');
    let last = lines.find_map(|line| serde_json::from_slice(line).ok());
    Ok((file, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_numbered_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("system.jsonl");
        for _ in 0..2 {
            let mut sampler = Sampler::new(&path).unwrap();
            sampler.sample().unwrap();
            sampler.sample().unwrap();
            let mut file = sampler.file.unwrap();
            file.write_all(b"{\"step\": 7, cut").unwrap();
        }
        drop(open(&path).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        let samples: Vec<SystemSample> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let steps: Vec<u64> = samples.iter().map(|sample| sample.step).collect();
        assert_eq!(steps, [0, 1, 2, 3]);
        let used = samples[3].scalars["system/cpu_utilization_percentage"];
        assert!((0.0..=100.0).contains(&used), "{used}");
        assert!(samples[3].scalars["system/system_memory_usage_megabytes"] > 0.0);
    }

    #[test]
    fn gpus_have_the_keys_and_units_of_mlflow() {
        let folder = tempfile::tempdir().unwrap();
        let mut sampler = Sampler::new(&folder.path().join("system.jsonl")).unwrap();
        sampler.gpus = Some(gpu::pretended());
        let found = sampler.look().into_iter();
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
        sampler.gpus = None;
        assert!(sampler.look().keys().all(|key| !key.contains("gpu")));
    }
}
