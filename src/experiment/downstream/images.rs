//! What classifiers are trained and validated on: nested, class-balanced draws of real patches, and generated images.

use super::super::accuracy::refuse_one_class;
use super::generators::Generated;
use super::plan::PlannedRow;
use super::set::Set;
use crate::classifier::ImagesOf;
use crate::data::{PatchStore, Split, TrainingOrder};
use crate::error::{Result, refuse};
use crate::experiment::Context;

/// The real patches of one seed in the order in which they are taken: every prefix has its fraction for validation.
pub(super) struct RealImages {
    order: TrainingOrder,
}

impl RealImages {
    /// Real patches that each class has for training sets: `downstream.real_patches`, or as many as the smallest class has.
    ///
    /// # Errors
    /// Refuses patches of one class and more patches than a class has.
    pub(super) fn per_class(context: &Context<'_>) -> Result<usize> {
        let (store, wanted) = (&context.store, context.config.downstream.real_patches);
        let names = store.classes();
        refuse_one_class(store)?;
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
        let fraction = context.config.downstream.classifier.validation;
        Ok(Self {
            order: TrainingOrder::of(&context.store, fraction, seed)?,
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
        let augmentation = row.augmented.then(|| settings.augmentation.clone());
        let mut set = Set::new(augmentation);
        let store = &context.store;
        if row.real > 0 {
            set.begin(store);
            for (class, order) in self.order.classes.iter().enumerate() {
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
            set.begin(images);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Drawn, keep_drawn, of_class};
    use crate::images::Pixels;

    fn drawn(cache: &std::path::Path, classes: &[&str], size: usize) -> PatchStore {
        let images = classes.iter().flat_map(|class| {
            (0..4).map(move |image| ((*class).to_owned(), format!("run/0-{class}-{image}")))
        });
        let drawn = Drawn {
            name: "images",
            key: &format!("{classes:?} {size}"),
            size,
            channels: 3,
            images: images.collect(),
        };
        keep_drawn(drawn, cache, &mut |range| {
            let bytes = vec![range.start as u8; range.len() * size * size * 3];
            Ok(Pixels::new(range.len(), size, 3, bytes))
        })
        .unwrap()
    }

    #[test]
    fn generated_images_that_lack_a_class_or_are_of_another_size_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = drawn(folder.path(), &["benign", "invasive"], 8);
        assert!(check(&store, &store).is_ok());
        let error = |images: PatchStore| check(&images, &store).unwrap_err().to_string();
        assert_eq!(
            error(drawn(folder.path(), &["benign"], 8)),
            "there are no generated images of class `invasive`"
        );
        assert_eq!(
            error(drawn(folder.path(), &["benign", "invasive"], 4)),
            "generated images are 4 x 4 x 3, real patches 8 x 8 x 3"
        );
    }

    #[test]
    fn drawn_images_are_kept_and_not_drawn_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = drawn(folder.path(), &["benign"], 8);
        assert_eq!((first.len(), first.patch_size()), (4, 8));
        let drawn = Drawn {
            name: "images",
            key: "[\"benign\"] 8",
            size: 8,
            channels: 3,
            images: Vec::new(),
        };
        let found = keep_drawn(drawn, folder.path(), &mut |_| panic!("drawn again")).unwrap();
        assert_eq!(found.content_hash(), first.content_hash());
    }

    #[test]
    fn a_store_of_one_class_has_its_patches_with_their_splits() {
        let folder = tempfile::tempdir().unwrap();
        let store = drawn(folder.path(), &["benign", "invasive"], 8);
        let own = of_class(&store, 1, folder.path()).unwrap();
        assert_eq!(own.classes().as_ref(), ["invasive"]);
        assert_eq!(own.records(), &store.records()[4..]);
        assert_eq!(own.read(&[0, 3]).unwrap(), store.read(&[4, 7]).unwrap());
        assert_ne!(own.content_hash(), store.content_hash());
    }
}
