//! What the network is made of: convolutions, pools, and branches side by side.

use std::ops::Range;

use burn::tensor::Tensor;

use super::convolution::{Convolution, Step};
use crate::kernels::inception::{largest, rectified_mean};

/// A part of the network, from maps to maps.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    Convolution(Convolution),
    /// The largest of 3 x 3 places.
    MaxPool(Step),
    /// The mean of 3 x 3 places (beyond the border there is nothing, not zeros), and 0 if it is negative.
    RectifiedMean,
    Branches(Branches),
}

impl Layer {
    /// What the layer makes of some channels of `maps`: [n, c, h, w] -> [n, outputs, h', w'].
    pub(super) fn forward(&self, maps: &Tensor<4>, channels: Range<usize>) -> Tensor<4> {
        match self {
            Self::Convolution(convolution) => convolution.forward(maps, channels),
            Self::MaxPool(step) => largest(select(maps, channels), step.stride(), step.padding(3)),
            Self::RectifiedMean => rectified_mean(select(maps, channels)),
            Self::Branches(branches) => branches.forward(maps, channels),
        }
    }
}

/// Chains of layers that see the same maps; their outputs become one, channel after channel.
///
/// The 1 x 1 convolutions that chains begin with are computed as one: it has more outputs and reads the maps once.
#[derive(Clone, Debug)]
pub(super) struct Branches {
    head: Option<Convolution>,
    chains: Vec<Chain>,
}

#[derive(Clone, Debug)]
struct Chain {
    /// Which outputs of the head it goes on from; the maps themselves if none.
    from: Option<Range<usize>>,
    layers: Vec<Layer>,
}

impl Branches {
    /// Joins the heads of `chains`.
    pub(super) fn new(chains: Vec<Vec<Layer>>) -> Self {
        let mut heads = Vec::new();
        let chains = chains.into_iter().map(|mut layers| {
            let is_head = matches!(&layers[0], Layer::Convolution(first) if first.is_point());
            let from = is_head.then(|| match layers.remove(0) {
                Layer::Convolution(head) => {
                    let start: usize = heads.iter().map(Convolution::outputs).sum();
                    let end = start + head.outputs();
                    heads.push(head);
                    start..end
                }
                _ => unreachable!("a head is a convolution"),
            });
            Chain { from, layers }
        });
        let chains = chains.collect();
        let head = (!heads.is_empty()).then(|| Convolution::join(&heads));
        Self { head, chains }
    }

    fn forward(&self, maps: &Tensor<4>, channels: Range<usize>) -> Tensor<4> {
        let head = self.head.as_ref();
        let head = head.map(|head| head.forward(maps, channels.clone()));
        let outputs = self.chains.iter().map(|chain| {
            let (mut maps, mut channels) = match (&chain.from, &head) {
                (Some(from), Some(head)) => (head.clone(), from.clone()),
                _ => (maps.clone(), channels.clone()),
            };
            for layer in &chain.layers {
                maps = layer.forward(&maps, channels);
                channels = 0..maps.dims()[1];
            }
            select(&maps, channels)
        });
        Tensor::cat(outputs.collect(), 1)
    }
}

/// Some channels of maps.
fn select(maps: &Tensor<4>, channels: Range<usize>) -> Tensor<4> {
    maps.clone().narrow(1, channels.start, channels.len())
}
