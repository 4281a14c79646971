//! A convolution, its batch norm and its ReLU as one layer, for inference.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::Result;
use crate::kernels::inception::{Kernels, convolution};
use crate::nn::weights::Weights;

/// What a batch norm adds to a variance before it divides by its root.
const EPSILON: f64 = 1e-3;

/// How a window goes over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Place by place, and beyond the border, so that the image keeps its size.
    Same,
    /// Place by place inside the image.
    Inside,
    /// Every second place inside the image.
    Halve,
}

impl Step {
    /// From one place to the next.
    pub(super) fn stride(self) -> usize {
        if self == Self::Halve { 2 } else { 1 }
    }

    /// Places beyond each border for a window of `length`.
    pub(super) fn padding(self, length: usize) -> usize {
        if self == Self::Same { length / 2 } else { 0 }
    }
}

/// relu(W * x + b), with a batch norm folded into W and b.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    /// [outputs, inputs, height, width]
    kernels: Kernels,
    /// `[outputs]`
    bias: Tensor<1>,
    /// How many outputs, the first ones, are rectified.
    rectified: usize,
    step: Step,
}

impl Convolution {
    /// The convolution `name.conv` and the batch norm `name.bn` of `weights`; `shape` is that of the convolution's weight.
    ///
    /// Fails as [`Weights::values`] does.
    pub(super) fn take(
        weights: &mut Weights,
        name: &str,
        shape: [usize; 4],
        step: Step,
        device: &Device,
    ) -> Result<Self> {
        let outputs = shape[0];
        let mut weight = weights.values(&format!("{name}.conv.weight"), &shape)?;
        let mut norm = |part: &str| weights.values(&format!("{name}.bn.{part}"), &[outputs]);
        let (scale, shift) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(outputs);
        for (channel, kernel) in weight
            .chunks_exact_mut(shape[1..].iter().product())
            .enumerate()
        {
            let deviation = (f64::from(variance[channel]) + EPSILON).sqrt();
            let factor = f64::from(scale[channel]) / deviation;
            for value in kernel {
                *value = (f64::from(*value) * factor) as f32;
            }
            bias.push((f64::from(shift[channel]) - f64::from(mean[channel]) * factor) as f32);
        }
        Ok(Self {
            kernels: Kernels::new(Tensor::from_data(TensorData::new(weight, shape), device)),
            bias: Tensor::from_data(TensorData::new(bias, [outputs]), device),
            rectified: outputs,
            step,
        })
    }

    /// The same without the ReLU.
    pub(super) fn linear(self) -> Self {
        Self {
            rectified: 0,
            ..self
        }
    }

    /// 1 x 1 convolutions of the same maps as one, whose outputs come in the same order. Only the last may be linear.
    pub(super) fn join(parts: &[Self]) -> Self {
        let first = parts.iter().position(|part| part.rectified == 0);
        assert!(
            first.is_none_or(|first| first + 1 == parts.len()),
            "linear outputs come last"
        );
        let weights = parts.iter().map(|part| part.kernels.weight().clone());
        let biases = parts.iter().map(|part| part.bias.clone());
        Self {
            kernels: Kernels::new(Tensor::cat(weights.collect(), 0)),
            bias: Tensor::cat(biases.collect(), 0),
            rectified: parts.iter().map(|part| part.rectified).sum(),
            step: Step::Same,
        }
    }

    /// Whether every output reads one place.
    pub(super) fn is_point(&self) -> bool {
        self.kernels.weight().dims()[2..] == [1, 1] && self.step == Step::Same
    }

    pub(super) fn outputs(&self) -> usize {
        self.kernels.weight().dims()[0]
    }

    /// What it makes of some channels of `maps`: [n, c, h, w] -> [n, outputs, h', w'].
    pub(super) fn forward(&self, maps: &Tensor<4>, channels: Range<usize>) -> Tensor<4> {
        let [_, inputs, height, width] = self.kernels.weight().dims();
        assert_eq!(inputs, channels.len(), "channels of a convolution");
        convolution(
            maps.clone(),
            channels.start,
            &self.kernels,
            self.bias.clone(),
            self.rectified,
            self.step.stride(),
            [height, width].map(|length| self.step.padding(length)),
        )
    }
}
