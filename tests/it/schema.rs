//! The ledger has the form that `docs/ledger.schema.json` says: what trainings of these tests leave, what an earlier version left,
//! and every key that an event can have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use histogen::metrics::Protocol;
use histogen::tracker::{Ending, Environment, Evaluation, Event, Ledger, ScoreRecord};
use serde_json::Value;

use crate::ledgers::lines;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ledger.schema.json");
    serde_json::from_str(&fs::read_to_string(path).expect("the schema")).expect("JSON")
}

/// Checks `value` against `part` of the schema `whole`: as JSON Schema says, for the keywords that ours has. Any other is an
/// error, so that nothing of the schema goes unchecked. `used` gets the place in the schema of every property that was found.
fn check(
    value: &Value,
    part: &Value,
    whole: &Value,
    place: &str,
    used: &mut BTreeSet<String>,
) -> Result<(), String> {
    let keywords = part.as_object().expect("a schema is an object");
    let wrong = |what: String| Err(format!("{place}: {what} in {value}"));
    let length = value.as_array().map(|entries| entries.len() as u64);
    for (keyword, rule) in keywords {
        let holds = match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().expect("text").trim_start_matches('#');
                let part = whole.pointer(pointer).expect("a definition");
                check(value, part, whole, pointer, used)?;
                true
            }
            "oneOf" => {
                let (mut fitting, mut reasons) = (Vec::new(), Vec::new());
                for part in rule.as_array().expect("a list") {
                    let mut found = BTreeSet::new();
                    match check(value, part, whole, place, &mut found) {
                        Ok(()) => fitting.push(found),
                        Err(reason) => reasons.push(reason),
                    }
                }
                if fitting.len() != 1 {
                    return wrong(format!(
                        "{} forms fit: {}",
                        fitting.len(),
                        reasons.join("; ")
                    ));
                }
                used.extend(fitting.remove(0));
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "type" => {
                let is = |name: &Value| match name.as_str().expect("a type") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "null" => value.is_null(),
                    other => panic!("the type `{other}` is not known here"),
                };
                let any = rule.as_array();
                any.map_or_else(|| is(rule), |any| any.iter().any(is))
            }
            "minimum" => value.as_f64() >= rule.as_f64(),
            "minItems" => length >= rule.as_u64(),
            "maxItems" => length <= rule.as_u64(),
            "items" => {
                for entry in value.as_array().into_iter().flatten() {
                    check(entry, rule, whole, place, used)?;
                }
                true
            }
            // What is said about objects is looked at below.
            "properties"
            | "additionalProperties"
            | "required"
            | "$schema"
            | "$defs"
            | "title"
            | "description" => true,
            other => panic!("the keyword `{other}` is not known here"),
        };
        if !holds {
            return wrong(format!("not {keyword} {rule}"));
        }
    }
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    for name in part["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().expect("a name")) {
            return wrong(format!("no {name}"));
        }
    }
    for (name, value) in object {
        match (&part["properties"][name], &part["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => return wrong(format!("`{name}` is not known")),
            (Value::Null, Value::Null) => {}
            (Value::Null, others) => check(value, others, whole, place, used)?,
            (property, _) => {
                used.insert(format!("{place}/{name}"));
                check(value, property, whole, place, used)?;
            }
        }
    }
    Ok(())
}

/// Fails where a line of a ledger anywhere in `folder` has not the form of the schema; returns how many lines there are.
pub(crate) fn assert_ledgers(folder: &Path) -> usize {
    let (schema, mut count) = (schema(), 0);
    for entry in walkdir::WalkDir::new(folder) {
        let path = entry.expect("an entry").into_path();
        if path.ends_with("ledger.jsonl") {
            for (number, line) in lines(&path).iter().enumerate() {
                if let Err(reason) = check(line, &schema, &schema, "", &mut BTreeSet::new()) {
                    panic!("line {} of {}: {reason}", number + 1, path.display());
                }
                count += 1;
            }
        }
    }
    count
}

/// An event of each kind, with all that it can have.
fn events() -> Vec<Event> {
    let text = || "text".to_owned();
    let pairs = |value| BTreeMap::from([(text(), value)]);
    let score = ScoreRecord {
        name: text(),
        value: Some(1.5),
        spread: Some(0.5),
        spread_of: text(),
        interval: Some((1.0, 2.0)),
        interval_of: text(),
        warning: text(),
        failure: text(),
        absent: text(),
        protocol_id: text(),
        protocol: Protocol {
            images: 1,
            reference: text(),
            reference_images: 1,
            reference_hash: text(),
            image_size: 64,
            resize: text(),
            quantise: text(),
            extractor: text(),
            extractor_hash: text(),
            metric: text(),
            settings: BTreeMap::from([(text(), text())]),
            sampler: text(),
        },
    };
    vec![
        Event::Start {
            step: 0,
            environment: Environment {
                histogen: text(),
                commit: text(),
                platform: text(),
                threads: 2,
            },
        },
        Event::Step {
            step: 1,
            scalars: pairs(0.25),
        },
        Event::Samples {
            step: 1,
            file: text(),
        },
        Event::Evaluation(Evaluation {
            step: 1,
            seed: 0,
            images_hash: text(),
            drawing_seconds: Some(0.5),
            drawing_gigaflop: Some(0.5),
            scores: vec![score],
        }),
        Event::End {
            step: 1,
            ending: Ending::Finished,
            reason: text(),
            seconds: 0.5,
            peak_megabytes: Some(100.0),
            gigaflop: Some(0.5),
        },
    ]
}

/// The names of all events: a new one fails here until it stands in [`events`].
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Start { .. } => "start",
        Event::Step { .. } => "step",
        Event::Samples { .. } => "samples",
        Event::Evaluation(_) => "evaluation",
        Event::End { .. } => "end",
    }
}

#[test]
fn the_schema_has_every_event_and_key_that_a_ledger_can_have_and_no_more() {
    let schema = schema();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    for event in events() {
        ledger.append(event).unwrap();
    }
    let mut used = BTreeSet::new();
    for line in lines(&path) {
        check(&line, &schema, &schema, "", &mut used).unwrap();
    }
    let mut said = BTreeSet::new();
    for (name, part) in schema["$defs"].as_object().unwrap() {
        for property in part["properties"].as_object().into_iter().flatten() {
            said.insert(format!("/$defs/{name}/{}", property.0));
        }
    }
    assert_eq!(used, said, "keys of the ledger, keys of the schema");
    let kinds: Vec<&str> = events().iter().map(kind).collect();
    let forms = schema["oneOf"].as_array().unwrap().iter();
    let forms: Vec<&str> = forms
        .map(|form| form["$ref"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(kinds, forms);
    // How a training can end: `stopped` is seen from outside, and in no ledger.
    for ending in [
        Ending::Finished,
        Ending::Killed,
        Ending::Diverged,
        Ending::Failed,
    ] {
        let ending = serde_json::to_value(ending).unwrap();
        let known = &schema["$defs"]["end"]["properties"]["status"]["enum"];
        assert!(known.as_array().unwrap().contains(&ending), "{ending}");
    }
}

#[test]
fn what_the_schema_does_not_say_is_refused() {
    let schema = schema();
    let refused = |line: &str, reason: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let said = check(&line, &schema, &schema, "", &mut BTreeSet::new()).unwrap_err();
        assert!(said.contains(reason), "{said}");
    };
    refused(r#"{"event":"pause","step":1}"#, "0 forms fit");
    refused(
        r#"{"event":"step","step":1,"scalars":{},"more":1}"#,
        "`more` is not known",
    );
    refused(r#"{"event":"step","step":1}"#, r#"no "scalars""#);
    refused(
        r#"{"event":"step","step":-1,"scalars":{}}"#,
        "not minimum 0 in -1",
    );
    refused(
        r#"{"event":"step","step":1,"scalars":{"loss":null}}"#,
        "not type \"number\" in null",
    );
    refused(
        r#"{"event":"end","step":1,"status":"tired","reason":"","seconds":1}"#,
        "not enum",
    );
}

#[test]
fn ledgers_of_an_earlier_version_have_the_form_of_the_schema() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/earlier");
    let count = assert_ledgers(&fixture);
    assert!(count > 10, "{count} lines");
}
