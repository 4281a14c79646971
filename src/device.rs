//! Where tensors live, how images get there and values come back. The one place that names a back end.

mod compute;
mod kernel_cache;
mod precision;
mod process;

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::Result;
use crate::images::Images;

pub use compute::{Compute, DeviceKind, DeviceName, count};
pub use kernel_cache::KernelCache;
pub use precision::{Precision, PrecisionSetting};
pub use process::prepare;

/// The CPU, with automatic differentiation.
pub fn cpu() -> Device {
    Device::flex().autodiff()
}

/// The entries of a tensor as f32, row by row.
///
/// # Errors
/// If the device lost it.
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

/// Images on a device, [n, channels, size, size].
pub fn tensor(images: &Images, device: &Device) -> Tensor<4> {
    squares(&images.values, images, device)
}

/// The same, at most `most` images at a time.
pub fn batches<'a>(
    images: &'a Images,
    most: usize,
    device: &'a Device,
) -> impl Iterator<Item = Tensor<4>> + 'a {
    let length = images.channels * images.size * images.size;
    let chunks = images.values.chunks(most * length);
    chunks.map(move |values| squares(values, images, device))
}

/// Some of the values of `images`.
fn squares(values: &[f32], images: &Images, device: &Device) -> Tensor<4> {
    let (channels, size) = (images.channels, images.size);
    let count = values.len() / (channels * size * size);
    let shape = [count, channels, size, size];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}
