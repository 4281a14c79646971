//! Settings: each has its range, sets have no member twice, a row sets what is its own, layers are read alike.

use std::collections::BTreeSet;
use std::fs;

use histogen::config::{Config, Layer, Range, Schema, Section, Setting};
use histogen::experiment::{EXPERIMENTS, PROFILES, resolve, schema};
use histogen::models;
use histogen::samplers::{self, SAMPLERS};
use toml::{Table, Value};

use crate::lab::Lab;

/// Dry runs show what would be trained, or what is refused, and train nothing.
const DRY: &str = "train table1 --model dcgan --profile smoke --dry-run";

/// Calls `each` with the dotted key and the value of every setting in `table`.
fn each_setting(table: &Table, path: &str, each: &mut dyn FnMut(&str, &Value)) {
    for (key, value) in table {
        let full = format!("{path}{key}");
        match value {
            Value::Table(inner) => each_setting(inner, &format!("{full}."), each),
            value => each(&full, value),
        }
    }
}

fn defaults() -> Table {
    Table::try_from(Config::defaults(models::settings(), samplers::settings()))
        .expect("plain values")
}

fn is_number(value: &Value) -> bool {
    value.is_integer() || value.is_float()
}

#[test]
fn every_number_has_a_range_with_its_default_in_it_and_nothing_else_has() {
    let schema = schema();
    for setting in schema.settings() {
        let key = setting.key();
        let numbers: Vec<f64> = match &setting.default {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        }
        .into_iter()
        .filter(|value| is_number(value))
        .map(|value| {
            value
                .as_float()
                .unwrap_or_else(|| value.as_integer().unwrap() as f64)
        })
        .collect();
        match setting.range {
            Some(range) => {
                assert!(!numbers.is_empty(), "`{key}` is no number, but has a range");
                let is_inside = numbers.iter().all(|number| range.contains(*number));
                assert!(is_inside, "the default of `{key}` is not in {range}");
            }
            None => assert!(numbers.is_empty(), "`{key}` is a number without a range"),
        }
    }
}

#[test]
fn the_list_has_every_setting_and_nothing_else() {
    let mut expected = BTreeSet::new();
    each_setting(&defaults(), "", &mut |key, _| {
        expected.insert(key.to_owned());
    });
    assert!(expected.contains("models.ddpm.multipliers"));
    let schema = schema();
    let settings = schema.settings();
    let found: BTreeSet<String> = settings.iter().map(Setting::key).collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), settings.len(), "a setting is listed twice");
    for setting in &settings {
        assert!(
            setting.about.ends_with('.'),
            "{}: {}",
            setting.key(),
            setting.about
        );
    }

    // The program knows no samplers of the tests.
    let is_known = |setting: &&Setting<'_>| match setting.section.strip_prefix("samplers.") {
        Some(name) => SAMPLERS.built_in().iter().any(|entry| entry.name == name),
        None => true,
    };
    let known: Vec<&Setting<'_>> = settings.iter().filter(is_known).collect();
    let printed = Lab::new().succeed("list settings");
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(lines.len(), 1 + known.len());
    for (line, setting) in lines[1..].iter().zip(known) {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some(&*setting.key()));
        assert!(line.contains(&setting.default.to_string()), "{line}");
        assert!(line.ends_with(&setting.about), "{line}");
    }
    let beta = lines
        .iter()
        .find(|line| line.starts_with("optimiser.beta2"))
        .unwrap();
    assert!(
        beta.contains("0.999") && beta.contains("at least 0, below 1"),
        "{beta}"
    );
    let stride = lines
        .iter()
        .find(|line| line.starts_with("data.stride"))
        .unwrap();
    assert!(
        stride.contains("64") && stride.contains("pixels"),
        "{stride}"
    );
}

#[test]
fn no_number_is_accepted_that_is_not_finite() {
    let schema = schema();
    for setting in schema.settings() {
        let Some(range) = setting.range else {
            continue;
        };
        let key = setting.key();
        let values = ["nan", "inf", "-inf", "-1"].into_iter();
        for value in values.filter(|value| *value != "-1" || !range.contains(-1.0)) {
            let text = match setting.default {
                Value::Array(_) => format!("[{value}]"),
                _ => value.to_owned(),
            };
            let error = resolve("table1", "smoke", &[format!("{key}={text}")]).unwrap_err();
            let start = format!("`{key}` is {value} in --set; its range is ");
            assert!(error.to_string().starts_with(&start), "{key}: {error}");
        }
    }
}

#[test]
fn a_number_out_of_range_is_refused_wherever_it_comes_from_before_anything_starts() {
    let lab = Lab::new();
    for (command, message) in [
        (
            "reproduce table1 --profile smoke --set optimiser.learning_rate=nan",
            "`optimiser.learning_rate` is nan in --set; its range is above 0\n",
        ),
        (
            "reproduce table1 --profile smoke --set evaluation.images=0",
            "`evaluation.images` is 0 in --set; its range is 1 to 100000000 (images)\n",
        ),
        (
            "ablate layers --profile smoke --set evaluation.images=1000000000000",
            "`evaluation.images` is 1000000000000 in --set; its range is 1 to 100000000 (images)\n",
        ),
        (
            "snn train --profile smoke --set snn.encoder_layers=14",
            "`snn.encoder_layers` is 14 in --set; its range is 1 to 13 (convolutions)\n",
        ),
        (
            "train table1 --model ddpm --profile smoke --set models.ddpm.multipliers=[1,0]",
            "`models.ddpm.multipliers` is 0 in --set; its range is 1 to 1024\n",
        ),
        (
            "data phantom --set data.held_out=1",
            "`data.held_out` is 1 in --set; its range is at least 0, below 1 (fraction)\n\n\
             hint: set it for example to 0.3",
        ),
    ] {
        let error = lab.refused(command);
        assert!(
            error.starts_with(&format!("error: {message}")),
            "{command}: {error}"
        );
    }
    fs::write(lab.path("mine.toml"), "[training]\nbatch = 0\n").unwrap();
    for (command, origin) in [
        ("train mine.toml --model dcgan", "mine.toml"),
        (
            "train table1 --model dcgan --profile mine.toml",
            "mine.toml",
        ),
    ] {
        let error = lab.refused(command);
        let message = format!("error: `training.batch` is 0 in {origin}; its range is 1 to 65536");
        assert!(error.starts_with(&message), "{error}");
    }
    assert!(!lab.path("runs").exists() && !lab.path("reports").exists());
}

#[test]
fn a_row_s_numbers_have_the_same_ranges() {
    let lab = Lab::new();
    let row = "[[systems]]\nname = \"hot\"\nmodel = \"dcgan\"\nset.optimiser.learning_rate = inf\n";
    fs::write(lab.path("mine.toml"), row).unwrap();
    let error = lab.refused("reproduce table1 --experiment mine.toml --profile smoke");
    let message = "error: `optimiser.learning_rate` is inf in system `hot`; its range is above 0\n";
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn a_member_that_a_set_has_twice_is_refused_by_name() {
    let lab = Lab::new();
    let twice = "[[systems]]\nname = \"dcgan\"\n[[systems]]\nname = \"dcgan\"\nmodel = \"lsgan\"\n";
    fs::write(lab.path("twice.toml"), twice).unwrap();
    for (command, message) in [
        (
            "reproduce table1 --profile smoke --seeds 0,0",
            "`seeds` in --set has `0` twice",
        ),
        (
            "ablate layers --profile smoke --set seeds=[3,1,3]",
            "`seeds` in --set has `3` twice",
        ),
        (
            "reproduce table1 --experiment twice.toml --profile smoke",
            "`systems` has `dcgan` twice",
        ),
        (
            "evaluate a b --metrics fid,kid,fid",
            "the list of metrics has `fid` twice",
        ),
    ] {
        let error = lab.refused(command);
        assert!(
            error.starts_with(&format!("error: {message}\n")),
            "{command}: {error}"
        );
    }
}

#[test]
fn a_row_sets_only_what_rows_do_not_share() {
    let lab = Lab::new();
    let dry = |set: &str| {
        let text = format!("[[systems]]\nname = \"mine\"\nmodel = \"rl-eo\"\nset.{set}\n");
        fs::write(lab.path("mine.toml"), text).unwrap();
        "train mine.toml --model mine --profile smoke --dry-run"
    };
    for (set, key) in [
        ("data.seed = 7", "data.seed"),
        ("data.phantom.slide_size = 320", "data.phantom.slide_size"),
        ("evaluation.images = 3", "evaluation.images"),
        ("logging.grid_images = 4", "logging.grid_images"),
        ("tracking.wait_seconds = 1", "tracking.wait_seconds"),
        ("compute.precision = \"auto\"", "compute.precision"),
        ("seeds = [5]", "seeds"),
        ("name = \"other\"", "name"),
        ("data = {}", "data"),
    ] {
        let error = lab.refused(dry(set));
        let message = format!("error: system `mine` sets `{key}` for itself\n");
        assert!(error.starts_with(&message), "{set}: {error}");
        assert!(
            error.contains("a row sets only `models`, `reward`, `snn`"),
            "{error}"
        );
    }
    for set in [
        "models.ddpm.width = 16",
        "reward.weight = 0.7",
        "snn.batch = 4",
        "backbone.latent = 5",
        "optimiser.beta1 = 0.25",
        "training.batch = 9",
    ] {
        let printed: Table = lab.succeed(dry(set)).parse().unwrap();
        let (key, value) = set.split_once(" = ").unwrap();
        let found = key
            .split('.')
            .fold(&Value::Table(printed), |table, key| &table[key])
            .clone();
        assert_eq!(found.to_string(), value, "{set}");
    }
    let error = lab.refused(dry("daat.seed = 7"));
    assert!(
        error.starts_with(
            "error: unknown key `daat` in system `mine`\n\nhint: did you mean `data`?"
        ),
        "{error}"
    );
}

#[test]
fn a_row_that_equals_another_sets_nothing() {
    let lab = Lab::new();
    let rows = "[[systems]]\nname = \"dcgan\"\n\
                [[systems]]\nname = \"same\"\nsame_as = \"dcgan\"\nset.training.batch = 9\n";
    fs::write(lab.path("mine.toml"), rows).unwrap();
    let error = lab.refused("reproduce table1 --experiment mine.toml --profile smoke");
    let message = "error: system `same` has both `set` and `same_as`\n";
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn variables_of_the_environment_are_read_as_set_is() {
    let lab = Lab::new();
    let run = |variables: &[(&str, &str)]| {
        let mut command = lab.command(DRY);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let (printed, errors) = run(&[
        ("HISTOGEN_OPTIMISER__LEARNING_RATE", "2e-3"),
        ("HISTOGEN_MODELS__WGAN-GP__PENALTY", "5"),
        ("HISTOGEN_DATA__CLASSES", "[\"1\", \"b\"]"),
        ("HISTOGEN_TRACKING__EXPERIMENT", "\"007\""),
        ("HISTOGEN_TRACKING__URI", "http://localhost:5000"),
        ("HISTOGEN_SEEDS__", "no key: passed over"),
        // No settings: without two underscores.
        ("HISTOGEN_WEIGHTS", "weights"),
        ("HISTOGEN_WEIGHTS_MIRROR", "http://localhost"),
        ("HISTOGEN_PROFILE", "paper"),
    ]);
    let found: Table = printed.parse().unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(found["optimiser"]["learning_rate"].as_float(), Some(2e-3));
    assert_eq!(found["models"]["wgan-gp"]["penalty"].as_integer(), Some(5));
    assert_eq!(found["data"]["classes"].to_string(), "[\"1\", \"b\"]");
    assert_eq!(found["tracking"]["experiment"].as_str(), Some("007"));
    assert_eq!(
        found["tracking"]["uri"].as_str(),
        Some("http://localhost:5000")
    );
    assert_eq!(found["profile"].as_str(), Some("smoke"));

    for (variable, value, message) in [
        (
            "HISTOGEN_TRAINING__BACH",
            "3",
            "error: unknown key `training.bach` in the environment\n\nhint: did you mean `training.batch`?",
        ),
        (
            "HISTOGEN_TRAINING__BATCH",
            "many",
            "error: `training.batch` (from the environment): invalid type",
        ),
        (
            "HISTOGEN_TRAINING__BATCH",
            "0",
            "error: `training.batch` is 0 in the environment; its range is",
        ),
    ] {
        let (_, errors) = run(&[(variable, value)]);
        assert!(errors.starts_with(message), "{errors}");
    }
}

#[test]
fn a_value_of_the_wrong_type_names_the_layer_that_gave_it() {
    let lab = Lab::new();
    let error = lab.refused(&format!("{DRY} --set training.batch=\"8\""));
    assert!(
        error.starts_with("error: `training.batch` (from --set): invalid type"),
        "{error}"
    );
    fs::write(lab.path("mine.toml"), "training = 3\n").unwrap();
    let error = lab.refused("train mine.toml --model dcgan --profile smoke");
    let message = "error: `training` is 3 in mine.toml, but it is a section\n";
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn what_comes_with_the_program_is_in_range() {
    for experiment in EXPERIMENTS.iter().map(|built_in| built_in.name) {
        for (profile, _) in PROFILES {
            resolve(experiment, profile, &[]).unwrap_or_else(|error| {
                panic!("{experiment} under {profile}: {error:#}");
            });
        }
    }
}

#[test]
fn a_model_brings_the_ranges_of_its_own_settings() {
    const SETTINGS: Section = Section {
        names: &["pull"],
        docs: &["How hard it pulls."],
        ranges: &[Range::between("pull", "fraction", 0.0, 1.0)],
    };
    let schema = |section: Section| {
        let own = [("mine".to_owned(), "pull = 0.5".parse().unwrap())].into();
        let defaults = Config::defaults(own, samplers::settings());
        Schema::new(defaults, [("models.mine".to_owned(), section)], [])
    };
    let layer = |pull: &str| {
        let pairs = [format!("models.mine.pull={pull}")];
        vec![Layer::from_pairs("--set", &pairs).unwrap()]
    };
    let config = schema(SETTINGS).resolve(layer("0.75")).unwrap();
    assert_eq!(config.models["mine"]["pull"].as_float(), Some(0.75));
    // One that forgets a range gets no number that is not finite either.
    let forgetful = Section {
        ranges: &[],
        ..SETTINGS
    };
    let error = schema(forgetful).resolve(layer("nan")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`models.mine.pull` is nan in --set; its range is any finite number"
    );
    let error = schema(SETTINGS).resolve(layer("1.25")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`models.mine.pull` is 1.25 in --set; its range is 0 to 1 (fraction)"
    );
}
