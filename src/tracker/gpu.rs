//! What the machine's GPUs do, under MLflow's names (`mlflow/system_metrics/metrics/gpu_monitor.py` of MLflow
//! 3.17.2). Like MLflow it asks NVIDIA's driver, which is looked for when the program runs; without it there is nothing.

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::system::{MEGABYTE, percent};

/// What one GPU does. What the driver does not tell is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// Percent of the time that something ran on it.
    utilization: Option<u32>,
    /// Bytes in use, and bytes in all.
    memory: Option<[u64; 2]>,
    /// Milliwatts that it draws, and that it may draw.
    power: Option<[u32; 2]>,
}

/// Looks at all GPUs, in the driver's order.
pub(super) type Reader = Box<dyn FnMut() -> Vec<Look> + Send>;

/// The reader that asks the driver, if there is one.
pub(super) fn driver() -> Option<Reader> {
    let driver = Nvml::init().ok()?;
    Some(Box::new(move || {
        let count = driver.device_count().unwrap_or(0);
        let devices = (0..count).map(|number| driver.device_by_index(number));
        devices
            .map(|device| device.as_ref().map(look).unwrap_or_default())
            .collect()
    }))
}

fn look(device: &Device<'_>) -> Look {
    let power = || -> Result<[u32; 2], NvmlError> {
        Ok([device.power_usage()?, device.enforced_power_limit()?])
    };
    // MLflow asks by a method in whose sum the driver's own memory is in use.
    let memory = device.memory_info();
    Look {
        utilization: device.utilization_rates().ok().map(|rates| rates.gpu),
        memory: memory
            .ok()
            .map(|memory| [memory.used + memory.reserved, memory.total]),
        power: power().ok(),
    }
}

impl Look {
    /// Its numbers: their names, and percent, megabytes or watts.
    pub(super) fn scalars(self) -> Vec<(&'static str, f64)> {
        let mut scalars = Vec::new();
        if let Some(utilization) = self.utilization {
            scalars.push(("utilization_percentage", f64::from(utilization)));
        }
        if let Some([used, total]) = self.memory {
            scalars.push(("memory_usage_megabytes", used as f64 / MEGABYTE));
            scalars.push(("memory_usage_percentage", percent(used, total)));
        }
        if let Some([drawn, limit]) = self.power.map(|power| power.map(u64::from)) {
            scalars.push(("power_usage_watts", drawn as f64 / 1000.0));
            scalars.push(("power_usage_percentage", percent(drawn, limit)));
        }
        scalars
    }
}

/// A reader of two GPUs, the second of which tells little.
#[cfg(test)]
pub(super) fn pretended() -> Reader {
    let whole = Look {
        utilization: Some(37),
        memory: Some([20_000_000_000, 80_000_000_000]),
        power: Some([175_300, 350_600]),
    };
    let poor = Look {
        utilization: Some(0),
        ..Look::default()
    };
    Box::new(move || vec![whole, poor])
}
