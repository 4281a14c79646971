//! Classification from few images: a CNN and systems whose critic has a class head, trained on the same images, tested on the same
//! held-out ones (arXiv 2201.09120, tables 1 to 4 and figure 8).
//!
//! A row is one system with one number of training images. All rows of a seed take the same prefix of one class-balanced order, and
//! keep the same part of it for validation.

mod measure;
mod plan;
mod shifted;

use std::path::PathBuf;

use super::again::keep;
use super::captions::{data_caption, profile_caption};
use super::downstream::classifier::{self, Trained, train_classifier};
use super::downstream::set::Set;
use super::training::{Label, train_run};
use super::{Context, Outcome, Reporter, refuse_samplers_of_rows, render_low_data};
use crate::classifier::{
    AC_BODY, Classifier, ClassifierConfig, ClassifierStart, DownstreamConfig, ImagesOf,
};
use crate::config::Config;
use crate::data::{Split, TrainingPlaces};
use crate::error::Result;
use crate::images::{Pixels, write_png};
use crate::models::GenerativeModel;
use crate::random::Random;
use crate::report::{BASELINE, KindRecord, LowDataRecord, Record};
use crate::run::Run;
use crate::samples::draw_of_class;
use crate::workspace::Workspace;

use measure::Tests;
use plan::{Plan, PlannedSystem};

/// Trains the CNN and every system of an experiment with each number of training images and each seed, or finds them trained, tests
/// their class heads, and writes tables, figures and what the runs say about the paper's claims.
///
/// # Errors
/// Refuses one class, more training images than there are, systems without a class head, a search for tau without validation images,
/// shifted images of other classes, and fails where [`super::reproduce`] does.
pub fn reproduce_low_data(
    config: &Config,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    refuse_samplers_of_rows(config)?;
    let with_baseline = baseline_config(config);
    let context = Context::open(&with_baseline, workspace, reporter)?;
    let shifted = shifted::open(&context, reporter)?;
    let plan = Plan::of(&context, reporter)?;
    let tests = Tests::open(&context, shifted.as_ref());
    real_picture(&context)?;
    let mut trainings = Trainings {
        context: &context,
        plan: &plan,
        tests: &tests,
        count: plan.trainings(),
        done: 0,
        complete: true,
    };
    let points = plan.points();
    let mut ledgers = vec![Vec::new(); points.len()];
    let mut systems = vec![BASELINE];
    systems.extend(plan.systems.iter().map(PlannedSystem::name));
    for (place, _) in plan.sizes.iter().enumerate() {
        for (number, _) in config.seeds.iter().enumerate() {
            let folders = trainings.of(place, number, reporter)?;
            for (row, folder) in folders.iter().enumerate() {
                ledgers[place * systems.len() + row].push(workspace.relative_ledger(folder));
            }
        }
    }
    let rows = points.iter().map(|point| point.row.clone()).zip(ledgers);
    let record = Record::new(config, facts(&context, &plan), rows);
    record.save(workspace.out())?;
    let about = LowDataRecord {
        classes: context.store.classes().to_vec(),
        validation: plan.validation,
        sizes: plan.sizes.clone(),
        systems: systems.into_iter().map(str::to_owned).collect(),
        tau: plan.tau(),
        shifted: tests.shifted_name(),
        embedded: tests.embedded(),
        points,
    };
    about.save(workspace.out(), &config.name)?;
    keep(config, workspace)?;
    let complete = trainings.complete;
    let mut outcome = render_low_data(record, &about, workspace)?;
    outcome.complete &= complete;
    Ok(outcome)
}

/// The settings with the network of the baseline, which is part of the question: it starts from random weights.
fn baseline_config(config: &Config) -> Config {
    let classifier = ClassifierConfig {
        network: AC_BODY.name.to_owned(),
        pretrained: ClassifierStart::None,
        weights: PathBuf::new(),
        ..config.downstream.classifier.clone()
    };
    Config {
        downstream: DownstreamConfig {
            classifier,
            ..config.downstream.clone()
        },
        ..config.clone()
    }
}

/// What trains and tests the rows.
struct Trainings<'a> {
    context: &'a Context<'a>,
    plan: &'a Plan<'a>,
    tests: &'a Tests<'a>,
    count: usize,
    done: usize,
    /// Whether every training came to its end.
    complete: bool,
}

impl Trainings<'_> {
    /// The folders of the CNN and of every system with the size at `place` and the seed number `number`.
    fn of(
        &mut self,
        place: usize,
        number: usize,
        reporter: &mut dyn Reporter,
    ) -> Result<Vec<PathBuf>> {
        let seed = self.context.config.seeds[number];
        let size = self.plan.sizes[place];
        let images = &self.plan.images[place][number];
        let (folder, cnn) = self.baseline(size, seed, images, reporter)?;
        let mut folders = vec![folder];
        for planned in &self.plan.systems {
            let found = self.system(planned, [place, number], images, cnn.as_deref(), reporter)?;
            folders.push(found);
        }
        Ok(folders)
    }

    fn label(&self, what: &str) -> Label {
        let (number, count) = (self.done + 1, self.count);
        Label {
            text: format!("[{number}/{count}] {what}"),
            number,
            count,
        }
    }

    fn done(&mut self, is_there: bool, reporter: &mut dyn Reporter) {
        self.done += 1;
        self.complete &= is_there;
        reporter.runs_done(self.done, self.count);
    }

    /// The CNN: its folder, and the network where its training came to its end.
    fn baseline(
        &mut self,
        size: usize,
        seed: u64,
        images: &TrainingPlaces,
        reporter: &mut dyn Reporter,
    ) -> Result<(PathBuf, Option<Box<dyn Classifier>>)> {
        let context = self.context;
        let set = training_set(context, images)?;
        let config = classifier::run_config(context, seed, "", &set)?;
        let folder = Run::folder(&context.workspace.runs(), &config);
        let label = self.label(&format!("{BASELINE}, {size} images, seed {seed}"));
        let trained = train_classifier(context, &config, &set, &label, reporter)?;
        self.done(trained.is_some(), reporter);
        let Some(Trained { mut run, network }) = trained else {
            return Ok((folder, None));
        };
        self.tests
            .of_classifier(&mut run, network.as_ref(), reporter)?;
        Ok((run.path().to_owned(), Some(network)))
    }

    /// A system: the folder of its run, of several values of tau that with the highest accuracy on validation images.
    fn system(
        &mut self,
        planned: &PlannedSystem<'_>,
        [place, number]: [usize; 2],
        images: &TrainingPlaces,
        cnn: Option<&dyn Classifier>,
        reporter: &mut dyn Reporter,
    ) -> Result<PathBuf> {
        let context = self.context;
        let runs = &planned.runs[place][number];
        let (size, seed) = (self.plan.sizes[place], context.config.seeds[number]);
        let row = plan::row(planned.name(), size);
        let mut best: Option<(f64, Run, Box<dyn GenerativeModel>)> = None;
        for run in runs {
            let tau = planned.tau_in_words(run);
            let label = self.label(&format!(
                "{}, {size} images{tau}, seed {seed}",
                planned.name()
            ));
            let trained = train_run(context, run, &label, reporter)?;
            self.done(trained.is_some(), reporter);
            let Some((mut run, model)) = trained else {
                continue;
            };
            let accuracy = if runs.len() > 1 {
                self.tests
                    .validate(&mut run, model.as_ref(), images, reporter)?
            } else {
                0.0
            };
            // Of equal ones the first, which truncates most.
            if best.as_ref().is_none_or(|(known, ..)| accuracy > *known) {
                best = Some((accuracy, run, model));
            }
        }
        let Some((_, mut run, model)) = best else {
            return Ok(Run::folder(&context.workspace.runs(), &runs[0]));
        };
        self.tests
            .of_system(&mut run, model.as_ref(), cnn, reporter)?;
        picture(context, &row, seed, model.as_ref())?;
        Ok(run.path().to_owned())
    }
}

/// What the CNN learns from and is validated on.
fn training_set<'a>(context: &'a Context<'_>, images: &TrainingPlaces) -> Result<Set<'a>> {
    let store = &context.store;
    let mut set = Set::new(None);
    set.begin(store);
    for (places, is_validation) in [(&images.training, false), (&images.validation, true)] {
        for &image in places {
            set.add(image, store.class_indices()[image], is_validation);
        }
    }
    set.about.real = Some(ImagesOf {
        hash: store.content_hash().to_owned(),
        per_class: (images.training.len() + images.validation.len()) / store.classes().len(),
    });
    set.finish(BASELINE)
}

/// How many images of each class a picture shows.
fn shown_of_each(context: &Context<'_>) -> usize {
    let classes = context.store.classes().len();
    context.config.logging.grid_images.div_ceil(classes).max(2)
}

/// A picture of some held-out images of each class, a row a class.
fn real_picture(context: &Context<'_>) -> Result<()> {
    let (store, each) = (&context.store, shown_of_each(context));
    let mut held_out = store.indices(Split::Test);
    Random::new(0).stream("shown").shuffle(&mut held_out);
    let of_class = |class: usize| {
        let own = held_out.iter().copied();
        own.filter(move |&image| store.class_indices()[image] == class)
            .take(each)
    };
    let shown: Vec<usize> = (0..store.classes().len()).flat_map(of_class).collect();
    let path = context.workspace.picture(&context.config.name, "real", "");
    write_png(&store.read(&shown)?.grid(each, 1), &path)
}

/// A picture of some generated images of each class, a row a class.
fn picture(context: &Context<'_>, row: &str, seed: u64, model: &dyn GenerativeModel) -> Result<()> {
    let config = context.config;
    let path = context
        .workspace
        .picture(&config.name, row, &format!("-s{seed}"));
    let classes = context.store.classes().len();
    let each = shown_of_each(context);
    let sampler = context.samplers.of(model, classes, None)?;
    let mut bytes = Vec::new();
    for class in 0..classes {
        bytes
            .extend(draw_of_class(sampler.as_ref(), class, config.evaluation.seed, 0..each)?.bytes);
    }
    let (size, channels) = (context.store.patch_size(), context.store.channels());
    let images = Pixels::new(classes * each, size, channels, bytes);
    write_png(&images.grid(each, 1), &path)
}

fn facts(context: &Context<'_>, plan: &Plan<'_>) -> Vec<String> {
    let config = context.config;
    let settings = &config.downstream.classifier;
    let length = match settings.steps_per_epoch {
        0 => format!("{} passes", settings.epochs),
        steps => format!("{} passes of {steps} steps", settings.epochs),
    };
    let kept = if settings.keep_best {
        "the weights with the lowest validation loss are tested"
    } else {
        "the last weights are tested"
    };
    vec![
        data_caption(&context.store),
        profile_caption(config),
        format!(
            "Training images: {} in all, as many of each class, nested, in an order of the seed that all rows share; {} of them are kept \
             for validation, by slide.",
            plan.sizes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            plan.validation
        ),
        format!(
            "{BASELINE}: the body of the systems' critics with the class head alone, width {}, {length} of batch {}, Adam with learning \
             rate {}, {kept}. The systems' class heads are tested as they are after their last step.",
            config.backbone.critic_width, settings.batch, settings.learning_rate,
        ),
    ]
}
