//! What arXiv 2201.09120 says of its systems, and what our runs say of it.

use std::path::Path;

use super::{BASELINE, Found, LowDataRecord};
use crate::error::Result;
use crate::metrics::Direction;
use crate::report::comparisons::verdict;
use crate::report::{Claim, Record, RunOutcome};

/// The row of the paper's system.
const OURS: &str = "wac-gan-gpt";

/// The paper's claims that the experiment behind `record` asks about, with what its runs say.
///
/// # Errors
/// Fails where a ledger cannot be read or a number in it is not finite.
pub fn low_data_claims(
    record: &Record,
    about: &LowDataRecord,
    outcomes: &[Vec<RunOutcome>],
    out: &Path,
) -> Result<Vec<Claim>> {
    let found = Found {
        record,
        about,
        outcomes,
        out,
    };
    let mut claims = Vec::new();
    if about.shifted.is_empty() {
        claims.push((
            "WAC-GAN-GPT is best with any number of training images",
            "Table 1: 79.8 % with 500 images to 91.3 % with 40,000, above the four others at each of five sizes. What its ± is of, and how many \
             runs there were, is not said.",
            found.beats_the_rest("accuracy", "accuracy")?,
        ));
        claims.push((
            "The best tau grows with the number of training images",
            "Table 2: 0.89 with 500 images to 1.63 with 40,000. How tau was searched for is not said beyond equation 4.",
            found.tau_grows()?,
        ));
        claims.push((
            "The gain over a CNN is largest where images are few",
            "Summary: \"particular performance gains in lower data regimes\". Its own table 1 has gains of WAC-GAN-GPT of 2.3, 2.5, 2.0, 2.3 and \
             1.0 points.",
            found.gains()?,
        ));
        claims.push((
            "Generated images lie tighter about the centre of their class than real ones",
            "Figure 8: a mean distance of 7.83 (CNN), 5.16 (AC-GAN) and 3.94 (WAC-GAN-GPT); which layer, and whether before or after t-SNE, is not \
             said.",
            found.tighter()?,
        ));
    } else {
        claims.push((
            "WAC-GAN-GPT is best on the test split",
            "Table 3: 72.9 % on CIFAR 10 against 70.1 % (AC-GAN) and 70.5 % (AlexNet); table 4: 97.6 % against 95.5 % and 94.0 %.",
            found.beats_the_rest("accuracy", "accuracy")?,
        ));
        claims.push((
            "It is best on shifted images too",
            "Table 3: 59.3 % on CIFAR 10.1 against 56.4 % (AC-GAN) and 53.5 % (AlexNet).",
            found.beats_the_rest("shifted_accuracy", "accuracy on shifted images")?,
        ));
    }
    let numbered = claims.into_iter().zip(1..);
    Ok(numbered
        .map(|((title, says, found), number)| Claim {
            number,
            title: title.to_owned(),
            says: says.to_owned(),
            found,
        })
        .collect())
}

impl Found<'_> {
    /// The paper's system against every other with each number of images.
    fn beats_the_rest(&self, score: &str, title: &str) -> Result<Vec<String>> {
        let mut sentences = Vec::new();
        for &size in &self.about.sizes {
            for other in self.about.systems.iter().filter(|system| *system != OURS) {
                let better = self.by_seed(OURS, size, score);
                let worse = self.by_seed(other, size, score);
                let sentence = verdict(
                    &format!("With {size} images, {title}"),
                    Direction::Higher,
                    (OURS, &better),
                    (other, &worse),
                )?;
                sentences.push(sentence);
            }
        }
        Ok(sentences)
    }

    /// Tau with the most images against tau with the fewest, of each system with one.
    fn tau_grows(&self) -> Result<Vec<String>> {
        let (Some(&least), Some(&most)) = (self.about.sizes.first(), self.about.sizes.last())
        else {
            return Ok(vec![
                "Not measured: there is no number of images.".to_owned(),
            ]);
        };
        if self.about.tau.is_empty() {
            return Ok(vec![
                "Not measured: no system has a truncated prior.".to_owned(),
            ]);
        }
        if least == most {
            return Ok(vec![
                "Not measured: there is one number of images.".to_owned(),
            ]);
        }
        let mut sentences = Vec::new();
        for tau in &self.about.tau {
            if tau.found.starts_with("fixed") {
                sentences.push(format!(
                    "Not measured: tau of `{}` is {}.",
                    tau.system, tau.found
                ));
                continue;
            }
            let few = self.taus_by_seed(&tau.system, least)?;
            let many = self.taus_by_seed(&tau.system, most)?;
            let name = |size: usize| format!("{}, {size} images", tau.system);
            let sentence = verdict(
                "Tau",
                Direction::Higher,
                (&name(most), &many),
                (&name(least), &few),
            )?;
            sentences.push(format!("{sentence} It was found so: {}.", tau.found));
        }
        Ok(sentences)
    }

    /// The gain of the paper's system over the CNN with the fewest images against that with the most.
    fn gains(&self) -> Result<Vec<String>> {
        let sizes = &self.about.sizes;
        let (Some(&least), Some(&most)) = (sizes.first(), sizes.last()) else {
            return Ok(vec![
                "Not measured: there is no number of images.".to_owned(),
            ]);
        };
        if least == most {
            return Ok(vec![
                "Not measured: there is one number of images.".to_owned(),
            ]);
        }
        let gain = |size: usize| -> Vec<(u64, f64)> {
            let baseline = self.by_seed(BASELINE, size, "accuracy");
            let own = self.by_seed(OURS, size, "accuracy").into_iter();
            own.filter_map(|(seed, value)| {
                let (_, other) = baseline.iter().find(|(of, _)| *of == seed)?;
                Some((seed, 100.0 * (value - other)))
            })
            .collect()
        };
        let name = |size: usize| format!("{OURS}, {size} images");
        let sentence = verdict(
            &format!("Gain over `{BASELINE}` in points of accuracy"),
            Direction::Higher,
            (&name(least), &gain(least)),
            (&name(most), &gain(most)),
        )?;
        Ok(vec![sentence])
    }

    /// Distances in the embedding: the paper's system against real images and against every other system.
    fn tighter(&self) -> Result<Vec<String>> {
        let mut sentences = Vec::new();
        for &size in &self.about.sizes {
            for other in self.about.systems.iter().filter(|system| *system != OURS) {
                let better = self.by_seed(OURS, size, "centre_distance");
                let worse = self.by_seed(other, size, "centre_distance");
                let name = if other == BASELINE {
                    "real images"
                } else {
                    other
                };
                let sentence = verdict(
                    &format!("With {size} images, distance to the centre"),
                    Direction::Lower,
                    (OURS, &better),
                    (name, &worse),
                )?;
                sentences.push(sentence);
            }
        }
        Ok(sentences)
    }
}
