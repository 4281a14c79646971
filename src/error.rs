//! Errors a user can act on: every refusal says what is wrong and where, and carries a hint that says what to do.

use std::fmt::Display;

/// What fallible functions of this crate return.
pub type Result<T> = anyhow::Result<T>;

/// A request that cannot be met, and what to do about it.
///
/// The command line prints `message` after `error:` and `hint` after a blank line.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What is wrong, and where: lower case, no full stop, names in back quotes.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// An error and what caused it in a line, `what: why: why`. A cause whose words the error before it already ends with is not
/// repeated: many errors of libraries show their source and name it as their cause.
pub fn explained(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// Builds a [`Refusal`] as an error to return.
pub fn refuse(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Refusal {
        message: message.into(),
        hint: hint.into(),
    }
    .into()
}

/// Refuses `unknown`, a `kind` of name that is none of `known`, with the nearest known name or the whole list.
pub fn unknown_name<'a>(
    kind: &str,
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> anyhow::Error {
    let known: Vec<&str> = known.into_iter().collect();
    let hint = match nearest(unknown, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known: {}", known.join(", ")),
    };
    refuse(format!("unknown {kind} `{unknown}`"), hint)
}

/// Refuses what stands twice among the members of a set; `place` says which set, and where.
pub fn refuse_repeated<T: PartialEq + Display>(
    place: &str,
    members: &[T],
    hint: &str,
) -> Result<()> {
    for (index, member) in members.iter().enumerate() {
        if members[..index].contains(member) {
            return Err(refuse(format!("{place} has `{member}` twice"), hint));
        }
    }
    Ok(())
}

/// The known name most like `unknown`, if one is like enough to be meant.
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let missing = pytorch_reader::PytorchReader::new("nowhere.pth").err();
        let error = anyhow::Error::from(missing.expect("no such file")).context("cannot read it");
        let twice = format!("{error:#}");
        assert_eq!(twice.matches("No such file").count(), 2, "{twice}");
        let said = explained(&error);
        assert_eq!(said.matches("No such file").count(), 1, "{said}");
        assert!(
            said.starts_with("cannot read it: IO error: No such file"),
            "{said}"
        );
        let error = std::fs::read(Path::new("nowhere"))
            .context("b")
            .context("a");
        assert!(explained(&error.unwrap_err()).starts_with("a: b: No such file"));
    }
}
