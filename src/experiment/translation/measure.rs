//! Measuring paired models on held-out patches, and showing what they make of some.

use std::collections::BTreeMap;

use image::RgbImage;

use super::pairs::{HeldOutPairs, of_intensity};
use crate::error::Result;
use crate::experiment::{Context, Reporter};
use crate::features::{PerceptualDistance, load_perceptual};
use crate::images::{Pixels, RGB};
use crate::metrics::Protocol;
use crate::metrics::paired::{ImagePairs, PAIRED_METRICS, PairedMetric};
use crate::report::figures::pair_scale;
use crate::run::Run;
use crate::tracker::{self, Event, ScoreRecord};
use crate::translation::{Corruption, TranslationTask, Translator, TranslatorRunConfig};

/// Patches in a picture, and triples side by side in it.
const SHOWN: usize = 12;
const COLUMNS: usize = 2;
/// Colours of the classes of a mask: the background, nuclei, and what comes after them.
const COLOURS: [[u8; RGB]; 6] = [
    [245, 240, 245],
    [70, 40, 120],
    [210, 90, 60],
    [60, 150, 110],
    [230, 180, 60],
    [90, 140, 210],
];

/// What measures the paired models of one task.
pub(super) struct Measure<'a> {
    context: &'a Context<'a>,
    task: TranslationTask,
    held_out: HeldOutPairs,
    distance: Option<Box<dyn PerceptualDistance>>,
    protocol: Protocol,
}

impl<'a> Measure<'a> {
    /// On held-out patches of `context`, to which `corruptions` are done.
    ///
    /// # Errors
    /// Refuses a store without held-out patches, and weights of LPIPS that cannot be had.
    pub(super) fn open(
        context: &'a Context<'a>,
        task: TranslationTask,
        corruptions: &[Corruption],
    ) -> Result<Self> {
        let (store, config) = (&context.store, context.config);
        let (count, seed) = (
            config.translation.evaluation_patches,
            config.evaluation.seed,
        );
        let held_out = HeldOutPairs::new(store, task, corruptions, count, seed)?;
        // LPIPS sees images from 16 pixels on.
        let distance = if task.has_masks() || store.patch_size() < 16 {
            None
        } else {
            Some(load_perceptual(
                &config.evaluation.perceptual,
                &context.device,
            )?)
        };
        let mut settings = BTreeMap::from([("task".to_owned(), task.name().to_owned())]);
        if task.has_masks() {
            settings.insert("masks".to_owned(), store.masks_hash().to_owned());
            settings.insert("classes".to_owned(), store.mask_classes().join(", "));
        } else {
            let list = of_intensity(corruptions);
            let text = serde_json::to_string(&list).expect("numbers and names are always JSON");
            settings.insert("corruptions".to_owned(), text);
            settings.insert("seed of corruptions".to_owned(), seed.to_string());
        }
        let protocol = Protocol {
            images: 0,
            reference: format!("test split of {}", store.name()),
            reference_images: held_out.targets.count,
            reference_hash: store.content_hash().to_owned(),
            image_size: store.patch_size(),
            resize: "none".to_owned(),
            quantise: "floor(127.5 x + 128)".to_owned(),
            extractor: "each output against its target".to_owned(),
            extractor_hash: String::new(),
            metric: String::new(),
            settings,
            sampler: String::new(),
        };
        Ok(Self {
            context,
            task,
            held_out,
            distance,
            protocol,
        })
    }

    /// Steps between two points of a learning curve.
    pub(super) fn every(&self) -> usize {
        self.context.config.translation.evaluate_every
    }

    /// `outputs` against the targets; with the perceptual distance where `all` are asked for.
    fn pairs<'p>(&'p self, outputs: &'p Pixels, all: bool) -> Result<ImagePairs<'p>> {
        let (targets, distance) = (&self.held_out.targets, self.distance.as_deref());
        if self.task.has_masks() {
            let classes = self.context.store.mask_classes().len();
            return ImagePairs::of_masks(outputs, targets, classes);
        }
        ImagePairs::of_images(outputs, targets, distance.filter(|_| all))
    }

    /// The metrics that fit `pairs`, each with its protocol.
    fn metrics(&self, pairs: &ImagePairs<'_>) -> Vec<(&'static dyn PairedMetric, Protocol)> {
        let metrics = PAIRED_METRICS.all().into_iter();
        let fitting = metrics.filter(|metric| metric.fits(pairs));
        fitting
            .map(|metric| {
                let mut protocol = self.protocol.clone();
                metric.name().clone_into(&mut protocol.metric);
                let own = metric.settings(pairs).into_iter();
                protocol
                    .settings
                    .extend(own.map(|(name, value)| (name.to_owned(), value)));
                (metric, protocol)
            })
            .collect()
    }

    /// The scores of `model`; LPIPS where `all` are asked for.
    pub(super) fn of(&self, model: &dyn Translator, all: bool) -> Result<Vec<ScoreRecord>> {
        let outputs = model.translate(&self.held_out.inputs)?;
        let pairs = self.pairs(&outputs, all)?;
        let mut scores = Vec::new();
        for (metric, protocol) in self.metrics(&pairs) {
            let computed = metric.compute(&pairs);
            for (place, definition) in metric.scores().iter().enumerate() {
                let mut record = ScoreRecord::new(definition.name, protocol.clone());
                match &computed {
                    Ok(found) => {
                        let found = &found[place];
                        (record.value, record.spread) = (found.value, found.spread);
                        record.absent.clone_from(&found.absent);
                        if record.spread.is_some() {
                            definition.spread.clone_into(&mut record.spread_of);
                        }
                    }
                    Err(error) => record.failure = format!("{error:#}"),
                }
                scores.push(record);
            }
        }
        Ok(scores)
    }

    /// Measures what a training ended as into its ledger, unless that has it under the same protocols.
    pub(super) fn last(
        &self,
        run: &mut Run<TranslatorRunConfig>,
        model: &dyn Translator,
        reporter: &mut dyn Reporter,
    ) -> Result<()> {
        let wanted = self.metrics(&self.pairs(&self.held_out.targets, true)?);
        let is_known = tracker::result(run.ledger.events()).is_some_and(|known| {
            wanted.iter().all(|(_, protocol)| {
                let id = protocol.id();
                known.scores.iter().any(|score| score.protocol_id == id)
            })
        });
        if is_known {
            return Ok(());
        }
        let scores = self.of(model, true)?;
        reporter.scores(&scores[..1]);
        let step = run.checkpoint_step().unwrap_or_default();
        run.ledger
            .append(Event::Evaluation(tracker::Evaluation::unkept(
                step,
                run.config.seed,
                scores,
            )))
    }

    /// Input, output and target of some held-out patches, side by side.
    pub(super) fn picture(&self, model: &dyn Translator) -> Result<RgbImage> {
        let count = self.held_out.inputs.count;
        let shown: Vec<usize> = (0..SHOWN.min(count))
            .map(|place| place * count / SHOWN.min(count))
            .collect();
        let inputs = self.held_out.inputs.select(&shown);
        let outputs = model.translate(&inputs)?;
        let sides = [
            inputs.quantise(),
            self.seen(&outputs),
            self.seen(&self.held_out.targets.select(&shown)),
        ];
        let size = inputs.size;
        let mut bytes = Vec::new();
        for place in 0..shown.len() {
            for side in &sides {
                bytes.extend_from_slice(side.to_rgb().image(place));
            }
        }
        let all = Pixels::new(3 * shown.len(), size, RGB, bytes);
        Ok(all.grid(3 * COLUMNS, pair_scale(size)))
    }

    /// Masks in colours; images as they are.
    fn seen(&self, images: &Pixels) -> Pixels {
        if !self.task.has_masks() {
            return images.clone();
        }
        let colours = images.bytes.iter().flat_map(|&class| {
            let last = COLOURS.len() - 1;
            COLOURS[usize::from(class).min(last)]
        });
        Pixels::new(images.count, images.size, RGB, colours.collect())
    }
}
