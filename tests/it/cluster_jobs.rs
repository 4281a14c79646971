//! The cells of an experiment as processes of this machine, and what becomes of a process that is displaced.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fake_mlflow::FakeServer;
use crate::lab::{Lab, assert_same_trace, signal, wait_for};

/// A GAN, the one with a reward model, and one with two rows that are one run.
const EXPERIMENT: &str = "--profile smoke --set logging.checkpoint_every=5 --set training.steps=12 \
     --set systems=[{name=\"dcgan\"},{name=\"rl-eo\"},{name=\"again\",model=\"dcgan\"},{name=\"lsgan\"}]";

/// How many events of a kind the ledger of a run has.
pub(crate) fn count(run: &Path, event: &str) -> usize {
    let text = fs::read_to_string(run.join("ledger.jsonl")).unwrap_or_default();
    text.matches(&format!("\"event\":\"{event}\"")).count()
}

/// The folders of all runs, by name.
pub(crate) fn runs(lab: &Lab) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(lab.path("runs")).expect("runs");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let folders = folders.filter(|folder| folder.join("config.toml").exists());
    let named = folders.map(|folder| {
        let name = folder.file_name().expect("a name").to_string_lossy();
        (name.into_owned(), folder)
    });
    named.collect()
}

/// Fails unless both trained the same runs to the same bytes, and made the same tables.
pub(crate) fn assert_same_results(found: &Lab, expected: &Lab, tables: &[&str]) {
    let (left, right) = (runs(found), runs(expected));
    assert_eq!(
        left.keys().collect::<Vec<_>>(),
        right.keys().collect::<Vec<_>>()
    );
    for (name, folder) in &left {
        assert_same_trace_but_times(folder, &right[name], name);
    }
    for table in tables {
        for ending in ["md", "csv", "tex"] {
            let file = format!("reports/table1/{table}.{ending}");
            assert_eq!(found.read(&file), expected.read(&file), "{file}");
        }
    }
}

/// The same bytes, but for how long images were drawn.
fn assert_same_trace_but_times(found: &Path, expected: &Path, what: &str) {
    for folder in [found, expected] {
        let path = folder.join("ledger.jsonl");
        let text = fs::read_to_string(&path).expect("a ledger");
        fs::write(&path, without_seconds(&text)).expect("written");
    }
    assert_same_trace(found, expected, what);
}

/// A ledger without the seconds of drawing.
fn without_seconds(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let Some((front, back)) = line.split_once("\"drawing_seconds\":") else {
            return line.to_owned();
        };
        let end = back.find(',').expect("more follows");
        format!("{front}{}", &back[end + 1..])
    });
    lines.map(|line| line + "\n").collect()
}

/// How often each step stands in a ledger, in order; fails unless each stands once.
pub(crate) fn assert_each_step_once(run: &Path) -> u64 {
    let text = fs::read_to_string(run.join("ledger.jsonl")).expect("a ledger");
    let mut last = 0;
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        if event["event"] == "step" {
            last += 1;
            assert_eq!(event["step"], last, "{}", run.display());
        }
    }
    last
}

#[test]
fn several_at_once_make_what_one_after_the_other_makes() {
    let (one, several) = (Lab::new(), Lab::new());
    one.succeed(&format!("reproduce all {EXPERIMENT}"));
    let server = FakeServer::new();
    let output = several
        .command(&format!("reproduce all {EXPERIMENT} --jobs 2"))
        .env("MLFLOW_TRACKING_URI", &server.address)
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("4 trainings, 2 at once"), "{errors}");
    for line in [
        "reward model of rl-eo: done in ",
        "rl-eo seed 0: done in ",
        "dcgan seed 0: done in ",
    ] {
        assert_eq!(errors.matches(line).count(), 1, "{line}: {errors}");
    }
    let tables = ["table1", "table2", "table3", "table4"];
    assert_same_results(&several, &one, &tables);
    // At the server one execution with all that hang below it.
    let remote = server.runs();
    let parents: Vec<_> = remote
        .iter()
        .filter(|run| !run.tags.contains_key("mlflow.parentRunId"))
        .collect();
    assert_eq!((parents.len(), remote.len()), (1, 1 + runs(&several).len()));
    for run in &remote {
        assert_eq!(
            run.status,
            "FINISHED",
            "{:?}",
            run.tags.get("mlflow.runName")
        );
        let parent = run.tags.get("mlflow.parentRunId");
        assert!(parent.is_none_or(|parent| *parent == parents[0].id));
    }
    // Again: nothing is started.
    let again = several.run(&format!("reproduce all {EXPERIMENT} --jobs auto"));
    assert_eq!(again.code, 0, "{}", again.errors);
    assert_eq!(
        again.errors.matches(": found done").count(),
        4,
        "{}",
        again.errors
    );
}

#[test]
fn a_failed_cell_is_a_failed_cell_of_the_table() {
    let lab = Lab::new();
    let systems =
        "--set systems=[{name=\"dcgan\",set={optimiser={learning_rate=1e38}}},{name=\"lsgan\"}]";
    let said = lab.run(&format!(
        "reproduce table1 --profile smoke {systems} --jobs 2"
    ));
    assert_eq!(said.code, 1, "{}", said.errors);
    assert!(
        said.errors.contains("dcgan seed 0: diverged after step "),
        "{}",
        said.errors
    );
    assert!(
        said.errors.contains("lsgan seed 0: done in "),
        "{}",
        said.errors
    );
    let table = lab.read("reports/table1/table1.md");
    let row = |name: &str| {
        let mut rows = table
            .lines()
            .filter(|line| line.starts_with(&format!("| {name} ")));
        rows.next().expect("a row").to_owned()
    };
    assert!(
        row("dcgan").contains("failed") && !row("lsgan").contains("failed"),
        "{table}"
    );
    // It is not tried again.
    let again = lab.run(&format!(
        "reproduce table1 --profile smoke {systems} --jobs 2"
    ));
    assert_eq!(again.code, 1);
    assert_eq!(
        again.errors.matches("done in").count(),
        0,
        "{}",
        again.errors
    );
    for command in [
        "reproduce downstream --profile smoke --jobs 2",
        "submit downstream --profile smoke",
    ] {
        let error = lab.refused(command);
        assert!(error.contains("depend on one another"), "{error}");
    }
    let error = lab.run("reproduce table1 --jobs 0");
    assert!(
        error.errors.contains("no number of trainings"),
        "{}",
        error.errors
    );
}

#[test]
fn a_signal_reaches_every_cell_once_and_a_parent_that_is_gone_stops_them() {
    let (disturbed, undisturbed) = (Lab::new(), Lab::new());
    let experiment = "reproduce table1 --profile smoke --set training.steps=3000 \
                      --set systems=[{name=\"dcgan\"},{name=\"lsgan\"}]";
    undisturbed.succeed(experiment);
    let command = format!("{experiment} --jobs 2");
    for (starts, name) in [(1, "INT"), (2, "TERM"), (3, "KILL")] {
        let mut child = disturbed.start(&command);
        wait_for(|| {
            let folder = disturbed.path("runs");
            folder.exists() && {
                let runs = runs(&disturbed);
                // Begun this time, and some way on.
                let is_on = |run: &PathBuf| {
                    count(run, "start") == starts && count(run, "step") >= 30 * starts
                };
                runs.len() == 2 && runs.values().all(is_on)
            }
        });
        signal(&child, name);
        let code = child.wait().expect("it ended").code();
        assert_eq!(
            code,
            match name {
                "INT" => Some(130),
                "TERM" => Some(143),
                _ => None,
            }
        );
        // The children of one that was killed find out by themselves.
        wait_for(|| {
            let listed = disturbed.succeed("list runs");
            listed.matches("killed after step").count() == 2
        });
        let listed = disturbed.succeed("list runs");
        let by = if name == "INT" {
            "stopped by SIGINT"
        } else {
            "stopped by SIGTERM"
        };
        assert_eq!(listed.matches(by).count(), 2, "{listed}");
    }
    disturbed.succeed(&command);
    assert_same_results(&disturbed, &undisturbed, &["table1"]);
}

#[test]
fn a_displaced_process_stops_says_so_and_writes_nothing_more() {
    let lab = Lab::new();
    let mut child =
        lab.start("train table1 --profile smoke --set training.steps=1000000 --model dcgan");
    wait_for(|| lab.path("runs").exists() && runs(&lab).len() == 1);
    let run = runs(&lab).into_values().next().expect("a run");
    let owner = run.join("owner");
    wait_for(|| {
        let text = fs::read_to_string(run.join("ledger.jsonl")).unwrap_or_default();
        owner.exists() && text.contains("\"event\":\"step\"")
    });
    // Another has taken it, as one on another machine would whose lock is worth nothing here.
    let text = fs::read_to_string(&owner).expect("an owner");
    let token = text
        .lines()
        .find(|line| line.starts_with("token"))
        .expect("a token");
    let text = text.replace(token, "token = \"another\"");
    let host = text
        .lines()
        .find(|line| line.starts_with("host"))
        .expect("a host")
        .to_owned();
    fs::write(run.join("new"), text.replace(&host, "host = \"elsewhere\"")).expect("written");
    fs::rename(run.join("new"), &owner).expect("renamed");
    let code = child.wait().expect("it ended").code();
    assert_eq!(code, Some(2));
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("errors"), &mut errors)
        .expect("text");
    assert!(
        errors.contains("it was taken over by process") && errors.contains("on `elsewhere`"),
        "{errors}"
    );
    assert!(errors.contains("hint: nothing is lost"), "{errors}");
    assert!(
        !lab.read(run.join("ledger.jsonl"))
            .contains("\"event\":\"end\"")
    );
    assert!(owner.exists(), "it is the other's");
    let listed = lab.succeed("list runs");
    assert!(listed.contains("on `elsewhere`), step "), "{listed}");
    // And who comes now is told who has it.
    let error =
        lab.refused("train table1 --profile smoke --set training.steps=1000000 --model dcgan");
    assert!(
        error.contains("on `elsewhere`)") && error.contains("delete `"),
        "{error}"
    );
}

#[test]
fn a_frozen_experiment_is_what_it_was() {
    let lab = Lab::new();
    let said = lab.run("submit table1 --profile smoke --set systems=[{name=\"rl-eo\"},{name=\"lsgan\"}] --local --jobs 1 --set training.steps=2");
    assert_eq!(said.code, 0, "{}", said.errors);
    let entries = fs::read_dir(lab.path("runs/submissions")).expect("submissions");
    let folder = entries
        .map(|entry| entry.expect("an entry").path())
        .next()
        .expect("one");
    let cell = |index: usize| format!("cell --submission {} --index {index}", folder.display());
    // Variables that are settings elsewhere change nothing here.
    let output = lab
        .command(&cell(2))
        .env("HISTOGEN_TRAINING__STEPS", "5")
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && errors.contains("already trained"),
        "{errors}"
    );
    let error = lab.refused(&cell(7));
    assert!(
        error.contains("no cell 7") && error.contains("from 0 to 2"),
        "{error}"
    );
    // A reward model is not trained by who needs it.
    let trained = runs(&lab)
        .into_iter()
        .find(|(name, _)| name.starts_with("snn-"));
    let trained = trained.expect("a reward model").1;
    fs::rename(&trained, lab.path("elsewhere")).expect("moved");
    let error = lab.refused(&cell(1)); // rl-eo: a row above lsgan
    assert!(
        error.contains("is not trained") && error.contains("hint: it is trained before"),
        "{error}"
    );
    assert!(!trained.exists());
    // Another build of the program is another program.
    let about = folder.join("submission.toml");
    let text = fs::read_to_string(&about).expect("text");
    let hash = text
        .lines()
        .find(|line| line.starts_with("program_sha256"))
        .expect("a hash");
    fs::write(
        &about,
        text.replace(hash, "program_sha256 = \"0123456789abcdef\""),
    )
    .expect("written");
    let error = lab.refused(&cell(1));
    assert!(
        error.contains("frozen by another build of the program: its SHA-256 is 01234567…"),
        "{error}"
    );
}

#[test]
fn a_dry_run_shows_cells_scripts_and_commands_and_writes_none() {
    let lab = Lab::new();
    let printed = lab.succeed(
        "submit table1 --profile smoke --seeds 0,1 --set systems=[{name=\"dcgan\"},{name=\"rl-eo\"},{name=\"ddpm\"}] \
         --partition gpu --gres gpu:1 --time 12:00:00 --throttle 8 --sbatch mem=8G --dry-run",
    );
    for part in [
        "cell 0: reward model of rl-eo\n",
        "cell 1: ddpm seed 0\n", // what takes longest begins first
        "#SBATCH --partition=gpu\n",
        "#SBATCH --time=12:00:00\n",
        "#SBATCH --signal=B:USR1@120\n",
        "#SBATCH --mem=8G\n",
        "--array=0-4%8 ",
        "--array=5-6%8 --dependency=afterok:JOB1_0 --kill-on-invalid-dep=yes ",
        "--dependency=afterany:JOB1:JOB2 ",
        "report.sh\n",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!lab.path("runs/submissions").exists());
    assert!(!lab.path("reports").exists());
    let status = lab.succeed(
        "submit table1 --profile smoke --set systems=[{name=\"dcgan\"},{name=\"rl-eo\"}] --status",
    );
    assert!(
        status.contains("dcgan seed 0")
            && status.contains("not begun: its reward model is not trained"),
        "{status}"
    );
}
