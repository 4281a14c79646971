//! What slides are of, and which belong together, where a table, annotations or a pattern say it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;

use super::DataConfig;
use super::annotations::Regions;
use super::source::{Origin, Slide, Source};
use crate::digest::sha256_file;
use crate::error::{Result, nearest, refuse};

/// A row of the table `data.labels`.
struct Row {
    class: Option<String>,
    group: Option<String>,
}

/// Gives the slides of `source` the classes and groups that `config` names, and says so in its fingerprint.
///
/// # Errors
/// For settings that contradict each other, a table that cannot be read or lacks a slide, a slide without annotations, and a
/// name that the pattern of groups is not in.
pub(super) fn label(source: &mut Source, config: &DataConfig) -> Result<()> {
    if !config.labels.is_empty() {
        from_table(source, config)?;
    }
    if config.annotations {
        from_annotations(source)?;
    }
    if !config.groups.is_empty() {
        by_name(source, &config.groups)?;
    }
    if !config.labels.is_empty() || !config.groups.is_empty() {
        for Slide {
            name, class, group, ..
        } in &source.slides
        {
            let line = format!("\n{name}\t{class}\t{}", group.as_deref().unwrap_or(""));
            source.fingerprint.push_str(&line);
        }
    }
    Ok(())
}

fn from_table(source: &mut Source, config: &DataConfig) -> Result<()> {
    let path = Path::new(&config.labels);
    let rows = read(path)?;
    let has = |field: fn(&Row) -> &Option<String>| rows.values().any(|row| field(row).is_some());
    if !config.groups.is_empty() && has(|row| &row.group) {
        return Err(refuse(
            format!(
                "both `data.groups` and the column `group` of `{}` name groups",
                path.display()
            ),
            "leave out one of them",
        ));
    }
    if !config.annotations && !has(|row| &row.class) {
        return Err(refuse(
            format!("the table `{}` has no column `class`", path.display()),
            "name its columns `slide`, `class` and, where slides belong together, `group`",
        ));
    }
    let mut taken: BTreeMap<&str, String> = BTreeMap::new();
    for slide in &mut source.slides {
        let Some((name, row)) = find(&rows, slide)? else {
            let known: Vec<&str> = rows.keys().map(String::as_str).collect();
            let meant = nearest(&slide.name, &known).map(|name| format!(" (not `{name}`?)"));
            return Err(refuse(
                format!(
                    "slide `{}` has no row in `{}`{}",
                    slide.name,
                    path.display(),
                    meant.unwrap_or_default()
                ),
                "add a row with its name or the name of its file in the column `slide`, or take the slide out of the folder",
            ));
        };
        if let Some(other) = taken.insert(name, slide.name.clone()) {
            return Err(refuse(
                format!(
                    "row `{name}` of `{}` names slide `{other}` and slide `{}`",
                    path.display(),
                    slide.name
                ),
                "write the names of slides with their folders: `FOLDER/NAME`",
            ));
        }
        match &row.class {
            Some(class) => slide.class.clone_from(class),
            None if config.annotations => {}
            None => {
                return Err(refuse(
                    format!(
                        "slide `{}` has no class in `{}`",
                        slide.name,
                        path.display()
                    ),
                    "fill the column `class` of every slide",
                ));
            }
        }
        slide.group.clone_from(&row.group);
    }
    Ok(())
}

/// The rows of a table with the columns `slide`, `class` and `group`, the last two where it has them.
fn read(path: &Path) -> Result<BTreeMap<String, Row>> {
    let unreadable = |what: String| {
        refuse(
            format!("cannot read the table `{}`: {what}", path.display()),
            "give a CSV file with the columns `slide`, `class` and, where slides belong together, `group`",
        )
    };
    let mut reader = csv::Reader::from_path(path).map_err(|error| unreadable(error.to_string()))?;
    let headers = reader.headers();
    let headers = headers.map_err(|error| unreadable(error.to_string()))?;
    let column = |name: &str| headers.iter().position(|header| header.trim() == name);
    let slide = column("slide").ok_or_else(|| unreadable("it has no column `slide`".into()))?;
    let (class, group) = (column("class"), column("group"));
    let mut rows = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(error.to_string()))?;
        let field = |column: Option<usize>| {
            let text = record.get(column?)?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let name = field(Some(slide)).ok_or_else(|| unreadable("a row names no slide".into()))?;
        let row = Row {
            class: field(class),
            group: field(group),
        };
        let name = name.replace('\\', "/");
        if rows.insert(name.clone(), row).is_some() {
            return Err(unreadable(format!("slide `{name}` has two rows")));
        }
    }
    Ok(rows)
}

/// The row of `slide`, with what it calls it: its name, the name of its file, or that without the extension.
fn find<'a>(rows: &'a BTreeMap<String, Row>, slide: &Slide) -> Result<Option<(&'a str, &'a Row)>> {
    let mut names = BTreeSet::from([slide.name.as_str()]);
    names.extend(slide.images.first().map(|image| image.name.as_str()));
    let file = |name: &&'_ str| name.rsplit('/').next().map(ToOwned::to_owned);
    let files: Vec<String> = names.iter().filter_map(file).collect();
    names.extend(files.iter().map(String::as_str));
    let found: Vec<_> = names
        .into_iter()
        .filter_map(|name| rows.get_key_value(name))
        .collect();
    match found[..] {
        [] => Ok(None),
        [(name, row)] => Ok(Some((name, row))),
        [(one, _), (other, _), ..] => Err(refuse(
            format!(
                "rows `{one}` and `{other}` both name slide `{}`",
                slide.name
            ),
            "keep one of them",
        )),
    }
}

/// Gives each slide the regions of the XML file beside it.
fn from_annotations(source: &mut Source) -> Result<()> {
    for slide in &mut source.slides {
        let file = slide.images.iter().find_map(|image| match &image.origin {
            Origin::File(path) => Some(path.with_extension("xml")),
            Origin::Phantom(_) => None,
        });
        let Some(path) = file.filter(|path| path.is_file()) else {
            return Err(refuse(
                format!(
                    "slide `{}` has no annotations: no file of its name with the extension `.xml` lies beside it",
                    slide.name
                ),
                "put them there, take the slide out of the folder, or leave out `data.annotations`",
            ));
        };
        slide.regions = Some(Regions::read(&path)?);
        let line = format!("\n{} {}.xml", sha256_file(&path)?, slide.name);
        source.fingerprint.push_str(&line);
    }
    Ok(())
}

/// Gives each slide the group that `pattern` finds in its name: its first group in brackets, or all that it matches.
fn by_name(source: &mut Source, pattern: &str) -> Result<()> {
    let expression = Regex::new(pattern).map_err(|error| {
        refuse(
            format!("`data.groups` is no regular expression: {error}"),
            "give one that finds the part of a slide's name that names its group, for example `^TCGA-..-....`",
        )
    })?;
    for slide in &mut source.slides {
        let found = expression.captures(&slide.name);
        let part = found.and_then(|found| found.get(1).or_else(|| found.get(0)));
        let Some(part) = part.filter(|part| !part.is_empty()) else {
            return Err(refuse(
                format!(
                    "`data.groups = {pattern}` is not in the name of slide `{}`",
                    slide.name
                ),
                "give a pattern that every slide's name has, or name groups in a table with `data.labels`",
            ));
        };
        slide.group = Some(part.as_str().to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
