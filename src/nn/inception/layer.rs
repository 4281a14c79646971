//! What the network is made of: convolutions, pools, and branches side by side.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::convolution::{Convolution, Step};

/// A part of the network, from maps to maps.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    Convolution(Convolution),
    /// The largest of 3 x 3 places.
    MaxPool(Step),
    /// The mean of 3 x 3 places; beyond the border there is nothing, not zeros.
    AveragePool,
    /// Chains of layers that see the same maps; their outputs become one, channel after channel.
    Branches(Vec<Vec<Layer>>),
}

impl Layer {
    /// [n, inputs, h, w] -> [n, outputs, h', w']
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Convolution(convolution) => convolution.forward(maps),
            Self::MaxPool(step) => {
                let options = MaxPoolOptions::new([3, 3])
                    .with_stride([step.stride(); 2])
                    .with_padding([step.padding(3); 2]);
                max_pool2d(maps, options)
            }
            Self::AveragePool => {
                let options = AvgPoolOptions::new([3, 3])
                    .with_stride([1, 1])
                    .with_padding([1, 1])
                    .with_count_include_pad(false);
                avg_pool2d(maps, options)
            }
            Self::Branches(branches) => {
                let outputs = branches.iter().map(|branch| {
                    branch
                        .iter()
                        .fold(maps.clone(), |maps, layer| layer.forward(maps))
                });
                Tensor::cat(outputs.collect(), 1)
            }
        }
    }
}
