//! `histogen study`: a reading test, and its score.

use std::path::{Path, PathBuf};

use super::output::show;
use super::{Answer, Outcome};
use crate::cli::{Study, StudyMake, StudyScore};
use crate::device::Compute;
use crate::error::{Result, refuse};
use crate::experiment::{StudyPlan, make_study, resolve};
use crate::study::{Answers, Key, score, table};

/// Where the settings of samplers have the defaults of their papers.
const EXPERIMENT: &str = "table1";
const PROFILE: &str = "paper";

pub(super) fn run(command: &Study) -> Outcome {
    match command {
        Study::Make(arguments) => make(arguments),
        Study::Score(arguments) => score_answers(arguments),
    }
}

fn make(arguments: &StudyMake) -> Outcome {
    let folder = &arguments.out;
    let path = key_path(folder, arguments.key.as_deref())?;
    let mut config = resolve(EXPERIMENT, PROFILE, &[])?;
    config.compute = Compute {
        device: arguments.device,
        ..Compute::default()
    };
    let plan = StudyPlan {
        generated: &arguments.generated,
        real: &arguments.real,
        images: arguments.n,
        seed: arguments.seed,
        folder,
    };
    let key = make_study(&plan, &config, &std::env::temp_dir())?;
    key.save(&path)?;
    println!("{}", folder.display());
    eprintln!(
        "{} patches for the readers: give them the whole folder, they open `index.html`",
        key.items.len()
    );
    eprintln!("the key is `{}`: keep it from them", path.display());
    Ok(Answer::Yes)
}

/// Where the key is written: never inside the folder for the readers.
fn key_path(folder: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let name = folder.file_name().ok_or_else(|| {
        refuse(
            format!("`{}` is no name for a new folder", folder.display()),
            "name one with `--out`",
        )
    })?;
    let beside = format!("{}-key.json", name.to_string_lossy());
    let path = given.map_or_else(|| folder.with_file_name(beside), Path::to_path_buf);
    let absolute = |path: &Path| std::path::absolute(path);
    if absolute(&path)?.starts_with(absolute(folder)?) {
        return Err(refuse(
            format!(
                "the key `{}` would lie in the readers' folder",
                path.display()
            ),
            "write it elsewhere with `--key`",
        ));
    }
    if path.exists() {
        return Err(refuse(
            format!("`{}` is there already", path.display()),
            "write the key elsewhere with `--key`: without it the answers to that test are worth nothing",
        ));
    }
    Ok(path)
}

fn score_answers(arguments: &StudyScore) -> Outcome {
    let key = Key::load(&arguments.key)?;
    let answers = arguments.answers.iter();
    let answers = answers.map(|path| Answers::load(path, &key, arguments.unfinished));
    let answers: Vec<Answers> = answers.collect::<Result<_>>()?;
    let score = score(&key, &answers)?;
    show(arguments.json, &score, |score| {
        Ok(table(&key, score)?.terminal())
    })?;
    Ok(Answer::Yes)
}
