//! The images of a set most like a query.

use rayon::prelude::*;
use serde::Serialize;

use super::Similarity;
use crate::error::{Result, refuse};
use crate::features::{FeatureFile, Features};

/// An image that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Its place in the set.
    pub index: usize,
    /// How like the query it is, see [`Similarity::score`].
    pub score: f64,
}

/// The `k` images of `set` most like each of `queries`, the most alike first, and at one score in the order of the set.
///
/// Every score is computed, in f64; the features of the set are read a block at a time, so that memory does not grow with it.
///
/// # Errors
/// Refuses a set without images or with fewer than `k`, features of another number than the queries', and such that are not
/// finite.
pub fn nearest(
    queries: &Features,
    set: &FeatureFile,
    k: usize,
    similarity: Similarity,
) -> Result<Vec<Vec<Found>>> {
    if set.rows == 0 {
        return Err(refuse(
            "there are no images to search",
            "give a set with images",
        ));
    }
    if k == 0 || k > set.rows {
        return Err(refuse(
            format!("`-k` is {k}, the set has {} images", set.rows),
            format!("ask for 1 to {}", set.rows),
        ));
    }
    if queries.columns != set.columns {
        return Err(refuse(
            format!(
                "the query has {} features and the images of the set {}",
                queries.columns, set.columns
            ),
            "take both from the same extractor",
        ));
    }
    queries.check_finite("the queries", 0)?;
    let mut found = vec![Vec::with_capacity(k + 1); queries.rows];
    let mut before = 0;
    for block in set.blocks() {
        let block = block?;
        block.check_finite("the set", before)?;
        for (query, found) in found.iter_mut().enumerate() {
            let query = queries.row(query);
            let rows = (0..block.rows).into_par_iter();
            let scores: Vec<f64> = rows
                .map(|row| similarity.score(query, block.row(row)))
                .collect();
            for (row, score) in scores.into_iter().enumerate() {
                insert(
                    found,
                    k,
                    similarity,
                    Found {
                        index: before + row,
                        score,
                    },
                );
            }
        }
        before += block.rows;
    }
    Ok(found)
}

/// Puts `new` among the at most `k` best. Images come in the order of the set, so one at an equal score goes behind.
fn insert(found: &mut Vec<Found>, k: usize, similarity: Similarity, new: Found) {
    let rank = similarity.rank(new.score);
    let place = found.partition_point(|other| similarity.rank(other.score) <= rank);
    if place < k {
        found.insert(place, new);
        found.truncate(k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A file of features, as `numpy.save` would write it.
    fn file(features: &Features) -> (tempfile::TempDir, FeatureFile) {
        use npyz::WriterBuilder;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npy");
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[features.rows as u64, features.columns as u64])
            .writer(std::fs::File::create(&path).unwrap())
            .begin_nd()
            .unwrap();
        writer.extend(features.values.iter().copied()).unwrap();
        writer.finish().unwrap();
        let opened = FeatureFile::open(&path).unwrap();
        (folder, opened)
    }

    #[test]
    fn a_copy_is_found_first_and_ties_are_in_the_order_of_the_set() {
        let (rows, columns) = (2500, 16);
        let mut values = Random::new(1).stream("set").normals(rows * columns);
        // Rows 7, 1200 and 2400 are equal: in three blocks.
        for copy in [1200, 2400] {
            values.copy_within(7 * columns..8 * columns, copy * columns);
        }
        let set = Features::new(rows, columns, values);
        let (_folder, opened) = file(&set);
        for similarity in [Similarity::Cosine, Similarity::Euclidean] {
            let queries = set.select(&[1200, 33]);
            let found = nearest(&queries, &opened, 5, similarity).unwrap();
            let places: Vec<usize> = found[0].iter().map(|found| found.index).collect();
            assert_eq!(places[..3], [7, 1200, 2400], "{similarity:?}");
            let best = similarity.score(set.row(33), set.row(33));
            assert!(found[1][0].index == 33 && found[1][0].score.to_bits() == best.to_bits());
            // Against a sort of everything.
            for (query, found) in [1200, 33].into_iter().zip(&found) {
                let score = |row| similarity.score(set.row(query), set.row(row));
                let mut all: Vec<usize> = (0..rows).collect();
                all.sort_by(|&a, &b| {
                    similarity
                        .rank(score(a))
                        .total_cmp(&similarity.rank(score(b)))
                });
                let found: Vec<usize> = found.iter().map(|found| found.index).collect();
                assert_eq!(found, all[..5]);
            }
            let all = nearest(&queries, &opened, rows, similarity).unwrap();
            assert_eq!(all[0].len(), rows);
        }
    }

    #[test]
    fn scores_are_those_of_closed_forms() {
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        close(
            Similarity::Cosine.score(&[1.0, 0.0], &[1.0, 1.0]),
            0.5f64.sqrt(),
        );
        close(Similarity::Cosine.score(&[1.0, 2.0], &[-2.0, -4.0]), -1.0);
        close(Similarity::Cosine.score(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
        close(Similarity::Euclidean.score(&[1.0, 2.0], &[4.0, -2.0]), 5.0);
        for similarity in [Similarity::Cosine, Similarity::Euclidean] {
            let there = similarity.to_squared_distance(0.25);
            close(similarity.of_squared_distance(there), 0.25);
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let set = Features::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, f32::NAN]);
        let (_folder, opened) = file(&set);
        let message = |queries: &Features, k| {
            let found = nearest(queries, &opened, k, Similarity::Euclidean);
            found.unwrap_err().to_string()
        };
        let one = set.select(&[0]);
        assert_eq!(message(&one, 4), "`-k` is 4, the set has 3 images");
        assert_eq!(message(&one, 0), "`-k` is 0, the set has 3 images");
        assert_eq!(
            message(&one, 1),
            "feature 1 of image 2 of the set is not finite"
        );
        assert_eq!(
            message(&Features::new(1, 3, vec![0.0; 3]), 1),
            "the query has 3 features and the images of the set 2"
        );
        let (_folder, empty) = file(&Features::new(0, 2, Vec::new()));
        let error = nearest(&one, &empty, 1, Similarity::Cosine).unwrap_err();
        assert_eq!(error.to_string(), "there are no images to search");
    }
}
