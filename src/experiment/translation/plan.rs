//! Which paired models an experiment trains, and what determines each.

use super::training::Source;
use crate::data::Split;
use crate::error::{Result, refuse};
use crate::experiment::Context;
use crate::translation::{
    Adversary, Backbone, Start, TranslationConfig, TranslationTask, TranslatorRunConfig,
    TranslatorTrainingConfig,
};

/// A row: one training a seed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlannedRow {
    /// Its label.
    pub(super) name: String,
    pub(super) backbone: Backbone,
    /// Training patches.
    pub(super) patches: usize,
    pub(super) start: Start,
}

/// The rows of an experiment that has `available` training patches: backbones, and within them numbers of patches, and starts.
///
/// # Errors
/// Refuses an experiment without rows, rows that are the same, and more patches than there are.
pub(super) fn rows(settings: &TranslationConfig, available: usize) -> Result<Vec<PlannedRow>> {
    let mut rows: Vec<PlannedRow> = Vec::new();
    let is_pretraining = settings.task == TranslationTask::Restore;
    if is_pretraining && settings.starts.contains(&Start::Pretrained) {
        return Err(refuse(
            "`translation.starts` has `pretrained`, and the task `restore` is the pretraining",
            "set it to `[\"random\"]`, or take another `translation.task`",
        ));
    }
    let (numbers, setting) = if is_pretraining {
        (
            &settings.pretraining.patches,
            "translation.pretraining.patches",
        )
    } else {
        (&settings.patches, "translation.patches")
    };
    for backbone in &settings.backbones {
        for &patches in numbers {
            let patches = there(patches, available, setting)?;
            for &start in &settings.starts {
                let label = backbone.label();
                let name = if is_pretraining {
                    format!("{label}, {patches} patches")
                } else {
                    format!("{label}, {patches} patches, {}", start.name())
                };
                if rows.iter().any(|row| row.name == name) {
                    return Err(refuse(
                        format!("two rows of the experiment are called `{name}`"),
                        "give each backbone and each number of patches once",
                    ));
                }
                rows.push(PlannedRow {
                    name,
                    backbone: backbone.clone(),
                    patches,
                    start,
                });
            }
        }
    }
    if rows.is_empty() {
        return Err(refuse(
            "the experiment has no paired models",
            "set `translation.backbones`, for example to `[{ network = \"unet\", width = 16, levels = 3 }]`, `translation.patches` \
             and `translation.starts`",
        ));
    }
    Ok(rows)
}

/// A number of training patches where 0 is all of `available`.
fn there(patches: usize, available: usize, setting: &str) -> Result<usize> {
    if patches > available {
        return Err(refuse(
            format!("`{setting}` asks for {patches} training patches, there are {available}"),
            format!("set at most {available} (0 takes all), or give more slides"),
        ));
    }
    Ok(if patches == 0 { available } else { patches })
}

/// How many backbones are pretrained for `rows`.
pub(super) fn pretrained(rows: &[PlannedRow]) -> usize {
    let mut known: Vec<&Backbone> = Vec::new();
    for row in rows.iter().filter(|row| row.start == Start::Pretrained) {
        if !known.contains(&&row.backbone) {
            known.push(&row.backbone);
        }
    }
    known.len()
}

/// What determines the weights of a row.
pub(super) fn run_config(
    context: &Context<'_>,
    row: &PlannedRow,
    seed: u64,
    source: Option<&Source>,
) -> Result<TranslatorRunConfig> {
    let settings = &context.config.translation;
    let task = settings.task;
    if task == TranslationTask::Restore {
        return pretraining_on(context, &row.backbone, row.patches, seed);
    }
    for corruption in &settings.corruptions {
        corruption.check("translation.corruptions", context.store.patch_size())?;
    }
    let store = &context.store;
    let (loss, hash, classes) = if task.has_masks() {
        let hash = store.masks_hash().to_owned();
        (Some(settings.loss), hash, store.mask_classes().to_vec())
    } else {
        (None, String::new(), Vec::new())
    };
    let config = of(
        context,
        task,
        &row.backbone,
        row.patches,
        seed,
        &settings.training,
    );
    Ok(TranslatorRunConfig {
        loss,
        masks_hash: hash,
        classes,
        start: source.map_or_else(String::new, |source| source.run.clone()),
        corruptions: settings.corruptions.clone(),
        ..config
    })
}

/// What determines the pretrained weights of a backbone.
pub(super) fn pretraining(
    context: &Context<'_>,
    backbone: &Backbone,
    seed: u64,
) -> Result<TranslatorRunConfig> {
    let available = context.store.indices(Split::Train).len();
    let numbers = &context.config.translation.pretraining.patches;
    let last = numbers.last().copied().unwrap_or(0);
    let patches = there(last, available, "translation.pretraining.patches")?;
    pretraining_on(context, backbone, patches, seed)
}

fn pretraining_on(
    context: &Context<'_>,
    backbone: &Backbone,
    patches: usize,
    seed: u64,
) -> Result<TranslatorRunConfig> {
    let settings = &context.config.translation.pretraining;
    for corruption in &settings.corruptions {
        corruption.check(
            "translation.pretraining.corruptions",
            context.store.patch_size(),
        )?;
    }
    let adversary: Option<Adversary> = match settings.adversary.layers {
        0 => None,
        _ => Some(settings.adversary.clone()),
    };
    let task = TranslationTask::Restore;
    let config = of(context, task, backbone, patches, seed, &settings.training);
    Ok(TranslatorRunConfig {
        corruptions: settings.corruptions.clone(),
        adversary,
        ..config
    })
}

/// A run without masks, start, corruptions and discriminator.
fn of(
    context: &Context<'_>,
    task: TranslationTask,
    backbone: &Backbone,
    patches: usize,
    seed: u64,
    training: &TranslatorTrainingConfig,
) -> TranslatorRunConfig {
    let (store, compute) = (&context.store, &context.config.compute);
    TranslatorRunConfig {
        seed,
        task,
        data_hash: store.content_hash().to_owned(),
        masks_hash: String::new(),
        classes: Vec::new(),
        image_size: store.patch_size(),
        channels: store.channels(),
        patches,
        steps: training.steps as u64,
        batch: training.batch,
        learning_rate: training.learning_rate,
        beta1: training.beta1,
        dropout: training.dropout,
        device: compute.device.kind,
        precision: compute.precision(),
        loss: None,
        start: String::new(),
        backbone: backbone.clone(),
        corruptions: Vec::new(),
        adversary: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TranslationConfig {
        TranslationConfig {
            task: TranslationTask::Segment,
            backbones: [2, 3]
                .map(|levels| Backbone::Unet { width: 8, levels })
                .to_vec(),
            starts: vec![Start::Random, Start::Pretrained],
            patches: vec![8, 0],
            ..TranslationConfig::default()
        }
    }

    #[test]
    fn rows_are_backbones_by_patches_by_starts() {
        let rows = rows(&settings(), 100).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), 8);
        assert_eq!(
            names[..3],
            [
                "unet-2 (width 8), 8 patches, random",
                "unet-2 (width 8), 8 patches, pretrained",
                "unet-2 (width 8), 100 patches, random",
            ]
        );
        assert_eq!(pretrained(&rows), 2);
    }

    #[test]
    fn rows_that_cannot_be_are_refused() {
        let refusal = |change: fn(&mut TranslationConfig)| {
            let mut settings = settings();
            change(&mut settings);
            rows(&settings, 50).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(|settings| settings.patches = vec![51]),
            "`translation.patches` asks for 51 training patches, there are 50"
        );
        assert_eq!(
            refusal(|settings| settings.patches = vec![50, 0]),
            "two rows of the experiment are called `unet-2 (width 8), 50 patches, random`"
        );
        assert_eq!(
            refusal(|settings| settings.backbones.clear()),
            "the experiment has no paired models"
        );
        assert_eq!(
            refusal(|settings| settings.task = TranslationTask::Restore),
            "`translation.starts` has `pretrained`, and the task `restore` is the pretraining"
        );
    }
}
