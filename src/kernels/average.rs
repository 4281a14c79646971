//! A step of an exponential moving average in one pass over the numbers of a parameter: by Burn's operations it is three, on a GPU
//! three kernels that the host launches.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::flex::{GRAIN, Primitive, entries, whole};
use super::is_f32;
use crate::wide::wide;

/// `decay` `average` + (1 - `decay`) `target`, of one shape, through which no gradient flows; on the CPU the bits of Burn's operations.
pub fn moving_average<const D: usize>(
    average: Tensor<D>,
    target: Tensor<D>,
    decay: f64,
) -> Tensor<D> {
    if average.device().is_autodiff() {
        return Tensor::from_inner(moving_average(average.inner(), target.inner(), decay));
    }
    if !is_f32(&average) {
        return average.mul_scalar(decay) + target.mul_scalar(1.0 - decay);
    }
    let parts = [decay, 1.0 - decay].map(|part| part as f32);
    Tensor::from_dispatch(Dispatch::moving_average(
        average.into_dispatch(),
        target.into_dispatch(),
        parts,
    ))
}

/// The operation of a back end.
#[backend_extension(Flex, Cube: cfg(any(feature = "wgpu", feature = "cuda")))]
trait Average: Backend {
    /// `parts[0]` `average` + `parts[1]` `target`
    fn moving_average(
        average: FloatTensor<Self>,
        target: FloatTensor<Self>,
        parts: [f32; 2],
    ) -> FloatTensor<Self>;
}

impl Average for Flex {
    fn moving_average(average: Primitive, target: Primitive, parts: [f32; 2]) -> Primitive {
        let target = target.to_contiguous();
        // Nobody else holds it, so that what is written to it takes no new memory.
        let mut average = whole(average);
        let averages = average.storage_mut::<f32>().par_chunks_mut(GRAIN);
        averages
            .zip(entries(&target).par_chunks(GRAIN))
            .for_each(|(average, target)| follow(average, target, parts));
        average
    }
}

wide! {
    /// A step of some numbers.
    fn follow(average: &mut [f32], target: &[f32], parts: [f32; 2]) {
        for (average, target) in average.iter_mut().zip(target) {
            *average = *average * parts[0] + target * parts[1];
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::device::values;
    use crate::random::Random;

    #[test]
    fn the_bits_are_those_of_burns_operations() {
        let shape = [7, 5000];
        let draw = |name: &str| {
            let numbers = Random::new(1).stream(name).normals(shape.iter().product());
            Tensor::<2>::from_data(TensorData::new(numbers, shape), &Device::flex())
        };
        let (average, target) = (draw("average"), draw("target"));
        for decay in [0.0, 0.9, 0.9999, 1.0] {
            let expected =
                average.clone().mul_scalar(decay) + target.clone().mul_scalar(1.0 - decay);
            // The clone is held elsewhere, and neither may be written to.
            let found = moving_average(average.clone(), target.clone(), decay);
            assert_eq!(values(found).unwrap(), values(expected).unwrap(), "{decay}");
            let turned = moving_average(
                average.clone().transpose(),
                target.clone().transpose(),
                decay,
            );
            let found = moving_average(average.clone(), target.clone(), decay);
            assert_eq!(values(turned.transpose()).unwrap(), values(found).unwrap());
        }
        assert_eq!(values(average).unwrap(), values(draw("average")).unwrap());
    }
}
