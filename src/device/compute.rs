//! Which device computes, and in what numbers: `cpu`, `wgpu[:n]` or `cuda[:n]`, as far as this build has them.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, Device};
use serde::{Deserialize, Serialize};

use super::precision::{Precision, PrecisionSetting};
use crate::error::{Result, refuse, unknown_name};

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU. The only kind on which a seed gives the same bits every time.
    Cpu,
    /// A GPU by Vulkan, Metal or DirectX 12 (feature `wgpu`).
    Wgpu,
    /// A GPU of NVIDIA (feature `cuda`).
    Cuda,
}

impl DeviceKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Wgpu, Self::Cuda];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// What to add to the name of a network whose numbers were computed there: nothing for the CPU.
    pub fn remark(self) -> String {
        match (self, self.single_precision()) {
            (Self::Cpu, _) => String::new(),
            (kind, Precision::F32) => format!(", computed on {}", kind.name()),
            (kind, precision) => format!(", computed on {} in {}", kind.name(), precision.name()),
        }
    }

    /// What it multiplies f32 in.
    pub const fn single_precision(self) -> Precision {
        match self {
            Self::Cpu | Self::Wgpu => Precision::F32,
            Self::Cuda => Precision::Tf32,
        }
    }

    /// Whether this build has it.
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// The kind of `device`.
    pub fn of(device: &Device) -> Self {
        use burn::backend::DispatchDevice;
        match device.clone().without_autodiff().as_dispatch() {
            #[cfg(feature = "cuda")]
            DispatchDevice::Cube(burn::backend::CubeDevice::Cuda(_)) => Self::Cuda,
            #[cfg(feature = "wgpu")]
            DispatchDevice::Cube(burn::backend::CubeDevice::Wgpu(_)) => Self::Wgpu,
            DispatchDevice::Flex(_) => Self::Cpu,
            #[allow(
                unreachable_patterns,
                reason = "other features of Burn bring other kinds"
            )]
            _ => unreachable!("only `Compute::open` makes devices"),
        }
    }
}

/// One device: a kind and, among several, which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName {
    /// The kind.
    pub kind: DeviceKind,
    /// Its number, counted from 0; without one the device that the driver puts first.
    pub index: Option<usize>,
}

impl FromStr for DeviceName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, index) = match text.split_once(':') {
            None => (text, None),
            Some((name, index)) => (name, Some(index)),
        };
        let kind = DeviceKind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind
            .ok_or_else(|| unknown_name("device", name, DeviceKind::ALL.map(DeviceKind::name)))?;
        let index = index.map(str::parse).transpose();
        match index {
            Ok(Some(_)) if kind == DeviceKind::Cpu => Err(refuse(
                format!("`{text}`: the CPU has no number"),
                "write `cpu`; `RAYON_NUM_THREADS` says how many threads it takes",
            )),
            Ok(index) => Ok(Self { kind, index }),
            Err(_) => Err(refuse(
                format!("`{text}` is not a device"),
                "write `cpu`, `wgpu`, `cuda`, or a number behind it as in `cuda:1`",
            )),
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
            .map_err(|error: anyhow::Error| error.to_string())
    }
}

impl From<DeviceName> for String {
    fn from(place: DeviceName) -> Self {
        place.to_string()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.name())?;
        match self.index {
            Some(index) => write!(formatter, ":{index}"),
            None => Ok(()),
        }
    }
}

/// What computes: the section `compute` of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// `cpu`, `wgpu[:n]` or `cuda[:n]`.
    pub device: DeviceName,
    /// What the systems' layers multiply in: `auto` (`f32`, on `cuda` `tf32`), or `bf16` where the device has it.
    pub precision: PrecisionSetting,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            device: DeviceName {
                kind: DeviceKind::Cpu,
                index: None,
            },
            precision: PrecisionSetting::Auto,
        }
    }
}

impl Compute {
    /// What the systems' layers multiply in.
    pub fn precision(&self) -> Precision {
        match self.precision {
            PrecisionSetting::Auto => self.device.kind.single_precision(),
            PrecisionSetting::F32 => Precision::F32,
            PrecisionSetting::Tf32 => Precision::Tf32,
            PrecisionSetting::Bf16 => Precision::Bf16,
        }
    }

    /// The device, with automatic differentiation. To be opened once: all of a command computes on it.
    ///
    /// # Errors
    /// Refuses a kind that this build lacks, a number that no device has, and a precision that the device lacks.
    pub fn open(&self) -> Result<Device> {
        let DeviceName { kind, index } = self.device;
        if !kind.is_built_in() {
            return Err(refuse(
                format!("this build computes on no `{}` device", kind.name()),
                format!(
                    "build it with `cargo build --release --features {}`",
                    kind.name()
                ),
            ));
        }
        let device = find(kind, index)?;
        let precision = self.precision();
        let is_there = match precision {
            Precision::Bf16 => kind != DeviceKind::Cpu && device.supports_dtype(DType::BF16),
            single => single == kind.single_precision(),
        };
        if !is_there {
            let single = kind.single_precision().name();
            let hint = match (precision, kind) {
                (Precision::F32, DeviceKind::Cuda) => {
                    "name a device that does: `wgpu`, the same card by Vulkan, or `cpu`".to_owned()
                }
                _ => format!("leave `--precision` out: it is `{single}` then"),
            };
            return Err(refuse(
                format!(
                    "`{}` does not multiply in {}",
                    self.device,
                    precision.name()
                ),
                hint,
            ));
        }
        Ok(device.autodiff())
    }
}

/// A device of a kind that this build has.
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda")),
    expect(clippy::unnecessary_wraps, reason = "the CPU is always there")
)]
fn find(kind: DeviceKind, index: Option<usize>) -> Result<Device> {
    #[cfg(feature = "gpu")]
    if kind != DeviceKind::Cpu {
        super::kernel_cache::keep_kernels(kind)?;
    }
    match (kind, index) {
        #[cfg(feature = "wgpu")]
        (DeviceKind::Wgpu, None) => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "wgpu")]
        (DeviceKind::Wgpu, Some(index)) => numbered(burn::tensor::DeviceType::Wgpu, kind, index),
        #[cfg(feature = "cuda")]
        (DeviceKind::Cuda, index) => {
            numbered(burn::tensor::DeviceType::Cuda, kind, index.unwrap_or(0))
        }
        _ => Ok(Device::flex()),
    }
}

/// How many devices of a kind this build finds here; one CPU.
pub fn count(kind: DeviceKind) -> usize {
    match kind {
        #[cfg(feature = "wgpu")]
        DeviceKind::Wgpu => Device::enumerate(burn::tensor::DeviceType::Wgpu)
            .into_vec()
            .len(),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => Device::enumerate(burn::tensor::DeviceType::Cuda)
            .into_vec()
            .len(),
        _ => 1,
    }
}

/// The device with a number among those of a kind.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn numbered(all: burn::tensor::DeviceType, kind: DeviceKind, index: usize) -> Result<Device> {
    let devices = Device::enumerate(all).into_vec();
    let count = devices.len();
    devices.into_iter().nth(index).ok_or_else(|| {
        refuse(
            format!("no device `{}:{index}`: {count} found", kind.name()),
            match count {
                0 => "is the driver installed? `--device cpu` needs none".to_owned(),
                _ => "they are counted from 0".to_owned(),
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_as_it_is_read() {
        for text in ["cpu", "wgpu", "cuda:0", "wgpu:3"] {
            assert_eq!(text.parse::<DeviceName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_device_is_refused() {
        let refused = |text: &str| text.parse::<DeviceName>().unwrap_err().to_string();
        assert_eq!(refused("gpu"), "unknown device `gpu`");
        assert_eq!(refused("cuda:first"), "`cuda:first` is not a device");
        assert_eq!(refused("cpu:1"), "`cpu:1`: the CPU has no number");
    }

    #[test]
    fn the_processor_computes_in_f32_alone() {
        let device = Compute::default().open().unwrap();
        assert_eq!(DeviceKind::of(&device), DeviceKind::Cpu);
        for (wanted, name) in [
            (PrecisionSetting::Bf16, "bf16"),
            (PrecisionSetting::Tf32, "tf32"),
        ] {
            let compute = Compute {
                precision: wanted,
                ..Compute::default()
            };
            assert_eq!(
                compute.open().unwrap_err().to_string(),
                format!("`cpu` does not multiply in {name}")
            );
        }
    }

    #[test]
    fn what_is_called_f32_is_no_tf32() {
        let on = |kind, precision| Compute {
            device: DeviceName { kind, index: None },
            precision,
        };
        let auto = |kind| on(kind, PrecisionSetting::Auto).precision();
        let all = DeviceKind::ALL.map(auto);
        assert_eq!(all, [Precision::F32, Precision::F32, Precision::Tf32]);
        let asked = on(DeviceKind::Cuda, PrecisionSetting::F32);
        assert_eq!(asked.precision(), Precision::F32);
        assert_eq!(DeviceKind::Wgpu.remark(), ", computed on wgpu");
        assert_eq!(DeviceKind::Cuda.remark(), ", computed on cuda in tf32");
    }

    #[test]
    fn a_kind_that_is_not_built_in_names_the_feature() {
        for kind in [DeviceKind::Wgpu, DeviceKind::Cuda] {
            let compute = Compute {
                device: DeviceName { kind, index: None },
                ..Compute::default()
            };
            if !kind.is_built_in() {
                let error = compute.open().unwrap_err();
                let name = kind.name();
                assert_eq!(
                    error.to_string(),
                    format!("this build computes on no `{name}` device")
                );
            }
        }
    }
}
