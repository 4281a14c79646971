//! A U-Net of residual blocks for images of few pixels: two to four levels, whose receptive field is set by their number.
//!
//! Ronneberger, Fischer, Brox: U-Net, 2015 (arXiv 1505.04597), with the residual blocks and the nearest-neighbour enlargement of the
//! networks that segment nanoparticles at chosen receptive fields (seed 004 builds on them; arXiv 2402.18286). Per level two 3 x 3
//! convolutions beside a shortcut, twice as many feature maps as above, 2 x 2 max pooling. Instance normalisation is ours.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::Activation::{Identity, Relu};
use super::conv::{Conv2d, WeightInit, Window};
use super::norm::instance_norm;
use super::parameters::Parameters;
use super::resize::double;
use crate::kernels::{concatenate, max_pool2d};

/// 2 x 2 max pooling.
const POOL: Window = Window {
    kernel: 2,
    stride: 2,
    padding: 0,
};

/// Two convolutions beside a shortcut: relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)).
#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    second: Conv2d,
    shortcut: Conv2d,
}

impl Block {
    fn new(parameters: &Parameters, inputs: usize, outputs: usize) -> Self {
        let conv = |name: &str, inputs: usize, window: Window, bias: bool| {
            let part = &parameters.within(name);
            Conv2d::new(part, inputs, outputs, window, WeightInit::He, bias)
        };
        // A bias before a normalisation has no effect.
        Self {
            first: conv("first", inputs, Window::SAME, false),
            second: conv("second", outputs, Window::SAME, false),
            shortcut: conv("shortcut", inputs, Window::POINT, true),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let maps = instance_norm(self.first.forward(input.clone()), Relu);
        let maps = instance_norm(self.second.forward(maps), Identity);
        Relu.forward(maps + self.shortcut.forward(input))
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct ResidualUnet {
    down: Vec<Block>,
    up: Vec<Block>,
    head: Conv2d,
}

impl ResidualUnet {
    /// A network of `levels` levels, the first with `width` feature maps, from `channels` to `outputs` channels. Images must have a
    /// size that 2^(levels - 1) divides.
    pub fn new(
        parameters: &Parameters,
        [channels, outputs]: [usize; 2],
        width: usize,
        levels: usize,
    ) -> Self {
        let maps = |level: usize| width << level;
        let down = (0..levels).map(|level| {
            let inputs = if level == 0 {
                channels
            } else {
                maps(level - 1)
            };
            let part = &parameters.within(format!("down.{level}"));
            Block::new(part, inputs, maps(level))
        });
        let up = (0..levels - 1).rev().map(|level| {
            let part = &parameters.within(format!("up.{level}"));
            Block::new(part, maps(level) + maps(level + 1), maps(level))
        });
        let head = &parameters.within("head");
        Self {
            down: down.collect(),
            up: up.collect(),
            head: Conv2d::new(
                head,
                width,
                outputs,
                Window::POINT,
                WeightInit::Glorot,
                true,
            ),
        }
    }

    /// The windows from an image to the innermost feature maps.
    pub fn windows(levels: usize) -> Vec<Window> {
        let mut windows = vec![Window::SAME; 2];
        for _ in 1..levels {
            windows.extend([POOL, Window::SAME, Window::SAME]);
        }
        windows
    }

    /// [n, channels, h, w] -> [n, outputs, h, w], before the last activation function
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut skips: Vec<Tensor<4>> = Vec::new();
        let mut maps = images;
        for (level, block) in self.down.iter().enumerate() {
            if level > 0 {
                skips.push(maps.clone());
                maps = max_pool2d(maps);
            }
            maps = block.forward(maps);
        }
        for block in &self.up {
            let skip = skips.pop().expect("as many blocks up as pools");
            maps = block.forward(concatenate(vec![skip, double(maps)]));
        }
        self.head.forward(maps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_set_the_receptive_field() {
        let field = |levels| Window::receptive_field(&ResidualUnet::windows(levels));
        assert_eq!([2, 3, 4, 5].map(field), [14, 32, 68, 140]);
    }
}
