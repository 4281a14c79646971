//! Scores of images against the images that they should be, pair by pair: what paired models are measured by.
//!
//! Not distances of two sets: an output is compared with its own target. Each score is a mean over pairs and has their standard
//! deviation as its spread, unless its file says otherwise.

mod difference;
mod overlap;
mod perceptual;
mod ssim;

use crate::error::{Result, refuse};
use crate::features::PerceptualDistance;
use crate::images::Pixels;
use crate::metrics::ScoreDefinition;
use crate::registry::{Named, Registry};

pub use difference::{L1, Psnr};
pub use overlap::{Overlap, overlap};
pub use perceptual::Lpips;
pub use ssim::{Ssim, WINDOW, ssim};

/// What the spread of a mean over pairs is.
const OVER_PAIRS: &str = "standard deviation over images";

/// Outputs and their targets, as many and of one size.
#[derive(Clone, Copy)]
pub struct ImagePairs<'a> {
    outputs: &'a Pixels,
    targets: &'a Pixels,
    /// How many classes the bytes are numbers of; 0 for images.
    classes: usize,
    /// What tells how different two images look, where it is asked for.
    distance: Option<&'a dyn PerceptualDistance>,
}

impl<'a> ImagePairs<'a> {
    /// Images and their targets; `distance` for LPIPS, which is left out without one.
    ///
    /// # Errors
    /// Refuses none at all, and sides of different number, size or channels.
    pub fn of_images(
        outputs: &'a Pixels,
        targets: &'a Pixels,
        distance: Option<&'a dyn PerceptualDistance>,
    ) -> Result<Self> {
        let pairs = Self {
            outputs,
            targets,
            classes: 0,
            distance,
        };
        pairs.check()?;
        Ok(pairs)
    }

    /// Masks of one channel and their targets; bytes are numbers of `classes` classes, 0 the background.
    ///
    /// # Errors
    /// As [`Self::of_images`].
    pub fn of_masks(outputs: &'a Pixels, targets: &'a Pixels, classes: usize) -> Result<Self> {
        let pairs = Self {
            outputs,
            targets,
            classes,
            distance: None,
        };
        pairs.check()?;
        Ok(pairs)
    }

    fn check(&self) -> Result<()> {
        let shape = |images: &Pixels| [images.count, images.size, images.channels];
        let (outputs, targets) = (shape(self.outputs), shape(self.targets));
        if outputs != targets || outputs[0] == 0 {
            return Err(refuse(
                format!("outputs {outputs:?} against targets {targets:?} (number, size, channels)"),
                "a paired metric compares each output with the target of its own, of the same size",
            ));
        }
        Ok(())
    }

    /// Whether the pairs are masks.
    pub fn is_masks(&self) -> bool {
        self.classes > 0
    }

    fn each(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let (outputs, targets) = (self.outputs, self.targets);
        (0..outputs.count).map(|index| (outputs.image(index), targets.image(index)))
    }
}

/// A score of pairs: a number, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedScore {
    /// The name of its [`ScoreDefinition`].
    pub name: &'static str,
    /// The number.
    pub value: Option<f64>,
    /// Its spread over pairs, where it is a mean over them.
    pub spread: Option<f64>,
    /// Why there is no number; empty where there is one.
    pub absent: String,
}

impl PairedScore {
    /// The mean and the standard deviation (n - 1) of a number of each pair.
    fn mean(name: &'static str, values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            name,
            value: Some(mean),
            spread: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
            absent: String::new(),
        }
    }

    fn number(name: &'static str, value: f64) -> Self {
        Self {
            name,
            value: Some(value),
            spread: None,
            absent: String::new(),
        }
    }

    fn absent(name: &'static str, reason: String) -> Self {
        Self {
            name,
            value: None,
            spread: None,
            absent: reason,
        }
    }
}

/// A metric of pairs.
pub trait PairedMetric: Sync {
    /// The name of the family.
    fn name(&self) -> &'static str;

    /// The numbers it yields.
    fn scores(&self) -> &'static [ScoreDefinition];

    /// Whether it is one of these pairs.
    fn fits(&self, pairs: &ImagePairs<'_>) -> bool;

    /// What its numbers depend on besides the pairs, for their protocol.
    fn settings(&self, pairs: &ImagePairs<'_>) -> Vec<(&'static str, String)>;

    /// The numbers of pairs that it fits.
    ///
    /// # Errors
    /// Refuses images that it cannot see.
    fn compute(&self, pairs: &ImagePairs<'_>) -> Result<Vec<PairedScore>>;
}

impl Named for dyn PairedMetric {
    fn name(&self) -> &'static str {
        PairedMetric::name(self)
    }
}

/// All metrics of pairs.
pub static PAIRED_METRICS: Registry<dyn PairedMetric> =
    Registry::new("paired metric", &[&L1, &Psnr, &Ssim, &Lpips, &Overlap]);

/// The definition of the score `name`, if a paired metric yields it.
pub fn definition(name: &str) -> Option<&'static ScoreDefinition> {
    let metrics = PAIRED_METRICS.all().into_iter();
    let mut scores = metrics.flat_map(PairedMetric::scores);
    scores.find(|score| score.name == name)
}

#[cfg(test)]
mod tests;
