//! An exponential moving average of a network's parameters.

use std::collections::VecDeque;

use burn::backend::Dispatch;
use burn::backend::tensor::FloatTensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::kernels::{moving_average, together};

/// Moves every parameter of `average` towards the same parameter of `model`: a <- decay a + (1 - decay) m.
///
/// `average` has no automatic differentiation; both have the same structure.
pub fn follow<M: Module>(average: M, model: &M, decay: f64) -> M {
    let mut collected = Collected(VecDeque::new());
    model.visit(&mut collected);
    together(|| {
        average.map(&mut Lerp {
            targets: collected.0,
            decay,
        })
    })
}

struct Collected(VecDeque<FloatTensor<Dispatch>>);

impl ModuleVisitor for Collected {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0
            .push_back(parameter.val().without_autodiff().into_dispatch());
    }
}

struct Lerp {
    targets: VecDeque<FloatTensor<Dispatch>>,
    decay: f64,
}

impl ModuleMapper for Lerp {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let target = self
            .targets
            .pop_front()
            .expect("average and model have the same parameters");
        let decay = self.decay;
        parameter.map(|average| moving_average(average, Tensor::from_dispatch(target), decay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::values;
    use crate::nn::conv::WeightInit;
    use crate::nn::linear::Linear;
    use crate::nn::parameters::Parameters;
    use crate::random::Random;
    use burn::tensor::Device;

    #[test]
    fn the_distance_halves_after_the_half_life() {
        let device = Device::flex().autodiff();
        let layer = |seed| {
            let parameters = Parameters::new("layer", Random::new(seed), &device);
            Linear::new(&parameters, 3, 2, WeightInit::He)
        };
        let (start, model) = (layer(0), layer(1));
        let decay = 0.5f64.powf(1.0 / 10.0);
        let mut average = start.valid();
        for _ in 0..10 {
            average = follow(average, &model, decay);
        }
        let value = |layer: &Linear| values(layer.weight.val()).expect("f32");
        for ((now, first), target) in value(&average)
            .iter()
            .zip(value(&start.valid()))
            .zip(value(&model.valid()))
        {
            assert!(
                (now - f32::midpoint(first, target)).abs() < 1e-5,
                "{now} {first} {target}"
            );
        }
    }
}
