//! What an MFT-SNN is measured on: pairs and neighbours among patches of slides that it was not trained on.

use burn::tensor::Device;

use super::autoencoder::{Autoencoder, mean_squared_error};
use super::snn::SnnConfig;
use crate::data::{PairLevel, Pairs, PatchStore, Split};
use crate::device::{batches, values};
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::vgg::Vgg16;
use crate::random::Random;

/// Images in a forward pass: bounds memory, changes no number.
const BATCH: usize = 32;

/// Held-out pairs, the same for every network that is measured: each anchor has a partner of every level.
pub struct HeldOut {
    /// The first images.
    pub anchors: Images,
    /// Their partners by level, augmented.
    pub partners: Vec<(PairLevel, Images)>,
    /// Levels that the held-out slides cannot give, and why.
    pub impossible: Vec<(PairLevel, String)>,
    /// Eight hexadecimal digits that name the pairs: equal digits, equal images.
    pub id: String,
}

impl HeldOut {
    /// `settings.evaluation_pairs` anchors and their partners from these splits of `store`: of the data that the network was
    /// trained on the test split alone.
    ///
    /// # Errors
    /// Fails if there is no similar pair.
    pub fn draw(settings: &SnnConfig, store: &PatchStore, splits: &[Split]) -> Result<Self> {
        let random = Random::new(settings.seed);
        let members = || splits.iter().flat_map(|&split| store.members(split));
        let (mut possible, mut impossible) = (Vec::new(), Vec::new());
        for &level in &settings.dissimilar {
            match Pairs::new(members(), settings.similar, &[level], random) {
                Ok(_) => possible.push(level),
                Err(error) => impossible.push((level, error.to_string())),
            }
        }
        if possible.is_empty() {
            let (_, reason) = impossible
                .pop()
                .unwrap_or((PairLevel::Similar, String::new()));
            return Err(refuse(
                format!("the held-out slides give no dissimilar pair: {reason}"),
                "hold out more slides with `--set data.held_out=0.5`, or give more",
            ));
        }
        let pairs = Pairs::new(members(), settings.similar, &possible, random)?;
        let sets = pairs.sets(settings.evaluation_pairs)?;
        let read = |indices: Vec<usize>| settings.view(store, &indices);
        let anchors = read(sets[0].iter().map(|pair| pair.anchor).collect())?;
        let mut bytes = bytes(&anchors);
        let mut partners = Vec::with_capacity(sets.len());
        for (number, (level, set)) in pairs.levels().into_iter().zip(&sets).enumerate() {
            let images = read(set.iter().map(|pair| pair.partner).collect())?;
            let mut stream = random.at(number as u64).stream("held-out views");
            let views = settings.augmentation.views(&images, &mut stream);
            bytes.extend(self::bytes(&views));
            partners.push((level, views));
        }
        Ok(Self {
            anchors,
            partners,
            impossible,
            id: sha256(bytes)[..8].to_owned(),
        })
    }

    /// The similarities of the pairs of each level as `network` sees them, in the order of the anchors.
    pub fn similarities(
        &self,
        network: &Vgg16,
        device: &Device,
    ) -> Result<Vec<(PairLevel, Vec<f64>)>> {
        let anchors = embed(network, &self.anchors, device)?;
        self.partners
            .iter()
            .map(|(level, partners)| {
                let partners = embed(network, partners, device)?;
                let cosines = anchors
                    .iter()
                    .zip(&partners)
                    .map(|(left, right)| cosine(left, right));
                Ok((*level, cosines.collect()))
            })
            .collect()
    }

    /// The mean squared error of the anchors in [-1, 1], and what it would be if each were replaced by its mean colour.
    pub fn reconstruction(&self, network: &Autoencoder, device: &Device) -> Result<(f64, f64)> {
        let mut sum = 0.0;
        for tensor in batches(&self.anchors, BATCH, device) {
            let count = tensor.dims()[0];
            let again = network.reconstruct(tensor.clone());
            let error = values(mean_squared_error(tensor, again))?[0];
            sum += f64::from(error) * count as f64;
        }
        let area = self.anchors.size * self.anchors.size;
        let spread: f64 = self
            .anchors
            .values
            .chunks_exact(area)
            .map(|channel| {
                let mean = channel.iter().map(|&value| f64::from(value)).sum::<f64>() / area as f64;
                channel
                    .iter()
                    .map(|&value| (f64::from(value) - mean).powi(2))
                    .sum::<f64>()
            })
            .sum();
        let count = self.anchors.count as f64;
        Ok((sum / count, spread / self.anchors.values.len() as f64))
    }
}

/// A patch and those most like it on other slides.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Place of the patch in the store.
    pub query: usize,
    /// Places of its neighbours and their similarities, the most similar first.
    pub nearest: Vec<(usize, f64)>,
}

/// The `count` nearest patches, among `pool`, of each of the first `queries` of `pool`, none of them from the query's own slide.
pub fn neighbours(
    network: &Vgg16,
    settings: &SnnConfig,
    store: &PatchStore,
    pool: &[usize],
    queries: usize,
    count: usize,
    device: &Device,
) -> Result<Vec<Neighbours>> {
    let embeddings = embed(network, &settings.view(store, pool)?, device)?;
    let found = (0..queries.min(pool.len())).map(|query| {
        let slide = &store.records()[pool[query]].slide;
        let mut others: Vec<(usize, f64)> = (0..pool.len())
            .filter(|&other| store.records()[pool[other]].slide != *slide)
            .map(|other| (pool[other], cosine(&embeddings[query], &embeddings[other])))
            .collect();
        others.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        others.truncate(count);
        Neighbours {
            query: pool[query],
            nearest: others,
        }
    });
    Ok(found.collect())
}

fn embed(network: &Vgg16, images: &Images, device: &Device) -> Result<Vec<Vec<f32>>> {
    let dimension = network.dimension();
    let mut rows = Vec::with_capacity(images.count);
    for tensor in batches(images, BATCH, device) {
        let embeddings = values(network.embed(tensor))?;
        rows.extend(embeddings.chunks_exact(dimension).map(<[f32]>::to_vec));
    }
    Ok(rows)
}

/// In f64, clamped to [0, 1] as [`super::cosine`].
fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let lengths = (product(left, left) * product(right, right))
        .max(1e-12)
        .sqrt();
    (product(left, right) / lengths).clamp(0.0, 1.0)
}

fn bytes(images: &Images) -> Vec<u8> {
    images
        .values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
