//! Where tensors live, and how their values come back. The one place that names a back end.

use burn::tensor::{Device, Tensor};

use crate::error::Result;

/// The CPU, with automatic differentiation.
pub fn cpu() -> Device {
    Device::flex().autodiff()
}

/// The entries of a tensor in f32, row by row.
///
/// Fails if the tensor has another type or the device lost it.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .map_err(|error| anyhow::anyhow!("cannot read a tensor back: {error}"))
}
