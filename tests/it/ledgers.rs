//! What a run's folder holds that a tracking server must have, read without the code that uploads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The lines of a file of JSON.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Every point that the ledger in `folder` has, in its order, as key, step and value.
pub(crate) fn points(folder: &Path) -> Vec<(String, u64, f64)> {
    let mut points: Vec<(String, u64, f64)> = Vec::new();
    let mut add = |key: String, step: &Value, value: &Value| {
        if let (Some(step), Some(value)) = (step.as_u64(), value.as_f64()) {
            let point = (key, step, value);
            // Scores are written down again when others join them.
            if !point.0.contains('.') || !points.contains(&point) {
                points.push(point);
            }
        }
    };
    for event in lines(&folder.join("ledger.jsonl")) {
        match event["event"].as_str().expect("a kind") {
            "step" => {
                for (name, value) in event["scalars"].as_object().expect("numbers") {
                    add(name.clone(), &event["step"], value);
                }
            }
            "evaluation" => {
                for score in event["scores"].as_array().expect("scores") {
                    let name = score["name"].as_str().expect("a name");
                    let id = score["protocol_id"].as_str().expect("an id");
                    add(format!("{name}.{id}"), &event["step"], &score["value"]);
                    add(
                        format!("{name}.{id}.spread"),
                        &event["step"],
                        &score["spread"],
                    );
                }
            }
            _ => {}
        }
    }
    points
}

/// The points of the system's metrics.
pub(crate) fn system_points(folder: &Path) -> Vec<(String, u64, f64)> {
    let mut points = Vec::new();
    for sample in lines(&folder.join("system.jsonl")) {
        for (key, value) in sample["scalars"].as_object().expect("numbers") {
            let step = sample["step"].as_u64().expect("a number");
            points.push((key.clone(), step, value.as_f64().expect("a number")));
        }
    }
    points
}

/// Steps with a grid of samples, and the grids.
pub(crate) fn pictures(folder: &Path) -> Vec<(u64, Vec<u8>)> {
    let events = lines(&folder.join("ledger.jsonl"));
    let samples = events.iter().filter(|event| event["event"] == "samples");
    samples
        .map(|event| {
            let file = event["file"].as_str().expect("a path");
            let step = event["step"].as_u64().expect("a step");
            (step, fs::read(folder.join(file)).expect("the grid"))
        })
        .collect()
}

/// Asserts that two lists of points are equal, and says what differs without printing thousands.
pub(crate) fn same_points(found: &[(String, u64, f64)], wanted: &[(String, u64, f64)]) {
    let set = |points: &[(String, u64, f64)]| -> BTreeSet<String> {
        points.iter().map(|point| format!("{point:?}")).collect()
    };
    let (here, there) = (set(wanted), set(found));
    let missing: Vec<_> = here.difference(&there).take(5).collect();
    let more: Vec<_> = there.difference(&here).take(5).collect();
    assert!(missing.is_empty(), "missing at the server: {missing:?}");
    assert!(more.is_empty(), "not in the ledger: {more:?}");
    assert_eq!(found.len(), wanted.len(), "a point is there twice");
}
