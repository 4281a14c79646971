//! The two stages of the MFT-SNN: whole slides, then patches (arXiv 2409.20340, sections 2.1.2 and 3.3.1).
//!
//! Like every training it is a run: a folder named by its configuration, a ledger, checkpoints to go on from. A step depends
//! on its number alone, so a resumed training ends with the weights of an undisturbed one.

use std::path::Path;

use burn::tensor::Device;

use crate::config::LoggingConfig;
use crate::data::{self, DataConfig, Pairs, PatchStore, SimilarPair, Split, Thumbnails};
use crate::error::Result;
use crate::images::Images;
use crate::models::{Scalars, StepScalars};
use crate::nn::record::{load_parts, save_parts};
use crate::random::Random;
use crate::reward::{Autoencoder, SnnConfig, SnnRunConfig, Stage, Trainer};
use crate::run::{Run, Training, conduct};

/// Where a finetuning stands.
pub struct FinetuneProgress<'a> {
    /// The stage.
    pub stage: Stage,
    /// Steps done, over both stages.
    pub step: u64,
    /// The losses of the last step.
    pub scalars: &'a Scalars,
}

/// Trains `run` to its last step, from its newest checkpoint if it has one, and returns the network.
///
/// `settings` are those of the run with the path of the weights; `data` is what `store` was made with. Only slides and
/// patches of the training split are looked at. A finished run is only loaded.
///
/// # Errors
/// Fails if the pairs that the settings want cannot be had, if a loss is no longer finite (the run is then closed as
/// `diverged`), if a signal stops it (`killed`), and if something cannot be read or written (`failed`).
pub fn finetune(
    run: &mut Run<SnnRunConfig>,
    settings: &SnnConfig,
    data: &DataConfig,
    store: &PatchStore,
    logging: &LoggingConfig,
    device: &Device,
    progress: &mut dyn FnMut(FinetuneProgress<'_>),
) -> Result<Autoencoder> {
    let mut trainer = None;
    let first = run.load_checkpoint(|folder| {
        let (stage, _) = run.config.stage_at(run.checkpoint_step().unwrap_or(0));
        let mut found = Trainer::empty(settings, stage, device);
        load_parts(folder, |each| found.parts(&run.config, each))?;
        trainer = Some(found);
        Ok(())
    })?;
    let (trainer, first) = match (trainer, first) {
        (Some(trainer), Some(_)) if run.is_finished() => return Ok(trainer.network().clone()),
        (Some(trainer), Some(first)) => (trainer, first),
        _ => {
            let network = Autoencoder::new(settings, device)?;
            (Trainer::new(network, settings, device), 0)
        }
    };
    let random = Random::new(settings.seed);
    let images = TrainingImages::new(&run.config, settings, data, store, first, random)?;
    let mut finetuning = Finetuning {
        trainer,
        images,
        config: run.config.clone(),
        progress,
    };
    conduct(run, first, logging, &mut finetuning)?;
    Ok(finetuning.trainer.network().clone())
}

struct Finetuning<'a> {
    trainer: Trainer,
    images: TrainingImages<'a>,
    config: SnnRunConfig,
    progress: &'a mut dyn FnMut(FinetuneProgress<'_>),
}

impl Training<SnnRunConfig> for Finetuning<'_> {
    fn step(&mut self, position: u64) -> Result<StepScalars> {
        let (stage, within) = self.config.stage_at(position);
        if within == 0 {
            self.trainer.begin(stage);
        }
        let (anchors, partners, similar) = self.images.batch(stage, position)?;
        let scalars = self.trainer.step(&anchors, &partners, &similar);
        let named = scalars.into_iter();
        let named: Scalars = named.map(|(name, value)| (name.into(), value)).collect();
        Ok(named.into())
    }

    fn tell(&mut self, step: u64, scalars: &Scalars) {
        let (stage, _) = self.config.stage_at(step - 1);
        (self.progress)(FinetuneProgress {
            stage,
            step,
            scalars,
        });
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        save_parts(folder, |each| self.trainer.parts(&self.config, each))
    }

    fn look(&mut self, _run: &mut Run<SnnRunConfig>, _step: u64) -> Result<()> {
        Ok(()) // nothing but numbers
    }

    fn advice(&self) -> &'static str {
        "lower `snn.contrastive_rate` or `snn.reconstruction_rate`"
    }
}

/// The training split as both stages see it.
struct TrainingImages<'a> {
    store: &'a PatchStore,
    /// Loaded only if a step of the first stage is left.
    slides: Option<(Thumbnails, Pairs)>,
    patches: Option<Pairs>,
    settings: &'a SnnConfig,
    random: Random,
}

impl<'a> TrainingImages<'a> {
    fn new(
        run: &SnnRunConfig,
        settings: &'a SnnConfig,
        data: &DataConfig,
        store: &'a PatchStore,
        first: u64,
        random: Random,
    ) -> Result<Self> {
        let mut images = Self {
            store,
            slides: None,
            patches: None,
            settings,
            random,
        };
        if run.steps[1] > 0 {
            let members = store.members(Split::Train);
            let pairs = Pairs::new(members, settings.similar, &settings.dissimilar, random)?;
            images.patches = Some(pairs);
        }
        if first < run.steps[0] {
            let size = settings.slide_size;
            let slides = data::thumbnails(data, store, Split::Train, size, &mut |_, _| {})?;
            let members = slides.names.iter().zip(&slides.classes).enumerate();
            let members =
                members.map(|(index, (name, class))| (index, name.as_str(), class.as_str()));
            let similar = SimilarPair::AugmentedView; // there is one image of a slide
            let pairs = Pairs::new(members, similar, &settings.dissimilar, random)?;
            images.slides = Some((slides, pairs));
        }
        Ok(images)
    }

    /// The anchors and the augmented partners of the step at `position`, and which of them are similar.
    fn batch(&self, stage: Stage, position: u64) -> Result<(Images, Images, Vec<bool>)> {
        let count = self.settings.batch;
        let loaded = "the images of a stage are there while it lasts";
        let pairs = match stage {
            Stage::Slides => &self.slides.as_ref().expect(loaded).1,
            Stage::Patches => self.patches.as_ref().expect(loaded),
        };
        let pairs = pairs.range(position * count as u64, count);
        let read = |indices: Vec<usize>| match stage {
            Stage::Slides => {
                let (slides, _) = self.slides.as_ref().expect(loaded);
                Ok(slides.pixels.select(&indices).to_images())
            }
            Stage::Patches => self.settings.view(self.store, &indices),
        };
        let anchors = read(pairs.iter().map(|pair| pair.anchor).collect())?;
        let partners = read(pairs.iter().map(|pair| pair.partner).collect())?;
        let mut stream = self.random.at(position).stream("views");
        let partners = self.settings.augmentation.views(&partners, &mut stream);
        let similar = pairs
            .iter()
            .map(|pair| pair.level == data::PairLevel::Similar)
            .collect();
        Ok((anchors, partners, similar))
    }
}
