//! What the systems of an experiment cost: time, memory and operations.

use std::path::Path;

use super::statistics::interquartile_mean;
use super::tables::decimal_places;
use super::{Column, Record, Row, RunOutcome, Table, TableCell, TableDefinition};
use crate::error::Result;
use crate::tracker::{Event, Ledger};
use crate::workspace;

/// What the table of costs is called.
pub const COSTS: TableDefinition = TableDefinition {
    name: "costs",
    title: "Costs",
    caption: "Time, memory and operations of training and sampling, the mean over seeds.",
    scores: &[],
    optional: &[],
    remark: "",
};

/// What a number that a ledger lacks says.
const NOT_RECORDED: &str = "not recorded";

/// What one ledger says of costs.
#[derive(Debug, Default, PartialEq)]
struct Costs {
    /// Steps of the training.
    steps: Option<f64>,
    /// Milliseconds of a step: the mean of the middle half of the times between steps that follow each other in the ledger,
    /// so without measurements, pictures and most checkpoints.
    step: Option<f64>,
    /// Seconds of the whole training.
    training: Option<f64>,
    /// Seconds of drawing a thousand images.
    drawing: Option<f64>,
    /// The most memory of the process while it trained, in millions of bytes.
    memory: Option<f64>,
    /// Operations of a step and of drawing an image, in units of 10^9.
    step_gigaflop: Option<f64>,
    image_gigaflop: Option<f64>,
}

/// The costs of every row that was trained, from the ledgers under `out`.
///
/// # Errors
/// Fails if a ledger is damaged.
pub fn costs(record: &Record, out: &Path) -> Result<Table> {
    let titles = [
        ("steps", ""),
        ("ms per step", "training"),
        ("seconds in all", "training"),
        ("peak memory (MB)", "training"),
        ("GFLOP per step", "training"),
        ("seconds per 1,000 images", "sampling"),
        ("GFLOP per image", "sampling"),
    ];
    let columns = titles.map(|(title, group)| Column::new(title, None).in_group(group));
    let mut table = Table::new(COSTS.title, "system", columns.to_vec());
    COSTS.caption.clone_into(&mut table.caption);
    let mut machines: Vec<String> = Vec::new();
    for row in record.rows.iter().filter(|row| !row.reference) {
        let mut found = Vec::new();
        for outcome in RunOutcome::of_row(row, out)? {
            let ledger = workspace::ledger(&out.join(&outcome.folder));
            let events = Ledger::read_with_times(&ledger)?;
            for (_, event) in &events {
                if let Event::Start { environment, .. } = event {
                    let machine = format!(
                        "{} with {} threads",
                        environment.platform, environment.threads
                    );
                    if !machines.contains(&machine) {
                        machines.push(machine);
                    }
                }
            }
            found.push(Costs::of(&events, &outcome));
        }
        // The digits after the point; none for three significant ones.
        let mean = |number: fn(&Costs) -> Option<f64>, digits: Option<usize>| {
            let numbers: Option<Vec<f64>> = found.iter().map(number).collect();
            match numbers {
                Some(numbers) if !numbers.is_empty() => {
                    let value = numbers.iter().sum::<f64>() / numbers.len() as f64;
                    let digits = digits.unwrap_or_else(|| decimal_places(value, 3));
                    TableCell::Derived {
                        value,
                        shown: format!("{value:.digits$}"),
                    }
                }
                _ => TableCell::Absent(NOT_RECORDED.to_owned()),
            }
        };
        table.push(Row {
            name: row.name.clone(),
            reference: false,
            cells: vec![
                mean(|costs| costs.steps, Some(0)),
                mean(|costs| costs.step, Some(1)),
                mean(|costs| costs.training, Some(1)),
                mean(|costs| costs.memory, Some(0)),
                mean(|costs| costs.step_gigaflop, None),
                mean(|costs| costs.drawing, Some(2)),
                mean(|costs| costs.image_gigaflop, None),
            ],
        })?;
    }
    table.notes = notes(&machines);
    Ok(table)
}

fn notes(machines: &[String]) -> Vec<String> {
    let mut notes = vec![
        "Step: the mean of the middle half of the times between steps. In all: with measurements, pictures and checkpoints on \
         the way. Peak memory: the largest resident set of the process while it trained, memory of a GPU not counted. \
         Sampling: with the sampler of the tables, as images are drawn for measurement."
            .to_owned(),
        "GFLOP: 10^9 floating-point operations of the convolutions, forward and backward, as their definition has them (a \
         multiply-add is two), counted while they ran on a CPU; a GPU does not count them. Times depend on the machine and on \
         what else it did."
            .to_owned(),
    ];
    if !machines.is_empty() {
        notes.push(format!("Machine: {}.", machines.join("; ")));
    }
    notes
}

impl Costs {
    fn of(events: &[(Option<i64>, Event)], outcome: &RunOutcome) -> Self {
        let mut costs = Self {
            training: outcome.seconds,
            ..Self::default()
        };
        let mut between = Vec::new();
        for pair in events.windows(2) {
            if let [
                (Some(before), Event::Step { step: first, .. }),
                (Some(after), Event::Step { step: second, .. }),
            ] = pair
                && *second == first + 1
            {
                between.push((after - before) as f64);
            }
        }
        if !between.is_empty() {
            costs.step = Some(interquartile_mean(&between));
        }
        for (_, event) in events {
            match event {
                Event::Step { step, .. } => costs.steps = Some(*step as f64),
                Event::End {
                    peak_megabytes: peak,
                    gigaflop,
                    ..
                } => {
                    costs.memory = [costs.memory, *peak].into_iter().flatten().reduce(f64::max);
                    costs.step_gigaflop = gigaflop.or(costs.step_gigaflop);
                }
                Event::Evaluation(evaluation) => {
                    let images = evaluation.scores.first().map(|score| score.protocol.images);
                    if let (Some(seconds), Some(images)) = (evaluation.drawing_seconds, images)
                        && images > 0
                    {
                        costs.drawing = Some(1000.0 * seconds / images as f64);
                        let gigaflop = evaluation.drawing_gigaflop;
                        costs.image_gigaflop = gigaflop.map(|all| all / images as f64);
                    }
                }
                _ => {}
            }
        }
        costs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::report::TrainingState;

    fn step(time: i64, step: u64) -> (Option<i64>, Event) {
        let scalars = BTreeMap::new();
        (Some(time), Event::Step { step, scalars })
    }

    fn outcome() -> RunOutcome {
        RunOutcome {
            row: "dcgan".to_owned(),
            reference: false,
            seed: Some(0),
            state: TrainingState::NotStarted,
            scores: Vec::new(),
            seconds: Some(2.0),
            folder: PathBuf::new(),
        }
    }

    #[test]
    fn what_lies_between_steps_is_no_step() {
        let picture = Event::Samples {
            step: 3,
            file: String::new(),
        };
        // Steps of 10 ms; a checkpoint before the fifth, a picture after the third, and a resumed run.
        let events = [
            step(0, 1),
            step(10, 2),
            step(20, 3),
            (Some(920), picture),
            step(930, 4),
            step(1500, 5),
            step(1510, 6),
            step(9000, 4),
        ];
        let costs = Costs::of(&events, &outcome());
        assert_eq!(costs.step, Some(10.0));
        assert_eq!(costs.training, Some(2.0));
        assert_eq!((costs.memory, costs.drawing), (None, None));
    }

    #[test]
    fn what_a_ledger_lacks_is_not_recorded() {
        let record = Record {
            name: "table1".to_owned(),
            question: String::new(),
            profile: "quick".to_owned(),
            facts: Vec::new(),
            notes: Vec::new(),
            rows: vec![crate::report::RowRecord {
                name: "dcgan".to_owned(),
                reference: false,
                ledgers: vec![PathBuf::from("runs/dcgan/ledger.jsonl")],
            }],
        };
        let out = tempfile::tempdir().unwrap();
        let text = costs(&record, out.path()).unwrap().markdown();
        assert!(
            text.contains("| dcgan | - [1] | - [1] | - [1] | - [1] | - [1] | - [1] | - [1] |"),
            "{text}"
        );
        assert!(text.contains("[1] not recorded."), "{text}");
    }
}
