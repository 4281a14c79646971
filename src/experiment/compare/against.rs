//! The reference of several sets: its features are computed once.

use burn::tensor::Device;

use super::{Comparing, Evaluator};
use crate::error::Result;
use crate::features::Statistics;

/// What measures against the reference, made when the first set asks for it and kept for the next.
#[derive(Default)]
pub(super) struct Against {
    /// Against images, and how many these are.
    images: Option<(Evaluator, usize)>,
    /// Against statistics: what it measures, the size and channels of images or none for features.
    statistics: Option<(Option<[usize; 2]>, Evaluator)>,
}

impl Against {
    pub(super) fn images(
        &mut self,
        comparing: &Comparing<'_>,
        device: &Device,
    ) -> Result<(&Evaluator, usize)> {
        if self.images.is_none() {
            let (images, name) = comparing.reference(device)?;
            let (evaluation, names) = (&comparing.config.evaluation, comparing.comparison.metrics);
            let cache = comparing.workspace.features();
            let images = images.as_ref();
            let evaluator = Evaluator::new(evaluation, names, &name, images, device, &cache)?;
            let evaluator = comparing.fitted_to_training(evaluator)?;
            self.images = Some((evaluator, images.count()));
        }
        let (evaluator, count) = self.images.as_ref().expect("it was made");
        Ok((evaluator, *count))
    }

    /// For images like `like`, or for features.
    pub(super) fn statistics(
        &mut self,
        comparing: &Comparing<'_>,
        like: Option<[usize; 2]>,
        device: &Device,
    ) -> Result<&Evaluator> {
        if self.statistics.as_ref().is_none_or(|(of, _)| *of != like) {
            let (evaluation, names) = (&comparing.config.evaluation, comparing.comparison.metrics);
            let statistics = Statistics::open(comparing.real.path())?;
            let name = comparing.real.name();
            let mut evaluator =
                Evaluator::of_statistics(&evaluation.metrics, names, &name, &statistics)?;
            if let Some(like) = like {
                let cache = comparing.workspace.features();
                evaluator = evaluator.with_extractor(evaluation, like, device, &cache)?;
            }
            self.statistics = Some((like, evaluator));
        }
        Ok(&self.statistics.as_ref().expect("it was made").1)
    }
}
