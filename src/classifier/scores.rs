//! The scores of a trained classifier: accuracies, ROC AUC, calibration, the confusion matrix, and intervals by bootstrap.

use super::learner::largest;
use crate::error::{Result, refuse};
use crate::random::Random;
use crate::reward::{BOOTSTRAPS, area, interval};

/// Bins of the expected calibration error, equally wide over [0, 1].
pub const BINS: usize = 15;
/// Bootstrap samples of slides behind an interval.
pub const REDRAWN: usize = BOOTSTRAPS;

/// What a classifier said of held-out images.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// How many classes.
    classes: usize,
    /// The class of each image.
    truth: Vec<usize>,
    /// The probability of each class for each image, images x classes.
    probabilities: Vec<f64>,
    /// The slide of each image.
    slides: Vec<usize>,
}

/// How far probabilities can be taken at their word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// The expected calibration error (Guo et al. 2017, eq. 3): the mean distance of confidence, which is the largest probability,
    /// and accuracy over [`BINS`] bins of confidence, (k/15, (k+1)/15], weighted by their images. 0 to 1.
    pub error: f64,
    /// The Brier score (Brier 1950): the squared distance of the probabilities from the truth, summed over classes, mean over
    /// images. 0 to 2.
    pub brier: f64,
}

impl Predictions {
    /// What was said of images with these classes on these slides, any numbers that tell slides apart.
    ///
    /// # Errors
    /// Refuses probabilities that are not finite and a class without images.
    pub fn new(
        classes: usize,
        truth: Vec<usize>,
        probabilities: Vec<f64>,
        slides: Vec<usize>,
    ) -> Result<Self> {
        assert_eq!(truth.len() * classes, probabilities.len(), "probabilities");
        assert_eq!(truth.len(), slides.len(), "slides");
        if let Some(value) = probabilities.iter().find(|value| !value.is_finite()) {
            return Err(refuse(
                format!("a classifier gives the probability {value}"),
                "its training has diverged: lower `downstream.classifier.learning_rate`",
            ));
        }
        if let Some(class) = (0..classes).find(|class| !truth.contains(class)) {
            return Err(refuse(
                format!("no held-out image is of class {class}"),
                "hold out slides of every class: raise `data.held_out`",
            ));
        }
        Ok(Self {
            classes,
            truth,
            probabilities,
            slides,
        })
    }

    fn row(&self, image: usize) -> &[f64] {
        &self.probabilities[image * self.classes..(image + 1) * self.classes]
    }

    /// How many images of each class (first index) were taken for each (second index).
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        self.confusion_of(&self.everything())
    }

    /// Fraction of images that were taken for what they are.
    pub fn accuracy(&self) -> f64 {
        accuracy(&self.confusion())
    }

    /// The same of the images of each class: recall.
    pub fn by_class(&self) -> Vec<f64> {
        by_class(&self.confusion())
    }

    /// The mean of the accuracies of the classes.
    pub fn balanced_accuracy(&self) -> f64 {
        balanced(&self.confusion())
    }

    /// ROC AUC of the probability of the second class; of more than two classes the mean over classes of each against the rest.
    pub fn auc(&self) -> f64 {
        self.auc_of(&self.everything())
    }

    /// How far the probabilities can be taken at their word.
    pub fn calibration(&self) -> Calibration {
        let mut bins = [(0usize, 0.0, 0usize); BINS]; // images, sum of confidence, right ones
        let mut brier = 0.0;
        for (image, &class) in self.truth.iter().enumerate() {
            let row = self.row(image);
            let taken = largest(row);
            let place = (row[taken] * BINS as f64).ceil() as usize;
            let bin = &mut bins[place.clamp(1, BINS) - 1];
            *bin = (
                bin.0 + 1,
                bin.1 + row[taken],
                bin.2 + usize::from(taken == class),
            );
            brier += row
                .iter()
                .enumerate()
                .map(|(other, value)| (value - f64::from(u8::from(other == class))).powi(2))
                .sum::<f64>();
        }
        let count = self.truth.len() as f64;
        let gaps = bins
            .iter()
            .map(|(_, confidence, right)| (confidence - *right as f64).abs());
        Calibration {
            error: gaps.sum::<f64>() / count,
            brier: brier / count,
        }
    }

    /// The 95 % intervals of accuracy, balanced accuracy and AUC by bootstrap over slides, redrawn within each class.
    ///
    /// Slides, not patches: patches of one slide are alike, and an interval over patches would take them for independent. It is
    /// the interval of one training; over seeds there is another. None where a class is on one
    /// slide alone, which says nothing of others.
    pub fn intervals(&self, random: Random) -> Option<[(f64, f64); 3]> {
        // The images of each slide, slides by class.
        let mut slides: Vec<Vec<(usize, Vec<usize>)>> = vec![Vec::new(); self.classes];
        for (image, (&class, &slide)) in self.truth.iter().zip(&self.slides).enumerate() {
            let of_class = &mut slides[class];
            match of_class.iter_mut().find(|(known, _)| *known == slide) {
                Some((_, images)) => images.push(image),
                None => of_class.push((slide, vec![image])),
            }
        }
        if slides.iter().any(|of_class| of_class.len() < 2) {
            return None;
        }
        let mut found = [const { Vec::new() }; 3];
        for number in 0..REDRAWN as u64 {
            let mut stream = random.at(number).stream("bootstrap of slides");
            let drawn = slides.iter().flat_map(|of_class| {
                let places = (0..of_class.len()).map(|_| stream.below(of_class.len()));
                places
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(move |place| &of_class[place].1)
            });
            let images: Vec<usize> = drawn.flatten().copied().collect();
            let confusion = self.confusion_of(&images);
            let values = [
                accuracy(&confusion),
                balanced(&confusion),
                self.auc_of(&images),
            ];
            for (all, value) in found.iter_mut().zip(values) {
                all.push(value);
            }
        }
        Some(found.map(interval))
    }

    fn everything(&self) -> Vec<usize> {
        (0..self.truth.len()).collect()
    }

    fn confusion_of(&self, images: &[usize]) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; self.classes]; self.classes];
        for &image in images {
            counts[self.truth[image]][largest(self.row(image))] += 1;
        }
        counts
    }

    fn auc_of(&self, images: &[usize]) -> f64 {
        let of_class = |class: usize| {
            let value = |&image: &usize| self.row(image)[class];
            let is_it = |image: &&usize| self.truth[**image] == class;
            let positive: Vec<f64> = images.iter().filter(is_it).map(value).collect();
            let negative: Vec<f64> = images
                .iter()
                .filter(|image| !is_it(image))
                .map(value)
                .collect();
            area(&positive, &negative)
        };
        match self.classes {
            2 => of_class(1),
            count => (0..count).map(of_class).sum::<f64>() / count as f64,
        }
    }
}

fn accuracy(confusion: &[Vec<usize>]) -> f64 {
    let right: usize = (0..confusion.len())
        .map(|class| confusion[class][class])
        .sum();
    right as f64 / confusion.iter().flatten().sum::<usize>() as f64
}

fn by_class(confusion: &[Vec<usize>]) -> Vec<f64> {
    let rows = confusion.iter().enumerate();
    rows.map(|(class, row)| row[class] as f64 / row.iter().sum::<usize>() as f64)
        .collect()
}

fn balanced(confusion: &[Vec<usize>]) -> f64 {
    let each = by_class(confusion);
    each.iter().sum::<f64>() / each.len() as f64
}

#[cfg(test)]
mod tests;
