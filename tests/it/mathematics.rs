//! The mathematics, checked by closed forms and differences.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use histogen::device;
use histogen::models::gradient_penalty;
use histogen::nn::conv::{Conv2d, WeightInit, Window};
use histogen::nn::dcgan::{Critic, CriticNorm};
use histogen::nn::parameters::Parameters;
use histogen::random::Random;

const SIZE: usize = 16;

pub(crate) fn critic(norm: CriticNorm, width: usize) -> Critic {
    let parameters = Parameters::new("critic", Random::new(3), &device::cpu());
    Critic::new(&parameters, SIZE, width, norm)
}

pub(crate) fn images(count: usize, device: &Device) -> Tensor<4> {
    let values = Random::new(4)
        .stream("images")
        .normals(count * 3 * SIZE * SIZE);
    Tensor::from_data(TensorData::new(values, [count, 3, SIZE, SIZE]), device)
}

/// Every parameter in f64, scaled so that the critic is far from flat.
pub(crate) struct ToDouble;

impl ModuleMapper for ToDouble {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|tensor| {
            tensor
                .cast(DType::F64)
                .mul_scalar(5.0)
                .detach()
                .require_grad()
        })
    }
}

/// Adds `amount` to entry `entry` of parameter number `target`.
pub(crate) struct Nudge {
    pub(crate) target: usize,
    pub(crate) entry: usize,
    pub(crate) amount: f64,
    pub(crate) seen: usize,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let number = self.seen;
        self.seen += 1;
        if number != self.target {
            return parameter;
        }
        parameter.map(|tensor| {
            let (shape, device) = (tensor.dims(), tensor.device());
            let mut values = tensor.into_data().try_into_vec::<f64>().expect("f64");
            values[self.entry] += self.amount;
            let data = TensorData::new(values, shape);
            Tensor::from_data(data, (&device, DType::F64)).require_grad()
        })
    }
}

/// The gradient of every parameter, in module order.
pub(crate) struct Gradients<'a> {
    pub(crate) gradients: &'a GradientsParams,
    pub(crate) found: Vec<Vec<f64>>,
}

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let values = match self.gradients.get::<D>(parameter.id) {
            Some(gradient) => gradient.into_data().try_into_vec::<f64>().expect("f64"),
            None => vec![0.0; parameter.val().shape().num_elements()],
        };
        self.found.push(values);
    }
}

#[test]
fn the_gradient_penalty_has_the_gradient_of_central_differences() {
    let critic = critic(CriticNorm::None, 2).map(&mut ToDouble);
    let images = images(3, &device::cpu()).cast(DType::F64);
    let value = |critic: &Critic| gradient_penalty(critic, images.clone()).into_scalar::<f64>();
    let gradients = GradientsParams::from_grads(
        gradient_penalty(&critic, images.clone()).backward(),
        &critic,
    );
    let mut visitor = Gradients {
        gradients: &gradients,
        found: Vec::new(),
    };
    critic.visit(&mut visitor);
    let largest = visitor
        .found
        .iter()
        .flatten()
        .fold(0.0f64, |largest, value| largest.max(value.abs()));
    assert!(
        largest > 1e-3,
        "the penalty is flat here: nothing is tested"
    );
    let step = 1e-6;
    let mut checked = 0;
    for (target, gradient) in visitor.found.iter().enumerate() {
        for entry in (0..gradient.len()).step_by((gradient.len() / 5).max(1)) {
            let nudged = |amount: f64| {
                let mut nudge = Nudge {
                    target,
                    entry,
                    amount,
                    seen: 0,
                };
                value(&critic.clone().map(&mut nudge))
            };
            let difference = (nudged(step) - nudged(-step)) / (2.0 * step);
            let error = (difference - gradient[entry]).abs() / largest;
            assert!(
                error < 1e-4,
                "parameter {target}, entry {entry}: {} by differences, {} by us",
                difference,
                gradient[entry]
            );
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} entries were checked");
}

#[test]
fn the_gradient_penalty_of_a_linear_critic_is_in_closed_form() {
    // A critic of one layer is linear: D(x) = w . x + b, and its penalty is (|w| - 1)^2 at every x.
    let mut linear = critic(CriticNorm::None, 2);
    linear.convolutions.clear();
    let parameters = Parameters::new("linear", Random::new(5), &device::cpu());
    linear.head = Conv2d::new(
        &parameters,
        3,
        1,
        Window::whole(SIZE),
        WeightInit::Normal(0.1),
        true,
    );
    let length = linear
        .head
        .weight
        .val()
        .powf_scalar(2.0)
        .sum()
        .sqrt()
        .into_scalar::<f32>();
    let expected = (f64::from(length) - 1.0).powi(2);
    for count in [1, 4] {
        let found = gradient_penalty(&linear, images(count, &device::cpu())).into_scalar::<f32>();
        assert!(
            (f64::from(found) / expected - 1.0).abs() < 1e-5,
            "{found}, expected {expected}"
        );
    }
}

#[test]
fn spectral_normalisation_brings_every_weight_to_singular_value_one() {
    let mut critic = critic(CriticNorm::Spectral, 8);
    for _ in 0..200 {
        critic.power_iterate();
    }
    let layers = || critic.convolutions.iter().chain([&critic.head]);
    for (number, layer) in layers().enumerate() {
        let weight = layer.effective_weight();
        let [outputs, inputs, height, width] = weight.dims();
        let values = device::values(weight).expect("f32");
        let columns = inputs * height * width;
        let matrix = faer::Mat::from_fn(outputs, columns, |row, column| {
            f64::from(values[row * columns + column])
        });
        let largest = matrix.singular_values().expect("singular values")[0];
        assert!((largest - 1.0).abs() < 0.01, "layer {number}: {largest}");
    }
    // Evaluation moves nothing: the same images get the same scores, and the vectors stay.
    let vectors = || {
        let left = |layer: &Conv2d| {
            let norm = layer.spectral.as_ref().expect("every layer is normalised");
            device::values(norm.left.val()).expect("f32")
        };
        layers().map(left).collect::<Vec<_>>()
    };
    let before = vectors();
    let scores = |critic: &Critic| critic.forward(images(2, &device::cpu())).into_data();
    assert_eq!(scores(&critic), scores(&critic));
    assert_eq!(before, vectors());
}
