//! What disks do to runs: full, read-only, files cut short or altered. A clear message, nothing earlier lost, and the run goes
//! on from its last good state.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, assert_same_trace, wait_for};

const TRAIN: &str = "train table1 --profile smoke --model dcgan --set training.steps=6 \
                     --set logging.checkpoint_every=2 --set logging.samples_every=3";

/// A finished run, its folder, and another that stays as it is.
fn finished() -> (Lab, String, Lab) {
    let (lab, untouched) = (Lab::new(), Lab::new());
    let run = lab.succeed(TRAIN);
    untouched.succeed(TRAIN);
    (lab, run.trim().to_owned(), untouched)
}

/// Trains again; the run must notice `notice` and end as if nothing had happened.
fn goes_on(lab: &Lab, run: &str, untouched: &Lab, notice: &str) {
    let said = lab.run(TRAIN);
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(
        said.errors.contains(notice),
        "no `{notice}`: {}",
        said.errors
    );
    assert_same_trace(&lab.path(run), &untouched.path(run), notice);
    assert!(lab.run(TRAIN).errors.contains("already trained"));
}

fn cut(path: &Path, bytes_off: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("a file");
    let length = file.metadata().expect("a length").len();
    file.set_len(length - bytes_off).expect("cut");
}

#[test]
fn a_file_of_patches_that_is_cut_short_ends_the_run_that_reads_it_as_failed() {
    let lab = Lab::new();
    // Batches of 8 among some hundred patches: the half that is gone is wanted within a few steps.
    let mut child = lab.start(
        "train table1 --profile smoke --model dcgan --set training.steps=1000000 \
         --set logging.checkpoint_every=5",
    );
    let runs = || -> Vec<PathBuf> {
        let entries = fs::read_dir(lab.path("runs")).into_iter().flatten();
        let paths = entries.flatten().map(|entry| entry.path());
        paths
            .filter(|path| path.join("ledger.jsonl").exists())
            .collect()
    };
    wait_for(|| {
        let ledgers = runs().into_iter().map(|run| run.join("ledger.jsonl"));
        let mut texts = ledgers.map(|path| fs::read_to_string(path).unwrap_or_default());
        texts.any(|text| text.matches("\"event\":\"step\"").count() >= 6)
    });
    let stores = fs::read_dir(lab.path("runs/cache/patches")).expect("a cache");
    let mut patches = stores
        .flatten()
        .map(|entry| entry.path().join("patches.npy"));
    let patches = patches.find(|path| path.exists()).expect("a store");
    cut(
        &patches,
        fs::metadata(&patches).expect("a length").len() / 2,
    );

    let status = child.wait().expect("an end");
    let mut errors = String::new();
    let mut stream = child.stderr.take().expect("a stream");
    stream.read_to_string(&mut errors).expect("text");
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("patches.npy` was cut short while it was in use")
            && errors.contains("hint: put the file back"),
        "{errors}"
    );
    assert!(!errors.contains("panic"), "{errors}");
    let listed = lab.succeed("list runs");
    assert!(
        listed.contains("failed after step ") && listed.contains("was cut short while"),
        "{listed}"
    );
}

#[test]
fn a_damaged_checkpoint_is_named_passed_over_and_made_again() {
    let (lab, run, untouched) = finished();
    let last = lab.path(&run).join("checkpoints/step-000006");
    let damages: [(&str, &dyn Fn()); 4] = [
        ("`critic.bpk` has ", &|| cut(&last.join("critic.bpk"), 10)),
        (
            "`generator_optimiser.bpk` was altered: its SHA-256 is ",
            &|| {
                let path = last.join("generator_optimiser.bpk");
                let mut bytes = fs::read(&path).expect("a file");
                *bytes.last_mut().expect("a byte") ^= 1;
                fs::write(&path, bytes).expect("written");
            },
        ),
        ("`generator.bpk` is missing", &|| {
            fs::remove_file(last.join("generator.bpk")).expect("removed");
        }),
        ("its `manifest.toml` ", &|| {
            cut(&last.join("manifest.toml"), 200);
        }),
    ];
    for (damage, inflict) in damages {
        inflict();
        // Whoever wants the network itself is not given an earlier one.
        let error = lab.refused(&format!("sample {run} --n 4"));
        assert!(
            error.contains("step-000006` is damaged: ") && error.contains(damage),
            "{error}"
        );
        goes_on(&lab, &run, &untouched, damage);
    }
    let both = lab.path(&run).join("checkpoints");
    for name in ["step-000004", "step-000006"] {
        fs::remove_file(both.join(name).join("manifest.toml")).expect("removed");
    }
    goes_on(
        &lab,
        &run,
        &untouched,
        "the run starts again, to the same weights",
    );
}

#[test]
fn a_ledger_that_was_cut_takes_its_run_back_to_where_it_is_whole() {
    let (lab, run, untouched) = finished();
    let ledger = lab.path(&run).join("ledger.jsonl");
    cut(&ledger, 7);
    goes_on(
        &lab,
        &run,
        &untouched,
        "ledger.jsonl` was cut off and is dropped",
    );
    for (steps, notice) in [
        (
            5,
            "step-000006` is passed over: the ledger ends after step 5",
        ),
        (
            1,
            "step-000004` is passed over: the ledger ends after step 1",
        ),
    ] {
        let text = fs::read_to_string(&ledger).expect("a ledger");
        let place = text
            .find(&format!("\"step\":{}", steps + 1))
            .expect("a line");
        fs::write(&ledger, &text[..place]).expect("written");
        goes_on(&lab, &run, &untouched, notice);
    }
}

#[test]
fn a_checkpoint_from_elsewhere_is_refused_with_the_difference() {
    let (lab, run, _) = finished();
    let manifest = lab.path(&run).join("checkpoints/step-000006/manifest.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        fs::write(&manifest, text.replacen(from, to, 1)).expect("written");
    };

    change("batch = 8", "batch = 16");
    let error = lab.refused(TRAIN);
    assert!(
        error.contains("step-000006` belongs to another run: `batch` is 16 there, 8 here"),
        "{error}"
    );

    change("format = 1", "format = 2");
    let error = lab.refused(&format!("sample {run}"));
    assert!(
        error.contains("has layout 2, this program reads layout 1"),
        "{error}"
    );

    // Another version may look at a finished run, but not go on with an unfinished one.
    let version = format!("program = \"{}\"", env!("CARGO_PKG_VERSION"));
    change(&version, "program = \"0.0.9\"");
    lab.succeed(TRAIN);
    fs::rename(&manifest, lab.path("kept")).expect("moved");
    let earlier = lab.path(&run).join("checkpoints/step-000004/manifest.toml");
    let text = fs::read_to_string(&earlier).expect("a manifest");
    fs::write(&earlier, text.replace(&version, "program = \"0.0.9\"")).expect("written");
    let error = lab.refused(TRAIN);
    assert!(
        error.contains("was written by version 0.0.9 of this program"),
        "{error}"
    );
    assert!(error.contains("hint: go on with version 0.0.9"), "{error}");

    let settings = lab.path(&run).join("config.toml");
    let text = fs::read_to_string(&settings).expect("a configuration");
    fs::write(&settings, text.replace("batch = 8", "batch = 9")).expect("written");
    let error = lab.refused(TRAIN);
    assert!(
        error.contains("config.toml` belongs to another run: `batch` is 9 there"),
        "{error}"
    );
}

/// Runs a script in a mount namespace of its own, with the program in `$program`. Not every system allows that, so tests
/// that need it are ignored unless `--include-ignored` is given.
fn in_namespace(lab: &Lab, script: &str) {
    let unshare = |arguments: &[&str], script: &str| {
        Command::new("unshare")
            .args(arguments)
            .args(["bash", "-euc", script])
            .env("program", env!("CARGO_BIN_EXE_histogen"))
            .current_dir(lab.path(""))
            .output()
    };
    let probe = "mkdir -p probe && mount -t tmpfs -o size=1m tmpfs probe";
    let permitted = [&["-m"][..], &["-rm"]]
        .into_iter()
        .find(|arguments| unshare(arguments, probe).is_ok_and(|output| output.status.success()));
    let arguments = permitted.expect("`unshare` may mount a file system here");
    let output = unshare(arguments, script).expect("a shell");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
#[ignore = "needs leave to mount a file system: run with --include-ignored"]
fn a_full_disk_stops_a_run_that_goes_on_when_there_is_room() {
    const LONG: &str = "train table1 --profile smoke --model dcgan --set training.steps=40 \
                        --set logging.checkpoint_every=4 --set logging.samples_every=5";
    let lab = Lab::new();
    let run = lab.succeed(LONG);
    let run = run.trim();
    for room in [0, 16, 100, 180, 260] {
        let script = format!(
            "mkdir -p disk && mount -t tmpfs -o size=16m tmpfs disk
             mkdir disk/runs && cp -r runs/cache disk/runs/cache
             head -c 100m /dev/zero > disk/filler 2>/dev/null || true
             truncate -s -{room}K disk/filler
             code=0; $program {LONG} --out disk > /dev/null 2> full || code=$?
             echo $code > code
             rm disk/filler
             $program {LONG} --out disk > /dev/null 2> again
             rm -rf after && cp -r disk/{run} after"
        );
        in_namespace(&lab, &script);
        let (full, again) = (lab.read("full"), lab.read("again"));
        assert_eq!(lab.read("code"), "2\n", "with {room} kB left: {full}");
        assert!(
            full.contains("No space left on device"),
            "with {room} kB left: {full}"
        );
        assert!(
            full.contains("hint: make room"),
            "with {room} kB left: {full}"
        );
        assert!(
            !again.contains("passed over") && !again.contains("cut off"),
            "{again}"
        );
        assert_same_trace(
            &lab.path("after"),
            &lab.path(run),
            &format!("{room} kB left"),
        );
    }
}

#[test]
#[ignore = "needs leave to mount a file system: run with --include-ignored"]
fn a_read_only_folder_is_refused_for_training_and_fine_for_looking() {
    let (lab, run, _) = finished();
    let script = format!(
        "mkdir -p disk && mount -t tmpfs -o size=16m tmpfs disk
         cp -r runs disk/runs && mount -o remount,ro disk
         code=0; $program {TRAIN} --out disk 2> errors || code=$?
         echo $code > code
         $program sample disk/{run} --n 4 --out grid.png
         $program list runs --out disk > listed"
    );
    in_namespace(&lab, &script);
    let errors = lab.read("errors");
    assert_eq!(lab.read("code"), "2\n", "{errors}");
    assert!(errors.contains("Read-only file system"), "{errors}");
    assert!(
        errors.contains("hint: choose a folder you may write"),
        "{errors}"
    );
    assert!(lab.path("grid.png").exists());
    assert!(lab.read("listed").contains("finished after step 6"));
}
