//! A residual block: two or three convolutions around which the input is added.

use burn::module::Module;
use burn::tensor::Tensor;

use super::buffer;
use crate::error::Result;
use crate::nn::activation::Activation::{self, Identity, Relu};
use crate::nn::conv::{Conv2d, WeightInit, Window};
use crate::nn::norm::BatchNorm;
use crate::nn::parameters::Parameters;
use crate::nn::weights::Weights;

/// Outputs of a bottleneck for each of its inner feature maps.
const EXPANSION: usize = 4;

/// A convolution and its batch normalisation.
#[derive(Module, Debug)]
pub(super) struct Unit {
    pub(super) conv: Conv2d,
    pub(super) norm: BatchNorm,
}

impl Unit {
    pub(super) fn new(
        parameters: &Parameters,
        inputs: usize,
        outputs: usize,
        window: Window,
    ) -> Self {
        Self {
            conv: Conv2d::new(parameters, inputs, outputs, window, WeightInit::He, false),
            norm: BatchNorm::new(&parameters.within("norm"), outputs, 0.0),
        }
    }

    /// Takes the tensors called `conv` and `norm` in the file.
    pub(super) fn take(&mut self, weights: &mut Weights, conv: &str, norm: &str) -> Result<()> {
        self.conv.weight = weights.take(&format!("{conv}.weight"), &self.conv.weight)?;
        self.norm.gamma = weights.take(&format!("{norm}.weight"), &self.norm.gamma)?;
        self.norm.beta = weights.take(&format!("{norm}.bias"), &self.norm.beta)?;
        let mean = format!("{norm}.running_mean");
        let variance = format!("{norm}.running_var");
        self.norm.running_mean = buffer(weights, &mean, &self.norm.running_mean)?;
        self.norm.running_variance = buffer(weights, &variance, &self.norm.running_variance)?;
        Ok(())
    }

    /// The same with weights that learn, or do not.
    pub(super) fn learning(mut self, learns: bool) -> Self {
        self.conv.weight = self.conv.weight.set_require_grad(learns);
        self.norm.gamma = self.norm.gamma.set_require_grad(learns);
        self.norm.beta = self.norm.beta.set_require_grad(learns);
        self
    }

    /// By the running statistics.
    pub(super) fn forward(&self, maps: Tensor<4>, activation: Activation) -> Tensor<4> {
        self.norm.forward(self.conv.forward(maps), activation)
    }

    /// By the statistics of the batch.
    pub(super) fn forward_training(
        &mut self,
        maps: Tensor<4>,
        activation: Activation,
    ) -> Tensor<4> {
        let maps = self.conv.forward(maps);
        self.norm.forward_training(maps, activation)
    }
}

/// A block.
#[derive(Module, Debug)]
pub(super) struct Block {
    pub(super) units: Vec<Unit>,
    /// What the input passes on its way around, where its shape changes.
    shortcut: Option<Unit>,
    outputs: usize,
}

impl Block {
    /// A block with `width` inner feature maps that takes every `stride`-th place.
    pub(super) fn new(
        parameters: &Parameters,
        inputs: usize,
        width: usize,
        stride: usize,
        is_bottleneck: bool,
    ) -> Self {
        let halving = Window {
            stride,
            ..Window::SAME
        };
        let (outputs, shapes) = if is_bottleneck {
            let outputs = EXPANSION * width;
            let shapes = vec![
                (inputs, width, Window::POINT),
                (width, width, halving),
                (width, outputs, Window::POINT),
            ];
            (outputs, shapes)
        } else {
            let shapes = vec![(inputs, width, halving), (width, width, Window::SAME)];
            (width, shapes)
        };
        let units = shapes
            .into_iter()
            .zip(1..)
            .map(|((from, to, window), place)| {
                Unit::new(&parameters.within(format!("conv{place}")), from, to, window)
            });
        let around = Window {
            stride,
            ..Window::POINT
        };
        let changes = stride != 1 || inputs != outputs;
        Self {
            units: units.collect(),
            shortcut: changes
                .then(|| Unit::new(&parameters.within("downsample"), inputs, outputs, around)),
            outputs,
        }
    }

    /// Feature maps that come out.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Layers, as the network counts them.
    pub(super) fn layers(&self) -> usize {
        self.units.len()
    }

    /// Takes the tensors of the block called `name` in the file.
    pub(super) fn take(&mut self, weights: &mut Weights, name: &str) -> Result<()> {
        for (unit, place) in self.units.iter_mut().zip(1..) {
            let (conv, norm) = (format!("{name}.conv{place}"), format!("{name}.bn{place}"));
            unit.take(weights, &conv, &norm)?;
        }
        if let Some(shortcut) = &mut self.shortcut {
            let part = |place: usize| format!("{name}.downsample.{place}");
            shortcut.take(weights, &part(0), &part(1))?;
        }
        Ok(())
    }

    /// The block with the first `layers` of its layers frozen and the others learning.
    pub(super) fn frozen(mut self, layers: usize) -> Self {
        let units = self.units.into_iter().enumerate();
        self.units = units
            .map(|(place, unit)| unit.learning(place >= layers))
            .collect();
        self.shortcut = self.shortcut.map(|unit| unit.learning(layers == 0));
        self
    }

    /// [n, inputs, h, w] -> [n, outputs, h', w']
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let around = match &self.shortcut {
            Some(shortcut) => shortcut.forward(maps.clone(), Identity),
            None => maps.clone(),
        };
        let last = self.units.len() - 1;
        let units = self.units.iter().enumerate();
        let maps = units.fold(maps, |maps, (place, unit)| {
            unit.forward(maps, if place < last { Relu } else { Identity })
        });
        Relu.forward(maps + around)
    }

    /// The same in training, the first `frozen` of its layers as they are.
    pub(super) fn forward_training(&mut self, maps: Tensor<4>, frozen: usize) -> Tensor<4> {
        let around = match &mut self.shortcut {
            Some(shortcut) if frozen > 0 => shortcut.forward(maps.clone(), Identity),
            Some(shortcut) => shortcut.forward_training(maps.clone(), Identity),
            None => maps.clone(),
        };
        let last = self.units.len() - 1;
        let mut maps = maps;
        for (place, unit) in self.units.iter_mut().enumerate() {
            let activation = if place < last { Relu } else { Identity };
            maps = if place < frozen {
                unit.forward(maps, activation)
            } else {
                unit.forward_training(maps, activation)
            };
        }
        Relu.forward(maps + around)
    }
}
