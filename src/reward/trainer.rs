//! One step of the MFT-SNN: two losses, two optimisers (arXiv 2409.20340, section 3.3.1).
//!
//! Adagrad moves the decoder and the learning convolutions down the reconstruction error of the anchors, then Adam moves
//! the learning convolutions down the contrastive loss of the pairs. The frozen convolutions are passed once; what learns is
//! passed once for each loss, as the first optimiser has moved it when the second looks. Each stage begins with fresh
//! optimisers.

use burn::tensor::{Device, Tensor, TensorData};
use burn_optim::{AdaGradConfig, GradientsParams, ModuleOptimizer};

use super::autoencoder::{Autoencoder, mean_squared_error};
use super::contrastive::{contrastive_loss, distance};
use super::snn::{SnnConfig, SnnRunConfig, Stage};
use crate::device::{number, tensor};
use crate::error::Result;
use crate::images::Images;
use crate::kernels::together;
use crate::nn::adam::adam;
use crate::nn::pool::global_average_pool;
use crate::nn::record::EachPart;

const CONTRASTIVE: &str = "contrastive_optimiser.bpk";
const RECONSTRUCTION: &str = "reconstruction_optimiser.bpk";

/// A network in training.
pub struct Trainer {
    network: Autoencoder,
    config: SnnConfig,
    contrastive: ModuleOptimizer,
    reconstruction: ModuleOptimizer,
    /// Convolutions that are frozen now.
    frozen: usize,
    device: Device,
}

impl Trainer {
    /// A trainer of `network`, at the start of the first stage.
    pub fn new(network: Autoencoder, config: &SnnConfig, device: &Device) -> Self {
        let mut trainer = Self {
            network,
            contrastive: similarity_optimiser(),
            reconstruction: reconstruction_optimiser(),
            config: config.clone(),
            frozen: 0,
            device: device.clone(),
        };
        trainer.begin(Stage::Slides);
        trainer
    }

    /// Begins a stage: its last layers learn, the others are frozen, the optimisers know nothing.
    pub fn begin(&mut self, stage: Stage) {
        let layers = self.config.stage(stage).layers;
        self.network.encoder = self.network.encoder.clone().with_trainable(layers);
        self.frozen = self.network.encoder.layers().saturating_sub(layers);
        self.contrastive = similarity_optimiser();
        self.reconstruction = reconstruction_optimiser();
    }

    /// A trainer whose state is to be loaded, in the middle of `stage`.
    pub fn empty(config: &SnnConfig, stage: Stage, device: &Device) -> Self {
        let mut trainer = Self::new(Autoencoder::empty(config, device), config, device);
        trainer.begin(stage);
        trainer
    }

    /// The network as it is.
    pub fn network(&self) -> &Autoencoder {
        &self.network
    }

    /// One step on pairs of images: `similar` says of each pair whether it is. Returns both losses before it.
    pub fn step(
        &mut self,
        anchors: &Images,
        partners: &Images,
        similar: &[bool],
    ) -> Vec<(&'static str, f64)> {
        let pairs = similar.len();
        let anchors = tensor(anchors, &self.device);
        let both = Tensor::cat(vec![anchors.clone(), tensor(partners, &self.device)], 0);
        let maps = self.network.encoder.start(both, self.frozen);
        let mut scalars = Vec::with_capacity(2);
        if self.config.reconstruction_rate > 0.0 {
            let of_anchors = maps.clone().narrow(0, 0, pairs);
            let code = self.network.encoder.finish(of_anchors, self.frozen);
            let loss = mean_squared_error(anchors, self.network.decoder.forward(code));
            scalars.push(("reconstruction_error", number(&loss)));
            let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
            let rate = self.config.reconstruction_rate;
            self.network = self
                .reconstruction
                .step(rate, self.network.clone(), gradients);
        }
        let embeddings = global_average_pool(self.network.encoder.finish(maps, self.frozen));
        let [left, right] = [0, pairs].map(|first| embeddings.clone().narrow(0, first, pairs));
        let labels: Vec<f32> = similar
            .iter()
            .map(|&similar| f32::from(u8::from(similar)))
            .collect();
        let labels = Tensor::from_data(TensorData::new(labels, [pairs]), &self.device);
        let loss = contrastive_loss(distance(left, right), labels, self.config.margin);
        scalars.push(("contrastive_loss", number(&loss)));
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let rate = self.config.contrastive_rate;
        self.network = together(|| self.contrastive.step(rate, self.network.clone(), gradients));
        scalars
    }

    /// Shows `each` all that the next step depends on; the encoder's file names `run` as its provenance.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn parts(&mut self, run: &SnnRunConfig, each: &mut EachPart<'_>) -> Result<()> {
        self.network.parts(&run.to_toml(), each)?;
        each(CONTRASTIVE, &mut self.contrastive)?;
        each(RECONSTRUCTION, &mut self.reconstruction)
    }
}

/// The optimiser of the contrastive loss, PyTorch's Adam: decays 0.9 and 0.999, epsilon 1e-8.
pub fn similarity_optimiser() -> ModuleOptimizer {
    adam([0.9, 0.999], 1e-8, None)
}

/// The optimiser of the reconstruction error, PyTorch's Adagrad: epsilon 1e-10, no decay of the learning rate.
pub fn reconstruction_optimiser() -> ModuleOptimizer {
    AdaGradConfig::new().with_epsilon(1e-10).init()
}
