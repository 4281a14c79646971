//! The pictures of a row that a report is made with: samples, ways between latents, the training patches nearest to samples, what a
//! reward model looks at in them.

use image::RgbImage;

use super::Context;
use super::measure::Memorisation;
use super::training::draw;
use crate::data::Split;
use crate::error::Result;
use crate::images::{Pixels, RGB, write_png};
use crate::metrics::Interpolation;
use crate::models::{GenerativeModel, Latents};
use crate::random::Random;
use crate::report::figures::{INTERPOLATION_STEPS, under};
use crate::reward::{Reward, load_reward_network};
use crate::samples::seeds;

/// How many images are shown with the training patches nearest to them.
const SHOWN_NEIGHBOURS: usize = 16;
/// How many ways between latents are shown.
const WAYS: usize = 2;
/// How many images are shown with a held-out patch that a reward model compares them with.
const SHOWN_PAIRS: usize = 6;

/// What pictures of one trained model are made from.
pub(super) struct Pictures<'a> {
    pub(super) context: &'a Context<'a>,
    /// The label of its row.
    pub(super) row: &'a str,
    pub(super) seed: u64,
    pub(super) model: &'a dyn GenerativeModel,
    /// What rewarded it in training.
    pub(super) reward: Option<&'a Reward>,
    /// The images that were just drawn for measurement. Where there are none, only pictures that are missing are made.
    pub(super) drawn: Option<&'a Pixels>,
}

impl Pictures<'_> {
    /// Makes those that are due, of the first images that are measured; `memorisation` finds the training patches nearest to
    /// them.
    pub(super) fn make(&self, memorisation: Option<&Memorisation>) -> Result<()> {
        let Context {
            config, workspace, ..
        } = self.context;
        let due = |detail: &str| {
            let detail = format!("-s{}{detail}", self.seed);
            let path = workspace.picture(&config.name, self.row, &detail);
            (self.drawn.is_some() || !path.exists()).then_some(path)
        };
        if let Some(path) = due("") {
            write_png(&grid(&self.first(config.logging.grid_images)?), &path)?;
        }
        if let Some(latents) = self.model.latents()
            && let Some(path) = due("-interpolation")
        {
            write_png(&self.ways(latents)?.grid(INTERPOLATION_STEPS, 1), &path)?;
        }
        if let Some(memorisation) = memorisation
            && let Some(path) = due("-nearest")
        {
            let samples = self.first(SHOWN_NEIGHBOURS)?;
            let nearest = memorisation.evaluator.closest(&samples)?;
            let nearest = memorisation.trained_on.images.select(&nearest);
            let both = above(&samples, &nearest);
            write_png(&both.grid(SHOWN_NEIGHBOURS, 1), &path)?;
        }
        if let Some(reward) = self.reward
            && let Some(path) = due("-grad-cam")
            && let Some(grid) = self.similarity_maps(reward)?
        {
            write_png(&grid, &path)?;
        }
        Ok(())
    }

    /// Grad-CAM of the similarity of samples and held-out patches, as the reward model sees them: a sample, the same under its map, a
    /// patch, the same under its map, in each row. None where the reward model is no network.
    fn similarity_maps(&self, reward: &Reward) -> Result<Option<RgbImage>> {
        let Context {
            store,
            workspace,
            device,
            config,
            ..
        } = self.context;
        let (size, files) = (store.patch_size(), workspace.reward_models());
        let Some(network) = load_reward_network(&reward.model, size, &files, device)? else {
            return Ok(None);
        };
        let samples = self.first(SHOWN_PAIRS)?;
        let held_out = store.indices(Split::Test);
        let mut stream = Random::new(config.evaluation.seed).stream("similarity maps");
        let places = stream.choose_from(&held_out, samples.count.min(held_out.len()));
        let sides = [first(&samples, places.len()), store.read(&places)?];
        let [left, right] = sides.each_ref().map(Pixels::to_images);
        let found = network.similarity_maps(&left, &right, device)?;
        let mut bytes = Vec::new();
        for (pair, found) in found.iter().enumerate() {
            for (side, map) in sides.iter().zip(&found.maps) {
                let picture = side.picture(pair);
                let mapped = under(&picture, map);
                bytes.extend(picture.into_raw());
                bytes.extend(mapped.into_raw());
            }
        }
        let images = Pixels::new(4 * found.len(), size, RGB, bytes);
        Ok(Some(images.grid(4, 1)))
    }

    /// The first `count` of the images that are measured.
    fn first(&self, count: usize) -> Result<Pixels> {
        if let Some(pixels) = self.drawn {
            return Ok(first(pixels, count));
        }
        let count = count.min(self.context.config.evaluation.images);
        Ok(draw(self.context, self.model, count, &mut |_| {})?.pixels)
    }

    /// Images on the arc from the first sample's latent vector to the second's, from the third's to the fourth's, and so on;
    /// where there are classes, each way keeps to one.
    fn ways(&self, latents: &dyn Latents) -> Result<Pixels> {
        let ends = seeds(self.context.config.evaluation.seed, 0, 2 * WAYS);
        let prior = latents.prior()?;
        let last = (INTERPOLATION_STEPS - 1) as f64;
        let (mut places, mut classes) = (Vec::new(), Vec::new());
        for (way, ends) in ends.chunks_exact(2).enumerate() {
            let [from, to] = [ends[0], ends[1]].map(|seed| prior.latent(seed));
            for step in 0..INTERPOLATION_STEPS {
                places.extend(Interpolation::Slerp.at(&from, &to, step as f64 / last));
                classes.extend((latents.classes() > 0).then(|| way % latents.classes()));
            }
        }
        Ok(latents.decode(&places, &classes)?.quantise())
    }
}

/// The first `count` images, or all.
pub(super) fn first(pixels: &Pixels, count: usize) -> Pixels {
    pixels.select(&(0..count.min(pixels.count)).collect::<Vec<_>>())
}

/// The images in about as many rows as columns.
pub(super) fn grid(pixels: &Pixels) -> RgbImage {
    let columns = (pixels.count as f64).sqrt().ceil() as usize;
    pixels.grid(columns, 1)
}

/// The images of both, those of `upper` first.
fn above(upper: &Pixels, lower: &Pixels) -> Pixels {
    let bytes = [upper.bytes.as_slice(), &lower.bytes].concat();
    Pixels::new(upper.count + lower.count, upper.size, upper.channels, bytes)
}
