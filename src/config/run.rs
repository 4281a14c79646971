//! What names a run.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use toml::{Table, Value};

use super::{BackboneConfig, Bcr, LatentPrior, Optimiser, Zcr};
use crate::data::{Input, TrainingImages};
use crate::device::{DeviceKind, Precision};
use crate::digest::sha256;
use crate::error::{self, refuse};
use crate::images::RGB;
use crate::nn::conv::Upsampling;
use crate::reward::Reward;

fn rgb() -> usize {
    RGB
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_rgb(channels: &usize) -> bool {
    *channels == RGB
}

/// A backbone as it is hashed: settings at which it is DCGAN's are left out, so that runs keep the names of
/// the time before there were these settings.
fn backbone<S: Serializer>(backbone: &BackboneConfig, serialiser: S) -> Result<S::Ok, S::Error> {
    let BackboneConfig {
        latent,
        generator_width,
        critic_width,
        ema_decay,
        upsampling,
    } = backbone;
    let mut fields = serialiser.serialize_struct("Backbone", 5)?;
    fields.serialize_field("latent", latent)?;
    fields.serialize_field("generator_width", generator_width)?;
    fields.serialize_field("critic_width", critic_width)?;
    if *ema_decay > 0.0 {
        fields.serialize_field("ema_decay", ema_decay)?;
    }
    if *upsampling != Upsampling::Transposed {
        fields.serialize_field("upsampling", upsampling)?;
    }
    fields.end()
}

/// Balanced consistency as it is hashed: one of scores alone has the bytes of the time before it could be of classes.
#[expect(clippy::ref_option, reason = "the form that serde asks for")]
fn bcr<S: Serializer>(bcr: &Option<Bcr>, serialiser: S) -> Result<S::Ok, S::Error> {
    let Some(bcr) = bcr else {
        return serialiser.serialize_none();
    };
    let Bcr {
        real,
        fake,
        transform,
        classes,
    } = bcr;
    let mut fields = serialiser.serialize_struct("Bcr", 4)?;
    fields.serialize_field("real", real)?;
    fields.serialize_field("fake", fake)?;
    fields.serialize_field("transform", transform)?;
    if *classes {
        fields.serialize_field("classes", classes)?;
    }
    fields.end()
}

/// Everything that determines the weights of one run, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The registry's name of the model.
    pub model: String,
    /// The training seed.
    pub seed: u64,
    /// Content hash of the patch store.
    pub data_hash: String,
    /// Height and width of the patches.
    pub image_size: usize,
    /// Channels of the patches: 3, or 1 for grey ones.
    #[serde(default = "rgb", skip_serializing_if = "is_rgb")]
    pub channels: usize,
    /// The classes of the patches, for a model that is told them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What stands beside each patch, for a model that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// Optimisation steps.
    pub steps: usize,
    /// Real images per step.
    pub batch: usize,
    /// The images of the training split that are trained on, where they are not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_images: Option<TrainingImages>,
    /// Whether real images are turned and mirrored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub symmetries: bool,
    /// The kind of device: each rounds in its own way.
    pub device: DeviceKind,
    /// What its layers multiply in.
    pub precision: Precision,
    /// The shared networks.
    #[serde(serialize_with = "backbone")]
    pub backbone: BackboneConfig,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// What latent vectors are drawn from.
    #[serde(default, skip_serializing_if = "LatentPrior::is_normal")]
    pub prior: LatentPrior,
    /// Balanced consistency, where it has a weight.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "bcr"
    )]
    pub bcr: Option<Bcr>,
    /// Latent consistency, where it has a weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zcr: Option<Zcr>,
    /// The reward, for a model that reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<Reward>,
    /// Settings of the models whose settings this model reads, by model.
    pub models: BTreeMap<String, Table>,
}

impl RunConfig {
    /// The settings of `model` as the struct that its file defines.
    pub fn settings<T: for<'de> Deserialize<'de>>(&self, model: &str) -> error::Result<T> {
        let table = self.models.get(model).cloned().unwrap_or_default();
        T::deserialize(Value::Table(table)).map_err(|error| {
            refuse(
                format!("settings `models.{model}`: {}", error.message()),
                format!(
                    "`histogen list models` shows the settings of `{model}` and their defaults"
                ),
            )
        })
    }

    /// The configuration as TOML, keys sorted.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a run configuration has string keys only")
    }

    /// Twelve hexadecimal digits that name the run: equal settings, equal weights.
    pub fn hash(&self) -> String {
        sha256(self.to_toml())[..12].to_owned()
    }
}
