//! What networks spend their time in, as functions on tensors: convolutions, normalisation, activation functions, pools;
//! and the steps of the optimiser and of moving averages.
//!
//! For f32 on Burn's Flex back end (the CPU) they are kernels of this module's own, forward and, where a network is
//! trained through them, backward. On GPUs convolutions, both normalisations, activation functions and those steps have
//! kernels too, each the file `gpu.rs` of its folder; all else, and any other precision, is Burn's operations. Results of the
//! CPU's kernels have the same bits for any number of threads, and an image the same bits whatever its batch, batch
//! normalisation aside.

pub mod activation;
pub mod adam;
mod average;
pub mod inception;
pub mod transformer;

mod conv;
mod flex;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod layout;
mod norm;
mod operations;
mod pool;
mod product;
mod scratch;
mod spectral;
mod together;

use burn::tensor::{DType, Tensor};

pub use self::activation::Activation;
pub use self::average::moving_average;
pub use self::conv::{conv_transpose2d, conv2d};
pub use self::layout::{concatenate, maps_of, places_of};
pub use self::norm::{batch_norm, batch_norm_train, group_norm};
pub use self::operations::{gigaflop_since, operations};
pub use self::pool::max_pool2d;
pub use self::spectral::{normalised, power_iteration, spectral_normalise};
pub use self::together::together;

/// Whether a tensor holds f32: kernels that CPU and GPUs have are for those.
fn is_f32<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
}
