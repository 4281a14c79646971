//! `histogen retrieve`: the images of a set most like given ones.

use std::path::Path;

use serde::Serialize;

use super::output::{lines, show};
use super::settings::configure_otherwise;
use super::{Answer, Outcome};
use crate::cli::{Retrieve, Searched};
use crate::error::Result;
use crate::experiment::{ImageSet, Placed, Search, SearchedBy, read_queries};
use crate::report::figures::{Captioned, contact_sheet};
use crate::retrieval::Found;
use crate::workspace::Workspace;

/// The profile without `--profile`: the settings of the literature.
const PROFILE: &str = "paper";

/// What was found for a query.
#[derive(Serialize)]
struct Row<'a> {
    query: &'a str,
    compared_by: &'a str,
    found: Vec<Neighbour<'a>>,
}

impl Row<'_> {
    fn lines(&self) -> Vec<String> {
        let found = self.found.iter().map(|Neighbour { rank, found, from }| {
            let class = from.class.as_deref().unwrap_or("-");
            format!("{rank:>5}  {:.6}  {class}  {}", found.score, from.name)
        });
        [self.query.to_owned()].into_iter().chain(found).collect()
    }
}

/// An image that was found, and where it comes from.
#[derive(Serialize)]
struct Neighbour<'a> {
    rank: usize,
    #[serde(flatten)]
    found: Found,
    #[serde(flatten)]
    from: &'a Placed,
}

pub(super) fn run(arguments: &Retrieve) -> Outcome {
    let search = open(&arguments.set, &arguments.searched)?;
    let queries = read_queries(&arguments.queries)?;
    let compared_by = search.describe();
    let (mut rows, mut groups) = (Vec::new(), Vec::new());
    for (name, image) in &queries {
        let query = search.query(name, image)?;
        let found = search.nearest(&query, arguments.k)?.remove(0);
        // A row of the sheet: the query, then what was found.
        let file = Path::new(name).file_name();
        let file = file.map_or_else(String::new, |file| file.to_string_lossy().into_owned());
        let mut group = vec![Captioned {
            image: query,
            lines: vec!["query".to_owned(), file],
        }];
        for found in &found {
            group.push(Captioned {
                image: search.image(found.index)?,
                lines: caption(Some(found.score), search.set.place(found.index)),
            });
        }
        groups.push(group);
        let ranked = (1..).zip(found).map(|(rank, found)| Neighbour {
            rank,
            found,
            from: search.set.place(found.index),
        });
        rows.push(Row {
            query: name,
            compared_by: &compared_by,
            found: ranked.collect(),
        });
    }
    contact_sheet(&arguments.sheet, &groups, 1)?;
    show(arguments.json, &rows, |rows| {
        let by = format!("by {compared_by}, in {}", search.set.name);
        Ok(lines(rows.iter().flat_map(Row::lines).chain([by])))
    })?;
    eprintln!("wrote `{}`", arguments.sheet.display());
    Ok(Answer::Yes)
}

/// What stands below an image: its score (an empty line without), its class, where it comes from.
pub(super) fn caption(score: Option<f64>, from: &Placed) -> Vec<String> {
    let score = score.map_or_else(String::new, |score| format!("{score:.4}"));
    let lines = std::iter::once(score).chain(from.class.clone());
    lines.chain([from.name.clone()]).collect()
}

/// The set at `path` with its features.
pub(super) fn open(path: &Path, searched: &Searched) -> Result<Search> {
    let config = configure_otherwise(PROFILE, "table1", &searched.settings, None)?;
    let workspace = Workspace::new(&searched.settings.out);
    let set = ImageSet::open(
        path,
        searched.split.as_deref(),
        searched.images,
        config.evaluation.seed,
        &config,
        &workspace.features(),
    )?;
    let by = SearchedBy {
        snn: searched.snn.as_deref(),
        similarity: searched.similarity,
    };
    Search::new(set, by, &config, &workspace)
}
