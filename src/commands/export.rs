//! `histogen export`: what other tools read.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::settings::configure_otherwise;
use super::{Answer, Outcome};
use crate::cli::{Cli, Export, ExportGenerator, ExportStatistics, ExportWhat};
use crate::device::Compute;
use crate::experiment::{StatisticsPlan, export_generator, export_statistics};
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Export) -> Outcome {
    match (&arguments.what, &arguments.generator) {
        (Some(ExportWhat::Statistics(arguments)), _) => statistics(arguments),
        (None, Some(arguments)) => generator(arguments),
        (None, None) => {
            let mut command = Cli::command();
            let kind = ErrorKind::MissingRequiredArgument;
            command
                .error(kind, "`export` needs a run, or `statistics` and a set")
                .exit()
        }
    }
}

fn generator(arguments: &ExportGenerator) -> Outcome {
    let ExportGenerator {
        run,
        step,
        format,
        out,
        ..
    } = arguments;
    let compute = Compute {
        device: arguments.device,
        ..Compute::default()
    };
    for path in export_generator(run, *step, *format, out, &compute.open()?)? {
        println!("{}", path.display());
    }
    Ok(Answer::Yes)
}

fn statistics(arguments: &ExportStatistics) -> Outcome {
    let settings = arguments.settings();
    let config = configure_otherwise("paper", "table1", &settings, None)?;
    let plan = StatisticsPlan {
        set: &arguments.set,
        format: arguments.format,
        images: arguments.images,
        split: arguments.split.as_deref(),
        target: &arguments.out,
    };
    println!(
        "{}",
        export_statistics(&config, &plan, &Workspace::new(&settings.out))?
    );
    Ok(Answer::Yes)
}
