//! The page of a report: one file beside its figures and samples, readable without a network, without JavaScript, on a phone
//! and in print. It shows what the ledgers say, and from every number the way back to its runs, protocol and command.

mod document;
mod runs;
mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::figures::{Drawn, Figure};
use super::{Claim, Record, RunOutcome, Table, TableDefinition, TrainingState};
use crate::error::Result;
use crate::files::write_whole;
use crate::workspace::Workspace;

use runs::Protocols;

pub use document::{address, document, listed, prose};

const SCRIPT: &str = include_str!("page/page.js");

/// What a page shows.
pub struct Page<'a> {
    /// The experiment.
    pub record: &'a Record,
    /// Its tables.
    pub tables: &'a [(&'a TableDefinition, &'a Table)],
    /// What its ledgers say ([`RunOutcome::of_rows`]).
    pub outcomes: &'a [Vec<RunOutcome>],
    /// Its figures, and those that could not be drawn.
    pub figures: &'a Drawn,
    /// The claims audit; empty where there is none.
    pub claims: &'a [Claim],
    /// Files for download, in the report's folder.
    pub files: &'a [PathBuf],
    /// How to make it again; none for an experiment of a version that kept no settings.
    pub again: Option<&'a Again>,
}

/// How an experiment is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The command of the whole: finished runs are reused.
    pub whole: String,
    /// The command of one training, but for the system and the seed; none where trainings are no systems.
    pub training: Option<String>,
    /// All settings, as TOML.
    pub settings: String,
}

impl Page<'_> {
    /// Writes `index.html` into the folder of the report, and returns its path.
    ///
    /// # Errors
    /// Fails if a ledger cannot be read or the file cannot be written.
    pub fn write(&self, workspace: &Workspace) -> Result<PathBuf> {
        let path = workspace.report(&self.record.name).join("index.html");
        write_whole(&path, self.html(workspace)?.as_bytes())?;
        Ok(path)
    }

    fn html(&self, workspace: &Workspace) -> Result<String> {
        let record = self.record;
        let outcomes = self.outcomes;
        let protocols = Protocols::of(outcomes);
        let title = match record.question.as_str() {
            "" => &record.name,
            question => question,
        };
        let sections: Vec<(&str, &str, Markup)> = vec![
            ("summary", "Summary", self.summary(outcomes)),
            ("tables", "Tables", self.tables(&protocols)?),
            ("figures", "Figures", self.figures()),
            ("samples", "Samples", self.samples(outcomes, workspace)),
            ("claims", "Claims audit", self.claims()),
            (
                "runs",
                "Runs",
                runs::section(record, outcomes, &protocols, self.again, workspace.out()),
            ),
            ("protocols", "Protocols", protocols.section()),
            ("settings", "Settings", self.settings()),
            (
                "files",
                "Files",
                self.files(&workspace.report(&record.name)),
            ),
        ];
        let body = html! {
            header {
                p.kicker { "Report of experiment " code { (record.name) } }
                h1 { (title) }
            }
            nav aria-label="Contents" {
                ol { @for (id, name, _) in &sections { li { a href={ "#" (id) } { (name) } } } }
            }
            main id="main" {
                @for (id, name, content) in &sections {
                    section aria-labelledby=(id) { h2 id=(id) { (name) } (content) }
                }
            }
        };
        Ok(document(
            &format!("{title} ({})", record.name),
            &body,
            SCRIPT,
        ))
    }

    /// Whether its rows are systems that draw images, and no classifiers.
    fn are_systems(&self) -> bool {
        self.again.is_none_or(|again| again.training.is_some())
    }

    /// What was run and how it stands, in words.
    fn summary(&self, outcomes: &[Vec<RunOutcome>]) -> Markup {
        let record = self.record;
        // Rows that are another by construction share its runs.
        let mut runs: Vec<&RunOutcome> = Vec::new();
        for run in outcomes.iter().flatten().filter(|run| !run.reference) {
            if runs.iter().all(|known| known.folder != run.folder) {
                runs.push(run);
            }
        }
        let systems: Vec<&str> = record
            .rows
            .iter()
            .filter(|row| !row.reference)
            .map(|row| row.name.as_str())
            .collect();
        let mut seeds: Vec<u64> = runs.iter().filter_map(|run| run.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let finished = runs.iter().filter(|run| run.state.is_complete()).count();
        let open = runs.iter().filter(|run| !run.state.is_complete());
        let what = if self.are_systems() {
            "system"
        } else {
            "training set"
        };
        let fewer = record
            .rows
            .iter()
            .filter(|row| !row.reference && row.ledgers.len() < seeds.len());
        html! {
            @if systems.is_empty() {
                p.lead { "No system was trained." }
            } @else {
                p.lead {
                    (counted(systems.len(), what)) " under profile " code { (record.profile) } ": "
                    (listed(&systems)) ". " (of_seeds(&seeds)) " "
                    @if finished == runs.len() { "All " (counted(finished, "training")) " finished." }
                    @else { (finished) " of " (counted(runs.len(), "training")) " finished." }
                }
            }
            ul.open {
                @for run in open {
                    li { strong { (run.row) } @if let Some(seed) = run.seed { ", seed " (seed) } ": "
                        (prose(&run.state.to_string())) (consequence(&run.state)) }
                }
                @for row in fewer {
                    li { strong { (row.name) } ": " (row.ledgers.len()) " of " (counted(seeds.len(), "seed")) "." }
                }
            }
            @for fact in record.facts.iter().take(3) { p { (prose(fact)) } }
            @match self.again {
                Some(again) => {
                    p { "This command makes it again; finished runs are reused:" }
                    pre { code { (again.whole) } }
                }
                None => p { "The settings that it was carried out with were not kept in this report." },
            }
        }
    }

    fn tables(&self, protocols: &Protocols<'_>) -> Result<Markup> {
        let tables: Vec<Markup> = self
            .tables
            .iter()
            .map(|(_, table)| tables::table(table, self.record, protocols))
            .collect::<Result<_>>()?;
        Ok(html! {
            @if tables.is_empty() { p { "No table was rendered." } }
            @else {
                p.hint { "A number leads to its runs, the eight digits below a heading to the protocol of its column." }
            }
            @for (place, table) in tables.iter().enumerate() {
                div.table id={ "table-" (place + 1) } { (table) }
            }
        })
    }

    fn figures(&self) -> Markup {
        html! {
            @if self.figures.figures.is_empty() { p { "No figure was drawn." } }
            @for (place, figure) in self.figures.figures.iter().enumerate() { (shown(place + 1, figure)) }
            @if !self.figures.absent.is_empty() {
                h3 id="not-drawn" { "Not drawn" }
                ul.notes {
                    @for (title, reason) in &self.figures.absent { li { (title) ": " (prose(reason)) } }
                }
            }
        }
    }

    /// Samples of each system as they were measured, and those beside the training patches nearest to them.
    fn samples(&self, outcomes: &[Vec<RunOutcome>], workspace: &Workspace) -> Markup {
        let report = workspace.report(&self.record.name);
        let picture = |label: &str, detail: &str, caption: String| {
            let path = workspace.picture(&self.record.name, label, detail);
            let (width, height) = image::image_dimensions(&path).ok()?;
            let file = address(path.strip_prefix(&report).unwrap_or(&path));
            Some(html! {
                figure.sample {
                    a.enlarge href=(file) {
                        img src=(file) alt={ "Grid of " (caption) } width=(width) height=(height) loading="lazy";
                    }
                    figcaption { (caption) }
                }
            })
        };
        let runs = || {
            outcomes
                .iter()
                .flatten()
                .filter(|run| !run.reference && run.seed.is_some())
        };
        let of = |run: &RunOutcome, detail: &str, what: &str| {
            let seed = run.seed.unwrap_or_default();
            let caption = format!("{}{what}, seed {seed}", run.row);
            picture(&run.row, &format!("-s{seed}{detail}"), caption)
        };
        let real = picture("real", "", "real held-out patches".to_owned());
        let grids: Vec<Markup> = runs().filter_map(|run| of(run, "", "")).collect();
        let nearest =
            runs().filter_map(|run| of(run, "-nearest", " above its nearest training patches"));
        let nearest: Vec<Markup> = nearest.collect();
        let without: Vec<String> = runs()
            .filter(|run| of(run, "", "").is_none())
            .map(|run| {
                format!(
                    "{} (seed {}, {})",
                    run.row,
                    run.seed.unwrap_or_default(),
                    run.state.word()
                )
            })
            .collect();
        html! {
            @if grids.is_empty() { p { "No samples were drawn." } }
            @else { p.hint { "The first images that were measured, not chosen. A picture opens enlarged, pixel for pixel." } }
            div.grid { @for grid in real.iter().chain(&grids) { (grid) } }
            @if self.are_systems() && !grids.is_empty() && !without.is_empty() { p { "None of " (listed(&without)) "." } }
            @if !nearest.is_empty() {
                h3 id="nearest" { "Beside the training patches nearest to them" }
                div.grid { @for grid in &nearest { (grid) } }
            }
        }
    }

    fn claims(&self) -> Markup {
        html! {
            @if self.claims.is_empty() { p { "The claims of the paper are audited in the reports of its tables." } }
            @for claim in self.claims {
                h3 id={ "claim-" (claim.number) } { (claim.number) ". " (claim.title) }
                dl.claim {
                    dt { "The paper" } dd { (prose(&claim.says)) }
                    dt { "Found" } dd { (prose(&claim.found.join(" "))) }
                }
            }
        }
    }

    fn settings(&self) -> Markup {
        html! {
            @for fact in self.record.facts.iter().skip(3) { p { (prose(fact)) } }
            @match self.again {
                Some(again) => details {
                    summary { "All settings of the experiment" }
                    pre { code { (again.settings) } }
                },
                None => p { "The settings of each run stand with it, above." },
            }
        }
    }

    fn files(&self, report: &Path) -> Markup {
        html! {
            @if self.files.is_empty() { p { "There are none." } }
            ul.files {
                @for file in self.files {
                    @let name = file.strip_prefix(report).unwrap_or(file);
                    li { a href=(address(name)) { (name.display()) } }
                }
            }
        }
    }
}

/// A figure; the first of its files is shown, all are linked.
fn shown(number: usize, figure: &Figure) -> Markup {
    let first = figure.files.first();
    html! {
        figure id={ "figure-" (number) } {
            @if let Some(file) = first {
                a href=(address(file)) { img src=(address(file)) alt=(figure.caption) loading="lazy"; }
            }
            figcaption {
                strong { "Figure " (number) ". " (figure.title) "." } " " (prose(&figure.caption))
                @for file in &figure.files {
                    " " a.file href=(address(file)) {
                        (file.extension().unwrap_or_default().to_string_lossy().to_uppercase())
                        span.hidden { " of figure " (number) }
                    }
                }
            }
        }
    }
}

/// The id of a row's runs on the page.
fn row_id(record: &Record, name: &str) -> Option<String> {
    let place = record.rows.iter().position(|row| row.name == name)?;
    Some(format!("row-{}", place + 1))
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn of_seeds(seeds: &[u64]) -> String {
    let names: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "No training began.".to_owned(),
        [seed] => format!("One seed ({seed}): no number has a spread."),
        _ => format!("Seeds {}.", listed(&names)),
    }
}

/// What becomes of a training that has not finished.
fn consequence(state: &TrainingState) -> &'static str {
    match state {
        TrainingState::Running { .. } => {
            ". It is still going; render the report again when it has ended."
        }
        _ if state.is_open() => ". The command takes it up.",
        _ => ". It has no numbers.",
    }
}

/// An argument as a shell takes it.
pub fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./,=:".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}
