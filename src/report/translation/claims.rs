//! The claims audit of paired models: what arXiv 2402.18286 says, and what our runs say about it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{TranslationRecord, learning_curves, steps_to_reach};
use crate::error::Result;
use crate::metrics::{Direction, paired as metrics};
use crate::report::statistics::Paired;
use crate::report::{Claim, Record, RunOutcome};

/// `baselines/kazimi-2024.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paper {
    #[serde(rename = "paper")]
    title: String,
    arxiv: String,
    claims: BTreeMap<String, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    number: usize,
    title: String,
    says: String,
}

impl Paper {
    fn load() -> Self {
        toml::from_str(include_str!("../../../baselines/kazimi-2024.toml"))
            .expect("a test reads this file")
    }
}

/// How the paper is cited.
pub fn translation_source() -> String {
    let paper = Paper::load();
    format!("{} (arXiv {})", paper.title, paper.arxiv)
}

/// Every claim with what the runs of `record` say about it; none for an experiment without pretrained rows.
///
/// # Errors
/// Fails if a ledger cannot be read, or a number in one is not finite.
pub fn translation_claims(
    record: &Record,
    about: &TranslationRecord,
    outcomes: &[Vec<RunOutcome>],
    out: &Path,
) -> Result<Vec<Claim>> {
    let score = metrics::definition(&about.score);
    let direction = score.map_or(Direction::Higher, |score| score.direction);
    let runs = Runs {
        record,
        about,
        outcomes,
        out,
        direction,
        title: score.map_or("score", |score| score.title),
    };
    let has_both = about
        .cases()
        .iter()
        .any(|case| case.random.is_some() && case.pretrained.is_some());
    if !has_both {
        return Ok(Vec::new());
    }
    let paper = Paper::load();
    let mut claims = Vec::new();
    for (name, text) in paper.claims {
        let found = match name.as_str() {
            "faster" => runs.faster()?,
            "smaller" => runs.smaller()?,
            "labels" => runs.labels()?,
            _ => unreachable!("a test reads every claim"),
        };
        claims.push(Claim {
            number: text.number,
            title: text.title,
            says: text.says,
            found,
        });
    }
    claims.sort_by_key(|claim| claim.number);
    Ok(claims)
}

struct Runs<'a> {
    record: &'a Record,
    about: &'a TranslationRecord,
    outcomes: &'a [Vec<RunOutcome>],
    out: &'a Path,
    direction: Direction,
    title: &'static str,
}

impl Runs<'_> {
    fn row(&self, name: Option<&str>) -> &[RunOutcome] {
        let mut rows = self.record.rows.iter();
        let place = rows.position(|row| Some(row.name.as_str()) == name);
        place.map_or(&[], |place| &self.outcomes[place])
    }

    /// The main score of every training of a row that finished, by its seed.
    fn scores(&self, name: Option<&str>) -> Vec<(u64, f64)> {
        let finished = self
            .row(name)
            .iter()
            .filter(|outcome| outcome.state.is_complete());
        let score = &self.about.score;
        finished
            .filter_map(|outcome| Some((outcome.seed?, outcome.score(score)?.value?)))
            .collect()
    }

    /// How much better `first` is than `second`, seed by seed: above 0 is better. None without a common seed.
    fn gain(&self, first: &[(u64, f64)], second: &[(u64, f64)]) -> Result<Option<Paired>> {
        let pairs = first.iter().filter_map(|(seed, value)| {
            let other = second.iter().find(|(of_other, _)| of_other == seed)?;
            Some(match self.direction {
                Direction::Higher => (*value, other.1),
                Direction::Lower => (other.1, *value),
            })
        });
        let (left, right): (Vec<f64>, Vec<f64>) = pairs.unzip();
        if left.is_empty() {
            return Ok(None);
        }
        Paired::of(&left, &right).map(Some)
    }

    /// At how many cases the pretrained network needs fewer steps for the random one's score in the end.
    fn faster(&self) -> Result<Vec<String>> {
        let (mut earlier, mut all) = (0, 0);
        let mut fractions = Vec::new();
        for case in self.about.cases() {
            let curves =
                |name: Option<&str>| learning_curves(self.row(name), &self.about.score, self.out);
            let (random, pretrained) = (curves(case.random)?, curves(case.pretrained)?);
            for random in &random {
                let same = pretrained.iter().find(|other| other.seed == random.seed);
                let (Some((steps, score)), Some(curve)) = (random.end(), same) else {
                    continue;
                };
                all += 1;
                if let Some(needed) = steps_to_reach(&curve.points, score, self.direction) {
                    earlier += usize::from(needed < steps);
                    fractions.push(needed as f64 / steps as f64);
                }
            }
        }
        if all == 0 {
            return Ok(vec![
                "Not measured: no pair of trainings has finished.".to_owned(),
            ]);
        }
        let mean = fractions.iter().sum::<f64>() / fractions.len().max(1) as f64;
        let reached = match fractions.len() {
            0 => "none of them gets there at all".to_owned(),
            count => format!(
                "the {count} that get there need {:.0} % of the steps on average",
                100.0 * mean
            ),
        };
        Ok(vec![format!(
            "Task `{}`: in {earlier} of {all} pairs of trainings (backbones, numbers of patches, seeds) the pretrained network has the \
             {} of the random one's end at an earlier measured step; {reached}. The steps of the pretraining are not counted.",
            self.about.task, self.title
        )])
    }

    /// The first backbone pretrained against the last one random, at each number of patches.
    fn smaller(&self) -> Result<Vec<String>> {
        let cases = self.about.cases();
        let (Some(small), Some(large)) = (cases.first(), cases.last()) else {
            return Ok(Vec::new());
        };
        if small.backbone == large.backbone {
            return Ok(vec![
                "Not measured: the experiment has one backbone.".to_owned(),
            ]);
        }
        let mut found = Vec::new();
        for case in cases.iter().filter(|case| case.backbone == small.backbone) {
            let mut others = cases.iter();
            let other = others
                .find(|other| (other.backbone, other.patches) == (large.backbone, case.patches));
            let pretrained = self.scores(case.pretrained);
            let random = self.scores(other.and_then(|other| other.random));
            found.push(format!(
                "{} patches: `{}` pretrained against `{}` random: {}.",
                case.patches,
                small.backbone,
                large.backbone,
                self.verdict(self.gain(&pretrained, &random)?)
            ));
        }
        Ok(found)
    }

    /// What more patches gain a random and a pretrained network.
    fn labels(&self) -> Result<Vec<String>> {
        let cases = self.about.cases();
        let mut found = Vec::new();
        let mut backbones: Vec<&str> = cases.iter().map(|case| case.backbone).collect();
        backbones.dedup();
        for backbone in backbones {
            let of = cases.iter().filter(|case| case.backbone == backbone);
            let few = of.clone().min_by_key(|case| case.patches);
            let many = of.max_by_key(|case| case.patches);
            let (Some(few), Some(many)) = (few, many) else {
                continue;
            };
            if few.patches == many.patches {
                return Ok(vec![
                    "Not measured: the experiment has one number of patches.".to_owned(),
                ]);
            }
            let random = self.gain(&self.scores(many.random), &self.scores(few.random))?;
            let pretrained =
                self.gain(&self.scores(many.pretrained), &self.scores(few.pretrained))?;
            if let (Some(random), Some(pretrained)) = (random, pretrained) {
                let (random, pretrained) = (random.summary.mean, pretrained.summary.mean);
                let verdict = if pretrained < random {
                    "labels matter less to the pretrained network"
                } else {
                    "labels do not matter less to the pretrained network"
                };
                found.push(format!(
                    "`{backbone}`: {} in place of {} patches gain {random:+.4} of {} from random weights and {pretrained:+.4} from \
                     pretrained ones: {verdict}.",
                    many.patches, few.patches, self.title
                ));
            }
        }
        if found.is_empty() {
            found.push("Not measured: trainings have not finished.".to_owned());
        }
        Ok(found)
    }

    fn verdict(&self, gain: Option<Paired>) -> String {
        let Some(gain) = gain else {
            return "not measured, they have no seed in common".to_owned();
        };
        let (mean, count) = (gain.summary.mean, gain.summary.count);
        let seeds = if count == 1 { "seed" } else { "seeds" };
        let said = match (mean > 0.0, gain.excludes_zero()) {
            (true, true) => "better, and the 95 % interval of the paired difference excludes zero",
            (false, true) => "worse, and the 95 % interval of the paired difference excludes zero",
            (true, false) => "better, which so few seeds do not establish",
            (false, false) => "worse, which so few seeds do not establish",
        };
        format!(
            "{} {said} ({:.4} over {count} {seeds})",
            self.title,
            mean.abs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_claims_of_the_paper_are_there() {
        let paper = Paper::load();
        let names: Vec<&str> = paper.claims.keys().map(String::as_str).collect();
        assert_eq!(names, ["faster", "labels", "smaller"]);
        assert!(translation_source().ends_with("(arXiv 2402.18286)"));
    }
}
