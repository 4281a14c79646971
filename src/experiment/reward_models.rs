//! The reward models of an experiment: each is trained or found once, before any system, and its weights are put where runs
//! look for them.

mod finetune;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::training::{Label, told};
use super::{Context, Reporter, snn_config};
use crate::config::Config;
use crate::data::PatchStore;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::reward::{
    Autoencoder, ENCODER, EncoderStart, RewardModelConfig, SnnRunConfig, Source, Stage,
    reward_model_file,
};
use crate::run::{Identity as _, Run, find_checkpoint};
use crate::workspace::{Workspace, config_file};

pub use finetune::{FinetuneProgress, finetune};

/// The reward models of one experiment.
pub struct RewardModels<'a> {
    store: &'a PatchStore,
    workspace: &'a Workspace,
    /// What trains those that are not there; without it they are refused.
    trains: Option<&'a Context<'a>>,
    /// Those that are known, by the settings that determine them.
    known: Vec<(String, RewardModelConfig)>,
}

impl<'a> RewardModels<'a> {
    /// None yet.
    pub fn new(context: &'a Context<'a>) -> Self {
        Self {
            trains: Some(context),
            ..Self::found(&context.store, context.workspace)
        }
    }

    /// Those that were trained already: no other is had.
    pub fn found(store: &'a PatchStore, workspace: &'a Workspace) -> Self {
        Self {
            store,
            workspace,
            trains: None,
            known: Vec::new(),
        }
    }

    /// The reward model of the system whose configuration is `config`.
    ///
    /// # Errors
    /// Refuses a network whose weights are not given or cannot be read, and fails where the MFT-SNN cannot be trained.
    pub fn of(
        &mut self,
        config: &Config,
        reporter: &mut dyn Reporter,
    ) -> Result<RewardModelConfig> {
        let key = format!(
            "{:?} {} {}",
            config.reward.source,
            config.reward.snn.display(),
            toml::to_string(&config.snn)?
        );
        if let Some((_, model)) = self.known.iter().find(|(known, _)| *known == key) {
            return Ok(model.clone());
        }
        let model = self.make(config, reporter)?;
        self.known.push((key, model.clone()));
        Ok(model)
    }

    fn make(&self, config: &Config, reporter: &mut dyn Reporter) -> Result<RewardModelConfig> {
        let snn = &config.snn;
        let mut model = RewardModelConfig {
            source: config.reward.source,
            layers: snn.encoder_layers,
            image_size: snn.image_size,
            weights: String::new(),
            snn: None,
        };
        match config.reward.source {
            Source::Pixels | Source::Random => model.layers = 0,
            Source::Untrained => {}
            Source::Vgg16 => {
                if snn.pretrained == EncoderStart::None {
                    return Err(refuse(
                        "the reward model `vgg16` is VGG-16 with pretrained weights, and no weights file is given",
                        "give one with `--set snn.pretrained=vgg16 --set snn.weights=FILE`",
                    ));
                }
                snn.check(self.store.patch_size())?;
                model.weights = self.keep(&snn.weights)?;
            }
            Source::MftSnn | Source::Stage1 | Source::Stage2 => {
                let is_ours = config.reward.snn.as_os_str().is_empty();
                let (trained, checkpoint) = match self.trains.filter(|_| is_ours) {
                    Some(context) => {
                        let (run, _) = train_snn(context, config, reporter)?;
                        let checkpoint =
                            run.checkpoint().context("a trained run has a checkpoint")?;
                        (run.config.clone(), checkpoint)
                    }
                    None if is_ours => self.trained(config)?,
                    None => trained_elsewhere(&config.reward.snn)?,
                };
                model.layers = trained.settings.encoder_layers;
                model.image_size = trained.settings.image_size;
                model.weights = self.keep(&checkpoint.join(ENCODER))?;
                model.snn = Some(trained);
            }
        }
        Ok(model)
    }

    /// The MFT-SNN that `config` asks for and its last checkpoint, if it is trained.
    fn trained(&self, config: &Config) -> Result<(SnnRunConfig, PathBuf)> {
        let run = SnnRunConfig::new(&snn_config(config), self.store, &config.compute)?;
        let folder = Run::folder(&self.workspace.runs(), &run);
        match find_checkpoint(&folder, &run, None)? {
            Some((step, place)) if step == run.steps() => Ok((run, place)),
            _ => Err(refuse(
                format!("the reward model `{}` is not trained", folder.display()),
                "it is trained before the systems that need it: repeat `histogen submit` or `histogen reproduce`",
            )),
        }
    }

    /// Copies a file of weights to where runs look for it, and returns its hash.
    fn keep(&self, path: &Path) -> Result<String> {
        let bytes = fs::read(path).map_err(|error| {
            refuse(
                format!("cannot read the weights file `{}`: {error}", path.display()),
                "give the path of torchvision's `vgg16` file, or of safetensors with its names",
            )
        })?;
        let hash = sha256(&bytes);
        let kept = reward_model_file(&self.workspace.reward_models(), &hash);
        if !kept.exists() {
            write_whole(&kept, &bytes)?;
        }
        Ok(hash)
    }
}

/// Trains the MFT-SNN that `config`, the settings of an experiment or of one of its systems, asks for, or finds it trained.
pub(super) fn train_snn(
    context: &Context<'_>,
    config: &Config,
    reporter: &mut dyn Reporter,
) -> Result<(Run<SnnRunConfig>, Autoencoder)> {
    let snn = snn_config(config);
    let store = &context.store;
    let run_config = SnnRunConfig::new(&snn, store, &config.compute)?;
    let mut run = Run::open(&context.workspace.runs(), &run_config)?;
    let label = Label::only("mft-snn".to_owned());
    let network = told(&mut run, &label, reporter, |run, reporter| {
        let mut progress = |state: FinetuneProgress<'_>| {
            let stage = match state.stage {
                Stage::Slides => "whole slides",
                Stage::Patches => "patches",
            };
            reporter.step(state.step, stage, state.scalars);
        };
        finetune(
            run,
            &snn,
            &config.data,
            store,
            &config.logging,
            &context.device,
            &mut progress,
        )
    })?;
    Ok((run, network))
}

/// The configuration of the trained MFT-SNN in `folder`, and its last checkpoint.
pub(super) fn trained_elsewhere(folder: &Path) -> Result<(SnnRunConfig, PathBuf)> {
    let not_one = |reason: String| {
        refuse(
            format!("`{}` is not a trained MFT-SNN: {reason}", folder.display()),
            "give the folder that `histogen snn train` prints",
        )
    };
    let path = config_file(folder);
    let text = fs::read_to_string(&path).map_err(|error| not_one(error.to_string()))?;
    let config: SnnRunConfig =
        toml::from_str(&text).map_err(|error| not_one(error.message().to_owned()))?;
    match find_checkpoint(folder, &config, None)? {
        Some((step, place)) if step == config.steps() => Ok((config, place)),
        _ => Err(not_one("its training is not finished".to_owned())),
    }
}
