//! Measuring an MFT-SNN and the network it started from on the same held-out pairs: ROC AUC with bootstrap intervals.

use burn::tensor::Device;
use serde::Serialize;

use crate::data::{PairLevel, PatchStore, Split};
use crate::error::{Result, refuse};
use crate::nn::vgg::Vgg16;
use crate::random::Random;
use crate::reward::{Autoencoder, HeldOut, RocAuc, SnnConfig, SnnRunConfig, gain, roc_auc};

/// Similarities of pairs, by their level.
pub(super) type ByLevel = Vec<(PairLevel, Vec<f64>)>;

/// What was measured of one network.
#[derive(Serialize)]
pub struct NetworkRecord {
    /// Its name.
    pub network: String,
    /// By level of dissimilarity.
    pub separation: Vec<LevelRecord>,
    /// Mean squared error of images in [-1, 1]; none for a network without decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconstruction_error: Option<f64>,
}

/// How similar pairs are told from those of one level.
#[derive(Serialize)]
pub struct LevelRecord {
    /// The level.
    pub level: &'static str,
    /// Area under the ROC curve: the probability that a similar pair is more similar than one of this level.
    pub auc: f64,
    /// Its 95 % interval (bootstrap over anchors).
    pub auc_interval: (f64, f64),
    /// The largest fraction of pairs that one threshold classifies correctly.
    pub accuracy: f64,
    /// That threshold.
    pub threshold: f64,
    /// Mean similarity of the pairs of this level, in [0, 1].
    pub mean_similarity: f64,
    /// Mean similarity of similar pairs, in [0, 1].
    pub mean_similarity_of_similar: f64,
}

/// Everything that was measured of an MFT-SNN.
#[derive(Serialize)]
pub struct SnnRecord {
    /// How it was trained, in words.
    pub trained: String,
    /// Name and hash of the patches it is measured on.
    pub evaluated_on: String,
    /// Pairs of each level.
    pub pairs: usize,
    /// What names the pairs: equal digits, equal images.
    pub pairs_id: String,
    /// The trained network, and the one it started from.
    pub networks: Vec<NetworkRecord>,
    /// By level: how much larger the area of the trained network is, and its interval.
    pub gains: Vec<(&'static str, f64, (f64, f64))>,
    /// Levels that the held-out slides cannot give, and why.
    pub impossible: Vec<(&'static str, String)>,
}

/// What is measured, and what tables and figures need beside it.
pub(super) struct Measured {
    pub(super) record: SnnRecord,
    /// The pairs it is measured on.
    pub(super) pairs: HeldOut,
    /// The similarities that each network gives the pairs of each level.
    pub(super) similarities: Vec<(String, ByLevel)>,
    /// The trained encoder, and the one it started from.
    pub(super) encoders: [(String, Vgg16); 2],
    /// Mean squared error of the anchors if each were replaced by its mean colour.
    pub(super) spread: f64,
}

impl Measured {
    /// Measures `network`, and the encoder that it started from, on the same held-out pairs.
    pub(super) fn new(
        trained: &SnnRunConfig,
        settings: &SnnConfig,
        network: &Autoencoder,
        store: &PatchStore,
        device: &Device,
    ) -> Result<Self> {
        let device = device.clone().without_autodiff();
        let pairs = HeldOut::draw(settings, store, &[Split::Test])?;
        let network = burn::module::Module::valid(network);
        let start = start(trained, settings, &device)?;
        let encoders = [("mft-snn".to_owned(), network.encoder.clone()), start];
        let mut similarities = Vec::new();
        for (name, encoder) in &encoders {
            similarities.push((name.clone(), pairs.similarities(encoder, &device)?));
        }
        let (error, spread) = pairs.reconstruction(&network, &device)?;
        let random = Random::new(settings.seed);
        let dissimilar = pairs.partners.iter().skip(1);
        let levels: Vec<PairLevel> = dissimilar.map(|(level, _)| *level).collect();

        // How well each network tells each level from similar pairs.
        let mut networks = Vec::new();
        for (number, (name, found)) in similarities.iter().enumerate() {
            let similar = of_level(found, PairLevel::Similar);
            let separations = levels
                .iter()
                .map(|&level| {
                    let dissimilar = of_level(found, level);
                    let separation = roc_auc(similar, dissimilar, random)?;
                    Ok(level_record(level, separation, similar, dissimilar))
                })
                .collect::<Result<_>>()?;
            networks.push(NetworkRecord {
                network: name.clone(),
                separation: separations,
                reconstruction_error: (number == 0).then_some(error),
            });
        }

        // How much better the trained one does it.
        let mut gains = Vec::new();
        for &level in &levels {
            let [ours, theirs] = [&similarities[0].1, &similarities[1].1]
                .map(|found| (of_level(found, PairLevel::Similar), of_level(found, level)));
            let (difference, interval) = gain(ours, theirs, random)?;
            gains.push((level.name(), difference, interval));
        }
        let impossible = pairs.impossible.iter();
        let record = SnnRecord {
            trained: trained.describe(),
            evaluated_on: format!("{} ({})", store.name(), &store.content_hash()[..8]),
            pairs: settings.evaluation_pairs,
            pairs_id: pairs.id.clone(),
            networks,
            gains,
            impossible: impossible
                .map(|(level, reason)| (level.name(), reason.clone()))
                .collect(),
        };
        Ok(Self {
            record,
            pairs,
            similarities,
            encoders,
            spread,
        })
    }
}

/// The similarities of one level, in the order of the anchors.
fn of_level(found: &ByLevel, level: PairLevel) -> &[f64] {
    let values = found.iter().find(|(known, _)| *known == level);
    values.map_or(&[], |(_, values)| values)
}

/// The encoder that the training started from, by name.
fn start(trained: &SnnRunConfig, settings: &SnnConfig, device: &Device) -> Result<(String, Vgg16)> {
    let layers = settings.encoder_layers;
    if trained.weights.is_empty() {
        return Ok(("vgg16-random".to_owned(), Vgg16::random(layers, device)));
    }
    let (network, hash) = Vgg16::from_file(layers, &settings.weights, device)?;
    if hash != trained.weights {
        return Err(refuse(
            format!(
                "the MFT-SNN started from other weights than those in `{}`",
                settings.weights.display()
            ),
            format!(
                "give `snn.weights` the file with SHA-256 {}",
                trained.weights
            ),
        ));
    }
    Ok(("vgg16".to_owned(), network))
}

/// What `separation` says of pairs of `level`.
fn level_record(
    level: PairLevel,
    separation: RocAuc,
    similar: &[f64],
    dissimilar: &[f64],
) -> LevelRecord {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    LevelRecord {
        level: level.name(),
        auc: separation.auc,
        auc_interval: separation.interval,
        accuracy: separation.accuracy,
        threshold: separation.threshold,
        mean_similarity: mean(dissimilar),
        mean_similarity_of_similar: mean(similar),
    }
}
