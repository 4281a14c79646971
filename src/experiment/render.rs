//! Rendering an experiment from its record and its ledgers: tables, claims audit, figures, page.

use std::path::PathBuf;

use super::Kind;
use super::again::again;
use super::{Outcome, Rendered};
use crate::error::Result;
use crate::files::write_whole;
use crate::report::figures::Drawn;
use crate::report::page::Page;
use crate::report::{
    self, CHECKPOINTS, COSTS, Cell, Claim, DownstreamRecord, KindRecord, LowDataRecord, Published,
    Record, Rewards, TABLES, Table, TableDefinition, TranslationRecord,
};
use crate::workspace::Workspace;

/// Renders and writes the table of an ablation and its figures.
pub(super) fn render_ablation(record: Record, workspace: &Workspace) -> Result<Outcome> {
    let folder = workspace.report(&record.name);
    let outcomes = report::Outcome::of_rows(&record, workspace.out())?;
    let (definition, table) = report::ablation(&record, &outcomes, workspace.out())?;
    let mut files = report::write(definition, &table, &folder)?;
    let shown = [(definition, &table)];
    let drawn = report::figures::draw(&record, &shown, workspace)?;
    let claims = report::comparisons(&record, &outcomes)?;
    if !claims.is_empty() {
        let path = folder.join("claims.md");
        let source = Published::of(&record.name).source();
        let text = report::claims_markdown(&claims, &record, &source);
        write_whole(&path, text.as_bytes())?;
        files.push(path);
    }
    let page = page(
        &record, &outcomes, &shown, &drawn, &claims, &files, workspace,
    )?;
    files.extend(page);
    Ok(Outcome {
        record,
        complete: no_cell_failed(&table),
        tables: vec![Rendered { table, files }],
        files: Vec::new(),
        absent: drawn.absent,
    })
}

/// All tables of the experiment `name` and the claims audit, again, from its ledgers alone; of an ablation, its table.
///
/// # Errors
/// Refuses an experiment that was never run, and fails if a ledger is gone.
pub fn render_again(name: &str, workspace: &Workspace) -> Result<Outcome> {
    let record = Record::load(workspace.out(), name)?;
    match Kind::of(name) {
        Some(Kind::Rows) => return render_ablation(record, workspace),
        Some(Kind::Samplers) => return render_sampled(record, workspace),
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

/// Renders and writes the tables of the downstream task, its figures and its claim.
pub(super) fn render_downstream(
    record: Record,
    about: &DownstreamRecord,
    workspace: &Workspace,
) -> Result<Outcome> {
    let out = workspace.out();
    let outcomes = report::Outcome::of_rows(&record, out)?;
    let made = report::downstream_tables(&record, about, &outcomes)?;
    let claims = [report::downstream_claim(out)?];
    let source = Published::load().source();
    let shown = shown(&made);
    let drawn = report::figures::draw_downstream(&record, about, &shown, &outcomes, workspace)?;
    let of = Made {
        tables: &made,
        claims: &claims,
        source: &source,
        drawn,
    };
    of.write(record, &outcomes, workspace)
}

/// Renders and writes the tables of classification from few images, its figures and its claims.
pub(super) fn render_low_data(
    record: Record,
    about: &LowDataRecord,
    workspace: &Workspace,
) -> Result<Outcome> {
    let out = workspace.out();
    let outcomes = report::Outcome::of_rows(&record, out)?;
    let made = report::low_data_tables(&record, about, &outcomes, out)?;
    let claims = report::low_data_claims(&record, about, &outcomes, out)?;
    let source = Published::of(&record.name).source();
    let shown = shown(&made);
    let drawn = report::figures::draw_low_data(&record, about, &shown, &outcomes, workspace)?;
    let of = Made {
        tables: &made,
        claims: &claims,
        source: &source,
        drawn,
    };
    of.write(record, &outcomes, workspace)
}

/// Renders and writes the table of samplers, its figures and its claims.
pub(super) fn render_sampled(record: Record, workspace: &Workspace) -> Result<Outcome> {
    let outcomes = report::Outcome::of_rows(&record, workspace.out())?;
    let made = [(&report::SAMPLED, report::sampled_table(&record, &outcomes)?)];
    let claims = report::comparisons(&record, &outcomes)?;
    let source = Published::of(&record.name).source();
    let drawn = report::figures::draw_sampled(&record, workspace)?;
    let of = Made {
        tables: &made,
        claims: &claims,
        source: &source,
        drawn,
    };
    of.write(record, &outcomes, workspace)
}

/// Renders and writes the tables of paired models, their figures and what they say about the paper's claims.
pub(super) fn render_translation(
    record: Record,
    about: &TranslationRecord,
    workspace: &Workspace,
) -> Result<Outcome> {
    let out = workspace.out();
    let outcomes = report::Outcome::of_rows(&record, out)?;
    let made = report::translation_tables(&record, about, &outcomes, out)?;
    let claims = report::translation_claims(&record, about, &outcomes, out)?;
    let shown = shown(&made);
    let drawn = report::figures::draw_translation(&record, about, &shown, &outcomes, workspace)?;
    let of = Made {
        tables: &made,
        claims: &claims,
        source: &report::translation_source(),
        drawn,
    };
    of.write(record, &outcomes, workspace)
}

/// Tables as figures and pages take them.
fn shown<'a>(
    made: &'a [(&'static TableDefinition, Table)],
) -> Vec<(&'a TableDefinition, &'a Table)> {
    let tables = made.iter();
    tables
        .map(|(definition, table)| (*definition, table))
        .collect()
}

/// Tables, claims and figures of one report.
struct Made<'a> {
    tables: &'a [(&'static TableDefinition, Table)],
    claims: &'a [Claim],
    /// What the claims are from.
    source: &'a str,
    drawn: Drawn,
}

impl Made<'_> {
    /// Writes them, and the page.
    fn write(
        self,
        record: Record,
        outcomes: &[Vec<report::Outcome>],
        workspace: &Workspace,
    ) -> Result<Outcome> {
        let folder = workspace.report(&record.name);
        let (mut tables, mut complete) = (Vec::new(), true);
        for (definition, table) in self.tables {
            let files = report::write(definition, table, &folder)?;
            complete &= no_cell_failed(table);
            let table = table.clone();
            tables.push(Rendered { table, files });
        }
        let mut files = Vec::new();
        if !self.claims.is_empty() {
            let path = folder.join("claims.md");
            let text = report::claims_markdown(self.claims, &record, self.source);
            write_whole(&path, text.as_bytes())?;
            files.push(path);
        }
        let of_tables = tables.iter().flat_map(|rendered| &rendered.files);
        let written: Vec<PathBuf> = of_tables.chain(&files).cloned().collect();
        let shown = shown(self.tables);
        let page = page(
            &record,
            outcomes,
            &shown,
            &self.drawn,
            self.claims,
            &written,
            workspace,
        )?;
        files.extend(page);
        Ok(Outcome {
            record,
            tables,
            files,
            absent: self.drawn.absent,
            complete,
        })
    }
}

/// Renders and writes tables, the claims audit and the figures.
pub(super) fn render(
    record: Record,
    definitions: &[&TableDefinition],
    workspace: &Workspace,
) -> Result<Outcome> {
    let (out, folder) = (workspace.out(), workspace.report(&record.name));
    let outcomes = report::Outcome::of_rows(&record, out)?;
    let (mut tables, mut complete) = (Vec::new(), true);
    for definition in definitions {
        let table = report::render(definition, &record, &outcomes)?;
        let files = report::write(definition, &table, &folder)?;
        complete &= no_cell_failed(&table);
        tables.push(Rendered { table, files });
    }
    let costs = report::costs(&record, out)?;
    let mut files = report::write(&COSTS, &costs, &folder)?;
    let checkpoints = report::checkpoints(&record, workspace)?;
    if let Some(table) = &checkpoints {
        files.extend(report::write(&CHECKPOINTS, table, &folder)?);
    }
    let rewards = Rewards::read(&record, out)?;
    let claims = report::claims(&record, &rewards, out)?;
    let path = folder.join("claims.md");
    let source = Published::load().source();
    let text = report::claims_markdown(&claims, &record, &source);
    write_whole(&path, text.as_bytes())?;
    files.push(path);
    // The figures.
    let shown: Vec<(&TableDefinition, &Table)> = definitions
        .iter()
        .zip(&tables)
        .map(|(definition, rendered)| (*definition, &rendered.table))
        .chain(checkpoints.as_ref().map(|table| (&CHECKPOINTS, table)))
        .chain([(&COSTS, &costs)])
        .collect();
    let drawn = report::figures::draw(&record, &shown, workspace)?;
    let of_tables = tables.iter().flat_map(|rendered| &rendered.files);
    let written: Vec<PathBuf> = of_tables.chain(&files).cloned().collect();
    let page = page(
        &record, &outcomes, &shown, &drawn, &claims, &written, workspace,
    )?;
    files.extend(page);
    Ok(Outcome {
        record,
        tables,
        files,
        absent: drawn.absent,
        complete,
    })
}

/// Writes the page of a report, which offers for download what lies in its folder of `written`. Returns the files of the figures and
/// the page.
fn page(
    record: &Record,
    outcomes: &[Vec<report::Outcome>],
    tables: &[(&TableDefinition, &Table)],
    figures: &Drawn,
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
        figures,
        claims,
        files: &files,
        again: again.as_ref(),
    };
    let drawn = figures.figures.iter().flat_map(|figure| &figure.files);
    let drawn = drawn.map(|file| folder.join(file));
    Ok(drawn.chain([page.write(workspace)?]).collect())
}

fn no_cell_failed(table: &Table) -> bool {
    let mut cells = table.rows().iter().flat_map(|row| &row.cells);
    !cells.any(|cell| matches!(cell, Cell::Failed(_) | Cell::Unfinished(_)))
}
