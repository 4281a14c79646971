//! A run's generator for other frameworks: a folder with its numbers, what reads them, images to check by, and a model card.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::ValueEnum;

use super::card::{Card, card};
use super::module::{MODULE, TENSORS, module, tensors};
use super::onnx::onnx;
use crate::config::RunConfig;
use crate::error::{Result, refuse};
use crate::experiment::load_model;
use crate::files::{cannot_write, write_whole};
use crate::models::{Draws, GenerativeModel};
use crate::numpy::ArchiveWriter;
use crate::samples::{Plan, seeds};
use crate::tracker::{self, Ledger};
use crate::workspace::ledger;

/// Images that are written to check by.
const CHECKED: usize = 8;
/// The file with them: `z`, `classes` where there are any, `images` (float, channels first).
const CHECK: &str = "check.npz";
/// The file of the network as ONNX.
const NETWORK: &str = "generator.onnx";

/// What reads the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GeneratorFormat {
    /// safetensors, with a small PyTorch module.
    Safetensors,
    /// ONNX, operator set 17.
    Onnx,
}

/// Writes the generator of the run in `run`, at its checkpoint `step` or the newest, into the folder `target`. Returns the files.
///
/// # Errors
/// Refuses a run whose model is no network from latent vectors to images, and a folder that cannot be written.
pub fn export_generator(
    run: &Path,
    step: Option<u64>,
    format: GeneratorFormat,
    target: &Path,
    device: &Device,
) -> Result<Vec<PathBuf>> {
    let (config, model) = load_model(run, step, device)?;
    let Some(latents) = model.latents() else {
        return Err(refuse(
            format!(
                "`{}` is of `{}`, whose images are no function of one latent vector",
                run.display(),
                config.model
            ),
            "export a run of an adversarial system; `histogen sample` draws from this one",
        ));
    };
    let Some(generator) = latents.plain_generator().transpose()? else {
        return Err(refuse(
            format!(
                "the generator of `{}` (`{}`) has layers that are not exported",
                run.display(),
                config.model
            ),
            "export a run of a system with the backbone that all share",
        ));
    };
    let prior = latents.prior()?;
    let shape = [config.channels, config.image_size, config.image_size];
    let name = run.file_name().map_or_else(
        || config.model.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    fs::create_dir_all(target).map_err(|error| cannot_write(target, &error))?;

    // The network.
    let mut files = match format {
        GeneratorFormat::Safetensors => vec![
            (TENSORS, tensors(&generator, &prior)?),
            (
                MODULE,
                module(&generator, &prior, &name, shape).into_bytes(),
            ),
        ],
        GeneratorFormat::Onnx => vec![(NETWORK, onnx(&generator, &name, shape))],
    };
    // What it makes, and what it is.
    files.push((CHECK, check(&config, model.as_ref())?));
    let events = Ledger::read(&ledger(run))?;
    let scores = match step {
        None => tracker::result(&events).map_or(&[][..], |result| &result.scores),
        Some(_) => &[],
    };
    let described = Card {
        name: &name,
        run: &config,
        generator: &generator,
        prior: &prior,
        format,
        scores,
    };
    files.push(("README.md", card(&described).into_bytes()));
    let written = files.into_iter().map(|(file, bytes)| {
        let path = target.join(file);
        write_whole(&path, &bytes)?;
        Ok(path)
    });
    written.collect()
}

/// The first images that `histogen sample` draws, with their latent vectors and classes.
fn check(config: &RunConfig, model: &dyn GenerativeModel) -> Result<Vec<u8>> {
    let plan = Plan::without_store(config.classes.len(), CHECKED, 0);
    let seeds = seeds(0, 0, CHECKED);
    let images = model.sample(&Draws {
        seeds: &seeds,
        classes: plan.classes(),
        inputs: None,
    })?;
    let mut archive = ArchiveWriter::new(Cursor::new(Vec::new()));
    if let Some(latents) = model.latents() {
        let prior = latents.prior()?;
        let z: Vec<f32> = seeds.iter().flat_map(|&seed| prior.latent(seed)).collect();
        archive.add_f32("z", &[CHECKED, prior.dimension()], &z)?;
        if latents.classes() > 0 {
            let classes: Vec<i64> = plan.classes().iter().map(|&class| class as i64).collect();
            archive.add_i64("classes", &[CHECKED], &classes)?;
        }
    }
    let shape = [CHECKED, images.channels, images.size, images.size];
    archive.add_f32("images", &shape, &images.values)?;
    Ok(archive.finish()?.into_inner())
}
