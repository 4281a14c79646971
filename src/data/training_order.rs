//! In what order training images are taken, so that fewer of them are always the first of more: nested, class-balanced prefixes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{PatchStore, Split};
use crate::error::{Result, refuse};
use crate::random::Random;

/// The images that a run takes of the training split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingImages {
    /// How many, as many of each class.
    pub count: usize,
    /// Fraction of them that is kept for validation and not trained on.
    pub validation: f64,
}

/// The same as places in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingPlaces {
    /// What is trained on, by class.
    pub training: Vec<usize>,
    /// What is kept for validation, by class.
    pub validation: Vec<usize>,
}

impl TrainingImages {
    /// Their places in `store`, in the order of `seed`: those of fewer images are among those of more.
    ///
    /// # Errors
    /// Refuses a number that the classes cannot share evenly or do not have, and where [`TrainingOrder::of`] does.
    pub fn of(&self, store: &PatchStore, seed: u64) -> Result<TrainingPlaces> {
        let names = store.classes();
        if self.count == 0 || !self.count.is_multiple_of(names.len()) {
            return Err(refuse(
                format!(
                    "{} training images cannot be shared evenly by {} classes",
                    self.count,
                    names.len()
                ),
                format!("set `training.images` to a multiple of {}", names.len()),
            ));
        }
        let per_class = self.count / names.len();
        let order = TrainingOrder::of(store, self.validation, seed)?;
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for (name, order) in names.iter().zip(&order.classes) {
            if order.len() < per_class {
                return Err(refuse(
                    format!(
                        "{} training images are {per_class} of each class, and class `{name}` has {} in the training split",
                        self.count,
                        order.len()
                    ),
                    format!(
                        "set `training.images` to at most {}, or give more images",
                        names.len() * order.len()
                    ),
                ));
            }
            for &(image, is_validation) in &order[..per_class] {
                let side = if is_validation {
                    &mut validation
                } else {
                    &mut training
                };
                side.push(image);
            }
        }
        Ok(TrainingPlaces {
            training,
            validation,
        })
    }
}

/// The training images of each class in the order in which they are taken.
pub struct TrainingOrder {
    /// For each class the images, and whether each is for validation: every prefix has its fraction of them.
    pub classes: Vec<Vec<(usize, bool)>>,
}

impl TrainingOrder {
    /// The order of `seed`, with about the fraction `validation` of every prefix for validation. No slide has images on both sides.
    ///
    /// # Errors
    /// Refuses a class whose training images are all of one slide, where some are for validation.
    pub fn of(store: &PatchStore, validation: f64, seed: u64) -> Result<Self> {
        let random = Random::new(seed);
        let classes = store.classes().iter().map(|class| {
            let members = store.members(Split::Train);
            let members = members.filter(|(_, _, found)| found == class);
            let members: Vec<(usize, &str)> =
                members.map(|(patch, slide, _)| (patch, slide)).collect();
            order(&members, class, validation, random)
        });
        Ok(Self {
            classes: classes.collect::<Result<_>>()?,
        })
    }
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
    let wanted = if fraction > 0.0 {
        if slides.len() < 2 {
            return Err(refuse(
                format!(
                    "class `{class}` has training patches of one slide alone: it cannot both train and validate"
                ),
                "add a slide to the class, or lower `data.held_out`",
            ));
        }
        let wanted = (fraction * slides.len() as f64).round() as usize;
        wanted.clamp(1, slides.len() - 1)
    } else {
        0
    };
    let mut stream = random.stream(&format!("validation/{class}"));
    let kept = BTreeSet::from_iter(stream.choose_from(&slides, wanted));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Drawn, keep_drawn};
    use crate::images::Pixels;

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

    /// A store of 20 images a class on slides of 2, all for training.
    fn store(cache: &std::path::Path, classes: &[&str], images: usize) -> PatchStore {
        let of = |class: &str| {
            let class = class.to_owned();
            (0..images).map(move |image| (class.clone(), format!("{class}/{}", image / 2)))
        };
        let drawn = Drawn {
            name: "images",
            key: &format!("{classes:?} {images}"),
            size: 4,
            channels: 1,
            images: classes.iter().flat_map(|class| of(class)).collect(),
        };
        keep_drawn(drawn, cache, &mut |range| {
            Ok(Pixels::new(range.len(), 4, 1, vec![0; range.len() * 16]))
        })
        .unwrap()
    }

    #[test]
    fn fewer_images_are_among_more_and_every_class_has_as_many() {
        let cache = tempfile::tempdir().unwrap();
        let store = store(cache.path(), &["a", "b", "c"], 20);
        let of = |count, validation, seed| {
            TrainingImages { count, validation }
                .of(&store, seed)
                .unwrap()
        };
        for validation in [0.0, 0.25] {
            let all = of(60, validation, 7);
            for count in [3, 12, 24, 60] {
                let some = of(count, validation, 7);
                for (side, whole) in [
                    (&some.training, &all.training),
                    (&some.validation, &all.validation),
                ] {
                    assert!(side.iter().all(|image| whole.contains(image)), "{count}");
                    for class in 0..3 {
                        let own = side
                            .iter()
                            .filter(|&&image| store.class_indices()[image] == class);
                        assert_eq!(own.count() * 3, side.len(), "class {class} of {count}");
                    }
                }
                assert_eq!(some.training.len() + some.validation.len(), count);
                // All of them have what is on the slides of either side.
                let kept = (count as f64 / 3.0 * validation).round() as usize * 3;
                assert!(some.validation.len() == kept || count == 60, "{some:?}");
            }
        }
        assert_ne!(of(12, 0.25, 7), of(12, 0.25, 8));
    }

    #[test]
    fn more_images_than_there_are_and_uneven_shares_are_refused() {
        let cache = tempfile::tempdir().unwrap();
        let store = store(cache.path(), &["a", "b"], 10);
        let error = |count| {
            let images = TrainingImages {
                count,
                validation: 0.0,
            };
            images.of(&store, 0).unwrap_err().to_string()
        };
        assert_eq!(
            error(24),
            "24 training images are 12 of each class, and class `a` has 10 in the training split"
        );
        assert_eq!(
            error(5),
            "5 training images cannot be shared evenly by 2 classes"
        );
    }
}
