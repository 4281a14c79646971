//! What any adversarial system takes besides its own: a prior of its latent vectors, and terms of consistency.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// The kinds of prior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriorKind {
    /// That of the model's paper.
    Own,
    /// N(0, 1) in every entry.
    Normal,
    /// A normal one whose entries are kept near 0.
    Truncated,
    /// A mixture of normal ones.
    Mixture,
}

/// What latent vectors of adversarial systems are drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct PriorConfig {
    /// `own` (that of the model's paper), `normal`, `truncated` or `mixture`.
    pub kind: PriorKind,
    /// Where it is `truncated`.
    pub truncated: Truncation,
    /// Where it is a `mixture`.
    pub mixture: MixtureConfig,
}

impl Default for PriorConfig {
    fn default() -> Self {
        Self {
            kind: PriorKind::Own,
            truncated: Truncation::default(),
            mixture: MixtureConfig::default(),
        }
    }
}

impl PriorConfig {
    /// The prior of a model whose paper has one of the kind `own`; a normal one for a model that takes none.
    pub fn of(&self, own: Option<PriorKind>) -> LatentPrior {
        let kind = match (self.kind, own) {
            (_, None) => PriorKind::Normal,
            (PriorKind::Own, Some(own)) => own,
            (kind, Some(_)) => kind,
        };
        match kind {
            PriorKind::Own | PriorKind::Normal => LatentPrior::Normal,
            PriorKind::Truncated => LatentPrior::Truncated(self.truncated.clone()),
            PriorKind::Mixture => LatentPrior::Mixture(self.mixture.clone()),
        }
    }
}

/// A run's prior of latent vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LatentPrior {
    /// N(0, 1) in every entry.
    #[default]
    Normal,
    /// Entries kept near 0.
    Truncated(Truncation),
    /// A mixture of normal distributions.
    Mixture(MixtureConfig),
}

impl LatentPrior {
    pub(super) fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// The laws that are called truncation of z from N(0, 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TruncationLaw {
    /// sgn(z) min(|z|, tau) (arXiv 2201.09120, equation 6).
    Clip,
    /// z drawn again until |z| <= tau (Brock et al. 2018, arXiv 1809.11096).
    Resample,
    /// tau times z drawn again until |z| <= 2 (the sample code of BigGAN's authors).
    Scaled,
    /// N(0, tau): tau is the variance.
    Variance,
}

/// A truncated prior. Default: arXiv 2201.09120, equation 6.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Truncation {
    /// `clip`: entries beyond tau become tau; `resample`: they are drawn again; `scaled`: tau times entries within 2; `variance`: entries of variance tau.
    pub law: TruncationLaw,
    /// The threshold, or where the search for it starts.
    pub tau: f64,
    /// Step size of the search for tau down the gradient of the class loss of generated images (equation 4); 0 keeps it fixed.
    pub rate: f64,
}

impl Default for Truncation {
    fn default() -> Self {
        Self {
            law: TruncationLaw::Clip,
            tau: 1.0,
            rate: 0.0,
        }
    }
}

/// Where the means of a mixture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixtureMeans {
    /// Evenly on a circle in the first two entries.
    Circle,
    /// Drawn from U[-c, c] in every entry, once a run.
    Uniform,
}

/// What a mixture's sigma is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigmaIs {
    /// The standard deviation of an entry.
    Std,
    /// Its variance.
    Variance,
}

/// A mixture of normal distributions, all as likely (Ben-Yosef and Weinshall 2018, arXiv 1808.10356). Default: eight of
/// deviation 1 on a circle of radius 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct MixtureConfig {
    /// How many normal distributions.
    pub components: usize,
    /// Where their means lie (or start): `circle` or `uniform`.
    pub means: MixtureMeans,
    /// Radius of the circle, or c of U[-c, c].
    pub spread: f64,
    /// Deviation or variance of every entry about its mean, at the start.
    pub sigma: f64,
    /// What sigma is: `std` or `variance`.
    pub sigma_is: SigmaIs,
    /// Whether means and covariances learn with the generator (dynamic GM-GAN) or stay (static).
    pub learned: bool,
}

impl Default for MixtureConfig {
    fn default() -> Self {
        Self {
            components: 8,
            means: MixtureMeans::Circle,
            spread: 2.0,
            sigma: 1.0,
            sigma_is: SigmaIs::Std,
            learned: false,
        }
    }
}

/// How images are altered for balanced consistency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageTransform {
    /// Left and right change places, with probability 1/2.
    Flip,
    /// The same, then a shift by up to an eighth of the side, with reflected borders.
    FlipShift,
}

/// Balanced consistency regularisation (Zhao et al. 2020, arXiv 2002.04724): the discriminator shall say the same of an image and
/// of the image altered. The paper's weights are 10 and 10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Bcr {
    /// Weight of the term on real images; the paper's is 10, 0 leaves it out.
    pub real: f64,
    /// Weight of the term on generated images; the paper's is 10, 0 leaves it out.
    pub fake: f64,
    /// How images are altered: `flip`, or `flip-shift`.
    pub transform: ImageTransform,
    /// Whether the logits of the classes shall agree too, with the same weights: of systems with a class head.
    #[serde(default)]
    pub classes: bool,
}

impl Default for Bcr {
    fn default() -> Self {
        Self {
            real: 0.0,
            fake: 0.0,
            transform: ImageTransform::Flip,
            classes: false,
        }
    }
}

impl Bcr {
    /// The term, if it has a weight.
    pub fn term(&self) -> Option<Self> {
        (self.real > 0.0 || self.fake > 0.0).then(|| self.clone())
    }
}

/// Latent consistency regularisation (Zhao et al. 2020, arXiv 2002.04724): for z and z + dz the discriminator shall say the
/// same, and the generator make different images. The paper's weights are 5 and 0.5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Zcr {
    /// Weight of the discriminator's term; the paper's is 5, 0 leaves it out.
    pub discriminator: f64,
    /// Weight of the generator's term; the paper's is 0.5, 0 leaves it out.
    pub generator: f64,
    /// Deviation of dz.
    pub sigma: f64,
}

impl Default for Zcr {
    fn default() -> Self {
        Self {
            discriminator: 0.0,
            generator: 0.0,
            sigma: 0.03,
        }
    }
}

impl Zcr {
    /// The term, if it has a weight.
    pub fn term(&self) -> Option<Self> {
        (self.discriminator > 0.0 || self.generator > 0.0).then(|| self.clone())
    }
}
