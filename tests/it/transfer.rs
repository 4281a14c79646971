//! `histogen evaluate --transfer` and `data.stain`, as a user has them.

use std::fs;

use serde_json::Value;

use crate::lab::Lab;

/// Home: the patch store of an experiment on phantom slides, a run on it, and its MFT-SNN. Away: phantom slides of another seed.
fn home(lab: &Lab) -> (String, String, String, String) {
    let last = |printed: &str| printed.lines().last().expect("a line").trim().to_owned();
    let run = last(&lab.succeed("train table1 --model dcgan --profile smoke"));
    let snn = last(&lab.succeed("snn train --profile smoke"));
    let stores = || -> Vec<String> {
        let entries = fs::read_dir(lab.path("runs/cache/patches")).expect("a cache");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.map(|path| path.display().to_string()).collect()
    };
    let home = stores().remove(0);
    lab.succeed("data phantom --profile smoke --set data.seed=7");
    let away = stores().into_iter().find(|store| *store != home);
    (run, snn, home, away.expect("another store"))
}

#[test]
fn home_and_away_stand_beside_each_other() {
    let lab = Lab::new();
    let (run, snn, home, away) = home(&lab);
    let options = "--metrics fid --features pixels --profile smoke --images 16";
    let request = format!("evaluate {run} {home} --transfer {away} --snn {snn} {options}");
    let printed = lab.succeed(&format!("{request} --json"));
    let record: Value = serde_json::from_str(&printed).expect("JSON");
    let rows = record["rows"].as_array().expect("rows");
    let names: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().expect("text");
            (text("score"), text("stain"))
        })
        .collect();
    assert_eq!(
        names[..3],
        [("fid", "none"), ("fid", "macenko"), ("fid", "reinhard")]
    );
    assert!(
        names[3..]
            .iter()
            .all(|(name, _)| name.starts_with("MFT-SNN, AUC against "))
    );
    let value = |row: &Value, key: &str| row[key]["value"].as_f64().expect("a number");
    for row in &rows[..3] {
        // One home for all treatments of away; real images are nearer to real ones than those of a generator of some steps.
        assert!(value(row, "home").to_bits() == value(&rows[0], "home").to_bits());
        assert!(value(row, "home_floor") < value(row, "home"), "{row}");
        assert!(value(row, "away_floor") < value(row, "away"), "{row}");
        assert_ne!(row["home"]["protocol"], row["away"]["protocol"]);
    }
    assert!((value(&rows[3], "home_floor") - 0.5).abs() < 1e-12);
    // Every protocol is told.
    let notes = record["notes"].to_string();
    for row in &rows[..3] {
        for side in ["home", "away"] {
            let id = row[side]["protocol"].as_str().expect("an id");
            assert!(notes.contains(&format!("Protocol {id}: ")), "{notes}");
        }
    }
    let table = lab.succeed(&request);
    assert!(
        table.contains("fid, away by macenko") && table.contains("home floor"),
        "{table}"
    );

    // Home as away: the same images give the same numbers.
    let same = lab.succeed(&format!(
        "evaluate {run} {home} --transfer {home} {options} --json"
    ));
    let same: Value = serde_json::from_str(&same).expect("JSON");
    let row = &same["rows"][0];
    assert!(value(row, "home").to_bits() == value(&rows[0], "home").to_bits());
}

#[test]
fn a_folder_of_slides_is_cut_as_home_was() {
    let lab = Lab::new();
    let (run, _, home, _) = home(&lab);
    for number in 0..3 {
        lab.slide(&format!("elsewhere/{number}.png"), 96, 128);
    }
    let printed = lab.succeed(&format!(
        "evaluate {run} {home} --transfer elsewhere --metrics fid --features pixels --profile smoke --images 6 --json"
    ));
    let record: Value = serde_json::from_str(&printed).expect("JSON");
    let notes = record["notes"].to_string();
    assert!(
        notes.contains("patches of elsewhere (") && notes.contains("3 slides"),
        "{notes}"
    );
    // Its tissue has one colour: two stains cannot be told apart, and that is said.
    assert!(
        notes.contains("is left as it is under macenko: its tissue shows one stain only."),
        "{notes}"
    );
}

#[test]
fn transfers_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    let (run, _, home, away) = home(&lab);
    lab.slide("images/one.png", 32, 32);
    let request = format!("evaluate {run} {home} --transfer {away} --profile smoke");
    let said = lab.refused(&format!("{request} --images 100000"));
    assert!(
        said.contains("100000 images for the reference and as many for the floor"),
        "{said}"
    );
    let said = lab.refused(&format!("{request} --repeat 2"));
    assert!(said.contains("have no meaning with `--transfer`"), "{said}");
    let said = lab.refused(&format!("{request} --metrics ppl"));
    assert!(
        said.starts_with("error: `ppl` depends on no real images"),
        "{said}"
    );
    let said = lab.refused(&format!(
        "evaluate {run} images --transfer {away} --profile smoke"
    ));
    assert!(
        said.starts_with("error: `images` is not a patch store"),
        "{said}"
    );
    let said = lab.refused(&format!(
        "evaluate {run} {home} --transfer nowhere --profile smoke"
    ));
    assert!(said.starts_with("error: no folder `nowhere`"), "{said}");
    let said = lab.refused(&format!(
        "evaluate {run} {home} --transfer {run} --profile smoke"
    ));
    assert!(said.contains("has no slides to transfer to"), "{said}");
}

#[test]
fn the_stain_of_an_import_is_a_setting_and_nothing_else_changes() {
    let lab = Lab::new();
    let import = |settings: &str| {
        let printed = lab.succeed(&format!("data phantom --profile smoke {settings}"));
        let line = printed.lines().find_map(|line| line.strip_prefix("store"));
        let folder = line.expect("a folder").trim();
        (
            folder.to_owned(),
            lab.read(format!("{folder}/patches.csv")),
            { fs::read(lab.path(&format!("{folder}/patches.npy"))).expect("patches") },
        )
    };
    let plain = import("");
    let text = lab.read(format!("{}/store.toml", plain.0));
    assert!(
        !text.contains("stain"),
        "as it was before there was such a setting: {text}"
    );
    let mut seen = vec![plain.clone()];
    for method in ["macenko", "reinhard"] {
        let found = import(&format!("--set data.stain={method}"));
        // The same places, other pixels.
        assert_eq!(found.1, plain.1);
        assert!(
            seen.iter()
                .all(|other| other.0 != found.0 && other.2 != found.2)
        );
        let text = lab.read(format!("{}/store.toml", found.0));
        assert!(text.contains(&format!("stain = \"{method}\"")), "{text}");
        seen.push(found);
    }
    // A target by its content, wherever it lies.
    let patch = histogen::data::PatchStore::open(&lab.path(&plain.0)).expect("a store");
    let places: Vec<usize> = (0..16).collect();
    let picture = patch.read(&places).expect("patches").grid(4, 1);
    picture.save(lab.path("target.png")).expect("an image");
    fs::copy(lab.path("target.png"), lab.path("copy.png")).expect("a copy");
    let by = |target: &str| {
        import(&format!(
            "--set data.stain=macenko --set data.stain_target={target}"
        ))
    };
    let found = by("target.png");
    assert!(seen.iter().all(|other| other.0 != found.0));
    assert_eq!(by("copy.png").0, found.0);

    lab.slide("slides/a/one.png", 96, 96);
    lab.slide("slides/a/two.png", 96, 96);
    for (arguments, message) in [
        (
            "data import slides --profile smoke --set data.stain=macenko".to_owned(),
            "the stain of slide `a/one` cannot be normalised: its tissue shows one stain only",
        ),
        (
            "data phantom --profile smoke --set data.stain_target=target.png".to_owned(),
            "`data.stain_target` is given, but `data.stain` is `none`",
        ),
        (
            "data phantom --profile smoke --set data.stain=macenko --set data.channels=1".to_owned(),
            "`data.stain` is `macenko`, and grey patches have no stain",
        ),
        (
            "data phantom --profile smoke --set data.stain=reinhard --set data.stain_target=none.png".to_owned(),
            "`none.png` cannot be the target of `data.stain`: ",
        ),
        (
            format!("data import {} --profile smoke --set data.stain=reinhard", plain.0),
            "the stain of the patches of ",
        ),
    ] {
        let said = lab.refused(&arguments);
        assert!(said.starts_with(&format!("error: {message}")), "{arguments}: {said}");
    }
}
