//! The table of an MFT-SNN's evaluation.

use super::SnnRecord;
use crate::data::{PatchStore, SimilarPair, Split};
use crate::error::Result;
use crate::report::{Column, Row, Table, TableCell};
use crate::reward::{SnnConfig, SnnRunConfig};

/// The table of an evaluation, with what was measured on what in its notes. `spread` as in [`super::record::Measured`].
pub(super) fn table(
    record: &SnnRecord,
    trained: &SnnRunConfig,
    settings: &SnnConfig,
    store: &PatchStore,
    spread: f64,
) -> Result<Table> {
    let titles = ["AUC", "95 % interval", "accuracy", "mean similarity"];
    let mut columns = vec![Column::new("against", None)];
    columns.extend(titles.map(|title| Column::new(title, None)));
    let mut table = Table::new(
        "Similar against dissimilar held-out pairs",
        "network",
        columns,
    );
    // A row for each network and level, and one for each level that the slides do not give.
    for network in &record.networks {
        for level in &network.separation {
            let cells = [
                level.level.to_owned(),
                format!("{:.4}", level.auc),
                format!("{:.4} to {:.4}", level.auc_interval.0, level.auc_interval.1),
                format!("{:.3} at {:.3}", level.accuracy, level.threshold),
                format!(
                    "{:.3}, similar {:.3}",
                    level.mean_similarity, level.mean_similarity_of_similar
                ),
            ];
            table.push(Row {
                name: network.network.clone(),
                reference: false,
                cells: cells.map(TableCell::Text).to_vec(),
            })?;
        }
    }
    for (level, reason) in &record.impossible {
        let mut cells = vec![TableCell::Text((*level).to_owned())];
        cells.resize(titles.len() + 1, TableCell::Failed(reason.clone()));
        table.push(Row {
            name: "every network".to_owned(),
            reference: false,
            cells,
        })?;
    }
    // The notes.
    let other = if trained.data.hash == store.content_hash() {
        ""
    } else {
        " It was trained on other data than it is measured on."
    };
    table.notes = vec![
        format!("mft-snn: {}.{other}", record.trained),
        format!(
            "{} anchors from {} held-out slides of {}, each with a partner of every level; similar: {}; every partner \
             augmented. Pairs {}.",
            record.pairs,
            store.slides(Split::Test).len(),
            record.evaluated_on,
            similar_in_words(settings),
            record.pairs_id,
        ),
        "Interval: bootstrap over anchors. The threshold of the accuracy is the best on these pairs, so it flatters.".to_owned(),
    ];
    for (level, difference, (low, high)) in &record.gains {
        table.notes.push(format!(
            "AUC against {level}: {difference:+.4} over the network it started from ({low:+.4} to {high:+.4})."
        ));
    }
    if let Some(error) = record.networks[0].reconstruction_error {
        table.notes.push(format!(
            "Reconstruction error of the anchors {error:.4} (mean squared, images in [-1, 1]); their variance around their \
             mean colour is {spread:.4}."
        ));
    }
    Ok(table)
}

fn similar_in_words(settings: &SnnConfig) -> &'static str {
    match settings.similar {
        SimilarPair::AugmentedView => "an augmented view of the anchor",
        SimilarPair::SameSlide => "another patch of the anchor's slide",
    }
}
