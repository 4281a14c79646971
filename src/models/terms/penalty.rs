//! The gradient penalty of WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).

use burn::tensor::{Tensor, TensorData};

use super::{Addend, Term};
use crate::error::Result;
use crate::models::StepScalars;
use crate::models::round::{DiscriminatorNetwork, Round};
use crate::nn::dcgan::Critic;

/// A critic whose derivative along a direction can be computed with a gradient by its weights.
pub trait TangentNetwork: DiscriminatorNetwork {
    /// The scores of images and their derivatives along `tangents`, both `[n]`, for a critic that does not normalise by the
    /// batch.
    fn forward_with_tangent(
        &self,
        images: Tensor<4>,
        tangents: Tensor<4>,
    ) -> (Tensor<1>, Tensor<1>);
}

impl TangentNetwork for Critic {
    fn forward_with_tangent(
        &self,
        images: Tensor<4>,
        tangents: Tensor<4>,
    ) -> (Tensor<1>, Tensor<1>) {
        Critic::forward_with_tangent(self, images, tangents)
    }
}

/// `weight` times [`gradient_penalty`] between real and generated images, in the discriminator's loss.
#[derive(Clone, Copy, Debug)]
pub struct GradientPenalty {
    /// Lambda in the paper.
    pub weight: f64,
}

impl<G, D: TangentNetwork> Term<G, D> for GradientPenalty {
    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let mut stream = round.random.stream("interpolation");
        let count = round.batch.images.count;
        let weights = (0..count).map(|_| stream.uniform() as f32).collect();
        let between = interpolate(round.real.clone(), round.generated.clone(), weights);
        let penalty = gradient_penalty(round.discriminator, between);
        Ok(Addend {
            scalars: StepScalars::of("gradient_penalty", &penalty),
            loss: Some(penalty.mul_scalar(self.weight)),
            constant: 0.0,
        })
    }
}

/// u x + (1 - u) G(z) with one weight u per image (Algorithm 1, line 6).
fn interpolate(real: Tensor<4>, generated: Tensor<4>, weights: Vec<f32>) -> Tensor<4> {
    let shape = [weights.len(), 1, 1, 1];
    let weights = Tensor::<4>::from_data(TensorData::new(weights, shape), &real.device());
    generated.clone() + (real - generated) * weights
}

/// mean((|grad_x D(x)| - 1)^2) over images (section 4, equation 3), exact in value and in the gradient by the weights.
///
/// Automatic differentiation is first-order here. So the input gradient g is computed first, with the weights as
/// constants; along its direction v = g / |g|, held constant, the directional derivative J = D'(x; v) equals |g|, and
/// because v moves only at right angles to itself, dJ/dweights = d|g|/dweights. J comes from
/// [`TangentNetwork::forward_with_tangent`], whose gradient by the weights needs one backward pass.
pub fn gradient_penalty<D: TangentNetwork>(critic: &D, images: Tensor<4>) -> Tensor<1> {
    let direction = unit_gradient(critic, &images);
    let (_, slope) = critic.forward_with_tangent(images.detach(), direction);
    let excess = slope.sub_scalar(1.0); // [n]
    (excess.clone() * excess).mean()
}

/// The gradient of the score by each image, at unit length, without a graph.
fn unit_gradient<D: DiscriminatorNetwork>(critic: &D, images: &Tensor<4>) -> Tensor<4> {
    let images = images.clone().detach().require_grad();
    let scores = critic.clone().no_grad().assess(images.clone()).score;
    let gradient = images
        .grad(&scores.sum().backward())
        .expect("the score depends on the images");
    let [count, ..] = gradient.dims();
    let flat: Tensor<2> = gradient.clone().reshape([count as i32, -1]);
    let length = flat.powf_scalar(2.0).sum_dim(1).sqrt().clamp_min(1e-12); // [n, 1]
    let direction = gradient / length.reshape([count, 1, 1, 1]);
    Tensor::from_inner(direction)
}
