//! HRNetV2: branches of feature maps at several resolutions, fused again and again, the finest never given up.
//!
//! Wang et al.: Deep High-Resolution Representation Learning for Visual Recognition, 2020 (arXiv 1908.07919), with the head of
//! HRNetV2 for segmentation. What differs: 1. Instance normalisation without scale and shift in place of batch normalisation.
//! 2. The stride of the two convolutions of the stem is a setting: at the published 2 the maps have a quarter of the image's size and
//! are enlarged in the end, at 1 they have its size.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::Activation::{Identity, Relu};
use super::conv::{Conv2d, WeightInit, Window};
use super::norm::instance_norm;
use super::parameters::Parameters;
use super::resize::enlarge;
use crate::kernels::concatenate;

/// How many times more feature maps a bottleneck gives than it has inside.
const EXPANSION: usize = 4;

/// Shape of an [`HrNet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HrNetShape {
    /// Channels of the images.
    pub channels: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Feature maps of the finest branch; each coarser one has twice as many.
    pub width: usize,
    /// Modules of each stage after the first; a stage has one branch more than the one before (published: 1, 4, 3).
    pub modules: Vec<usize>,
    /// Residual blocks of a branch in a module, and of the first stage (published: 4).
    pub blocks: usize,
    /// Feature maps of the stem (published: 64).
    pub stem: usize,
    /// Stride of the two convolutions of the stem, 1 or 2 (published: 2).
    pub stem_stride: usize,
}

impl HrNetShape {
    /// How many times smaller than the image the coarsest branch is.
    pub fn reduction(&self) -> usize {
        (self.stem_stride * self.stem_stride) << self.modules.len()
    }

    fn maps(&self, branch: usize) -> usize {
        self.width << branch
    }
}

/// A convolution without a bias, which a normalisation follows.
fn conv(parameters: &Parameters, inputs: usize, outputs: usize, window: Window) -> Conv2d {
    Conv2d::new(parameters, inputs, outputs, window, WeightInit::He, false)
}

/// 3 x 3 at every `stride`-th place.
fn three(stride: usize) -> Window {
    Window {
        stride,
        ..Window::SAME
    }
}

/// A residual block of some convolutions: three with a narrow middle in the first stage, two in the others.
#[derive(Module, Debug)]
struct Block {
    convolutions: Vec<Conv2d>,
    shortcut: Option<Conv2d>,
}

impl Block {
    fn bottleneck(parameters: &Parameters, inputs: usize, inside: usize) -> Self {
        let part = |place: usize| parameters.within(format!("convolutions.{place}"));
        let outputs = EXPANSION * inside;
        let shortcut = &parameters.within("shortcut");
        Self {
            convolutions: vec![
                conv(&part(0), inputs, inside, Window::POINT),
                conv(&part(1), inside, inside, Window::SAME),
                conv(&part(2), inside, outputs, Window::POINT),
            ],
            shortcut: (inputs != outputs).then(|| conv(shortcut, inputs, outputs, Window::POINT)),
        }
    }

    fn basic(parameters: &Parameters, maps: usize) -> Self {
        let part = |place: usize| parameters.within(format!("convolutions.{place}"));
        let layer = |place: usize| conv(&part(place), maps, maps, Window::SAME);
        Self {
            convolutions: vec![layer(0), layer(1)],
            shortcut: None,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let last = self.convolutions.len() - 1;
        let layers = self.convolutions.iter().enumerate();
        let maps = layers.fold(input.clone(), |maps, (place, conv)| {
            let activation = if place == last { Identity } else { Relu };
            instance_norm(conv.forward(maps), activation)
        });
        let shortcut = match &self.shortcut {
            Some(conv) => instance_norm(conv.forward(input), Identity),
            None => input,
        };
        Relu.forward(maps + shortcut)
    }
}

/// From one branch to another: convolutions that halve where the other is coarser, one of 1 x 1 and an enlargement where it is finer.
#[derive(Module, Debug)]
struct Way {
    convolutions: Vec<Conv2d>,
    enlarged: usize,
}

impl Way {
    /// None from a branch to itself.
    fn new(parameters: &Parameters, shape: &HrNetShape, from: usize, to: usize) -> Option<Self> {
        let part = |place: usize| parameters.within(format!("convolutions.{place}"));
        let (inputs, outputs) = (shape.maps(from), shape.maps(to));
        let (convolutions, enlarged) = if from > to {
            let point = conv(&part(0), inputs, outputs, Window::POINT);
            (vec![point], 1 << (from - to))
        } else {
            let halvings = (from..to).enumerate().map(|(place, branch)| {
                let outputs = if branch + 1 == to { outputs } else { inputs };
                conv(&part(place), inputs, outputs, three(2))
            });
            (halvings.collect(), 1)
        };
        (from != to).then_some(Self {
            convolutions,
            enlarged,
        })
    }

    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let last = self.convolutions.len() - 1;
        let layers = self.convolutions.iter().enumerate();
        let maps = layers.fold(maps, |maps, (place, conv)| {
            let activation = if place == last { Identity } else { Relu };
            instance_norm(conv.forward(maps), activation)
        });
        enlarge(maps, self.enlarged)
    }
}

/// Blocks of each branch, then every branch fused with all others.
#[derive(Module, Debug)]
struct Exchange {
    branches: Vec<Vec<Block>>,
    /// By branch that is fused, then by branch that it is fused from.
    ways: Vec<Vec<Option<Way>>>,
}

impl Exchange {
    fn new(parameters: &Parameters, shape: &HrNetShape, branches: usize) -> Self {
        let block = |branch: usize, place: usize| {
            let part = &parameters.within(format!("branches.{branch}.{place}"));
            Block::basic(part, shape.maps(branch))
        };
        let way = |to: usize, from: usize| {
            let part = &parameters.within(format!("ways.{to}.{from}"));
            Way::new(part, shape, from, to)
        };
        Self {
            branches: (0..branches)
                .map(|branch| {
                    (0..shape.blocks)
                        .map(|place| block(branch, place))
                        .collect()
                })
                .collect(),
            ways: (0..branches)
                .map(|to| (0..branches).map(|from| way(to, from)).collect())
                .collect(),
        }
    }

    fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let branches = maps.into_iter().zip(&self.branches);
        let maps: Vec<Tensor<4>> = branches
            .map(|(maps, blocks)| blocks.iter().fold(maps, |maps, block| block.forward(maps)))
            .collect();
        let fused = self.ways.iter().map(|ways| {
            let parts = ways.iter().zip(&maps).map(|(way, maps)| match way {
                Some(way) => way.forward(maps.clone()),
                None => maps.clone(),
            });
            let sum = parts.reduce(|sum, part| sum + part);
            Relu.forward(sum.expect("there is a branch"))
        });
        fused.collect()
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct HrNet {
    stem: Vec<Conv2d>,
    first: Vec<Block>,
    /// To the finest branch; the coarser ones come from the coarsest of the stage before.
    finest: Conv2d,
    coarser: Vec<Conv2d>,
    stages: Vec<Vec<Exchange>>,
    joined: Conv2d,
    head: Conv2d,
    enlarged: usize,
}

impl HrNet {
    /// A network of the given shape. Images must have a size that [`HrNetShape::reduction`] divides.
    pub fn new(parameters: &Parameters, shape: &HrNetShape) -> Self {
        let part = |name: String| parameters.within(name);
        let (stem, stages) = (shape.stem, shape.modules.len());
        let wide = EXPANSION * stem;
        let stride = three(shape.stem_stride);
        let all: usize = (0..=stages).map(|branch| shape.maps(branch)).sum();
        let first = (0..shape.blocks).map(|place| {
            let inputs = if place == 0 { stem } else { wide };
            Block::bottleneck(&part(format!("first.{place}")), inputs, stem)
        });
        let coarser = (1..=stages).map(|branch| {
            let inputs = match branch {
                1 => wide,
                branch => shape.maps(branch - 1),
            };
            conv(
                &part(format!("coarser.{branch}")),
                inputs,
                shape.maps(branch),
                three(2),
            )
        });
        let exchanges = shape.modules.iter().enumerate().map(|(stage, &modules)| {
            let exchange = |place: usize| {
                Exchange::new(&part(format!("stages.{stage}.{place}")), shape, stage + 2)
            };
            (0..modules).map(exchange).collect()
        });
        let head = &part("head".to_owned());
        Self {
            stem: vec![
                conv(&part("stem.0".to_owned()), shape.channels, stem, stride),
                conv(&part("stem.1".to_owned()), stem, stem, stride),
            ],
            first: first.collect(),
            finest: conv(
                &part("finest".to_owned()),
                wide,
                shape.maps(0),
                Window::SAME,
            ),
            coarser: coarser.collect(),
            stages: exchanges.collect(),
            joined: conv(&part("joined".to_owned()), all, all, Window::POINT),
            head: Conv2d::new(
                head,
                all,
                shape.outputs,
                Window::POINT,
                WeightInit::Glorot,
                true,
            ),
            enlarged: shape.stem_stride * shape.stem_stride,
        }
    }

    /// [n, channels, h, w] -> [n, outputs, h, w], before the last activation function
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let layer = |conv: &Conv2d, maps: Tensor<4>| instance_norm(conv.forward(maps), Relu);
        let stem = self
            .stem
            .iter()
            .fold(images, |maps, conv| layer(conv, maps));
        let wide = self
            .first
            .iter()
            .fold(stem, |maps, block| block.forward(maps));
        let mut maps = vec![layer(&self.finest, wide.clone())];
        let mut coarsest = wide;
        for (coarser, modules) in self.coarser.iter().zip(&self.stages) {
            maps.push(layer(coarser, coarsest));
            maps = modules
                .iter()
                .fold(maps, |maps, module| module.forward(maps));
            coarsest = maps.last().expect("there is a branch").clone();
        }
        // The head of HRNetV2: all branches at the size of the finest.
        let branches = maps.into_iter().enumerate();
        let same = branches.map(|(branch, maps)| enlarge(maps, 1 << branch));
        let joined = layer(&self.joined, concatenate(same.collect()));
        enlarge(self.head.forward(joined), self.enlarged)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{ModuleVisitor, Param};

    use super::*;
    use crate::device::cpu;
    use crate::random::Random;

    /// Feature maps behind convolutions.
    struct Maps(usize);

    impl ModuleVisitor for Maps {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            if D == 4 {
                self.0 += parameter.dims()[0];
            }
        }
    }

    #[test]
    fn it_has_the_published_parameters() {
        let parameters = Parameters::new("hrnet", Random::new(0), &cpu());
        for (width, published) in [(18, 9_641_119), (32, 29_546_515)] {
            let shape = HrNetShape {
                channels: 3,
                outputs: 19,
                width,
                modules: vec![1, 4, 3],
                blocks: 4,
                stem: 64,
                stem_stride: 2,
            };
            let network = HrNet::new(&parameters, &shape);
            let mut maps = Maps(0);
            network.visit(&mut maps);
            // Published with batch normalisation behind every convolution but the last: a scale and a shift for each of its maps;
            // and a bias in the first convolution of the head, which has no effect.
            let normalised = maps.0 - 19;
            let found = network.num_params() + 2 * normalised + 15 * width;
            assert_eq!(found, published);
        }
    }

    #[test]
    fn the_result_has_the_size_of_the_image_whatever_the_stem_s_stride() {
        let parameters = Parameters::new("hrnet", Random::new(0), &cpu());
        for (stem_stride, size) in [(1, 16), (2, 32)] {
            let shape = HrNetShape {
                channels: 1,
                outputs: 2,
                width: 2,
                modules: vec![1, 1],
                blocks: 1,
                stem: 2,
                stem_stride,
            };
            assert_eq!(shape.reduction(), 4 * stem_stride * stem_stride);
            let network = HrNet::new(&parameters, &shape);
            let result = network.forward(Tensor::zeros([1, 1, size, size], &cpu()));
            assert_eq!(result.dims(), [1, 2, size, size]);
        }
    }
}
