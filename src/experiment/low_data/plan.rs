//! Which runs there are, and that all of them can be: known before anything is trained.

use crate::config::{Config, LatentPrior, RunConfig, System, TAU};
use crate::data::{Split, TrainingImages, TrainingPlaces};
use crate::error::{Result, refuse};
use crate::experiment::accuracy::refuse_one_class;
use crate::experiment::{Context, Reporter, RewardModels, run_config};
use crate::models::{self, MODELS, class_probabilities};
use crate::report::{BASELINE, LowDataPoint, TauRecord};

/// A system with its runs.
pub(super) struct PlannedSystem<'a> {
    system: &'a System,
    /// How its tau is found, of one with a truncated prior.
    tau: Option<String>,
    /// By size and seed the runs, one for each value of tau that is tried.
    pub(super) runs: Vec<Vec<Vec<RunConfig>>>,
}

impl PlannedSystem<'_> {
    pub(super) fn name(&self) -> &str {
        &self.system.name
    }

    /// `, tau 0.5`, where several are tried.
    pub(super) fn tau_in_words(&self, run: &RunConfig) -> String {
        match &run.prior {
            LatentPrior::Truncated(truncation) if self.runs[0][0].len() > 1 => {
                format!(", tau {}", truncation.tau)
            }
            _ => String::new(),
        }
    }
}

/// Everything that is trained.
pub(super) struct Plan<'a> {
    /// Numbers of training images, growing.
    pub(super) sizes: Vec<usize>,
    /// Fraction of them that is kept for validation.
    pub(super) validation: f64,
    /// By size and seed the images.
    pub(super) images: Vec<Vec<TrainingPlaces>>,
    pub(super) systems: Vec<PlannedSystem<'a>>,
}

impl<'a> Plan<'a> {
    /// The plan of an experiment.
    ///
    /// # Errors
    /// See [`super::reproduce_low_data`].
    pub(super) fn of(context: &Context<'a>, reporter: &mut dyn Reporter) -> Result<Self> {
        let (config, store) = (context.config, &context.store);
        refuse_one_class(store)?;
        if config.seeds.is_empty() || config.systems.is_empty() {
            return Err(refuse(
                format!("experiment `{}` has no systems or no seeds", config.name),
                "add a `[[systems]]` section with a `name`, and `seeds = [0]`",
            ));
        }
        // The images of every row.
        let validation = config.downstream.classifier.validation;
        let sizes = sizes(context);
        let images = sizes.iter().map(|&count| {
            let wanted = TrainingImages { count, validation };
            let seeds = config.seeds.iter();
            seeds.map(|&seed| wanted.of(store, seed)).collect()
        });
        let images: Vec<Vec<TrainingPlaces>> = images.collect::<Result<_>>()?;
        // The runs.
        let mut systems = Vec::new();
        for system in &config.systems {
            systems.push(planned(context, system, &sizes, &images, reporter)?);
        }
        let grid = &config.low_data.tau_grid;
        if let Some(tau) = grid.iter().find(|tau| !TAU.contains(**tau)) {
            return Err(refuse(
                format!("`low_data.tau_grid` has {tau}; the range of tau is {TAU}"),
                "set values above 0, for example 0.5, 1, 1.5 and 2",
            ));
        }
        if !grid.is_empty() && systems.iter().all(|planned| planned.tau.is_none()) {
            return Err(refuse(
                "`low_data.tau_grid` searches for tau, and no system has a truncated prior",
                "give one `set.prior.kind = \"truncated\"`, or leave `low_data.tau_grid` empty",
            ));
        }
        Ok(Self {
            sizes,
            validation,
            images,
            systems,
        })
    }

    /// How many trainings there are.
    pub(super) fn trainings(&self) -> usize {
        let of_systems = self.systems.iter().flat_map(|planned| &planned.runs);
        let of_systems: usize = of_systems.flatten().map(Vec::len).sum();
        of_systems + self.images.iter().map(Vec::len).sum::<usize>()
    }

    /// All rows, by size and system.
    pub(super) fn points(&self) -> Vec<LowDataPoint> {
        let systems = self.systems.iter().map(PlannedSystem::name);
        let systems: Vec<&str> = std::iter::once(BASELINE).chain(systems).collect();
        let points = self.sizes.iter().flat_map(|&size| {
            systems.iter().map(move |system| LowDataPoint {
                system: (*system).to_owned(),
                size,
                row: row(system, size),
            })
        });
        points.collect()
    }

    /// The systems with a truncated prior, and how their tau is found.
    pub(super) fn tau(&self) -> Vec<TauRecord> {
        let truncated = self.systems.iter().filter_map(|planned| {
            Some(TauRecord {
                system: planned.name().to_owned(),
                found: planned.tau.clone()?,
            })
        });
        truncated.collect()
    }
}

/// The label of a system with a number of images.
pub(super) fn row(system: &str, size: usize) -> String {
    format!("{system}, {size} images")
}

/// The numbers of training images, growing.
fn sizes(context: &Context<'_>) -> Vec<usize> {
    let mut sizes = context.config.low_data.sizes.clone();
    sizes.sort_unstable();
    if sizes.is_empty() {
        let store = &context.store;
        let mut counts = vec![0; store.classes().len()];
        for index in store.indices(Split::Train) {
            counts[store.class_indices()[index]] += 1;
        }
        let least = counts.iter().min().copied().unwrap_or(0);
        sizes.push(least * counts.len());
    }
    sizes
}

/// A system with every size and seed.
fn planned<'a>(
    context: &Context<'a>,
    system: &'a System,
    sizes: &[usize],
    images: &[Vec<TrainingPlaces>],
    reporter: &mut dyn Reporter,
) -> Result<PlannedSystem<'a>> {
    let config = context.config;
    let grid = &config.low_data.tau_grid;
    let mut reward_models = RewardModels::new(context);
    let mut run = |size: usize, seed: u64, tau: Option<f64>| {
        let mut changed: Config = config.clone();
        changed.training.images = size;
        changed.training.validation = config.downstream.classifier.validation;
        let mut run = run_config(&changed, system, seed, &context.store, &mut |config| {
            reward_models.of(config, reporter)
        })?;
        if let (Some(tau), LatentPrior::Truncated(truncation)) = (tau, &mut run.prior) {
            truncation.tau = tau;
        }
        Ok::<_, anyhow::Error>(run)
    };
    let first = run(sizes[0], config.seeds[0], None)?;
    check_head(context, system, &first)?;
    // How tau is found.
    let tau = match &first.prior {
        LatentPrior::Truncated(truncation) if truncation.rate > 0.0 => {
            if !grid.is_empty() {
                return Err(refuse(
                    format!(
                        "system `{}` searches for tau by `prior.truncated.rate`, and the experiment by `low_data.tau_grid`",
                        system.name
                    ),
                    "set the rate to 0, or leave the grid empty",
                ));
            }
            Some(format!(
                "by the gradient of equation 4, from {} with rate {}",
                truncation.tau, truncation.rate
            ))
        }
        LatentPrior::Truncated(_) if !grid.is_empty() => {
            if let Some(place) = images
                .iter()
                .position(|seeds| seeds.iter().any(|images| images.validation.is_empty()))
            {
                return Err(refuse(
                    format!(
                        "`low_data.tau_grid` chooses tau by validation images, and of {} training images none is kept for it",
                        sizes[place]
                    ),
                    "raise `downstream.classifier.validation` or the numbers in `low_data.sizes`, or leave the grid empty",
                ));
            }
            let values: Vec<String> = grid.iter().map(ToString::to_string).collect();
            Some(format!(
                "of {}, that with the highest accuracy on the validation images",
                values.join(", ")
            ))
        }
        LatentPrior::Truncated(truncation) => Some(format!("fixed at {}", truncation.tau)),
        _ => None,
    };
    // The values that are tried, the one that truncates most first.
    let mut values: Vec<Option<f64>> = vec![None];
    if tau.is_some() && !grid.is_empty() {
        let mut sorted = grid.clone();
        sorted.sort_by(f64::total_cmp);
        values = sorted.into_iter().map(Some).collect();
    }
    let mut runs = Vec::new();
    for &size in sizes {
        let mut of_size = Vec::new();
        for &seed in &config.seeds {
            let each = values.iter().map(|&tau| run(size, seed, tau));
            of_size.push(each.collect::<Result<Vec<_>>>()?);
        }
        runs.push(of_size);
    }
    Ok(PlannedSystem { system, tau, runs })
}

/// Refuses a system whose discriminator tells no classes.
fn check_head(context: &Context<'_>, system: &System, run: &RunConfig) -> Result<()> {
    let model = models::build(run, &context.workspace.reward_models(), &context.device)?;
    let image = context.store.read(&[0])?.to_images();
    if class_probabilities(model.as_ref(), &image)?.is_some() {
        return Ok(());
    }
    let with_classes = MODELS.all().into_iter().filter(|model| model.needs.classes);
    let with_classes: Vec<String> = with_classes
        .map(|model| format!("`{}`", model.name))
        .collect();
    Err(refuse(
        format!(
            "system `{}` has no accuracy: the discriminator of `{}` has no class head",
            system.name,
            system.model()
        ),
        format!("leave it out, or take one of {}", with_classes.join(", ")),
    ))
}
