//! What generated images are good for: classifiers trained on them, on real patches and on both, tested on held-out real slides
//! (arXiv 2409.20340, section 5.0.2; the row with classic augmentation is ours).
//!
//! Everything of a seed is its own: its generators, the images they make, its draw of real patches, its classifiers. So the
//! spread over seeds is that of the whole chain. Generators and classifiers see patches of the training slides alone.

pub(super) mod classifier;
mod generators;
mod images;
mod measure;
mod plan;
pub(super) mod set;

use super::again::keep;
use std::path::{Path, PathBuf};

use super::captions::{data_caption, profile_caption};
use super::training::{Label, never_began};
use super::{Context, Outcome, Reporter, render_downstream};
use crate::classifier::{self as classifiers, ClassifierStart, ClassifierTask, NETWORKS};
use crate::config::Config;
use crate::data::{PatchStore, Split};
use crate::error::{Result, refuse};
use crate::images::write_png;
use crate::random::Random;
use crate::report::{DOWNSTREAM_ROWS, DownstreamRecord, KindRecord, Record};
use crate::run::Run;
use crate::workspace::Workspace;

use classifier::{Trained, train_classifier};
use generators::{Generated, Generators};
use images::RealImages;
use measure::Test;
use plan::{PlannedRow, rows};

/// Most columns of a picture.
const GRID_COLUMNS: usize = 9;

/// Trains the generators and classifiers of every seed, or finds them, tests the classifiers, and writes the table, the curve
/// and the figures.
///
/// # Errors
/// Refuses patches of one class, more real patches than there are, a network that does not fit, and fails where
/// [`super::reproduce`] does.
pub fn reproduce_downstream(
    config: &Config,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    let context = Context::open(config, workspace, reporter)?;
    let real = RealImages::per_class(&context)?;
    let task = ClassifierTask {
        size: context.store.patch_size(),
        channels: context.store.channels(),
        classes: context.store.classes().len(),
    };
    let network = NETWORKS.find(&config.downstream.classifier.network)?;
    let weights = (network.weights)(&config.downstream.classifier)?;
    if config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no seeds", config.name),
            "add `seeds = [0]`, or give `--seeds 0`",
        ));
    }
    let rows = rows(&config.downstream, real)?;
    // Nothing is trained before it is known that the network can be had.
    drop(classifiers::build(
        &config.downstream.classifier,
        &task,
        config.backbone.critic_width,
        Random::new(0),
        &context.device,
    )?);
    let test = Test::open(&context, &weights);
    let mut generators = Generators::new(&context, real, rows.len());
    let mut ledgers = vec![Vec::new(); rows.len()];
    let mut complete = true;
    for &seed in &config.seeds {
        let images = RealImages::of(&context, seed)?;
        let generated = generators.of(seed, reporter)?;
        pictures(&context, seed, &generated)?;
        for (row, ledgers) in rows.iter().zip(&mut ledgers) {
            let label = generators.next(&format!("{} seed {seed}", row.name));
            let job = Job {
                context: &context,
                row,
                seed,
                weights: &weights,
            };
            let folder = match (&generated, row.generated) {
                (Generated::Missing(reason), true) => {
                    complete = false;
                    job.without_images(reason)?
                }
                (generated, _) => {
                    let (run, is_there) = job.train(&images, generated, &test, &label, reporter)?;
                    complete &= is_there;
                    run
                }
            };
            ledgers.push(workspace.relative_ledger(&folder));
            generators.done(reporter);
        }
    }
    let record = record(&context, &rows, ledgers, generators.sentence());
    record.save(workspace.out())?;
    let about = about(&context, &rows, real);
    about.save(workspace.out(), &config.name)?;
    keep(config, workspace)?;
    let mut outcome = render_downstream(record, &about, workspace)?;
    outcome.complete &= complete;
    Ok(outcome)
}

/// Pictures of the first generated images of each class, and of as many held-out patches.
fn pictures(context: &Context<'_>, seed: u64, generated: &Generated) -> Result<()> {
    let (config, workspace) = (context.config, context.workspace);
    let classes = context.store.classes();
    let each = config.logging.grid_images.div_ceil(classes.len());
    let grid = |store: &PatchStore, patches: &[usize], path: &Path| {
        let shown = classes.iter().flat_map(|class| {
            let of_class = patches
                .iter()
                .filter(move |patch| store.records()[**patch].class == *class);
            of_class.take(each).copied().collect::<Vec<_>>()
        });
        let shown: Vec<usize> = shown.collect();
        write_png(&store.read(&shown)?.grid(each.min(GRID_COLUMNS), 1), path)
    };
    let real = workspace.picture(&config.name, "real", "");
    if !real.exists() {
        let mut patches = context.store.indices(Split::Test);
        Random::new(0).stream("shown").shuffle(&mut patches);
        grid(&context.store, &patches, &real)?;
    }
    let path = workspace.picture(&config.name, DOWNSTREAM_ROWS[0].name, &format!("-s{seed}"));
    if let (Generated::Images(store), false) = (generated, path.exists()) {
        let patches: Vec<usize> = (0..store.len()).collect();
        grid(store, &patches, &path)?;
    }
    Ok(())
}

/// One classifier of one seed.
struct Job<'a> {
    context: &'a Context<'a>,
    row: &'a PlannedRow,
    seed: u64,
    /// The SHA-256 of the pretrained weights.
    weights: &'a str,
}

impl Job<'_> {
    /// Trains or finds it, and tests it. Returns its folder, and whether there is a number.
    fn train(
        &self,
        images: &RealImages,
        generated: &Generated,
        test: &Test<'_>,
        label: &Label,
        reporter: &mut dyn Reporter,
    ) -> Result<(PathBuf, bool)> {
        let set = images.training_set(self.context, self.row, generated)?;
        let config = classifier::run_config(self.context, self.seed, self.weights, &set)?;
        let folder = Run::folder(&self.context.workspace.runs(), &config);
        let trained = train_classifier(self.context, &config, &set, label, reporter)?;
        let Some(Trained { mut run, network }) = trained else {
            return Ok((folder, false));
        };
        test.measure(&mut run, network.as_ref(), reporter)?;
        Ok((run.path().to_owned(), true))
    }

    /// The ledger that says why there are no images to train it on.
    fn without_images(&self, reason: &str) -> Result<PathBuf> {
        let name = format!("{} seed {}", self.row.name, self.seed);
        let workspace = self.context.workspace;
        let folder = workspace.failed(&self.context.config.name, &name);
        never_began(&folder, reason)?;
        Ok(folder)
    }
}

fn record(
    context: &Context<'_>,
    rows: &[PlannedRow],
    ledgers: Vec<Vec<PathBuf>>,
    generators: String,
) -> Record {
    let config = context.config;
    let facts = vec![
        data_caption(&context.store),
        generators,
        profile_caption(config),
        classifier_caption(config),
    ];
    let names = rows.iter().map(|row| row.name.clone());
    Record::new(config, facts, names.zip(ledgers))
}

/// The classifier and its training in words.
fn classifier_caption(config: &Config) -> String {
    let settings = &config.downstream.classifier;
    let start = match settings.pretrained {
        ClassifierStart::ImageNet => "weights of ImageNet",
        ClassifierStart::None => "random weights",
    };
    let length = match settings.steps_per_epoch {
        0 => format!("{} passes", settings.epochs),
        steps => format!(
            "{} passes of {steps} steps each, whatever the training set",
            settings.epochs
        ),
    };
    let kept = if settings.keep_best {
        "the weights with the lowest validation loss are tested"
    } else {
        "the last weights are tested"
    };
    format!(
        "Classifiers: {}, {start}, {length} of batch {}, Adam with learning rate {} times {} after every {} passes; {} of the \
         images of each class are kept for validation, real ones by slide, generated ones by seed (the paper does not say how it \
         split); {kept}.",
        settings.network,
        settings.batch,
        settings.learning_rate,
        settings.decay,
        settings.decay_every,
        settings.validation,
    )
}

fn about(context: &Context<'_>, rows: &[PlannedRow], real: usize) -> DownstreamRecord {
    let settings = &context.config.downstream;
    DownstreamRecord {
        model: settings.model.clone(),
        classes: context.store.classes().to_vec(),
        generated_per_class: plan::generated_per_class(settings, real),
        table: plan::table(rows),
        curve: plan::curve(rows),
    }
}
