//! Measuring path lengths in the latent space of a model.

use burn::tensor::Device;

use super::evaluator::explain;
use crate::config::EvaluationConfig;
use crate::error::Result;
use crate::features::{PerceptualDistance, load_perceptual};
use crate::metrics::{LatentSpace, PathLength, PathSettings, Protocol};
use crate::models::GenerativeModel;
use crate::tracker::ScoreRecord;

/// A perceptual distance, and the path lengths to measure with it.
pub struct PathEvaluator {
    distance: Box<dyn PerceptualDistance>,
    settings: PathSettings,
    lengths: Vec<&'static PathLength>,
    image_size: usize,
    channels: usize,
}

impl PathEvaluator {
    /// Loads the perceptual distance, for images of `channels` x `image_size` x `image_size`.
    ///
    /// # Errors
    /// Refuses an unknown distance and weights that do not fit.
    pub fn new(
        config: &EvaluationConfig,
        lengths: &[&'static PathLength],
        image_size: usize,
        channels: usize,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            distance: load_perceptual(&config.perceptual, device)?,
            settings: config.path_length.clone(),
            lengths: lengths.to_vec(),
            image_size,
            channels,
        })
    }

    /// How `length` is measured here.
    fn protocol(&self, length: &PathLength) -> Protocol {
        let settings = (length.settings)(&self.settings).into_iter();
        Protocol {
            images: (length.count)(&self.settings),
            reference: String::new(),
            reference_images: 0,
            reference_hash: String::new(),
            image_size: self.image_size,
            resize: "none".to_owned(),
            quantise: "none".to_owned(),
            extractor: self.distance.describe_for(self.channels),
            extractor_hash: self.distance.hash(),
            metric: length.definition.name.to_owned(),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            sampler: String::new(),
        }
    }

    /// The ids of all scores that [`Self::measure`] gives, in its order.
    pub fn protocol_ids(&self) -> Vec<String> {
        let protocols = self.lengths.iter().map(|length| self.protocol(length));
        protocols.map(|protocol| protocol.id()).collect()
    }

    /// Every path length of `model`. A model without a latent space gives records that say so; a length that fails gives
    /// one without a number.
    pub fn measure(&self, model: &dyn GenerativeModel) -> Vec<ScoreRecord> {
        let measured = self.lengths.iter().map(|length| {
            let definition = &length.definition;
            let mut record = ScoreRecord::new(definition.name, self.protocol(length));
            let Some(latents) = model.latents() else {
                "no latent space that decodes to images".clone_into(&mut record.absent);
                return record;
            };
            let prior = match latents.prior() {
                Ok(prior) => prior,
                Err(error) => {
                    record.failure = explain(&error);
                    return record;
                }
            };
            let space = LatentSpace {
                draw: &|stream| prior.draw(1, stream),
                classes: latents.classes(),
                decode: &|values, classes| latents.decode(values, classes),
            };
            match length.compute(&space, self.distance.as_ref(), &self.settings) {
                Ok(length) => {
                    record.value = Some(length.mean);
                    record.spread = Some(length.deviation);
                    definition.spread.clone_into(&mut record.spread_of);
                }
                Err(error) => record.failure = explain(&error),
            }
            record
        });
        measured.collect()
    }
}
