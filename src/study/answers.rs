//! What a reader says: the file that the page of a reading test saves.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Key, PatchKind};
use crate::error::{Result, refuse};

/// The answers of one reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The test they are of.
    pub study: String,
    /// Who read.
    pub reader: String,
    /// Whether everything was answered.
    pub finished: bool,
    /// The answers.
    pub answers: Vec<Answer>,
}

/// The answer to one patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its number in the test.
    pub item: String,
    /// What the reader takes it for.
    pub answer: PatchKind,
    /// Whether the reader was sure.
    pub sure: bool,
    /// How long the reader looked at it.
    pub milliseconds: u64,
}

impl Answers {
    /// Reads the answers in `path` to the test that `key` is of.
    ///
    /// # Errors
    /// Refuses what is no file of answers, answers to another test, to patches that the test does not have and to one patch
    /// twice, and unless `unfinished` is true a reader who has not answered everything.
    pub fn load(path: &Path, key: &Key, unfinished: bool) -> Result<Self> {
        let file = path.display();
        let no_answers = |reason: String| {
            refuse(
                format!("`{file}` is no file of answers: {reason}"),
                "give files that the page of the reading test saved",
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| no_answers(error.to_string()))?;
        let answers: Self =
            serde_json::from_str(&text).map_err(|error| no_answers(error.to_string()))?;
        if answers.study != key.study {
            return Err(refuse(
                format!(
                    "`{file}` has answers to the test {}, the key is that of {}",
                    answers.study, key.study
                ),
                "give the key that was written with the readers' folder",
            ));
        }
        let known: HashSet<&str> = key.items.iter().map(|item| item.item.as_str()).collect();
        let mut seen = HashSet::new();
        for Answer { item, .. } in &answers.answers {
            if !known.contains(item.as_str()) {
                return Err(refuse(
                    format!("`{file}` answers patch `{item}`, which the test does not have"),
                    "take the file as the page saved it",
                ));
            }
            if !seen.insert(item.as_str()) {
                return Err(refuse(
                    format!("`{file}` answers patch `{item}` twice"),
                    "take the file as the page saved it",
                ));
            }
        }
        if seen.len() < key.items.len() && !unfinished {
            return Err(refuse(
                format!(
                    "`{file}` answers {} of {} patches",
                    seen.len(),
                    key.items.len()
                ),
                "let the reader finish, or score what is there with `--unfinished`",
            ));
        }
        if seen.is_empty() {
            return Err(refuse(format!("`{file}` answers nothing"), "leave it out"));
        }
        Ok(answers)
    }
}
