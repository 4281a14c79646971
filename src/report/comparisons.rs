//! What related papers say of two of their systems, and what our runs of both say: the audit of the experiments that they come with.

use super::published::{PAPERS, Published};
use super::statistics::Paired;
use super::{Claim, Record, RunOutcome};
use crate::error::Result;
use crate::metrics::{self, Direction};

/// The claims of a related paper about the experiment behind `record`, with what its runs say; none for other experiments.
///
/// # Errors
/// Fails where a number in a ledger is not finite.
pub fn comparisons(record: &Record, outcomes: &[Vec<RunOutcome>]) -> Result<Vec<Claim>> {
    let papers = PAPERS.iter().map(|text| Published::parse(text));
    let compared = papers.flat_map(|paper| paper.claims);
    let ours = compared.filter(|claim| claim.experiment == record.name);
    ours.zip(1..)
        .map(|(compared, number)| {
            let found = |row: &str| {
                let place = record.rows.iter().position(|known| known.name == row);
                let outcomes = place.map_or(&[][..], |place| &outcomes[place]);
                measured(outcomes, &compared.score)
            };
            let (better, worse) = (found(&compared.better), found(&compared.worse));
            let sentence = judge(
                &compared.score,
                (&compared.better, &better),
                (&compared.worse, &worse),
            )?;
            Ok(Claim {
                number,
                title: compared.title,
                says: compared.says,
                found: vec![sentence],
            })
        })
        .collect()
}

/// The score of every training that finished, by its seed.
pub(super) fn measured(outcomes: &[RunOutcome], score: &str) -> Vec<(u64, f64)> {
    let finished = outcomes
        .iter()
        .filter(|outcome| outcome.state.is_complete());
    let found = finished.filter_map(|outcome| Some((outcome.seed?, outcome.score(score)?.value?)));
    found.collect()
}

/// What two rows say of one being better than the other.
fn judge(
    score: &str,
    better: (&str, &[(u64, f64)]),
    worse: (&str, &[(u64, f64)]),
) -> Result<String> {
    let definition = metrics::definition(score).expect("a test reads every claim");
    verdict(definition.title, definition.direction, better, worse)
}

/// What two rows say of one being better than the other by what is called `title`, seed by seed.
pub(super) fn verdict(
    title: &str,
    direction: Direction,
    better: (&str, &[(u64, f64)]),
    worse: (&str, &[(u64, f64)]),
) -> Result<String> {
    let of_both = better.1.iter().filter_map(|(seed, value)| {
        let other = worse.1.iter().find(|(of_other, _)| of_other == seed)?;
        Some((*value, other.1))
    });
    let (first, second): (Vec<f64>, Vec<f64>) = of_both.unzip();
    if first.is_empty() {
        return Ok(format!(
            "Not measured: `{}` and `{}` have no seed in common.",
            better.0, worse.0
        ));
    }
    let difference = Paired::of(&first, &second)?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let gain = match direction {
        Direction::Lower => -difference.summary.mean,
        Direction::Higher => difference.summary.mean,
    };
    let numbers = format!(
        "{} of `{}` {:.4}, of `{}` {:.4}, over {} {}",
        title,
        better.0,
        mean(&first),
        worse.0,
        mean(&second),
        first.len(),
        if first.len() == 1 { "seed" } else { "seeds" },
    );
    if gain == 0.0 {
        return Ok(format!("{numbers}: they are equal."));
    }
    let verdict = match (gain > 0.0, difference.excludes_zero()) {
        (true, true) => {
            "our runs say the same: the 95 % interval of the paired difference excludes zero"
        }
        (false, true) => {
            "our runs say the opposite: the 95 % interval of the paired difference excludes zero"
        }
        (true, false) => "in the direction of the claim, which so few seeds do not establish",
        (false, false) => "against the claim, which so few seeds do not refute",
    };
    Ok(format!("{numbers}: {verdict}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_of_published_rows_and_a_known_score() {
        let mut claims = 0;
        for paper in PAPERS.iter().map(|text| Published::parse(text)) {
            for claim in &paper.claims {
                for row in [&claim.better, &claim.worse] {
                    let number = paper.lookup(&claim.experiment, row, &claim.score);
                    assert!(number.is_some(), "{}: `{row}`", claim.title);
                }
                assert!(metrics::definition(&claim.score).is_some());
                claims += 1;
            }
        }
        assert_eq!(claims, 6);
    }

    #[test]
    fn a_claim_is_judged_by_paired_seeds() {
        let rows = |first: &[f64], second: &[f64]| {
            let seeded = |values: &[f64]| (0..).zip(values.iter().copied()).collect::<Vec<_>>();
            judge("fid", ("a", &seeded(first)), ("b", &seeded(second))).unwrap()
        };
        assert_eq!(
            rows(&[1.0], &[2.0]),
            "FID of `a` 1.0000, of `b` 2.0000, over 1 seed: in the direction of the claim, which so few seeds do not establish."
        );
        let ends = |text: String, end: &str| assert!(text.ends_with(end), "{text}");
        ends(
            rows(&[3.0], &[2.0]),
            "against the claim, which so few seeds do not refute.",
        );
        let excludes = "the 95 % interval of the paired difference excludes zero.";
        ends(
            rows(&[1.0, 1.1, 0.9], &[2.0, 2.1, 2.0]),
            &format!("our runs say the same: {excludes}"),
        );
        ends(
            rows(&[2.0, 2.1, 2.0], &[1.0, 1.1, 0.9]),
            &format!("our runs say the opposite: {excludes}"),
        );
        assert_eq!(
            rows(&[], &[2.0]),
            "Not measured: `a` and `b` have no seed in common."
        );
    }
}
