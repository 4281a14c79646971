//! The cells of an experiment: trainings that depend on nothing but a reward model, each with its measurements. They may run at
//! once, in processes and on machines of their own; [`super::collect`] makes the tables of what they leave.

use serde::{Deserialize, Serialize};

use super::best::BestAndLast;
use super::measure::Evaluators;
use super::rows::Rows;
use super::training::Label;
use super::{
    Context, ExperimentKind, Reporter, RewardModels, Runs, Silent, held_out, run_config, snn_config,
};
use crate::config::{Config, System};
use crate::data::PatchStore;
use crate::error::{Refusal, Result, refuse};
use crate::models::MODELS;
use crate::report::{self, ABLATION, TABLES, TableDefinition};
use crate::reward::{RewardModelConfig, SnnRunConfig, Source};
use crate::run::{self, Identity as _, Run, RunState};
use crate::samplers::Samplers;
use crate::tracker::{self, Ending, Ledger};
use crate::workspace::{Workspace, ledger};

/// What an experiment is carried out for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Tables of the paper, by name.
    Tables(Vec<String>),
    /// The one table of an ablation, or of a related paper's experiment.
    Ablation,
}

impl Asked {
    /// What the experiment called `name` is carried out for: every table of the paper, or its own; none where its trainings depend on
    /// one another.
    pub fn of(name: &str) -> Option<Self> {
        match ExperimentKind::of(name) {
            None | Some(ExperimentKind::Tables) => {
                let names = TABLES.iter().map(|table| table.name.to_owned());
                Some(Self::Tables(names.collect()))
            }
            Some(ExperimentKind::Rows) => Some(Self::Ablation),
            Some(_) => None,
        }
    }

    /// The tables.
    ///
    /// # Errors
    /// Refuses an unknown name.
    pub fn tables(&self) -> Result<Vec<&'static TableDefinition>> {
        match self {
            Self::Tables(names) => names.iter().map(|name| report::find(name)).collect(),
            Self::Ablation => Ok(vec![&ABLATION]),
        }
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its number among those of the experiment, from 0.
    pub index: usize,
    /// The label of its row.
    pub system: String,
    /// The seed; none for the training of that row's reward model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The cell of its reward model, which must be done before, if it is one that is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<usize>,
}

impl Cell {
    /// It for people.
    pub fn label(&self) -> String {
        match self.seed {
            Some(seed) => format!("{} seed {seed}", self.system),
            None => format!("reward model of {}", self.system),
        }
    }

    /// Its row in the experiment `config`.
    fn row<'a>(&self, config: &'a Config) -> Result<&'a System> {
        let mut systems = config.systems.iter();
        let found = systems.find(|system| system.name == self.system);
        found.ok_or_else(|| {
            refuse(
                format!("no system `{}` in `{}`", self.system, config.name),
                "submit the experiment again",
            )
        })
    }
}

/// How a cell stands.
#[derive(Clone, Debug, PartialEq)]
pub enum CellState {
    /// All of it is done.
    Done,
    /// Its training diverged: trained again, it would diverge again.
    Diverged(String),
    /// It is trained, and not measured yet.
    Unmeasured,
    /// Its run's name has its reward model in it, which is not trained yet.
    Waits,
    /// How its run stands.
    Open(RunState),
}

/// The cells of the experiment `config` on the patches of `store`, those that take longest first, and what is to be known of rows
/// that have none, a sentence each.
///
/// # Errors
/// Refuses an experiment without systems or seeds, and systems that cannot be trained.
pub fn cells(config: &Config, store: &PatchStore) -> Result<(Vec<Cell>, Vec<String>)> {
    if config.systems.is_empty() || config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no systems or no seeds", config.name),
            "add a `[[systems]]` section with a `name`, and `seeds = [0]`",
        ));
    }
    // Reward models by the names of their runs, and runs by theirs: two rows may share one.
    let mut reward_models: Vec<(String, &System)> = Vec::new();
    let mut runs: Vec<(String, usize, &System, u64, Key)> = Vec::new();
    let mut notes = Vec::new();
    let is_row = |system: &&System| system.same_as.is_empty();
    for system in config.systems.iter().filter(is_row) {
        let of_row = config.for_system(system)?;
        let model = MODELS.find(system.model())?;
        let key = match key(&of_row, model.needs.reward, store) {
            Ok(key) => key,
            Err(error) if error.is::<Refusal>() => {
                notes.push(format!("row `{}` has no cells: {error}", system.name));
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Some((name, true)) = &key
            && reward_models.iter().all(|(known, _)| known != name)
        {
            reward_models.push((name.clone(), system));
        }
        for &seed in &config.seeds {
            let mut stand_in = |config: &Config| {
                let weights = key.clone().map(|(name, _)| name).unwrap_or_default();
                Ok(RewardModelConfig {
                    source: config.reward.source,
                    layers: config.snn.encoder_layers,
                    image_size: config.snn.image_size,
                    weights,
                    snn: None,
                })
            };
            let name = run_config(config, system, seed, store, &mut stand_in)?.name();
            if runs.iter().all(|(known, ..)| *known != name) {
                // A diffusion model takes longest, and so begins first.
                let order = usize::from(model.prior.is_some());
                runs.push((name, order, system, seed, key.clone()));
            }
        }
    }
    runs.sort_by_key(|(_, order, ..)| *order);
    let mut cells: Vec<Cell> = Vec::new();
    for (index, (_, system)) in reward_models.iter().enumerate() {
        cells.push(Cell {
            index,
            system: system.name.clone(),
            seed: None,
            needs: None,
        });
    }
    for (_, _, system, seed, key) in &runs {
        let of_it = |(name, _): &(String, &System)| key.as_ref().is_some_and(|key| key.0 == *name);
        cells.push(Cell {
            index: cells.len(),
            system: system.name.clone(),
            seed: Some(*seed),
            needs: reward_models.iter().position(of_it),
        });
    }
    Ok((cells, notes))
}

/// What names the reward model of a row, before it is trained, and whether it is trained for the experiment; none for a row
/// without.
type Key = Option<(String, bool)>;

fn key(config: &Config, has_reward: bool, store: &PatchStore) -> Result<Key> {
    if !has_reward {
        return Ok(None);
    }
    let trained = [Source::MftSnn, Source::Stage1, Source::Stage2];
    let is_trained =
        trained.contains(&config.reward.source) && config.reward.snn.as_os_str().is_empty();
    Ok(Some(if is_trained {
        let run = SnnRunConfig::new(&snn_config(config), store, &config.compute)?;
        (run.name(), true)
    } else {
        let snn = toml::to_string(&config.snn)?;
        (format!("{} {snn}", config.reward.snn.display()), false)
    }))
}

/// How `cell` of `config` stands, seen from outside. Opens no device and no run.
///
/// # Errors
/// Fails if a ledger cannot be read.
pub fn cell_state(
    config: &Config,
    cell: &Cell,
    store: &PatchStore,
    workspace: &Workspace,
) -> Result<CellState> {
    let Some(folder) = run_folder(config, cell, store, workspace)? else {
        return Ok(CellState::Waits);
    };
    let state = run::state(&folder)?;
    let RunState::Ended { ending, .. } = &state else {
        return Ok(CellState::Open(state));
    };
    Ok(match ending {
        Ending::Finished if cell.seed.is_none() => CellState::Done,
        Ending::Finished => match tracker::result(&Ledger::read(&ledger(&folder))?) {
            Some(_) => CellState::Done,
            None => CellState::Unmeasured,
        },
        Ending::Diverged => CellState::Diverged(state.to_string()),
        _ => CellState::Open(state),
    })
}

/// The folder of a cell's run; none if its name is not known yet.
///
/// # Errors
/// Fails where the settings of the cell do.
pub fn run_folder(
    config: &Config,
    cell: &Cell,
    store: &PatchStore,
    workspace: &Workspace,
) -> Result<Option<std::path::PathBuf>> {
    let (system, runs) = (cell.row(config)?, workspace.runs());
    let Some(seed) = cell.seed else {
        let of_row = config.for_system(system)?;
        let run = SnnRunConfig::new(&snn_config(&of_row), store, &of_row.compute)?;
        return Ok(Some(Run::folder(&runs, &run)));
    };
    let mut found = RewardModels::found(store, workspace);
    let mut reward_model = |config: &Config| found.of(config, &mut Silent);
    match run_config(config, system, seed, store, &mut reward_model) {
        Ok(run) => Ok(Some(Run::folder(&runs, &run))),
        Err(error) if error.is::<Refusal>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs `cell` of `config` on the patches of `store`: trains what it is of, or finds it trained, and measures what the tables that are `asked` for show.
/// Returns whether its training came to its end.
///
/// # Errors
/// Refuses a cell whose reward model is not trained, and otherwise as [`super::reproduce`].
pub fn run_cell(
    config: &Config,
    asked: &Asked,
    cell: &Cell,
    store: PatchStore,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<bool> {
    let context = Context {
        config,
        workspace,
        device: config.compute.open()?,
        store,
        samplers: Samplers::new(&config.evaluation.samplers, &config.samplers)?,
    };
    let system = cell.row(config)?;
    let Some(seed) = cell.seed else {
        RewardModels::new(&context).of(&config.for_system(system)?, reporter)?;
        return Ok(true);
    };
    let mut found = RewardModels::found(&context.store, workspace);
    let run = run_config(config, system, seed, &context.store, &mut |config| {
        found.of(config, reporter)
    })?;
    let (reference, floor) = held_out(&config.evaluation, &context.store)?;
    let rows = Rows {
        context: &context,
        evaluators: &Evaluators::open(&context, &asked.tables()?, &reference)?,
        best_and_last: BestAndLast::open(&context, &floor)?,
        runs: Runs::Trained,
        count: 1,
        done: 0,
    };
    rows.train_and_measure(system, &run, &Label::only(cell.label()), reporter)
}
