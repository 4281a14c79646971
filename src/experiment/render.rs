//! Rendering an experiment from its record and its ledgers: tables, claims audit, figures, page.

use std::path::PathBuf;

use super::ExperimentKind;
use super::again::again;
use super::{Outcome, Rendered};
use crate::error::Result;
use crate::files::write_whole;
use crate::report::figures::{self, Drawn};
use crate::report::page::Page;
use crate::report::{
    self, CHECKPOINTS, COSTS, Claim, DownstreamRecord, KindRecord, LowDataRecord, Published,
    Record, Rewards, SAMPLED, TABLES, Table, TableCell, TableDefinition, TranslationRecord,
};
use crate::workspace::Workspace;

/// All tables of the experiment `name` and the claims audit, again, from its ledgers alone; of an ablation, its table.
///
/// # Errors
/// Refuses an experiment that was never run, and fails if a ledger is gone.
pub fn render_again(name: &str, workspace: &Workspace) -> Result<Outcome> {
    let record = Record::load(workspace.out(), name)?;
    match ExperimentKind::of(name) {
        Some(ExperimentKind::Rows) => return render_ablation(record, workspace),
        Some(ExperimentKind::Samplers) => return render_sampled(record, workspace),
        _ => {}
    }
    if let Some(about) = LowDataRecord::load(workspace.out(), name)? {
        return render_low_data(record, &about, workspace);
    }
    if let Some(about) = DownstreamRecord::load(workspace.out(), name)? {
        return render_downstream(record, &about, workspace);
    }
    if let Some(about) = TranslationRecord::load(workspace.out(), name)? {
        return render_translation(record, &about, workspace);
    }
    let tables: Vec<&TableDefinition> = TABLES.iter().collect();
    render(record, &tables, workspace)
}

/// Renders and writes tables of systems, what they cost, the claims audit and the figures.
pub(super) fn render(
    record: Record,
    definitions: &[&TableDefinition],
    workspace: &Workspace,
) -> Result<Outcome> {
    let out = workspace.out();
    write(record, workspace, |record, outcomes| {
        let tables = definitions.iter().map(|definition| {
            let table = report::render(definition, record, outcomes)?;
            Ok((*definition, table))
        });
        let tables: Made<'_> = tables.collect::<Result<_>>()?;
        let checkpoints = report::checkpoints(record, workspace)?;
        let checkpoints = checkpoints.map(|table| (&CHECKPOINTS, table));
        let costs = (&COSTS, report::costs(record, out)?);
        let below: Made<'_> = checkpoints.into_iter().chain([costs]).collect();
        let shown: Shown<'_> = shown(&tables).chain(shown(&below)).collect();
        Ok(Contents {
            claims: report::claims(record, &Rewards::read(record, out)?, out)?,
            source: Published::load().source(),
            drawn: figures::draw(record, &shown, workspace)?,
            tables,
            below,
        })
    })
}

/// Renders and writes the table of an ablation and its figures.
pub(super) fn render_ablation(record: Record, workspace: &Workspace) -> Result<Outcome> {
    write(record, workspace, |record, outcomes| {
        let tables = vec![report::ablation(record, outcomes, workspace.out())?];
        let shown: Shown<'_> = shown(&tables).collect();
        Ok(Contents {
            claims: report::comparisons(record, outcomes)?,
            source: Published::of(&record.name).source(),
            drawn: figures::draw(record, &shown, workspace)?,
            tables,
            below: Vec::new(),
        })
    })
}

/// Renders and writes the table of samplers, its figures and its claims.
pub(super) fn render_sampled(record: Record, workspace: &Workspace) -> Result<Outcome> {
    write(record, workspace, |record, outcomes| {
        Ok(Contents {
            tables: vec![(&SAMPLED, report::sampled_table(record, outcomes)?)],
            below: Vec::new(),
            claims: report::comparisons(record, outcomes)?,
            source: Published::of(&record.name).source(),
            drawn: figures::draw_sampled(record, workspace)?,
        })
    })
}

/// Renders and writes the tables of the downstream task, its figures and its claim.
pub(super) fn render_downstream(
    record: Record,
    about: &DownstreamRecord,
    workspace: &Workspace,
) -> Result<Outcome> {
    write(record, workspace, |record, outcomes| {
        let tables = report::downstream_tables(record, about, outcomes)?;
        let shown: Shown<'_> = shown(&tables).collect();
        Ok(Contents {
            claims: vec![report::downstream_claim(workspace.out())?],
            source: Published::load().source(),
            drawn: figures::draw_downstream(record, about, &shown, outcomes, workspace)?,
            tables,
            below: Vec::new(),
        })
    })
}

/// Renders and writes the tables of classification from few images, its figures and its claims.
pub(super) fn render_low_data(
    record: Record,
    about: &LowDataRecord,
    workspace: &Workspace,
) -> Result<Outcome> {
    let out = workspace.out();
    write(record, workspace, |record, outcomes| {
        let tables = report::low_data_tables(record, about, outcomes, out)?;
        let shown: Shown<'_> = shown(&tables).collect();
        Ok(Contents {
            claims: report::low_data_claims(record, about, outcomes, out)?,
            source: Published::of(&record.name).source(),
            drawn: figures::draw_low_data(record, about, &shown, outcomes, workspace)?,
            tables,
            below: Vec::new(),
        })
    })
}

/// Renders and writes the tables of paired models, their figures and what they say about the paper's claims.
pub(super) fn render_translation(
    record: Record,
    about: &TranslationRecord,
    workspace: &Workspace,
) -> Result<Outcome> {
    let out = workspace.out();
    write(record, workspace, |record, outcomes| {
        let tables = report::translation_tables(record, about, outcomes, out)?;
        let shown: Shown<'_> = shown(&tables).collect();
        Ok(Contents {
            claims: report::translation_claims(record, about, outcomes, out)?,
            source: report::translation_source(),
            drawn: figures::draw_translation(record, about, &shown, outcomes, workspace)?,
            tables,
            below: Vec::new(),
        })
    })
}

/// Tables that were made.
type Made<'a> = Vec<(&'a TableDefinition, Table)>;
/// Tables as figures and pages take them.
type Shown<'a> = Vec<(&'a TableDefinition, &'a Table)>;

fn shown<'a>(made: &'a Made<'_>) -> impl Iterator<Item = (&'a TableDefinition, &'a Table)> {
    made.iter().map(|(definition, table)| (*definition, table))
}

/// What a report is made of.
struct Contents<'a> {
    tables: Made<'a>,
    /// Tables that stand below them, and are files alone.
    below: Made<'a>,
    claims: Vec<Claim>,
    /// What the claims are from.
    source: String,
    drawn: Drawn,
}

/// Writes what `make` makes of a record and its outcomes, and the page.
fn write<'a>(
    record: Record,
    workspace: &Workspace,
    make: impl FnOnce(&Record, &[Vec<report::RunOutcome>]) -> Result<Contents<'a>>,
) -> Result<Outcome> {
    let folder = workspace.report(&record.name);
    let outcomes = report::RunOutcome::of_rows(&record, workspace.out())?;
    let contents = make(&record, &outcomes)?;
    // Tables and claims.
    let (mut tables, mut complete) = (Vec::new(), true);
    for (definition, table) in &contents.tables {
        let files = report::write(definition, table, &folder)?;
        complete &= no_cell_failed(table);
        let table = table.clone();
        tables.push(Rendered { table, files });
    }
    let mut files = Vec::new();
    for (definition, table) in &contents.below {
        files.extend(report::write(definition, table, &folder)?);
    }
    let Contents { claims, drawn, .. } = &contents;
    if !claims.is_empty() {
        let path = folder.join("claims.md");
        let text = report::claims_markdown(claims, &record, &contents.source);
        write_whole(&path, text.as_bytes())?;
        files.push(path);
    }
    // The page.
    let of_tables = tables.iter().flat_map(|rendered| &rendered.files);
    let written: Vec<PathBuf> = of_tables.chain(&files).cloned().collect();
    let shown: Shown<'_> = shown(&contents.tables)
        .chain(shown(&contents.below))
        .collect();
    let page = page(
        &record, &outcomes, &shown, drawn, claims, &written, workspace,
    )?;
    files.extend(page);
    Ok(Outcome {
        record,
        tables,
        files,
        absent: contents.drawn.absent,
        complete,
    })
}

/// Writes the page of a report, which offers for download what lies in its folder of `written`. Returns the files of the figures and
/// the page.
fn page(
    record: &Record,
    outcomes: &[Vec<report::RunOutcome>],
    tables: &[(&TableDefinition, &Table)],
    drawn: &Drawn,
    claims: &[Claim],
    written: &[PathBuf],
    workspace: &Workspace,
) -> Result<Vec<PathBuf>> {
    let folder = workspace.report(&record.name);
    let in_folder = written.iter().filter(|file| file.parent() == Some(&folder));
    let mut files: Vec<PathBuf> = in_folder.cloned().collect();
    let again = again(record, workspace)?;
    files.extend(again.as_ref().map(|_| workspace.settings(&record.name)));
    let page = Page {
        record,
        outcomes,
        tables,
        figures: drawn,
        claims,
        files: &files,
        again: again.as_ref(),
    };
    let figures = drawn.figures.iter().flat_map(|figure| &figure.files);
    let figures = figures.map(|file| folder.join(file));
    Ok(figures.chain([page.write(workspace)?]).collect())
}

fn no_cell_failed(table: &Table) -> bool {
    let mut cells = table.rows().iter().flat_map(|row| &row.cells);
    !cells.any(|cell| matches!(cell, TableCell::Failed(_) | TableCell::Unfinished(_)))
}
