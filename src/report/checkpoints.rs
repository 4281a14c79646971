//! The best checkpoint of every training beside its last.

use super::statistics::Summary;
use super::tables::decimal_places;
use super::{Column, Record, Row, Table, TableCell, TableDefinition};
use crate::error::Result;
use crate::tracker::{Event, Ledger};
use crate::workspace::{Workspace, ledger};

/// What the table of checkpoints is called.
pub const CHECKPOINTS: TableDefinition = TableDefinition {
    name: "checkpoints",
    title: "Best and last checkpoint",
    caption: "FID of the last checkpoint of every training and of the best on its way, against held-out patches that did not \
              choose it.",
    scores: &[],
    optional: &[],
    remark: "",
};

/// Best and last of the trainings of a record; none where no training was measured on its way.
///
/// # Errors
/// Fails if a ledger is damaged.
pub fn checkpoints(record: &Record, workspace: &Workspace) -> Result<Option<Table>> {
    let columns = [
        ("step", "last"),
        ("FID", "last"),
        ("step", "best"),
        ("FID", "best"),
    ];
    let columns = columns.map(|(title, group)| Column::new(title, None).in_group(group));
    let mut table = Table::new(CHECKPOINTS.title, "system", columns.to_vec());
    CHECKPOINTS.caption.clone_into(&mut table.caption);
    let mut protocols: Vec<String> = Vec::new();
    for row in record.rows.iter().filter(|row| !row.reference) {
        let mut pairs = Vec::new();
        for path in &row.ledgers {
            let folder = workspace.out().join(path);
            let folder = folder.parent().unwrap_or(workspace.out());
            let events = Ledger::read(&ledger(&workspace.best(folder)))?;
            pairs.extend(best_and_last(&events, &mut protocols));
        }
        if pairs.is_empty() {
            continue;
        }
        let mut cells = if pairs.len() == row.ledgers.len() {
            let (last, best): (Vec<_>, Vec<_>) =
                pairs.into_iter().map(|pair| (pair[1], pair[0])).unzip();
            let [last, best] = [last, best].map(|of_seeds| both(&of_seeds));
            last?.into_iter().chain(best?).collect()
        } else {
            Vec::new()
        };
        let why = "not of every seed yet";
        cells.resize(table.columns().len(), TableCell::Absent(why.to_owned()));
        table.push(Row {
            name: row.name.clone(),
            reference: false,
            cells,
        })?;
    }
    if table.rows().is_empty() {
        return Ok(None);
    }
    table.notes = vec![
        "Best: of the checkpoints that were kept, the one with the lowest FID on the way (`logging.evaluate_every`). It was chosen \
         against the half of the held-out patches that is the reference of the other tables; both are measured here against the \
         other half. The other tables show the last step, whichever was best."
            .to_owned(),
    ];
    table.protocol = protocols;
    Ok(Some(table))
}

/// Step and FID of the best and of the last checkpoint that one ledger has measured.
fn best_and_last(events: &[Event], protocols: &mut Vec<String>) -> Option<[(u64, f64); 2]> {
    let mut found: Vec<(u64, f64)> = Vec::new();
    for event in events {
        let Event::Evaluation(evaluation) = event else {
            continue;
        };
        let score = evaluation.scores.first()?;
        let protocol = score.protocol.describe();
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
        // The newest measurement of a step.
        found.retain(|(step, _)| *step != evaluation.step);
        found.push((evaluation.step, score.value?));
    }
    found.sort_unstable_by_key(|(step, _)| *step);
    Some([*found.first()?, *found.last()?])
}

/// The steps and the FID of one kind of checkpoint over seeds.
fn both(of_seeds: &[(u64, f64)]) -> Result<[TableCell; 2]> {
    let mut steps: Vec<u64> = of_seeds.iter().map(|(step, _)| *step).collect();
    steps.dedup();
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let values: Vec<f64> = of_seeds.iter().map(|(_, value)| *value).collect();
    let summary = Summary::of(&values)?;
    let digits = decimal_places(summary.mean, 4);
    let mean = format!("{:.digits$}", summary.mean);
    Ok([
        TableCell::Text(steps.join(", ")),
        TableCell::Derived {
            value: summary.mean,
            shown: match summary.deviation {
                Some(deviation) => format!("{mean} ± {deviation:.digits$}"),
                None => mean,
            },
        },
    ])
}
