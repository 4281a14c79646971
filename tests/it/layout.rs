//! The layout of the code: arrows run one way, names are said once.

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules of `lib.rs` in their order.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(source().join("lib.rs")).expect("lib.rs");
    text.lines()
        .filter_map(|line| {
            line.strip_prefix("pub mod ")?
                .strip_suffix(';')
                .map(ToOwned::to_owned)
        })
        .collect()
}

/// Every source file of a module.
fn files(module: &str) -> Vec<PathBuf> {
    let single = source().join(format!("{module}.rs"));
    let folder = source().join(module);
    let mut found: Vec<PathBuf> = single.exists().then_some(single).into_iter().collect();
    let mut folders: Vec<PathBuf> = folder.exists().then_some(folder).into_iter().collect();
    assert!(found.len() + folders.len() > 0, "no source of `{module}`");
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a module's folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_module_imports_only_what_stands_above_it() {
    let modules = modules();
    assert!(modules.len() > 10, "lib.rs lists the modules");
    for (place, module) in modules.iter().enumerate() {
        for path in files(module) {
            let text = fs::read_to_string(&path).expect("a source file");
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or("");
                for part in code.split("crate::").skip(1) {
                    let name: String = part
                        .chars()
                        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                        .collect();
                    let allowed = modules[..=place].contains(&name);
                    assert!(
                        allowed,
                        "{}:{}: `{module}` imports `{name}`, which stands below it",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn the_training_loop_and_the_report_know_no_model_by_name() {
    for module in [
        "train",
        "report",
        "samples",
        "experiment",
        "metrics",
        "features",
    ] {
        for path in files(module) {
            let text = fs::read_to_string(&path).expect("a source file");
            if path.ends_with("tests.rs") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for entry in histogen::models::MODELS.built_in() {
                let quoted = format!("\"{}\"", entry.name);
                assert!(!code.contains(&quoted), "{} names {quoted}", path.display());
            }
        }
    }
}
