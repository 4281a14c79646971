//! Which kernels a GPU is told to run, how often, and for how long: what CubeCL tells whoever listens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cubecl_runtime::logging::{LaunchObservation, LaunchObserver, TimingMethod, TimingRequest};

/// Launches by kernel.
#[derive(Default)]
pub(crate) struct Launches {
    kernels: Mutex<BTreeMap<&'static str, (u64, Duration)>>,
}

impl LaunchObserver for Launches {
    fn launched(&self, kernel: &'static str) {
        self.kernels
            .lock()
            .expect("one at a time")
            .entry(kernel)
            .or_default()
            .0 += 1;
    }

    fn timing(&self) -> TimingRequest {
        TimingRequest::Resolved
    }

    fn timed(&self, kernel: &'static str, duration: Duration, _method: TimingMethod) {
        self.kernels
            .lock()
            .expect("one at a time")
            .entry(kernel)
            .or_default()
            .1 += duration;
    }
}

impl Launches {
    /// Listens until the guard is dropped. Each kernel is waited for, so the wall time of what is listened to means nothing.
    pub(crate) fn listen() -> (Arc<Self>, LaunchObservation) {
        let launches = Arc::new(Self::default());
        let guard = LaunchObservation::new(launches.clone());
        (launches, guard)
    }

    /// The kernels of one of `steps` equal steps, those that took longest first.
    pub(crate) fn of_a_step(&self, steps: usize) -> impl fmt::Display {
        let kernels = self.kernels.lock().expect("one at a time");
        let mut rows: Vec<_> = kernels
            .iter()
            .map(|(name, (count, time))| {
                let milliseconds = 1e3 * time.as_secs_f64() / steps as f64;
                (*count as f64 / steps as f64, milliseconds, *name)
            })
            .collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        let sum: (f64, f64) = rows
            .iter()
            .fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        let mut text = format!("{:>9} {:>10}\n", "launches", "ms");
        for (count, milliseconds, name) in [(sum.0, sum.1, "all")].into_iter().chain(rows) {
            text += &format!("{count:9.1} {milliseconds:10.3}  {name}\n");
        }
        text
    }
}
