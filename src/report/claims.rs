//! The claims audit: what the paper says, and what its own numbers and our runs say about it.
//!
//! The texts and the paper's numbers are in `baselines/claims.toml` and `baselines/mustafa-2024.toml`; everything found is computed
//! here from them and from ledgers. A check whose runs are not there says which command makes them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::downstream::{GENERATED, REAL};
use super::rewards::Rewards;
use super::{Published, Record, RowRecord, Summary};
use crate::error::Result;
use crate::tracker::{self, Event, Ledger};

/// Experiments whose records some checks look at.
const DOWNSTREAM: &str = "downstream";
const LAYERS: &str = "ablate-layers";
const CANONICAL: &str = "table1-canonical";

/// `baselines/claims.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    rows: Rows,
    downstream: Downstream,
    claims: BTreeMap<String, Text>,
}

/// Rows that the checks compare.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    base: String,
    literal: String,
    one_optimiser: Vec<String>,
    standard: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Downstream {
    images: Images,
    /// Of the classifier trained on generated images.
    pub(super) synthetic: Accuracies,
    /// Of the one trained on real images.
    pub(super) real: Accuracies,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Images {
    benign: u32,
    invasive: u32,
}

/// In percent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accuracies {
    pub(super) benign: f64,
    pub(super) invasive: f64,
    pub(super) overall: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    number: usize,
    title: String,
    says: String,
}

/// A claim and what was found about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its place in the list.
    pub number: usize,
    /// What it is about.
    pub title: String,
    /// What the paper says, and where.
    pub says: String,
    /// What was found, a sentence or a few each.
    pub found: Vec<String>,
}

impl Texts {
    fn load() -> Self {
        toml::from_str(include_str!("../../baselines/claims.toml")).expect("a test reads this file")
    }
}

/// The row that statistics compare the others with: the paper's system as it is printed.
pub(super) fn baseline() -> String {
    Texts::load().rows.literal
}

/// Every claim with what the paper's numbers and the runs of `record`, whose rewards are `rewards`, say about it.
///
/// # Errors
/// Fails if a ledger of the record cannot be read.
pub fn claims(record: &Record, rewards: &Rewards, out: &Path) -> Result<Vec<Claim>> {
    let texts = Texts::load();
    let runs = Runs { record, out };
    let mut claims = Vec::new();
    for (name, text) in &texts.claims {
        let found = match name.as_str() {
            "gradient" => gradient(&runs, &texts.rows)?,
            "layers" => layers(out)?,
            "downstream" => downstream(&texts.downstream, out)?,
            "path_length" => path_length(&runs, &texts.rows)?,
            "precision" => precision(&runs)?,
            "seeds" => seeds(&runs, &texts.rows)?,
            "optimiser" => optimiser(&runs, &texts.rows)?,
            "rising" => rising(rewards),
            _ => unreachable!("a test reads every claim"),
        };
        claims.push(Claim {
            number: text.number,
            title: text.title.clone(),
            says: text.says.clone(),
            found,
        });
    }
    claims.sort_by_key(|claim| claim.number);
    Ok(claims)
}

/// The audit as Markdown; `source` is the paper.
pub fn claims_markdown(claims: &[Claim], record: &Record, source: &str) -> String {
    let mut text = format!(
        "# Claims audit\n\nWhat {source} says, and what its own numbers and the runs of `{}` (profile {}) say about it.\n",
        record.name, record.profile
    );
    for claim in claims {
        let _ = write!(
            text,
            "\n## {}. {}\n\n*The paper.* {}\n\n*Found.* {}\n",
            claim.number,
            claim.title,
            claim.says,
            claim.found.join(" ")
        );
    }
    text
}

/// The rows of a record and their ledgers.
struct Runs<'a> {
    record: &'a Record,
    out: &'a Path,
}

impl Runs<'_> {
    fn row(&self, name: &str) -> Option<&RowRecord> {
        self.record.rows.iter().find(|row| row.name == name)
    }

    /// The newest value of a score, one a seed.
    fn score(&self, row: &RowRecord, score: &str) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        for path in &row.ledgers {
            let events = Ledger::read(&self.out.join(path))?;
            let result = tracker::result(&events);
            let scores = result.iter().flat_map(|evaluation| &evaluation.scores);
            let found = scores.filter(|found| found.name == score);
            values.extend(found.filter_map(|found| found.value));
        }
        Ok(values)
    }

    /// `name` value for every system that has the score, mean over seeds.
    fn shown(&self, names: impl IntoIterator<Item = String>, score: &str) -> Result<Vec<String>> {
        let mut shown = Vec::new();
        for name in names {
            if let Some(row) = self.row(&name) {
                let values = self.score(row, score)?;
                if !values.is_empty() {
                    shown.push(format!("{name} {}", in_short(&Summary::of(&values)?)));
                }
            }
        }
        Ok(shown)
    }
}

fn in_short(summary: &Summary) -> String {
    match summary.deviation {
        Some(deviation) => format!("{:.4} ± {deviation:.4}", summary.mean),
        None => format!("{:.4}", summary.mean),
    }
}

/// The scalars of every step of a ledger.
fn steps(path: &Path) -> Result<Vec<BTreeMap<String, f64>>> {
    let events = Ledger::read(path)?;
    let steps = events.into_iter().filter_map(|event| match event {
        Event::Step { scalars, .. } => Some(scalars),
        _ => None,
    });
    Ok(steps.collect())
}

/// Equation 5 has no gradient: two rows that only it tells apart train alike, number for number.
fn gradient(runs: &Runs<'_>, rows: &Rows) -> Result<Vec<String>> {
    let mut found = vec![
        "The similarity depends on the generator and on a frozen network, not on the discriminator. Its derivative by the \
         discriminator's parameters is zero, so equation 6 is the gradient of the unmodified loss: the weight of the reward \
         changes the reported loss and nothing else."
            .to_owned(),
    ];
    let (Some(base), Some(literal)) = (runs.row(&rows.base), runs.row(&rows.literal)) else {
        found.push(format!(
            "Rows {} and {} are not both in this experiment.",
            rows.base, rows.literal
        ));
        return Ok(found);
    };
    let (mut compared, mut equal, mut reported) = (0usize, 0usize, 0.0f64);
    for (left, right) in base.ledgers.iter().zip(&literal.ledgers) {
        let (left, right) = (steps(&runs.out.join(left))?, steps(&runs.out.join(right))?);
        for (left, right) in left.iter().zip(&right) {
            let loss = |step: &BTreeMap<String, f64>| {
                step.get("generator_loss").map(|loss| loss.to_bits())
            };
            compared += 1;
            equal += usize::from(loss(left) == loss(right));
            let (Some(reward), Some(before), Some(after)) = (
                right.get("reward"),
                left.get("critic_loss"),
                right.get("critic_loss"),
            ) else {
                continue;
            };
            reported = reported.max((before - after - reward).abs());
        }
    }
    found.push(format!(
        "In our runs {} and {} have the same generator loss, bit for bit, in {equal} of {compared} steps; the discriminator's \
         reported losses differ by the reward to within {reported:.0e}.",
        rows.base, rows.literal
    ));
    let fid = runs.shown([rows.base.clone(), rows.literal.clone()], "fid")?;
    if !fid.is_empty() {
        found.push(format!("FID: {}.", fid.join(", ")));
    }
    Ok(found)
}

fn layers(out: &Path) -> Result<Vec<String>> {
    let mut found = vec![
        "The two statements exclude each other, and over an autoencoder's 26 convolutions the last twelve would all be the \
         decoder's, which the similarity never passes. We count over the encoder's 13 and take 12."
            .to_owned(),
    ];
    match Record::load(out, LAYERS) {
        Ok(record) => {
            let names = record
                .rows
                .iter()
                .filter(|row| !row.reference)
                .map(|row| row.name.clone());
            let names: Vec<String> = names.collect();
            let runs = Runs {
                record: &record,
                out,
            };
            found.push(format!("FID: {}.", runs.shown(names, "fid")?.join(", ")));
        }
        Err(_) => found.push("`histogen ablate layers` compares both.".to_owned()),
    }
    Ok(found)
}

/// The overall accuracy that class accuracies give.
fn overall(images: &Images, accuracies: &Accuracies) -> f64 {
    let (benign, invasive) = (f64::from(images.benign), f64::from(images.invasive));
    (benign * accuracies.benign + invasive * accuracies.invasive) / (benign + invasive)
}

/// The accuracies that the paper prints.
pub(super) fn published_accuracies() -> Downstream {
    Texts::load().downstream
}

/// What is wrong with them, in a sentence or two.
pub(super) fn contradiction() -> String {
    let Downstream {
        images,
        synthetic,
        real,
    } = published_accuracies();
    format!(
        "Its {} % on generated images does not follow from its class accuracies on {} benign and {} invasive images, which give \
         {:.2} %; its {} % on real images does.",
        synthetic.overall,
        images.benign,
        images.invasive,
        overall(&images, &synthetic),
        real.overall,
    )
}

/// The claim about the downstream task alone, for its own report.
///
/// # Errors
/// Fails if a ledger cannot be read.
pub fn downstream_claim(out: &Path) -> Result<Claim> {
    let texts = Texts::load();
    let text = &texts.claims["downstream"];
    Ok(Claim {
        number: text.number,
        title: text.title.clone(),
        says: text.says.clone(),
        found: downstream(&texts.downstream, out)?,
    })
}

/// Whether generated images beat real ones in our own run.
fn own_downstream(out: &Path) -> Result<String> {
    let Ok(record) = Record::load(out, DOWNSTREAM) else {
        return Ok("`histogen reproduce downstream` asks our own classifiers.".to_owned());
    };
    let runs = Runs {
        record: &record,
        out,
    };
    let values = |name: &str| match runs.row(name) {
        Some(row) => runs.score(row, "accuracy"),
        None => Ok(Vec::new()),
    };
    let (generated, real) = (values(GENERATED)?, values(REAL)?);
    if generated.is_empty() || generated.len() != real.len() {
        return Ok(
            "Our own run has no classifiers of both kinds for the same seeds yet.".to_owned(),
        );
    }
    let percent =
        |values: &[f64]| -> Vec<f64> { values.iter().map(|value| 100.0 * value).collect() };
    let (generated, real) = (percent(&generated), percent(&real));
    let differences: Vec<f64> = generated
        .iter()
        .zip(&real)
        .map(|(left, right)| left - right)
        .collect();
    let summary = Summary::of(&differences)?;
    let better = if summary.mean > 0.0 {
        "generated"
    } else {
        "real"
    };
    let verdict = match summary.interval {
        Some((low, high)) if low > 0.0 || high < 0.0 => {
            format!("95 % interval {low:+.2} to {high:+.2}: {better} images are better here")
        }
        Some((low, high)) => {
            format!("95 % interval {low:+.2} to {high:+.2}, which holds 0: our seeds do not tell")
        }
        None => "one seed, so no interval".to_owned(),
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok(format!(
        "In our run (profile {}, {} seeds) classifiers have {:.2} % on held-out slides when trained on generated images and {:.2} % \
         when trained on real ones: {:+.2} points ({verdict}).",
        record.profile,
        generated.len(),
        mean(&generated),
        mean(&real),
        summary.mean,
    ))
}

fn downstream(downstream: &Downstream, out: &Path) -> Result<Vec<String>> {
    let images = &downstream.images;
    let line = |name: &str, accuracies: &Accuracies| {
        let computed = overall(images, accuracies);
        let verdict = if (computed - accuracies.overall).abs() < 0.05 {
            "which is what is printed"
        } else {
            "which is not what is printed"
        };
        format!(
            "{name}: ({} x {} % + {} x {} %) / {} = {computed:.2} %, {verdict} ({} %).",
            images.benign,
            accuracies.benign,
            images.invasive,
            accuracies.invasive,
            images.benign + images.invasive,
            accuracies.overall,
        )
    };
    Ok(vec![
        line("Trained on generated images", &downstream.synthetic),
        line("Trained on real images", &downstream.real),
        own_downstream(out)?,
    ])
}

fn path_length(runs: &Runs<'_>, rows: &Rows) -> Result<Vec<String>> {
    let published = Published::load();
    let values: BTreeMap<&String, f64> = published.tables["table2"]
        .systems
        .iter()
        .filter_map(|(system, metrics)| Some((system, metrics.get("ppl")?.value)))
        .collect();
    let mut found = Vec::new();
    if let Some(own) = values.get(&rows.literal) {
        let others = values
            .iter()
            .filter(|(system, _)| **system != &rows.literal);
        let next = others
            .map(|(_, value)| *value)
            .fold(f64::INFINITY, f64::min);
        found.push(format!(
            "The printed value is {:.0} times below the next one, for a generator that trains exactly as {} does (claim 1), \
             whose printed value is {:.0} times as large.",
            next / own,
            rows.base,
            values.get(&rows.base).map_or(f64::NAN, |base| base / own),
        ));
    }
    let names = || runs.record.rows.iter().map(|row| row.name.clone());
    let shown = runs.shown(names(), "ppl")?;
    if shown.is_empty() {
        found.push("This experiment measures no path length.".to_owned());
    } else {
        found.push(format!("PPL in our runs: {}.", shown.join(", ")));
    }
    Ok(found)
}

fn precision(runs: &Runs<'_>) -> Result<Vec<String>> {
    let published = Published::load();
    let systems = &published.tables["table4"].systems;
    let equal = systems.values().filter(|metrics| {
        let value = |name: &str| metrics.get(name).map(|number| number.value.to_bits());
        value("precision") == value("recall") && value("recall") == value("f1")
    });
    let mut found = vec![format!(
        "All three numbers are equal in {} of the {} printed rows. F1 is the harmonic mean, so equal precision and recall give it; \
         that both are equal to two digits in every row is what one number under three names would look like (the accuracy, \
         which micro-averaged precision, recall and F1 all are).",
        equal.count(),
        systems.len()
    )];
    let mut gaps = Vec::new();
    for row in runs.record.rows.iter().filter(|row| !row.reference) {
        let (precision, recall) = (runs.score(row, "precision")?, runs.score(row, "recall")?);
        gaps.extend(
            precision
                .iter()
                .zip(&recall)
                .map(|(precision, recall)| (precision - recall).abs()),
        );
    }
    if !gaps.is_empty() {
        let close = gaps.iter().filter(|gap| **gap < 0.005).count();
        found.push(format!(
            "In our runs precision and recall (Kynkäänniemi et al.) agree to two digits in {close} of {} trainings; they differ by {:.3} \
             on average.",
            gaps.len(),
            gaps.iter().sum::<f64>() / gaps.len() as f64
        ));
    }
    Ok(found)
}

fn seeds(runs: &Runs<'_>, rows: &Rows) -> Result<Vec<String>> {
    let published = Published::load();
    let value = |system: &str| {
        published
            .lookup("table1", system, "fid")
            .map(|number| number.value)
    };
    let mut found = Vec::new();
    if let (Some(base), Some(literal)) = (value(&rows.base), value(&rows.literal)) {
        found.push(format!(
            "The claimed improvement over {} is ({base} - {literal}) / {base} = {:.1} % of FID, between two trainings that equation 5 \
             makes equal (claim 1): it is what one training differs from the next.",
            rows.base,
            100.0 * (base - literal) / base
        ));
    }
    let mut spreads = Vec::new();
    for row in runs.record.rows.iter().filter(|row| !row.reference) {
        let values = runs.score(row, "fid")?;
        if values.len() > 1 {
            let summary = Summary::of(&values)?;
            let percent = 100.0 * summary.deviation.unwrap_or(0.0) / summary.mean;
            spreads.push(format!("{} {percent:.1} %", row.name));
        }
    }
    found.push(if spreads.is_empty() {
        "These runs have one seed too: `--seeds 0,1,2` shows how much a seed alone moves FID."
            .to_owned()
    } else {
        format!(
            "Standard deviation of FID over our seeds: {}.",
            spreads.join(", ")
        )
    });
    Ok(found)
}

fn optimiser(runs: &Runs<'_>, rows: &Rows) -> Result<Vec<String>> {
    let names = || std::iter::once(rows.standard.clone()).chain(rows.one_optimiser.clone());
    let mut found = Vec::new();
    let mut line = |runs: &Runs<'_>, what: &str| -> Result<bool> {
        let shown = runs.shown(names(), "fid")?;
        if !shown.is_empty() {
            found.push(format!("FID {what}: {}.", shown.join(", ")));
        }
        Ok(!shown.is_empty())
    };
    let canonical = match Record::load(runs.out, CANONICAL) {
        Ok(record) if record.name != runs.record.name => line(
            &Runs {
                record: &record,
                out: runs.out,
            },
            "with each model's own optimiser",
        )?,
        _ => false,
    };
    line(runs, &format!("in `{}`", runs.record.name))?;
    if !canonical {
        found.push(format!(
            "`histogen reproduce table1 --experiment {CANONICAL}` trains each under its own paper's optimiser, everything else equal."
        ));
    }
    Ok(found)
}

fn rising(rewards: &Rewards) -> Vec<String> {
    let mut found = rewards.sentences.clone();
    if found.is_empty() {
        found.push("No system of this experiment is rewarded.".to_owned());
    } else {
        found.push(
            "Under equation 5 as printed the discriminator does not see the reward, so a rise there is that of a generator that learns, \
             and shows nothing about the reward."
                .to_owned(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Record {
        Record {
            name: "table1".into(),
            question: String::new(),
            profile: "quick".into(),
            facts: Vec::new(),
            notes: Vec::new(),
            rows: Vec::new(),
        }
    }

    #[test]
    fn every_claim_is_checked_even_without_runs() {
        let folder = tempfile::tempdir().unwrap();
        let claims = claims(&empty(), &Rewards::default(), folder.path()).unwrap();
        let numbers: Vec<usize> = claims.iter().map(|claim| claim.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(claims.iter().all(|claim| !claim.found.is_empty()));
        let text = claims_markdown(&claims, &empty(), "arXiv 2409.20340");
        assert!(text.contains("## 3. Accuracy of a classifier"), "{text}");
    }

    #[test]
    fn the_arithmetic_is_that_of_the_printed_numbers() {
        let texts = Texts::load();
        let found = downstream(&texts.downstream, Path::new("nowhere")).unwrap();
        assert_eq!(
            found[0],
            "Trained on generated images: (2000 x 75 % + 7000 x 99.21 %) / 9000 = 93.83 %, which is not what is printed (77.41 %)."
        );
        assert_eq!(
            found[1],
            "Trained on real images: (2000 x 48.95 % + 7000 x 80.19 %) / 9000 = 73.25 %, which is what is printed (73.24 %)."
        );
        let folder = tempfile::tempdir().unwrap();
        let record = empty();
        let runs = Runs {
            record: &record,
            out: folder.path(),
        };
        let lengths = path_length(&runs, &texts.rows).unwrap();
        assert!(lengths[0].contains("3727 times below"), "{}", lengths[0]);
        let spread = seeds(&runs, &texts.rows).unwrap();
        assert!(
            spread[0].contains("(51.26 - 44.04) / 51.26 = 14.1 %"),
            "{}",
            spread[0]
        );
        assert!(precision(&runs).unwrap()[0].contains("in 3 of the 3 printed rows"));
    }
}
