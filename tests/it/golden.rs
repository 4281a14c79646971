//! Layers, networks, losses and the optimiser against PyTorch: forward and gradient.
//!
//! `tests/golden/layers/make.py` computed the expected numbers in f64; inputs and parameters come from the formula that
//! it shares with this file ([`entry`]).

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Gradients, Tensor, TensorData};
use burn_optim::grad_clipping::GradientClipping;
use burn_optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use histogen::config::Optimiser;
use histogen::device;
use histogen::models::game::{CrossEntropy, Game};
use histogen::models::loss;
use histogen::models::terms::gradient_penalty;
use histogen::nn::activation::Activation;
use histogen::nn::attention::Attention;
use histogen::nn::conv::{Conv2d, ConvTranspose2d, Upsampling, WeightInit, Window};
use histogen::nn::dcgan::{CRITIC_ACTIVATION, Critic, CriticNorm, Generator, ImageShape};
use histogen::nn::linear::Linear;
use histogen::nn::norm::{BatchNorm, GroupNorm};
use histogen::nn::parameters::Parameters;
use histogen::nn::unet::{UNet, UNetShape};
use histogen::nn::vgg::Vgg16;
use histogen::random::Random;
use serde::Deserialize;

use crate::shared;

/// Largest difference from PyTorch, relative to the tensor's largest entry or to [`SHARE`] of the case's, whichever is more.
const TOLERANCE: f64 = 1e-5;
/// Some gradients are zero but for rounding, that of the bias of an attention's key for one: their own largest entry is
/// no scale for them.
const SHARE: f64 = 0.1;
/// Places in the formula of the inputs and of the weights that turn an output into a scalar; parameters count from 0.
pub(crate) const INPUT: usize = 1000;
const LOSS: usize = 2000;
/// Any initialisation does: every parameter is overwritten.
const INIT: WeightInit = WeightInit::Zero;

/// `data.json` of a folder of `tests/golden`.
#[derive(Deserialize)]
struct Data {
    cases: BTreeMap<String, BTreeMap<String, Expected>>,
}

/// What is kept of a tensor: every `stride`-th entry, and of all entries the sum, the sum of squares and the largest.
#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    stride: usize,
    values: Vec<f64>,
    sum: f64,
    squares: f64,
    largest: f64,
}

/// The tensors of one case that were not compared yet.
pub(crate) struct Golden {
    case: String,
    tensors: BTreeMap<String, Expected>,
    largest: f64,
    tolerance: f64,
}

impl Golden {
    fn new(case: &str) -> Self {
        Self::of("layers", case)
    }

    /// A case of `tests/golden/<folder>/data.json`.
    pub(crate) fn of(folder: &str, case: &str) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let path = format!("{root}/{folder}/data.json");
        let text = std::fs::read_to_string(path).expect("the golden file is part of the checkout");
        let mut data: Data = serde_json::from_str(&text).expect("make.py wrote this form");
        let tensors = data.cases.remove(case).expect("make.py wrote this case");
        let largest = tensors
            .values()
            .map(|tensor| tensor.largest)
            .fold(0.0, f64::max);
        Self {
            case: case.to_owned(),
            tensors,
            largest,
            tolerance: TOLERANCE,
        }
    }

    /// The same with another tolerance than [`TOLERANCE`]: networks of many layers round more.
    pub(crate) fn within(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    pub(crate) fn check<const D: usize>(&mut self, name: &str, found: Tensor<D>) {
        let place = format!("{} / {name}", self.case);
        let expected = self
            .tensors
            .remove(name)
            .unwrap_or_else(|| panic!("{place} is not in the golden file"));
        assert_eq!(found.dims().as_slice(), expected.shape, "shape of {place}");
        let found: Vec<f64> = found.into_data().iter::<f64>().collect();
        let bound = self.tolerance * expected.largest.max(SHARE * self.largest);
        for (number, &value) in expected.values.iter().enumerate() {
            let index = number * expected.stride;
            let difference = (found[index] - value).abs();
            assert!(
                difference <= bound,
                "entry {index} of {place}: {}, PyTorch has {value}",
                found[index]
            );
        }
        // What differences of at most `bound` in every entry can do to the sum and, to first order, to the squares.
        let count = found.len() as f64;
        let sum: f64 = found.iter().sum();
        assert!(
            (sum - expected.sum).abs() <= count * bound,
            "sum of {place}: {sum}, PyTorch has {}",
            expected.sum
        );
        let squares: f64 = found.iter().map(|value| value * value).sum();
        let most = 2.0 * bound * (count * expected.squares).sqrt() + count * bound * bound;
        let wanted = expected.squares;
        assert!(
            (squares - wanted).abs() <= most,
            "sum of squares of {place}: {squares}, PyTorch has {wanted}"
        );
    }

    /// The gradient of every trained parameter; one that the loss does not depend on has gradient zero.
    fn check_gradients<M: Module>(&mut self, module: &M, gradients: &Gradients) {
        let mut visitor = EachGradient {
            golden: self,
            gradients,
            next: 0,
        };
        module.visit(&mut visitor);
    }

    /// Every parameter that no optimiser moves.
    fn check_buffers<M: Module>(&mut self, module: &M, suffix: &str) {
        let mut visitor = EachBuffer {
            golden: self,
            suffix,
            next: 0,
        };
        module.visit(&mut visitor);
    }

    /// `output`, and the gradient of its weighted sum by `input`.
    pub(crate) fn check_backward<const I: usize, const O: usize>(
        &mut self,
        input: &Tensor<I>,
        output: Tensor<O>,
    ) -> Gradients {
        self.check("output", output.clone());
        let gradients = weighted_sum(output).backward();
        self.check(
            "input gradient",
            input
                .grad(&gradients)
                .expect("the output depends on the input"),
        );
        gradients
    }

    /// The same, and the gradients of all parameters; nothing of the case is left after that.
    fn check_network<M: Module, const I: usize, const O: usize>(
        mut self,
        module: &M,
        input: &Tensor<I>,
        output: Tensor<O>,
    ) {
        let gradients = self.check_backward(input, output);
        self.check_gradients(module, &gradients);
        self.finish();
    }

    pub(crate) fn finish(self) {
        let left: Vec<_> = self.tensors.keys().collect();
        assert!(
            left.is_empty(),
            "{} has tensors that were not compared: {left:?}",
            self.case
        );
    }
}

struct EachGradient<'a> {
    golden: &'a mut Golden,
    gradients: &'a Gradients,
    next: usize,
}

impl ModuleVisitor for EachGradient<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let name = format!("gradient {}", self.next);
        self.next += 1;
        let parameter = parameter.val();
        if parameter.is_require_grad() {
            let gradient = parameter.grad(self.gradients);
            self.golden
                .check(&name, gradient.unwrap_or_else(|| parameter.zeros_like()));
        }
    }
}

struct EachBuffer<'a> {
    golden: &'a mut Golden,
    suffix: &'a str,
    next: usize,
}

impl ModuleVisitor for EachBuffer<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let name = format!("buffer {}{}", self.next, self.suffix);
        self.next += 1;
        if !parameter.is_require_grad() {
            self.golden.check(&name, parameter.val());
        }
    }
}

/// The formula: entry `index` of the tensor at `place`, in [-1, 1]. (Without the square, matrices would have rank 2.)
fn entry(index: usize, place: usize) -> f64 {
    let index = index as f64;
    (0.37 * index * index + 0.7 * index + 1.3 * place as f64).sin()
}

/// A tensor whose entries are `offset` + `scale` times the formula.
pub(crate) fn wave<const D: usize>(
    shape: [usize; D],
    place: usize,
    scale: f64,
    offset: f64,
) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|index| (offset + scale * entry(index, place)) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &device::cpu())
}

/// An input with gradient.
pub(crate) fn input<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    wave(shape, INPUT, 1.0, 0.0).require_grad()
}

fn weighted_sum<const D: usize>(output: Tensor<D>) -> Tensor<1> {
    let weights = wave(output.dims(), LOSS, 1.0, 0.0);
    (output * weights).sum()
}

/// Gives the parameters of a module the formula's values, in module order: scales around 1, running variances positive,
/// all others around 0.
struct Fill {
    scale: f64,
    next: usize,
    path: Vec<String>,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (scale, offset) = match self.path.last().map(String::as_str) {
            Some("gamma") => (0.3, 1.0),
            Some("running_variance") => (0.5, 1.0),
            _ => (self.scale, 0.0),
        };
        let values = wave(parameter.dims(), self.next, scale, offset);
        self.next += 1;
        let trained = parameter.is_require_grad();
        parameter.map(|_| values).set_require_grad(trained)
    }
}

pub(crate) fn fill<M: Module>(module: M, scale: f64) -> M {
    let (next, path) = (0, Vec::new());
    module.map(&mut Fill { scale, next, path })
}

pub(crate) fn parameters() -> Parameters {
    Parameters::new("golden", Random::new(0), &device::cpu())
}

fn conv(inputs: usize, outputs: usize, window: Window, bias: bool) -> Conv2d {
    Conv2d::new(&parameters(), inputs, outputs, window, INIT, bias)
}

fn transposed(inputs: usize, outputs: usize, window: Window, bias: bool) -> ConvTranspose2d {
    ConvTranspose2d::new(&parameters(), inputs, outputs, window, INIT, bias)
}

#[test]
fn convolutions_are_those_of_pytorch() {
    let check = |case: &str, layer: Conv2d, shape: [usize; 4]| {
        let (layer, images) = (fill(layer, 0.3), input(shape));
        Golden::new(case).check_network(&layer, &images, layer.forward(images.clone()));
    };
    check("conv same", conv(3, 5, Window::SAME, true), [2, 3, 6, 7]);
    check("conv halve", conv(3, 5, Window::HALVE, false), [2, 3, 8, 6]);
    check(
        "conv whole",
        conv(3, 5, Window::whole(4), true),
        [2, 3, 4, 4],
    );
}

#[test]
fn transposed_convolutions_are_those_of_pytorch() {
    let check = |case: &str, layer: ConvTranspose2d, shape: [usize; 4]| {
        let (layer, images) = (fill(layer, 0.3), input(shape));
        Golden::new(case).check_network(&layer, &images, layer.forward(images.clone()));
    };
    check(
        "transposed halve",
        transposed(4, 3, Window::HALVE, true),
        [2, 4, 3, 5],
    );
    check(
        "transposed whole",
        transposed(6, 5, Window::whole(4), false),
        [2, 6, 1, 1],
    );
}

#[test]
fn linear_layers_are_those_of_pytorch() {
    let (layer, rows) = (
        fill(Linear::new(&parameters(), 7, 5, INIT), 0.3),
        input([3, 7]),
    );
    Golden::new("linear").check_network(&layer, &rows, layer.forward(rows.clone()));
}

#[test]
fn leaky_relu_and_nearest_doubling_are_those_of_pytorch() {
    let mut golden = Golden::new("leaky relu");
    let maps = input([2, 3, 4, 4]);
    golden.check_backward(&maps, CRITIC_ACTIVATION.forward(maps.clone()));
    golden.finish();

    let mut golden = Golden::new("nearest doubling");
    let maps = input([2, 3, 3, 4]);
    let options = InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0; 2]);
    golden.check_backward(&maps, interpolate(maps.clone(), options));
    golden.finish();
}

#[test]
fn batch_norm_trains_and_keeps_running_statistics_as_pytorch_does() {
    let mut golden = Golden::new("batch norm training");
    let mut norm = fill(BatchNorm::new(&parameters(), 3, 0.0), 0.3);
    let shape = [4, 3, 3, 5];
    let maps = wave(shape, INPUT, 2.0, 0.5).require_grad();
    let output = norm.forward_training(maps.clone(), Activation::Identity);
    let gradients = golden.check_backward(&maps, output);
    golden.check_gradients(&norm, &gradients);
    golden.check_buffers(&norm, " after 1");
    norm.forward_training(wave(shape, INPUT + 1, 2.0, 0.5), Activation::Identity);
    golden.check_buffers(&norm, " after 2");
    golden.finish();
}

#[test]
fn batch_norm_evaluates_as_pytorch_does() {
    let norm = fill(BatchNorm::new(&parameters(), 3, 0.0), 0.3);
    let maps = input([4, 3, 3, 5]);
    let output = norm.forward(maps.clone(), Activation::Identity);
    Golden::new("batch norm evaluation").check_network(&norm, &maps, output);
}

/// 6 channels make 1 group, 12 make 3, 40 make 10.
#[test]
fn group_norm_is_that_of_pytorch() {
    for channels in [6, 12, 40] {
        let norm = fill(GroupNorm::new(&parameters(), channels), 0.3);
        let maps = input([2, channels, 3, 4]);
        let golden = Golden::new(&format!("group norm {channels}"));
        golden.check_network(
            &norm,
            &maps,
            norm.forward(maps.clone(), Activation::Identity),
        );
    }
}

#[test]
fn attention_is_the_scaled_dot_product_attention_of_pytorch() {
    let attention = fill(Attention::new(&parameters(), 8), 0.6);
    let maps = input([2, 8, 3, 5]);
    Golden::new("attention").check_network(&attention, &maps, attention.forward(maps.clone()));
}

#[test]
fn spectral_norm_iterates_normalises_and_differentiates_as_pytorch_does() {
    let mut golden = Golden::new("spectral norm");
    let mut layer = fill(
        conv(3, 4, Window::HALVE, true).with_spectral_norm(&parameters()),
        0.3,
    );
    layer.power_iterate();
    golden.check("weight", layer.effective_weight());
    let gradients = weighted_sum(layer.effective_weight()).backward();
    golden.check_gradients(&layer, &gradients);
    golden.check_buffers(&layer, "");
    golden.finish();
}

fn shape(size: usize) -> ImageShape {
    ImageShape { size, channels: 3 }
}

#[test]
fn the_generator_is_that_of_pytorch_in_training_and_in_evaluation() {
    let generator = || {
        fill(
            Generator::new(&parameters(), shape(32), 6, 4, Upsampling::Transposed),
            0.3,
        )
    };
    let latents = input([3, 6]);

    let mut golden = Golden::new("generator training");
    let mut training = generator();
    let images = training.forward_training(latents.clone());
    let gradients = golden.check_backward(&latents, images);
    golden.check_gradients(&training, &gradients);
    golden.check_buffers(&training, "");
    golden.finish();

    let evaluation = generator();
    let images = evaluation.forward(latents.clone());
    Golden::new("generator evaluation").check_network(&evaluation, &latents, images);
}

#[test]
fn the_critic_is_that_of_pytorch_under_every_norm() {
    let check = |case: &str, norm: CriticNorm| {
        let mut critic = fill(Critic::new(&parameters(), shape(16), 4, norm), 0.3);
        critic.power_iterate();
        let images = input([3, 3, 16, 16]);
        Golden::new(case).check_network(&critic, &images, critic.forward(images.clone()));
    };
    check("critic batch", CriticNorm::Batch);
    check("critic none", CriticNorm::None);
    check("critic spectral", CriticNorm::Spectral);
}

#[test]
fn the_unet_is_that_of_pytorch() {
    let shape = UNetShape {
        channels: 3,
        size: 8,
        width: 8,
        multipliers: vec![1, 2],
        blocks: 1,
        attention: vec![4],
    };
    let unet = fill(UNet::new(&parameters(), &shape), 0.15);
    let images = input([2, 3, 8, 8]);
    Golden::new("unet").check_network(&unet, &images, unet.forward(images.clone(), &[3, 999]));
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn vgg16_computes_relu3_3_and_relu5_3_as_pytorch_does() {
    let weights = shared::path("weights/vgg16_imagenet_conv.safetensors");
    let images = wave([2, 3, 64, 64], INPUT, 0.9, 0.0).without_autodiff();
    let device = device::cpu().without_autodiff();
    for layers in [7, 13] {
        let (network, _) =
            Vgg16::from_file(layers, &weights, &device).expect("the weights are VGG-16's");
        let mut golden = Golden::new(&format!("vgg16 {layers}"));
        golden.check("maps", network.forward(images.clone()));
        golden.check("embedding", network.embed(images.clone()));
        golden.finish();
    }
}

#[test]
fn losses_are_those_of_pytorch() {
    type Function = fn(Tensor<1>, Tensor<1>) -> Tensor<1>;
    let functions: [(&str, Function); 9] = [
        ("minimax critic", |real, fake| {
            CrossEntropy::default().discriminator(real, fake)
        }),
        ("non-saturating generator", |_, fake| {
            loss::non_saturating_generator(fake)
        }),
        ("least-squares critic", |real, fake| {
            loss::least_squares_critic(real, fake, 0.5)
        }),
        ("least-squares generator", |_, fake| {
            loss::least_squares(fake, 1.0, 0.5)
        }),
        ("hinge critic", |real, fake| {
            loss::hinge_real(real) + loss::hinge_generated(fake)
        }),
        ("wasserstein critic", loss::wasserstein_critic),
        ("wasserstein generator", |_, fake| {
            loss::wasserstein_generator(fake)
        }),
        ("soft label", |real, _| loss::cross_entropy(real, 0.9)),
        ("label of each", |real, _| {
            loss::cross_entropy_each(real, wave([5], INPUT + 2, 0.5, 0.5))
        }),
    ];
    for (name, function) in functions {
        let mut golden = Golden::new(&format!("loss {name}"));
        let real = wave([5], INPUT, 3.0, 0.0).require_grad();
        let fake = wave([5], INPUT + 1, 3.0, 0.0).require_grad();
        let value = function(real.clone(), fake.clone());
        golden.check("value", value.clone());
        let gradients = value.backward();
        for (side, scores) in [("real", real), ("fake", fake)] {
            let gradient = scores
                .grad(&gradients)
                .unwrap_or_else(|| scores.zeros_like());
            golden.check(&format!("{side} gradient"), gradient);
        }
        golden.finish();
    }
}

/// Three steps down the gradient of a weighted sum whose gradients are of the size of `magnitude`, as multiples of the
/// learning rate.
pub(crate) fn check_optimiser(
    mut golden: Golden,
    mut optimiser: ModuleOptimizer,
    rate: f64,
    magnitude: f64,
) {
    let start = fill(Linear::new(&parameters(), 5, 3, INIT), 0.001);
    let mut layer = start.clone();
    for step in 0..3 {
        let output = layer.forward(wave([4, 5], INPUT + step, 1.0, 0.0));
        let loss = (output * wave([4, 3], LOSS + step, magnitude, 0.0)).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimiser.step(rate, layer, gradients);
        let weight = (layer.weight.val() - start.weight.val()).div_scalar(rate);
        let bias = (layer.bias.val() - start.bias.val()).div_scalar(rate);
        golden.check(&format!("weight after {}", step + 1), weight);
        golden.check(&format!("bias after {}", step + 1), bias);
    }
    golden.finish();
}

/// As `histogen::models` builds it.
fn adam() -> ModuleOptimizer {
    let Optimiser {
        beta1,
        beta2,
        epsilon,
        ..
    } = Optimiser::DCGAN;
    AdamConfig::new()
        .with_beta_1(beta1 as f32)
        .with_beta_2(beta2 as f32)
        .with_epsilon(epsilon as f32)
        .init()
}

/// The gradients are so small that the epsilon of 1e-8 shows.
#[test]
fn adam_moves_parameters_as_in_pytorch() {
    let rate = Optimiser::DCGAN.learning_rate;
    check_optimiser(Golden::new("adam"), adam(), rate, 1e-6);
}

/// Some entries of the gradients are above the bound, some below.
#[test]
fn adam_with_clipped_gradients_moves_parameters_as_in_pytorch() {
    let clipped = adam().with_grad_clipping(GradientClipping::Value(0.1));
    let rate = Optimiser::DCGAN.learning_rate;
    check_optimiser(Golden::new("adam clipped"), clipped, rate, 0.1);
}

/// PyTorch differentiates twice; [`gradient_penalty`] takes another road to the same numbers.
#[test]
fn the_gradient_penalty_and_its_gradient_are_those_of_double_differentiation() {
    let mut golden = Golden::new("gradient penalty");
    let critic = fill(
        Critic::new(&parameters(), shape(16), 4, CriticNorm::None),
        0.3,
    );
    let penalty = gradient_penalty(&critic, wave([3, 3, 16, 16], INPUT, 1.0, 0.0));
    golden.check("value", penalty.clone());
    golden.check_gradients(&critic, &penalty.backward());
    golden.finish();
}
