//! Transfer: the same generator, and the same MFT-SNN, measured at home and against images of another hospital, stain or organ.
//!
//! At home the held-out slides are the reference, away all slides are, for nobody was trained on them. Every number is of as many
//! images, so that the two sides of a row compare, and so do the floors: as many other images of a side, measured against its
//! reference as if they were generated. Away slides are measured as they are, and with their stain brought to that of home.

mod separation;
mod side;
mod table;

use std::path::Path;

use serde::Serialize;

use super::subject::Subject;
use super::{Evaluator, load_model};
use crate::config::Config;
use crate::data::{PatchStore, Split, StainMethod};
use crate::error::{Result, refuse};
use crate::images::{GREY, ImageSource, Pixels};
use crate::metrics;
use crate::samplers::Samplers;
use crate::samples::{self, Plan};
use crate::tracker::ScoreRecord;
use crate::workspace::Workspace;

use side::{Side, away_store};

pub use table::transfer_table;

/// What is measured against what.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// What is measured: a run, a patch store or a folder of images.
    pub generated: &'a Path,
    /// The patch store at home.
    pub home: &'a Path,
    /// A folder of slides from elsewhere, or a patch store of them.
    pub away: &'a Path,
    /// The folder of a trained MFT-SNN to measure as well.
    pub snn: Option<&'a Path>,
    /// Names of scores or of their families; the standard ones if empty.
    pub metrics: &'a [String],
    /// Images of each side, as many for the reference as for the floor; without it half of those of the smaller side.
    pub images: Option<usize>,
}

/// A score at home and away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransferRow {
    /// The score.
    pub score: String,
    /// What was done to the stain away: `none`, `macenko` or `reinhard`.
    pub stain: StainMethod,
    /// The number at home.
    pub home: Measured,
    /// The number away.
    pub away: Measured,
    /// What real images of home get, or chance.
    pub home_floor: Measured,
    /// What real images of away get, or chance.
    pub away_floor: Measured,
}

/// A number, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Why it could not be had.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// Why there cannot be one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub absent: String,
    /// The id of its protocol.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransferRecord {
    /// The rows.
    pub rows: Vec<TransferRow>,
    /// How: what is home and away, and every protocol in a sentence.
    pub notes: Vec<String>,
}

impl TransferRecord {
    /// Whether no number failed.
    pub fn is_complete(&self) -> bool {
        let cells = |row: &TransferRow| {
            let cells = [&row.home, &row.away, &row.home_floor, &row.away_floor];
            cells.iter().all(|cell| cell.failure.is_empty())
        };
        self.rows.iter().all(cells)
    }

    fn note(&mut self, sentence: String) {
        if !self.notes.contains(&sentence) {
            self.notes.push(sentence);
        }
    }
}

impl TransferRow {
    /// How much larger the number is away.
    pub fn difference(&self) -> Option<f64> {
        Some(self.away.value? - self.home.value?)
    }
}

impl From<&ScoreRecord> for Measured {
    fn from(score: &ScoreRecord) -> Self {
        Self {
            value: score.value,
            failure: score.failure.clone(),
            absent: score.absent.clone(),
            protocol: score.protocol_id.clone(),
        }
    }
}

/// The scores of a generator, and the separation of an MFT-SNN, at home and away.
///
/// # Errors
/// Refuses what cannot be read or compared, sides with too few images, and path lengths, which depend on no real images.
pub fn transfer(
    config: &Config,
    request: &Transfer<'_>,
    workspace: &Workspace,
) -> Result<TransferRecord> {
    let selection = metrics::select(request.metrics)?;
    if let Some(length) = selection.path_lengths.first() {
        return Err(refuse(
            format!(
                "`{}` depends on no real images: it is the same at home and away",
                length.definition.name
            ),
            "leave that metric out",
        ));
    }
    if !matches!(Subject::of(request.home)?, Subject::Store(_)) {
        return Err(refuse(
            format!(
                "`{}` is not a patch store: `--transfer` cuts the other slides as home was cut",
                request.home.display()
            ),
            "make one with `histogen data import`, and give that second",
        ));
    }
    let home = PatchStore::open(request.home)?;
    let away = away_store(&home, request.away, workspace)?;

    // As many images for everything.
    let seed = config.evaluation.seed;
    let home_places = home.indices(Split::Test);
    let away_places: Vec<usize> = (0..away.len()).collect();
    let count = images_of_each(request, home_places.len(), away_places.len())?;
    let home_side = Side::draw(&home, &home_places, count, seed)?;
    let away_side = Side::draw(&away, &away_places, count, seed)?;
    let mut record = TransferRecord {
        rows: Vec::new(),
        notes: vec![format!(
            "Home: {count} of the held-out patches of {} ({}). Away: {count} of the {} patches of {} ({}), {} slides, cut as at \
             home: pixels are compared as they are, whatever their scale. Floor: {count} other patches of the side.",
            home.name(),
            &home.content_hash()[..8],
            away.len(),
            away.name(),
            &away.content_hash()[..8],
            away.slides(Split::Train).len() + away.slides(Split::Test).len(),
        )],
    };
    let device = config.compute.open()?;
    let measuring = Measuring {
        config,
        request,
        workspace,
        device: &device,
    };
    let (generated, samplers) = measuring.generated(&home, count)?;
    let generated = generated.as_ref();

    // At home, and away with every treatment of the stain.
    let name = format!("test split of {}", home.name());
    let samplers = samplers.as_ref();
    let (at_home, home_floor) = measuring.scores(&name, &home_side, generated, samplers)?;
    for score in &at_home {
        record.note(score.protocol.describe());
    }
    for method in [StainMethod::None].into_iter().chain(StainMethod::ALL) {
        if method != StainMethod::None && home.channels() == GREY {
            record.note("Grey patches have no stain to normalise.".to_owned());
            continue;
        }
        let mut name = format!("all slides of {}", away.name());
        let mut side = away_side.clone();
        if method != StainMethod::None {
            name = format!("{name}, stain brought to home by {}", method.name());
            let (normalised, remarks) = away_side.normalised(&away, method, &home_side)?;
            side = normalised;
            for remark in remarks {
                record.note(remark);
            }
        }
        let (scores, floor) = measuring.scores(&name, &side, generated, samplers)?;
        for (place, score) in scores.iter().enumerate() {
            record.note(score.protocol.describe());
            record.rows.push(TransferRow {
                score: score.name.clone(),
                stain: method,
                home: Measured::from(&at_home[place]),
                away: Measured::from(score),
                home_floor: Measured::from(&home_floor[place]),
                away_floor: Measured::from(&floor[place]),
            });
        }
    }
    // Every score with its treatments together.
    let order: Vec<String> = at_home.iter().map(|score| score.name.clone()).collect();
    let place = |row: &TransferRow| order.iter().position(|name| *name == row.score);
    record.rows.sort_by_key(place);
    if let Some(folder) = request.snn {
        separation::add(config, folder, [&home, &away], &device, &mut record)?;
    }
    Ok(record)
}

/// How many images the reference has, and as many the floor, of `home` held-out patches and `away` ones.
fn images_of_each(request: &Transfer<'_>, home: usize, away: usize) -> Result<usize> {
    let smaller = home.min(away);
    let count = request.images.unwrap_or(smaller / 2);
    if count == 0 || 2 * count > smaller {
        return Err(refuse(
            format!(
                "home has {home} held-out patches and away {away}: {count} images for the reference and as many for the floor are \
                 too many or none"
            ),
            format!(
                "set `--images` to 1 to {}, or give more slides",
                smaller / 2
            ),
        ));
    }
    Ok(count)
}

/// What measuring needs.
struct Measuring<'a> {
    config: &'a Config,
    request: &'a Transfer<'a>,
    workspace: &'a Workspace,
    device: &'a burn::tensor::Device,
}

impl Measuring<'_> {
    /// `count` generated images, and the samplers if a run draws them.
    fn generated(
        &self,
        home: &PatchStore,
        count: usize,
    ) -> Result<(Box<dyn ImageSource>, Option<Samplers>)> {
        let evaluation = &self.config.evaluation;
        let seed = evaluation.seed;
        let path = match Subject::of(self.request.generated)? {
            Subject::Run(path) => path,
            subject if !subject.has_images() => {
                return Err(subject
                    .no_images("give a run, a patch store, or a folder or an array of images"));
            }
            subject => return Ok((subject.images(Split::Test, Some(count), seed)?, None)),
        };
        let (run, model) = load_model(path, None, self.device)?;
        let samplers = Samplers::new(&evaluation.samplers, &self.config.samplers)?;
        let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
        let is_told = !run.classes.is_empty() || run.input.is_some();
        let plan = if is_told && (run.classes.is_empty() || *run.classes == **home.classes()) {
            Plan::of(home, Split::Test, count, seed)
        } else {
            Plan::without_store(run.classes.len(), count, seed)
        };
        let images = samples::spool(sampler.as_ref(), &plan, &self.workspace.features())?;
        drop(sampler);
        Ok((Box::new(images), Some(samplers)))
    }

    /// The scores of `generated` and of the floor against the reference of `side`, which protocols call `name`.
    fn scores(
        &self,
        name: &str,
        side: &Side,
        generated: &dyn ImageSource,
        samplers: Option<&Samplers>,
    ) -> Result<(Vec<ScoreRecord>, Vec<ScoreRecord>)> {
        let cache = self.workspace.features();
        let evaluation = &self.config.evaluation;
        let names = self.request.metrics;
        let reference: &Pixels = &side.reference;
        let mut evaluator =
            Evaluator::new(evaluation, names, name, reference, self.device, &cache)?;
        let floor = evaluator.measure(&side.floor)?;
        if let Some(samplers) = samplers {
            evaluator = evaluator.with_samplers(samplers);
        }
        let is_asked_for = |score: &ScoreRecord| super::compare::is_asked_for(score, names);
        let mut both = [evaluator.measure(generated)?, floor];
        for scores in &mut both {
            scores.retain(is_asked_for);
        }
        let [scores, floor] = both;
        Ok((scores, floor))
    }
}
