//! Which device computes, and in what numbers: `cpu`, `wgpu[:n]` or `cuda[:n]`, as far as this build has them.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

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
        match self {
            Self::Cpu => String::new(),
            kind => format!(", computed on {}", kind.name()),
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

/// The numbers that the layers of a network that learns multiply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// Convolutions and products of matrices in 16 bits, 8 of them exponent, forward and backward. Weights, moments, normalisation,
    /// what stands between layers, and losses have 32: mixed precision (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1),
    /// without its scaling of the loss, as the exponents are those of f32.
    Bf16,
}

impl Precision {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// A factor of a product, as the product takes it.
    pub(crate) fn lower<const D: usize>(self, factor: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => factor,
            Self::Bf16 => factor.cast(DType::BF16),
        }
    }

    /// A product as all other operations take it: f32.
    pub(crate) fn raise<const D: usize>(self, product: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => product,
            Self::Bf16 => product.cast(DType::F32),
        }
    }
}

/// What computes: the section `compute` of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// `cpu`, `wgpu[:n]` or `cuda[:n]`.
    pub device: DeviceName,
    /// What the systems' layers multiply in: `f32`, or `bf16` where the device has it.
    pub precision: Precision,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            device: DeviceName {
                kind: DeviceKind::Cpu,
                index: None,
            },
            precision: Precision::F32,
        }
    }
}

impl Compute {
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
        let has_bf16 = kind != DeviceKind::Cpu && device.supports_dtype(DType::BF16);
        if self.precision == Precision::Bf16 && !has_bf16 {
            return Err(refuse(
                format!("`{}` does not compute in bf16", self.device),
                "leave `--precision` out: f32 works everywhere",
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
        let half = Compute {
            precision: Precision::Bf16,
            ..Compute::default()
        };
        assert_eq!(
            half.open().unwrap_err().to_string(),
            "`cpu` does not compute in bf16"
        );
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
