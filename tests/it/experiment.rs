//! Experiments by calls of the library, as someone's own program makes them.

use histogen::config::Config;
use histogen::experiment::{
    Outcome, Reporter, Silent, TrainingEnd, TrainingInfo, reproduce, resolve,
};
use histogen::models::Scalars;
use histogen::report::{self, Table, TableCell};
use histogen::tracker::ScoreRecord;
use histogen::workspace::Workspace;

/// What an experiment told.
#[derive(Default)]
struct Heard {
    /// Label, steps announced, steps told, how it ended.
    trainings: Vec<(String, u64, u64, Option<TrainingEnd>)>,
    scores: usize,
    done: Vec<(usize, usize)>,
}

impl Reporter for Heard {
    fn training(&mut self, training: &TrainingInfo<'_>) -> histogen::error::Result<()> {
        assert!(training.folder.join("config.toml").exists());
        let label = training.label.to_owned();
        self.trainings.push((label, training.steps, 0, None));
        Ok(())
    }

    fn step(&mut self, step: u64, _stage: &'static str, scalars: &Scalars) {
        let training = self.trainings.last_mut().expect("it has begun");
        training.2 += 1;
        assert_eq!(training.2, step, "{}", training.0);
        assert!(!scalars.is_empty(), "{}", training.0);
    }

    fn training_end(&mut self, ending: TrainingEnd) {
        let training = self.trainings.last_mut().expect("it has begun");
        training.3 = Some(ending);
    }

    fn scores(&mut self, scores: &[ScoreRecord]) {
        self.scores += scores.len();
    }

    fn runs_done(&mut self, done: usize, count: usize) {
        self.done.push((done, count));
    }
}

fn config(settings: &[&str]) -> Config {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    resolve("table1", "smoke", &settings).expect("the settings are known")
}

fn table1(config: &Config, workspace: &Workspace, reporter: &mut dyn Reporter) -> Outcome {
    let table = report::find("table1").expect("a table");
    let outcome = reproduce(config, &[table], workspace, reporter).expect("reproduced");
    assert!(outcome.complete);
    outcome
}

/// The FID of a row.
fn fid(table: &Table, name: &str) -> f64 {
    let mut rows = table.rows().iter();
    let row = rows.find(|row| row.name == name).expect("a row");
    match &row.cells[0] {
        TableCell::Number { mean, .. } => *mean,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn table1_is_one_call_and_the_next_call_trains_and_measures_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = Workspace::new(folder.path());
    let config = config(&[]);
    let mut heard = Heard::default();
    let outcome = table1(&config, &workspace, &mut heard);

    // Every training was told from its first step to its last, the reward model's before the systems'.
    let systems = config.systems.len();
    assert_eq!(heard.trainings.len(), 1 + systems);
    assert_eq!(heard.trainings[0].0, "mft-snn");
    for (label, steps, told, ending) in &heard.trainings {
        assert_eq!(
            (told, ending),
            (steps, &Some(TrainingEnd::Finished)),
            "{label}"
        );
    }
    let done: Vec<(usize, usize)> = (1..=systems).map(|done| (done, systems)).collect();
    assert_eq!(heard.done, done);
    assert!(heard.scores > systems, "{}", heard.scores);

    // A row for each system, and two that frame them.
    let table = &outcome.tables[0].table;
    let labels: Vec<&str> = config.systems.iter().map(|row| row.name.as_str()).collect();
    let rows: Vec<&str> = table.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(rows[..2], ["real (floor)", "untrained (ceiling)"]);
    assert_eq!(rows[2..], labels);
    for label in labels {
        assert!(fid(table, label) > fid(table, "real (floor)"), "{label}");
    }
    let files = outcome.tables[0].files.iter().chain(&outcome.files);
    for file in files {
        assert!(
            file.starts_with(workspace.report("table1")),
            "{}",
            file.display()
        );
        assert!(file.exists(), "{}", file.display());
    }

    // Again.
    let mut heard = Heard::default();
    let again = table1(&config, &workspace, &mut heard);
    assert_eq!(again.tables[0].table, *table);
    assert_eq!(again.record, outcome.record);
    assert_eq!(heard.scores, 0, "something was measured again");
    assert_eq!(heard.trainings.len(), 1 + systems);
    for (label, _, told, ending) in &heard.trainings {
        assert_eq!((*told, *ending), (0, Some(TrainingEnd::Found)), "{label}");
    }
}

#[test]
fn the_untrained_row_is_the_generator_of_the_first_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = Workspace::new(folder.path());
    let untrained = |model: &str| {
        let config = config(&[&format!("systems=[{{name=\"{model}\"}}]")]);
        let outcome = table1(&config, &workspace, &mut Silent);
        let expected = format!("Untrained: the generator of row `{model}` before training");
        let protocol = outcome.tables[0].table.protocol.join("\n");
        assert!(protocol.contains(&expected), "{protocol}");
        fid(&outcome.tables[0].table, "untrained (ceiling)")
    };
    let (dcgan, lsgan, ddpm) = (untrained("dcgan"), untrained("lsgan"), untrained("ddpm"));
    assert_eq!(dcgan.to_bits(), lsgan.to_bits(), "one backbone, one seed");
    assert!(ddpm > dcgan, "another network: {ddpm}, {dcgan}");
}
