//! The images of a reading test: generated ones, and as many real ones of the same classes.

use std::path::Path;

use super::ImageSet;
use super::subject::Subject;
use crate::config::Config;
use crate::error::{Result, refuse};
use crate::images::Pixels;
use crate::random::Random;
use crate::study::{self, Images, Key};

/// What a reading test is made of.
#[derive(Clone, Copy, Debug)]
pub struct StudyPlan<'a> {
    /// A run, a patch store or a folder of images.
    pub generated: &'a Path,
    /// A patch store, of which the test split is taken, or a folder of images.
    pub real: &'a Path,
    /// Images of each kind.
    pub images: usize,
    /// Seed of the images and of their order.
    pub seed: u64,
    /// The folder to write.
    pub folder: &'a Path,
}

/// Some images, and the class and origin of each.
type Drawn = (Pixels, Vec<(Option<String>, String)>);

/// Draws the images and writes the folder for the readers; the key is returned, not written.
///
/// Where the generated images have classes that the real ones have too, as many real ones of each class are drawn: otherwise the
/// class would give some away.
///
/// # Errors
/// Refuses a run as the real side, and fewer images than are asked for.
pub fn make_study(plan: &StudyPlan<'_>, config: &Config, cache: &Path) -> Result<Key> {
    let StudyPlan {
        images: count,
        seed,
        ..
    } = *plan;
    if count == 0 {
        return Err(refuse(
            "`--n` is 0",
            "ask for at least one image of each kind",
        ));
    }
    let real_side = Subject::of(plan.real)?;
    let split = match &real_side {
        Subject::Run(path) => {
            return Err(refuse(
                format!("`{}` is a run: its images are not real", path.display()),
                "give a patch store or a folder of real images second",
            ));
        }
        Subject::Store(_) => Some("test"),
        _ => None,
    };
    let generated = ImageSet::open(plan.generated, None, Some(count), seed, config, cache)?;
    let real = ImageSet::open(plan.real, split, None, seed, config, cache)?;
    let all: Vec<usize> = (0..generated.images.count()).collect();
    let drawn = read(&generated, &all)?;
    let alike = of_the_same_classes(&drawn.1, &real, count, seed)?;
    let drawn_real = read(&real, &alike)?;
    let [generated, real] =
        [(plan.generated, &drawn), (plan.real, &drawn_real)].map(|(path, (pixels, from))| Images {
            name: path.display().to_string(),
            pixels,
            from,
        });
    study::write(plan.folder, &generated, &real, seed)
}

/// The images of `set` at `places`, and where each comes from.
fn read(set: &ImageSet, places: &[usize]) -> Result<Drawn> {
    let mut all = Pixels::new(0, set.images.size(), set.images.channels(), Vec::new());
    for &place in places {
        let image = set.images.read(place..place + 1)?;
        all.bytes.extend(image.bytes);
        all.count += 1;
    }
    let from = places.iter().map(|&index| {
        let place = set.place(index);
        (place.class.clone(), place.name.clone())
    });
    Ok((all, from.collect()))
}

/// The places of `count` images of `real`, of the classes of the generated ones where both have any.
fn of_the_same_classes(
    generated: &[(Option<String>, String)],
    real: &ImageSet,
    count: usize,
    seed: u64,
) -> Result<Vec<usize>> {
    let all: Vec<usize> = (0..real.images.count()).collect();
    let has_classes = generated.iter().all(|(class, _)| class.is_some())
        && all.iter().all(|&index| real.place(index).class.is_some());
    let mut classes: Vec<Option<&String>> = vec![None];
    if has_classes {
        classes = generated.iter().map(|(class, _)| class.as_ref()).collect();
        classes.sort();
        classes.dedup();
    }
    let mut drawn = Vec::with_capacity(count);
    for class in classes {
        let is_of_class = |found: Option<&String>| class.is_none() || found == class;
        let members: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&index| is_of_class(real.place(index).class.as_ref()))
            .collect();
        let wanted = generated.iter();
        let wanted = wanted
            .filter(|(found, _)| is_of_class(found.as_ref()))
            .count();
        if members.len() < wanted {
            let of_class = class.map_or_else(String::new, |class| format!(" of class `{class}`"));
            return Err(refuse(
                format!(
                    "`{}` has {} real images{of_class}, the test needs {wanted}",
                    real.name,
                    members.len()
                ),
                "ask for fewer with `--n`, or give more real images",
            ));
        }
        let name = class.map_or_else(String::new, |class| format!(" of {class}"));
        let mut stream = Random::new(seed).stream(&format!("real images{name}"));
        drawn.extend(stream.choose_from(&members, wanted));
    }
    Ok(drawn)
}
