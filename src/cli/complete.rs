//! What a shell completes: names of what there is, keys of settings, folders of runs.

use std::ffi::OsStr;
use std::path::Path;

use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use crate::experiment::{ABLATIONS, EXPERIMENTS, ExperimentKind, PROFILES, schema};
use crate::features::EXTRACTORS;
use crate::metrics;
use crate::models::MODELS;
use crate::report::TABLES;
use crate::samplers::SAMPLERS;
use crate::workspace::{Workspace, run_folders};

/// One candidate for each name, with a line about it; none where that is empty.
fn candidates<N: ToString>(
    names: impl IntoIterator<Item = (N, impl Into<String>)>,
) -> Vec<CompletionCandidate> {
    let names = names.into_iter().map(|(name, about)| {
        let about: String = about.into();
        let about = (!about.is_empty()).then(|| about.into());
        CompletionCandidate::new(name.to_string()).help(about)
    });
    names.collect()
}

fn plain(names: &[(&str, &str)]) -> Vec<CompletionCandidate> {
    candidates(names.iter().map(|(name, _)| (*name, "")))
}

pub(super) fn experiments() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(EXPERIMENTS.iter().map(|built_in| (built_in.name, ""))))
}

/// What `reproduce` takes: tables, all of them, and experiments with tables of their own.
pub(super) fn tables() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let tables = TABLES.iter().map(|table| (table.name, table.title));
        let all = candidates(tables.chain([("all", "all of them")]));
        let own = EXPERIMENTS.iter();
        let own = own.filter(|built_in| {
            built_in.kind != ExperimentKind::Tables && !built_in.name.starts_with("ablate-")
        });
        let own = candidates(own.map(|built_in| (built_in.name, "")));
        all.into_iter().chain(own).collect()
    })
}

pub(super) fn ablations() -> ArgValueCandidates {
    ArgValueCandidates::new(|| plain(ABLATIONS))
}

pub(super) fn profiles() -> ArgValueCandidates {
    ArgValueCandidates::new(|| plain(PROFILES))
}

pub(super) fn models() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        candidates(
            MODELS
                .all()
                .into_iter()
                .map(|model| (model.name, model.paper)),
        )
    })
}

pub(super) fn samplers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let samplers = SAMPLERS.all().into_iter();
        candidates(samplers.map(|sampler| (sampler.name, sampler.about)))
    })
}

pub(super) fn extractors() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let extractors = EXTRACTORS.all().into_iter();
        candidates(extractors.map(|extractor| (extractor.name, extractor.about)))
    })
}

pub(super) fn scores() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let scores = metrics::definitions();
        candidates(scores.map(|score| (score.name, score.title)))
    })
}

/// The keys of `--set`, each with what it means.
pub(super) fn settings() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let schema = schema();
        let settings = schema.settings();
        candidates(
            settings
                .iter()
                .map(|setting| (setting.key() + "=", setting.about.clone())),
        )
    })
}

/// Any path, and the runs of this folder by their names.
pub(super) fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = PathCompleter::any().complete(current);
        found.extend(runs_like(&Workspace::new(".").runs(), current));
        found
    })
}

/// The runs in `folder` whose names begin with `typed`.
fn runs_like(folder: &Path, typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let named = |path: &Path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        (!typed.is_empty() && name.starts_with(&*typed)).then(|| CompletionCandidate::new(path))
    };
    let folders = run_folders(folder);
    folders.iter().filter_map(|path| named(path)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn runs_are_found_by_the_beginning_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["dcgan-s0-1", "dcgan-s1-2", "sngan-s0-3"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("config.toml"), "").unwrap();
        }
        let found = |typed: &str| runs_like(folder.path(), OsStr::new(typed)).len();
        assert_eq!(
            (found("dcgan"), found("s"), found("x"), found("")),
            (2, 1, 0, 0)
        );
    }

    #[test]
    fn every_kind_has_candidates() {
        let kinds = [
            experiments(),
            tables(),
            ablations(),
            profiles(),
            models(),
            samplers(),
            extractors(),
            scores(),
            settings(),
        ];
        for kind in kinds {
            assert!(!kind.candidates().is_empty());
        }
    }
}
