//! The settings of classification from few images.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use crate::data::StainMethod;

/// Classification from few images (arXiv 2201.09120): a CNN and systems with a class head, trained on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct LowDataConfig {
    /// Numbers of training images, each a nested prefix with as many of each class; empty takes as many as the smallest class
    /// allows.
    pub sizes: Vec<usize>,
    /// Values of tau that systems with a truncated prior are trained with; that with the highest accuracy on validation images is
    /// taken. Empty trains with `prior.truncated.tau`.
    pub tau_grid: Vec<f64>,
    /// Images of another distribution that are tested on besides, all of them: `phantom` (other slides than those of `data`), a
    /// folder, a patch store or a data set; empty for none.
    pub shifted: String,
    /// Brings the stain of the shifted images to a target's: `macenko`, `reinhard`, or `none`. The published target unless
    /// `data.stain_target` names one.
    pub shifted_stain: StainMethod,
    /// Normal noise of a standard deviation from [0, `shifted_noise`] that is added to shifted images, of RGB in [0, 1].
    pub shifted_noise: f64,
}

impl Default for LowDataConfig {
    fn default() -> Self {
        Self {
            sizes: Vec::new(),
            tau_grid: Vec::new(),
            shifted: String::new(),
            shifted_stain: StainMethod::None,
            shifted_noise: 0.0,
        }
    }
}
