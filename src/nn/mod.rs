//! Layers and backbones: shapes in, shapes out. No losses, no training, no runs.
//!
//! Every parameter is drawn by name from a stream of [`crate::random::Random`] and carries an identity made from that
//! name, so two processes with one seed build the same network and a checkpoint fits a freshly built one.

pub mod activation;
pub mod adam;
pub mod attention;
pub mod conv;
pub mod dcgan;
pub mod dropout;
pub mod ema;
pub mod hrnet;
pub mod inception;
pub mod linear;
pub mod lpips;
pub mod norm;
pub mod parameters;
pub mod patch_gan;
pub mod pix2pix_unet;
pub mod plain_generator;
pub mod pool;
pub mod resize;
pub mod record;
pub mod residual_unet;
pub mod resnet;
pub mod spectral_norm;
pub mod unet;
pub mod vgg;
pub mod vgg_decoder;
pub mod vit;
pub mod weights;
