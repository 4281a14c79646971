//! What MLflow takes: letters of keys, lengths, how much at once (`mlflow/utils/validation.py` of MLflow 3.17.2).

use crate::digest::sha256;

/// Most points in one `log-batch`.
pub const POINTS: usize = 1000;
/// Parameters or tags in one `log-batch`: of 100 that the server takes, as many as stay below a million bytes at their longest.
pub(super) const PAIRS: usize = 40;
/// Most characters of a key.
const KEY: usize = 250;
/// Most characters of a parameter's value.
pub(super) const PARAMETER: usize = 6000;
/// Most characters of a tag's value: 5000, as older servers have it (8000 since MLflow 3).
pub(super) const TAG: usize = 5000;
/// Most characters of an experiment's name.
pub(super) const EXPERIMENT: usize = 500;

/// `name` as the key of a metric, a parameter or a tag.
///
/// Letters other than ASCII's letters and digits and `_`, `-`, `.`, space and `/` become `_`, and so do parts of a path that
/// would not stay as they are (`a//b`, `..`). A key that is too long keeps its first 241 letters and gets eight digits of its
/// SHA-256.
pub fn key_of(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-. /".contains(letter);
    let plain: String = name
        .chars()
        .map(|letter| if is_plain(letter) { letter } else { '_' })
        .collect();
    let parts: Vec<&str> = plain
        .split('/')
        .map(|part| match part {
            "" | "." | ".." => "_",
            part => part,
        })
        .collect();
    let key = parts.join("/");
    if key.len() <= KEY {
        return key;
    }
    format!("{}.{}", &key[..KEY - 9], &sha256(name)[..8])
}

/// `text` cut at `most` characters, which is then seen.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_letters_that_the_server_takes() {
        for (name, key) in [
            ("critic_loss", "critic_loss"),
            ("fid.3fa81c02", "fid.3fa81c02"),
            ("system/cpu", "system/cpu"),
            ("précision (k = 3)", "pr_cision _k _ 3_"),
            ("/a//../b/", "_/a/_/_/b/_"),
            ("", "_"),
        ] {
            assert_eq!(key_of(name), key);
        }
        let long = |last: char| format!("{}{last}", "k".repeat(300));
        assert_eq!(key_of(&long('a')).len(), 250);
        assert_ne!(key_of(&long('a')), key_of(&long('b')));
        assert_eq!(key_of(&"k".repeat(250)), "k".repeat(250));
    }

    #[test]
    fn long_values_are_cut_by_characters_and_show_it() {
        let value = cut(&"é".repeat(6001), PARAMETER);
        assert_eq!(value.chars().count(), 6000);
        assert!(value.ends_with("é…"));
        assert_eq!(cut(&"é".repeat(6000), PARAMETER), "é".repeat(6000));
        assert_eq!(cut(&"x".repeat(9000), TAG).chars().count(), 5000);
        assert_eq!(cut(&"x".repeat(600), EXPERIMENT).chars().count(), 500);
    }
}
