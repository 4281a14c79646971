//! Scores and features of arrays, and of whatever the command line takes.

use std::path::PathBuf;
use std::sync::Arc;

use histogen::config::Config;
use histogen::error::{Result, refuse, unknown_name};
use histogen::experiment::{
    self, Compared, ComparedSet, Evaluator, ImageSet, SetComparison, StatisticsFormat,
    StatisticsPlan,
};
use histogen::features::{self, FeatureFile, Features};
use histogen::images::ImageSource;
use histogen::metrics;
use histogen::shutdown;
use histogen::workspace::Workspace;
use numpy::{PyArray1, PyArray2, PyArray4};
use pyo3::prelude::*;

use crate::bytes::ArrayBytes;
use crate::call::{Interrupted, run};
use crate::images::ArrayImages;

/// The settings of `histogen evaluate`: those of the literature.
const EXPERIMENT: &str = "table1";
const PROFILE: &str = "paper";

/// A set of images.
#[derive(FromPyObject)]
pub(crate) enum Side<'py> {
    /// An array of bytes: images x height x width x channels.
    Images(Bound<'py, PyArray4<u8>>),
    /// Features as the bytes of a `.npy` file: its header, and its numbers.
    Features(Vec<u8>, Bound<'py, PyArray1<u8>>),
    /// A run, a patch store, a folder of images or a file of features.
    Path(PathBuf),
}

/// A set of images that another thread can have.
enum Set {
    Images(ArrayImages),
    Features(FeatureFile),
    Path(PathBuf),
}

impl Set {
    /// What `side` is; messages and protocols call it `name`, if it is features.
    fn of(side: Side<'_>, name: &str) -> Result<Self> {
        Ok(match side {
            Side::Images(array) => Self::Images(ArrayImages::new(&array)),
            Side::Features(header, numbers) => {
                let bytes = Arc::new(ArrayBytes::new(header, &numbers));
                Self::Features(FeatureFile::in_memory(name, bytes)?)
            }
            Side::Path(path) => Self::Path(path),
        })
    }

    /// What `histogen evaluate` compares; none for images in memory.
    fn compared(&self) -> Option<ComparedSet<'_>> {
        match self {
            Self::Images(_) => None,
            Self::Features(file) => Some(ComparedSet::Features(file)),
            Self::Path(path) => Some(ComparedSet::Path(path)),
        }
    }
}

/// How a comparison is made: the options of `histogen evaluate`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    metrics: Vec<String>,
    images: Option<usize>,
    split: Option<String>,
    repeat: usize,
    /// Settings, `key=value` in TOML.
    settings: Vec<String>,
    /// Where features are kept; nowhere without it.
    cache: Option<PathBuf>,
}

/// The scores of `generated` against `real`, as the JSON of `histogen evaluate --json`.
#[pyfunction]
pub(crate) fn compare(
    py: Python<'_>,
    generated: Side<'_>,
    real: Side<'_>,
    options: Options,
) -> PyResult<String> {
    let sets = (
        Set::of(generated, "generated.npy"),
        Set::of(real, "real.npy"),
    );
    run(py, None, Interrupted::Leaves, move |_| {
        let config = experiment::resolve(EXPERIMENT, PROFILE, &options.settings)?;
        let temporary = tempfile::tempdir()?;
        let workspace = Workspace::new(match &options.cache {
            Some(folder) => folder,
            None => temporary.path(),
        });
        let (generated, real) = (sets.0?, sets.1?);
        match (generated.compared(), real.compared()) {
            (Some(generated), Some(real)) => {
                without_images([generated, real], &options, &config, &workspace)
            }
            _ => of_images(generated, real, &options, &config, &workspace),
        }
    })
}

/// Where no side is images in memory.
fn without_images(
    [generated, real]: [ComparedSet<'_>; 2],
    options: &Options,
    config: &Config,
    workspace: &Workspace,
) -> Result<String> {
    let comparison = SetComparison {
        generated: &[generated],
        real,
        metrics: &options.metrics,
        images: options.images,
        split: options.split.as_deref(),
        repeat: options.repeat,
    };
    let sets = experiment::compare(config, &comparison, workspace)?;
    let scores: Vec<&Compared> = sets.iter().flat_map(|set| &set.scores).collect();
    Ok(serde_json::to_string(&scores)?)
}

/// Where at least one side is images in memory.
fn of_images(
    generated: Set,
    real: Set,
    options: &Options,
    config: &Config,
    workspace: &Workspace,
) -> Result<String> {
    if let Some(length) = metrics::select(&options.metrics)?.path_lengths.first() {
        return Err(refuse(
            format!(
                "`{}` needs a latent space, and an array has none",
                length.definition.name
            ),
            "give a run, or leave that metric out",
        ));
    }
    if options.repeat != 1 {
        return Err(refuse(
            "`repeat` draws new images each time, and an array is drawn already",
            "leave it out",
        ));
    }
    let open = |set: Set| -> Result<(Box<dyn ImageSource>, String)> {
        Ok(match set {
            Set::Images(images) => (Box::new(images), "an array".to_owned()),
            Set::Features(_) => {
                return Err(refuse(
                    "one side is features, the other images: what made the features is not known",
                    "give features of both, or images",
                ));
            }
            Set::Path(path) => {
                let seed = config.evaluation.seed;
                // The split that `histogen evaluate` takes, where there is one to take.
                let split = path.join("store.toml").exists();
                let split = split.then(|| options.split.as_deref().unwrap_or("test"));
                let cache = workspace.features();
                let set = ImageSet::open(&path, split, options.images, seed, config, &cache)?;
                (set.images, set.name)
            }
        })
    };
    let ((real, name), (generated, _)) = (open(real)?, open(generated)?);
    let device = config.compute.open()?;
    let (evaluation, names) = (&config.evaluation, &options.metrics);
    let cache = workspace.features();
    let evaluator = Evaluator::new(evaluation, names, &name, real.as_ref(), &device, &cache)?;
    Ok(serde_json::to_string(
        &evaluator.measure(generated.as_ref())?,
    )?)
}

/// Writes mean and covariance of the features of the set at `set` to `target`, in the form that `format` names; says what it wrote.
/// `features` is the extractor; that of the tool without it.
#[pyfunction]
pub(crate) fn write_statistics(
    py: Python<'_>,
    set: PathBuf,
    target: PathBuf,
    format: String,
    features: Option<String>,
    mut settings: Vec<String>,
) -> PyResult<String> {
    run(py, None, Interrupted::Leaves, move |_| {
        let known = [
            StatisticsFormat::PytorchFid,
            StatisticsFormat::CleanFid,
            StatisticsFormat::Adm,
        ];
        let found = known.into_iter().find(|known| known.name() == format);
        let format = found
            .ok_or_else(|| unknown_name("format", &format, known.map(StatisticsFormat::name)))?;
        let features = features.unwrap_or_else(|| format.extractor().to_owned());
        settings.push(format!("evaluation.features.extractor={features:?}"));
        let config = experiment::resolve(EXPERIMENT, PROFILE, &settings)?;
        let temporary = tempfile::tempdir()?;
        let plan = StatisticsPlan {
            set: &set,
            format,
            images: None,
            split: None,
            target: &target,
        };
        experiment::export_statistics(&config, &plan, &Workspace::new(temporary.path()))
    })
}

/// The features of `images`, one row an image.
#[pyfunction]
pub(crate) fn extract<'py>(
    py: Python<'py>,
    images: Side<'py>,
    settings: Vec<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let set = Set::of(images, "features.npy");
    let features = run(py, progress, Interrupted::Leaves, move |teller| {
        let config = experiment::resolve(EXPERIMENT, PROFILE, &settings)?;
        let extractor = features::load(&config.evaluation.features, &config.compute.open()?)?;
        let temporary = tempfile::tempdir()?;
        let images: Box<dyn ImageSource> = match set? {
            Set::Images(images) => Box::new(images),
            Set::Features(_) => {
                return Err(refuse("what is given are features already", "give images"));
            }
            Set::Path(path) => {
                let seed = config.evaluation.seed;
                ImageSet::open(&path, None, None, seed, &config, temporary.path())?.images
            }
        };
        let (count, mut done) = (images.count(), 0);
        let blocks = images.blocks().map(|block| {
            let block = block?;
            shutdown::check()?;
            let features = extractor.extract(&block)?;
            done += block.count;
            teller.progress("features", done, count);
            Ok(features)
        });
        Features::join(count, blocks)
    })?;
    let shape = [features.rows, features.columns];
    let array = numpy::PyArray1::from_vec(py, features.values);
    numpy::PyArrayMethods::reshape(&array, shape)
}
