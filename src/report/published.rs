//! The numbers of the papers that this project reproduces, every digit as printed: a file a paper in `baselines/`, built into the
//! program.
//!
//! The first paper: *Enhancing GANs with Contrastive Learning-Based Multistage Progressive Finetuning SNN and RL-Based External
//! Optimization*, arXiv 2409.20340, tables 1 to 4. Tables of related papers have the names of our experiments.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Every paper's file, the first paper's first.
pub(super) const PAPERS: [&str; 3] = [
    include_str!("../../baselines/mustafa-2024.toml"),
    include_str!("../../baselines/askerova-2024.toml"),
    include_str!("../../baselines/dravid-2022.toml"),
];

/// The tables of a paper and what it says about how they were made.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The paper's title.
    pub paper: String,
    /// Its number on arXiv; empty for one that is not there.
    #[serde(default)]
    pub arxiv: String,
    /// How it is cited where it has no number.
    #[serde(default)]
    pub cite: String,
    /// How its numbers were measured, as far as it says.
    pub protocol: PublishedProtocol,
    /// Its tables, by name: `table1` to `table4`, or the name of our experiment.
    pub tables: BTreeMap<String, PublishedTable>,
    /// What it says of two of its systems.
    #[serde(default)]
    pub claims: Vec<ComparisonClaim>,
}

/// That one system is better than another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonClaim {
    /// The experiment that asks our runs.
    pub experiment: String,
    /// What it is about.
    pub title: String,
    /// What the paper says, and where.
    pub says: String,
    /// The score that decides.
    pub score: String,
    /// The row that the paper finds better.
    pub better: String,
    /// The row that it finds worse.
    pub worse: String,
}

/// How the paper's numbers were measured, in words; "not stated" where it does not say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedProtocol {
    /// Data set, number and size of images.
    pub dataset: String,
    /// How many training seeds.
    pub seeds: String,
    /// How many images were compared.
    pub images: String,
    /// Which real images they were compared with.
    pub reference: String,
    /// Which implementation of the metrics.
    pub implementation: String,
    /// What spread is given.
    pub spread: String,
}

/// One table of the paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// Its caption.
    pub caption: String,
    /// Its numbers, by system and metric.
    pub systems: BTreeMap<String, BTreeMap<String, PublishedNumber>>,
}

/// A number of the paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedNumber {
    /// The number.
    pub value: f64,
    /// The number as it is printed, its spread with it.
    pub printed: String,
    /// What is printed behind ±, where something is.
    #[serde(default)]
    pub spread: Option<f64>,
}

impl Published {
    /// The first paper's numbers.
    pub fn load() -> Self {
        Self::parse(PAPERS[0])
    }

    /// The numbers of the paper that has a table `table`; the first paper's where none has.
    pub fn of(table: &str) -> Self {
        let mut papers = PAPERS.iter().map(|text| Self::parse(text));
        let found = papers.find(|paper| paper.tables.contains_key(table));
        found.unwrap_or_else(Self::load)
    }

    pub(super) fn parse(text: &str) -> Self {
        toml::from_str(text).expect("a test reads this file")
    }

    /// How the paper is cited, in a few words.
    pub fn source(&self) -> String {
        match self.arxiv.as_str() {
            "" => self.cite.clone(),
            arxiv => format!("arXiv {arxiv}"),
        }
    }

    /// The number that `table` (`table1` to `table4`) gives for the metric of a system, if it gives one.
    pub fn lookup(&self, table: &str, system: &str, metric: &str) -> Option<&PublishedNumber> {
        self.tables.get(table)?.systems.get(system)?.get(metric)
    }

    /// Where the numbers are from and how far they can be trusted, in one sentence, for captions.
    pub fn describe(&self) -> String {
        let protocol = &self.protocol;
        format!(
            "Published numbers: {}; data: {}; training seeds: {}; images compared: {}; implementation: {}; \
             spread: {}.",
            self.source(),
            protocol.dataset,
            protocol.seeds,
            protocol.images,
            protocol.implementation,
            protocol.spread,
        )
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_paper_is_there_as_printed() {
        let published = Published::load();
        let mut numbers = Vec::new();
        for (table, contents) in &published.tables {
            for (system, metrics) in &contents.systems {
                for (metric, number) in metrics {
                    numbers.push(format!("{table} {system} {metric} {}", number.printed));
                }
            }
        }
        assert_eq!(
            numbers.join("\n"),
            "\
table1 dcgan fid 57.45
table1 ddpm fid 70.01
table1 improved-dcgan fid 51.26
table1 lsgan fid 203.53
table1 rl-eo fid 44.04
table1 sngan fid 290.08
table1 wgan-gp fid 376.57
table2 dcgan ppl 0.000338302821003
table2 improved-dcgan ppl 0.000341080759315
table2 lsgan ppl 0.000183551060331
table2 rl-eo ppl 3.171046062094e-08
table2 sngan ppl 0.000118198158832
table2 wgan-gp ppl 0.000678404758218
table3 lsgan kid 0.209507942
table3 rl-eo kid 0.046831130
table3 sngan kid 0.324203968
table3 wgan-gp kid 0.383855581
table4 lsgan f1 0.86
table4 lsgan precision 0.86
table4 lsgan recall 0.86
table4 rl-eo f1 0.95
table4 rl-eo precision 0.95
table4 rl-eo recall 0.95
table4 sngan f1 0.88
table4 sngan precision 0.88
table4 sngan recall 0.88"
        );
    }

    #[test]
    fn every_printed_text_is_its_number() {
        for text in PAPERS {
            for table in Published::parse(text).tables.values() {
                for number in table.systems.values().flat_map(BTreeMap::values) {
                    let (value, spread) = match number.printed.split_once('±') {
                        Some((value, spread)) => (value, Some(spread.parse::<f64>().unwrap())),
                        None => (number.printed.as_str(), None),
                    };
                    let value = value.trim_end_matches('%');
                    assert_eq!(value.parse::<f64>().unwrap(), number.value);
                    assert_eq!(spread, number.spread);
                }
            }
        }
    }

    #[test]
    fn a_number_is_found_by_table_system_and_metric() {
        let published = Published::load();
        let number = published.lookup("table2", "rl-eo", "ppl").unwrap();
        assert_eq!(number.value, 3.171_046_062_094e-8);
        assert_eq!(number.printed, "3.171046062094e-08");
        assert_eq!(published.lookup("table2", "ddpm", "ppl"), None);
        assert_eq!(published.lookup("table5", "rl-eo", "ppl"), None);
        assert_eq!(published.arxiv, "2409.20340");
        // A table of a related paper, and one that no paper has.
        let related = Published::of("mnist-zoo");
        assert_eq!(
            related.lookup("mnist-zoo", "lsgan", "fid").unwrap().printed,
            "24.15"
        );
        assert!(
            related.source().starts_with("Askerova"),
            "{}",
            related.source()
        );
        assert_eq!(Published::of("ablation"), published);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let text = PAPERS[0].replace("spread =", "spred =");
        let error = toml::from_str::<Published>(&text).unwrap_err().to_string();
        assert!(error.contains("unknown field `spred`"), "{error}");
    }

    #[test]
    fn the_paper_describes_itself_in_one_sentence() {
        assert_eq!(
            Published::load().describe(),
            "Published numbers: arXiv 2409.20340; data: BACH, 100,000 patches of 64 x 64 x 3; training seeds: one; \
             images compared: not stated; implementation: cited as Heusel et al. (FID), not stated (others); \
             spread: none."
        );
    }
}
