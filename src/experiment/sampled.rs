//! An experiment whose rows are samplers: the same trained models, drawn from in several ways. How images were drawn is part of a number's
//! protocol and of no run, so every row has a ledger and a protocol of its own.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::again::keep;
use super::captions::{data_caption, profile_caption};
use super::measure::Evaluators;
use super::pictures::{first, grid};
use super::training::{Drawn, Label, draw, train_run};
use super::{Context, Outcome, Reporter, RewardModels, held_out, render_sampled, run_config};
use crate::config::{Config, RunConfig, System};
use crate::data::PatchStore;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::images::{Pixels, write_png};
use crate::models::GenerativeModel;
use crate::report::{ACCEPTANCE, FALLBACKS, Record, SAMPLED};
use crate::run::{Identity, Run};
use crate::samplers::{Acceptance, Samplers};
use crate::tracker::{self, Event, Ledger, ScoreRecord};
use crate::workspace::{Workspace, config_file, ledger};

/// What is measured in the ledger of a row with one seed.
#[derive(Serialize)]
struct Sampled<'a> {
    /// The seed of the training.
    seed: u64,
    /// Height and width of the images.
    image_size: usize,
    /// The run.
    run: &'a str,
    /// The sampler and its settings.
    sampler: &'a str,
}

/// Trains the model of every row with every seed, or finds it trained, draws from it as the row says, measures that, and writes the table
/// and what the runs say about the paper's claims.
///
/// # Errors
/// Refuses a row without a sampler and one whose sampler does not fit its model, and fails where [`super::reproduce`] does.
pub fn reproduce_sampled(
    config: &Config,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    if config.systems.is_empty() || config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no systems or no seeds", config.name),
            "add a `[[systems]]` section with a `name` and a `sampler`, and `seeds = [0]`",
        ));
    }
    let context = Context::open(config, workspace, reporter)?;
    let rows = config.systems.iter().map(|system| row(config, system));
    let rows: Vec<(Config, Samplers)> = rows.collect::<Result<_>>()?;
    let (reference, _) = held_out(&config.evaluation, &context.store)?;
    let real = first(&reference.images, config.logging.grid_images);
    write_png(&grid(&real), &workspace.picture(&config.name, "real", ""))?;
    // Every run is known before the first is trained.
    let mut reward_models = RewardModels::new(&context);
    let mut runs = Vec::new();
    for (system, (own, _)) in config.systems.iter().zip(&rows) {
        let each = config.seeds.iter().map(|&seed| {
            run_config(own, system, seed, &context.store, &mut |config| {
                reward_models.of(config, reporter)
            })
        });
        runs.push(each.collect::<Result<Vec<RunConfig>>>()?);
    }
    let count = runs.iter().map(Vec::len).sum();
    let (mut done, mut complete) = (0, true);
    let mut records = Vec::new();
    for ((system, (own, samplers)), runs) in config.systems.iter().zip(&rows).zip(&runs) {
        let context = Context {
            config: own,
            workspace,
            device: context.device.clone(),
            store: PatchStore::open(context.store.path())?,
            samplers: samplers.clone(),
        };
        let row = SampledRow {
            context: &context,
            evaluators: Evaluators::open(&context, &[&SAMPLED], &reference)?,
            system,
        };
        let mut ledgers = Vec::new();
        for run in runs {
            let label = Label {
                text: format!("[{}/{count}] {} seed {}", done + 1, system.name, run.seed),
                number: done + 1,
                count,
            };
            let (folder, is_there) = row.measure(run, &label, reporter)?;
            ledgers.push(workspace.relative_ledger(&folder));
            complete &= is_there;
            done += 1;
            reporter.runs_done(done, count);
        }
        records.push((system.name.clone(), ledgers));
    }
    let facts = vec![data_caption(&context.store), profile_caption(config)];
    let record = Record::new(config, facts, records);
    record.save(workspace.out())?;
    keep(config, workspace)?;
    let mut outcome = render_sampled(record, workspace)?;
    outcome.complete &= complete;
    Ok(outcome)
}

/// The experiment as one row sees it, and its sampler.
fn row(config: &Config, system: &System) -> Result<(Config, Samplers)> {
    if system.sampler.is_empty() {
        return Err(refuse(
            format!("row `{}` names no sampler", system.name),
            "the rows of this experiment are samplers: give it a `sampler` (`histogen list samplers`)",
        ));
    }
    let mut own = config.for_system(system)?;
    own.evaluation.samplers = vec![system.sampler.clone()];
    let samplers = Samplers::new(&own.evaluation.samplers, &own.samplers)?;
    Ok((own, samplers))
}

struct SampledRow<'a> {
    context: &'a Context<'a>,
    evaluators: Evaluators,
    system: &'a System,
}

impl SampledRow<'_> {
    /// One seed: the folder of its ledger, and whether there is a number.
    fn measure(
        &self,
        run: &RunConfig,
        label: &Label,
        reporter: &mut dyn Reporter,
    ) -> Result<(PathBuf, bool)> {
        let Context {
            config, workspace, ..
        } = self.context;
        let trained = train_run(self.context, run, label, reporter)?;
        let Some((run, model)) = trained else {
            // Its ledger says how it ended.
            return Ok((Run::folder(&workspace.runs(), run), false));
        };
        let model = model.as_ref();
        if !self.context.samplers.fits(model) {
            return Err(refuse(
                format!(
                    "the sampler `{}` of row `{}` does not fit `{}`",
                    self.system.sampler,
                    self.system.name,
                    self.system.model()
                ),
                "`histogen list samplers` says what each is for",
            ));
        }
        let (name, sampler) = (run.config.name(), self.context.samplers.describe());
        let key = &sha256(format!("{name} {sampler}"))[..12];
        let folder = workspace.reference(&format!("sampled-s{}", run.config.seed), key);
        let about = Sampled {
            seed: run.config.seed,
            image_size: run.config.image_size,
            run: &name,
            sampler: if sampler.is_empty() {
                "plain"
            } else {
                &sampler
            },
        };
        let text = toml::to_string(&about).expect("plain values");
        write_whole(&config_file(&folder), text.as_bytes())?;
        let mut ledger = Ledger::open(&ledger(&folder))?;
        // Drawn and measured, unless it has been.
        let mut acceptance = None;
        let count = config.evaluation.images;
        let phase = format!("{}: drawing", label.text);
        let draw_now = |reporter: &mut dyn Reporter| {
            reporter.phase(&phase, 0, count);
            let drawn = draw(self.context, model, count, &mut |done| {
                reporter.phase(&phase, done, count);
            })?;
            reporter.phase_end(&format!("{count} images"));
            acceptance = drawn.acceptance;
            Ok(Drawn {
                note: String::new(), // it has columns of its own
                ..drawn
            })
        };
        let drawn = self
            .evaluators
            .measure(&mut ledger, 0, Some(model), draw_now, reporter)?;
        if let Some(acceptance) = acceptance {
            keep_acceptance(&mut ledger, acceptance)?;
        }
        self.picture(run.config.seed, model, drawn.as_ref())?;
        Ok((folder, true))
    }

    /// A picture of the first images that are measured.
    fn picture(
        &self,
        seed: u64,
        model: &dyn GenerativeModel,
        drawn: Option<&Pixels>,
    ) -> Result<()> {
        let Context {
            config, workspace, ..
        } = self.context;
        let path: &Path = &workspace.picture(&config.name, &self.system.name, &format!("-s{seed}"));
        let count = config.logging.grid_images;
        let shown = match drawn {
            Some(drawn) => first(drawn, count),
            None if path.exists() => return Ok(()),
            None => draw(self.context, model, count, &mut |_| {})?.pixels,
        };
        write_png(&grid(&shown), path)
    }
}

/// Adds how many proposals were accepted to what was just measured.
fn keep_acceptance(ledger: &mut Ledger, acceptance: Acceptance) -> Result<()> {
    let Some(measured) = tracker::result(ledger.events()).cloned() else {
        return Ok(());
    };
    let Some(first) = measured.scores.first() else {
        return Ok(());
    };
    let score = |name: &str, value: f64| ScoreRecord {
        value: Some(value),
        ..ScoreRecord::new(name, first.protocol.clone())
    };
    let own = [
        score(ACCEPTANCE, acceptance.rate()),
        score(FALLBACKS, acceptance.fallback_rate()),
    ];
    let is_other = |score: &&ScoreRecord| own.iter().all(|new| new.name != score.name);
    let others = measured.scores.iter().filter(is_other).cloned();
    let scores = others.chain(own.clone()).collect();
    ledger.append(Event::Evaluation(tracker::Evaluation {
        scores,
        ..measured
    }))
}
