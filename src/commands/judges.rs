//! Judges of `rl-eo`: an MFT-SNN that is trained or found, or another network, its file put where runs look for it.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Device;

use super::session::{runs, tell_notices};
use super::tracking::Tracking;
use super::watch::{Watch, Watched};
use crate::cli::Settings;
use crate::config::Config;
use crate::data::PatchStore;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::experiment::finetune;
use crate::experiment::snn_config;
use crate::files::write_whole;
use crate::run::{Identity, Run, find_checkpoint, judges};
use crate::snn::{
    Autoencoder, ENCODER, Judge, Pretrained, SnnRunConfig, Source, Stage, judge_file,
};

/// The judges of one command: each is trained or found once.
pub(super) struct Judges<'a> {
    store: &'a PatchStore,
    settings: &'a Settings,
    tracking: &'a Tracking,
    device: &'a Device,
    dashboard: bool,
    known: RefCell<Vec<(String, Judge)>>,
}

impl<'a> Judges<'a> {
    pub(super) fn new(
        store: &'a PatchStore,
        settings: &'a Settings,
        tracking: &'a Tracking,
        device: &'a Device,
        dashboard: bool,
    ) -> Self {
        Self {
            store,
            settings,
            tracking,
            device,
            dashboard,
            known: RefCell::new(Vec::new()),
        }
    }

    /// The judge of the system whose configuration is `config`.
    pub(super) fn of(&self, config: &Config) -> Result<Judge> {
        let key = format!(
            "{:?} {} {}",
            config.reward.source,
            config.reward.snn.display(),
            toml::to_string(&config.snn)?
        );
        if let Some((_, judge)) = self.known.borrow().iter().find(|(known, _)| *known == key) {
            return Ok(judge.clone());
        }
        let judge = self.make(config)?;
        self.known.borrow_mut().push((key, judge.clone()));
        Ok(judge)
    }

    fn make(&self, config: &Config) -> Result<Judge> {
        let snn = &config.snn;
        let mut judge = Judge {
            source: config.reward.source,
            layers: snn.encoder_layers,
            image_size: snn.image_size,
            weights: String::new(),
            snn: None,
        };
        match config.reward.source {
            Source::Pixels | Source::Random => judge.layers = 0,
            Source::Untrained => {}
            Source::Vgg16 => {
                if snn.pretrained == Pretrained::None {
                    return Err(refuse(
                        "the judge `vgg16` is VGG-16 with pretrained weights, and no weights file is given",
                        "give one with `--set snn.pretrained=vgg16 --set snn.weights=FILE`",
                    ));
                }
                snn.check(self.store.patch_size())?;
                judge.weights = self.keep(&snn.weights)?;
            }
            Source::MftSnn | Source::Stage1 | Source::Stage2 => {
                let (trained, checkpoint) = if config.reward.snn.as_os_str().is_empty() {
                    let (run, _) = train_snn(
                        config,
                        self.store,
                        self.settings,
                        self.tracking,
                        self.device,
                        self.dashboard,
                    )?;
                    let checkpoint = run.checkpoint().context("a trained run has a checkpoint")?;
                    (run.config.clone(), checkpoint)
                } else {
                    trained_elsewhere(&config.reward.snn)?
                };
                judge.layers = trained.settings.encoder_layers;
                judge.image_size = trained.settings.image_size;
                judge.weights = self.keep(&checkpoint.join(ENCODER))?;
                judge.snn = Some(trained);
            }
        }
        Ok(judge)
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
        let kept = judge_file(&judges(&runs(self.settings)), &hash);
        if !kept.exists() {
            write_whole(&kept, &bytes)?;
        }
        Ok(hash)
    }
}

/// Trains the MFT-SNN that `config` asks for, or finds it trained.
pub(super) fn train_snn(
    config: &Config,
    store: &PatchStore,
    settings: &Settings,
    tracking: &Tracking,
    device: &Device,
    dashboard: bool,
) -> Result<(Run<SnnRunConfig>, Autoencoder)> {
    let snn = snn_config(config);
    let run_config = SnnRunConfig::new(&snn, store, &config.compute)?;
    let mut run = Run::open(&runs(settings), &run_config)?;
    let _recorder = tracking.follow(run.path())?;
    tell_notices(&run);
    let was_finished = run.is_finished();
    let steps = run_config.steps();
    let watched = Watched {
        label: "mft-snn".to_owned(),
        number: 1,
        count: 1,
        dashboard,
    };
    let mut watch = Watch::new(&watched, steps as usize);
    let network = finetune(
        &mut run,
        &snn,
        &config.data,
        store,
        &config.logging,
        device,
        &mut |state| {
            let stage = match state.stage {
                Stage::Slides => "whole slides",
                Stage::Patches => "patches",
            };
            watch.step(state.step as usize, stage, state.scalars);
        },
    )?;
    let folder = run.path().display();
    if was_finished {
        eprintln!("mft-snn: already trained, in `{folder}`");
    } else {
        watch.finish(&format!("{steps} steps, in `{folder}`"))?;
    }
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
    let path: PathBuf = folder.join("config.toml");
    let text = fs::read_to_string(&path).map_err(|error| not_one(error.to_string()))?;
    let config: SnnRunConfig =
        toml::from_str(&text).map_err(|error| not_one(error.message().to_owned()))?;
    match find_checkpoint(folder, &config, None)? {
        Some((step, place)) if step == config.steps() => Ok((config, place)),
        _ => Err(not_one("its training is not finished".to_owned())),
    }
}
