//! How an experiment is made again: its settings are kept beside its report, and said as a command in as few options as they
//! differ from what is built in.

use std::collections::BTreeMap;
use std::fs;

use toml::{Table, Value};

use super::kind::{ExperimentKind, TRANSFER};
use super::resolve::{self, ABLATIONS, schema};
use crate::config::{Config, Layer, TrackingConfig};
use crate::error::Result;
use crate::files::write_whole;
use crate::report::page::{Again, quoted};
use crate::report::{KindRecord, Record, TranslationRecord};
use crate::workspace::Workspace;

/// Keeps the settings of an experiment where [`again`] finds them; where its runs are uploaded to is no part of them.
pub(super) fn keep(config: &Config, workspace: &Workspace) -> Result<()> {
    let config = Config {
        tracking: TrackingConfig::default(),
        ..config.clone()
    };
    let path = workspace.settings(&config.name);
    write_whole(&path, config.to_toml().as_bytes())
}

/// How the experiment behind `record` is made again; none if an earlier version kept no settings.
///
/// # Errors
/// Fails if the settings that were kept are damaged.
pub(super) fn again(record: &Record, workspace: &Workspace) -> Result<Option<Again>> {
    let path = workspace.settings(&record.name);
    let Ok(settings) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let kept = Layer::parse(path.display().to_string(), &settings)?;
    let kept = schema().resolve(vec![kept])?;
    // The experiment by its name, if that is what it was; else the file that was just read.
    let file = Workspace::new("").settings(&record.name);
    let file = file.to_string_lossy().into_owned();
    let laid_over = |experiment: Layer| {
        let profile = resolve::profile(&record.profile)?;
        schema().resolve(vec![experiment, profile])
    };
    let named = resolve::experiment(&record.name).and_then(laid_over);
    let same = |base: &Config| base.systems == kept.systems && base.question == kept.question;
    let (experiment, profile, base) = match named {
        Ok(base) if same(&base) => (record.name.as_str(), record.profile.as_str(), base),
        _ => (file.as_str(), file.as_str(), kept.clone()),
    };
    // Where it differs.
    let before = settings_of(&base);
    let differs = |(key, value): &(String, Value)| {
        let is_option = !["name", "question", "profile", "seeds"].contains(&key.as_str());
        is_option && before.get(key) != Some(value)
    };
    let option = |(key, value): (String, Value)| match (key.as_str(), value.as_str()) {
        ("data.source", Some(folder)) => format!("--data {}", quoted(folder)),
        _ => format!("--set {}", quoted(&format!("{key}={value}"))),
    };
    let differences = settings_of(&kept).into_iter().filter(differs).map(option);
    let options: Vec<String> = std::iter::once(format!("--profile {}", quoted(profile)))
        .chain(differences)
        .collect();
    let options = options.join(" ");
    let seeds: Vec<String> = kept.seeds.iter().map(ToString::to_string).collect();
    let experiment = quoted(experiment);
    let ablation = ABLATIONS.iter().find(|(_, name)| *name == experiment);
    // An experiment without systems trains what the downstream task needs, or paired models.
    let kind = match ExperimentKind::of(&experiment) {
        Some(kind) => kind,
        None if TranslationRecord::load(workspace.out(), &record.name)?.is_some() => {
            ExperimentKind::Translation
        }
        None if kept.systems.is_empty() => ExperimentKind::Downstream,
        None => ExperimentKind::Tables,
    };
    let is_built_in = ExperimentKind::of(&experiment).is_some();
    let verb = match (ablation, kind) {
        (Some((what, _)), _) => format!("ablate {what}"),
        (None, ExperimentKind::Tables) => format!("reproduce all --experiment {experiment}"),
        (None, _) if is_built_in => format!("reproduce {experiment}"),
        (None, ExperimentKind::Translation) => {
            format!("reproduce {TRANSFER} --experiment {experiment}")
        }
        (None, _) => format!("reproduce downstream --experiment {experiment}"),
    };
    let has_training = matches!(
        kind,
        ExperimentKind::Tables | ExperimentKind::Rows | ExperimentKind::Samplers
    );
    Ok(Some(Again {
        whole: format!("histogen {verb} --seeds {} {options}", seeds.join(",")),
        training: has_training.then(|| format!("histogen train {experiment} {options}")),
        settings,
    }))
}

/// Every setting by its dotted key.
fn settings_of(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let table = config.to_toml().parse::<Table>();
    collect("", table.expect("it was just written"), &mut found);
    found
}

fn collect(place: &str, table: Table, found: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let key = match place {
            "" => key,
            place => format!("{place}.{key}"),
        };
        match value {
            Value::Table(table) => collect(&key, table, found),
            value => {
                found.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::resolve;

    fn record(config: &Config) -> Record {
        Record {
            name: config.name.clone(),
            question: config.question.clone(),
            profile: config.profile.clone(),
            facts: Vec::new(),
            notes: Vec::new(),
            rows: Vec::new(),
        }
    }

    #[test]
    fn the_command_says_what_differs_from_experiment_and_profile() {
        let out = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(out.path());
        let pairs = [
            "seeds=[0, 1]",
            "training.batch=4",
            "data.source=\"my slides\"",
        ];
        let config = resolve("table1", "smoke", &pairs.map(str::to_owned)).unwrap();
        assert_eq!(
            again(&record(&config), &workspace).unwrap(),
            None,
            "nothing kept"
        );
        keep(&config, &workspace).unwrap();
        let found = again(&record(&config), &workspace).unwrap().unwrap();
        assert_eq!(
            found.whole,
            "histogen reproduce all --experiment table1 --seeds 0,1 --profile smoke --data 'my slides' --set training.batch=4"
        );
        assert_eq!(
            found.training.unwrap(),
            "histogen train table1 --profile smoke --data 'my slides' --set training.batch=4"
        );
        let config = resolve("ablate-layers", "smoke", &[]).unwrap();
        keep(&config, &workspace).unwrap();
        let found = again(&record(&config), &workspace).unwrap().unwrap();
        assert_eq!(
            found.whole,
            "histogen ablate layers --seeds 0,1 --profile smoke"
        );
    }

    #[test]
    fn an_experiment_of_ones_own_is_made_again_from_its_settings() {
        let out = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(out.path());
        let mut config = resolve("table1", "smoke", &[]).unwrap();
        config.systems.truncate(1);
        config.name = "mine".to_owned();
        keep(&config, &workspace).unwrap();
        let found = again(&record(&config), &workspace).unwrap().unwrap();
        let file = "reports/mine/settings.toml";
        assert!(
            found
                .whole
                .starts_with(&format!("histogen reproduce all --experiment {file}")),
            "{}",
            found.whole
        );
        assert!(found.whole.ends_with(&format!(" --profile {file}")));
    }
}
