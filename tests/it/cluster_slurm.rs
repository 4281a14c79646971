//! Sweeps on a Slurm of this machine: warnings, requeueing, cancelling, nodes that die.
//!
//! `HISTOGEN_SLURM` names the folder of the scripts that start and stop it: `.ci/slurm` installs what they need and prints the
//! name, or nothing where that cannot be had; these tests then say so.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cluster_jobs::{assert_each_step_once, assert_same_results, count, runs};
use crate::lab::Lab;

/// Two nodes with a processor each would be slower by as many stages as run at once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Two nodes of one processor each.
struct Stage {
    scripts: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Stage {
    /// None, and a line that says so, where there is no Slurm.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn start() -> Option<Self> {
        let scripts = std::env::var("HISTOGEN_SLURM");
        let scripts =
            scripts.expect("HISTOGEN_SLURM is not set: set it to what `.ci/slurm` prints");
        if scripts.is_empty() {
            eprintln!("skipped: Slurm is not installed here");
            return None;
        }
        let stage = Self {
            scripts: PathBuf::from(scripts),
            folder: tempfile::tempdir().expect("a folder"),
            port: 20000 + (std::process::id() % 1000 * 30) as u16,
        };
        stage.script("start");
        Some(stage)
    }

    fn script(&self, name: &str) {
        let output = Command::new(self.scripts.join(name))
            .env("SLURM_STAGE", self.folder.path())
            .env("SLURM_STAGE_CPUS", "1")
            .env("SLURM_STAGE_PORT", self.port.to_string())
            .output()
            .expect("a script");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
    }

    fn conf(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// What a command of Slurm prints.
    fn slurm(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let output = Command::new(words.next().expect("a program"))
            .args(words)
            .env("SLURM_CONF", self.conf())
            .output()
            .expect("Slurm");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Every process that is queued or runs: job and task, and its state.
    fn queue(&self) -> Vec<(String, String)> {
        let printed = self.slurm("squeue -h -r -o %F_%K|%T");
        let lines = printed.lines().filter_map(|line| line.split_once('|'));
        lines
            .map(|(job, state)| (job.to_owned(), state.to_owned()))
            .collect()
    }

    /// Runs the program where Slurm is; returns its exit code and all that it said.
    fn run(&self, lab: &Lab, command: &str) -> (Option<i32>, String) {
        let output = lab.command(command).env("SLURM_CONF", self.conf()).output();
        let output = output.expect("the program starts");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    fn submit(&self, lab: &Lab, command: &str) -> String {
        let (code, said) = self.run(lab, command);
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// Waits for up to five minutes: what is waited for takes seconds where nothing else computes.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_mins(5),
            "waited in vain: {what}"
        );
        sleep(Duration::from_millis(100));
    }
}

/// The runs so far, none before the first.
fn runs_so_far(lab: &Lab) -> Vec<PathBuf> {
    if !lab.path("runs").exists() {
        return Vec::new();
    }
    runs(lab).into_values().collect()
}

const RESOURCES: &str = "--cpus 1 --time 10 --warn 30";

#[test]
#[ignore = "needs Slurm and ../shared: run with --include-ignored"]
fn a_sweep_that_is_warned_and_requeued_ends_as_an_undisturbed_one() {
    let _one = ONE_AT_A_TIME.lock();
    let Some(stage) = Stage::start() else { return };
    let (disturbed, undisturbed) = (Lab::new(), Lab::new());
    let experiment = "--profile smoke --seeds 0,1 --set training.steps=3000 \
                      --set systems=[{name=\"dcgan\"},{name=\"lsgan\"}]";
    undisturbed.succeed(&format!("reproduce all {experiment}"));
    // They begin in ten seconds, once somebody watches.
    let submit = &format!("submit table1 {experiment} {RESOURCES} --sbatch=--begin=now+10");
    let said = stage.submit(&disturbed, submit);
    assert!(
        said.contains("4 cells: 4 submitted now, 0 queued before, 0 done"),
        "{said}"
    );
    // Submitting again adds nothing.
    let before = stage.queue().len();
    let said = stage.submit(&disturbed, submit);
    assert!(said.contains(" 0 submitted now"), "{said}");
    assert!(stage.queue().len() <= before);
    // Each that is seen is warned once it has begun, as before its time limit. Slurm takes seconds for it, and a cell is done in as
    // many, so some are not caught; `tests/cluster.py` warns every one.
    let folder = || {
        let entries = fs::read_dir(disturbed.path("runs/experiments")).expect("executions");
        let mut entries = entries.map(|entry| entry.expect("an entry").path());
        entries.next().expect("one")
    };
    let mut warned: Vec<PathBuf> = Vec::new();
    wait("the report", || {
        for run in runs_so_far(&disturbed) {
            if !warned.contains(&run) && count(&run, "step") >= 3 {
                let owner = fs::read_to_string(run.join("owner")).unwrap_or_default();
                let job = owner.lines().find_map(|line| line.strip_prefix("job = "));
                let Some(job) = job else { continue };
                stage.slurm(&format!(
                    "scancel --batch --signal=USR1 {}",
                    job.trim_matches('"')
                ));
                warned.push(run);
            }
        }
        !folder().join("submitted").exists()
    });
    let folder = folder();
    let restarted = warned.iter().filter(|run| count(run, "start") >= 2);
    assert!(restarted.count() >= 1, "no cell was restarted: {warned:?}");
    // The execution: one start, of who submitted it, and one end, of the report.
    assert_eq!((count(&folder, "start"), count(&folder, "end")), (1, 1));
    assert_same_results(
        &disturbed,
        &undisturbed,
        &["table1", "table2", "table3", "table4"],
    );
    let said = stage.submit(&disturbed, submit);
    assert!(
        said.contains("4 done") && said.contains("nothing to do"),
        "{said}"
    );
    let status = stage.submit(&disturbed, &format!("{submit} --status"));
    assert_eq!(
        status
            .lines()
            .filter(|line| line.ends_with(" done"))
            .count(),
        4,
        "{status}"
    );
}

#[test]
#[ignore = "needs Slurm and ../shared: run with --include-ignored"]
fn what_is_cancelled_stays_so_and_goes_on_when_it_is_submitted_again() {
    let _one = ONE_AT_A_TIME.lock();
    let Some(stage) = Stage::start() else { return };
    let lab = Lab::new();
    let submit = &format!(
        "submit table1 --profile smoke --set training.steps=1000000 --set systems=[{{name=\"dcgan\"}},{{name=\"lsgan\"}}] {RESOURCES}"
    );
    stage.submit(&lab, submit);
    wait("two trainings", || {
        let runs = runs_so_far(&lab);
        runs.len() == 2 && runs.iter().all(|run| count(run, "step") >= 5)
    });
    let status = stage.submit(&lab, &format!("{submit} --status"));
    assert!(
        status.contains("running (process") && status.contains("running (n"),
        "{status}"
    );
    let said = stage.submit(&lab, &format!("{submit} --cancel"));
    assert!(said.contains("cancelled 3 jobs"), "{said}");
    wait("an empty queue", || stage.queue().is_empty());
    sleep(Duration::from_secs(8)); // longer than a requeued job waits
    assert!(stage.queue().is_empty(), "{:?}", stage.queue());
    for run in runs_so_far(&lab) {
        let last = fs::read_to_string(run.join("ledger.jsonl")).expect("a ledger");
        let last = last.lines().last().expect("a line").to_owned();
        assert!(
            last.contains("\"killed\"") && last.contains("SIGTERM"),
            "{last}"
        );
        let newest = fs::read_dir(run.join("checkpoints"))
            .expect("checkpoints")
            .count();
        assert!(newest > 0, "a checkpoint is written");
    }
    // Again: both go on.
    let before: Vec<usize> = runs_so_far(&lab)
        .iter()
        .map(|run| count(run, "step"))
        .collect();
    let said = stage.submit(&lab, submit);
    assert!(said.contains("2 submitted now"), "{said}");
    wait("new steps", || {
        let runs = runs_so_far(&lab);
        runs.iter()
            .zip(&before)
            .all(|(run, before)| count(run, "step") > *before)
    });
    stage.submit(&lab, &format!("{submit} --cancel"));
    wait("an empty queue", || stage.queue().is_empty());
    for run in runs_so_far(&lab) {
        assert_each_step_once(&run);
    }
}

#[test]
#[ignore = "needs Slurm and ../shared: run with --include-ignored"]
fn a_node_that_dies_and_a_cell_that_diverges_leave_one_writer_and_one_failed_cell() {
    let _one = ONE_AT_A_TIME.lock();
    let Some(stage) = Stage::start() else { return };
    let lab = Lab::new();
    let submit = &format!(
        "submit table1 --profile smoke --set training.steps=1000000 \
         --set systems=[{{name=\"dcgan\",set={{optimiser={{learning_rate=1e38}}}}}},{{name=\"lsgan\"}}] {RESOURCES}"
    );
    stage.submit(&lab, submit);
    let of = |name: &str| {
        let mut runs = runs_so_far(&lab).into_iter();
        runs.find(|run| run.to_string_lossy().contains(name))
    };
    wait("a training", || {
        of("lsgan-").is_some_and(|run| count(&run, "step") >= 5)
    });
    let run = of("lsgan-").expect("a run");
    let owner = || fs::read_to_string(run.join("owner")).unwrap_or_default();
    let first = owner();
    assert!(first.contains("restart = 0"), "{first}");
    // The node dies for Slurm; what it runs goes on.
    let queue = stage.slurm("squeue -h -r -t RUNNING -o %j|%N");
    let node = queue
        .lines()
        .filter_map(|line| line.split_once('|'))
        .next_back()
        .expect("it runs")
        .1;
    let daemon = stage.folder.path().join(format!("slurmd-{node}.pid"));
    let daemon = fs::read_to_string(daemon).expect("an id");
    let killed = Command::new("kill").args(["-KILL", daemon.trim()]).status();
    assert!(killed.expect("kill").success());
    let before = count(&run, "step");
    wait("the later start", || owner().contains("restart = 1"));
    assert!(count(&run, "step") > before, "the first went on meanwhile");
    wait("new steps", || count(&run, "start") == 2);
    let log = || {
        let logs = fs::read_dir(lab.path("runs/submissions")).expect("submissions");
        let folder = logs
            .map(|entry| entry.expect("an entry").path())
            .next()
            .expect("one");
        let logs = fs::read_dir(folder.join("logs")).expect("logs");
        let texts = logs.map(|entry| fs::read_to_string(entry.expect("an entry").path()));
        texts.map(|text| text.expect("text")).collect::<String>()
    };
    wait("the first says so", || {
        log().contains("it was taken over by process")
    });
    assert!(
        log().contains("is an earlier start of this job: the run was taken from it"),
        "{}",
        log()
    );
    wait("steps of the later", || count(&run, "step") > 5);
    assert_each_step_once(&run);
    assert_eq!(count(&run, "end"), 0, "the first closed nothing");
    // The other cell diverged: once, and it is not tried again.
    let diverged = of("dcgan-").expect("a run");
    assert_eq!((count(&diverged, "start"), count(&diverged, "end")), (1, 1));
    let said = stage.submit(&lab, submit);
    assert!(
        said.contains(" 0 submitted now, 1 queued before, 0 done, 1 diverged"),
        "{said}"
    );
    stage.submit(&lab, &format!("{submit} --cancel"));
    wait("the last step", || count(&run, "end") == 1);
    assert_each_step_once(&run);
}
