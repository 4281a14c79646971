//! What is submitted, by what is done and what is queued.

use super::*;
use crate::experiment::{Asked, Cell, Silent, patches, resolve};
use crate::run::RunState;
use crate::workspace::Workspace;

/// Two reward models, four cells of which two need one each.
fn submission() -> Submission {
    let config = resolve("table1", "smoke", &[]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let store = patches(&config, &Workspace::new(out.path()), &mut Silent).unwrap();
    let cell = |(index, needs): (usize, Option<usize>)| Cell {
        index,
        system: format!("system {index}"),
        seed: (index > 1).then_some(0),
        needs,
    };
    let cells = [
        (0, None),
        (1, None),
        (2, None),
        (3, None),
        (4, Some(0)),
        (5, Some(1)),
    ];
    Submission {
        folder: PathBuf::from("/out/runs/submissions/table1-0123456789ab"),
        about: About {
            seen_from: PathBuf::from("/"),
            out: PathBuf::from("out"),
            program_sha256: String::new(),
            asked: Asked::of("table1").unwrap(),
        },
        config,
        cells: cells.map(cell).to_vec(),
        notes: Vec::new(),
        store,
    }
}

fn open() -> CellState {
    CellState::Open(RunState::New)
}

/// What is submitted, as lines, and which report is cancelled.
fn planned(
    states: &[CellState],
    queue: &[Queued],
    most: usize,
    is_reported: bool,
) -> (Vec<String>, Submitted) {
    let resources = Resources::default();
    let planned = Planned {
        states,
        queue,
        resources: &resources,
        most,
        is_reported,
    };
    let mut lines = Vec::new();
    let mut submit = |job: &Job| {
        let line = format!(
            "{} +{} {:?} ok{:?} any{:?}",
            job.name.trim_start_matches("histogen-0123456789ab"),
            job.offset,
            job.tasks,
            job.after_ok,
            job.after_any
        );
        lines.push(line.replace('"', ""));
        Ok(format!("{}", 100 + lines.len()))
    };
    let submitted = submission()
        .submit(&planned, &mut submit, &mut |_| Ok(()))
        .unwrap();
    (lines, submitted)
}

fn queued(name: &str, job: &str, task: Option<usize>) -> Queued {
    Queued {
        name: format!("histogen-0123456789ab{name}"),
        job: job.to_owned(),
        task,
        state: "pending".to_owned(),
        why: "Priority".to_owned(),
    }
}

#[test]
fn cells_wait_for_their_own_reward_model_and_the_report_for_all() {
    let (lines, submitted) = planned(&vec![open(); 6], &[], 1001, false);
    assert_eq!(
        lines,
        [
            " +0 [0, 1, 2, 3] ok[] any[]",
            " +0 [4] ok[101_0] any[]",
            " +0 [5] ok[101_1] any[]",
            "-report +0 [] ok[] any[101, 102, 103]",
        ]
    );
    assert_eq!(submitted.jobs.len(), 4);
}

#[test]
fn what_is_done_or_queued_is_left_out_and_the_report_waits_anew() {
    let mut states = vec![open(); 6];
    states[0] = CellState::Done;
    states[3] = CellState::Diverged("diverged after step 3".to_owned());
    let queue = [
        queued("", "7", Some(1)),
        queued("", "7", Some(2)),
        queued("-report", "9", None),
    ];
    let (lines, submitted) = planned(&states, &queue, 1001, false);
    assert_eq!(
        lines,
        [
            " +0 [4] ok[] any[]",
            " +0 [5] ok[7_1] any[]",
            "-report +0 [] ok[] any[101, 102, 7]",
        ]
    );
    assert_eq!(
        (submitted.done, submitted.diverged, submitted.queued),
        (1, 1, 2)
    );
    assert_eq!(submitted.replaced.as_deref(), Some("9"));
}

#[test]
fn submitting_twice_adds_nothing() {
    let all: Vec<Queued> = (0..6).map(|task| queued("", "7", Some(task))).collect();
    let with_report = [all.clone(), vec![queued("-report", "9", None)]].concat();
    let (lines, submitted) = planned(&vec![open(); 6], &with_report, 1001, false);
    assert!(
        lines.is_empty() && submitted.replaced.is_none(),
        "{lines:?}"
    );
    // A crash before the report was submitted.
    let (lines, _) = planned(&vec![open(); 6], &all, 1001, false);
    assert_eq!(lines, ["-report +0 [] ok[] any[7]"]);
    // All is done: the report alone, and then nothing.
    let (lines, _) = planned(&vec![CellState::Done; 6], &[], 1001, false);
    assert_eq!(lines, ["-report +0 [] ok[] any[]"]);
    let (lines, _) = planned(&vec![CellState::Done; 6], &[], 1001, true);
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn an_array_above_the_largest_is_split_and_found_again() {
    let (lines, submitted) = planned(&vec![open(); 6], &[], 3, false);
    assert_eq!(
        lines[..4],
        [
            " +0 [0, 1, 2] ok[] any[]",
            "+3 +3 [0] ok[] any[]",
            "+3 +3 [1] ok[101_0] any[]",
            "+3 +3 [2] ok[101_1] any[]",
        ]
    );
    assert!(submitted.jobs[1].0.log.ends_with("logs/3+%a.log"));
    let submission = submission();
    assert_eq!(submission.job_names(3).len(), 3);
    assert_eq!(submission.cell_of(&queued("+3", "102", Some(2))), Some(5));
    assert_eq!(submission.cell_of(&queued("", "101", Some(2))), Some(2));
    assert_eq!(submission.cell_of(&queued("-report", "103", None)), None);
    assert_eq!(
        submission.cell_of(&queued("0", "1", Some(0))),
        None,
        "another's"
    );
}

#[test]
fn nothing_is_tried_for_a_reward_model_that_diverged() {
    let mut states = vec![open(); 6];
    states[1] = CellState::Diverged("diverged".to_owned());
    let (lines, _) = planned(&states, &[], 1001, false);
    assert_eq!(
        lines[..2],
        [" +0 [0, 2, 3] ok[] any[]", " +0 [4] ok[101_0] any[]"]
    );
    assert_eq!(lines.len(), 3);
}
