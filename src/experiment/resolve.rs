//! The experiments and profiles that come with the program, and files of the same form.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::Table;

use super::ExperimentKind;
use crate::config::{Config, Layer, OptimiserProtocol, RunConfig, Schema, System};
use crate::data::{PatchStore, Split, Task};
use crate::error::{Result, refuse, unknown_name};
use crate::models::{self, MODELS};
use crate::reward::{Reward, RewardModelConfig, SnnConfig, Source};
use crate::samplers::{self, SAMPLERS, Samplers};
use crate::tracker::mlflow::has_user_information;

/// An experiment that comes with the program.
pub struct BuiltIn {
    /// What commands call it.
    pub name: &'static str,
    /// What it is.
    pub kind: ExperimentKind,
    text: &'static str,
}

/// A row of [`EXPERIMENTS`]: the file under `experiments/` is named as the experiment is.
macro_rules! built_in {
    ($kind:ident, $name:literal) => {
        BuiltIn {
            name: $name,
            kind: ExperimentKind::$kind,
            text: include_str!(concat!("../../experiments/", $name, ".toml")),
        }
    };
}

/// All of them; those with paired models in the order in which `reproduce transfer` carries them out.
pub const EXPERIMENTS: &[BuiltIn] = &[
    built_in!(Tables, "table1"),
    built_in!(Tables, "table1-canonical"),
    built_in!(Rows, "ablate-reward-weight"),
    built_in!(Rows, "ablate-reward-coupling"),
    built_in!(Rows, "ablate-reward-source"),
    built_in!(Rows, "ablate-layers"),
    built_in!(Rows, "mnist-zoo"),
    built_in!(Rows, "mnist-icr"),
    built_in!(Rows, "mnist-mixture"),
    built_in!(Samplers, "mnist-drs"),
    built_in!(LowData, "ac-gan-low-data"),
    built_in!(LowData, "ac-gan-shift"),
    built_in!(Downstream, "downstream"),
    built_in!(Translation, "pretrain"),
    built_in!(Translation, "transfer-segment"),
    built_in!(Translation, "transfer-denoise"),
    built_in!(Translation, "transfer-super"),
];

/// What can be ablated, and the experiment that does it.
pub const ABLATIONS: &[(&str, &str)] = &[
    ("reward-weight", "ablate-reward-weight"),
    ("reward-coupling", "ablate-reward-coupling"),
    ("reward-source", "ablate-reward-source"),
    ("layers", "ablate-layers"),
];

/// Name and text of each profile.
pub const PROFILES: &[(&str, &str)] = &[
    (
        "smoke",
        include_str!("../../experiments/profiles/smoke.toml"),
    ),
    (
        "quick",
        include_str!("../../experiments/profiles/quick.toml"),
    ),
    ("cpu", include_str!("../../experiments/profiles/cpu.toml")),
    (
        "example",
        include_str!("../../experiments/profiles/example.toml"),
    ),
    (
        "paper",
        include_str!("../../experiments/profiles/paper.toml"),
    ),
];

/// The experiment called `name`, or in the file `name`.
pub(super) fn experiment(name: &str) -> Result<Layer> {
    let texts: Vec<_> = EXPERIMENTS
        .iter()
        .map(|built_in| (built_in.name, built_in.text))
        .collect();
    layer("experiment", name, &texts)
}

/// The profile called `name`, or in the file `name`.
pub(super) fn profile(name: &str) -> Result<Layer> {
    layer("profile", name, PROFILES)
}

/// A built-in text by name, or a file ending in `.toml`.
fn layer(kind: &str, name: &str, built_in: &[(&str, &str)]) -> Result<Layer> {
    if let Some((_, text)) = built_in.iter().find(|(known, _)| *known == name) {
        return Layer::parse(format!("{kind} `{name}`"), text);
    }
    let is_file = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "toml");
    if !is_file {
        let names = built_in.iter().map(|(name, _)| *name);
        return Err(unknown_name(kind, name, names));
    }
    let text = fs::read_to_string(name).map_err(|error| {
        refuse(
            format!("cannot read the {kind} `{name}`: {error}"),
            "give the path of a TOML file, or a built-in name",
        )
    })?;
    Layer::parse(name, &text)
}

/// Every setting that an experiment has.
pub fn schema() -> Schema {
    let models = MODELS.all().into_iter();
    let models = models.map(|model| (format!("models.{}", model.name), model.section));
    let samplers = SAMPLERS.all().into_iter();
    let samplers = samplers.map(|sampler| (format!("samplers.{}", sampler.name), sampler.section));
    let defaults = Config::defaults(models::settings(), samplers::settings());
    let renamed = MODELS.all().into_iter().flat_map(|model| model.renamed);
    Schema::new(defaults, models.chain(samplers), renamed.copied())
}

/// The resolved configuration: defaults < experiment < profile < environment < `pairs` (`key=value`). `experiment` and
/// `profile` are built-in names or paths of TOML files.
///
/// # Errors
/// Refuses unknown names and keys, values of the wrong type or out of range, and credentials in a setting.
pub fn resolve(experiment: &str, profile: &str, pairs: &[String]) -> Result<Config> {
    let layers = vec![
        self::experiment(experiment)?,
        self::profile(profile)?,
        Layer::from_environment(),
        Layer::from_pairs("--set", pairs)?,
    ];
    let mut config = schema().resolve(layers)?;
    if has_user_information(&config.to_toml()) {
        return Err(refuse(
            "a setting has an address with a user or password in it",
            "settings are kept and shown; credentials of a tracking server belong into `MLFLOW_TRACKING_TOKEN`, or \
             `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`",
        ));
    }
    profile.clone_into(&mut config.profile);
    Samplers::new(&config.evaluation.samplers, &config.samplers)?;
    if !config.downstream.model.is_empty() {
        MODELS.find(&config.downstream.model)?;
    }
    for system in config
        .systems
        .iter()
        .filter(|system| system.same_as.is_empty())
    {
        MODELS.find(system.model())?;
        if !system.sampler.is_empty() {
            SAMPLERS.find(&system.sampler)?;
        }
    }
    Ok(config)
}

/// Refuses rows that name a sampler, in an experiment whose rows are drawn alike.
pub(super) fn refuse_samplers_of_rows(config: &Config) -> Result<()> {
    match config.systems.iter().find(|row| !row.sampler.is_empty()) {
        None => Ok(()),
        Some(row) => Err(refuse(
            format!(
                "row `{}` names a sampler, and the rows of `{}` are drawn alike",
                row.name, config.name
            ),
            "set `evaluation.samplers` for all of them; the rows of `mnist-drs` are samplers",
        )),
    }
}

/// The settings of the MFT-SNN that the reward of `config` asks for: `stage-1` and `stage-2` leave the other stage out.
pub fn snn_config(config: &Config) -> SnnConfig {
    let mut settings = config.snn.clone();
    match config.reward.source {
        Source::Stage1 => settings.stage2.epochs = 0,
        Source::Stage2 => settings.stage1.epochs = 0,
        _ => {}
    }
    settings
}

/// What determines the weights of one system's run with one seed on one patch store. `reward_model` gives the reward model
/// of a system that has a reward, from the configuration as that system sees it.
///
/// # Errors
/// Fails if that reward model cannot be had, and refuses a model that lacks something in the patches.
pub fn run_config(
    config: &Config,
    system: &System,
    seed: u64,
    store: &PatchStore,
    reward_model: &mut dyn FnMut(&Config) -> Result<RewardModelConfig>,
) -> Result<RunConfig> {
    let config = config.for_system(system)?;
    let model = MODELS.find(system.model())?;
    // How it is trained.
    let training = &config.training;
    let subset = training.subset()?;
    let patches = match &subset {
        Some(images) => images.of(store, seed)?.training.len(),
        None => store.indices(Split::Train).len(),
    };
    if subset.is_some() && Samplers::new(&config.evaluation.samplers, &config.samplers)?.trains() {
        return Err(refuse(
            "rejection trains a discriminator further on the whole training split, and `training.images` takes some of it",
            "leave out `training.images`, or set `samplers.rejection.steps` to 0",
        ));
    }
    let steps = match training.steps {
        0 => training.epochs * (patches / training.batch.max(1)),
        steps => steps,
    };
    let optimiser = match config.optimiser.protocol {
        OptimiserProtocol::Canonical => model.canonical,
        OptimiserProtocol::Identical => config.optimiser.shared(),
    };
    let reward = if model.needs.reward {
        Some(Reward::new(&config.reward, reward_model(&config)?))
    } else {
        None
    };
    // What it reads of the settings, and of the patches.
    let read: BTreeMap<String, Table> = config
        .models
        .iter()
        .filter(|(name, _)| model.reads.contains(&name.as_str()))
        .map(|(name, table)| (name.clone(), table.clone()))
        .collect();
    let task = Task::of(store);
    let is_adversarial = model.prior.is_some();
    let of_adversarial = ["prior", "bcr", "zcr"].into_iter();
    let mut set = of_adversarial.filter(|section| system.set.contains_key(*section));
    if let (false, Some(section)) = (is_adversarial, set.next()) {
        return Err(refuse(
            format!(
                "system `{}` sets `{section}`, which `{}` does not take",
                system.name, model.name
            ),
            "adversarial systems do: leave it out of this row",
        ));
    }
    let run = RunConfig {
        model: model.name.to_owned(),
        seed,
        data_hash: store.content_hash().to_owned(),
        image_size: task.size,
        channels: task.channels,
        classes: if model.needs.classes {
            task.classes
        } else {
            Vec::new()
        },
        input: task.input.filter(|_| model.needs.input),
        steps,
        batch: training.batch,
        training_images: subset,
        symmetries: training.symmetries,
        device: config.compute.device.kind,
        precision: config.compute.precision(),
        backbone: config.backbone.clone(),
        optimiser,
        prior: config.prior.of(model.prior),
        bcr: config.bcr.term().filter(|_| is_adversarial),
        zcr: config.zcr.term().filter(|_| is_adversarial),
        reward,
        models: read,
    };
    models::check(&run)?;
    Ok(run)
}
