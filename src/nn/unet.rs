//! The noise-prediction network of DDPM.
//!
//! Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, 2020 (arXiv 2006.11239), appendix B: a U-Net of residual
//! blocks with group normalisation, the time step added to every block, self-attention at 16 x 16, no dropout (their
//! setting for images larger than CIFAR's).

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

use super::activation::Activation::Silu;
use super::attention::Attention;
use super::conv::{Conv2d, WeightInit, Window};
use super::linear::Linear;
use super::norm::GroupNorm;
use super::parameters::Parameters;
use super::resize::double;
use crate::kernels::concatenate;

/// Shape of a [`UNet`].
#[derive(Clone, Debug, PartialEq)]
pub struct UNetShape {
    /// Height and width of the images.
    pub size: usize,
    /// Channels of the images, 1 or 3.
    pub channels: usize,
    /// Feature maps at full size.
    pub width: usize,
    /// Feature maps at each level, as multiples of `width`; each level halves the image.
    pub multipliers: Vec<usize>,
    /// Residual blocks per level on the way down (one more on the way up).
    pub blocks: usize,
    /// Heights of the feature maps that get self-attention.
    pub attention: Vec<usize>,
}

/// Two convolutions around the time step, with a residual connection.
#[derive(Module, Debug)]
struct ResidualBlock {
    first_norm: GroupNorm,
    first: Conv2d,
    time: Linear,
    second_norm: GroupNorm,
    second: Conv2d,
    shortcut: Option<Conv2d>,
    attention: Option<Attention>,
}

impl ResidualBlock {
    fn new(
        parameters: &Parameters,
        [inputs, outputs]: [usize; 2],
        time: usize,
        attention: bool,
    ) -> Self {
        let part = |name: &str| parameters.within(name);
        let conv = |name: &str, inputs: usize, window: Window, init: WeightInit| {
            Conv2d::new(&part(name), inputs, outputs, window, init, true)
        };
        Self {
            first_norm: GroupNorm::new(&part("first_norm"), inputs),
            first: conv("first", inputs, Window::SAME, WeightInit::Glorot),
            time: Linear::new(&part("time"), time, outputs, WeightInit::Glorot),
            second_norm: GroupNorm::new(&part("second_norm"), outputs),
            second: conv("second", outputs, Window::SAME, WeightInit::Zero),
            shortcut: (inputs != outputs)
                .then(|| conv("shortcut", inputs, Window::POINT, WeightInit::Glorot)),
            attention: attention.then(|| Attention::new(&part("attention"), outputs)),
        }
    }

    fn forward(&self, input: Tensor<4>, time: Tensor<2>) -> Tensor<4> {
        let mut maps = self
            .first
            .forward(self.first_norm.forward(input.clone(), Silu));
        let time = self.time.forward(time); // [n, outputs]
        maps = maps + time.unsqueeze_dim::<3>(2).unsqueeze_dim::<4>(3);
        maps = self.second.forward(self.second_norm.forward(maps, Silu));
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(input),
            None => input,
        };
        let sum = shortcut + maps;
        match &self.attention {
            Some(attention) => attention.forward(sum),
            None => sum,
        }
    }
}

/// Predicts the noise in a noisy image at a time step.
#[derive(Module, Debug)]
pub struct UNet {
    time_first: Linear,
    time_second: Linear,
    first: Conv2d,
    down: Vec<Vec<ResidualBlock>>,
    halvings: Vec<Conv2d>,
    middle: Vec<ResidualBlock>,
    up: Vec<Vec<ResidualBlock>>,
    doublings: Vec<Conv2d>,
    last_norm: GroupNorm,
    last: Conv2d,
    width: usize,
}

impl UNet {
    /// A network of the given shape whose first output is zero.
    pub fn new(parameters: &Parameters, shape: &UNetShape) -> Self {
        let (width, levels) = (shape.width, shape.multipliers.len());
        let time = 4 * width;
        let channels = |level: usize| width * shape.multipliers[level];
        let attends = |level: usize| shape.attention.contains(&(shape.size >> level));
        let conv = |name: String, channels: usize, stride: usize| {
            let window = Window {
                stride,
                ..Window::SAME
            };
            Conv2d::new(
                &parameters.within(name),
                channels,
                channels,
                window,
                WeightInit::Glorot,
                true,
            )
        };

        // What each block on the way up reads beside its input: the outputs on the way down, last first.
        let mut skips = vec![width];
        let mut current = width;
        let mut down = Vec::new();
        for level in 0..levels {
            let mut blocks = Vec::new();
            for block in 0..shape.blocks {
                let part = &parameters.within(format!("down.{level}.{block}"));
                let ends = [current, channels(level)];
                blocks.push(ResidualBlock::new(part, ends, time, attends(level)));
                current = channels(level);
                skips.push(current);
            }
            if level + 1 < levels {
                skips.push(current);
            }
            down.push(blocks);
        }
        let middle = (0..2)
            .map(|block| {
                let part = &parameters.within(format!("middle.{block}"));
                ResidualBlock::new(part, [current, current], time, block == 0)
            })
            .collect();
        let mut up = Vec::new();
        for level in (0..levels).rev() {
            let mut blocks = Vec::new();
            for block in 0..=shape.blocks {
                let part = &parameters.within(format!("up.{level}.{block}"));
                let skip = skips.pop().expect("as many blocks up as outputs down");
                let ends = [current + skip, channels(level)];
                blocks.push(ResidualBlock::new(part, ends, time, attends(level)));
                current = channels(level);
            }
            up.push(blocks);
        }
        let part = |name: &str| parameters.within(name);
        Self {
            time_first: Linear::new(&part("time_first"), width, time, WeightInit::Glorot),
            time_second: Linear::new(&part("time_second"), time, time, WeightInit::Glorot),
            first: Conv2d::new(
                &part("first"),
                shape.channels,
                width,
                Window::SAME,
                WeightInit::Glorot,
                true,
            ),
            down,
            halvings: (1..levels)
                .map(|level| conv(format!("halvings.{level}"), channels(level - 1), 2))
                .collect(),
            middle,
            up,
            doublings: (1..levels)
                .rev()
                .map(|level| conv(format!("doublings.{level}"), channels(level), 1))
                .collect(),
            last_norm: GroupNorm::new(&part("last_norm"), width * shape.multipliers[0]),
            last: Conv2d::new(
                &part("last"),
                width * shape.multipliers[0],
                shape.channels,
                Window::SAME,
                WeightInit::Zero,
                true,
            ),
            width,
        }
    }

    /// [n, channels, size, size] at time steps `[n]` (counted from 0) -> predicted noise of the same shape
    pub fn forward(&self, images: Tensor<4>, times: &[usize]) -> Tensor<4> {
        let encoded = Tensor::from_data(encode_times(times, self.width), &images.device());
        let time = Silu.forward(self.time_first.forward(encoded));
        let time = Silu.forward(self.time_second.forward(time)); // [n, 4 width]

        let mut maps = self.first.forward(images);
        let mut skips = vec![maps.clone()];
        for (level, blocks) in self.down.iter().enumerate() {
            for block in blocks {
                maps = block.forward(maps, time.clone());
                skips.push(maps.clone());
            }
            if let Some(halving) = self.halvings.get(level) {
                maps = halving.forward(maps);
                skips.push(maps.clone());
            }
        }
        for block in &self.middle {
            maps = block.forward(maps, time.clone());
        }
        for (step, blocks) in self.up.iter().enumerate() {
            for block in blocks {
                let skip = skips.pop().expect("as many blocks up as outputs down");
                maps = block.forward(concatenate(vec![maps, skip]), time.clone());
            }
            if let Some(doubling) = self.doublings.get(step) {
                maps = doubling.forward(double(maps));
            }
        }
        self.last.forward(self.last_norm.forward(maps, Silu))
    }
}

/// The sinusoidal encoding of time steps (Vaswani et al. 2017, section 3.5, in Ho's form): [n, width], sines then cosines
/// of t / 10000^(i / (width / 2 - 1)).
fn encode_times(times: &[usize], width: usize) -> TensorData {
    let half = width / 2;
    let mut values = Vec::with_capacity(times.len() * width);
    for &time in times {
        let angle = |place: usize| {
            let exponent = place as f64 / (half.max(2) - 1) as f64;
            time as f64 * 10_000f64.powf(-exponent)
        };
        values.extend((0..half).map(|place| angle(place).sin() as f32));
        values.extend((0..half).map(|place| angle(place).cos() as f32));
    }
    TensorData::new(values, [times.len(), 2 * half])
}
