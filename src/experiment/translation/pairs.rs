//! Pairs of input and target, made from patches: those that a paired model learns from, and the held-out ones it is measured on.

use crate::data::{PatchStore, Split};
use crate::error::{Result, refuse};
use crate::images::{GREY, Images, Pixels};
use crate::random::Random;
use crate::translation::{Corruption, PairBatch, TranslationTask, corrupt};

/// Patches whose masks are looked at at a time.
const BLOCK: usize = 1024;

/// The training patches of one run, in their order of each pass.
pub(super) struct TrainingPairs<'a> {
    store: &'a PatchStore,
    task: TranslationTask,
    corruptions: Vec<Corruption>,
    patches: Vec<usize>,
    batch: usize,
    random: Random,
}

impl<'a> TrainingPairs<'a> {
    /// The first `count` training patches of `store` in the order of `seed`: draws of one seed are nested.
    pub(super) fn new(
        store: &'a PatchStore,
        task: TranslationTask,
        corruptions: &[Corruption],
        count: usize,
        batch: usize,
        seed: u64,
    ) -> Self {
        let random = Random::new(seed);
        let mut patches = store.indices(Split::Train);
        random.stream("labelled").shuffle(&mut patches);
        patches.truncate(count);
        Self {
            store,
            task,
            corruptions: corruptions.to_vec(),
            patches,
            batch,
            random,
        }
    }

    /// The pairs of the step at `position`: every pass shows all patches once, in an order of its own, and goes on where a step ends.
    pub(super) fn at(&self, position: u64) -> Result<PairBatch> {
        let count = self.patches.len() as u64;
        let first = position * self.batch as u64;
        let places = first..first + self.batch as u64;
        let (mut pass, mut order) = (u64::MAX, Vec::new());
        let mut chosen = Vec::with_capacity(self.batch);
        for place in places.clone() {
            if place / count != pass {
                pass = place / count;
                order = self
                    .random
                    .at(pass)
                    .stream("order")
                    .permutation(count as usize);
            }
            chosen.push(self.patches[order[(place % count) as usize]]);
        }
        let streams: Vec<Random> = places.map(|place| self.random.at(place)).collect();
        pairs(self.store, self.task, &chosen, &self.corruptions, &streams)
    }
}

/// Held-out patches with their targets.
pub(super) struct HeldOutPairs {
    /// What networks are given.
    pub(super) inputs: Images,
    /// What they should make of it.
    pub(super) targets: Pixels,
}

impl HeldOutPairs {
    /// `count` patches of the test split (fewer where it has fewer), corrupted by the streams of `seed` and of the patch. They are not
    /// turned or mirrored: that is for learning.
    pub(super) fn new(
        store: &PatchStore,
        task: TranslationTask,
        corruptions: &[Corruption],
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        let mut patches = store.indices(Split::Test);
        Random::new(seed)
            .stream("held out pairs")
            .shuffle(&mut patches);
        patches.truncate(count);
        patches.sort_unstable();
        if patches.is_empty() {
            return Err(refuse(
                format!("`{}` has no held-out patch", store.name()),
                "set `data.held_out` above 0, and give each class two slides",
            ));
        }
        let seeded = Random::new(seed);
        let streams: Vec<Random> = patches
            .iter()
            .map(|&patch| seeded.at(patch as u64))
            .collect();
        let corruptions = of_intensity(corruptions);
        let PairBatch { inputs, targets } = pairs(store, task, &patches, &corruptions, &streams)?;
        let targets = if task.has_masks() {
            let bytes = targets.values.iter().map(|class| *class as u8);
            Pixels::new(targets.count, targets.size, GREY, bytes.collect())
        } else {
            targets.quantise()
        };
        Ok(Self { inputs, targets })
    }
}

/// The corruptions that leave pixels in their places.
pub(super) fn of_intensity(corruptions: &[Corruption]) -> Vec<Corruption> {
    let kept = corruptions
        .iter()
        .filter(|corruption| !matches!(corruption, Corruption::Flip | Corruption::Turn));
    kept.cloned().collect()
}

fn pairs(
    store: &PatchStore,
    task: TranslationTask,
    patches: &[usize],
    corruptions: &[Corruption],
    streams: &[Random],
) -> Result<PairBatch> {
    let mut inputs = store.read(patches)?.to_images();
    let mut targets = if task.has_masks() {
        let masks = store.masks(patches)?.ok_or_else(|| no_masks(store))?;
        let classes = masks.bytes.iter().map(|&class| f32::from(class));
        Images::new(masks.count, GREY, masks.size, classes.collect())
    } else {
        inputs.clone()
    };
    corrupt(corruptions, &mut inputs, &mut targets, streams);
    Ok(PairBatch { inputs, targets })
}

fn no_masks(store: &PatchStore) -> anyhow::Error {
    refuse(
        format!(
            "the task `segment` needs masks, and the patches of `{}` have none",
            store.name()
        ),
        "set `data.masks`: `phantom` for the synthetic slides, or a folder of PNG files with `data.mask_classes`",
    )
}

/// Refuses a store without masks, and one whose training masks lack a class.
pub(super) fn check_masks(store: &PatchStore) -> Result<()> {
    let classes = store.mask_classes();
    if classes.is_empty() {
        return Err(no_masks(store));
    }
    let mut seen = vec![false; classes.len()];
    for block in store.indices(Split::Train).chunks(BLOCK) {
        let masks = store.masks(block)?.ok_or_else(|| no_masks(store))?;
        for class in masks.bytes {
            seen[usize::from(class)] = true;
        }
        if seen.iter().all(|seen| *seen) {
            return Ok(());
        }
    }
    let missing = seen.iter().position(|seen| !seen);
    let missing = &classes[missing.expect("one was not seen")];
    Err(refuse(
        format!("no pixel of a training patch is of class `{missing}`"),
        "leave the class out of `data.mask_classes`, or give slides that show it",
    ))
}
