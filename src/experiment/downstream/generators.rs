//! The models that make generated images, one a class (or one of all classes, where it is told them), and the labelled set of
//! each seed.

use super::plan::generated_per_class;
use crate::config::{RunConfig, System};
use crate::data::{Drawn, PatchStore, Split, keep_drawn, of_class};
use crate::error::{Result, refuse};
use crate::experiment::training::{Label, train_run};
use crate::experiment::{Context, Reporter, RewardModels, run_config};
use crate::images::Pixels;
use crate::models::{GenerativeModel, MODELS};
use crate::run::{Identity as _, Run};
use crate::samplers::Sampler;
use crate::samples::draw_of_class;

/// The generated images of one seed.
pub(super) enum Generated {
    /// A labelled set.
    Images(Box<PatchStore>),
    /// There is none, and why.
    Missing(String),
}

/// The generators of an experiment, and the count of its trainings.
pub(super) struct Generators<'a> {
    context: &'a Context<'a>,
    /// Images of each class.
    images: usize,
    /// Trainings in all, and those that are done.
    count: usize,
    done: usize,
    /// What was trained, for the caption.
    steps: usize,
}

impl<'a> Generators<'a> {
    /// Those of `context`, whose classes have `real` real patches each; every seed has `classifiers` classifiers.
    pub(super) fn new(context: &'a Context<'a>, real: usize, classifiers: usize) -> Self {
        let settings = &context.config.downstream;
        let is_told = MODELS
            .find(&settings.model)
            .is_ok_and(|model| model.needs.classes);
        let generators = if is_told {
            1
        } else {
            context.store.classes().len()
        };
        Self {
            context,
            images: generated_per_class(settings, real),
            count: context.config.seeds.len() * (generators + classifiers),
            done: 0,
            steps: 0,
        }
    }

    /// The label of the next training.
    pub(super) fn next(&self, what: &str) -> Label {
        let (number, count) = (self.done + 1, self.count);
        Label {
            text: format!("[{number}/{count}] {what}"),
            number,
            count,
        }
    }

    /// Another training is done.
    pub(super) fn done(&mut self, reporter: &mut dyn Reporter) {
        self.done += 1;
        reporter.runs_done(self.done, self.count);
    }

    /// What they are, a sentence for captions.
    pub(super) fn sentence(&self) -> String {
        let config = self.context.config;
        let drawn = match self.context.samplers.describe().as_str() {
            "" => String::new(),
            samplers => format!(", drawn by {samplers} where that fits the model"),
        };
        format!(
            "Generated images: {} of each class by {}, one model for each class unless it is told the classes, trained for {} steps \
             of batch {} on training slides alone{drawn}; other models and other images for each seed.",
            self.images, config.downstream.model, self.steps, config.training.batch,
        )
    }

    /// The images of `seed`, whose models are trained now or found. A model that diverges leaves its class without images.
    pub(super) fn of(&mut self, seed: u64, reporter: &mut dyn Reporter) -> Result<Generated> {
        let context = self.context;
        let model = MODELS.find(&context.config.downstream.model)?;
        let classes = context.store.classes().clone();
        let cache = context.workspace.patches();
        // The stores that models are trained on, and which class of theirs an image is of.
        let stores: Vec<PatchStore> = if model.needs.classes {
            vec![PatchStore::open(context.store.path())?]
        } else {
            let stores = (0..classes.len()).map(|class| of_class(&context.store, class, &cache));
            stores.collect::<Result<_>>()?
        };
        let mut trained = Vec::new();
        for store in stores {
            let what = match store.classes().as_ref() {
                [class] => format!("{} of {class}, seed {seed}", model.name),
                _ => format!("{} of all classes, seed {seed}", model.name),
            };
            let label = self.next(&what);
            let own = Context {
                config: context.config,
                workspace: context.workspace,
                device: context.device.clone(),
                store,
                samplers: context.samplers.clone(),
            };
            let run = self.run(model.name, &own, seed, reporter)?;
            self.steps = run.steps;
            let found = train_run(&own, &run, &label, reporter)?;
            self.done(reporter);
            let Some((run, model)) = found else {
                let folder = Run::folder(&own.workspace.runs(), &run);
                return Ok(Generated::Missing(format!(
                    "no generated images: {what} diverged (`{}`)",
                    folder.display()
                )));
            };
            trained.push((run, model, own));
        }
        self.images(&trained, &classes, seed, reporter)
            .map(|images| Generated::Images(Box::new(images)))
    }

    /// What determines the model that is trained on the store of `own`. A reward model is that of the whole store.
    fn run(
        &self,
        model: &str,
        own: &Context<'_>,
        seed: u64,
        reporter: &mut dyn Reporter,
    ) -> Result<RunConfig> {
        if own.store.indices(Split::Train).is_empty() {
            return Err(refuse(
                format!(
                    "{} has no training patch, so nothing can make images of it",
                    own.store.name()
                ),
                "give slides of every class for training",
            ));
        }
        let system = System {
            name: model.to_owned(),
            ..System::default()
        };
        let mut reward_models = RewardModels::new(self.context);
        run_config(own.config, &system, seed, &own.store, &mut |config| {
            reward_models.of(config, reporter)
        })
    }

    /// The labelled set that the models make, drawn now or found.
    fn images(
        &self,
        trained: &[(Run, Box<dyn GenerativeModel>, Context<'_>)],
        classes: &[String],
        seed: u64,
        reporter: &mut dyn Reporter,
    ) -> Result<PatchStore> {
        let names: Vec<String> = trained
            .iter()
            .map(|(run, _, _)| run.config.name())
            .collect();
        let samplers = trained
            .iter()
            .map(|(_, model, own)| {
                own.samplers
                    .of(model.as_ref(), own.store.classes().len(), None)
            })
            .collect::<Result<Vec<Box<dyn Sampler>>>>()?;
        // The model of a class, and what the class is called by it.
        let of = |class: usize| {
            if trained.len() == 1 {
                (0, class)
            } else {
                (class, 0)
            }
        };
        let per_class = self.images;
        let labels = (0..classes.len()).flat_map(|class| {
            let (model, name) = (&names[of(class).0], &classes[class]);
            (0..per_class).map(move |image| (name.clone(), format!("{model}/{seed}-{image}")))
        });
        let (task, described) = (&self.context.store, self.context.samplers.describe());
        let drawn = Drawn {
            name: &format!(
                "images of {}, seed {seed}",
                self.context.config.downstream.model
            ),
            key: &format!("{names:?} by [{described}], {per_class} of {classes:?}, seed {seed}"),
            size: task.patch_size(),
            channels: task.channels(),
            images: labels.collect(),
        };
        let phase = format!("seed {seed}: drawing");
        let total = per_class * classes.len();
        let mut was_drawn = false;
        let store = keep_drawn(drawn, &self.context.workspace.patches(), &mut |range| {
            was_drawn = true;
            let (mut bytes, mut position) = (Vec::new(), range.start);
            while position < range.end {
                let class = position / per_class;
                let first = position % per_class;
                let count = (range.end - position).min(per_class - first);
                let (model, name) = of(class);
                // Of one model's classes each has its own images; of models of one class each is the first of its own.
                let images = first..first + count;
                bytes.extend(draw_of_class(samplers[model].as_ref(), name, seed, images)?.bytes);
                position += count;
            }
            reporter.phase(&phase, range.end, total);
            Ok(Pixels::new(
                range.len(),
                task.patch_size(),
                task.channels(),
                bytes,
            ))
        })?;
        if was_drawn {
            reporter.phase_end(&format!("{total} images"));
        }
        Ok(store)
    }
}
