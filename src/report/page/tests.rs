use super::*;
use crate::report::{RowRecord, find, render};
use crate::tracker::{Ending, Environment, Event, Ledger};

fn record(rows: &[(&str, &str)]) -> Record {
    let row = |(name, folder): &(&str, &str)| RowRecord {
        name: (*name).to_owned(),
        reference: false,
        ledgers: vec![Path::new(folder).join("ledger.jsonl")],
    };
    Record {
        name: "table1".to_owned(),
        question: "Which is closest?".to_owned(),
        profile: "smoke".to_owned(),
        facts: vec!["Data: phantoms.".to_owned()],
        notes: Vec::new(),
        rows: rows.iter().map(row).collect(),
    }
}

fn page(record: &Record, out: &Path) -> String {
    let definition = find("table1").unwrap();
    let outcomes = RunOutcome::of_rows(record, out).unwrap();
    let table = render(definition, record, &outcomes).unwrap();
    let page = Page {
        record,
        tables: &[(definition, &table)],
        outcomes: &outcomes,
        figures: &Drawn::default(),
        claims: &[],
        files: &[],
        again: None,
    };
    page.html(&Workspace::new(out)).unwrap()
}

fn ended(out: &Path, run: &str, ending: Ending, reason: &str) {
    let folder = out.join(run);
    let mut ledger = Ledger::open(&folder.join("ledger.jsonl")).unwrap();
    std::fs::write(folder.join("config.toml"), "seed = 3\n").unwrap();
    let environment = Environment::capture();
    ledger
        .append(Event::Start {
            step: 0,
            environment,
        })
        .unwrap();
    let event = Event::End {
        step: 7,
        ending,
        reason: reason.to_owned(),
        seconds: 1.0,
        peak_megabytes: None,
        gigaflop: None,
    };
    ledger.append(event).unwrap();
}

#[test]
fn an_experiment_without_anything_says_so() {
    let out = tempfile::tempdir().unwrap();
    let page = page(&record(&[]), out.path());
    for sentence in [
        "No system was trained.",
        "No figure was drawn.",
        "No samples were drawn.",
        "Nothing was measured.",
        "There are none.",
    ] {
        assert!(page.contains(sentence), "{sentence}\n{page}");
    }
}

#[test]
fn what_did_not_finish_is_named_with_its_reason() {
    let out = tempfile::tempdir().unwrap();
    ended(out.path(), "a", Ending::Finished, "");
    ended(out.path(), "b", Ending::Diverged, "the loss is <NaN>");
    ended(out.path(), "c", Ending::Killed, "by a signal");
    let record = record(&[("one", "a"), ("two", "b"), ("three", "c"), ("four", "d")]);
    let page = page(&record, out.path());
    for sentence in [
        "One seed (3): no number has a spread.",
        "1 of 4 trainings finished.",
        "<strong>two</strong>, seed 3: diverged after step 7: the loss is &lt;NaN&gt;. It has no numbers.",
        "<strong>three</strong>, seed 3: killed after step 7: by a signal. The command takes it up.",
        "<strong>four</strong>: not started. The command takes it up.",
    ] {
        assert!(page.contains(sentence), "{sentence}\n{page}");
    }
}

#[test]
fn a_page_is_the_same_twice() {
    let out = tempfile::tempdir().unwrap();
    ended(out.path(), "a", Ending::Finished, "");
    let record = record(&[("one", "a")]);
    assert_eq!(page(&record, out.path()), page(&record, out.path()));
}

#[test]
fn an_argument_is_quoted_for_a_shell() {
    assert_eq!(quoted("training.batch=4"), "training.batch=4");
    assert_eq!(quoted("rl-eo (it's)"), r"'rl-eo (it'\''s)'");
    assert_eq!(quoted(""), "''");
}
