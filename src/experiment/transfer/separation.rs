//! How well an MFT-SNN tells similar pairs from dissimilar ones, at home and away.

use std::path::Path;

use burn::tensor::Device;

use super::{Measured, TransferRecord, TransferRow};
use crate::config::Config;
use crate::data::{PairLevel, PatchStore, Split, StainMethod};
use crate::error::{Result, refuse};
use crate::experiment::reward_models::trained_elsewhere;
use crate::nn::vgg::Vgg16;
use crate::random::Random;
use crate::reward::{ENCODER, HeldOut, SnnConfig, roc_auc};

/// Adds a row for each level of dissimilarity: ROC AUC on the held-out slides of home, and on all slides of away.
pub(super) fn add(
    config: &Config,
    folder: &Path,
    [home, away]: [&PatchStore; 2],
    device: &Device,
    record: &mut TransferRecord,
) -> Result<()> {
    let (trained, checkpoint) = trained_elsewhere(folder)?;
    let settings = SnnConfig {
        evaluation_pairs: config.snn.evaluation_pairs,
        ..trained.settings.clone()
    };
    for store in [home, away] {
        let (size, wanted) = (store.patch_size(), settings.image_size);
        if !size.is_multiple_of(wanted) {
            return Err(refuse(
                format!(
                    "the MFT-SNN looks at images of {wanted} x {wanted}, which does not divide the patches of {}, {size} x {size}",
                    store.name()
                ),
                "take one that was trained on patches of this size",
            ));
        }
    }
    let device = device.clone().without_autodiff();
    let layers = settings.encoder_layers;
    let (network, _) = Vgg16::from_file(layers, &checkpoint.join(ENCODER), &device)?;
    let at_home = areas(&settings, &network, home, &[Split::Test], &device)?;
    let there = areas(&settings, &network, away, &Split::ALL, &device)?;
    let chance = Measured {
        value: Some(0.5),
        ..Measured::default()
    };
    for (level, (home, away)) in settings
        .dissimilar
        .iter()
        .zip(at_home.0.into_iter().zip(there.0))
    {
        record.rows.push(TransferRow {
            score: format!("MFT-SNN, AUC against {}", level.name()),
            stain: StainMethod::None,
            home,
            away,
            home_floor: chance.clone(),
            away_floor: chance.clone(),
        });
    }
    let other = if trained.data.hash == home.content_hash() {
        ""
    } else {
        " It was trained on other data than home."
    };
    record.note(format!(
        "MFT-SNN: {}.{other} AUC: how well it tells similar pairs from those of a level, {} pairs of each; pairs {} at home and \
         {} away. Chance is 0.5, which stands in the place of the floors.",
        trained.describe(),
        settings.evaluation_pairs,
        at_home.1,
        there.1,
    ));
    Ok(())
}

/// The area of each level, in the order of the settings, and what names the pairs.
fn areas(
    settings: &SnnConfig,
    network: &Vgg16,
    store: &PatchStore,
    splits: &[Split],
    device: &Device,
) -> Result<(Vec<Measured>, String)> {
    let missing = |reason: String| Measured {
        absent: reason,
        ..Measured::default()
    };
    let pairs = match HeldOut::draw(settings, store, splits) {
        Ok(pairs) => pairs,
        // No level at all: every row says why.
        Err(error) => {
            let all = settings.dissimilar.iter();
            return Ok((
                all.map(|_| missing(error.to_string())).collect(),
                "none".to_owned(),
            ));
        }
    };
    let found = pairs.similarities(network, device)?;
    let of_level = |level: PairLevel| found.iter().find(|(known, _)| *known == level);
    let similar = of_level(PairLevel::Similar).map_or(&[][..], |(_, values)| values);
    let random = Random::new(settings.seed);
    let areas = settings.dissimilar.iter().map(|&level| {
        let Some((_, values)) = of_level(level) else {
            let reasons = &mut pairs.impossible.iter();
            let reason = reasons.find(|(known, _)| *known == level);
            return Ok(missing(
                reason.map_or_else(String::new, |(_, reason)| reason.clone()),
            ));
        };
        Ok(Measured {
            value: Some(roc_auc(similar, values, random)?.auc),
            protocol: pairs.id.clone(),
            ..Measured::default()
        })
    });
    Ok((areas.collect::<Result<_>>()?, pairs.id.clone()))
}
