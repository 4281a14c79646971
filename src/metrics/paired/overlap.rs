//! How far two masks overlap: Dice's coefficient and the intersection over union.
//!
//! Of a class, with A and B its pixels in output and target: Dice 2 |A and B| / (|A| + |B|) (Dice 1945), intersection over union
//! |A and B| / |A or B|. `dice` and `iou` are means over images and classes but the background; a class that is in neither mask of an
//! image counts 1 there. `dice-pooled` and `iou-pooled` count the pixels of all images together, and are means over classes; where a
//! class is in no mask at all there is no such number. Nothing is added above or below: a small constant hides total failure.

use super::{ImagePairs, OVER_PAIRS, PairedMetric, PairedScore};
use crate::error::Result;
use crate::metrics::{Direction, ScoreDefinition};

/// Dice's coefficient and the intersection over union.
#[derive(Clone, Copy, Debug)]
pub struct Overlap;

/// Pixels of one class: in both masks, in the output alone, in the target alone.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    both: u64,
    output: u64,
    target: u64,
}

impl Counts {
    fn of(output: &[u8], target: &[u8], class: u8) -> Self {
        let mut counts = Self::default();
        for (output, target) in output.iter().zip(target) {
            match (*output == class, *target == class) {
                (true, true) => counts.both += 1,
                (true, false) => counts.output += 1,
                (false, true) => counts.target += 1,
                (false, false) => {}
            }
        }
        counts
    }

    fn plus(self, other: Self) -> Self {
        Self {
            both: self.both + other.both,
            output: self.output + other.output,
            target: self.target + other.target,
        }
    }

    /// Dice and intersection over union; none where the class is in neither mask.
    fn overlap(self) -> Option<[f64; 2]> {
        let differing = self.output + self.target;
        let union = self.both + differing;
        (union > 0).then(|| {
            let both = self.both as f64;
            [
                2.0 * both / (2.0 * both + differing as f64),
                both / union as f64,
            ]
        })
    }
}

/// Dice and intersection over union of the pixels of `class` in two masks; 1 where it is in neither.
pub fn overlap(output: &[u8], target: &[u8], class: u8) -> [f64; 2] {
    Counts::of(output, target, class)
        .overlap()
        .unwrap_or([1.0; 2])
}

const fn score(name: &'static str, title: &'static str, spread: &'static str) -> ScoreDefinition {
    ScoreDefinition {
        name,
        title,
        direction: Direction::Higher,
        spread,
    }
}

impl PairedMetric for Overlap {
    fn name(&self) -> &'static str {
        "overlap"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        const SCORES: &[ScoreDefinition] = &[
            score("dice", "Dice", OVER_PAIRS),
            score("dice-pooled", "Dice, pooled", ""),
            score("iou", "IoU", OVER_PAIRS),
            score("iou-pooled", "IoU, pooled", ""),
        ];
        SCORES
    }

    fn fits(&self, pairs: &ImagePairs<'_>) -> bool {
        pairs.is_masks()
    }

    fn settings(&self, _: &ImagePairs<'_>) -> Vec<(&'static str, String)> {
        vec![("a class in neither mask", "1, pooled none".to_owned())]
    }

    fn compute(&self, pairs: &ImagePairs<'_>) -> Result<Vec<PairedScore>> {
        let classes = 1..pairs.classes as u8;
        let count = classes.len() as f64;
        let mut of_images: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        let mut pooled = vec![Counts::default(); classes.len()];
        for (output, target) in pairs.each() {
            let mut sums = [0.0; 2];
            for (class, pooled) in classes.clone().zip(&mut pooled) {
                let counts = Counts::of(output, target, class);
                *pooled = pooled.plus(counts);
                let found = counts.overlap().unwrap_or([1.0; 2]);
                sums = [0, 1].map(|score| sums[score] + found[score]);
            }
            for (values, sum) in of_images.iter_mut().zip(sums) {
                values.push(sum / count);
            }
        }
        let pooled: Option<Vec<[f64; 2]>> = pooled.into_iter().map(Counts::overlap).collect();
        let of_pooled = |name: &'static str, score: usize| match &pooled {
            Some(found) => {
                let sum: f64 = found.iter().map(|found| found[score]).sum();
                PairedScore::number(name, sum / count)
            }
            None => PairedScore::absent(name, "a class has no pixel in any mask".to_owned()),
        };
        Ok(vec![
            PairedScore::mean("dice", &of_images[0]),
            of_pooled("dice-pooled", 0),
            PairedScore::mean("iou", &of_images[1]),
            of_pooled("iou-pooled", 1),
        ])
    }
}
