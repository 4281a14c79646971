//! MFT-SNN: the Siamese network of arXiv 2409.20340, sections 2.1 and 2.2, and what `rl-eo` takes from it.
//!
//! An autoencoder on the convolutions of VGG-16 ([`Autoencoder`]) learns in two stages from pairs of images: a contrastive
//! loss ([`contrastive_loss`]) and a reconstruction error, each with its own optimiser ([`Trainer`]). The similarity of two
//! images is the cosine of their embeddings ([`Similarity`]); [`separation`] says how well it tells similar pairs from
//! dissimilar ones on held-out slides ([`HeldOut`]). The loop over the two stages is `experiment::finetune`, which also writes
//! the ledger.

mod autoencoder;
mod contrastive;
mod held_out;
mod reward;
mod separation;
mod settings;
mod similarity;
mod trainer;

pub use autoencoder::{Autoencoder, ENCODER, mean_squared_error};
pub use contrastive::{contrastive_loss, distance};
pub use held_out::{HeldOut, Neighbours, neighbours};
pub use reward::{Coupling, Judge, Reward, RewardConfig, Source};
pub use separation::{Separation, gain, separation};
pub use settings::{Pretrained, SnnConfig, SnnRunConfig, Stage, StageConfig, TrainedOn};
pub use similarity::{Similarity, cosine, judge, judge_file};
pub use trainer::{Trainer, reconstruction_optimiser, similarity_optimiser};
