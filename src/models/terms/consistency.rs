//! Improved consistency regularisation (Zhao, Singh, Lee, Zhang, Odena, Zhang 2020, arXiv 2002.04724).
//!
//! Differences are squared and averaged over the batch, as in the public implementations; arXiv 2002.04724's listings are read
//! so too, though the norms in other texts are printed without the square.

use burn::tensor::Tensor;

use super::pull::mean_squared_difference;
use super::{Addend, Term};
use crate::config::{Bcr, ImageTransform, Zcr};
use crate::device::{tensor, values};
use crate::error::Result;
use crate::images::Images;
use crate::models::StepScalars;
use crate::models::round::{DiscriminatorNetwork, GeneratorNetwork, Round, Verdict};
use crate::random::Stream;

/// Balanced consistency (Algorithm 1): weights times the mean of (D(x) - D(T(x)))^2 for real images, and of
/// (D(G(z)) - D(T(G(z))))^2 for generated ones, in the discriminator's loss. T is drawn an image. Where the settings say so, the same of the
/// logits of the classes (public implementations with an auxiliary classifier), a mean over classes too.
pub struct BalancedConsistency {
    /// The weights, and what T is.
    pub settings: Bcr,
}

impl<G, D: DiscriminatorNetwork> Term<G, D> for BalancedConsistency {
    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let Bcr {
            real,
            fake,
            transform,
            classes,
        } = self.settings;
        let mut addend = Addend::default();
        let mut add = |name: &'static str, weight: f64, verdict: &Verdict, altered: Tensor<4>| {
            let of_altered = round.discriminator.assess(altered);
            let mut difference = mean_squared_difference(verdict.score.clone(), of_altered.score);
            addend.scalars.push(name, &difference);
            if let (true, Some(own), Some(other)) =
                (classes, verdict.classes.clone(), of_altered.classes)
            {
                let of_classes = mean_squared_difference(own, other);
                let name = format!("{name}_classes");
                addend.scalars.push(name, &of_classes);
                difference = difference + of_classes;
            }
            let loss = difference.mul_scalar(weight);
            addend.loss = Some(match addend.loss.take() {
                None => loss,
                Some(other) => other + loss,
            });
        };
        let device = round.real.device();
        if real > 0.0 {
            let mut stream = round.random.stream("augment.real");
            let altered = alter(&round.batch.images, transform, &mut stream);
            let altered = tensor(&altered, &device);
            add("bcr_real", real, round.on_real(), altered);
        }
        if fake > 0.0 {
            let mut stream = round.random.stream("augment.fake");
            let [count, channels, size, _] = round.generated.dims();
            let numbers = values(round.generated.clone())?;
            let images = Images::new(count, channels, size, numbers);
            let altered = tensor(&alter(&images, transform, &mut stream), &device);
            add("bcr_fake", fake, round.on_generated(), altered);
        }
        Ok(addend)
    }
}

/// Each image altered by a draw of its own.
fn alter(images: &Images, transform: ImageTransform, stream: &mut Stream) -> Images {
    let (size, channels) = (images.size, images.channels);
    let mut altered = Vec::with_capacity(images.values.len());
    for image in images.values.chunks_exact(channels * size * size) {
        let flipped = stream.uniform() < 0.5;
        let (down, right) = match transform {
            ImageTransform::Flip => (0, 0),
            ImageTransform::FlipShift => {
                let largest = size / 8;
                let mut shift = || stream.below(2 * largest + 1) as i64 - largest as i64;
                (shift(), shift())
            }
        };
        for plane in image.chunks_exact(size * size) {
            altered.extend((0..size * size).map(|place| {
                let (x, y) = (place % size, place / size);
                let x = reflect(x as i64 - right, size);
                let y = reflect(y as i64 - down, size);
                plane[y * size + if flipped { size - 1 - x } else { x }]
            }));
        }
    }
    Images::new(images.count, channels, size, altered)
}

/// A place beyond the border seen in it; the border itself is not doubled, as in PyTorch's `reflect` padding.
fn reflect(place: i64, size: usize) -> usize {
    let last = size as i64 - 1;
    let inside = if place > last {
        2 * last - place
    } else {
        place.abs()
    };
    inside as usize
}

/// Latent consistency (Algorithm 2): a weight times the mean of (D(G(z)) - D(G(z + dz)))^2 in the discriminator's loss, and minus a
/// weight times the mean over pixels of (G(z) - G(z + dz))^2 in the generator's; dz is normal.
pub struct LatentConsistency {
    /// The weights, and the deviation of dz.
    settings: Zcr,
    /// G(z + dz) of the step, with the generator's gradient.
    perturbed: Option<Tensor<4>>,
}

impl LatentConsistency {
    /// With the weights and the deviation of `settings`.
    pub fn new(settings: Zcr) -> Self {
        Self {
            settings,
            perturbed: None,
        }
    }
}

impl<G: GeneratorNetwork, D: DiscriminatorNetwork> Term<G, D> for LatentConsistency {
    fn prepare(&mut self, round: &Round<'_, G, D>) -> Result<StepScalars> {
        let [count, dimension] = round.latents.dims();
        let noise = round
            .random
            .stream("perturbation")
            .normals(count * dimension);
        let noise = burn::tensor::TensorData::new(noise, [count, dimension]);
        let noise = Tensor::<2>::from_data(noise, &round.latents.device());
        let latents = round.latents.clone() + noise.mul_scalar(self.settings.sigma);
        // Normalised by its own batch, as G(z) was; the running statistics are those of G(z) alone.
        let mut generator = round.generator.clone();
        self.perturbed = Some(generator.forward_training(latents, round.classes));
        Ok(StepScalars::default())
    }

    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let weight = self.settings.discriminator;
        let Some(perturbed) = self.perturbed.clone().filter(|_| weight > 0.0) else {
            return Ok(Addend::default());
        };
        let of_perturbed = round.discriminator.assess(perturbed.detach()).score;
        let score = round.on_generated().score.clone();
        let difference = mean_squared_difference(score, of_perturbed);
        Ok(Addend {
            scalars: StepScalars::of("zcr", &difference),
            loss: Some(difference.mul_scalar(weight)),
            constant: 0.0,
        })
    }

    fn generator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let weight = self.settings.generator;
        let Some(perturbed) = self.perturbed.clone().filter(|_| weight > 0.0) else {
            return Ok(Addend::default());
        };
        let difference = mean_squared_difference(round.generated.clone(), perturbed);
        Ok(Addend {
            scalars: StepScalars::of("zcr_generator", &difference),
            loss: Some(difference.mul_scalar(-weight)),
            constant: 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::number;
    use crate::random::Random;

    #[test]
    fn a_flip_is_of_columns_and_of_one_image_at_a_time() {
        let images = Images::new(40, 2, 2, (0..320).map(|value| value as f32).collect());
        let altered = alter(
            &images,
            ImageTransform::Flip,
            &mut Random::new(0).stream("test"),
        );
        let mut flips = 0;
        for (before, after) in images.values.chunks(8).zip(altered.values.chunks(8)) {
            let flipped: Vec<f32> = before.chunks(2).flat_map(|row| [row[1], row[0]]).collect();
            flips += usize::from(after == flipped);
            assert!(after == flipped || after == before);
        }
        assert!((10..30).contains(&flips), "{flips} of 40");
    }

    #[test]
    fn a_shift_reflects_at_the_border() {
        assert_eq!(
            [-2, -1, 0, 7, 8, 9].map(|place| reflect(place, 8)),
            [2, 1, 0, 7, 6, 5]
        );
        let columns = (0..256).map(|place| (place % 16) as f32);
        let images = Images::new(1, 1, 16, columns.collect());
        for seed in 0..20 {
            let mut stream = Random::new(seed).stream("test");
            let altered = alter(&images, ImageTransform::FlipShift, &mut stream);
            let row = &altered.values[..16];
            assert!(
                altered.values.chunks(16).all(|other| other == row),
                "columns stay columns"
            );
            let rises = (1..16).filter(|&x| row[x] > row[x - 1]).count();
            assert!(
                !(3..=12).contains(&rises),
                "at most two columns are reflected: {row:?}"
            );
        }
    }

    #[test]
    fn differences_are_squared_and_averaged() {
        let scores = |values: [f32; 2]| Tensor::<1>::from_data(values, &crate::device::cpu());
        let of = mean_squared_difference(scores([1.0, 2.0]), scores([0.0, 4.0]));
        assert!((number(&of) - 2.5).abs() < 1e-7);
        assert!((number(&of.mul_scalar(10.0)) - 25.0).abs() < 1e-6);
    }
}
