//! Tensors of the CPU back end as slices, for the kernels of this module.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{Shape, Tensor, TensorData};

use super::is_f32;

/// A tensor of the CPU back end.
pub(super) type Primitive = FloatTensor<Flex>;

/// Numbers that one thread should have to itself before a second one is worth waking.
pub(super) const GRAIN: usize = 16 * 1024;

/// Whether a tensor is one of the CPU back end.
pub(super) fn is_on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device().without_autodiff();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// Whether a tensor holds f32 on the CPU back end: the kernels are for those, Burn's operations for all others.
pub(super) fn is_ours<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_f32(tensor) && is_on_cpu(tensor)
}

/// The entries of a contiguous tensor, in row-major order.
pub(super) fn entries(tensor: &Primitive) -> &[f32] {
    tensor
        .as_slice()
        .expect("the tensor was made contiguous and has f32 entries")
}

/// A tensor whose storage holds its entries in order and no others.
pub(super) fn whole(tensor: Primitive) -> Primitive {
    let count = tensor.layout().shape().num_elements();
    if tensor.as_slice::<f32>().is_some() && tensor.storage::<f32>().len() == count {
        return tensor;
    }
    let shape = tensor.layout().shape().clone();
    self::tensor(entries(&tensor.to_contiguous()).to_vec(), shape)
}

/// A tensor of these entries.
pub(super) fn tensor(entries: Vec<f32>, shape: impl Into<Shape>) -> Primitive {
    Primitive::from_data(TensorData::new(entries, shape))
}
