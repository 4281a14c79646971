//! Images of another distribution than those of the training: what is learned shall hold there too (arXiv 2201.09120, table 3).

use crate::config::Config;
use crate::data::{DataConfig, PHANTOM, PatchStore, StainMethod};
use crate::error::{Result, refuse};
use crate::experiment::{Context, Reporter, patches};

/// The store of `low_data.shifted`; none where there is none.
///
/// # Errors
/// Refuses settings of shifted images without any, the images of the training themselves, and other classes than theirs.
pub(super) fn open(
    context: &Context<'_>,
    reporter: &mut dyn Reporter,
) -> Result<Option<PatchStore>> {
    let (config, settings) = (context.config, &context.config.low_data);
    if settings.shifted.is_empty() {
        if settings.shifted_noise > 0.0 || settings.shifted_stain != StainMethod::None {
            return Err(refuse(
                "`low_data.shifted_stain` and `low_data.shifted_noise` are of shifted images, and there are none",
                "set `low_data.shifted`, for example to `phantom`",
            ));
        }
        return Ok(None);
    }
    if settings.shifted == config.data.source && settings.shifted != PHANTOM {
        return Err(refuse(
            format!(
                "`low_data.shifted` is `{}`, the images of the training themselves",
                settings.shifted
            ),
            "give other images of the same classes",
        ));
    }
    let data = DataConfig {
        source: settings.shifted.clone(),
        stain: settings.shifted_stain,
        // Other slides, where they are drawn.
        seed: config.data.seed + 1,
        ..config.data.clone()
    };
    let own = Config {
        data,
        ..config.clone()
    };
    let store = patches(&own, context.workspace, reporter)?;
    if store.content_hash() == context.store.content_hash() {
        return Err(refuse(
            "the shifted images are those of the training",
            "give other images of the same classes",
        ));
    }
    let (ours, theirs) = (context.store.classes(), store.classes());
    if ours != theirs {
        return Err(refuse(
            format!(
                "the shifted images are of {}, those of the training of {}",
                theirs.join(", "),
                ours.join(", ")
            ),
            "both need the same classes, by the same names",
        ));
    }
    Ok(Some(store))
}
