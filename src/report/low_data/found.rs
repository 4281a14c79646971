//! What the ledgers of an experiment with few images say.

use std::path::Path;

use super::LowDataRecord;
use crate::error::Result;
use crate::report::downstream::number;
use crate::report::{Record, RunOutcome, TableCell};
use crate::tracker::{Event, Ledger};

/// What the ledgers say.
pub(in crate::report) struct Found<'a> {
    pub(in crate::report) record: &'a Record,
    pub(in crate::report) about: &'a LowDataRecord,
    pub(in crate::report) outcomes: &'a [Vec<RunOutcome>],
    pub(in crate::report) out: &'a Path,
}

impl Found<'_> {
    /// What the ledgers of a system with a number of images say; nothing where there is no such row.
    pub(in crate::report) fn outcomes(&self, system: &str, size: usize) -> &[RunOutcome] {
        let place = self.place(system, size);
        place.map_or(&[], |place| &self.outcomes[place])
    }

    fn place(&self, system: &str, size: usize) -> Option<usize> {
        let mut points = self.about.points.iter();
        let point = points.find(|point| point.system == system && point.size == size)?;
        let mut rows = self.record.rows.iter();
        rows.position(|row| row.name == point.row)
    }

    /// A score of a system with a number of images, by seed.
    pub(in crate::report) fn by_seed(
        &self,
        system: &str,
        size: usize,
        score: &str,
    ) -> Vec<(u64, f64)> {
        crate::report::comparisons::measured(self.outcomes(system, size), score)
    }

    /// Tau after the last step, by seed, of the trainings that finished.
    pub(in crate::report) fn taus_by_seed(
        &self,
        system: &str,
        size: usize,
    ) -> Result<Vec<(u64, f64)>> {
        let Some(place) = self.place(system, size) else {
            return Ok(Vec::new());
        };
        let ledgers = &self.record.rows[place].ledgers;
        let mut taus = Vec::new();
        for (outcome, ledger) in self.outcomes[place].iter().zip(ledgers) {
            let Some(seed) = outcome.seed.filter(|_| outcome.state.is_complete()) else {
                continue;
            };
            let steps = Ledger::read(&self.out.join(ledger))?;
            let last = steps.iter().rev().find_map(|event| match event {
                Event::Step { scalars, .. } => scalars.get("tau").copied(),
                _ => None,
            });
            taus.extend(last.map(|tau| (seed, tau)));
        }
        Ok(taus)
    }

    /// Tau over seeds, as a cell.
    pub(super) fn tau_cell(&self, system: &str, size: usize, digits: usize) -> Result<TableCell> {
        let outcomes = self.outcomes(system, size);
        if let Some(open) = outcomes.iter().find(|outcome| !outcome.state.is_complete()) {
            return Ok(TableCell::Failed(open.state.to_string()));
        }
        let (seeds, taus): (Vec<u64>, Vec<f64>) =
            self.taus_by_seed(system, size)?.into_iter().unzip();
        if taus.is_empty() {
            return Ok(TableCell::Missing);
        }
        number(taus, seeds, String::new(), digits)
    }
}
