//! Where tensors live, how images get there and values come back. The one place that names a back end.

mod compute;
mod process;

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::Result;
use crate::images::Images;

pub use compute::{Compute, Kind, Place, Precision};
pub use process::prepare;

/// The CPU, with automatic differentiation.
pub fn cpu() -> Device {
    Device::flex().autodiff()
}

/// The entries of a tensor as f32, row by row.
///
/// Fails if the device lost it.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec::<f32>()
        .map_err(|error| anyhow::anyhow!("cannot read a tensor back: {error}"))
}

/// The value of a loss.
pub fn number(loss: &Tensor<1>) -> f64 {
    let values = loss.clone().into_data().convert::<f32>();
    f64::from(values.as_slice::<f32>().expect("it was made f32")[0])
}

/// Images on a device, [n, 3, size, size].
pub fn tensor(images: &Images, device: &Device) -> Tensor<4> {
    squares(&images.values, images.size, device)
}

/// The same, at most `most` images at a time.
pub fn batches<'a>(
    images: &'a Images,
    most: usize,
    device: &'a Device,
) -> impl Iterator<Item = Tensor<4>> + 'a {
    let chunks = images.values.chunks(most * 3 * images.size * images.size);
    chunks.map(move |values| squares(values, images.size, device))
}

fn squares(values: &[f32], size: usize, device: &Device) -> Tensor<4> {
    let shape = [values.len() / (3 * size * size), 3, size, size];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}
