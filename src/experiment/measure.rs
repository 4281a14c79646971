//! Measuring the rows of an experiment into ledgers. What a ledger has under the same protocol is not measured again.

use std::collections::BTreeSet;
use std::time::Instant;

use super::training::Drawn;
use super::{Context, Evaluator, PathEvaluator, Reference, Reporter, trained_on};
use crate::config::EvaluationConfig;
use crate::error::Result;
use crate::images::{ImageSource, Pixels};
use crate::kernels;
use crate::metrics::{PATH_LENGTHS, STANDARD};
use crate::models::GenerativeModel;
use crate::report::TableDefinition;
use crate::tracker::{self, Event, Ledger, ScoreRecord};

/// The score that training patches are needed for.
const AUTHENTICITY: &str = "authpct";

/// What measures the rows of an experiment.
pub(super) struct Evaluators {
    settings: EvaluationConfig,
    /// Against the reference.
    main: Evaluator,
    /// Against training patches, if a table shows what they are for.
    pub(super) memorisation: Option<Memorisation>,
    /// Path lengths, if a table shows any.
    paths: Option<PathEvaluator>,
}

/// What compares images with training patches.
pub(super) struct Memorisation {
    pub(super) trained_on: Reference,
    pub(super) evaluator: Evaluator,
}

impl Evaluators {
    /// What `tables` need.
    pub(super) fn open(
        context: &Context<'_>,
        tables: &[&TableDefinition],
        reference: &Reference,
    ) -> Result<Self> {
        let settings = &context.config.evaluation;
        let open = |names: &[String], reference: &Reference| {
            let Reference { name, images } = reference;
            let cache = context.workspace.features();
            let evaluator = Evaluator::new(settings, names, name, images, &context.device, &cache)?;
            Ok::<_, anyhow::Error>(evaluator.with_samplers(&context.samplers))
        };
        let shown = |name: &str| {
            let mut scores = tables.iter().flat_map(|table| table.all_scores());
            scores.any(|score| score == name)
        };
        let main = open(&names_shown(tables), reference)?;
        let memorisation = if settings.training_images > 0 && shown(AUTHENTICITY) {
            let trained_on = trained_on(settings, &context.store)?;
            let evaluator = open(&[AUTHENTICITY.to_owned()], &trained_on)?;
            Some(Memorisation {
                trained_on,
                evaluator,
            })
        } else {
            None
        };
        let mut lengths = PATH_LENGTHS.iter();
        let paths = if lengths.any(|length| shown(length.definition.name)) {
            let (size, channels) = (context.store.patch_size(), context.store.channels());
            let device = &context.device;
            let paths = PathEvaluator::new(settings, PATH_LENGTHS, size, channels, device)?;
            Some(paths)
        } else {
            None
        };
        Ok(Self {
            settings: settings.clone(),
            main,
            memorisation,
            paths,
        })
    }

    /// One evaluator alone.
    pub(super) fn only(settings: &EvaluationConfig, main: Evaluator) -> Self {
        Self {
            settings: settings.clone(),
            main,
            memorisation: None,
            paths: None,
        }
    }

    /// Measures images, and the paths of a model, into a ledger; what the ledger has already is kept. Returns the images
    /// if they were needed.
    pub(super) fn measure(
        &self,
        ledger: &mut Ledger,
        step: u64,
        model: Option<&dyn GenerativeModel>,
        draw: impl FnOnce(&mut dyn Reporter) -> Result<Drawn>,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<Pixels>> {
        let EvaluationConfig { images, seed, .. } = self.settings;
        let known = Known::of(ledger, step, seed);
        let mut draw = Some(draw);
        let (mut drawn, mut scores) = (None, Vec::new());
        let (mut seconds, mut gigaflop) = (known.drawing_seconds, known.drawing_gigaflop);
        // Every evaluator takes the same images.
        let memorisation = self.memorisation.as_ref();
        let evaluators = [Some(&self.main), memorisation.map(|own| &own.evaluator)];
        for evaluator in evaluators.into_iter().flatten() {
            let (ids, intervals) = (
                evaluator.protocol_ids(images),
                evaluator.wants_intervals(images),
            );
            if let Some(found) = known.find(&ids, &intervals) {
                scores.extend(found);
                continue;
            }
            if let Some(draw) = draw.take() {
                let (start, counted) = (Instant::now(), kernels::operations());
                drawn = Some(draw(reporter)?);
                seconds = model.map(|_| start.elapsed().as_secs_f64());
                gigaflop = kernels::gigaflop_since(counted);
            }
            let Drawn { pixels, note, .. } = drawn.as_ref().expect("they were drawn for the first");
            let mut measured = evaluator.measure(pixels)?;
            for score in &mut measured {
                score.warn(note);
            }
            scores.extend(measured);
        }
        if let (Some(paths), Some(model)) = (&self.paths, model) {
            let found = known.find(&paths.protocol_ids(), &[]);
            scores.extend(found.unwrap_or_else(|| paths.measure(model)));
        }
        // Only what is new is told.
        let new = scores.iter().filter(|score| !known.scores.contains(score));
        let new: Vec<ScoreRecord> = new.cloned().collect();
        if !new.is_empty() {
            reporter.scores(&new);
        }
        let images_hash = match &drawn {
            Some(drawn) => (&drawn.pixels as &dyn ImageSource).hash()?,
            None => known.images_hash.clone(),
        };
        scores.extend(known.without(&scores));
        // The newest measurement is the one that tables show.
        let event = Event::Evaluation(tracker::Evaluation {
            step,
            seed,
            images_hash,
            drawing_seconds: seconds,
            drawing_gigaflop: gigaflop,
            scores,
        });
        if ledger.events().last() != Some(&event) {
            ledger.append(event)?;
        }
        Ok(drawn.map(|drawn| drawn.pixels))
    }
}

/// The standard metrics, and those of features that a table shows besides; empty where the standard ones are all.
fn names_shown(tables: &[&TableDefinition]) -> Vec<String> {
    let standard = STANDARD.iter().flat_map(|metric| metric.scores());
    let standard: Vec<&str> = standard.map(|score| score.name).collect();
    let is_other = |name: &&str| {
        let mut lengths = PATH_LENGTHS.iter();
        !standard.contains(name)
            && *name != AUTHENTICITY
            && lengths.all(|length| length.definition.name != *name)
    };
    let shown = tables.iter().flat_map(|table| table.all_scores());
    let others: BTreeSet<&str> = shown.filter(is_other).collect();
    if others.is_empty() {
        return Vec::new();
    }
    let names = standard.iter().chain(&others);
    names.map(ToString::to_string).collect()
}

/// The scores that a ledger has of one step and one sampling seed, the SHA-256 of their images, and what drawing those took.
#[derive(Default)]
struct Known {
    scores: Vec<ScoreRecord>,
    images_hash: String,
    drawing_seconds: Option<f64>,
    drawing_gigaflop: Option<f64>,
}

impl Known {
    fn of(ledger: &Ledger, step: u64, seed: u64) -> Self {
        let found = ledger.events().iter().rev().find_map(|event| match event {
            Event::Evaluation(found) if found.step == step && found.seed == seed => Some(Self {
                scores: found.scores.clone(),
                images_hash: found.images_hash.clone(),
                drawing_seconds: found.drawing_seconds,
                drawing_gigaflop: found.drawing_gigaflop,
            }),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// The scores with these protocols, if there are scores of each, and those that are named in `intervals` have one. Scores
    /// of one family share a protocol.
    fn find(&self, ids: &[String], intervals: &[&str]) -> Option<Vec<ScoreRecord>> {
        let lacks_interval = |score: &ScoreRecord| {
            let wanted = intervals.contains(&score.name.as_str());
            wanted && score.value.is_some() && score.interval.is_none()
        };
        let is_known = |id: &String| {
            let mut scores = self.scores.iter();
            scores.any(|score| score.protocol_id == *id && !lacks_interval(score))
        };
        let found = self
            .scores
            .iter()
            .filter(|score| ids.contains(&score.protocol_id));
        ids.iter().all(is_known).then(|| found.cloned().collect())
    }

    /// Those that `scores` does not name: what other tables show stays.
    fn without(self, scores: &[ScoreRecord]) -> Vec<ScoreRecord> {
        let is_other = |old: &ScoreRecord| scores.iter().all(|new| new.name != old.name);
        self.scores.into_iter().filter(is_other).collect()
    }
}
