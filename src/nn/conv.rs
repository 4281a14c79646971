//! Convolutional layers; what they compute is in [`crate::kernels`].

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::parameters::{Parameters, clip};
use super::spectral_norm::SpectralNorm;
use crate::device::Precision;
use crate::kernels::{conv_transpose2d, conv2d};

/// Kernel size, stride and padding of a convolution, equal in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between places.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl Window {
    /// 3 x 3, one place at a time, the image keeps its size.
    pub const SAME: Self = Self {
        kernel: 3,
        stride: 1,
        padding: 1,
    };
    /// 4 x 4, every second place: halves an image (or doubles it, transposed). The window of DCGAN.
    pub const HALVE: Self = Self {
        kernel: 4,
        stride: 2,
        padding: 1,
    };
    /// 1 x 1.
    pub const POINT: Self = Self {
        kernel: 1,
        stride: 1,
        padding: 0,
    };
    /// One place that covers a whole image of `size` x `size`.
    pub const fn whole(size: usize) -> Self {
        Self {
            kernel: size,
            stride: 1,
            padding: 0,
        }
    }

    /// The side of the square of input pixels that one place behind layers with these windows sees, in their order.
    pub fn receptive_field(windows: &[Self]) -> usize {
        let (mut field, mut step) = (1, 1);
        for window in windows {
            field += (window.kernel - 1) * step;
            step *= window.stride;
        }
        field
    }
}

/// How a layer's first weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightInit {
    /// N(0, deviation^2), biases 0.
    Normal(f32),
    /// U(-b, b) with b = sqrt(6 / (fan in + fan out)), biases 0 (Glorot and Bengio 2010; the U-Net of Ho et al. 2020).
    Glorot,
    /// N(0, 2 / fan in), biases 0 (He et al. 2015).
    He,
    /// All zeros: the layer starts as if it were not there.
    Zero,
}

impl WeightInit {
    /// A weight of this kind whose outputs each read `fan_in` numbers and whose inputs each feed `fan_out`.
    pub(crate) fn weight<const D: usize>(
        self,
        parameters: &Parameters,
        shape: [usize; D],
        fan_in: usize,
        fan_out: usize,
    ) -> Param<Tensor<D>> {
        match self {
            Self::Normal(deviation) => parameters.normal("weight", shape, 0.0, deviation),
            Self::Glorot => {
                let bound = (6.0 / (fan_in + fan_out) as f64).sqrt();
                parameters.uniform("weight", shape, bound)
            }
            Self::He => parameters.normal("weight", shape, 0.0, (2.0 / fan_in as f32).sqrt()),
            Self::Zero => parameters.constant("weight", shape, 0.0),
        }
    }
}

/// Cross-correlation of an image with learned kernels, as every framework's `Conv2d`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// [outputs, inputs, kernel, kernel]
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`
    pub bias: Option<Param<Tensor<1>>>,
    /// Divides the weight by its largest singular value, if present.
    pub spectral: Option<SpectralNorm>,
    stride: usize,
    padding: usize,
    /// What it multiplies in.
    #[module(skip)]
    pub(super) precision: Precision,
}

impl Conv2d {
    /// A convolution from `inputs` to `outputs` channels.
    pub fn new(
        parameters: &Parameters,
        inputs: usize,
        outputs: usize,
        window: Window,
        init: WeightInit,
        bias: bool,
    ) -> Self {
        let shape = [outputs, inputs, window.kernel, window.kernel];
        let area = window.kernel * window.kernel;
        Self {
            weight: init.weight(parameters, shape, inputs * area, outputs * area),
            bias: bias.then(|| parameters.constant("bias", [outputs], 0.0)),
            spectral: None,
            stride: window.stride,
            padding: window.padding,
            precision: parameters.precision(),
        }
    }

    /// The same layer under spectral normalisation.
    pub fn with_spectral_norm(mut self, parameters: &Parameters) -> Self {
        let [outputs, inputs, height, width] = self.weight.dims();
        let parameters = parameters.within("spectral");
        self.spectral = Some(SpectralNorm::new(
            &parameters,
            outputs,
            inputs * height * width,
        ));
        self
    }

    /// [n, inputs, h, w] -> [n, outputs, h', w']
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.convolve(input, self.bias.as_ref().map(Param::val))
    }

    /// The derivative of [`Self::forward`] along `tangent`: the same without the bias.
    pub fn forward_tangent(&self, tangent: Tensor<4>) -> Tensor<4> {
        self.convolve(tangent, None)
    }

    fn convolve(&self, input: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let window = [self.stride, self.padding];
        let [input, weight] =
            [input, self.effective_weight()].map(|factor| self.precision.lower(factor));
        let bias = bias.map(|bias| self.precision.lower(bias));
        self.precision.raise(conv2d(input, weight, bias, window))
    }

    /// The weight that the convolution uses: normalised, if the layer is.
    pub fn effective_weight(&self) -> Tensor<4> {
        match &self.spectral {
            Some(norm) => norm.normalise(self.weight.val()),
            None => self.weight.val(),
        }
    }

    /// Clips weight and bias to [-`bound`, `bound`].
    pub fn clip(&mut self, bound: f64) {
        clip(&mut self.weight, bound);
        if let Some(bias) = &mut self.bias {
            clip(bias, bound);
        }
    }

    /// One step of the power iteration, where the layer has one.
    pub fn power_iterate(&mut self) {
        if let Some(norm) = &mut self.spectral {
            norm.power_iterate(self.weight.val());
        }
    }
}

/// How feature maps become twice as large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upsampling {
    /// A transposed convolution, 4 x 4 with stride 2 (DCGAN).
    #[default]
    Transposed,
    /// Nearest-neighbour upsampling and a 3 x 3 convolution, which has no checkerboard of its own (Odena, Dumoulin, Olah:
    /// Deconvolution and Checkerboard Artifacts, Distill 2016, <https://doi.org/10.23915/distill.00003>).
    Nearest,
}

/// The transpose (adjoint) of a convolution, as every framework's `ConvTranspose2d`.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// [inputs, outputs, kernel, kernel]; of a layer after nearest-neighbour upsampling, its 3 x 3 kernels, turned by 180
    /// degrees as those of every transposed convolution are.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    /// Whether the kernels follow nearest-neighbour upsampling by 2.
    nearest: bool,
    /// What it multiplies in.
    #[module(skip)]
    precision: Precision,
}

impl ConvTranspose2d {
    /// A transposed convolution from `inputs` to `outputs` channels.
    pub fn new(
        parameters: &Parameters,
        inputs: usize,
        outputs: usize,
        window: Window,
        init: WeightInit,
        bias: bool,
    ) -> Self {
        let shape = [inputs, outputs, window.kernel, window.kernel];
        let area = window.kernel * window.kernel;
        Self {
            weight: init.weight(parameters, shape, inputs * area, outputs * area),
            bias: bias.then(|| parameters.constant("bias", [outputs], 0.0)),
            stride: window.stride,
            padding: window.padding,
            nearest: false,
            precision: parameters.precision(),
        }
    }

    /// A layer without bias that doubles height and width.
    pub fn doubling(
        parameters: &Parameters,
        inputs: usize,
        outputs: usize,
        upsampling: Upsampling,
        init: WeightInit,
    ) -> Self {
        match upsampling {
            Upsampling::Transposed => {
                Self::new(parameters, inputs, outputs, Window::HALVE, init, false)
            }
            Upsampling::Nearest => {
                let kernels = Self::new(parameters, inputs, outputs, Window::SAME, init, false);
                let Window {
                    stride, padding, ..
                } = Window::HALVE;
                Self {
                    stride,
                    padding,
                    nearest: true,
                    ..kernels
                }
            }
        }
    }

    /// Stride and padding.
    pub fn window(&self) -> [usize; 2] {
        [self.stride, self.padding]
    }

    /// The weight that the transposed convolution uses.
    pub fn effective_weight(&self) -> Tensor<4> {
        if self.nearest {
            after_nearest(self.weight.val())
        } else {
            self.weight.val()
        }
    }

    /// [n, inputs, h, w] -> [n, outputs, h', w']
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        let window = [self.stride, self.padding];
        let [input, weight] =
            [input, self.effective_weight()].map(|factor| self.precision.lower(factor));
        let bias = bias.map(|bias| self.precision.lower(bias));
        self.precision
            .raise(conv_transpose2d(input, weight, bias, window))
    }
}

/// The kernels by which one transposed convolution with stride 2 does what nearest-neighbour upsampling and a convolution do:
/// [inputs, outputs, 3, 3] -> [inputs, outputs, 4, 4].
///
/// Upsampling is itself a transposed convolution, whose kernel is 2 x 2 ones; one after the other, the kernels convolve.
fn after_nearest(kernels: Tensor<4>) -> Tensor<4> {
    let wider = |kernels: Tensor<4>, dimension: usize| {
        let mut shape = kernels.dims();
        shape[dimension] = 1;
        let zeros = Tensor::zeros(shape, &kernels.device());
        Tensor::cat(vec![kernels.clone(), zeros.clone()], dimension)
            + Tensor::cat(vec![zeros, kernels], dimension)
    };
    wider(wider(kernels, 2), 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, values};
    use crate::nn::resize::double;
    use crate::random::Random;
    use burn::tensor::{DType, Device, TensorData};

    /// bf16 has 8 bits of precision: factors are off by 2^-9 at most, products of many by less than that in the mean.
    #[test]
    fn in_bf16_products_are_rounded_and_weights_learn_in_f32() {
        let maps = || {
            let numbers = Random::new(1).stream("maps").normals(2 * 8 * 6 * 6);
            Tensor::<4>::from_data(TensorData::new(numbers, [2, 8, 6, 6]), &cpu())
        };
        let outcome = |precision| {
            let parameters = Parameters::new("layers", Random::new(0), &cpu());
            let parameters = parameters.with_precision(precision);
            let init = WeightInit::He;
            let halving = Conv2d::new(&parameters, 8, 16, Window::HALVE, init, true);
            let doubling = ConvTranspose2d::new(&parameters, 16, 8, Window::HALVE, init, false);
            let output = doubling.forward(halving.forward(maps()));
            assert_eq!(output.dtype(), DType::F32);
            let gradients = (output.clone() * output.clone()).mean().backward();
            let gradients = [halving.weight.val(), doubling.weight.val()].map(|weight| {
                let gradient = weight.grad(&gradients).expect("a gradient");
                assert_eq!([weight.dtype(), gradient.dtype()], [DType::F32; 2]);
                values(gradient).expect("numbers")
            });
            [vec![values(output).expect("numbers")], gradients.to_vec()].concat()
        };
        let all = outcome(Precision::F32)
            .into_iter()
            .zip(outcome(Precision::Bf16));
        for (exact, rounded) in all {
            let norm = |numbers: &mut dyn Iterator<Item = f32>| {
                numbers
                    .map(|number| f64::from(number).powi(2))
                    .sum::<f64>()
                    .sqrt()
            };
            let difference = norm(&mut exact.iter().zip(&rounded).map(|(a, b)| a - b));
            let relative = difference / norm(&mut exact.iter().copied());
            assert!((1e-4..1e-2).contains(&relative), "{relative}");
        }
    }

    #[test]
    fn one_transposed_convolution_upsamples_and_convolves() {
        let device = Device::flex();
        let parameters = Parameters::new("layer", Random::new(0), &device);
        let init = WeightInit::Normal(1.0);
        let layer = ConvTranspose2d::doubling(&parameters, 3, 5, Upsampling::Nearest, init);
        let numbers = Random::new(1).stream("maps").normals(2 * 3 * 6 * 6);
        let maps = Tensor::<4>::from_data(TensorData::new(numbers, [2, 3, 6, 6]), &device);
        let kernels = layer.weight.val().swap_dims(0, 1).flip([2, 3]);
        let expected = conv2d(double(maps.clone()), kernels, None, [1, 1]);
        let found = layer.forward(maps);
        assert_eq!(found.dims(), [2, 5, 12, 12]);
        let [found, expected] = [found, expected].map(|maps| values(maps).expect("f32"));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found}, expected {expected}"
            );
        }
    }
}
