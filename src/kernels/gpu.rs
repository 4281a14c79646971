//! What the kernels of this module on GPUs share: they are CubeCL's, for f32 tensors of its back end.

use std::cmp::Reverse;

use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;

/// Units of a cube whose units add something up together. Every device has as many.
pub(super) const UNITS: usize = 256;
/// Cubes in the first dimension of more than so many; WebGPU has at most 65,535.
const WIDEST: usize = 1 << 15;

/// A new tensor of `shape` beside `like`.
pub(super) fn empty(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), DType::F32)
}

/// A new tensor of the shape of `like`, which has no gaps, with its entries in the same order in memory.
pub(super) fn empty_like(like: &CubeTensor) -> CubeTensor {
    CubeTensor {
        meta: like.meta.clone(),
        ..empty(like, like.meta.shape().clone())
    }
}

/// The tensors, of one shape, with their entries in one order in memory, without gaps: as they are, if they have one, else maps and
/// kernels with channels last, as convolutions take and give them, and others as the first lies. So weights come to lie in the order of
/// their gradients in the first steps of a training.
pub(super) fn in_one_order<const N: usize>(tensors: [CubeTensor; N]) -> [CubeTensor; N] {
    let first = &tensors[0].meta;
    let is_one = |tensor: &CubeTensor| {
        let strides = tensor.meta.strides().iter().zip(first.strides().iter());
        // What is never stepped along may have any stride.
        let mut steps = first.shape().iter().zip(strides);
        tensor.is_contiguous_buffer() && steps.all(|(&length, (a, b))| length == 1 || a == b)
    };
    if tensors.iter().all(is_one) {
        return tensors;
    }
    if first.num_dims() == 4 {
        return tensors.map(channels_last);
    }
    let strides = first.strides().clone();
    let mut order: Vec<usize> = (0..strides.len()).collect();
    order.sort_by_key(|&axis| Reverse(strides[axis]));
    let mut back = order.clone();
    back.sort_by_key(|&place| order[place]);
    tensors.map(|tensor| {
        let ordered = into_contiguous(Cube::float_permute(tensor, &order));
        Cube::float_permute(ordered, &back)
    })
}

/// The tensor [n, channels, h, w] with its channels last in memory, without gaps: as Burn's convolutions leave maps, and take them without
/// a copy.
pub(super) fn channels_last(tensor: CubeTensor) -> CubeTensor {
    permute_nhwc_to_nchw(into_contiguous(permute_nchw_to_nhwc(tensor)))
}

/// Cubes for a kernel whose units have a number each, of `count`; some units may be left over.
pub(super) fn of_each(like: &CubeTensor, count: usize) -> (CubeCount, CubeDim) {
    let dimension = CubeDim::new(&like.client, count);
    let cubes = calculate_cube_count_elemwise(&like.client, count, dimension);
    (cubes, dimension)
}

/// `count` cubes of [`UNITS`] units; some may be left over.
pub(super) fn of_sums(count: usize) -> (CubeCount, CubeDim) {
    let wide = count.min(WIDEST);
    let cubes = CubeCount::Static(wide as u32, count.div_ceil(wide) as u32, 1);
    (cubes, CubeDim::new_1d(UNITS as u32))
}

/// What is each unit's `own`, added up over the units of a cube that are a multiple of `lanes` apart: over all of them if that is 1.
///
/// `lanes` is a power of two, at most half of [`UNITS`]; all units of the cube must ask.
#[cube]
pub(super) fn sum_of_units(own: f32, #[comptime] lanes: usize) -> f32 {
    let mut sums = Shared::<[f32]>::new_slice(UNITS);
    let unit = UNIT_POS as usize;
    sums[unit] = own;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2; // UNITS / 2
    while half >= lanes {
        if unit < half {
            sums[unit] = sums[unit] + sums[unit + half];
        }
        sync_cube();
        half = half / 2;
    }
    sums[unit % lanes]
}
