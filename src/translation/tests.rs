//! Steps, starts and checkpoints of paired models.

use super::*;
use crate::device::{DeviceKind, Precision, cpu};
use crate::nn::record::{load_parts, save_parts};

fn run(task: TranslationTask, backbone: Backbone) -> TranslatorRunConfig {
    let masks = task.has_masks();
    let classes = ["background", "nucleus"].map(str::to_owned).to_vec();
    TranslatorRunConfig {
        seed: 0,
        task,
        data_hash: String::new(),
        masks_hash: String::new(),
        classes: if masks { classes } else { Vec::new() },
        image_size: 16,
        channels: 3,
        patches: 4,
        steps: 4,
        batch: 2,
        learning_rate: 1e-2,
        beta1: 0.5,
        dropout: 0.0,
        device: DeviceKind::Cpu,
        precision: Precision::F32,
        loss: masks.then_some(MaskLoss::CrossEntropy),
        start: String::new(),
        backbone,
        corruptions: vec![Corruption::Gaussian {
            low: 0.1,
            high: 0.1,
        }],
        adversary: None,
    }
}

fn unet() -> Backbone {
    Backbone::Unet {
        width: 4,
        levels: 2,
    }
}

fn pix2pix() -> Backbone {
    Backbone::Pix2pixUnet { width: 4 }
}

fn hrnet() -> Backbone {
    Backbone::Hrnet {
        width: 2,
        modules: vec![1, 1],
        blocks: 1,
        stem: 4,
        stem_stride: 1,
    }
}

/// Images with bright squares, and the masks of these or the images themselves.
fn batch(task: TranslationTask, count: usize) -> PairBatch {
    let is_bright = |image: usize, place: usize| {
        let (x, y) = (place % 16, place / 16);
        (4 + image..10 + image).contains(&x) && (3..9).contains(&y)
    };
    let value = |channels: usize, bright: f32, dark: f32| {
        let places = (0..count).flat_map(move |image| {
            (0..channels * 256).map(move |place| {
                if is_bright(image, place % 256) {
                    bright
                } else {
                    dark
                }
            })
        });
        Images::new(count, channels, 16, places.collect())
    };
    PairBatch {
        inputs: value(3, 0.5, -0.5),
        targets: if task.has_masks() {
            value(1, 1.0, 0.0)
        } else {
            value(3, 0.6, -0.6)
        },
    }
}

fn losses(
    model: &mut dyn Translator,
    task: TranslationTask,
    steps: std::ops::Range<u64>,
) -> Vec<f64> {
    let step = |position| {
        let scalars = model
            .step(&batch(task, 2), Random::new(0).at(position))
            .unwrap();
        assert_eq!(scalars[0].0, "training_loss");
        scalars[0].1
    };
    steps.map(step).collect()
}

#[test]
fn every_backbone_learns_both_kinds_of_targets() {
    for backbone in [unet(), pix2pix(), hrnet()] {
        for task in [TranslationTask::Restore, TranslationTask::Segment] {
            let mut model = build(&run(task, backbone.clone()), &cpu()).unwrap();
            let losses = losses(model.as_mut(), task, 0..40);
            assert!(
                losses[39] < 0.5 * losses[0],
                "{}: {losses:?}",
                backbone.label()
            );
            let made = model.translate(&batch(task, 2).inputs).unwrap();
            assert_eq!(made.channels, if task.has_masks() { 1 } else { 3 });
            let alone = model
                .translate(&batch(task, 2).inputs.select(&[1]))
                .unwrap();
            assert_eq!(
                made.image(1),
                alone.image(0),
                "an image depends on itself alone"
            );
        }
    }
}

#[test]
fn the_game_of_pix2pix_goes_on_from_a_checkpoint_to_the_same_bits() {
    let task = TranslationTask::Restore;
    let config = TranslatorRunConfig {
        adversary: Some(Adversary {
            layers: 1,
            width: 4,
            l1_weight: 100.0,
        }),
        dropout: 0.5,
        ..run(task, pix2pix())
    };
    let mut whole = build(&config, &cpu()).unwrap();
    let scalars = whole.step(&batch(task, 2), Random::new(0).at(0)).unwrap();
    let names: Vec<&str> = scalars.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "training_loss",
            "training_l1",
            "discriminator_loss",
            "adversarial_loss"
        ]
    );
    let value = |name: &str| scalars.iter().find(|(found, _)| *found == name).unwrap().1;
    let expected = value("adversarial_loss") + 100.0 * 2.0 * value("training_l1");
    assert!((value("training_loss") - expected).abs() < 1e-3);
    losses(whole.as_mut(), task, 1..3);
    let folder = tempfile::tempdir().unwrap();
    save_parts(folder.path(), |each| whole.parts(each)).unwrap();
    let mut resumed = build(&config, &cpu()).unwrap();
    load_parts(folder.path(), |each| resumed.parts(each)).unwrap();
    let after = [whole.as_mut(), resumed.as_mut()].map(|model| losses(model, task, 3..6));
    assert_eq!(after[0], after[1]);
    assert_eq!(whole.tensors().unwrap(), resumed.tensors().unwrap());
}

#[test]
fn a_start_takes_all_but_a_last_layer_of_another_purpose() {
    for backbone in [unet(), pix2pix(), hrnet()] {
        let mut source = build(&run(TranslationTask::Restore, backbone.clone()), &cpu()).unwrap();
        losses(source.as_mut(), TranslationTask::Restore, 0..2);
        let tensors = source.tensors().unwrap();
        let segment = TranslatorRunConfig {
            seed: 1,
            ..run(TranslationTask::Segment, backbone.clone())
        };
        let mut target = build(&segment, &cpu()).unwrap();
        let report = target.start_from(&tensors, true).unwrap();
        assert_eq!(report.fresh.len(), 2, "{:?}", report.fresh);
        assert_eq!(report.copied.len(), tensors.len() - 2);
        let taken = target.tensors().unwrap();
        for (taken, source) in taken.iter().zip(&tensors) {
            assert_eq!(taken.name, source.name);
            let is_copied = report.copied.contains(&taken.name);
            assert_eq!(taken.values == source.values, is_copied, "{}", taken.name);
        }
        // It still learns, what was copied too.
        losses(target.as_mut(), TranslationTask::Segment, 0..1);
        let moved = target.tensors().unwrap();
        assert!(
            moved
                .iter()
                .zip(&taken)
                .any(|(now, then)| now.values != then.values)
        );
        assert_ne!(moved[0].values, taken[0].values);
        // The same purpose takes the last layer along.
        let denoise = run(TranslationTask::Denoise, backbone);
        let mut all = build(&denoise, &cpu()).unwrap();
        assert!(all.start_from(&tensors, false).unwrap().fresh.is_empty());
        assert_eq!(all.tensors().unwrap(), tensors);
    }
}

#[test]
fn a_start_that_does_not_fit_is_refused() {
    let wide = Backbone::Unet {
        width: 8,
        levels: 2,
    };
    let source = build(&run(TranslationTask::Restore, wide), &cpu()).unwrap();
    let mut target = build(&run(TranslationTask::Restore, unet()), &cpu()).unwrap();
    let error = target
        .start_from(&source.tensors().unwrap(), false)
        .unwrap_err();
    assert!(
        error.to_string().starts_with(
            "the start does not fit: `down.0.first.weight` has shape [8, 3, 3, 3] there and [4, 3, 3, 3] here"
        ),
        "{error}"
    );
    let other = build(&run(TranslationTask::Restore, pix2pix()), &cpu()).unwrap();
    let error = target
        .start_from(&other.tensors().unwrap(), false)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it has no `down.0.first.weight`"),
        "{error}"
    );
}

#[test]
fn what_does_not_make_a_task_is_refused() {
    let refusal = |config: &TranslatorRunConfig| build(config, &cpu()).err().unwrap().to_string();
    let flips = TranslatorRunConfig {
        corruptions: vec![Corruption::Flip],
        ..run(TranslationTask::Restore, unet())
    };
    assert_eq!(
        refusal(&flips),
        "the task `restore` has no corruption that fits it"
    );
    let sharp = run(TranslationTask::SuperResolve, unet());
    assert_eq!(
        refusal(&sharp),
        "the task `super-resolve` has no corruption that fits it"
    );
    let small = TranslatorRunConfig {
        adversary: Some(Adversary::default()),
        ..run(TranslationTask::Restore, unet())
    };
    assert_eq!(
        refusal(&small),
        "PatchGAN of 3 layers has no place left on images of 16 x 16"
    );
}
