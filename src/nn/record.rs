//! Networks and optimisers as files: equal states are equal bytes.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn_optim::{ModuleOptimizer, OptimizerRecord};
use burn_pack::{Reader, Writer};

use crate::error::Result;
use crate::files::write_whole;

/// Writes the parameters of a module.
pub fn save_module<M: Module>(module: &M, path: &Path) -> Result<()> {
    write_whole(path, &module.clone().into_record().into_bytes()?)
}

/// A module with the parameters that [`save_module`] wrote.
pub fn load_module<M: Module>(module: &M, path: &Path) -> Result<M> {
    let record = ModuleRecord::from_bytes(read(path)?)?;
    Ok(module.clone().try_load_record(record)?)
}

/// Writes the moments of an optimiser, sorted by parameter: Burn keeps them in a hash map, whose order differs from one
/// process to the next.
pub fn save_optimiser(optimiser: &ModuleOptimizer, path: &Path) -> Result<()> {
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
pub fn load_optimiser(optimiser: &ModuleOptimizer, path: &Path) -> Result<ModuleOptimizer> {
    let record = OptimizerRecord::from_bytes(read(path)?)?;
    Ok(optimiser.clone().load_record(record))
}

/// The whole file: it may be gone by the time a lazy reader asks for its rest.
fn read(path: &Path) -> Result<Bytes> {
    Ok(Bytes::from_bytes_vec(fs::read(path)?))
}
