//! `histogen reproduce`: everything from nothing to the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::progress::{Progress, duration};
use super::session::{configure, feature_cache, patches, runs, train_system};
use super::{Answer, Outcome};
use crate::cli::Reproduce;
use crate::config::{Config, Evaluation, OptimiserConfig, OptimiserProtocol, System};
use crate::data::{PatchStore, Split};
use crate::device;
use crate::error::{Result, refuse};
use crate::evaluation::{Bench, PathBench, Reference, held_out, trained_on};
use crate::experiments::run_config;
use crate::files::cannot_write;
use crate::images::Pixels;
use crate::metrics::PATH_LENGTHS;
use crate::models::{self, GenerativeModel};
use crate::report::{self, Cell, Record, RowRecord, TABLES, TableDefinition};
use crate::run::Run;
use crate::samples;
use crate::tracker::{self, Event, Ledger, ScoreRecord};

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
    if config.systems.is_empty() || config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no systems or no seeds", config.name),
            "add a `[[systems]]` section with a `name`, and `seeds = [0]`",
        ));
    }
    let start = Instant::now();
    let store = patches(&config, &settings.out)?;
    let (reference, floor) = held_out(&config.evaluation, &store)?;
    let folder = Record::folder(&settings.out, &config.name);
    let real_grid = reference
        .images
        .select(&grid_places(&config, reference.images.count));
    write_grid(&folder, "real", &real_grid)?;

    let cache = feature_cache(&settings.out);
    let device = device::cpu();
    let evaluation = &config.evaluation;
    let bench = Bench::new(evaluation, &[], &reference, &device, &cache)?;
    let session = Session {
        config: &config,
        store: &store,
        bench: &bench,
        memorisation: Memorisation::new(&config, &store, &definitions, &cache)?,
        paths: path_bench(&config, &store, &definitions)?,
        folder: &folder,
        arguments,
    };
    let mut record = Record {
        name: config.name.clone(),
        question: config.question.clone(),
        profile: config.profile.clone(),
        facts: facts(&config, &store),
        rows: vec![session.measure_real(&floor)?, session.measure_untrained()?],
    };
    let mut complete = true;
    let count = config.systems.len() * config.seeds.len();
    let mut done = 0;
    for system in &config.systems {
        let mut ledgers = Vec::new();
        for &seed in &config.seeds {
            let label = format!("[{}/{count}] {} seed {seed}", done + 1, system.name);
            complete &= session.train_and_measure(system, seed, &label)?;
            done += 1;
            eprintln!("{}", time_left(start.elapsed(), done, count));
            let run = run_config(&config, system, seed, &store)?;
            ledgers.push(relative(
                &Run::folder(&runs(settings), &run),
                settings.out.as_path(),
            ));
        }
        record.rows.push(RowRecord {
            name: system.name.clone(),
            reference: false,
            ledgers,
        });
    }
    record.save(&settings.out)?;
    for definition in definitions {
        let table = report::render(definition, &record, &settings.out)?;
        complete &= no_cell_failed(&table);
        println!("{}", table.terminal());
        for path in report::write(definition, &table, &folder)? {
            eprintln!("wrote `{}`", path.display());
        }
    }
    eprintln!("sample grids: `{}`", folder.join("samples").display());
    eprintln!("{} in all", duration(start.elapsed()));
    Ok(if complete { Answer::Yes } else { Answer::No })
}

/// What the rows of one table have in common.
struct Session<'a> {
    config: &'a Config,
    store: &'a PatchStore,
    bench: &'a Bench,
    memorisation: Option<Memorisation>,
    paths: Option<PathBench>,
    folder: &'a Path,
    arguments: &'a Reproduce,
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
        cache: &Path,
    ) -> Result<Option<Self>> {
        let evaluation = &config.evaluation;
        if evaluation.training_images == 0 || !any_shows(tables, AUTHENTICITY) {
            return Ok(None);
        }
        let trained_on = trained_on(evaluation, store);
        let names = [AUTHENTICITY.to_owned()];
        let bench = Bench::new(evaluation, &names, &trained_on, &device::cpu(), cache)?;
        Ok(Some(Self { trained_on, bench }))
    }
}

/// The perceptual distance and the path lengths, if a table shows any.
fn path_bench(
    config: &Config,
    store: &PatchStore,
    tables: &[&TableDefinition],
) -> Result<Option<PathBench>> {
    let mut lengths = PATH_LENGTHS.iter();
    if !lengths.any(|length| any_shows(tables, length.definition.name)) {
        return Ok(None);
    }
    let (evaluation, size) = (&config.evaluation, store.patch_size());
    PathBench::new(evaluation, PATH_LENGTHS, size, &device::cpu()).map(Some)
}

fn any_shows(tables: &[&TableDefinition], name: &str) -> bool {
    let mut scores = tables.iter().flat_map(|table| table.all_scores());
    scores.any(|score| score == name)
}

impl Session<'_> {
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
            model: String::new(),
            set: toml::Table::new(),
        };
        let run = run_config(self.config, &system, self.config.seeds[0], self.store)?;
        let mut ledger = self.reference_ledger("untrained", &run.hash())?;
        let model = models::build(&run, &device::cpu())?;
        self.measure(&mut ledger, 0, Some(model.as_ref()), || {
            self.draw(model.as_ref(), UNTRAINED)
        })?;
        Ok(self.reference_row(UNTRAINED, "untrained", &run.hash()))
    }

    /// Trains and measures one system with one seed. A training that diverges is reported and leaves its row without a
    /// number; returns whether there is one.
    fn train_and_measure(&self, system: &System, seed: u64, label: &str) -> Result<bool> {
        let settings = &self.arguments.settings;
        let trained = train_system(self.config, system, seed, self.store, settings, label);
        let (mut run, model) = match trained {
            Ok(trained) => trained,
            Err(error) if self.diverged(system, seed)? => {
                super::print_error(&error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let step = run.config.steps as u64;
        let model = model.as_ref();
        let drawn = self.measure(&mut run.ledger, step, Some(model), || {
            self.draw(model, label)
        })?;
        let name = format!("{}-s{seed}", file_name(&system.name));
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

    fn diverged(&self, system: &System, seed: u64) -> Result<bool> {
        let run = run_config(self.config, system, seed, self.store)?;
        let folder = Run::folder(&runs(&self.arguments.settings), &run);
        let path = folder.join("ledger.jsonl");
        if !path.exists() {
            return Ok(false);
        }
        let last = Ledger::read(&path)?.pop();
        Ok(matches!(last, Some(Event::End { status, .. }) if status == "diverged"))
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
        runs(&self.arguments.settings).join(format!("reference/{name}-{key}"))
    }

    fn reference_ledger(&self, name: &str, key: &str) -> Result<Ledger> {
        Ledger::open(&self.reference_path(name, key).join("ledger.jsonl"))
    }

    fn reference_row(&self, label: &str, name: &str, key: &str) -> RowRecord {
        let out = &self.arguments.settings.out;
        RowRecord {
            name: label.to_owned(),
            reference: true,
            ledgers: vec![relative(&self.reference_path(name, key), out)],
        }
    }
}

/// Sentences for the captions: what the images are, how the systems were trained.
fn facts(config: &Config, store: &PatchStore) -> Vec<String> {
    let slides = |split| store.slides(split).len();
    let training = &config.training;
    let length = match training.steps {
        0 => format!("{} epochs", training.epochs),
        steps => format!("{steps} steps"),
    };
    let backbone = &config.backbone;
    vec![
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
        format!("Settings of the models: {}.", model_settings(config)),
        format!(
            "Real: one half of the held-out patches against the other, the floor. Untrained: the backbone's generator \
             before training, the ceiling. The judge of rl-eo is {} ({} convolutions, {} x {} pixels), not yet the \
             paper's MFT-SNN.",
            config.reward.similarity,
            config.reward.layers,
            config.reward.image_size,
            config.reward.image_size,
        ),
    ]
}

/// The optimiser in words.
fn optimiser(config: &OptimiserConfig) -> String {
    match config.protocol {
        OptimiserProtocol::Canonical => "each paper's own optimiser settings".to_owned(),
        OptimiserProtocol::Identical => format!(
            "identical optimiser settings (Adam, learning rate {}, decays {} and {}, critic steps {})",
            config.learning_rate, config.beta1, config.beta2, config.critic_steps
        ),
    }
}

/// The settings of every model in the table that has settings of its own.
fn model_settings(config: &Config) -> String {
    let in_table = |name: &str| config.systems.iter().any(|system| system.model() == name);
    let shown = config
        .models
        .iter()
        .filter(|(name, table)| in_table(name) && !table.is_empty());
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

fn no_cell_failed(table: &report::Table) -> bool {
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
    let path = grid_path(folder, name);
    fs::create_dir_all(folder.join("samples")).map_err(|error| cannot_write(&path, &error))?;
    picture
        .save(&path)
        .map_err(|error| cannot_write(&path, &error))
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

/// The ledger in `folder`, as seen from `out`.
fn relative(folder: &Path, out: &Path) -> PathBuf {
    let ledger = folder.join("ledger.jsonl");
    ledger
        .strip_prefix(out)
        .map(Path::to_path_buf)
        .unwrap_or(ledger)
}
