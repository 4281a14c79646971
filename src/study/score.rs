//! How well readers tell generated patches from real ones.
//!
//! Of one reader: accuracy with its exact binomial interval (Clopper and Pearson 1934), sensitivity (of the generated patches, the
//! fraction taken for generated), specificity (of the real ones, the fraction taken for real), and from signal detection theory
//! d' = z(H) - z(F) and the criterion -(z(H) + z(F)) / 2, with H the rate of generated patches taken for generated and F that of
//! real ones. Both rates get the log-linear correction, (count + 0.5) / (n + 1) (Hautus 1995), so that neither is 0 or 1.
//!
//! Over readers: the mean over readers and its 95 % t interval. Readers are the unit, as answers of one reader are no independent
//! trials; what is said holds for these patches.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF, Normal};

use super::{Answer, Answers, Item, Key, PatchKind};
use crate::error::{Result, refuse_repeated};
use crate::report::Summary;

/// How sure intervals are.
const CONFIDENCE: f64 = 0.95;

/// How many answers there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Generated patches that were answered.
    pub generated: u64,
    /// Of these, those taken for generated.
    pub hits: u64,
    /// Real patches that were answered.
    pub real: u64,
    /// Of these, those taken for real.
    pub correct_rejections: u64,
    /// Answers that the reader was sure of.
    pub sure: u64,
    /// Of these, the right ones.
    pub sure_and_right: u64,
}

/// What one reader could tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReaderScore {
    /// Who read.
    pub reader: String,
    /// The answers by kind.
    #[serde(flatten)]
    pub counts: Counts,
    /// The fraction of right answers.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
    /// The fraction of generated patches taken for generated; none without such patches.
    pub sensitivity: Option<f64>,
    /// The fraction of real patches taken for real; none without such patches.
    pub specificity: Option<f64>,
    /// d' and the criterion; none where a kind is missing.
    pub detection: Option<(f64, f64)>,
    /// Accuracy and its interval on the patches of each class.
    pub by_class: BTreeMap<String, (f64, (f64, f64))>,
}

/// A number over readers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OverReaders {
    /// How many readers.
    pub readers: usize,
    /// The mean over readers.
    pub mean: f64,
    /// Its 95 % t interval; none for one reader.
    pub interval: Option<(f64, f64)>,
}

/// What all readers could tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyScore {
    /// The test.
    pub study: String,
    /// Each reader, in the order of the files.
    pub readers: Vec<ReaderScore>,
    /// Accuracy over readers.
    pub accuracy: OverReaders,
    /// d' over the readers who have one; none if nobody has.
    pub detection: Option<OverReaders>,
    /// Accuracy on the patches of each class, over the readers who saw some.
    pub by_class: BTreeMap<String, OverReaders>,
}

impl Counts {
    fn of<'a>(answers: impl Iterator<Item = (&'a Answer, &'a Item)>) -> Self {
        let mut counts = Self::default();
        for (answer, item) in answers {
            let is_right = answer.answer == item.kind;
            let (of_kind, right) = match item.kind {
                PatchKind::Generated => (&mut counts.generated, &mut counts.hits),
                PatchKind::Real => (&mut counts.real, &mut counts.correct_rejections),
            };
            *of_kind += 1;
            *right += u64::from(is_right);
            counts.sure += u64::from(answer.sure);
            counts.sure_and_right += u64::from(answer.sure && is_right);
        }
        counts
    }

    fn total(self) -> u64 {
        self.generated + self.real
    }

    fn right(self) -> u64 {
        self.hits + self.correct_rejections
    }

    /// The fraction of right answers and its interval; there must be an answer.
    fn accuracy(self) -> (f64, (f64, f64)) {
        let (right, total) = (self.right(), self.total());
        (right as f64 / total as f64, clopper_pearson(right, total))
    }

    /// d' and the criterion.
    fn detection(self) -> Option<(f64, f64)> {
        let z = |count: u64, of: u64| {
            let rate = (count as f64 + 0.5) / (of as f64 + 1.0);
            Normal::standard().inverse_cdf(rate)
        };
        let has_both = self.generated > 0 && self.real > 0;
        has_both.then(|| {
            let hits = z(self.hits, self.generated);
            let false_alarms = z(self.real - self.correct_rejections, self.real);
            (hits - false_alarms, -f64::midpoint(hits, false_alarms))
        })
    }
}

/// The exact 95 % interval of a rate of which `count` of `of` were seen.
fn clopper_pearson(count: u64, of: u64) -> (f64, f64) {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let (count, rest) = (count as f64, (of - count) as f64);
    let quantile = |a: f64, b: f64, probability: f64| {
        let beta = Beta::new(a, b).expect("both are positive");
        beta.inverse_cdf(probability)
    };
    let low = if count > 0.0 {
        quantile(count, rest + 1.0, tail)
    } else {
        0.0
    };
    let high = if rest > 0.0 {
        quantile(count + 1.0, rest, 1.0 - tail)
    } else {
        1.0
    };
    (low, high)
}

impl ReaderScore {
    fn of(answers: &Answers, items: &HashMap<&str, &Item>) -> Self {
        let answered = || {
            let answers = answers.answers.iter();
            answers.map(|answer| (answer, items[answer.item.as_str()]))
        };
        let counts = Counts::of(answered());
        let (accuracy, interval) = counts.accuracy();
        let rate = |count: u64, of: u64| (of > 0).then(|| count as f64 / of as f64);
        let classes = answered().filter_map(|(_, item)| item.class.as_ref());
        let by_class = classes
            .map(|class| {
                let of_class = answered().filter(|(_, item)| item.class.as_ref() == Some(class));
                (class.clone(), Counts::of(of_class).accuracy())
            })
            .collect();
        Self {
            reader: answers.reader.clone(),
            accuracy,
            interval,
            sensitivity: rate(counts.hits, counts.generated),
            specificity: rate(counts.correct_rejections, counts.real),
            detection: counts.detection(),
            by_class,
            counts,
        }
    }
}

impl OverReaders {
    fn of(values: &[f64]) -> Result<Self> {
        let summary = Summary::of(values)?;
        Ok(Self {
            readers: summary.count,
            mean: summary.mean,
            interval: summary.interval,
        })
    }

    /// The same of rates, whose interval ends at 0 and 1.
    fn of_rates(values: &[f64]) -> Result<Self> {
        let mut over = Self::of(values)?;
        over.interval = over
            .interval
            .map(|(low, high)| (low.max(0.0), high.min(1.0)));
        Ok(over)
    }
}

/// What the readers of a test could tell, from their answers, each of which `key` has an item for.
///
/// # Errors
/// Refuses two files of one reader.
pub fn score(key: &Key, answers: &[Answers]) -> Result<StudyScore> {
    let names: Vec<&str> = answers
        .iter()
        .map(|answers| answers.reader.as_str())
        .collect();
    refuse_repeated(
        "the list of readers",
        &names,
        "score each reader once, or give readers different names",
    )?;
    let items = key.items.iter().map(|item| (item.item.as_str(), item));
    let items: HashMap<&str, &Item> = items.collect();
    let readers = answers
        .iter()
        .map(|answers| ReaderScore::of(answers, &items));
    let readers: Vec<ReaderScore> = readers.collect();
    let accuracies: Vec<f64> = readers.iter().map(|reader| reader.accuracy).collect();
    let sensitivities: Vec<f64> = readers
        .iter()
        .filter_map(|reader| Some(reader.detection?.0))
        .collect();
    let mut of_classes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (class, (accuracy, _)) in readers.iter().flat_map(|reader| &reader.by_class) {
        of_classes.entry(class.clone()).or_default().push(*accuracy);
    }
    let by_class = of_classes
        .into_iter()
        .map(|(class, values)| Ok((class, OverReaders::of_rates(&values)?)));
    Ok(StudyScore {
        study: key.study.clone(),
        accuracy: OverReaders::of_rates(&accuracies)?,
        detection: if sensitivities.is_empty() {
            None
        } else {
            Some(OverReaders::of(&sensitivities)?)
        },
        by_class: by_class.collect::<Result<_>>()?,
        readers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn counts(hits: u64, generated: u64, correct_rejections: u64, real: u64) -> Counts {
        Counts {
            generated,
            hits,
            real,
            correct_rejections,
            ..Counts::default()
        }
    }

    fn near(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() < tolerance,
            "{found}, expected {expected}"
        );
    }

    #[test]
    fn detection_is_that_of_the_log_linear_rule() {
        // statistics.NormalDist().inv_cdf of (20 + 0.5) / 26 and (5 + 0.5) / 26.
        let (sensitivity, criterion) = counts(20, 25, 20, 25).detection().unwrap();
        near(sensitivity, 1.602_189, 1e-5);
        near(criterion, 0.0, 1e-12);
        // Perfect reading stays finite: 2 inv_cdf(25.5 / 26).
        let (sensitivity, _) = counts(25, 25, 25, 25).detection().unwrap();
        near(sensitivity, 4.139_804, 1e-5);
        // A reader who always says "generated" can tell nothing and has a low criterion.
        let (sensitivity, criterion) = counts(25, 25, 0, 25).detection().unwrap();
        near(sensitivity, 0.0, 1e-12);
        assert!(criterion < -2.0);
        assert_eq!(counts(5, 5, 0, 0).detection(), None);
    }

    #[test]
    fn intervals_are_those_of_clopper_and_pearson() {
        // scipy.stats.binomtest(k, n).proportion_ci(method="exact")
        for (count, of, low, high) in [
            (0, 10, 0.0, 0.308_497),
            (10, 10, 0.691_503, 1.0),
            (60, 100, 0.497_209, 0.696_706),
        ] {
            let found = clopper_pearson(count, of);
            near(found.0, low, 1e-5);
            near(found.1, high, 1e-5);
        }
    }

    #[test]
    fn the_interval_of_a_reader_who_guesses_holds_one_half() {
        const READERS: u64 = 2000;
        for patches in [20, 100] {
            let mut held = 0;
            for reader in 0..READERS {
                let mut stream = Random::new(3).at(reader).stream("guesses");
                let right = (0..patches).filter(|_| stream.uniform() < 0.5).count() as u64;
                let (low, high) = clopper_pearson(right, patches);
                held += u64::from(low <= 0.5 && 0.5 <= high);
            }
            assert!(held as f64 >= 0.945 * READERS as f64, "{patches}: {held}");
        }
    }
}
