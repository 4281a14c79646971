//! `histogen sample`: a grid of images from a run.

use super::progress::Progress;
use super::{Answer, Outcome};
use crate::cli::Sample;
use crate::device::Compute;
use crate::error::refuse;
use crate::experiment::{load_model, resolve};
use crate::samplers::Samplers;
use crate::samples::{self, Plan};

/// Where the settings of samplers have the defaults of their papers.
const EXPERIMENT: &str = "table1";
const PROFILE: &str = "paper";

pub(super) fn run(arguments: &Sample) -> Outcome {
    if arguments.n == 0 {
        return Err(refuse("`--n` is 0", "ask for at least one image"));
    }
    let compute = Compute {
        device: arguments.device,
        ..Compute::default()
    };
    let (run, model) = load_model(&arguments.run, arguments.step, &compute.open()?)?;
    let settings = resolve(EXPERIMENT, PROFILE, &arguments.set)?.samplers;
    let samplers = Samplers::new(&arguments.sampler, &settings)?;
    let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
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
