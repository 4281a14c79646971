//! `histogen list metrics` and `list experiments`: what has a name and no settings of its own.

use serde::Serialize;

use super::super::output::{lines, show};
use crate::error::Result;
use crate::experiment::{EXPERIMENTS, PROFILES};
use crate::metrics::{Direction, definitions};

pub(super) fn metrics(json: bool) -> Result<()> {
    let scores: Vec<_> = definitions().collect();
    show(json, &scores, |scores| {
        Ok(lines(scores.iter().map(|score| {
            let better = match score.direction {
                Direction::Lower => "lower is better",
                Direction::Higher => "higher is better",
            };
            format!("{:12} {} ({better})", score.name, score.title)
        })))
    })
}

/// A name, and what it is the name of.
#[derive(Serialize)]
struct Name {
    kind: &'static str,
    name: &'static str,
}

pub(super) fn experiments(json: bool) -> Result<()> {
    let names = EXPERIMENTS.iter().map(|built_in| Name {
        kind: "experiment",
        name: built_in.name,
    });
    let profiles = PROFILES.iter().map(|&(name, _)| Name {
        kind: "profile",
        name,
    });
    let names: Vec<Name> = names.chain(profiles).collect();
    show(json, &names, |names| {
        Ok(lines(names.iter().map(|Name { kind, name }| match *kind {
            "profile" => format!("profile {name}"),
            _ => (*name).to_owned(),
        })))
    })
}
