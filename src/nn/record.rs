//! Networks and optimisers as files of a checkpoint: equal states are equal bytes.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn_optim::{ModuleOptimizer, OptimizerRecord};
use burn_pack::{Reader, Writer};

use crate::error::Result;
use crate::files::write_whole;

/// One file of a checkpoint: a network, an optimiser's moments, an average of weights.
pub trait Part {
    /// Writes it to `path`, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    fn save(&self, path: &Path) -> Result<()>;

    /// Takes the state that [`Self::save`] wrote to `path`.
    ///
    /// # Errors
    /// The file cannot be read, or is of another structure.
    fn load(&mut self, path: &Path) -> Result<()>;
}

/// What visits every part of something with a state, with the name of the part's file.
pub type EachPart<'a> = dyn FnMut(&str, &mut dyn Part) -> Result<()> + 'a;

/// Writes every part that `parts` shows into an existing folder.
///
/// # Errors
/// A file cannot be written.
pub fn save_parts(
    folder: &Path,
    parts: impl FnOnce(&mut EachPart<'_>) -> Result<()>,
) -> Result<()> {
    parts(&mut |file, part| part.save(&folder.join(file)))
}

/// Gives every part that `parts` shows the state that [`save_parts`] wrote into `folder`.
///
/// # Errors
/// A file cannot be read, or is of another structure.
pub fn load_parts(
    folder: &Path,
    parts: impl FnOnce(&mut EachPart<'_>) -> Result<()>,
) -> Result<()> {
    parts(&mut |file, part| part.load(&folder.join(file)))
}

/// A network as a part.
pub struct NetworkPart<'a, M>(pub &'a mut M);

impl<M: Module> Part for NetworkPart<'_, M> {
    fn save(&self, path: &Path) -> Result<()> {
        save_module(self.0, path)
    }

    fn load(&mut self, path: &Path) -> Result<()> {
        *self.0 = load_module(self.0, path)?;
        Ok(())
    }
}

impl Part for ModuleOptimizer {
    fn save(&self, path: &Path) -> Result<()> {
        save_optimiser(self, path)
    }

    fn load(&mut self, path: &Path) -> Result<()> {
        *self = load_optimiser(self, path)?;
        Ok(())
    }
}

/// Writes the parameters of a module.
fn save_module<M: Module>(module: &M, path: &Path) -> Result<()> {
    write_whole(path, &module.clone().into_record().into_bytes()?)
}

/// A module with the parameters that [`save_module`] wrote.
fn load_module<M: Module>(module: &M, path: &Path) -> Result<M> {
    let record = ModuleRecord::from_bytes(read(path)?)?;
    Ok(module.clone().try_load_record(record)?)
}

/// Writes the moments of an optimiser, sorted by parameter: Burn keeps them in a hash map, whose order differs from one
/// process to the next.
fn save_optimiser(optimiser: &ModuleOptimizer, path: &Path) -> Result<()> {
    let reader = Reader::from_bytes(optimiser.to_record().into_bytes()?)?;
    let (scalars, notes) = (reader.scalars().clone(), reader.metadata().clone());
    let mut writer = Writer::new(reader.into_tensors()?); // the reader sorts them
    for (name, value) in &scalars {
        writer = writer.with_scalar(name, *value);
    }
    for (name, text) in &notes {
        writer = writer.with_metadata(name, text);
    }
    write_whole(path, &writer.into_bytes()?)
}

/// An optimiser with the settings of `optimiser` and the moments that [`save_optimiser`] wrote.
fn load_optimiser(optimiser: &ModuleOptimizer, path: &Path) -> Result<ModuleOptimizer> {
    let record = OptimizerRecord::from_bytes(read(path)?)?;
    Ok(optimiser.clone().load_record(record))
}

/// The whole file: it may be gone by the time a lazy reader asks for its rest.
fn read(path: &Path) -> Result<Bytes> {
    Ok(Bytes::from_bytes_vec(fs::read(path)?))
}
