//! Reward models: the external networks that say how similar two images are. The paper's is the MFT-SNN (arXiv 2409.20340, sections
//! 2.1 and 2.2).
//!
//! An autoencoder on the convolutions of VGG-16 ([`Autoencoder`]) learns in two stages from pairs of images: a contrastive
//! loss ([`contrastive_loss`]) and a reconstruction error, each with its own optimiser ([`Trainer`]). The similarity of two
//! images is the cosine of their embeddings ([`RewardModel`]); [`roc_auc`] says how well it tells similar pairs from
//! dissimilar ones on held-out slides ([`HeldOut`]). The loop over the two stages is `experiment::finetune`, which also writes
//! the ledger.

mod autoencoder;
mod config;
mod contrastive;
mod grad_cam;
mod held_out;
mod model;
mod roc;
mod snn;
mod trainer;

pub use autoencoder::{Autoencoder, ENCODER, mean_squared_error};
pub use config::{Coupling, Reward, RewardConfig, RewardModelConfig, Source};
pub use contrastive::{contrastive_loss, distance};
pub use grad_cam::{SimilarityMaps, similarity_maps};
pub use held_out::{HeldOut, Neighbours, neighbours};
pub use model::{
    RewardModel, RewardNetwork, cosine, load_reward_model, load_reward_network, reward_model_file,
};
pub use roc::{BOOTSTRAPS, RocAuc, area, gain, interval, roc_auc};
pub use snn::{EncoderStart, SnnConfig, SnnRunConfig, Stage, StageConfig, TrainedOn};
pub use trainer::{Trainer, reconstruction_optimiser, similarity_optimiser};
