//! What classifiers are trained and validated on: nested, class-balanced draws of real patches, and generated images.

use super::generators::Generated;
use super::plan::PlannedRow;
use crate::classifier::TrainingSet;
use crate::classifier::{ClassicAugmentation, ImagesOf};
use crate::data::{PatchStore, Split, Symmetry, turn};
use crate::error::{Result, refuse};
use crate::experiment::Context;
use crate::images::Images;
use crate::random::Random;

/// An image of a training set: which store, which of its patches, which class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    store: usize,
    patch: usize,
    class: usize,
}

/// The real patches of one seed in the order in which they are taken: every prefix has its fraction for validation.
pub(super) struct RealImages {
    /// For each class the patches and whether each is for validation.
    classes: Vec<Vec<(usize, bool)>>,
}

impl RealImages {
    /// Real patches that each class has for training sets: `downstream.real_patches`, or as many as the smallest class has.
    ///
    /// # Errors
    /// Refuses patches of one class and more patches than a class has.
    pub(super) fn per_class(context: &Context<'_>) -> Result<usize> {
        let (store, wanted) = (&context.store, context.config.downstream.real_patches);
        let names = store.classes();
        if names.len() < 2 {
            return Err(refuse(
                format!(
                    "a classifier tells classes apart, and `{}` has one: {}",
                    store.name(),
                    names.join(", ")
                ),
                "give a folder with a subfolder for each class, and leave `data.classes` empty",
            ));
        }
        let mut counts = vec![0; names.len()];
        for index in store.indices(Split::Train) {
            counts[store.class_indices()[index]] += 1;
        }
        let least = (0..names.len()).min_by_key(|&class| counts[class]);
        let least = least.expect("there are two classes");
        let (name, count) = (&names[least], counts[least]);
        if wanted > count {
            return Err(refuse(
                format!(
                    "`downstream.real_patches` is {wanted}, class `{name}` has {count} training patches"
                ),
                format!("set it to at most {count} (0 takes as many), or give more slides"),
            ));
        }
        if count == 0 {
            return Err(refuse(
                format!("class `{name}` has no training patch"),
                "give slides of every class for training",
            ));
        }
        Ok(if wanted == 0 { count } else { wanted })
    }

    /// The order of `seed`.
    ///
    /// # Errors
    /// Refuses a class whose training patches are all of one slide: validation is by slide.
    pub(super) fn of(context: &Context<'_>, seed: u64) -> Result<Self> {
        let store = &context.store;
        let fraction = context.config.downstream.classifier.validation;
        let random = Random::new(seed);
        let classes = store.classes().iter().map(|class| {
            let members = store.members(Split::Train);
            let members = members.filter(|(_, _, found)| found == class);
            let members: Vec<(usize, &str)> =
                members.map(|(patch, slide, _)| (patch, slide)).collect();
            order(&members, class, fraction, random)
        });
        Ok(Self {
            classes: classes.collect::<Result<_>>()?,
        })
    }

    /// The training set of `row` with the first of these patches and `generated`.
    ///
    /// # Errors
    /// Refuses generated images that lack a class or are of another size.
    pub(super) fn training_set<'a>(
        &self,
        context: &'a Context<'_>,
        row: &PlannedRow,
        generated: &'a Generated,
    ) -> Result<Set<'a>> {
        let settings = &context.config.downstream;
        let mut set = Set {
            stores: Vec::new(),
            training: Vec::new(),
            validation: Vec::new(),
            about: TrainingSet {
                training: 0,
                validation: 0,
                real: None,
                generated: None,
                augmentation: row.augmented.then(|| settings.augmentation.clone()),
            },
        };
        let store = &context.store;
        if row.real > 0 {
            set.stores.push(store);
            for (class, order) in self.classes.iter().enumerate() {
                for &(patch, is_validation) in &order[..row.real] {
                    set.add(patch, class, is_validation);
                }
            }
            set.about.real = Some(ImagesOf {
                hash: store.content_hash().to_owned(),
                per_class: row.real,
            });
        }
        if let (true, Generated::Images(images)) = (row.generated, generated) {
            check(images, store)?;
            set.stores.push(images);
            let per_class = images.len() / store.classes().len();
            let training = per_class - (per_class as f64 * settings.classifier.validation) as usize;
            let mut seen = vec![0; store.classes().len()];
            for (patch, &class) in images.class_indices().iter().enumerate() {
                seen[class] += 1;
                set.add(patch, class, seen[class] > training);
            }
            set.about.generated = Some(ImagesOf {
                hash: images.content_hash().to_owned(),
                per_class,
            });
        }
        set.finish(&row.name)
    }
}

/// Refuses generated images that cannot stand beside the patches of `store`.
fn check(images: &PatchStore, store: &PatchStore) -> Result<()> {
    let missing = store
        .classes()
        .iter()
        .find(|class| !images.classes().contains(class));
    if let Some(class) = missing {
        return Err(refuse(
            format!("there are no generated images of class `{class}`"),
            "delete the folder of that set, to have it drawn again",
        ));
    }
    if images.patch_size() != store.patch_size() || images.channels() != store.channels() {
        let shape =
            |store: &PatchStore| format!("{0} x {0} x {1}", store.patch_size(), store.channels());
        return Err(refuse(
            format!(
                "generated images are {}, real patches {}",
                shape(images),
                shape(store)
            ),
            "train models on patches of that size",
        ));
    }
    Ok(())
}

/// The patches of one class, each with its slide, in random order, so that of every prefix about `fraction` are for validation, and
/// no slide has patches on both sides.
fn order(
    members: &[(usize, &str)],
    class: &str,
    fraction: f64,
    random: Random,
) -> Result<Vec<(usize, bool)>> {
    let mut slides: Vec<&str> = members.iter().map(|(_, slide)| *slide).collect();
    slides.sort_unstable();
    slides.dedup();
    if slides.len() < 2 {
        return Err(refuse(
            format!(
                "class `{class}` has training patches of one slide alone: it cannot both train and validate"
            ),
            "add a slide to the class, or lower `data.held_out`",
        ));
    }
    let wanted = (fraction * slides.len() as f64).round() as usize;
    let wanted = wanted.clamp(1, slides.len() - 1);
    let chosen = random
        .stream(&format!("validation/{class}"))
        .choose(slides.len(), wanted);
    let kept: Vec<&str> = chosen.into_iter().map(|place| slides[place]).collect();
    // Both sides in random order, taken from in turn; when one is at its end the other goes on.
    let side = |is_validation: bool| {
        let patches = members
            .iter()
            .filter(|(_, slide)| kept.contains(slide) == is_validation);
        let mut patches: Vec<usize> = patches.map(|(patch, _)| *patch).collect();
        let name = format!("order/{class}/{is_validation}");
        random.stream(&name).shuffle(&mut patches);
        patches.into_iter()
    };
    let (mut training, mut validation) = (side(false), side(true));
    let due = |place: usize| (place as f64 * fraction).round() as usize;
    let order = (0..members.len()).map(|place| {
        let is_validation = due(place + 1) > due(place);
        let own = if is_validation {
            &mut validation
        } else {
            &mut training
        };
        if let Some(patch) = own.next() {
            return (patch, is_validation);
        }
        let other = if is_validation {
            &mut training
        } else {
            &mut validation
        };
        let patch = other.next().expect("as many as there are members");
        (patch, !is_validation)
    });
    Ok(order.collect())
}

/// A training set whose images are read as they are asked for.
pub(super) struct Set<'a> {
    stores: Vec<&'a PatchStore>,
    training: Vec<Place>,
    validation: Vec<Place>,
    /// What it is, as the run's configuration has it.
    pub(super) about: TrainingSet,
}

impl Set<'_> {
    fn add(&mut self, patch: usize, class: usize, is_validation: bool) {
        let store = self.stores.len() - 1;
        let side = if is_validation {
            &mut self.validation
        } else {
            &mut self.training
        };
        side.push(Place {
            store,
            patch,
            class,
        });
    }

    fn finish(mut self, row: &str) -> Result<Self> {
        let (training, validation) = (self.training.len(), self.validation.len());
        if training < 2 || validation == 0 {
            return Err(refuse(
                format!(
                    "row `{row}` has {training} images to train on and {validation} to validate on"
                ),
                "give it more images, or set `downstream.classifier.validation` nearer to 0.3",
            ));
        }
        self.about.training = training;
        self.about.validation = validation;
        Ok(self)
    }

    /// The images that are validated on.
    pub(super) fn validation(&self) -> &[Place] {
        &self.validation
    }

    /// Reads images with the class of each.
    pub(super) fn read(&self, places: &[Place]) -> Result<(Images, Vec<usize>)> {
        let mut images = Vec::with_capacity(places.len());
        for place in places {
            images.push(self.stores[place.store].read(&[place.patch])?.to_images());
        }
        let first = images.first().expect("there are images");
        let (channels, size) = (first.channels, first.size);
        let values = images.into_iter().flat_map(|image| image.values).collect();
        let classes = places.iter().map(|place| place.class).collect();
        Ok((Images::new(places.len(), channels, size, values), classes))
    }

    /// The images of step `step`, which is the one at `within` of pass `epoch`: in a new random order every time that all were shown.
    pub(super) fn batch(
        &self,
        random: Random,
        step: u64,
        [epoch, within]: [u64; 2],
        batch: usize,
        shows_all: bool,
    ) -> Vec<Place> {
        let count = self.training.len();
        // Orders are counted over the whole training; a pass that shows all ends with what is left.
        let first = if shows_all {
            epoch as usize * count + within as usize * batch
        } else {
            step as usize * batch
        };
        let last = if shows_all {
            (first + batch).min((epoch as usize + 1) * count)
        } else {
            first + batch
        };
        let mut places = Vec::with_capacity(last - first);
        let mut known: Option<(usize, Vec<usize>)> = None;
        for position in first..last {
            let round = position / count;
            if known.as_ref().is_none_or(|(known, _)| *known != round) {
                let mut stream = random.at(round as u64).stream("batches");
                known = Some((round, stream.permutation(count)));
            }
            let (_, order) = known.as_ref().expect("it was just made");
            places.push(self.training[order[position % count]]);
        }
        places
    }
}

/// Images as classic augmentation shows them at step `step`.
pub(super) fn augmented(
    augmentation: &ClassicAugmentation,
    images: Images,
    random: Random,
    step: u64,
) -> Images {
    let random = random.at(step);
    let mut stream = random.stream("symmetries");
    let symmetries: Vec<Symmetry> = (0..images.count)
        .map(|_| Symmetry::new(stream.below(Symmetry::COUNT)))
        .collect();
    let mut images = augmentation
        .views()
        .views(&images, &mut random.stream("views"));
    turn(&mut images, &symmetries);
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<(usize, &'static str)> {
        let slides = ["a", "b", "c", "d"];
        (0..80).map(|patch| (patch, slides[patch / 20])).collect()
    }

    #[test]
    fn every_prefix_has_its_fraction_for_validation_and_no_slide_is_on_both_sides() {
        let order = order(&members(), "benign", 0.3, Random::new(1)).unwrap();
        let mut patches: Vec<usize> = order.iter().map(|(patch, _)| *patch).collect();
        for count in 4..=60 {
            let kept = order[..count].iter().filter(|(_, validation)| *validation);
            let kept = kept.count() as f64;
            assert!(
                (kept - 0.3 * count as f64).abs() <= 0.5 || count > 60,
                "{kept} of {count}"
            );
        }
        let sides = |validation: bool| {
            let patches = order.iter().filter(|(_, found)| *found == validation);
            let mut slides: Vec<usize> = patches.map(|(patch, _)| patch / 20).collect();
            slides.sort_unstable();
            slides.dedup();
            slides
        };
        let (training, validation) = (sides(false), sides(true));
        assert_eq!((training.len(), validation.len()), (3, 1));
        assert!(!training.contains(&validation[0]));
        patches.sort_unstable();
        assert_eq!(patches, (0..80).collect::<Vec<_>>(), "each once");
    }

    #[test]
    fn another_seed_draws_others_and_one_slide_is_refused() {
        let of = |seed| order(&members(), "benign", 0.3, Random::new(seed)).unwrap();
        assert_ne!(of(1), of(2));
        assert_eq!(of(1), of(1));
        let one = [(0, "a"), (1, "a")];
        let error = order(&one, "benign", 0.3, Random::new(0)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("class `benign` has training patches of one slide alone"),
            "{error}"
        );
    }

    fn set(count: usize) -> Set<'static> {
        let place = |patch| Place {
            store: 0,
            patch,
            class: 0,
        };
        Set {
            stores: Vec::new(),
            training: (0..count).map(place).collect(),
            validation: Vec::new(),
            about: TrainingSet {
                training: count,
                validation: 0,
                real: None,
                generated: None,
                augmentation: None,
            },
        }
    }

    #[test]
    fn a_pass_shows_each_image_once_and_its_last_batch_is_what_is_left() {
        let (set, random) = (set(10), Random::new(3));
        let pass = |epoch: u64| -> Vec<usize> {
            let batches = (0..3).map(|within| {
                let batch = set.batch(random, 3 * epoch + within, [epoch, within], 4, true);
                assert_eq!(batch.len(), if within < 2 { 4 } else { 2 });
                batch
                    .into_iter()
                    .map(|place| place.patch)
                    .collect::<Vec<_>>()
            });
            batches.flatten().collect()
        };
        let (one, two) = (pass(0), pass(1));
        assert_ne!(one, two);
        for mut pass in [one, two] {
            pass.sort_unstable();
            assert_eq!(pass, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn steps_of_a_fixed_number_go_round_a_small_set() {
        let (set, random) = (set(6), Random::new(3));
        let shown: Vec<usize> = (0..6)
            .flat_map(|step| set.batch(random, step, [step / 2, step % 2], 4, false))
            .map(|place| place.patch)
            .collect();
        assert_eq!(shown.len(), 24);
        for round in shown.chunks(6) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, (0..6).collect::<Vec<_>>());
        }
    }
}
