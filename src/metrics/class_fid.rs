//! Fréchet distances class by class: their mean and the worst of them.
//!
//! FID (`fid.rs`) of the images of each class against the real ones of that class, as conditional models are measured (Brock et
//! al. 2019, arXiv 1809.11096, call it intra-class FID; Miyato and Koyama 2018, arXiv 1802.05637). A model that is good on
//! average and drops a rare class shows here. A class has fewer images than the set, so these are biased upwards further than
//! FID: numbers compare where each class has as many images.
//!
//! It needs the class of every image of both sides, and both to have the same classes.

use std::collections::BTreeMap;

use crate::error::{Result, refuse};
use crate::features::Features;
use crate::linalg::Rows;

use super::fid::{DDOF, rank_warning};
use super::gaussian::Gaussian;
use super::{
    Comparison, Direction, GENERATED, Metric, MetricSettings, REAL, Score, ScoreDefinition, check,
};

/// Fréchet distance class by class.
#[derive(Clone, Copy, Debug)]
pub struct ClassFid;

impl Metric for ClassFid {
    fn name(&self) -> &'static str {
        "fid-by-class"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[
            ScoreDefinition {
                name: "class-fid",
                title: "FID by class",
                direction: Direction::Lower,
                spread: "standard deviation over classes",
            },
            ScoreDefinition {
                name: "worst-class-fid",
                title: "FID of the worst class",
                direction: Direction::Lower,
                spread: "",
            },
        ]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        DDOF + 1
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("ddof", DDOF.to_string()),
            ("mean", "over classes".to_owned()),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let [generated, real] = comparison.classes.as_ref().map_err(|side| unknown(side))?;
        let (generated, real) = (by_class(generated), by_class(real));
        let mut distances = Vec::with_capacity(real.len());
        let mut fewest = usize::MAX;
        for class in generated.keys().chain(real.keys()) {
            if !(generated.contains_key(class) && real.contains_key(class)) {
                return Err(lacking(class, generated.contains_key(class)));
            }
        }
        for (class, real) in &real {
            let generated = &generated[class];
            fewest = fewest.min(real.len()).min(generated.len());
            let side = |what, features: &Features, places: &[usize]| {
                gaussian(what, class, &features.select(places))
            };
            let generated = side(GENERATED, comparison.generated, generated)?;
            let real = side(REAL, comparison.real, real)?;
            distances.push((generated.distance(&real)?.distance(), *class));
        }
        let count = distances.len() as f64;
        let mean = distances.iter().map(|(distance, _)| distance).sum::<f64>() / count;
        let squares = distances
            .iter()
            .map(|(distance, _)| (distance - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        let worst = distances.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let (largest, class) = worst.expect("there is a class");
        let warning = rank_warning("class-fid", fewest, comparison.real.columns);
        Ok(vec![
            Score {
                spread: Some(deviation),
                warning,
                ..Score::new("class-fid", mean)
            },
            Score {
                warning: format!("`worst-class-fid` is that of the class `{class}`"),
                ..Score::new("worst-class-fid", *largest)
            },
        ])
    }
}

/// The places of the images of each class.
fn by_class(classes: &[String]) -> BTreeMap<&str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, class) in classes.iter().enumerate() {
        places.entry(class).or_default().push(place);
    }
    places
}

fn gaussian(what: &str, class: &str, features: &Features) -> Result<Gaussian> {
    if features.rows <= DDOF {
        return Err(refuse(
            format!(
                "`fid-by-class` needs two images of every class, and {what} have one of `{class}`"
            ),
            "give it more images, or leave that class out on both sides",
        ));
    }
    Gaussian::of(Rows::from(features), DDOF)
}

fn unknown(side: &str) -> anyhow::Error {
    refuse(
        format!("`fid-by-class` needs the class of every image, and those of {side} are not known"),
        "give patch stores, folders with a folder a class, or a run of a model with classes",
    )
}

fn lacking(class: &str, is_generated: bool) -> anyhow::Error {
    let (lacks, has) = if is_generated {
        (REAL, GENERATED)
    } else {
        (GENERATED, REAL)
    };
    refuse(
        format!(
            "`fid-by-class` needs the same classes on both sides: {lacks} have none of `{class}`, {has} have"
        ),
        "name classes alike, or leave that class out on both sides",
    )
}
