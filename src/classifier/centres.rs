//! How tight the classes lie in an embedding (arXiv 2201.09120, figure 8): the distance of images to the centre of their class.

use std::ops::Range;

use crate::error::Result;

/// Images that are embedded at a time: bounds memory.
const BLOCK: usize = 256;

/// Distances of images to the mean embedding of their class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CentreDistance {
    /// Their mean over images.
    pub mean: f64,
    /// Their standard deviation over images (n - 1).
    pub deviation: f64,
}

/// The Euclidean distance of each image to the mean embedding of its class, which is below `count`. `embed` gives the embeddings of a
/// range of the images, and is asked twice for each.
///
/// # Errors
/// Those of `embed`.
pub fn centre_distance(
    classes: &[usize],
    count: usize,
    embed: &mut dyn FnMut(Range<usize>) -> Result<Vec<Vec<f32>>>,
) -> Result<CentreDistance> {
    let images = classes.len();
    let blocks = || {
        (0..images)
            .step_by(BLOCK)
            .map(|first| first..images.min(first + BLOCK))
    };
    // The centres.
    let mut centres: Vec<Vec<f64>> = vec![Vec::new(); count];
    let mut members = vec![0usize; count];
    for block in blocks() {
        for (embedding, &class) in embed(block.clone())?.iter().zip(&classes[block]) {
            members[class] += 1;
            let centre = &mut centres[class];
            centre.resize(embedding.len(), 0.0);
            for (sum, value) in centre.iter_mut().zip(embedding) {
                *sum += f64::from(*value);
            }
        }
    }
    for (centre, &members) in centres.iter_mut().zip(&members) {
        for sum in centre {
            *sum /= members as f64;
        }
    }
    // The distances to them.
    let mut distances = Vec::with_capacity(images);
    for block in blocks() {
        for (embedding, &class) in embed(block.clone())?.iter().zip(&classes[block]) {
            let squares = embedding.iter().zip(&centres[class]);
            let squares = squares.map(|(value, centre)| (f64::from(*value) - centre).powi(2));
            distances.push(squares.sum::<f64>().sqrt());
        }
    }
    let mean = distances.iter().sum::<f64>() / images as f64;
    let squares = distances.iter().map(|distance| (distance - mean).powi(2));
    let deviation = (squares.sum::<f64>() / (images as f64 - 1.0)).sqrt();
    Ok(CentreDistance { mean, deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_to_the_mean_of_the_own_class() {
        // Class 0 about (0, 0) at distances 1, 1; class 1 about (10, 0) at 3, 3.
        let places = [[1.0f32, 0.0], [-1.0, 0.0], [10.0, 3.0], [10.0, -3.0]];
        let found = centre_distance(&[0, 0, 1, 1], 2, &mut |range| {
            Ok(places[range].iter().map(|place| place.to_vec()).collect())
        })
        .unwrap();
        assert!((found.mean - 2.0).abs() < 1e-12, "{found:?}");
        assert!(
            (found.deviation - (4.0f64 / 3.0).sqrt()).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn blocks_change_nothing() {
        let images = 700;
        let classes: Vec<usize> = (0..images).map(|image| image % 3).collect();
        let place = |image: usize| vec![(image % 7) as f32, (image % 11) as f32];
        let found = centre_distance(&classes, 3, &mut |range| Ok(range.map(place).collect()));
        let found = found.unwrap();
        // By hand, without blocks.
        let mut distances = Vec::new();
        for class in 0..3 {
            let own: Vec<Vec<f32>> = (class..images).step_by(3).map(place).collect();
            let centre: Vec<f64> = (0..2)
                .map(|axis| {
                    own.iter().map(|place| f64::from(place[axis])).sum::<f64>() / own.len() as f64
                })
                .collect();
            distances.extend(own.iter().map(|place| {
                let [x, y] = [0, 1].map(|axis| f64::from(place[axis]) - centre[axis]);
                x.hypot(y)
            }));
        }
        let mean = distances.iter().sum::<f64>() / images as f64;
        assert!((found.mean - mean).abs() < 1e-12, "{}, {mean}", found.mean);
    }
}
