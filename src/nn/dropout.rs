//! Dropout whose masks are addressed by a seed and a layer.

use burn::tensor::{Tensor, TensorData};

use crate::random::Random;

/// Zeroes entries at random and enlarges the others, so that the mean stays (Srivastava et al. 2014; PyTorch's inverted form).
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The probability of a zero, from 0 to below 1.
    pub rate: f64,
    /// Its masks are drawn from the streams `dropout.<layer>`, at this position.
    pub random: Random,
}

impl Dropout {
    /// The maps of the layer `layer` with some of their entries zero. The mask is a function of seed, position, layer and shape.
    pub fn forward(&self, maps: Tensor<4>, layer: usize) -> Tensor<4> {
        if self.rate == 0.0 {
            return maps;
        }
        let mut stream = self.random.stream(&format!("dropout.{layer}"));
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let entries = maps.dims().iter().product();
        let mask: Vec<f32> = (0..entries)
            .map(|_| {
                if stream.uniform() < self.rate {
                    0.0
                } else {
                    kept
                }
            })
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, maps.dims()), &maps.device());
        maps * mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, values};

    #[test]
    fn masks_are_those_of_their_seed_position_and_layer() {
        let maps = || Tensor::<4>::ones([2, 8, 16, 16], &cpu());
        let drop = |seed, position, layer| {
            let random = Random::new(seed).at(position);
            let dropout = Dropout { rate: 0.25, random };
            values(dropout.forward(maps(), layer)).expect("f32")
        };
        let first = drop(0, 3, 1);
        assert_eq!(first, drop(0, 3, 1));
        for other in [drop(1, 3, 1), drop(0, 4, 1), drop(0, 3, 2)] {
            assert_ne!(first, other);
        }
        let zeros = first.iter().filter(|value| **value == 0.0).count();
        assert!((900..1150).contains(&zeros), "{zeros} of 4096");
        let kept = first.iter().filter(|value| **value > 0.0);
        assert!(
            kept.into_iter()
                .all(|value| (value - 4.0 / 3.0).abs() < 1e-6)
        );
    }
}
