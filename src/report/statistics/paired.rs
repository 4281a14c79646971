//! Differences between two systems that were trained with the same seeds, and so with the same data in the same order.

use super::Summary;
use crate::error::Result;

/// The most pairs whose signs are all tried: 2^20 of them.
pub(super) const MOST_FOR_EXACT_TEST: usize = 20;

/// The differences of one number between two systems, seed by seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Mean, standard deviation and 95 % t interval of the differences.
    pub summary: Summary,
    /// The two-sided p of the exact sign-flip test: of all ways to give the differences signs, the fraction whose mean is at
    /// least as far from zero. Its least value is 2 / 2^n: 0.25 for three seeds. None for more than
    /// `MOST_FOR_EXACT_TEST` seeds.
    ///
    /// This test and not Wilcoxon's: it is about the mean difference, which is what the table shows, is exact with ties and
    /// zeros too, and no less able to reach a small p.
    pub p: Option<f64>,
}

impl Paired {
    /// The differences `left` - `right`, which have the numbers of the same seeds in the same order.
    ///
    /// # Errors
    /// Refuses no values at all, and values that are not finite.
    pub fn of(left: &[f64], right: &[f64]) -> Result<Self> {
        assert_eq!(left.len(), right.len(), "pairs have two members");
        let pairs = left.iter().zip(right);
        let differences: Vec<f64> = pairs.map(|(left, right)| left - right).collect();
        Ok(Self {
            summary: Summary::of(&differences)?,
            p: (differences.len() <= MOST_FOR_EXACT_TEST).then(|| sign_flips(&differences)),
        })
    }

    /// Whether the 95 % interval of the difference excludes zero; one seed has no interval, and excludes nothing.
    pub fn excludes_zero(&self) -> bool {
        let excludes = |(low, high): (f64, f64)| low > 0.0 || high < 0.0;
        self.summary.interval.is_some_and(excludes)
    }
}

/// The two-sided p of the exact sign-flip test (Fisher 1935, section 21) of the hypothesis that the differences are
/// symmetric about zero.
fn sign_flips(differences: &[f64]) -> f64 {
    let sum = |signs: u32| -> f64 {
        let signed = differences.iter().enumerate();
        let signed = signed.map(|(place, value)| {
            if signs >> place & 1 == 1 {
                -value
            } else {
                *value
            }
        });
        signed.sum()
    };
    // Sums that differ by rounding alone are equal.
    let scale: f64 = differences.iter().map(|value| value.abs()).sum();
    let observed = sum(0).abs() - 1e-12 * scale;
    let count = 1u32 << differences.len();
    let extreme = (0..count).filter(|signs| sum(*signs).abs() >= observed);
    extreme.count() as f64 / f64::from(count)
}

/// The p values that Holm's procedure (1979) compares with the level: the least times their number, the next times one fewer,
/// each at least as large as the one before, and at most 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let (mut adjusted, mut largest) = (vec![0.0; p_values.len()], 0.0f64);
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[place]);
        adjusted[place] = largest.min(1.0);
    }
    adjusted
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_least_p_is_two_of_all_signs() {
        for count in 1..=10usize {
            let ones = vec![1.0; count];
            let p = Paired::of(&ones, &vec![0.0; count]).unwrap().p.unwrap();
            assert_eq!(p, (2.0 / f64::from(1u32 << count)).min(1.0), "{count}");
        }
        let many = [0.5; MOST_FOR_EXACT_TEST + 1];
        assert_eq!(Paired::of(&many, &[0.0; 21]).unwrap().p, None);
    }

    #[test]
    fn exchanging_the_systems_turns_the_difference_and_nothing_else() {
        let (left, right) = ([1.0, 4.0, 2.5, 3.0], [0.5, 5.0, 1.0, 1.0]);
        let (one, other) = (
            Paired::of(&left, &right).unwrap(),
            Paired::of(&right, &left).unwrap(),
        );
        assert_eq!(one.summary.mean, -other.summary.mean);
        assert_eq!(one.p, other.p);
        assert_eq!(one.excludes_zero(), other.excludes_zero());
    }

    #[test]
    fn equal_systems_differ_by_nothing() {
        let same = Paired::of(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            (same.summary.interval, same.p),
            (Some((0.0, 0.0)), Some(1.0))
        );
        assert!(!same.excludes_zero());
        assert!(
            !Paired::of(&[1.0], &[9.0]).unwrap().excludes_zero(),
            "one seed"
        );
        let apart = Paired::of(&[1.0, 2.1, 2.9], &[9.0, 10.0, 11.0]).unwrap();
        assert!(apart.excludes_zero());
    }
}
