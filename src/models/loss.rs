//! The losses of adversarial training, each a mean over images.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::kernels::Activation::Softplus;

/// Binary cross-entropy of logits against one target in [0, 1]: softplus(x) - target x, without overflow.
///
/// Target 1 gives -log D(x), target 0 gives -log(1 - D(x)), anything between is a soft label.
pub fn cross_entropy(logits: Tensor<1>, target: f64) -> Tensor<1> {
    (Softplus.forward(logits.clone()) - logits.mul_scalar(target)).mean()
}

/// Binary cross-entropy of logits against a target in [0, 1] per image.
pub fn cross_entropy_each(logits: Tensor<1>, targets: Tensor<1>) -> Tensor<1> {
    (Softplus.forward(logits.clone()) - logits * targets).mean()
}

/// The non-saturating generator's loss: -log D(G(z)). (Section 2.4 of arXiv 2409.20340.)
pub fn non_saturating_generator(fake: Tensor<1>) -> Tensor<1> {
    cross_entropy(fake, 1.0)
}

/// The least-squares critic's loss with a = 0, b = 1: f (D(x) - 1)^2 + f D(G(z))^2. (Mao et al. 2017, equation 9, with the factor
/// f = 1/2.)
pub fn least_squares_critic(real: Tensor<1>, fake: Tensor<1>, factor: f64) -> Tensor<1> {
    (square(real.sub_scalar(1.0), factor) + square(fake, factor)).mean()
}

/// f (D - target)^2 for one target: 1 for real images and for the generator, 0 for generated ones. (Mao et al. 2017,
/// equation 9, with the factor f = 1/2.)
pub fn least_squares(scores: Tensor<1>, target: f64, factor: f64) -> Tensor<1> {
    square(scores.sub_scalar(target), factor).mean()
}

fn square(x: Tensor<1>, factor: f64) -> Tensor<1> {
    x.clone() * x.mul_scalar(factor)
}

/// The hinge critic's loss on real images: max(0, 1 - D(x)). (Miyato et al. 2018, equation 16.)
pub fn hinge_real(real: Tensor<1>) -> Tensor<1> {
    relu(real.neg().add_scalar(1.0)).mean()
}

/// The hinge critic's loss on generated images: max(0, 1 + D(G(z))). (Miyato et al. 2018, equation 16.)
pub fn hinge_generated(fake: Tensor<1>) -> Tensor<1> {
    relu(fake.add_scalar(1.0)).mean()
}

/// The Wasserstein critic's loss: D(G(z)) - D(x). (Arjovsky et al. 2017.)
pub fn wasserstein_critic(real: Tensor<1>, fake: Tensor<1>) -> Tensor<1> {
    fake.mean() - real.mean()
}

/// The Wasserstein and the hinge generator's loss: -D(G(z)).
pub fn wasserstein_generator(fake: Tensor<1>) -> Tensor<1> {
    fake.mean().neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::values;
    use burn::tensor::{Device, TensorData};

    /// The reference values are closed forms in f64 for real scores (1, -0.5, 2) and fake scores (0.3, -1, 0.7).
    #[test]
    fn losses_have_their_closed_form_values() {
        let device = Device::flex();
        let tensor = |values: [f32; 3]| Tensor::<1>::from_data(TensorData::from(values), &device);
        let real = || tensor([1.0, -0.5, 2.0]);
        let fake = || tensor([0.3, -1.0, 0.7]);
        let cases: [(&str, Tensor<1>, f64); 10] = [
            (
                "minimax critic",
                cross_entropy(real(), 1.0) + cross_entropy(fake(), 0.0),
                1.228_356_554_5,
            ),
            (
                "non-saturating generator",
                non_saturating_generator(fake()),
                0.756_934_327_0,
            ),
            (
                "least-squares critic",
                least_squares_critic(real(), fake(), 0.5),
                0.805,
            ),
            (
                "least-squares critic without the half",
                least_squares_critic(real(), fake(), 1.0),
                1.61,
            ),
            (
                "least-squares generator without the half",
                least_squares(fake(), 1.0, 1.0),
                1.526_666_666_7,
            ),
            (
                "least-squares generator",
                least_squares(fake(), 1.0, 0.5),
                0.763_333_333_3,
            ),
            (
                "hinge critic",
                hinge_real(real()) + hinge_generated(fake()),
                1.5,
            ),
            ("hinge generator", wasserstein_generator(fake()), 0.0),
            (
                "wasserstein critic",
                wasserstein_critic(real(), fake()),
                -0.833_333_333_3,
            ),
            ("wasserstein generator", wasserstein_generator(fake()), 0.0),
        ];
        for (name, loss, expected) in cases {
            let found = f64::from(loss.into_scalar::<f32>());
            assert!(
                (found - expected).abs() < 2e-7,
                "{name}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn softplus_survives_large_scores() {
        let device = Device::flex();
        let scores = Tensor::<1>::from_data(TensorData::from([-200.0f32, 0.0, 200.0]), &device);
        let values = values(Softplus.forward(scores)).expect("f32");
        assert_eq!(values, [0.0, std::f32::consts::LN_2, 200.0]);
    }

    #[test]
    fn the_slope_of_softplus_is_the_sigmoid_at_zero_too() {
        let scores = TensorData::from([-1.0f32, 0.0, 1.0]);
        let scores = Tensor::<1>::from_data(scores, &crate::device::cpu()).require_grad();
        let gradients = Softplus.forward(scores.clone()).sum().backward();
        let slopes = values(scores.grad(&gradients).expect("a slope")).expect("f32");
        for (slope, expected) in slopes.iter().zip([0.268_941_42, 0.5, 0.731_058_6]) {
            assert!(
                (slope - expected).abs() < 1e-6,
                "{slope}, expected {expected}"
            );
        }
    }
}
