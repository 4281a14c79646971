//! One side of a comparison: as much of its features as metrics look at.

use crate::error::Result;
use crate::features::{Copies, Features};
use crate::metrics::{GaussianSide, Metric, MetricSettings};

/// What is kept of a side.
pub(super) enum Kept {
    /// Its features.
    Features(Features),
    /// The Gaussian fitted to them, where all metrics need no more, or there is no more.
    Gaussian(GaussianSide),
}

/// A side whose features were all seen.
pub(super) struct Side {
    pub(super) kept: Kept,
    /// How many images.
    pub(super) rows: usize,
    /// What is to be said of equal ones.
    pub(super) copies: String,
}

impl Side {
    /// Takes in the features of `what`, `rows` images, which arrive in blocks; keeps them, or their Gaussian alone.
    pub(super) fn of(
        what: &str,
        rows: usize,
        blocks: impl Iterator<Item = Result<Features>>,
        gaussian: bool,
    ) -> Result<Self> {
        let mut copies = Copies::default();
        let blocks = blocks.inspect(|block| {
            if let Ok(block) = block {
                copies.add(block);
            }
        });
        let kept = if gaussian {
            Kept::Gaussian(GaussianSide::of(what, blocks)?)
        } else {
            Kept::Features(Features::join(rows, blocks)?)
        };
        Ok(Self {
            kept,
            rows,
            copies: copies.note(what),
        })
    }
}

/// Whether Gaussians are all that `metrics` need. Intervals over images need all of them.
pub(super) fn gaussians_suffice(
    metrics: &[&'static dyn Metric],
    settings: &MetricSettings,
) -> bool {
    settings.bootstrap == 0 && metrics.iter().all(|metric| metric.of_gaussians().is_some())
}
