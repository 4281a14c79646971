//! The Inception-v3 that the Fréchet inception distance is defined with, for inference.
//!
//! Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, 2016 (arXiv 1512.00567), as TensorFlow's
//! graph of 2015-12-05 has it and pytorch-fid and torch-fidelity ported it. It is not torchvision's: batch norms have
//! epsilon 1e-3, average pools leave the padding out of their mean, the last block has a max pool where the paper has an
//! average, and there are 1008 classes.
//!
//! Tensors are named as in `pt_inception-2015-12-05-6726825d.pth`. Batch norms are folded into the convolutions, in f64.

mod blocks;
mod convolution;
mod layer;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use self::blocks::{Builder, Pool, block_a, block_b, block_c, block_d, block_e};
use self::convolution::Step;
use self::layer::Layer;
use super::pool::global_average_pool;
use super::weights::Weights;
use crate::device::DeviceKind;
use crate::error::Result;

/// Height and width of the images that the network takes.
pub const SIZE: usize = 299;
/// Features of an image: the last maps after global average pooling.
pub const FEATURES: usize = 2048;
/// Classes of TensorFlow's graph, 1000 of which are ImageNet's.
pub const CLASSES: usize = 1008;

/// How many images go together through the stages up to one, on the CPU, and through the last stages all: the larger maps are, the
/// fewer stay in the cache; the smaller, the more of the time goes into reading kernels, once for all images.
const TOGETHER: [(&str, usize); 2] = [("Mixed_5d", 1), ("Mixed_6e", 2)];

/// The network up to its 1008 logits.
#[derive(Debug)]
pub struct InceptionV3 {
    /// Each called by the name of its weights.
    stages: Vec<(&'static str, Layer)>,
    /// [classes, features]
    classifier: Tensor<2>,
    /// [1, classes]
    bias: Tensor<2>,
}

impl InceptionV3 {
    /// The network with the weights of the file at `path`, and the SHA-256 of that file.
    ///
    /// # Errors
    /// Fails as [`Weights`] does; the counters of batches that a batch norm may have are passed over.
    pub fn from_file(path: &Path, device: &Device) -> Result<(Self, String)> {
        let mut weights = Weights::read(path)?;
        let hash = weights.hash().to_owned();
        let stages = stages(&mut Builder::new(&mut weights, device))?;
        let classifier = weights.values("fc.weight", &[CLASSES, FEATURES])?;
        let bias = weights.values("fc.bias", &[CLASSES])?;
        weights.finish(|name| name.ends_with(".num_batches_tracked"))?;
        let network = Self {
            stages,
            classifier: Tensor::from_data(TensorData::new(classifier, [CLASSES, FEATURES]), device),
            bias: Tensor::from_data(TensorData::new(bias, [1, CLASSES]), device),
        };
        Ok((network, hash))
    }

    /// The features of images whose bytes were scaled to (byte - 128) / 128: [n, 3, 299, 299] -> [n, 2048], all >= 0.
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        global_average_pool(self.through(&self.stages, images))
    }

    /// The same of all images at once; `watch` sees the maps after every stage, by the name of its weights (`MaxPool_1`,
    /// `MaxPool_2` of those that have none).
    pub fn watched_features(
        &self,
        images: Tensor<4>,
        mut watch: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<2> {
        let mut maps = images;
        for (name, stage) in &self.stages {
            let channels = maps.dims()[1];
            maps = stage.forward(&maps, 0..channels);
            watch(name, &maps);
        }
        global_average_pool(maps)
    }

    /// The maps after the stage `last`: [n, 3, 299, 299] -> [n, channels, h, w].
    pub fn maps_after(&self, last: &str, images: Tensor<4>) -> Tensor<4> {
        self.through(&self.stages[..self.count_through(last)], images)
    }

    /// What the first `stages` make of images.
    fn through(&self, stages: &[(&'static str, Layer)], images: Tensor<4>) -> Tensor<4> {
        match DeviceKind::of(&images.device()) {
            DeviceKind::Cpu => self.in_parts(&TOGETHER, stages, images),
            _ => forward(stages, images),
        }
    }

    /// The same with as many images at a time as `parts` say.
    fn in_parts(
        &self,
        parts: &[(&str, usize)],
        stages: &[(&'static str, Layer)],
        images: Tensor<4>,
    ) -> Tensor<4> {
        let Some(((last, most), parts)) = parts.split_last() else {
            return forward(stages, images);
        };
        let (before, after) = stages.split_at(self.count_through(last).min(stages.len()));
        let each = images.split(*most, 0).into_iter();
        let each = each.map(|images| self.in_parts(parts, before, images));
        forward(after, Tensor::cat(each.collect(), 0))
    }

    /// How many stages there are, the first ones, up to that called `last`.
    fn count_through(&self, last: &str) -> usize {
        let is_last = |(name, _): &(&str, Layer)| *name == last;
        self.stages
            .iter()
            .position(is_last)
            .expect("a stage's name")
            + 1
    }

    /// The logits of features: [n, 2048] -> [n, 1008].
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.classifier.clone().transpose()) + self.bias.clone()
    }
}

/// What stages one after the other make of maps: [n, c, h, w] -> [n, outputs, h', w'].
fn forward(stages: &[(&'static str, Layer)], maps: Tensor<4>) -> Tensor<4> {
    stages.iter().fold(maps, |maps, (_, stage)| {
        let channels = maps.dims()[1];
        stage.forward(&maps, 0..channels)
    })
}

/// All stages in order; beside them the height and width of their maps.
fn stages(builder: &mut Builder<'_>) -> Result<Vec<(&'static str, Layer)>> {
    let halve = Layer::MaxPool(Step::Halve);
    Ok(vec![
        builder.stem("Conv2d_1a_3x3", [3, 32], 3, Step::Halve)?, // 149
        builder.stem("Conv2d_2a_3x3", [32, 32], 3, Step::Inside)?, // 147
        builder.stem("Conv2d_2b_3x3", [32, 64], 3, Step::Same)?,
        ("MaxPool_1", halve.clone()), // 73
        builder.stem("Conv2d_3b_1x1", [64, 80], 1, Step::Same)?,
        builder.stem("Conv2d_4a_3x3", [80, 192], 3, Step::Inside)?, // 71
        ("MaxPool_2", halve),                                       // 35
        builder.block("Mixed_5b", |part| block_a(part, 192, 32))?,
        builder.block("Mixed_5c", |part| block_a(part, 256, 64))?,
        builder.block("Mixed_5d", |part| block_a(part, 288, 64))?,
        builder.block("Mixed_6a", block_b)?, // 17
        builder.block("Mixed_6b", |part| block_c(part, 128))?,
        builder.block("Mixed_6c", |part| block_c(part, 160))?,
        builder.block("Mixed_6d", |part| block_c(part, 160))?,
        builder.block("Mixed_6e", |part| block_c(part, 192))?,
        builder.block("Mixed_7a", block_d)?, // 8
        builder.block("Mixed_7b", |part| block_e(part, 1280, Pool::Mean))?,
        builder.block("Mixed_7c", |part| block_e(part, 2048, Pool::Largest))?,
    ])
}
