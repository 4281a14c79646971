//! What an earlier version of the program left behind is found, read and reported: `tests/fixtures/earlier`, two systems that the
//! version before samplers left the names of runs trained and measured, by
//! `reproduce table1 --experiment old.toml --profile smoke` and [`SETTINGS`].

use std::fs;
use std::path::Path;

use crate::lab::Lab;

/// As small as networks can be. The sampler was part of DDPM's run then.
const SETTINGS: &str = "--set data.phantom.slide_size=96 --set data.patch_size=16 --set data.stride=16 \
    --set data.maximum_patches=120 --set backbone.latent=2 --set backbone.generator_width=2 --set backbone.critic_width=2 \
    --set models.ddpm.width=4 --set models.ddpm.multipliers=[1] --set models.ddpm.attention=[] --set evaluation.images=12 \
    --set evaluation.metrics.kid_subset_size=6 --set evaluation.features.extractor=pixels";

/// FID of both systems as the earlier version measured them.
const ROWS: [(&str, &str); 2] = [("dcgan", "49.2"), ("ddpm", "244.0")];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).expect("copied");
        }
    }
}

fn earlier() -> Lab {
    let lab = Lab::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/earlier");
    copy(&fixture, &lab.path(""));
    lab
}

/// Fails where a row of the table does not show its number.
fn shows_both(table: &str) {
    for (name, fid) in ROWS {
        let mut rows = table.lines().filter(|line| line.starts_with(name));
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("no row `{name}`: {table}"));
        assert!(row.contains(fid), "{row}");
    }
}

#[test]
fn runs_of_an_earlier_version_are_reported() {
    let lab = earlier();
    shows_both(&lab.succeed("report old"));
    let listed = lab.succeed("list runs");
    assert_eq!(
        listed.matches("finished after step 3").count(),
        2,
        "{listed}"
    );
}

#[test]
fn runs_of_an_earlier_version_are_found_and_measure_as_they_did() {
    let lab = earlier();
    let command = format!("reproduce table1 --experiment old.toml --profile smoke {SETTINGS}");
    let said = lab.run(&command);
    assert_eq!(said.code, 0, "{}", said.errors);
    assert_eq!(
        said.errors.matches("already trained").count(),
        2,
        "{}",
        said.errors
    );
    shows_both(&said.output);
    let runs = fs::read_dir(lab.path("runs")).expect("runs");
    let names = runs.map(|entry| {
        entry
            .expect("a run")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let ddpm: Vec<String> = names.filter(|name| name.starts_with("ddpm")).collect();
    assert_eq!(ddpm, ["ddpm-s0-b5eb01f91107"], "the run keeps its folder");
    // Another sampler measures again and trains nothing; the settings have their old names too.
    for other in [
        "--set samplers.ddim.steps=3",
        "--set models.ddpm.sampling_steps=3",
    ] {
        let said = lab.run(&format!("{command} {other}"));
        assert_eq!(
            said.errors.matches("already trained").count(),
            2,
            "{}",
            said.errors
        );
        let protocol = lab.read("reports/old/table1-protocol.md");
        assert!(protocol.contains("drawn by ddim (steps = 3)"), "{protocol}");
    }
}

#[test]
fn samples_are_drawn_from_a_run_of_an_earlier_version() {
    let lab = earlier();
    let picture = |options: &str| {
        lab.succeed(&format!("sample runs/ddpm-s0-b5eb01f91107 --n 2 {options}"));
        fs::read(lab.path("samples.png")).expect("a picture")
    };
    let few = picture("--sampler ddim --set samplers.ddim.steps=2");
    assert_ne!(few, picture("--sampler ddim --set samplers.ddim.steps=5"));
    assert_ne!(few, picture(""), "every level");
}
