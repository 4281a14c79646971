//! The best checkpoint of a run beside its last, measured on images that did not choose it.

use super::measure::Evaluators;
use super::training::{Drawn, draw, load_model};
use super::{Context, Evaluator, Reporter, Silent};
use crate::error::Result;
use crate::images::Pixels;
use crate::models::GenerativeModel;
use crate::run::{BEST_BY, Run};
use crate::tracker::Ledger;
use crate::workspace::ledger;

/// What measures best and last checkpoints.
pub(super) struct BestAndLast<'a> {
    context: &'a Context<'a>,
    evaluators: Evaluators,
}

impl<'a> BestAndLast<'a> {
    /// Measures against `other`, held-out patches that nothing was chosen by. None where no run is measured on its way.
    ///
    /// # Errors
    /// As [`Evaluator::new`].
    pub(super) fn open(context: &'a Context<'a>, other: &Pixels) -> Result<Option<Self>> {
        if context.config.logging.evaluate_every == 0 {
            return Ok(None);
        }
        let settings = &context.config.evaluation;
        let name = format!("second half of the test split of {}", context.store.name());
        let names = [BEST_BY.to_owned()];
        let (device, cache) = (&context.device, context.workspace.features());
        let evaluator = Evaluator::new(settings, &names, &name, other, device, &cache)?;
        Ok(Some(Self {
            context,
            evaluators: Evaluators::only(settings, evaluator.with_samplers(&context.samplers)),
        }))
    }

    /// Measures the best checkpoint of a finished run and its last, whose `model` made `drawn` if it was just drawn from.
    ///
    /// # Errors
    /// Fails where a checkpoint cannot be read, or a ledger cannot be written.
    pub(super) fn measure(
        &self,
        run: &Run,
        model: &dyn GenerativeModel,
        drawn: Option<&Pixels>,
    ) -> Result<()> {
        let Some(best) = run.best_checkpoint()? else {
            return Ok(());
        };
        let context = self.context;
        let images = context.config.evaluation.images;
        let mut ledger = Ledger::open(&ledger(&context.workspace.best(run.path())))?;
        let last = run.config.steps as u64;
        if best < last {
            let (_, model) = load_model(run.path(), Some(best), &context.device)?;
            let draw = |_: &mut dyn Reporter| draw(context, model.as_ref(), images, &mut |_| {});
            let model = Some(model.as_ref());
            self.evaluators
                .measure(&mut ledger, best, model, draw, &mut Silent)?;
        }
        let draw = |_: &mut dyn Reporter| match drawn {
            Some(drawn) => Ok(Drawn::plain(drawn.clone())),
            None => draw(context, model, images, &mut |_| {}),
        };
        self.evaluators
            .measure(&mut ledger, last, Some(model), draw, &mut Silent)?;
        Ok(())
    }
}
