//! Which runs an experiment has. Reward models come first: what determines a run's weights includes its reward model's.

use super::{Context, Reporter, RewardModels, run_config};
use crate::config::{Config, RunConfig, System};
use crate::error::{Refusal, Result, refuse};

/// A row before it is trained.
pub(super) struct PlannedRow<'a> {
    pub(super) system: &'a System,
    /// One a seed; none for a row that is another by construction, or whose reward model cannot be had.
    pub(super) runs: Vec<RunConfig>,
    /// Why the row's reward model cannot be had.
    pub(super) failure: Option<String>,
}

/// Every row of the experiment. This trains or finds `reward_models`.
///
/// A row whose reward model cannot be had fails alone, if there is something the user can do about it.
pub(super) fn plan<'a>(
    context: &Context<'a>,
    mut reward_models: RewardModels<'_>,
    reporter: &mut dyn Reporter,
) -> Result<Vec<PlannedRow<'a>>> {
    let (config, store) = (context.config, &context.store);
    let mut rows: Vec<PlannedRow<'a>> = Vec::new();
    for system in &config.systems {
        let (mut runs, mut failure) = (Vec::new(), None);
        if system.same_as.is_empty() {
            for &seed in &config.seeds {
                let mut reward_model = |config: &Config| {
                    let model = reward_models.of(config, reporter);
                    model.inspect_err(|error| failure = reason(error))
                };
                match run_config(config, system, seed, store, &mut reward_model) {
                    Ok(run) => runs.push(run),
                    Err(error) if failure.is_some() => {
                        reporter.failure(&error);
                        reporter.note(&format!("row `{}` goes without numbers", system.name));
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
        rows.push(PlannedRow {
            system,
            runs,
            failure,
        });
    }
    Ok(rows)
}

/// What a user can do something about, in a line; none for other errors.
fn reason(error: &anyhow::Error) -> Option<String> {
    let refusal = error.downcast_ref::<Refusal>()?;
    Some(format!("{}; {}", refusal.message, refusal.hint))
}
