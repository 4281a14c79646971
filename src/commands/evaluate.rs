//! `histogen evaluate`: any two sets of images, or of features made elsewhere; useful on its own.

use std::path::Path;

use burn::tensor::Device;
use serde::Serialize;

use super::session::{configure_otherwise, feature_cache};
use super::{Answer, Outcome, sample};
use crate::cli::Evaluate;
use crate::config::Config;
use crate::data::{ImageFolder, PatchStore, PatchSubset, Split};
use crate::error::{Result, refuse, unknown_name};
use crate::evaluation::{Bench, PathBench};
use crate::features::{FeatureFile, is_feature_file};
use crate::images::ImageSource;
use crate::metrics::{self, Selection};
use crate::models::GenerativeModel;
use crate::random::Random;
use crate::report::{Cell, Column, Row, Summary, Table};
use crate::samples;
use crate::tracker::ScoreRecord;

/// The profile without `--profile`: the settings of the literature.
const PROFILE: &str = "paper";

pub(super) fn run(arguments: &Evaluate) -> Outcome {
    let selection = metrics::select(&arguments.metrics)?;
    let config = configure_otherwise(PROFILE, "table1", &arguments.settings, None)?;
    let (generated, real) = (
        Subject::of(&arguments.generated)?,
        Subject::of(&arguments.real)?,
    );
    if arguments.repeat == 0 {
        return Err(refuse("`--repeat` is 0", "measure at least once"));
    }
    if arguments.repeat > 1 && !matches!(generated, Subject::Run(_)) {
        return Err(refuse(
            format!(
                "`--repeat` draws new images each time: `{}` is not a run",
                arguments.generated.display()
            ),
            "give a run first, or leave `--repeat` out",
        ));
    }
    let split = split(arguments.split.as_deref(), [&generated, &real])?;
    let scores = match (&generated, &real) {
        (Subject::Features(generated), Subject::Features(real)) => {
            of_features(arguments, &config, &selection, generated, real)?
        }
        (Subject::Features(path), other) | (other, Subject::Features(path)) => {
            return Err(refuse(
                format!(
                    "`{}` is a file of features, `{}` holds images: what made the features is not known",
                    path.display(),
                    other.path().display()
                ),
                "give two files of features, or two sets of images",
            ));
        }
        _ => of_images(arguments, &config, &selection, split, &generated, &real)?,
    };
    let scores: Vec<Repeated> = scores
        .into_iter()
        .filter(|repeated| is_asked_for(&repeated.score, &arguments.metrics))
        .collect();
    let mut warnings: Vec<&str> = Vec::new();
    for Repeated { score, .. } in &scores {
        if !score.warning.is_empty() && !warnings.contains(&score.warning.as_str()) {
            eprintln!("warning: {}", score.warning);
            warnings.push(&score.warning);
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&scores)?);
    } else {
        println!("{}", table(&scores)?.terminal());
    }
    let failed = scores
        .iter()
        .any(|repeated| !repeated.score.failure.is_empty());
    Ok(if failed { Answer::No } else { Answer::Yes })
}

/// What one side of the comparison is.
enum Subject<'a> {
    Run(&'a Path),
    Store(&'a Path),
    Folder(&'a Path),
    Features(&'a Path),
}

impl<'a> Subject<'a> {
    fn of(path: &'a Path) -> Result<Self> {
        if is_feature_file(path) {
            return Ok(Self::Features(path));
        }
        if !path.is_dir() {
            return Err(refuse(
                format!("no folder `{}` to read images from", path.display()),
                "give a run, a patch store, a folder of images, or a file of features (`.npy`, `.safetensors`)",
            ));
        }
        Ok(if path.join("config.toml").exists() {
            Self::Run(path)
        } else if path.join("store.toml").exists() {
            Self::Store(path)
        } else {
            Self::Folder(path)
        })
    }

    fn path(&self) -> &'a Path {
        match self {
            Self::Run(path) | Self::Store(path) | Self::Folder(path) | Self::Features(path) => path,
        }
    }

    /// The images of a store or a folder: `count` of them drawn with `seed`, or all.
    fn images(
        &self,
        split: Split,
        count: Option<usize>,
        seed: u64,
    ) -> Result<Box<dyn ImageSource>> {
        let path = self.path();
        let chosen = |all| chosen(path, "images", all, count, seed);
        if let Self::Store(path) = self {
            let store = PatchStore::open(path)?;
            let mut indices = store.indices(split);
            if let Some(chosen) = chosen(indices.len())? {
                indices = chosen.into_iter().map(|place| indices[place]).collect();
            }
            return Ok(Box::new(PatchSubset::new(store, indices)));
        }
        let images = ImageFolder::open(path)?;
        Ok(Box::new(match chosen(images.count())? {
            Some(chosen) => images.select(&chosen),
            None => images,
        }))
    }

    /// The last part of its path: for captions.
    fn name(&self) -> String {
        let path = self.path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// Which `count` of `all` are taken; none where all are.
fn chosen(
    path: &Path,
    what: &str,
    all: usize,
    count: Option<usize>,
    seed: u64,
) -> Result<Option<Vec<usize>>> {
    let Some(count) = count else {
        return Ok(None);
    };
    if count > all {
        return Err(refuse(
            format!(
                "`{}` has {all} {what}, `--images` asks for {count}",
                path.display()
            ),
            format!("ask for {all} or fewer"),
        ));
    }
    Ok(Some(
        Random::new(seed)
            .stream("evaluated images")
            .choose(all, count),
    ))
}

/// A score, over several sampling seeds if it was measured with several.
#[derive(Serialize)]
struct Repeated {
    #[serde(flatten)]
    score: ScoreRecord,
    /// The sampling seeds, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seeds: Vec<u64>,
    /// The number of each seed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<f64>,
}

impl Repeated {
    fn once(score: ScoreRecord) -> Self {
        Self {
            score,
            seeds: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The mean of one score over `seeds`. One that failed fails it: a mean over the rest would hide it.
    fn over(seeds: &[u64], scores: &[ScoreRecord]) -> Result<Self> {
        let values: Vec<f64> = scores.iter().filter_map(|score| score.value).collect();
        if values.len() < scores.len() {
            let failed = scores.iter().find(|score| score.value.is_none());
            return Ok(Self::once(failed.unwrap_or(&scores[0]).clone()));
        }
        let summary = Summary::of(&values)?;
        let mut score = scores[0].clone();
        score.value = Some(summary.mean);
        score.spread = summary.deviation;
        score.spread_of = format!("standard deviation over {} sampling seeds", seeds.len());
        Ok(Self {
            score,
            seeds: seeds.to_vec(),
            values,
        })
    }
}

fn of_features(
    arguments: &Evaluate,
    config: &Config,
    selection: &Selection,
    generated: &Path,
    real: &Path,
) -> Result<Vec<Repeated>> {
    let settings = &arguments.settings;
    for (option, given) in [
        ("--features", settings.features.is_some()),
        ("--weights", settings.weights.is_some()),
    ] {
        if given {
            return Err(refuse(
                format!("`{option}` has no meaning for files of features: nothing is extracted"),
                format!("leave `{option}` out, or give images"),
            ));
        }
    }
    refuse_path_lengths(selection, generated)?;
    let seed = config.evaluation.seed;
    let open = |path: &Path| -> Result<FeatureFile> {
        let file = FeatureFile::open(path)?;
        let chosen = chosen(path, "rows", file.rows, arguments.images, seed)?;
        Ok(match chosen {
            Some(chosen) => file.select(chosen),
            None => file,
        })
    };
    let reference = Subject::Features(real).name();
    let (real, generated) = (open(real)?, open(generated)?);
    let bench = Bench::of_features(
        &config.evaluation.metrics,
        &arguments.metrics,
        &reference,
        &real,
    )?;
    let scores = bench.measure_features(&generated)?;
    Ok(scores.into_iter().map(Repeated::once).collect())
}

fn of_images(
    arguments: &Evaluate,
    config: &Config,
    selection: &Selection,
    split: Split,
    generated: &Subject<'_>,
    real: &Subject<'_>,
) -> Result<Vec<Repeated>> {
    let device = config.compute.open()?;
    let model = if let Subject::Run(path) = generated {
        Some(sample::load(path, None, &device)?)
    } else {
        refuse_path_lengths(selection, generated.path())?;
        None
    };
    // Path lengths alone need no real images.
    let wants_features = arguments.metrics.is_empty() || !selection.metrics.is_empty();
    let mut scores = Vec::new();
    let mut shape = None;
    if wants_features {
        let model = model.as_deref();
        let (measured, found) =
            against_real(arguments, config, &device, model, split, generated, real)?;
        scores.extend(measured);
        shape = Some(found);
    }
    if let (Some(model), false) = (&model, selection.path_lengths.is_empty()) {
        let (size, channels) = if let Some(shape) = shape {
            shape
        } else {
            let image = model.sample(&[0])?;
            (image.size, image.channels)
        };
        let bench = PathBench::new(
            &config.evaluation,
            &selection.path_lengths,
            size,
            channels,
            &device,
        )?;
        let lengths = bench.measure(model.as_ref()).into_iter();
        scores.extend(lengths.map(Repeated::once));
    }
    Ok(scores)
}

/// The scores of generated against real images, and the size and channels of both.
fn against_real(
    arguments: &Evaluate,
    config: &Config,
    device: &Device,
    model: Option<&dyn GenerativeModel>,
    split: Split,
    generated: &Subject<'_>,
    real: &Subject<'_>,
) -> Result<(Vec<Repeated>, (usize, usize))> {
    let seed = config.evaluation.seed;
    let cache = feature_cache(&arguments.settings.out);
    let images: Box<dyn ImageSource> = match real {
        Subject::Run(path) => {
            let Some(count) = arguments.images else {
                return Err(refuse(
                    format!(
                        "`{}` is a run: it can make any number of images",
                        path.display()
                    ),
                    "say how many with `--images N`",
                ));
            };
            let model = sample::load(path, None, device)?;
            Box::new(samples::spool(model.as_ref(), count, seed, &cache)?)
        }
        _ => real.images(split, arguments.images, seed)?,
    };
    let name = match real {
        Subject::Store(_) => format!("{} split of {}", split.name(), real.name()),
        _ => real.name(),
    };
    let (count, shape) = (images.count(), (images.size(), images.channels()));
    let bench = Bench::new(
        &config.evaluation,
        &arguments.metrics,
        &name,
        images.as_ref(),
        device,
        &cache,
    )?;
    let Some(model) = model else {
        let images = generated.images(split, arguments.images, seed)?;
        let scores = bench.measure(images.as_ref())?.into_iter();
        return Ok((scores.map(Repeated::once).collect(), shape));
    };
    let seeds: Vec<u64> = (seed..).take(arguments.repeat).collect();
    let mut measured: Vec<Vec<ScoreRecord>> = Vec::new();
    for &seed in &seeds {
        measured.push(bench.measure(&samples::spool(model, count, seed, &cache)?)?);
    }
    let scores = if let [once] = measured.as_slice() {
        once.iter().cloned().map(Repeated::once).collect()
    } else {
        (0..measured[0].len())
            .map(|place| {
                let of_seeds = measured.iter().map(|scores| scores[place].clone());
                Repeated::over(&seeds, &of_seeds.collect::<Vec<_>>())
            })
            .collect::<Result<_>>()?
    };
    Ok((scores, shape))
}

/// The split called `name`, which only means something if a store is among `subjects`; the test split without a name.
fn split(name: Option<&str>, subjects: [&Subject<'_>; 2]) -> Result<Split> {
    let Some(name) = name else {
        return Ok(Split::Test);
    };
    let is_store = |subject: &&Subject<'_>| matches!(subject, Subject::Store(_));
    if !subjects.iter().any(is_store) {
        let [generated, real] = subjects.map(|subject| subject.path().display());
        return Err(refuse(
            format!(
                "`--split` has no meaning: neither `{generated}` nor `{real}` is a patch store"
            ),
            "leave it out",
        ));
    }
    let known = Split::ALL.into_iter().find(|split| split.name() == name);
    known.ok_or_else(|| unknown_name("split", name, Split::ALL.map(Split::name)))
}

/// Refuses path lengths of what has no latent space.
fn refuse_path_lengths(selection: &Selection, path: &Path) -> Result<()> {
    match selection.path_lengths.first() {
        None => Ok(()),
        Some(length) => Err(refuse(
            format!(
                "`{}` needs a latent space: `{}` is not a run",
                length.definition.name,
                path.display()
            ),
            "give a run first, or leave that metric out",
        )),
    }
}

/// A score counts as asked for by its own name, by its family's, or when nothing was named.
fn is_asked_for(score: &ScoreRecord, names: &[String]) -> bool {
    names.is_empty()
        || names.contains(&score.name)
        || (names.contains(&score.protocol.metric)
            && metrics::definition(&score.protocol.metric).is_none())
}

fn table(scores: &[Repeated]) -> Result<Table> {
    let columns = vec![Column::new("value", None), Column::new("protocol", None)];
    let mut table = Table::new("Evaluation", "score", columns);
    for Repeated { score, .. } in scores {
        let value = match (score.value, score.spread) {
            (Some(value), Some(spread)) => {
                Cell::Text(format!("{value:.6} ({} {spread:.6})", score.spread_of))
            }
            (Some(value), None) => Cell::Text(format!("{value:.6}")),
            (None, _) if !score.absent.is_empty() => Cell::Absent(score.absent.clone()),
            (None, _) => Cell::Failed(score.failure.clone()),
        };
        table.push(Row {
            name: score.name.clone(),
            reference: false,
            cells: vec![value, Cell::Text(score.protocol_id.clone())],
        })?;
        let mut sentences = vec![score.protocol.describe()];
        if !score.warning.is_empty() {
            sentences.push(format!("Warning: {}.", score.warning));
        }
        for sentence in sentences {
            if !table.caption.contains(&sentence) {
                table.caption.push(sentence);
            }
        }
    }
    Ok(table)
}
