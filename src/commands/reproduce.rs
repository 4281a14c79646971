//! `histogen reproduce`: everything from nothing to the table.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use image::RgbImage;

use super::dashboard::is_possible;
use super::judges::Judges;
use super::progress::{Progress, duration};
use super::report::write_claims;
use super::session::{self, configure, feature_cache, patches, train_run};
use super::tracking::Tracking;
use super::watch::Watched;
use super::{Answer, Outcome};
use crate::cli::{Reproduce, Settings};
use crate::config::{Config, Evaluation, OptimiserConfig, OptimiserProtocol, RunConfig, System};
use crate::data::{PatchStore, Split};
use crate::error::{Refusal, Result, refuse};
use crate::evaluation::{Bench, PathBench, Reference, held_out, trained_on};
use crate::experiments::run_config;
use crate::images::{Pixels, write_png};
use crate::metrics::PATH_LENGTHS;
use crate::models::{self, GenerativeModel};
use crate::report::{self, Cell, Record, RowRecord, TABLES, TableDefinition};
use crate::run::{Run, judges as judge_files};
use crate::samples;
use crate::tracker::{self, Ending, Event, Ledger, ScoreRecord};

/// Label of the row that measures real images against real images.
const REAL: &str = "real (floor)";
/// Label of the row that measures an untrained generator.
const UNTRAINED: &str = "untrained (ceiling)";
/// The score that training patches are needed for.
const AUTHENTICITY: &str = "authpct";
/// How many images are shown with the training patches nearest to them.
const SHOWN_NEIGHBOURS: usize = 16;

pub(super) fn run(arguments: &Reproduce) -> Outcome {
    let definitions: Vec<&TableDefinition> = match arguments.table.as_str() {
        "all" => TABLES.iter().collect(),
        name => vec![report::find(name)?],
    };
    let settings = &arguments.settings;
    let config = configure(&arguments.experiment, settings, arguments.seeds.as_deref())?;
    let folder = Record::folder(&settings.out, &config.name);
    Tracking::during(&config, settings, &folder, |tracking| {
        reproduce(&config, &definitions, arguments, &folder, tracking)
    })
}

fn reproduce(
    config: &Config,
    definitions: &[&TableDefinition],
    arguments: &Reproduce,
    folder: &Path,
    tracking: &Tracking,
) -> Outcome {
    let start = Instant::now();
    let settings = &arguments.settings;
    let dashboard = is_possible(arguments.dashboard);
    let (record, mut complete) = conduct(config, definitions, settings, tracking, dashboard)?;
    for definition in definitions {
        let table = report::render(definition, &record, &settings.out)?;
        complete &= no_cell_failed(&table);
        println!("{}", table.terminal());
        for path in report::write(definition, &table, folder)? {
            eprintln!("wrote `{}`", path.display());
        }
    }
    write_claims(&record, &settings.out)?;
    eprintln!("sample grids: `{}`", folder.join("samples").display());
    eprintln!("{} in all", duration(start.elapsed()));
    Ok(if complete { Answer::Yes } else { Answer::No })
}

/// Trains every system of an experiment with every seed, and measures what `tables` show. Returns the record behind the
/// tables, and whether every training came to its end.
pub(super) fn conduct(
    config: &Config,
    tables: &[&TableDefinition],
    settings: &Settings,
    tracking: &Tracking,
    dashboard: bool,
) -> Result<(Record, bool)> {
    if config.systems.is_empty() || config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no systems or no seeds", config.name),
            "add a `[[systems]]` section with a `name`, and `seeds = [0]`",
        ));
    }
    let start = Instant::now();
    let device = config.compute.open()?;
    let store = patches(config, &settings.out)?;
    let (reference, floor) = held_out(&config.evaluation, &store)?;
    let folder = Record::folder(&settings.out, &config.name);
    let real_grid = reference
        .images
        .select(&grid_places(config, reference.images.count));
    write_grid(&folder, "real", &real_grid)?;

    let cache = feature_cache(&settings.out);
    let bench = Bench::new(
        &config.evaluation,
        &[],
        &reference.name,
        &reference.images,
        &device,
        &cache,
    )?;
    let session = Session {
        config,
        store: &store,
        device: &device,
        bench: &bench,
        memorisation: Memorisation::new(config, &store, tables, &device, &cache)?,
        paths: path_bench(config, &store, tables, &device)?,
        folder: &folder,
        settings,
        tracking,
        dashboard,
    };
    let planned = session.plan()?;
    let mut record = Record {
        name: config.name.clone(),
        question: config.question.clone(),
        profile: config.profile.clone(),
        facts: facts(config, &store, &planned),
        rows: vec![session.measure_real(&floor)?, session.measure_untrained()?],
    };
    let mut complete = true;
    let count: usize = planned.iter().map(|planned| planned.runs.len()).sum();
    let mut done = 0;
    for Planned {
        system,
        runs,
        failure,
    } in &planned
    {
        let mut ledgers = Vec::new();
        if let Some(reason) = failure {
            ledgers.push(session.failed_row(system, reason)?);
            complete = false;
        }
        for run in runs {
            let number = done + 1;
            let watched = Watched {
                label: format!("[{number}/{count}] {} seed {}", system.name, run.seed),
                number,
                count,
                dashboard,
            };
            complete &= session.train_and_measure(system, run, &watched)?;
            done += 1;
            eprintln!("{}", time_left(start.elapsed(), done, count));
            ledgers.push(session.relative(&Run::folder(&session::runs(settings), run)));
        }
        if let Some(other) = record.rows.iter().find(|row| row.name == system.same_as) {
            ledgers.clone_from(&other.ledgers);
            let (row, other) = (&system.name, &system.same_as);
            record.facts.push(format!(
                "{row} is {other}, not trained again: {}.",
                system.because
            ));
        }
        record.rows.push(RowRecord {
            name: system.name.clone(),
            reference: false,
            ledgers,
        });
    }
    record.save(&settings.out)?;
    Ok((record, complete))
}

/// What the rows of one table have in common.
struct Session<'a> {
    config: &'a Config,
    store: &'a PatchStore,
    device: &'a Device,
    bench: &'a Bench,
    memorisation: Option<Memorisation>,
    paths: Option<PathBench>,
    folder: &'a Path,
    settings: &'a Settings,
    tracking: &'a Tracking,
    dashboard: bool,
}

/// What is compared with training patches.
struct Memorisation {
    trained_on: Reference,
    bench: Bench,
}

impl Memorisation {
    /// The training patches seen through the extractor, if a table shows what they are for.
    fn new(
        config: &Config,
        store: &PatchStore,
        tables: &[&TableDefinition],
        device: &Device,
        cache: &Path,
    ) -> Result<Option<Self>> {
        let evaluation = &config.evaluation;
        if evaluation.training_images == 0 || !any_shows(tables, AUTHENTICITY) {
            return Ok(None);
        }
        let trained_on = trained_on(evaluation, store);
        let names = [AUTHENTICITY.to_owned()];
        let bench = Bench::new(
            evaluation,
            &names,
            &trained_on.name,
            &trained_on.images,
            device,
            cache,
        )?;
        Ok(Some(Self { trained_on, bench }))
    }
}

/// The perceptual distance and the path lengths, if a table shows any.
fn path_bench(
    config: &Config,
    store: &PatchStore,
    tables: &[&TableDefinition],
    device: &Device,
) -> Result<Option<PathBench>> {
    let mut lengths = PATH_LENGTHS.iter();
    if !lengths.any(|length| any_shows(tables, length.definition.name)) {
        return Ok(None);
    }
    let (evaluation, size) = (&config.evaluation, store.patch_size());
    PathBench::new(evaluation, PATH_LENGTHS, size, device).map(Some)
}

fn any_shows(tables: &[&TableDefinition], name: &str) -> bool {
    let mut scores = tables.iter().flat_map(|table| table.all_scores());
    scores.any(|score| score == name)
}

/// A row before it is trained.
struct Planned<'a> {
    system: &'a System,
    /// One a seed; none for a row that is another by construction, or whose judge cannot be had.
    runs: Vec<RunConfig>,
    /// Why the row's judge cannot be had.
    failure: Option<String>,
}

impl<'a> Session<'a> {
    /// Every run of the experiment. This trains or finds the judges, before any system is trained.
    fn plan(&self) -> Result<Vec<Planned<'a>>> {
        let judges = Judges::new(
            self.store,
            self.settings,
            self.tracking,
            self.device,
            self.dashboard,
        );
        let mut rows: Vec<Planned<'a>> = Vec::new();
        for system in &self.config.systems {
            let (mut runs, mut failure) = (Vec::new(), None);
            if system.same_as.is_empty() {
                for &seed in &self.config.seeds {
                    let mut judge = |config: &Config| {
                        judges
                            .of(config)
                            .inspect_err(|error| failure = reason(error))
                    };
                    match run_config(self.config, system, seed, self.store, &mut judge) {
                        Ok(run) => runs.push(run),
                        Err(error) if failure.is_some() => {
                            super::print_error(&error);
                            eprintln!("row `{}` goes without numbers", system.name);
                            break;
                        }
                        Err(error) => return Err(error),
                    }
                }
            } else if !rows.iter().any(|row| row.system.name == system.same_as) {
                return Err(refuse(
                    format!("no row `{}` above row `{}`", system.same_as, system.name),
                    "`same_as` names a system that stands above",
                ));
            }
            rows.push(Planned {
                system,
                runs,
                failure,
            });
        }
        Ok(rows)
    }

    /// The ledger of a row that could not be trained: it says why.
    fn failed_row(&self, system: &System, reason: &str) -> Result<PathBuf> {
        let name = format!(
            "{}-{}",
            file_name(&self.config.name),
            file_name(&system.name)
        );
        let folder = session::runs(self.settings).join("failed").join(name);
        let mut ledger = Ledger::open(&folder.join("ledger.jsonl"))?;
        ledger.append(Event::End {
            step: 0,
            ending: Ending::Failed,
            reason: reason.to_owned(),
            seconds: 0.0,
        })?;
        Ok(self.relative(&folder))
    }

    /// One half of the held-out patches against the other: what a perfect system would score.
    fn measure_real(&self, floor: &Pixels) -> Result<RowRecord> {
        let mut ledger = self.reference_ledger("real", &self.store.content_hash()[..12])?;
        self.measure(&mut ledger, 0, None, || Ok(floor.clone()))?;
        Ok(self.reference_row(REAL, "real", &self.store.content_hash()[..12]))
    }

    /// The backbone's generator before training. Every adversarial system with this seed starts from it.
    fn measure_untrained(&self) -> Result<RowRecord> {
        let system = System {
            name: "dcgan".into(),
            ..System::default()
        };
        let seed = self.config.seeds[0];
        let mut no_judge = |_: &Config| anyhow::bail!("the backbone has no judge");
        let run = run_config(self.config, &system, seed, self.store, &mut no_judge)?;
        let mut ledger = self.reference_ledger("untrained", &run.hash())?;
        let files = judge_files(&session::runs(self.settings));
        let model = models::build(&run, &files, self.device)?;
        self.measure(&mut ledger, 0, Some(model.as_ref()), || {
            self.draw(model.as_ref(), UNTRAINED)
        })?;
        Ok(self.reference_row(UNTRAINED, "untrained", &run.hash()))
    }

    /// Trains and measures one system with one seed. A training that diverges is reported and leaves its row without a
    /// number; returns whether there is one.
    fn train_and_measure(
        &self,
        system: &System,
        run: &RunConfig,
        watched: &Watched,
    ) -> Result<bool> {
        let trained = train_run(
            self.config,
            run,
            self.store,
            self.settings,
            self.tracking,
            self.device,
            watched,
        );
        let (mut run, model) = match trained {
            Ok(trained) => trained,
            Err(error) if session::diverged(run, self.settings)? => {
                super::print_error(&error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let step = run.config.steps as u64;
        let model = model.as_ref();
        let drawn = self.measure(&mut run.ledger, step, Some(model), || {
            self.draw(model, &watched.label)
        })?;
        let name = format!("{}-s{}", file_name(&system.name), run.config.seed);
        let first = |pixels: &Pixels, count: usize| {
            pixels.select(&(0..count.min(pixels.count)).collect::<Vec<_>>())
        };
        let evaluation = &self.config.evaluation;
        // The first of the images that are measured, drawn again where the measurement was found.
        let again = |count: usize| match &drawn {
            Some(pixels) => Ok(first(pixels, count)),
            None => samples::draw(
                model,
                count.min(evaluation.images),
                evaluation.seed,
                &mut |_| {},
            ),
        };
        if drawn.is_some() || !grid_path(self.folder, &name).exists() {
            write_grid(self.folder, &name, &again(self.config.logging.grid_images)?)?;
        }
        if let Some(memorisation) = &self.memorisation {
            let name = format!("{name}-nearest");
            if drawn.is_some() || !grid_path(self.folder, &name).exists() {
                let samples = again(SHOWN_NEIGHBOURS)?;
                let nearest = memorisation.bench.closest(&samples)?;
                let nearest = memorisation.trained_on.images.select(&nearest);
                let picture = above(&samples, &nearest).grid(SHOWN_NEIGHBOURS, 1);
                write_picture(self.folder, &name, &picture)?;
            }
        }
        Ok(true)
    }

    fn draw(&self, model: &dyn GenerativeModel, label: &str) -> Result<Pixels> {
        let count = self.config.evaluation.images;
        let mut progress = Progress::new(format!("{label}: drawing"), count);
        let seed = self.config.evaluation.seed;
        let pixels = samples::draw(model, count, seed, &mut |done| progress.update(done, ""))?;
        progress.finish(&format!("{count} images"));
        Ok(pixels)
    }

    /// Measures images, and the paths of a model, into a ledger; what the ledger has already is kept. Returns the images
    /// if they were needed.
    fn measure(
        &self,
        ledger: &mut Ledger,
        step: u64,
        model: Option<&dyn GenerativeModel>,
        images: impl FnOnce() -> Result<Pixels>,
    ) -> Result<Option<Pixels>> {
        let Evaluation {
            images: count,
            seed,
            ..
        } = self.config.evaluation;
        let known = ledger.events().iter().rev().find_map(|event| match event {
            Event::Evaluation(found) if found.step == step && found.seed == seed => {
                Some(found.scores.clone())
            }
            _ => None,
        });
        let known = known.unwrap_or_default();
        let found = |ids: &[String]| -> Option<Vec<ScoreRecord>> {
            let record = |id: &String| known.iter().find(|score| score.protocol_id == *id);
            // Scores of one family share a protocol.
            let found = known
                .iter()
                .filter(|score| ids.contains(&score.protocol_id));
            ids.iter()
                .all(|id| record(id).is_some())
                .then(|| found.cloned().collect())
        };
        let mut drawn = None;
        let mut draw = Some(images);
        let mut scores = Vec::new();
        let benches = [
            Some(self.bench),
            self.memorisation.as_ref().map(|own| &own.bench),
        ];
        for bench in benches.into_iter().flatten() {
            if let Some(found) = found(&bench.protocol_ids(count)) {
                scores.extend(found);
                continue;
            }
            if let Some(draw) = draw.take() {
                drawn = Some(draw()?);
            }
            let images = drawn
                .as_ref()
                .expect("images are drawn before they are measured");
            scores.extend(bench.measure(images)?);
        }
        if let (Some(paths), Some(model)) = (&self.paths, model) {
            let found = found(&paths.protocol_ids());
            scores.extend(found.unwrap_or_else(|| paths.measure(model)));
        }
        let new: Vec<String> = scores
            .iter()
            .filter(|score| !known.contains(score))
            .map(in_short)
            .collect();
        if !new.is_empty() {
            eprintln!("  {}", new.join("  "));
        }
        // What other tables show stays.
        let other = known
            .into_iter()
            .filter(|old| scores.iter().all(|new| new.name != old.name));
        let other: Vec<ScoreRecord> = other.collect();
        scores.extend(other);
        // The newest measurement is the one that tables show.
        let event = Event::Evaluation(tracker::Evaluation { step, seed, scores });
        if ledger.events().last() != Some(&event) {
            ledger.append(event)?;
        }
        Ok(drawn)
    }

    fn reference_path(&self, name: &str, key: &str) -> PathBuf {
        session::runs(self.settings).join(format!("reference/{name}-{key}"))
    }

    fn reference_ledger(&self, name: &str, key: &str) -> Result<Ledger> {
        Ledger::open(&self.reference_path(name, key).join("ledger.jsonl"))
    }

    fn reference_row(&self, label: &str, name: &str, key: &str) -> RowRecord {
        RowRecord {
            name: label.to_owned(),
            reference: true,
            ledgers: vec![self.relative(&self.reference_path(name, key))],
        }
    }

    /// The ledger in `folder`, as seen from the output folder.
    fn relative(&self, folder: &Path) -> PathBuf {
        let ledger = folder.join("ledger.jsonl");
        ledger
            .strip_prefix(&self.settings.out)
            .map(Path::to_path_buf)
            .unwrap_or(ledger)
    }
}

/// Sentences for the captions: what the images are, how the systems were trained.
fn facts(config: &Config, store: &PatchStore, planned: &[Planned<'_>]) -> Vec<String> {
    let slides = |split| store.slides(split).len();
    let training = &config.training;
    let length = match training.steps {
        0 => format!("{} epochs", training.epochs),
        steps => format!("{steps} steps"),
    };
    let backbone = &config.backbone;
    let mut facts = vec![
        format!(
            "Data: {} ({}), {} training patches of {} slides, {} held-out patches of {} other slides, classes {}.",
            store.name(),
            &store.content_hash()[..8],
            store.indices(Split::Train).len(),
            slides(Split::Train),
            store.indices(Split::Test).len(),
            slides(Split::Test),
            store.classes().join(" and "),
        ),
        format!(
            "Profile {}: {length} of batch {}, widths {} (generator) and {} (critic), latent {}, {}, seeds \
             {:?}.",
            config.profile,
            training.batch,
            backbone.generator_width,
            backbone.critic_width,
            backbone.latent,
            optimiser(&config.optimiser),
            config.seeds,
        ),
        "Real: one half of the held-out patches against the other, the floor. Untrained: the backbone's generator before \
         training, the ceiling."
            .to_owned(),
    ];
    let settings = model_settings(config);
    if !settings.is_empty() {
        facts.push(format!("Settings of the models: {settings}."));
    }
    facts.extend(judge_facts(store, planned));
    facts
}

/// The judge of every row that has one, rows of one judge together.
fn judge_facts(store: &PatchStore, planned: &[Planned<'_>]) -> Vec<String> {
    let mut judges: Vec<(String, Vec<&str>)> = Vec::new();
    for row in planned {
        let Some(reward) = row.runs.first().and_then(|run| run.reward.as_ref()) else {
            continue;
        };
        let judge = reward.judge.describe(store.content_hash());
        match judges.iter_mut().find(|(known, _)| *known == judge) {
            Some((_, rows)) => rows.push(&row.system.name),
            None => judges.push((judge, vec![&row.system.name])),
        }
    }
    judges
        .into_iter()
        .map(|(judge, rows)| format!("The judge of {} is {judge}.", rows.join(", ")))
        .collect()
}

/// What a user can do something about, in a line; none for other errors.
fn reason(error: &anyhow::Error) -> Option<String> {
    let refusal = error.downcast_ref::<Refusal>()?;
    Some(format!("{}; {}", refusal.message, refusal.hint))
}

/// The optimiser in words.
fn optimiser(config: &OptimiserConfig) -> String {
    match config.protocol {
        OptimiserProtocol::Canonical => "each paper's own optimiser settings".to_owned(),
        OptimiserProtocol::Identical => {
            let fall = if config.decay_from < 1.0 {
                format!(
                    " for {} of the steps and then falling to 0",
                    config.decay_from
                )
            } else {
                String::new()
            };
            format!(
                "identical optimiser settings (Adam, learning rate {}{fall}, decays {} and {}, critic steps {})",
                config.learning_rate, config.beta1, config.beta2, config.critic_steps
            )
        }
    }
}

/// The settings that the models in the table read: their own, and those of a model that they build on.
fn model_settings(config: &Config) -> String {
    let is_read = |name: &str| {
        let mut models = config
            .systems
            .iter()
            .filter_map(|system| models::find(system.model()).ok());
        models.any(|model| model.name == name || model.reads.contains(&name))
    };
    let shown = config
        .models
        .iter()
        .filter(|(name, table)| is_read(name) && !table.is_empty());
    let sentences: Vec<String> = shown
        .map(|(name, table)| {
            let pairs: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            format!("{name} ({})", pairs.join(", "))
        })
        .collect();
    sentences.join("; ")
}

fn in_short(score: &ScoreRecord) -> String {
    match score.value {
        Some(value) => format!("{} {value:.4}", score.name),
        None if !score.absent.is_empty() => format!("{}: {}", score.name, score.absent),
        None => format!("{} failed: {}", score.name, score.failure),
    }
}

fn time_left(elapsed: Duration, done: usize, count: usize) -> String {
    let left = elapsed.mul_f64((count - done) as f64 / done as f64);
    format!("{done} of {count} done, about {} left", duration(left))
}

pub(super) fn no_cell_failed(table: &report::Table) -> bool {
    let cells = table.rows().iter().flat_map(|row| &row.cells);
    !cells
        .into_iter()
        .any(|cell| matches!(cell, Cell::Failed(_)))
}

/// The first images go into the grid.
fn grid_places(config: &Config, count: usize) -> Vec<usize> {
    (0..config.logging.grid_images.min(count)).collect()
}

fn grid_path(folder: &Path, name: &str) -> PathBuf {
    folder.join("samples").join(format!("{name}.png"))
}

fn write_grid(folder: &Path, name: &str, pixels: &Pixels) -> Result<()> {
    let columns = (pixels.count as f64).sqrt().ceil() as usize;
    write_picture(folder, name, &pixels.grid(columns, 1))
}

fn write_picture(folder: &Path, name: &str, picture: &RgbImage) -> Result<()> {
    write_png(picture, &grid_path(folder, name))
}

/// The images of both, those of `upper` first.
fn above(upper: &Pixels, lower: &Pixels) -> Pixels {
    let bytes = [upper.bytes.as_slice(), &lower.bytes].concat();
    Pixels::new(upper.count + lower.count, upper.size, bytes)
}

/// A label as part of a file's name.
fn file_name(label: &str) -> String {
    let plain = |letter: char| {
        if letter.is_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    let name: String = label.chars().map(plain).collect();
    name.split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}
