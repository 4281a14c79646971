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
use crate::run::{find_checkpoint, judges, unreadable};
use crate::samplers::{self, Samplers};
use crate::samples::{self, Plan};

pub(super) fn run(arguments: &Sample) -> Outcome {
    if arguments.n == 0 {
        return Err(refuse("`--n` is 0", "ask for at least one image"));
    }
    let compute = Compute {
        device: arguments.device,
        ..Compute::default()
    };
    let (run, model) = load(&arguments.run, arguments.step, &compute.open()?)?;
    let samplers = Samplers::new(&arguments.sampler, &samplers::settings())?;
    let sampler = samplers.of(model.as_ref(), run.classes.len())?;
    let plan = Plan::without_store(run.classes.len(), arguments.n, arguments.seed);
    let mut progress = Progress::new("drawing", arguments.n);
    let pixels = samples::draw(sampler.as_ref(), &plan, &mut |done| {
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

/// The model in a run's checkpoint of `step`, or in its newest, on any device.
pub(super) fn load(
    folder: &Path,
    step: Option<u64>,
    device: &Device,
) -> Result<(RunConfig, Box<dyn GenerativeModel>)> {
    let path = folder.join("config.toml");
    let not_a_run = |reason: String| {
        refuse(
            format!("`{}` is not a run: {reason}", folder.display()),
            "`histogen list runs` shows the runs there are",
        )
    };
    let text = std::fs::read_to_string(&path).map_err(|error| not_a_run(error.to_string()))?;
    let config =
        RunConfig::from_toml(&text).map_err(|error| not_a_run(error.message().to_owned()))?;
    let root = folder.parent().unwrap_or(Path::new("."));
    let Some((_, checkpoint)) = find_checkpoint(folder, &config, step)? else {
        return Err(refuse(
            format!("run `{}` has no checkpoint yet", folder.display()),
            "let it train further",
        ));
    };
    let mut model = models::build(&config, &judges(root), device)?;
    models::load(model.as_mut(), &checkpoint).map_err(|error| unreadable(&checkpoint, &error))?;
    Ok((config, model))
}
