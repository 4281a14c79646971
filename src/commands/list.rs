//! `histogen list`: what there is.

mod names;
mod runs;
mod settings;

use serde::Serialize;
use toml::Table;

use super::output::{lines, show};
use super::{Answer, Outcome};
use crate::classifier::NETWORKS;
use crate::cli::List;
use crate::error::{Result, unknown_name};
use crate::features::EXTRACTORS;
use crate::models::MODELS;
use crate::reward::Source;
use crate::samplers::SAMPLERS;
use crate::workspace::Workspace;

/// What can be listed.
const KINDS: [&str; 9] = [
    "models",
    "samplers",
    "metrics",
    "features",
    "reward-models",
    "networks",
    "experiments",
    "settings",
    "runs",
];

/// What has a name, a line about it, and settings with their defaults, if it has any.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    about: &'static str,
    #[serde(skip_serializing_if = "Table::is_empty")]
    settings: Table,
}

pub(super) fn run(arguments: &List) -> Outcome {
    let json = arguments.json;
    let plain = |name, about| Entry {
        name,
        about,
        settings: Table::new(),
    };
    match arguments.what.as_str() {
        "models" => {
            let models = MODELS.all().into_iter().map(|model| Entry {
                settings: (model.settings)(),
                ..plain(model.name, model.paper)
            });
            show_entries(json, 15, "models", models)
        }
        "samplers" => {
            let samplers = SAMPLERS.all().into_iter().map(|sampler| Entry {
                settings: (sampler.settings)(),
                ..plain(sampler.name, sampler.about)
            });
            show_entries(json, 10, "samplers", samplers)
        }
        "features" => {
            let extractors = EXTRACTORS.all().into_iter();
            let extractors = extractors.map(|entry| plain(entry.name, entry.about));
            show_entries(json, 21, "", extractors)
        }
        "reward-models" => {
            let sources = Source::ALL.into_iter();
            let sources = sources.map(|(_, name, about)| plain(name, about));
            show_entries(json, 10, "", sources)
        }
        "networks" => {
            let networks = NETWORKS.all().into_iter();
            let networks = networks.map(|network| plain(network.name, network.about));
            show_entries(json, 12, "", networks)
        }
        "metrics" => names::metrics(json),
        "experiments" => names::experiments(json),
        "settings" => settings::list(json),
        "runs" => runs::list(&Workspace::new(&arguments.out).runs(), json),
        other => Err(unknown_name("list", other, KINDS)),
    }?;
    Ok(Answer::Yes)
}

/// Shows entries whose names have `width` letters at most, and whose settings stand in the section `section`.
fn show_entries(
    json: bool,
    width: usize,
    section: &str,
    entries: impl Iterator<Item = Entry>,
) -> Result<()> {
    let entries: Vec<Entry> = entries.collect();
    show(json, &entries, |entries| {
        let setting = |name: &str, key: &str, value: &toml::Value| {
            format!("{:width$}   {section}.{name}.{key} = {value}", "")
        };
        Ok(lines(entries.iter().flat_map(|entry| {
            let first = format!("{:width$} {}", entry.name, entry.about);
            let settings = entry.settings.iter();
            let settings = settings.map(|(key, value)| setting(entry.name, key, value));
            std::iter::once(first).chain(settings).collect::<Vec<_>>()
        })))
    })
}
