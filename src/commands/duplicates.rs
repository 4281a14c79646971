//! `histogen duplicates`: the birthday-paradox test.

use serde_json::json;

use super::output::show;
use super::retrieve::{caption, open};
use super::{Answer, Outcome};
use crate::cli::Duplicates;
use crate::error::{Result, refuse};
use crate::experiment::Search;
use crate::report::figures::{Captioned, contact_sheet};
use crate::retrieval::{Duplicates as Found, support_size};

/// Pairs beside each other in the picture.
const ACROSS: usize = 4;

pub(super) fn run(arguments: &Duplicates) -> Outcome {
    if arguments.pairs == 0 {
        return Err(refuse("`--pairs` is 0", "ask for at least one pair"));
    }
    if let Some(judged) = arguments.judged
        && judged > arguments.pairs as u64
    {
        return Err(refuse(
            format!(
                "`--judged` is {judged}, the picture has {} pairs",
                arguments.pairs
            ),
            "count those in the picture alone, or ask for more with `--pairs`",
        ));
    }
    let search = open(&arguments.set, &arguments.searched)?;
    let found = search.duplicates(arguments.threshold, arguments.pairs)?;
    let near = arguments.judged.or(found.near_pairs);
    let support = support_size(found.images, found.identical_pairs + near.unwrap_or(0))?;

    // The picture.
    let mut groups = Vec::new();
    for &(first, second, score) in &found.closest {
        let shown = |index: usize, score: Option<f64>| -> Result<Captioned> {
            Ok(Captioned {
                image: search.image(index)?,
                lines: caption(score, search.set.place(index)),
            })
        };
        groups.push(vec![shown(first, Some(score))?, shown(second, None)?]);
    }
    if !groups.is_empty() {
        contact_sheet(&arguments.sheet, &groups, ACROSS)?;
        eprintln!("wrote `{}`", arguments.sheet.display());
    }

    // The answer.
    let named = |&(first, second, score): &(usize, usize, f64)| {
        let places = [first, second].map(|index| search.set.place(index));
        json!({"first": first, "second": second, "score": score, "from": places})
    };
    let closest: Vec<_> = found.closest.iter().map(named).collect();
    let answer = json!({
        "set": search.set.name,
        "compared_by": search.describe(),
        "images": found.images,
        "identical": found.identical,
        "identical_pairs": found.identical_pairs,
        "threshold": arguments.threshold,
        "near_pairs": found.near_pairs,
        "judged_pairs": arguments.judged,
        "closest": closest,
        "support": support,
    });
    show(arguments.json, &answer, |_| {
        let mut lines = described(arguments, &search, &found);
        lines.push(support.describe());
        Ok(lines.join("\n"))
    })?;
    Ok(Answer::Yes)
}

/// What was found, in lines.
fn described(arguments: &Duplicates, search: &Search, found: &Found) -> Vec<String> {
    let name = |&index: &usize| search.set.place(index).name.as_str();
    let mut lines = vec![
        format!("{} images of {}", found.images, search.set.name),
        format!("{} pairs with the same bytes", found.identical_pairs),
    ];
    for group in found.identical.iter().take(arguments.pairs) {
        let names: Vec<&str> = group.iter().map(name).collect();
        lines.push(format!("       {}", names.join(" = ")));
    }
    lines.push(
        match (arguments.judged, arguments.threshold, found.near_pairs) {
            (Some(judged), ..) => format!("{judged} more pairs that somebody holds for duplicates"),
            (None, Some(threshold), Some(near)) => {
                format!("{near} more pairs as alike as {threshold}")
            }
            _ => "no threshold is given: only images with the same bytes count as duplicates"
                .to_owned(),
        },
    );
    lines.push(format!(
        "most alike but not the same, by {}:",
        search.describe()
    ));
    for (first, second, score) in &found.closest {
        lines.push(format!("{score:>12.6}  {}  {}", name(first), name(second)));
    }
    lines
}
