//! The split of slides that belong together, or show several classes: groups stay whole, and each class is held out in
//! proportion as well as they allow.

use std::collections::{BTreeMap, BTreeSet};

use super::Split;
use crate::error::{Result, refuse};
use crate::random::Random;

/// Starts of the search, each from another order of the groups.
const STARTS: u64 = 16;
/// Most groups of which two at a time change sides; among more, one at a time comes close enough.
const PAIRED: usize = 200;
/// What a class that is missing on a side costs: more than any deviation from the proportions.
const MISSING: f64 = 1e6;

/// A slide to be put on a side.
#[derive(Clone, Debug)]
pub struct SlideClasses<'a> {
    /// Unique among the slides.
    pub name: &'a str,
    /// What it must stay together with; nothing if none.
    pub group: Option<&'a str>,
    /// The classes of its patches.
    pub classes: BTreeSet<&'a str>,
}

/// The split of each of `slides`, in their order: no group on both sides, every class on both, and of the slides of each class a
/// fraction as near to `held_out` as found (the sum of squared deviations over classes) in the test split. The draw depends on
/// `random` and on names, not on the order.
///
/// # Errors
/// If a class has all its slides in one group, or no split has every class on both sides.
pub fn assign_groups(
    slides: &[SlideClasses<'_>],
    held_out: f64,
    random: Random,
) -> Result<Vec<Split>> {
    // Groups with how many slides of each class they have.
    let mut groups: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
    for (index, slide) in slides.iter().enumerate() {
        let key = slide
            .group
            .map_or((false, slide.name), |group| (true, group));
        groups.entry(key).or_default().push(index);
    }
    let classes: BTreeSet<&str> = slides
        .iter()
        .flat_map(|slide| &slide.classes)
        .copied()
        .collect();
    let counts: Vec<Vec<f64>> = groups
        .values()
        .map(|members| {
            let of = |class: &&str| {
                let has = |&&slide: &&usize| slides[slide].classes.contains(class);
                members.iter().filter(has).count() as f64
            };
            classes.iter().map(of).collect()
        })
        .collect();
    for (place, class) in classes.iter().enumerate() {
        let mut having = groups
            .keys()
            .zip(&counts)
            .filter(|(_, counts)| counts[place] > 0.0);
        if let (Some(((is_group, name), _)), None) = (having.next(), having.next()) {
            let only = match is_group {
                true => format!("all its slides in one group, `{name}`"),
                false => format!("only one slide with patches, `{name}`"),
            };
            return Err(refuse(
                format!("class `{class}` has {only}: it cannot both train and test"),
                "add a slide to the class, lower `data.minimum_tissue`, remove the class, or keep all for training with \
                 `data.held_out = 0`",
            ));
        }
    }
    // The best of some searches.
    let search = Search::new(&counts, held_out);
    let found = (0..STARTS).map(|start| {
        let order = random
            .at(start)
            .stream("split/groups")
            .permutation(counts.len());
        search.from(&order)
    });
    let best = found.reduce(|best, other| {
        if other.0 < best.0 - 1e-12 {
            other
        } else {
            best
        }
    });
    let (cost, tests) = best.unwrap_or_default();
    if cost >= MISSING {
        return Err(refuse(
            "no split of the groups has every class on both sides",
            "use smaller groups, or take fewer classes with `data.classes`",
        ));
    }
    let mut splits = vec![Split::Train; slides.len()];
    for (members, _) in groups.values().zip(tests).filter(|(_, is_test)| *is_test) {
        for &slide in members {
            splits[slide] = Split::Test;
        }
    }
    Ok(splits)
}

/// Groups that change sides as long as that brings the classes nearer to their proportions.
struct Search<'a> {
    /// Slides of each class by group.
    counts: &'a [Vec<f64>],
    totals: Vec<f64>,
    held_out: f64,
}

impl<'a> Search<'a> {
    fn new(counts: &'a [Vec<f64>], held_out: f64) -> Self {
        let classes = counts.first().map_or(0, Vec::len);
        let total = |class: usize| counts.iter().map(|counts| counts[class]).sum();
        Self {
            counts,
            totals: (0..classes).map(total).collect(),
            held_out,
        }
    }

    /// How far a test split with so many slides of each class is from what is wanted.
    fn cost(&self, tests: &[f64]) -> f64 {
        let of = |(&test, &total): (&f64, &f64)| {
            // Counts, so that half a slide tells them apart.
            let is_missing = test < 0.5 || test > total - 0.5;
            let deviation = (test / total - self.held_out).powi(2);
            deviation + if is_missing { MISSING } else { 0.0 }
        };
        tests.iter().zip(&self.totals).map(of).sum()
    }

    /// A split that no change of one or two groups makes better, and its cost.
    fn from(&self, order: &[usize]) -> (f64, Vec<bool>) {
        let mut is_test = vec![false; order.len()];
        let mut tests = vec![0.0; self.totals.len()];
        let mut cost = self.cost(&tests);
        loop {
            let mut is_better = false;
            let mut attempt = |groups: &[usize]| {
                let mut changed = tests.clone();
                for &group in groups {
                    let sign = if is_test[group] { -1.0 } else { 1.0 };
                    for (test, count) in changed.iter_mut().zip(&self.counts[group]) {
                        *test += sign * count;
                    }
                }
                let new = self.cost(&changed);
                if new < cost - 1e-12 {
                    (cost, tests) = (new, changed);
                    for &group in groups {
                        is_test[group] = !is_test[group];
                    }
                    is_better = true;
                }
            };
            for &group in order {
                attempt(&[group]);
            }
            if order.len() <= PAIRED {
                for (place, &one) in order.iter().enumerate() {
                    for &other in &order[place + 1..] {
                        attempt(&[one, other]);
                    }
                }
            }
            if !is_better {
                return (cost, is_test);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slides described as `name group classes`, the group `-` for none.
    fn slides(lines: &[&'static str]) -> Vec<SlideClasses<'static>> {
        let parse = |line: &&'static str| {
            let mut words = line.split(' ');
            let mut next = || words.next().unwrap();
            SlideClasses {
                name: next(),
                group: Some(next()).filter(|group| *group != "-"),
                classes: next().split(',').collect(),
            }
        };
        lines.iter().map(parse).collect()
    }

    fn fraction(slides: &[SlideClasses<'_>], splits: &[Split], class: &str) -> f64 {
        let of = slides
            .iter()
            .zip(splits)
            .filter(|(slide, _)| slide.classes.contains(class));
        let (tests, all) = of.fold((0.0, 0.0), |(tests, all), (_, split)| {
            (
                tests + f64::from(u8::from(*split == Split::Test)),
                all + 1.0,
            )
        });
        tests / all
    }

    #[test]
    fn groups_stay_whole_and_classes_are_held_out_in_proportion() {
        let mut stream = Random::new(3).stream("test");
        let lines: Vec<&'static str> = (0..120)
            .map(|slide| {
                let class = ["a", "b", "a,b", "c"][stream.below(4)];
                let line = format!("s{slide} g{} {class}", stream.below(30));
                &*line.leak()
            })
            .collect();
        let slides = slides(&lines);
        let splits = assign_groups(&slides, 0.3, Random::new(0)).unwrap();
        let mut sides: BTreeMap<&str, Split> = BTreeMap::new();
        for (slide, split) in slides.iter().zip(&splits) {
            assert_eq!(sides.entry(slide.group.unwrap()).or_insert(*split), split);
        }
        for class in ["a", "b", "c"] {
            let fraction = fraction(&slides, &splits, class);
            assert!((fraction - 0.3).abs() < 0.03, "{class}: {fraction}");
        }
        assert_ne!(splits, assign_groups(&slides, 0.3, Random::new(1)).unwrap());
        let reversed: Vec<_> = slides.iter().rev().cloned().collect();
        let mut backward = assign_groups(&reversed, 0.3, Random::new(0)).unwrap();
        backward.reverse();
        assert_eq!(splits, backward, "the order does not matter");
    }

    #[test]
    fn no_split_of_some_groups_is_better_than_the_one_that_is_found() {
        let lines = [
            "0 p a", "1 p b", "2 q a", "3 q a", "4 r b", "5 - a", "6 - a,b", "7 t b", "8 t a",
            "9 u b",
        ];
        let slides = slides(&lines);
        for held_out in [0.2, 0.3, 0.5] {
            let found = assign_groups(&slides, held_out, Random::new(0)).unwrap();
            let cost = |splits: &[Split]| -> f64 {
                let of = |class| fraction(&slides, splits, class);
                let missing = |class| [0.0, 1.0].contains(&of(class));
                if missing("a") || missing("b") {
                    return f64::INFINITY;
                }
                ["a", "b"]
                    .map(|class| (of(class) - held_out).powi(2))
                    .iter()
                    .sum()
            };
            let names = ["p", "q", "r", "5", "6", "t", "u"];
            let best = (0u32..1 << names.len())
                .map(|sides| {
                    let side = |slide: &SlideClasses<'_>| {
                        let key = slide.group.unwrap_or(slide.name);
                        let place = names.iter().position(|name| *name == key).unwrap();
                        [Split::Train, Split::Test][(sides >> place & 1) as usize]
                    };
                    cost(&slides.iter().map(side).collect::<Vec<_>>())
                })
                .fold(f64::INFINITY, f64::min);
            assert!((cost(&found) - best).abs() < 1e-9, "{held_out}");
        }
    }

    #[test]
    fn classes_that_cannot_be_on_both_sides_are_refused() {
        let refused = |lines: &[&'static str]| {
            let error = assign_groups(&slides(lines), 0.3, Random::new(0)).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            refused(&["0 p a", "1 p a", "2 - b", "3 - b"]),
            "class `a` has all its slides in one group, `p`: it cannot both train and test"
        );
        assert_eq!(
            refused(&["0 - a,b", "1 - b"]),
            "class `a` has only one slide with patches, `0`: it cannot both train and test"
        );
        assert_eq!(
            refused(&["0 - a,b", "1 - a,c", "2 - b,c"]),
            "no split of the groups has every class on both sides"
        );
    }
}
