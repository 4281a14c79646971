//! Which slides train and which test: drawn slide by slide, never patch by patch, in equal proportion in each class.
//!
//! Neighbouring patches of a slide look alike and share its stain, so a model that has seen one has all but seen the
//! other: a split by patch would reward memory.

mod even;
mod groups;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::random::Random;

pub use even::{Candidate, draw_per_class};
pub use groups::{SlideClasses, assign_groups};

/// The side of the split that a slide and all its patches stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What models are trained on.
    Train,
    /// What they are measured against.
    Test,
}

impl Split {
    /// Both, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Train, Self::Test];

    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// The split of each slide in `slides` (name and class, names unique), in their order.
///
/// Of every class round(`held_out` x slides) are drawn for the test split, at least one and at most all but one. The
/// draw depends on `random` and on the names, not on their order.
///
/// # Errors
/// If a class has fewer than two slides.
pub fn assign(slides: &[(&str, &str)], held_out: f64, random: Random) -> Result<Vec<Split>> {
    let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, (_, class)) in slides.iter().enumerate() {
        classes.entry(class).or_default().push(index);
    }
    let mut splits = vec![Split::Train; slides.len()];
    for (class, mut members) in classes {
        if members.len() < 2 {
            return Err(refuse(
                format!(
                    "class `{class}` has only one slide with patches, `{}`: it cannot both train and test",
                    slides[members[0]].0
                ),
                "add a slide to the class, lower `data.minimum_tissue`, remove the class, or keep all for training with \
                 `data.held_out = 0`",
            ));
        }
        members.sort_by_key(|&index| slides[index].0);
        let wanted = (held_out * members.len() as f64).round() as usize;
        let tests = wanted.clamp(1, members.len() - 1);
        let mut stream = random.stream(&format!("split/{class}"));
        for slide in stream.choose_from(&members, tests) {
            splits[slide] = Split::Test;
        }
    }
    Ok(splits)
}

/// At most `maximum` of the patches with these `splits` (0: all), as ascending indices.
///
/// Each split keeps its proportion and at least one patch. `maximum` must not be 1.
pub fn draw(splits: &[Split], maximum: usize, random: Random) -> Vec<usize> {
    if maximum == 0 || maximum >= splits.len() {
        return (0..splits.len()).collect();
    }
    let members = |split| -> Vec<usize> {
        (0..splits.len())
            .filter(|&index| splits[index] == split)
            .collect()
    };
    let (train, test) = (members(Split::Train), members(Split::Test));
    let fraction = maximum as f64 * train.len() as f64 / splits.len() as f64;
    let trains = (fraction.round() as usize).clamp(1, maximum - 1);
    let mut subset = Vec::with_capacity(maximum);
    for (split, members, amount) in [
        (Split::Train, train, trains),
        (Split::Test, test, maximum - trains),
    ] {
        let mut stream = random.stream(&format!("draw/{}", split.name()));
        subset.extend(stream.choose_from(&members, amount.min(members.len())));
    }
    subset.sort_unstable();
    subset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slides(names: &[String]) -> Vec<(&str, &str)> {
        let class = |name: &str| if name < "b" { "benign" } else { "invasive" };
        names
            .iter()
            .map(|name| (name.as_str(), class(name)))
            .collect()
    }

    #[test]
    fn each_class_is_held_out_in_proportion() {
        let names: Vec<String> = (0..10)
            .map(|k| format!("a{k}"))
            .chain((0..4).map(|k| format!("b{k}")))
            .collect();
        let splits = assign(&slides(&names), 0.3, Random::new(0)).unwrap();
        let tests = |range: std::ops::Range<usize>| {
            splits[range]
                .iter()
                .filter(|&&split| split == Split::Test)
                .count()
        };
        assert_eq!((tests(0..10), tests(10..14)), (3, 1));
        assert_ne!(
            splits,
            assign(&slides(&names), 0.3, Random::new(1)).unwrap()
        );
    }

    #[test]
    fn the_order_of_the_slides_does_not_change_the_split() {
        let names: Vec<String> = (0..9).map(|k| format!("a{k}")).collect();
        let forward = assign(&slides(&names), 0.4, Random::new(5)).unwrap();
        let reversed: Vec<String> = names.into_iter().rev().collect();
        let mut backward = assign(&slides(&reversed), 0.4, Random::new(5)).unwrap();
        backward.reverse();
        assert_eq!(forward, backward);
    }

    #[test]
    fn both_sides_get_a_slide_however_small_the_class() {
        let names = ["a0", "a1"].map(String::from);
        for held_out in [0.01, 0.99] {
            let splits = assign(&slides(&names), held_out, Random::new(0)).unwrap();
            assert!(splits.contains(&Split::Train) && splits.contains(&Split::Test));
        }
    }

    #[test]
    fn a_class_of_one_slide_is_refused() {
        let names = ["a0", "a1", "b0"].map(String::from);
        let error = assign(&slides(&names), 0.3, Random::new(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "class `invasive` has only one slide with patches, `b0`: it cannot both train and test"
        );
    }

    #[test]
    fn a_draw_keeps_the_proportions_and_the_order() {
        let splits: Vec<Split> = (0..100)
            .map(|k| {
                if k % 4 == 0 {
                    Split::Test
                } else {
                    Split::Train
                }
            })
            .collect();
        let subset = draw(&splits, 20, Random::new(0));
        let tests = subset.iter().filter(|&&k| splits[k] == Split::Test).count();
        assert_eq!((subset.len(), tests), (20, 5));
        assert!(subset.is_sorted());
        assert_eq!(draw(&splits, 0, Random::new(0)).len(), 100);
    }
}
