//! Pairs for a Siamese network: one level of similarity and two of dissimilarity (arXiv 2409.20340, section 3.2.1).
//!
//! - [`PairLevel::Similar`]: an image and an augmented view of it, or another patch of its slide.
//! - [`PairLevel::OtherSlide`]: patches of two slides of one class.
//! - [`PairLevel::OtherClass`]: patches of two classes.
//!
//! Balanced: half of the pairs are similar, the rest is shared among the levels of dissimilarity; within a level the
//! class, then the slide, then the patch is drawn uniformly, so that a slide with much tissue does not outweigh others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::random::{Random, Stream};

/// How much the two images of a pair have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairLevel {
    /// Label 1.
    Similar,
    /// Label 0: another slide of the same class.
    OtherSlide,
    /// Label 0: another class.
    OtherClass,
}

impl PairLevel {
    /// All levels, the nearest first.
    pub const ALL: [Self; 3] = [Self::Similar, Self::OtherSlide, Self::OtherClass];

    /// As settings and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Similar => "similar",
            Self::OtherSlide => "other-slide",
            Self::OtherClass => "other-class",
        }
    }
}

/// What makes the two images of a pair similar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimilarPair {
    /// An image and an augmented view of the same image.
    AugmentedView,
    /// Two patches of one slide.
    SameSlide,
}

/// One pair: two members of what the pairs were made from. The partner is meant to be augmented, whatever the level, so
/// that the augmentation itself says nothing about the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The first image.
    pub anchor: usize,
    /// The second image; the anchor itself in a pair of augmented views.
    pub partner: usize,
    /// What they have in common.
    pub level: PairLevel,
}

/// Where a member stands: its class, and its slide within the class.
#[derive(Clone, Copy)]
struct SlideIndex {
    class: usize,
    slide: usize,
}

/// Draws pairs from images of known slide and class.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The members of each slide of each class, both in the order of their names.
    classes: Vec<Vec<Vec<usize>>>,
    names: Vec<String>,
    similar: SimilarPair,
    dissimilar: Vec<PairLevel>,
    random: Random,
}

impl Pairs {
    /// Pairs of `members` (an image's index, its slide and its class), drawn from the streams of `random` called `pairs`.
    ///
    /// # Errors
    /// For levels that these members cannot give: a second class for [`PairLevel::OtherClass`], a second slide in some
    /// class for [`PairLevel::OtherSlide`], two patches on some slide for [`SimilarPair::SameSlide`].
    pub fn new<'a>(
        members: impl IntoIterator<Item = (usize, &'a str, &'a str)>,
        similar: SimilarPair,
        dissimilar: &[PairLevel],
        random: Random,
    ) -> Result<Self> {
        let mut grouped: BTreeMap<&str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (index, slide, class) in members {
            let slides = grouped.entry(class).or_default();
            slides.entry(slide).or_default().push(index);
        }
        let pairs = Self {
            names: grouped.keys().map(ToString::to_string).collect(),
            classes: grouped
                .into_values()
                .map(|slides| slides.into_values().collect())
                .collect(),
            similar,
            dissimilar: dissimilar.to_vec(),
            random,
        };
        if pairs.dissimilar.is_empty() || pairs.dissimilar.contains(&PairLevel::Similar) {
            return Err(refuse(
                "`snn.dissimilar` names no level of dissimilarity, or `similar`",
                "set it to `[\"other-slide\", \"other-class\"]` or to one of the two",
            ));
        }
        for level in pairs.levels() {
            pairs.check(level)?;
        }
        Ok(pairs)
    }

    /// The levels these pairs have, the similar one first.
    pub fn levels(&self) -> Vec<PairLevel> {
        let mut levels = vec![PairLevel::Similar];
        levels.extend(&self.dissimilar);
        levels
    }

    /// Pairs `first` .. `first + count` of all there could be. Pair number k depends on k alone.
    pub fn range(&self, first: u64, count: usize) -> Vec<Pair> {
        let places: Vec<Vec<SlideIndex>> = PairLevel::ALL
            .map(|level| self.anchors(|place| self.has_partner(place, level)))
            .to_vec();
        (first..first + count as u64)
            .map(|number| {
                let level = if number.is_multiple_of(2) {
                    PairLevel::Similar
                } else {
                    self.dissimilar[(number / 2) as usize % self.dissimilar.len()]
                };
                let mut stream = self.random.at(number).stream("pairs");
                let anchors = &places[level as usize];
                let (place, anchor) = self.draw(&mut stream, anchors);
                let partner = self.partner(&mut stream, place, anchor, level);
                Pair {
                    anchor,
                    partner,
                    level,
                }
            })
            .collect()
    }

    /// `count` anchors, each with a partner of every level: entry k holds the pairs of the k-th level of
    /// [`Self::levels`], in the order of the anchors.
    ///
    /// # Errors
    /// If no member has a partner of every level.
    pub fn sets(&self, count: usize) -> Result<Vec<Vec<Pair>>> {
        let levels = self.levels();
        let complete = |place| levels.iter().all(|&level| self.has_partner(place, level));
        let places = self.anchors(complete);
        if places.is_empty() {
            return Err(refuse(
                "no image has a partner of every level of similarity",
                "give more slides, or fewer levels in `snn.dissimilar`",
            ));
        }
        let mut sets = vec![Vec::with_capacity(count); levels.len()];
        for number in 0..count as u64 {
            let mut stream = self.random.at(number).stream("pairs");
            let (place, anchor) = self.draw(&mut stream, &places);
            for (set, &level) in sets.iter_mut().zip(&levels) {
                let partner = self.partner(&mut stream, place, anchor, level);
                set.push(Pair {
                    anchor,
                    partner,
                    level,
                });
            }
        }
        Ok(sets)
    }

    /// The slides that `fits`.
    fn anchors(&self, fits: impl Fn(SlideIndex) -> bool) -> Vec<SlideIndex> {
        let places = self.classes.iter().enumerate().flat_map(|(class, slides)| {
            (0..slides.len()).map(move |slide| SlideIndex { class, slide })
        });
        places.filter(|&place| fits(place)).collect()
    }

    /// Whether the members of a slide have a partner of `level`.
    fn has_partner(&self, place: SlideIndex, level: PairLevel) -> bool {
        match (level, self.similar) {
            (PairLevel::Similar, SimilarPair::AugmentedView) => true,
            (PairLevel::Similar, SimilarPair::SameSlide) => {
                self.classes[place.class][place.slide].len() > 1
            }
            (PairLevel::OtherSlide, _) => self.classes[place.class].len() > 1,
            (PairLevel::OtherClass, _) => self.classes.len() > 1,
        }
    }

    /// A member of one of `places`: class, then slide, then member.
    fn draw(&self, stream: &mut Stream, places: &[SlideIndex]) -> (SlideIndex, usize) {
        let mut classes: Vec<usize> = places.iter().map(|place| place.class).collect();
        classes.dedup();
        let class = classes[stream.below(classes.len())];
        let of_class: Vec<SlideIndex> = places
            .iter()
            .copied()
            .filter(|place| place.class == class)
            .collect();
        let place = of_class[stream.below(of_class.len())];
        let members = &self.classes[class][place.slide];
        (place, members[stream.below(members.len())])
    }

    /// A partner of `level` for the member `anchor` of `place`, which must have one.
    fn partner(
        &self,
        stream: &mut Stream,
        place: SlideIndex,
        anchor: usize,
        level: PairLevel,
    ) -> usize {
        let places = match (level, self.similar) {
            (PairLevel::Similar, SimilarPair::AugmentedView) => return anchor,
            (PairLevel::Similar, SimilarPair::SameSlide) => {
                let members = &self.classes[place.class][place.slide];
                let others: Vec<usize> = members
                    .iter()
                    .copied()
                    .filter(|&member| member != anchor)
                    .collect();
                return others[stream.below(others.len())];
            }
            (PairLevel::OtherSlide, _) => {
                self.anchors(|other| other.class == place.class && other.slide != place.slide)
            }
            (PairLevel::OtherClass, _) => self.anchors(|other| other.class != place.class),
        };
        self.draw(stream, &places).1
    }

    fn check(&self, level: PairLevel) -> Result<()> {
        if !self
            .anchors(|place| self.has_partner(place, level))
            .is_empty()
        {
            return Ok(());
        }
        Err(match level {
            PairLevel::OtherClass => refuse(
                format!(
                    "pairs of two classes need a second class: all slides are of class `{}`",
                    self.names.first().map_or("", String::as_str)
                ),
                "give the images in one folder a class, or leave that level out with `--set \
                 snn.dissimilar=[\"other-slide\"]`",
            ),
            PairLevel::OtherSlide => refuse(
                "pairs of two slides of one class need a class with two slides on this side of the split",
                "add slides, or leave that level out with `--set snn.dissimilar=[\"other-class\"]`",
            ),
            PairLevel::Similar => refuse(
                "pairs of patches of one slide need a slide with two patches",
                "set `snn.similar=augmented-view`, or take more patches of each slide",
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    /// Members of `classes` x `slides` x `patches`, with their slide and class.
    fn members(classes: usize, slides: usize, patches: usize) -> Vec<(usize, String, String)> {
        let mut members = Vec::new();
        for class in 0..classes {
            for slide in 0..slides {
                for _ in 0..patches {
                    let index = 10 * members.len();
                    members.push((
                        index,
                        format!("slide {class}/{slide}"),
                        format!("class {class}"),
                    ));
                }
            }
        }
        members
    }

    fn pairs(
        members: &[(usize, String, String)],
        similar: SimilarPair,
        dissimilar: &[PairLevel],
    ) -> Result<Pairs> {
        let members = members
            .iter()
            .map(|(index, slide, class)| (*index, slide.as_str(), class.as_str()));
        Pairs::new(members, similar, dissimilar, Random::new(5))
    }

    const BOTH: [PairLevel; 2] = [PairLevel::OtherSlide, PairLevel::OtherClass];

    fn assert_level(pair: &Pair, members: &[(usize, String, String)], similar: SimilarPair) {
        let find = |index| {
            members
                .iter()
                .find(|member| member.0 == index)
                .expect("a member")
        };
        let (left, right) = (find(pair.anchor), find(pair.partner));
        let (same_slide, same_class) = (left.1 == right.1, left.2 == right.2);
        let right_level = match pair.level {
            PairLevel::Similar => {
                same_slide
                    && (pair.anchor == pair.partner) == (similar == SimilarPair::AugmentedView)
            }
            PairLevel::OtherSlide => !same_slide && same_class,
            PairLevel::OtherClass => !same_class,
        };
        assert!(right_level, "{pair:?} joins {left:?} and {right:?}");
    }

    #[test]
    fn every_pair_is_of_its_level_and_half_of_them_are_similar() {
        for similar in [SimilarPair::AugmentedView, SimilarPair::SameSlide] {
            let members = members(3, 2, 4);
            let drawn = pairs(&members, similar, &BOTH).unwrap().range(0, 400);
            for pair in &drawn {
                assert_level(pair, &members, similar);
            }
            let count = |level| drawn.iter().filter(|pair| pair.level == level).count();
            assert_eq!(PairLevel::ALL.map(count), [200, 100, 100]);
        }
    }

    #[test]
    fn classes_and_slides_are_drawn_alike_whatever_their_size() {
        // A class of one slide with 40 patches, and one of three slides with one, two and three.
        let sizes = [
            ("a", "a1", 40),
            ("b", "b1", 1),
            ("b", "b2", 2),
            ("b", "b3", 3),
        ];
        let mut members = Vec::new();
        for (class, slide, count) in sizes {
            for _ in 0..count {
                members.push((members.len(), slide.to_owned(), class.to_owned()));
            }
        }
        let drawn = pairs(
            &members,
            SimilarPair::AugmentedView,
            &[PairLevel::OtherClass],
        )
        .unwrap()
        .range(0, 6000);
        for (_, slide, expected) in [("a", "a1", 3000), ("b", "b1", 1000), ("b", "b3", 1000)] {
            let found = drawn
                .iter()
                .filter(|pair| members[pair.anchor].1 == slide)
                .count();
            assert!(
                found.abs_diff(expected) < 150,
                "{slide}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_pair_depends_on_its_number_alone() {
        let members = members(2, 3, 5);
        let pairs = pairs(&members, SimilarPair::AugmentedView, &BOTH).unwrap();
        let whole = pairs.range(0, 30);
        assert_eq!(pairs.range(7, 5), whole[7..12]);
        assert_ne!(whole[0], whole[2]);
    }

    #[test]
    fn sets_share_their_anchors() {
        let members = members(2, 3, 5);
        let sets = pairs(&members, SimilarPair::AugmentedView, &BOTH)
            .unwrap()
            .sets(50)
            .unwrap();
        assert_eq!(sets.len(), 3);
        for (set, level) in sets.iter().zip(PairLevel::ALL) {
            assert_eq!(set.len(), 50);
            for (pair, first) in set.iter().zip(&sets[0]) {
                assert_eq!((pair.level, pair.anchor), (level, first.anchor));
                assert_level(pair, &members, SimilarPair::AugmentedView);
            }
        }
    }

    #[test]
    fn levels_that_cannot_be_had_are_refused_with_the_setting_that_helps() {
        let refused = |members: &[(usize, String, String)], similar, levels: &[PairLevel]| {
            let error = pairs(members, similar, levels).unwrap_err();
            let hint = error.downcast_ref::<Refusal>().unwrap().hint.clone();
            (error.to_string(), hint)
        };
        let view = SimilarPair::AugmentedView;
        let (message, hint) = refused(&members(1, 3, 2), view, &BOTH);
        assert_eq!(
            message,
            "pairs of two classes need a second class: all slides are of class `class 0`"
        );
        assert!(hint.contains("snn.dissimilar=[\"other-slide\"]"), "{hint}");
        let (message, hint) = refused(&members(2, 1, 2), view, &BOTH);
        assert!(
            message.contains("need a class with two slides"),
            "{message}"
        );
        assert!(hint.contains("snn.dissimilar=[\"other-class\"]"), "{hint}");
        let (message, _) = refused(&members(2, 2, 1), SimilarPair::SameSlide, &BOTH);
        assert!(
            message.contains("need a slide with two patches"),
            "{message}"
        );
        let (message, _) = refused(&members(2, 2, 1), view, &[]);
        assert!(message.contains("names no level"), "{message}");
        // One class or one slide is enough where the settings ask for no more.
        assert!(pairs(&members(1, 3, 1), view, &[PairLevel::OtherSlide]).is_ok());
        assert!(pairs(&members(2, 1, 1), view, &[PairLevel::OtherClass]).is_ok());
    }
}
