//! What all runs of an experiment share: its settings, the device, the patches, where things lie.

use burn::tensor::Device;

use super::Reporter;
use crate::config::Config;
use crate::data::{self, PatchStore};
use crate::error::Result;
use crate::samplers::Samplers;
use crate::workspace::Workspace;

/// An experiment whose device is open and whose patches are there.
pub struct Context<'a> {
    /// Its settings.
    pub config: &'a Config,
    /// Where its runs and reports lie.
    pub workspace: &'a Workspace,
    /// What computes.
    pub device: Device,
    /// The patches.
    pub store: PatchStore,
    /// How images are drawn from its models.
    pub samplers: Samplers,
}

impl<'a> Context<'a> {
    /// Opens the device and gets the patches, see [`patches`].
    ///
    /// # Errors
    /// Fails if the device is not there, and where [`patches`] does.
    pub fn open(
        config: &'a Config,
        workspace: &'a Workspace,
        reporter: &mut dyn Reporter,
    ) -> Result<Self> {
        Ok(Self {
            config,
            workspace,
            device: config.compute.open()?,
            store: patches(config, workspace, reporter)?,
            samplers: Samplers::new(&config.evaluation.samplers, &config.samplers)?,
        })
    }
}

/// The patches of `config`, cut now or found.
///
/// # Errors
/// Fails if the images cannot be read or cut as the settings want, and if the store cannot be written.
pub fn patches(
    config: &Config,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<PatchStore> {
    let mut is_cut = false;
    let store = data::prepare(
        &config.data,
        &workspace.patches(),
        &mut |done, total, what| {
            is_cut = true;
            reporter.phase(what, done, total);
        },
    )?;
    let found = format!("{} patches of {}", store.len(), store.name());
    if is_cut {
        reporter.phase_end(&found);
    } else {
        let folder = store.path().display();
        reporter.note(&format!("data: {found}, found in `{folder}`"));
    }
    for name in store.skipped() {
        let reason = store.reason(name).unwrap_or("it cannot be read");
        reporter.note(&format!("skipped: `{name}`: {reason}"));
    }
    Ok(store)
}
