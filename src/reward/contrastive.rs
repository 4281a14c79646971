//! The contrastive loss. Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping, 2006, equation 4.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

/// Squares below this count as this: the root of zero has no derivative.
const LEAST: f64 = 1e-12;

/// The Euclidean distance of each pair of rows scaled to length 1: [n, d] and [n, d] -> `[n]` in [0, 2].
///
/// Its square is 2 - 2 cosine, so that the distance the network is trained by and the similarity it is used by
/// (arXiv 2409.20340, section 2.3) agree. Embeddings that are nowhere negative are at most sqrt 2 apart.
pub fn distance(left: Tensor<2>, right: Tensor<2>) -> Tensor<1> {
    let difference = unit(left) - unit(right);
    let squares: Tensor<1> = difference.powf_scalar(2.0).sum_dim(1).squeeze_dim(1);
    squares.clamp_min(LEAST).sqrt()
}

/// Rows of length 1; a row of zeros stays one.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let squares = rows.clone().powf_scalar(2.0).sum_dim(1);
    rows / squares.clamp_min(LEAST).sqrt()
}

/// The mean over pairs of y D^2 / 2 + (1 - y) max(0, margin - D)^2 / 2.
///
/// `distances` are D, `similar` holds y: 1 for a similar pair and 0 for a dissimilar one, as arXiv 2409.20340,
/// section 2.1.1, labels them (Hadsell et al. have it the other way round). Both are `[n]`.
pub fn contrastive_loss(distances: Tensor<1>, similar: Tensor<1>, margin: f64) -> Tensor<1> {
    let short = relu(distances.clone().neg().add_scalar(margin));
    let pull = similar.clone() * distances.powf_scalar(2.0);
    let push = similar.neg().add_scalar(1.0) * short.powf_scalar(2.0);
    (pull + push).mean().mul_scalar(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, values};
    use burn::tensor::TensorData;

    fn rows<const N: usize, const D: usize>(rows: [[f32; D]; N]) -> Tensor<2> {
        Tensor::from_data(TensorData::from(rows), &cpu())
    }

    fn row<const N: usize>(row: [f32; N]) -> Tensor<1> {
        Tensor::from_data(TensorData::from(row), &cpu())
    }

    #[test]
    fn the_distance_is_that_of_directions() {
        let left = rows([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0]]);
        let right = rows([[6.0, 8.0], [0.0, 5.0], [-1.0, 0.0], [1.0, 1.0]]);
        let found = values(distance(left.clone(), right.clone())).unwrap();
        let sixth = (2.0 - 2f32.sqrt()).sqrt();
        for (found, expected) in found.iter().zip([0.0, 2f32.sqrt(), 2.0, sixth]) {
            assert!(
                (found - expected).abs() < 2e-6,
                "{found}, expected {expected}"
            );
        }
        // D^2 = 2 - 2 cosine wherever the cosine is not clamped.
        let cosines = values(super::super::cosine(left, right)).unwrap();
        for place in [0, 1, 3] {
            let squared = found[place] * found[place];
            assert!((squared - (2.0 - 2.0 * cosines[place])).abs() < 2e-6);
        }
    }

    #[test]
    fn the_loss_has_its_closed_form() {
        let distances = || row([0.0, 0.5, 1.0, 1.5]);
        let loss = |similar, margin| {
            f64::from(contrastive_loss(distances(), row(similar), margin).into_scalar::<f32>())
        };
        // Similar: (0 + 0.25 + 1 + 2.25) / 2 / 4. Dissimilar at margin 1: (1 + 0.25) / 2 / 4; at 2: (4 + 2.25 + 1 + 0.25) / 8.
        for (similar, margin, expected) in [
            ([1.0; 4], 1.0, 0.4375),
            ([0.0; 4], 1.0, 0.15625),
            ([0.0; 4], 2.0, 0.9375),
            ([1.0, 0.0, 1.0, 0.0], 1.0, (0.25 + 1.0) / 8.0),
        ] {
            let found = loss(similar, margin);
            assert!(
                (found - expected).abs() < 1e-7,
                "{found}, expected {expected}"
            );
        }
    }

    #[test]
    fn the_slope_pulls_similar_pairs_and_pushes_dissimilar_ones_within_the_margin() {
        let slopes = |similar: f32| {
            let distances = row([0.25, 0.5, 1.5]).require_grad();
            let labels = row([similar; 3]);
            let gradients = contrastive_loss(distances.clone(), labels, 1.0).backward();
            values(distances.grad(&gradients).unwrap()).unwrap()
        };
        // d/dD of D^2 / 2 is D; of (1 - D)^2 / 2 it is D - 1 within the margin and 0 beyond; divided by three pairs.
        for (found, expected) in slopes(1.0).iter().zip([0.25, 0.5, 1.5]) {
            assert!((found * 3.0 - expected).abs() < 1e-6);
        }
        for (found, expected) in slopes(0.0).iter().zip([-0.75, -0.5, 0.0]) {
            assert!((found * 3.0 - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn equal_and_empty_embeddings_have_finite_gradients() {
        for embedding in [[0.0, 0.0], [1.0, 2.0]] {
            for similar in [0.0, 1.0] {
                let (left, right) = (rows([embedding]).require_grad(), rows([embedding]));
                let loss = contrastive_loss(distance(left.clone(), right), row([similar]), 1.0);
                let gradients = loss.backward();
                let slopes = values(left.grad(&gradients).unwrap()).unwrap();
                assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes:?}");
            }
        }
    }
}
