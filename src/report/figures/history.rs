//! What the ledgers of a record say of how trainings went: numbers of steps, measurements on the way, and how they ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::canvas::Point;
use super::chart::Curve;
use super::style::{Colour, colour};
use crate::error::Result;
use crate::report::Record;
use crate::report::results::{RunOutcome, TrainingState};
use crate::tracker::{Evaluation, Event, Ledger};

/// One system over its seeds.
pub(super) struct History {
    /// The label of its row.
    pub(super) name: String,
    /// Its colour in all figures.
    pub(super) colour: Colour,
    /// Its trainings that have begun.
    pub(super) seeds: Vec<Training>,
}

/// One training.
pub(super) struct Training {
    /// What it is called: `seed 0`.
    pub(super) label: String,
    /// How it stands.
    pub(super) state: TrainingState,
    /// Its folder, relative to the output folder.
    pub(super) folder: PathBuf,
    /// Images of a step; none where its configuration is not there.
    pub(super) batch: Option<u32>,
    /// Height and width of its images in pixels; none where its configuration is not there.
    pub(super) image_size: Option<u32>,
    /// The grids of samples that were drawn: after which step, and the path inside its folder.
    pub(super) grids: Vec<(u64, PathBuf)>,
    /// Numbers of steps, by name: the step and the number.
    pub(super) scalars: BTreeMap<String, Vec<Point>>,
    /// What was measured on the way and at the end, by growing steps.
    pub(super) measured: Vec<Measured>,
}

/// What was measured after a step.
pub(super) struct Measured {
    pub(super) evaluation: Evaluation,
    /// Hours of training until then; none in a ledger without times.
    pub(super) hours: Option<f64>,
}

/// The systems of a record whose trainings have begun; of rows that are the same training the first.
pub(super) fn histories(record: &Record, out: &Path) -> Result<Vec<History>> {
    let mut seen: Vec<&[PathBuf]> = Vec::new();
    let mut found = Vec::new();
    let rows = record.rows.iter().filter(|row| !row.reference);
    for (place, row) in rows.enumerate() {
        if seen.contains(&row.ledgers.as_slice()) {
            continue;
        }
        seen.push(&row.ledgers);
        let mut seeds = Vec::new();
        for (outcome, ledger) in RunOutcome::of_row(row, out)?.into_iter().zip(&row.ledgers) {
            let training = Training::read(outcome, &out.join(ledger))?;
            if !training.scalars.is_empty() {
                seeds.push(training);
            }
        }
        if !seeds.is_empty() {
            found.push(History {
                name: row.name.clone(),
                colour: colour(place),
                seeds,
            });
        }
    }
    Ok(found)
}

impl Training {
    fn read(outcome: RunOutcome, ledger: &Path) -> Result<Self> {
        let mut scalars: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        let mut measured: Vec<Measured> = Vec::new();
        let mut grids = Vec::new();
        // The clock stands between the end of one process and the start of the next.
        let (mut milliseconds, mut last) = (Some(0), None);
        for (time, event) in Ledger::read_with_times(ledger)? {
            if let (Some(time), Some(last)) = (time, last)
                && !matches!(event, Event::Start { .. })
            {
                milliseconds = milliseconds.map(|sum: i64| sum + (time - last));
            }
            if time.is_none() {
                milliseconds = None;
            }
            last = time;
            match event {
                Event::Step {
                    step,
                    scalars: numbers,
                } => {
                    for (name, value) in numbers {
                        let points = scalars.entry(name).or_default();
                        points.push([step as f64, value]);
                    }
                }
                Event::Evaluation(evaluation) => {
                    let hours = milliseconds.map(|sum| sum as f64 / 3.6e6);
                    // A step that was measured again is replaced, and keeps the time of its first measurement.
                    let known = measured
                        .iter()
                        .position(|known| known.evaluation.step == evaluation.step);
                    match known {
                        Some(place) => measured[place].evaluation = evaluation,
                        None => measured.push(Measured { evaluation, hours }),
                    }
                }
                Event::Samples { step, file } => grids.push((step, file.into())),
                _ => {}
            }
        }
        let config = ledger.with_file_name("config.toml");
        let config = fs::read_to_string(config).ok();
        let config = config.and_then(|text| text.parse::<toml::Table>().ok());
        let number = |key: &str| {
            let value = config.as_ref()?.get(key)?.as_integer()?;
            u32::try_from(value).ok()
        };
        Ok(Self {
            label: outcome
                .seed
                .map_or_else(String::new, |seed| format!("seed {seed}")),
            state: outcome.state,
            folder: outcome.folder,
            batch: number("batch"),
            image_size: number("image_size"),
            grids,
            scalars,
            measured,
        })
    }

    /// The last step it has a number of.
    pub(super) fn last_step(&self) -> f64 {
        let lasts = self.scalars.values().filter_map(|points| points.last());
        lasts.map(|point| point[0]).fold(0.0, f64::max)
    }

    /// What must be said of it unless it finished: `seed 1 diverged after step 40`.
    pub(super) fn remark(&self) -> Option<String> {
        if self.state.is_complete() {
            return None;
        }
        let step = self.last_step();
        let word = self.state.word();
        let (label, place) = (&self.label, if word == "running" { "at" } else { "after" });
        Some(format!("{label} {word} {place} step {step}"))
    }
}

impl History {
    /// Whether all its trainings reach the same step.
    fn is_even(&self) -> bool {
        let mut lasts = self.seeds.iter().map(Training::last_step);
        let first = lasts.next();
        lasts.all(|last| Some(last) == first)
    }

    /// What must be said of those of its trainings that did not finish.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.seeds.iter().filter_map(Training::remark).collect()
    }

    /// The curve of a number of steps, in `count` points that are each the mean of as many steps. One seed: with the range of
    /// those steps around it. Several: their mean, with the range over the seeds; where they do not reach the same step, a
    /// curve for each, of which one is named.
    pub(super) fn smooth(&self, scalar: &str, count: usize) -> Vec<Curve> {
        let seeds = self.seeds.iter();
        let seeds: Vec<(&Training, &Vec<Point>)> = seeds
            .filter_map(|seed| Some((seed, seed.scalars.get(scalar)?)))
            .collect();
        let longest = seeds.iter().map(|(_, points)| points.len()).max();
        let size = longest.unwrap_or(0).div_ceil(count).max(1);
        let smooth = |points: &[Point]| -> Vec<Point> { points.chunks(size).map(mean).collect() };
        let all = || seeds.iter().map(|(_, points)| smooth(points));
        match seeds.as_slice() {
            [] => Vec::new(),
            [(seed, points)] => {
                let mut curve = Curve::new(&self.name, self.colour, smooth(points));
                let chunks = points.chunks(size).zip(&curve.points);
                let bands = chunks.map(|(chunk, middle)| {
                    let (low, high) = ends(chunk.iter().map(|point| point[1]));
                    [middle[0], low, high]
                });
                curve.band = bands.collect();
                curve.broke_off = broke_off(seed);
                vec![curve]
            }
            _ if self.is_even() => {
                let all: Vec<Vec<Point>> = all().collect();
                vec![over_seeds(&self.name, self.colour, &all)]
            }
            _ => self.one_by_one(all()),
        }
    }

    /// A curve for each training, thinner, with a cross where it broke off; the one that reaches farthest is named.
    pub(super) fn one_by_one(&self, points: impl Iterator<Item = Vec<Point>>) -> Vec<Curve> {
        let mut curves: Vec<Curve> = self
            .seeds
            .iter()
            .zip(points)
            .map(|(seed, points)| {
                let mut curve = Curve::new("", self.colour, points);
                curve.broke_off = broke_off(seed);
                curve.one_of_several = true;
                curve
            })
            .collect();
        let reach = |curve: &Curve| curve.points.last().map_or(0.0, |point| point[0]);
        let farthest = curves.iter().map(reach).fold(0.0, f64::max);
        let named = curves.iter_mut().find(|curve| reach(curve) >= farthest);
        if let Some(curve) = named {
            curve.label.clone_from(&self.name);
        }
        curves
    }
}

/// The mean of points.
fn mean(points: &[Point]) -> Point {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}

/// Whether a training ended before its time.
fn broke_off(seed: &Training) -> bool {
    !seed.state.is_complete() && !matches!(seed.state, TrainingState::Running { .. })
}

/// The mean over seeds, as far as all of them reach, with the range over them around it.
pub(super) fn over_seeds(name: &str, colour: Colour, seeds: &[Vec<Point>]) -> Curve {
    let length = seeds.iter().map(Vec::len).min().unwrap_or(0);
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for place in 0..length {
        let mean = |axis: usize| {
            let values = seeds.iter().map(|points| points[place][axis]);
            values.sum::<f64>() / seeds.len() as f64
        };
        points.push([mean(0), mean(1)]);
        let (low, high) = ends(seeds.iter().map(|points| points[place][1]));
        band.push([mean(0), low, high]);
    }
    let mut curve = Curve::new(name, colour, points);
    if seeds.len() > 1 {
        curve.band = band;
    }
    curve
}

/// The least and the largest.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (value.min(low), value.max(high))
    })
}

/// How many seeds curves are made of, for captions.
pub(super) fn seeds_in_words<'a>(histories: impl Iterator<Item = &'a History>) -> String {
    let counts: Vec<usize> = histories.map(|history| history.seeds.len()).collect();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    match (least.copied().unwrap_or(1), most.copied().unwrap_or(1)) {
        (_, 1) => "one seed".to_owned(),
        (least, most) => {
            let several = if least == most {
                format!("{most} seeds")
            } else {
                format!("{least} to {most} seeds")
            };
            format!("mean of {several}, the band from the least to the largest")
        }
    }
}
