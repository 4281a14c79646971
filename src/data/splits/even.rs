//! As many patches of each class, spread evenly over its slides.

use std::collections::BTreeMap;

use super::Split;
use crate::random::{Random, Stream};

/// A patch to draw from: where it comes from and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Number of its slide.
    pub slide: usize,
    /// Number of its class.
    pub class: usize,
    /// The side of its slide.
    pub split: Split,
}

/// At most `count` of `candidates` for each class, as ascending indices; all that there are of a class with fewer. Of each class
/// the splits have patches in the proportion of their slides, at least one each, and the slides of a split as evenly as their
/// patches allow. `count` must be at least 2.
pub fn draw_per_class(candidates: &[Candidate], count: usize, random: Random) -> Vec<usize> {
    // Class, then split, then slide.
    let mut members: BTreeMap<usize, BTreeMap<Split, BTreeMap<usize, Vec<usize>>>> =
        BTreeMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let splits = members.entry(candidate.class).or_default();
        let slides = splits.entry(candidate.split).or_default();
        slides.entry(candidate.slide).or_default().push(index);
    }
    let mut drawn = Vec::new();
    for (class, splits) in members {
        let slides: usize = splits.values().map(BTreeMap::len).sum();
        let tests = splits.get(&Split::Test).map_or(0, BTreeMap::len);
        let tests = match tests {
            0 => 0,
            tests if tests == slides => count,
            tests => ((count * tests) as f64 / slides as f64).round() as usize,
        };
        let is_both = splits.len() == 2;
        let tests = if is_both {
            tests.clamp(1, count - 1)
        } else {
            tests
        };
        for (split, slides) in splits {
            let wanted = if split == Split::Test {
                tests
            } else {
                count - tests
            };
            let mut stream = random.stream(&format!("draw/{class}/{}", split.name()));
            let slides: Vec<Vec<usize>> = slides.into_values().collect();
            let lengths: Vec<usize> = slides.iter().map(Vec::len).collect();
            for (slide, quota) in slides.iter().zip(quotas(&lengths, wanted, &mut stream)) {
                drawn.extend(stream.choose_from(slide, quota));
            }
        }
    }
    drawn.sort_unstable();
    drawn
}

/// How many of `count` come from each of some slides that have so many patches: as equal as these allow, what does not divide
/// given to slides at random.
fn quotas(lengths: &[usize], count: usize, stream: &mut Stream) -> Vec<usize> {
    let mut quotas = vec![0; lengths.len()];
    let fair = count.div_ceil(lengths.len().max(1));
    let mut order = stream.permutation(lengths.len());
    order.sort_by_key(|&slide| lengths[slide].min(fair));
    let mut left = count;
    for (place, &slide) in order.iter().enumerate() {
        quotas[slide] = lengths[slide].min(left / (lengths.len() - place));
        left -= quotas[slide];
    }
    // Slides that have more than the fair number stand in random order, not by what they have.
    while left > 0 {
        let before = left;
        for &slide in &order {
            if left > 0 && quotas[slide] < lengths[slide] {
                quotas[slide] += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_as_equal_as_the_slides_allow() {
        let of = |lengths: &[usize], count| {
            let mut quotas = quotas(lengths, count, &mut Random::new(0).stream("test"));
            assert!(
                quotas
                    .iter()
                    .zip(lengths)
                    .all(|(quota, length)| quota <= length)
            );
            quotas.sort_unstable();
            quotas
        };
        assert_eq!(of(&[10, 10, 10], 9), [3, 3, 3]);
        assert_eq!(of(&[10, 10, 10], 10), [3, 3, 4]);
        assert_eq!(of(&[1, 10, 100], 30), [1, 10, 19]);
        assert_eq!(of(&[1, 2, 3], 30), [1, 2, 3]);
        assert_eq!(of(&[5, 50, 500, 5000], 2), [0, 0, 1, 1]);
        assert_eq!(of(&[4, 4, 50], 20), [4, 4, 12]);
    }

    #[test]
    fn each_class_has_as_many_patches_over_all_its_slides() {
        let mut candidates = Vec::new();
        for slide in 0..10 {
            let split = if slide % 5 == 0 {
                Split::Test
            } else {
                Split::Train
            };
            for patch in 0..100 * (slide + 1) {
                let class = usize::from(patch % 4 == 0);
                candidates.push(Candidate {
                    slide,
                    class,
                    split,
                });
            }
        }
        let drawn = draw_per_class(&candidates, 200, Random::new(0));
        assert!(drawn.is_sorted() && drawn.windows(2).all(|pair| pair[0] != pair[1]));
        for class in 0..2 {
            let of_class = drawn.iter().map(|&index| candidates[index]);
            let of_class: Vec<_> = of_class.filter(|drawn| drawn.class == class).collect();
            assert_eq!(of_class.len(), 200);
            let tests = of_class.iter().filter(|drawn| drawn.split == Split::Test);
            assert_eq!(tests.count(), 40);
            for slide in 0..10 {
                let of_slide = of_class.iter().filter(|drawn| drawn.slide == slide).count();
                // Twenty a slide; the first has 25 of the second class.
                assert_eq!(of_slide, 20, "class {class}, slide {slide}");
            }
        }
        assert_eq!(drawn, draw_per_class(&candidates, 200, Random::new(0)));
        assert_ne!(drawn, draw_per_class(&candidates, 200, Random::new(1)));
        assert_eq!(
            draw_per_class(&candidates, 10_000, Random::new(0)).len(),
            candidates.len()
        );
    }
}
