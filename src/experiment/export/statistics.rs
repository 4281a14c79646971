//! Mean and covariance of the features of a set, in the forms that other tools read.

use std::path::Path;

use clap::ValueEnum;

use crate::config::{Config, EvaluationConfig};
use crate::error::{Result, refuse};
use crate::experiment::ImageSet;
use crate::experiment::subject::{Subject, subset};
use crate::features::{
    self, Copies, FeatureConfig, FeatureFile, Fitted, check_target, extract_cached,
    write_statistics,
};
use crate::images::ImageSource;
use crate::metrics::{GaussianSide, REAL};
use crate::workspace::Workspace;

/// Whose form the statistics are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatisticsFormat {
    /// `mu`, `sigma`: pytorch-fid reads it in place of a folder.
    PytorchFid,
    /// `mu`, `sigma`: clean-fid's custom statistics.
    CleanFid,
    /// `arr_0` (the images), `mu`, `sigma`, and `mu_s`, `sigma_s` of the spatial features: a reference batch of ADM's evaluator.
    Adm,
}

impl StatisticsFormat {
    /// What it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PytorchFid => "pytorch-fid",
            Self::CleanFid => "clean-fid",
            Self::Adm => "adm",
        }
    }

    /// The extractor of the tool.
    pub const fn extractor(self) -> &'static str {
        match self {
            Self::PytorchFid => "inception-v3-pytorch",
            Self::CleanFid => "inception-v3-clean",
            Self::Adm => "inception-v3",
        }
    }
}

/// The extractor of the spatial features of ADM's statistics.
const SPATIAL: &str = "inception-v3-spatial";

/// What statistics are written of.
#[derive(Clone, Copy, Debug)]
pub struct StatisticsPlan<'a> {
    /// A run, a patch store, a folder or an array of images, or a file of features.
    pub set: &'a Path,
    /// Whose form.
    pub format: StatisticsFormat,
    /// Images of the set; all that there are without it.
    pub images: Option<usize>,
    /// The split of a patch store; both without it.
    pub split: Option<&'a str>,
    /// The file to write.
    pub target: &'a Path,
}

/// Fits the features of a set and writes their mean and covariance. Says in a sentence what was written.
///
/// # Errors
/// Refuses what cannot be read, a set of fewer than two images, and features alone where the form has images in it.
pub fn export_statistics(
    config: &Config,
    plan: &StatisticsPlan<'_>,
    workspace: &Workspace,
) -> Result<String> {
    check_target(plan.target)?;
    let subject = Subject::of(plan.set)?;
    if let Subject::Features(path) = subject {
        if plan.format == StatisticsFormat::Adm {
            return Err(refuse(
                format!(
                    "`{}` is a file of features, and a batch of ADM's has images in it",
                    path.display()
                ),
                "give images, or take `--format pytorch-fid`",
            ));
        }
        let file = FeatureFile::open(path)?;
        let file = match subset(path, "rows", file.rows, plan.images, config.evaluation.seed)? {
            Some(places) => file.select(places),
            None => file,
        };
        let (side, copies) = fit(&file)?;
        return write(
            plan,
            &[(["mu", "sigma"], side)],
            None,
            "rows made elsewhere",
            &copies,
        );
    }
    let (seed, cache) = (config.evaluation.seed, workspace.features());
    let set = ImageSet::open(plan.set, plan.split, plan.images, seed, config, &cache)?;
    let images = set.images.as_ref();
    let device = config.compute.open()?;
    let hash = images.hash()?;
    let of = |extractor: &str| -> Result<(GaussianSide, Copies, String)> {
        let settings = FeatureConfig {
            extractor: extractor.to_owned(),
            ..config.evaluation.features.clone()
        };
        let extractor = features::load(&settings, &device)?;
        let file = extract_cached(extractor.as_ref(), images, &hash, &cache)?;
        let (side, copies) = fit(&file)?;
        Ok((side, copies, extractor.describe_for(images.channels())))
    };
    let EvaluationConfig { features, .. } = &config.evaluation;
    let (side, copies, described) = of(&features.extractor)?;
    let seen = format!("images seen by {described}");
    let mut fitted = vec![(["mu", "sigma"], side)];
    if plan.format != StatisticsFormat::Adm {
        return write(plan, &fitted, None, &seen, &copies);
    }
    let (spatial, _, _) = of(SPATIAL)?;
    fitted.push((["mu_s", "sigma_s"], spatial));
    write(plan, &fitted, Some(images), &seen, &copies)
}

fn fit(file: &FeatureFile) -> Result<(GaussianSide, Copies)> {
    let mut copies = Copies::default();
    let blocks = file.blocks().inspect(|block| {
        if let Ok(block) = block {
            copies.add(block);
        }
    });
    let side = GaussianSide::of(REAL, blocks)?;
    Ok((side, copies))
}

fn write(
    plan: &StatisticsPlan<'_>,
    sides: &[([&str; 2], GaussianSide)],
    images: Option<&dyn ImageSource>,
    what: &str,
    copies: &Copies,
) -> Result<String> {
    let fitted = sides
        .iter()
        .map(|(names, side)| Ok((*names, side.statistics()?)));
    let fitted = fitted.collect::<Result<Vec<_>>>()?;
    let fitted = fitted
        .iter()
        .map(|(names, (mean, covariance))| (*names, Fitted { mean, covariance }));
    write_statistics(plan.target, &fitted.collect::<Vec<_>>(), images)?;
    let count = sides[0].1.images.unwrap_or_default();
    let note = match copies.note("them") {
        note if note.is_empty() => note,
        note => format!(" ({note})"),
    };
    Ok(format!(
        "{count} {what}, {} features{note}: {}",
        sides[0].1.features,
        plan.target.display()
    ))
}
