//! How runs end, and what the next command makes of it: kills, signals, divergence, two processes at once.

use std::fs;
use std::io::Read;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use histogen::random::Random;

use crate::lab::{Lab, assert_same_trace, signal, wait_for};
use crate::schema::assert_ledgers;

const TRAIN: &str = "train table1 --profile smoke --set logging.checkpoint_every=5 \
                     --set logging.samples_every=10 --model";
/// Longer than any test waits.
const ENDLESS: &str = "train table1 --profile smoke --set training.steps=1000000 --model dcgan";

/// Waits until a run has `steps` steps behind it.
fn wait_for_steps(lab: &Lab, run: &str, steps: usize) {
    let ledger = lab.path(run).join("ledger.jsonl");
    wait_for(|| {
        let text = fs::read_to_string(&ledger).unwrap_or_default();
        text.matches("\"event\":\"step\"").count() >= steps
    });
}

/// The exit code and what was said on stderr; the program must end within seconds.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let start = Instant::now();
    let status = child.wait().expect("an end");
    assert!(start.elapsed() < Duration::from_secs(10), "took its time");
    let mut errors = String::new();
    let mut stream = child.stderr.take().expect("a stream");
    stream.read_to_string(&mut errors).expect("text");
    (status.code(), errors)
}

/// The folder of the only run whose name begins with `name`.
fn run_of(lab: &Lab, name: &str) -> String {
    let mut found = String::new();
    wait_for(|| {
        let entries = fs::read_dir(lab.path("runs"))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names = names.filter(|found| found.starts_with(name));
        names.next().is_some_and(|name| {
            found = format!("runs/{name}");
            true
        })
    });
    found
}

#[test]
fn a_killed_run_goes_on_to_the_bytes_of_an_undisturbed_one() {
    for model in ["sngan", "rl-eo", "ddpm"] {
        let (disturbed, undisturbed) = (Lab::new(), Lab::new());
        let command = &format!("{TRAIN} {model} --set training.steps=30");
        let run = undisturbed.succeed(command);
        let run = run.trim();
        disturbed.kill_after_checkpoint(command, run);
        let said = disturbed.run(command);
        assert_eq!(said.code, 0, "{}", said.errors);
        assert!(
            said.errors.contains("without closing it")
                && said.errors.contains("goes on after step"),
            "{}",
            said.errors
        );
        assert_same_trace(&disturbed.path(run), &undisturbed.path(run), model);
    }
}

#[test]
fn kills_at_random_moments_change_nothing() {
    let (disturbed, undisturbed) = (Lab::new(), Lab::new());
    let command = &format!("{TRAIN} wgan-gp --set training.steps=60");
    let start = Instant::now();
    let run = undisturbed.succeed(command);
    let whole = start.elapsed();
    let mut stream = Random::new(5).stream("kills");
    for _ in 0..6 {
        let mut child = disturbed.start(command);
        sleep(whole.mul_f64(stream.uniform()));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    disturbed.succeed(command);
    let run = run.trim();
    assert_same_trace(&disturbed.path(run), &undisturbed.path(run), "wgan-gp");
}

#[test]
fn a_signal_writes_a_checkpoint_and_closes_the_run_as_killed() {
    let (disturbed, undisturbed) = (Lab::new(), Lab::new());
    let command = &format!("{TRAIN} lsgan --set training.steps=400");
    let run = undisturbed.succeed(command);
    let run = run.trim();
    for (name, code, steps) in [("TERM", 143, 3), ("INT", 130, 30)] {
        let child = disturbed.start(command);
        wait_for_steps(&disturbed, run, steps);
        signal(&child, name);
        let (found, errors) = ended(child);
        assert_eq!(found, Some(code), "{errors}");
        assert!(
            errors.contains(&format!("stopped by SIG{name}: nothing is lost")),
            "{errors}"
        );
        let listed = disturbed.succeed("list runs");
        assert!(
            listed.contains(&format!(": stopped by SIG{name}")),
            "{listed}"
        );
        let step = listed
            .split("killed after step ")
            .nth(1)
            .expect("closed as killed");
        let step: u64 = step
            .split(':')
            .next()
            .and_then(|step| step.parse().ok())
            .expect("a step");
        let manifest = format!("{run}/checkpoints/step-{step:06}/manifest.toml");
        assert!(
            disturbed
                .read(manifest)
                .contains(&format!("step = {step}\n"))
        );
    }
    disturbed.succeed(command);
    assert_same_trace(&disturbed.path(run), &undisturbed.path(run), "lsgan");
    assert_ledgers(&disturbed.path("runs"));
}

#[test]
fn a_signal_stops_a_finetuning_too() {
    let lab = Lab::new();
    let command = "snn train --profile smoke --set snn.stage2.epochs=100000";
    let child = lab.start(command);
    let run = run_of(&lab, "snn-");
    wait_for_steps(&lab, &run, 4);
    signal(&child, "INT");
    let (code, errors) = ended(child);
    assert_eq!(code, Some(130), "{errors}");
    let listed = lab.succeed("list runs");
    assert!(listed.contains("killed after step"), "{listed}");
}

#[test]
fn a_signal_ends_at_once_what_can_be_made_again() {
    let lab = Lab::new();
    let run = lab.succeed(&format!("{TRAIN} dcgan"));
    let run = run.trim();
    let child = lab.start(&format!("sample {run} --n 100000000 --out grid.png"));
    sleep(Duration::from_millis(500));
    signal(&child, "TERM");
    assert_eq!(ended(child).0, Some(143));
    assert!(!lab.path("grid.png").exists());
    let listed = lab.succeed("list runs");
    assert!(listed.contains("finished after step 3"), "{listed}");
}

#[test]
fn a_run_is_seen_running_then_gone_and_belongs_to_one_process() {
    let lab = Lab::new();
    let mut child = lab.start(ENDLESS);
    let run = run_of(&lab, "dcgan-");
    wait_for_steps(&lab, &run, 2);
    let process = child.id();
    let listed = lab.succeed("list runs");
    assert!(
        listed.contains(&format!("running (process {process}), step ")),
        "{listed}"
    );
    let error = lab.refused(ENDLESS);
    assert!(
        error.contains(&format!("is open in another process (number {process})")),
        "{error}"
    );
    child.kill().expect("killed");
    child.wait().expect("ended");
    let listed = lab.succeed("list runs");
    assert!(listed.contains("stopped after step "), "{listed}");
}

#[test]
fn a_run_that_diverges_says_where_and_the_others_go_on() {
    let lab = Lab::new();
    let said = lab.run(
        "reproduce table1 --profile smoke \
         --set systems=[{name=\"dcgan\",set={optimiser={learning_rate=1e38}}},{name=\"lsgan\"}]",
    );
    assert_eq!(said.code, 1, "{}", said.errors);
    let table = lab.read("reports/table1/table1.md");
    let row = |name: &str| {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| {name} ")));
        row.unwrap_or_else(|| panic!("no row {name}: {table}"))
            .to_owned()
    };
    assert!(row("dcgan").contains("failed [1]"), "{table}");
    assert!(!row("lsgan").contains("fail"), "{table}");
    assert!(
        table.contains("diverged after step ") && table.contains(" at step "),
        "{table}"
    );
    let listed = lab.succeed("list runs");
    assert!(
        listed.contains("diverged after step ") && listed.contains("finished"),
        "{listed}"
    );
    let alone =
        lab.run("train table1 --profile smoke --model dcgan --set optimiser.learning_rate=1e38");
    assert_eq!(alone.code, 1, "{}", alone.errors);
    assert!(
        alone
            .errors
            .contains("hint: lower `optimiser.learning_rate`"),
        "{}",
        alone.errors
    );
    assert_ledgers(&lab.path("runs"));
}

#[test]
fn a_dead_critic_ends_its_run_however_often_it_is_interrupted() {
    // The hinge loss is exactly 0 once every image is told apart by a margin.
    let command = "train table1 --profile smoke --model sngan --set training.steps=60 \
                   --set optimiser.learning_rate=1 --set logging.dead_critic_steps=20 \
                   --set logging.checkpoint_every=7";
    let lab = Lab::new();
    let said = lab.run(command);
    assert_eq!(said.code, 1, "{}", said.errors);
    let at = "diverged: the critic is dead at step ";
    assert!(said.errors.contains(at), "{}", said.errors);
    let message = |text: &str| {
        let line = text.lines().find(|line| line.contains(at));
        line.map(ToOwned::to_owned)
    };
    let again = lab.run(command);
    assert_eq!(message(&again.errors), message(&said.errors));
    assert!(
        said.errors.contains("`logging.dead_critic_steps`"),
        "{}",
        said.errors
    );
}

#[test]
fn the_best_checkpoint_by_held_out_fid_is_kept_beside_the_newest() {
    let command = &format!(
        "{TRAIN} lsgan --set training.steps=40 --set logging.evaluate_every=5 --set logging.checkpoints_kept=1 \
         --set optimiser.learning_rate=0.02"
    );
    let (lab, disturbed) = (Lab::new(), Lab::new());
    let run = lab.succeed(command);
    let run = run.trim();
    let ledger = lab.read(format!("{run}/ledger.jsonl"));
    let measured: Vec<(u64, f64)> = ledger
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|event| event["event"] == "evaluation")
        .map(|event| {
            let step = event["step"].as_u64().expect("a step");
            assert_eq!(event["scores"][0]["name"], "fid");
            (
                step,
                event["scores"][0]["value"].as_f64().expect("a number"),
            )
        })
        .collect();
    assert_eq!(measured.len(), 8, "{measured:?}");
    let best = measured
        .iter()
        .min_by(|left, right| left.1.total_cmp(&right.1));
    let best = best.expect("a best one").0;
    assert_ne!(best, 40, "the test is about an earlier one: {measured:?}");
    let entries = fs::read_dir(lab.path(run).join("checkpoints")).expect("checkpoints");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names, [format!("step-{best:06}"), "step-000040".to_owned()]);
    lab.succeed(&format!("sample {run} --n 4 --step {best} --out best.png"));
    let error = lab.refused(&format!("sample {run} --n 4 --step 7"));
    assert!(
        error.contains(&format!("hint: it has those of steps {best}, 40")),
        "{error}"
    );

    disturbed.kill_after_checkpoint(command, run);
    disturbed.succeed(command);
    assert_same_trace(&disturbed.path(run), &lab.path(run), "lsgan");
}
