//! `histogen sample`: a grid of images from a run.

use std::path::Path;

use burn::tensor::Device;

use super::progress::Progress;
use super::{Answer, Outcome};
use crate::cli::Sample;
use crate::config::RunConfig;
use crate::device::Compute;
use crate::error::{Result, refuse};
use crate::models::{self, GenerativeModel};
use crate::run::{Run, judges};
use crate::samples;

pub(super) fn run(arguments: &Sample) -> Outcome {
    if arguments.n == 0 {
        return Err(refuse("`--n` is 0", "ask for at least one image"));
    }
    let compute = Compute {
        device: arguments.device,
        ..Compute::default()
    };
    let model = load(&arguments.run, &compute.open()?)?;
    let mut progress = Progress::new("drawing", arguments.n);
    let pixels = samples::draw(model.as_ref(), arguments.n, arguments.seed, &mut |done| {
        progress.update(done, "");
    })?;
    let columns = (arguments.n as f64).sqrt().ceil() as usize;
    pixels
        .grid(columns, 1)
        .save(&arguments.out)
        .map_err(|error| {
            refuse(
                format!("cannot write `{}`: {error}", arguments.out.display()),
                "give a path that ends in `.png`, in a folder you may write",
            )
        })?;
    progress.finish(&format!("{} images", arguments.n));
    println!("{}", arguments.out.display());
    Ok(Answer::Yes)
}

/// The model in a run's newest checkpoint, on any device.
pub(super) fn load(folder: &Path, device: &Device) -> Result<Box<dyn GenerativeModel>> {
    let path = folder.join("config.toml");
    let not_a_run = |reason: String| {
        refuse(
            format!("`{}` is not a run: {reason}", folder.display()),
            "`histogen list runs` shows the runs there are",
        )
    };
    let text = std::fs::read_to_string(&path).map_err(|error| not_a_run(error.to_string()))?;
    let config: RunConfig =
        toml::from_str(&text).map_err(|error| not_a_run(error.message().to_owned()))?;
    let root = folder.parent().unwrap_or(Path::new("."));
    let run = Run::open(root, &config)?;
    let mut model = models::build(&config, &judges(root), device)?;
    match run.load_checkpoint(|folder| model.load(folder))? {
        Some(_) => Ok(model),
        None => Err(refuse(
            format!("run `{}` has no checkpoint yet", folder.display()),
            "let it train further",
        )),
    }
}
