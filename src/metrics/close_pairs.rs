//! The pairs of images of one set that are closest in feature space: what a test for duplicates looks at.

use rayon::prelude::*;

use super::pairs::Pairs;
use crate::features::Features;
use crate::linalg::Rows;

/// Two rows of a set, the first before the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosePair {
    /// Their squared distance.
    pub squared_distance: f64,
    /// The row that comes first.
    pub first: usize,
    /// The other one.
    pub second: usize,
}

/// What was found among all pairs of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosePairs {
    /// How many pairs are at most the limit apart.
    pub within: u64,
    /// The closest pairs, the closest first; at one distance in the order of their rows.
    pub closest: Vec<ClosePair>,
}

/// Goes through all pairs of rows of `features`: how many are at most `squared_limit` apart (none if it is negative), and the
/// `keep` closest ones. A row that stands for several images, see `copies`, counts as often.
///
/// Distances are exact as those of the neighbours are: most pairs are ruled out by matrix products, whose rounding is bounded.
/// Memory beside the features is that of a few blocks of products.
pub fn close_pairs(
    features: &Features,
    copies: &[u64],
    squared_limit: f64,
    keep: usize,
) -> ClosePairs {
    assert_eq!(copies.len(), features.rows, "copies of each row");
    let rows = Rows::new(features.rows, features.columns, &features.values);
    let pairs = Pairs::within(rows, false);
    let mut found = ClosePairs {
        within: 0,
        closest: Vec::with_capacity(keep),
    };
    pairs.each_block(|panel, other, block| {
        // What is further than both the limit and the worst of those kept is of no interest.
        let worst = match found.closest.last() {
            Some(last) if found.closest.len() >= keep => last.squared_distance,
            _ if keep == 0 => f64::NEG_INFINITY,
            _ => f64::INFINITY,
        };
        let reach = worst.max(squared_limit) * pairs.unit;
        let of_rows = panel.clone().into_par_iter().map(|row| {
            let (mut within, mut near) = (0, Vec::new());
            for (columns, products) in block.row(row - panel.start) {
                let first = other.start + columns.start;
                pairs.each_within(
                    row,
                    first,
                    products,
                    |_| reach,
                    |place| {
                        let column = first + place;
                        // In the blocks on the diagonal each pair is seen from both sides.
                        if column < row {
                            let squared_distance = pairs.squared_distance(row, column);
                            if squared_distance <= squared_limit {
                                within += copies[row] * copies[column];
                            }
                            if squared_distance <= worst {
                                near.push(ClosePair {
                                    squared_distance,
                                    first: column,
                                    second: row,
                                });
                            }
                        }
                    },
                );
            }
            near.sort_by(in_order);
            near.truncate(keep);
            (within, near)
        });
        let of_rows: Vec<(u64, Vec<ClosePair>)> = of_rows.collect();
        for (within, near) in of_rows {
            found.within += within;
            found.closest.extend(near);
        }
        found.closest.sort_by(in_order);
        found.closest.truncate(keep);
    });
    found
}

fn in_order(one: &ClosePair, other: &ClosePair) -> std::cmp::Ordering {
    let places = |pair: &ClosePair| (pair.first, pair.second);
    one.squared_distance
        .total_cmp(&other.squared_distance)
        .then_with(|| places(one).cmp(&places(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::squared_distance;
    use crate::random::Random;

    /// All pairs, one after the other.
    fn plainly(features: &Features, copies: &[u64], squared_limit: f64, keep: usize) -> ClosePairs {
        let mut all = Vec::new();
        for second in 0..features.rows {
            for first in 0..second {
                all.push(ClosePair {
                    squared_distance: squared_distance(features.row(first), features.row(second)),
                    first,
                    second,
                });
            }
        }
        all.sort_by(in_order);
        let within = all
            .iter()
            .filter(|pair| pair.squared_distance <= squared_limit);
        let within = within.map(|pair| copies[pair.first] * copies[pair.second]);
        let within = within.sum();
        all.truncate(keep);
        ClosePairs {
            within,
            closest: all,
        }
    }

    #[test]
    fn the_closest_pairs_are_those_found_one_after_the_other() {
        for (rows, columns, rounded) in [(2, 3, false), (150, 5, true), (1500, 9, false)] {
            let values = Random::new(4).stream("close pairs").normals(rows * columns);
            // Rounded values have many equal distances, zero among them.
            let values = values
                .into_iter()
                .map(|value| if rounded { value.round() } else { value });
            let features = Features::new(rows, columns, values.collect());
            let copies: Vec<u64> = (0..rows as u64).map(|row| 1 + row % 3 / 2).collect();
            for (limit, keep) in [(-1.0, 7), (0.0, 7), (3.0, 20), (2.0, 0)] {
                let found = close_pairs(&features, &copies, limit, keep);
                assert_eq!(
                    found,
                    plainly(&features, &copies, limit, keep),
                    "{rows} rows"
                );
            }
        }
    }
}
