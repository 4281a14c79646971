//! A metric of one's own in a table of one's own: how far the means of the features lie apart.
//!
//!     cargo run --release --example own_metric [-- FOLDER]
//!
//! The profile is `smoke`, so the numbers mean nothing; runs and reports go into FOLDER, `target/own-metric` without it.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use histogen::error::Result;
use histogen::experiment::{Silent, reproduce, resolve};
use histogen::features::Features;
use histogen::metrics::{
    self, Comparison, Direction, METRICS, Metric, MetricSettings, Score, ScoreDefinition,
};
use histogen::report::TableDefinition;
use histogen::workspace::Workspace;

/// The Euclidean distance of the mean features of generated and real images: the first term of FID, under its root.
struct MeanDistance;

impl Metric for MeanDistance {
    fn name(&self) -> &'static str {
        "mean-distance"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "mean-distance",
            title: "distance of means",
            direction: Direction::Lower,
            spread: "",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        1
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        metrics::check(self, comparison)?;
        let (generated, real) = (mean(comparison.generated), mean(comparison.real));
        let squares = generated.iter().zip(&real).map(|(a, b)| (a - b).powi(2));
        let distance = squares.sum::<f64>().sqrt();
        Ok(vec![Score::new("mean-distance", distance)])
    }
}

/// The mean of every feature.
fn mean(features: &Features) -> Vec<f64> {
    let mut mean = vec![0.0; features.columns];
    for row in features.values.chunks_exact(features.columns) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value) / features.rows as f64;
        }
    }
    mean
}

static TABLE: TableDefinition = TableDefinition {
    name: "means",
    title: "FID and how far the means lie apart",
    caption: "",
    scores: &["fid", "mean-distance"],
    optional: &[],
    remark: "",
};

fn main() -> Result<()> {
    METRICS.add(&MeanDistance)?;
    let folder = std::env::args().nth(1);
    let workspace = Workspace::new(folder.unwrap_or_else(|| "target/own-metric".to_owned()));
    let rows = "systems=[{ name = 'dcgan' }, { name = 'lsgan' }]".to_owned();
    let config = resolve("table1", "smoke", &[rows, "name=own-metric".to_owned()])?;
    let outcome = reproduce(&config, &[&TABLE], &workspace, &mut Silent)?;
    println!("{}", outcome.tables[0].table.terminal());
    Ok(())
}
