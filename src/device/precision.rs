//! What the layers of a network multiply in.

use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// The numbers that the layers of a network that learns multiply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// f32 whose factors the tensor cores of an NVIDIA card round to 10 bits of mantissa; sums have 32. CubeCL 0.11 multiplies f32 so
    /// on `cuda`, wherever it can, and has no switch.
    Tf32,
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
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }

    /// A factor of a product, as the product takes it.
    pub(crate) fn lower<const D: usize>(self, factor: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 | Self::Tf32 => factor,
            Self::Bf16 => factor.cast(DType::BF16),
        }
    }

    /// A product as all other operations take it: f32.
    pub(crate) fn raise<const D: usize>(self, product: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 | Self::Tf32 => product,
            Self::Bf16 => product.cast(DType::F32),
        }
    }
}

/// The precision that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionSetting {
    /// What the device multiplies f32 in.
    #[default]
    Auto,
    /// [`Precision::F32`]
    F32,
    /// [`Precision::Tf32`]
    Tf32,
    /// [`Precision::Bf16`]
    Bf16,
}
