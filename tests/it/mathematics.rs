//! The mathematics, checked by closed forms and differences.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use histogen::device;
use histogen::models::terms::gradient_penalty;
use histogen::nn::conv::{Conv2d, WeightInit, Window};
use histogen::nn::dcgan::{Critic, CriticNorm, ImageShape};
use histogen::nn::parameters::Parameters;
use histogen::random::Random;

use crate::differences::{ToDouble, check_gradient};

const SIZE: usize = 16;

pub(crate) fn critic(norm: CriticNorm, width: usize) -> Critic {
    let parameters = Parameters::new("critic", Random::new(3), &device::cpu());
    let image = ImageShape {
        size: SIZE,
        channels: 3,
    };
    Critic::new(&parameters, image, width, norm)
}

pub(crate) fn images(count: usize, device: &Device) -> Tensor<4> {
    let values = Random::new(4)
        .stream("images")
        .normals(count * 3 * SIZE * SIZE);
    Tensor::from_data(TensorData::new(values, [count, 3, SIZE, SIZE]), device)
}

#[test]
fn the_gradient_penalty_has_the_gradient_of_central_differences() {
    let critic = critic(CriticNorm::None, 2).map(&mut ToDouble);
    let images = images(3, &device::cpu()).cast(DType::F64);
    let value = |critic: &Critic| gradient_penalty(critic, images.clone());
    let checked = check_gradient("gradient penalty", &critic, 1e-4, value);
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
