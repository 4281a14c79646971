//! Duplicates within a set of images: the same bytes, and pairs that features say are all but the same.

use std::collections::HashMap;

use serde::Serialize;

use super::Similarity;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::features::{FeatureFile, Features};
use crate::images::ImageSource;
use crate::metrics::close_pairs;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duplicates {
    /// Images in the set.
    pub images: usize,
    /// Images with the same bytes, by their places in the set: groups of two or more.
    pub identical: Vec<Vec<usize>>,
    /// Pairs with the same bytes.
    pub identical_pairs: u64,
    /// Pairs that are as alike as the threshold or more and have other bytes; none without a threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_pairs: Option<u64>,
    /// The pairs with other bytes that are most alike, with their scores: the most alike first.
    pub closest: Vec<(usize, usize, f64)>,
}

/// Looks for duplicates among `images`, whose features are `features`: a pair counts as one where its score is `threshold` or
/// better. `keep` pairs are named, of one image of each group of identical ones.
///
/// Scores are those of f32 rows: cosines are off by 1e-6 at most.
///
/// # Errors
/// Refuses fewer than two images, a threshold that no pair can have, and features that are not finite.
pub fn find_duplicates(
    images: &dyn ImageSource,
    features: &FeatureFile,
    similarity: Similarity,
    threshold: Option<f64>,
    keep: usize,
) -> Result<Duplicates> {
    let count = images.count();
    if count < 2 {
        return Err(refuse(
            format!("{count} images have no pairs"),
            "give a set of at least two images",
        ));
    }
    let possible = match similarity {
        Similarity::Cosine => -1.0..=1.0,
        Similarity::Euclidean => 0.0..=f64::MAX,
    };
    if let Some(threshold) = threshold.filter(|threshold| !possible.contains(threshold)) {
        return Err(refuse(
            format!(
                "`--threshold` is {threshold}, which is no {}",
                similarity.name()
            ),
            match similarity {
                Similarity::Cosine => "set a cosine up to 1, for example 0.999",
                Similarity::Euclidean => "set a distance of 0 or more",
            },
        ));
    }
    let identical = identical(images)?;
    let pairs_in = |group: &Vec<usize>| (group.len() * (group.len() - 1) / 2) as u64;
    let identical_pairs = identical.iter().map(pairs_in).sum();

    // Every image of a group has the same features: of each the first stands for all, and counts for as many.
    let mut copies = vec![1u64; count];
    for group in &identical {
        copies[group[0]] = group.len() as u64;
        for &copy in &group[1..] {
            copies[copy] = 0;
        }
    }
    let distinct: Vec<usize> = (0..count).filter(|&index| copies[index] > 0).collect();
    let all = Features::join(count, features.blocks())?;
    all.check_finite("the set", 0)?;
    let rows = similarity.comparable(all.select(&distinct))?;
    drop(all);
    let limit = threshold.map_or(-1.0, |threshold| similarity.to_squared_distance(threshold));
    copies.retain(|&copies| copies > 0);
    let found = close_pairs(&rows, &copies, limit, keep);
    let closest = found.closest.iter().map(|pair| {
        let score = similarity.of_squared_distance(pair.squared_distance);
        (distinct[pair.first], distinct[pair.second], score)
    });
    Ok(Duplicates {
        images: count,
        identical_pairs,
        near_pairs: threshold.map(|_| found.within),
        closest: closest.collect(),
        identical,
    })
}

/// The places of images with the same bytes.
fn identical(images: &dyn ImageSource) -> Result<Vec<Vec<usize>>> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(images.count());
    let mut index = 0;
    for block in images.blocks() {
        let block = block?;
        for image in 0..block.count {
            places
                .entry(sha256(block.image(image)))
                .or_default()
                .push(index);
            index += 1;
        }
    }
    let mut groups: Vec<Vec<usize>> = places
        .into_values()
        .filter(|group| group.len() > 1)
        .collect();
    groups.sort();
    Ok(groups)
}
