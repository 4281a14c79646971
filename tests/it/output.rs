//! What the program prints, and to whom: JSON beside each table, pipes that are closed, files, exit codes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use clap::CommandFactory;
use histogen::cli::Cli;
use serde_json::Value;

use crate::lab::{Lab, signal, wait_for};
use crate::schema::assert_ledgers;

const ONE: &str = "reproduce table1 --profile smoke --set systems=[{name=\"dcgan\"}]";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs `arguments` with a standard output that nobody reads.
fn unread(lab: &Lab, arguments: &str) -> Output {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut command = lab.command(arguments);
    command.stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().expect("it starts").wait_with_output();
    output.expect("it ends")
}

#[test]
fn a_closed_pipe_ends_every_command_quietly_and_after_its_work() {
    let lab = Lab::new();
    let store = phantom(&lab);
    for arguments in [
        "list settings",
        "list models --json",
        "weights list",
        "completions bash",
        "train table1 --model dcgan --profile smoke --dry-run",
        &format!("data show {store} --grid grid.png"),
    ] {
        let output = unread(&lab, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{arguments}: {said}");
        let said = said.replace(&format!("in `{}`\n", lab.path("weights").display()), "");
        assert_eq!(said, "", "{arguments}");
    }
    assert!(lab.path("grid.png").exists(), "the work is done");
    // What clap prints, and an answer that somebody else reads.
    assert_eq!(unread(&lab, "--help").status.code(), Some(0));
    assert_eq!(unread(&lab, "list modells").status.code(), Some(2));
    // Nobody follows what it tells either: no work ends for that.
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = lab.command("train table1 --model dcgan --profile smoke");
    let output = command.stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        lab.path(String::from_utf8_lossy(&output.stdout).trim())
            .exists()
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_standard_output_is_an_error() {
    let lab = Lab::new();
    let mut command = lab.command("list models");
    command.stdout(File::create("/dev/full").expect("a device"));
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("error: cannot write to standard output: No space left on device"),
        "{said}"
    );
}

#[test]
fn what_goes_to_a_file_has_no_control_characters() {
    let lab = Lab::new();
    for arguments in [
        "--help",
        "train --help",
        "trian",
        "train table1 --model dcgn",
        "train table1 --model dcgan --profile smoke",
        "list settings",
        "report table1",
        ONE,
    ] {
        let (output, errors) = (lab.path("output"), lab.path("errors"));
        let mut command = lab.command(arguments);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command.stdout(File::create(&output).unwrap());
        command.stderr(File::create(&errors).unwrap());
        command.status().expect("it starts");
        let both = lab.read("output") + &lab.read("errors");
        assert!(!both.is_empty(), "{arguments}");
        let control = both
            .chars()
            .find(|letter| letter.is_control() && *letter != '\n');
        assert_eq!(control, None, "{arguments}: {both:?}");
    }
}

/// The exit codes that the documentation has, and what it says of each.
fn documented() -> BTreeMap<u8, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/interrupted-runs.md");
    let text = fs::read_to_string(path).expect("the page");
    let (_, section) = text.split_once("## Exit codes").expect("the section");
    let rows = section.lines().filter_map(|line| {
        let (code, meaning) = line.strip_prefix("| ")?.split_once(" | ")?;
        Some((
            code.parse().ok()?,
            meaning.trim_end_matches(" |").to_owned(),
        ))
    });
    rows.collect()
}

#[test]
fn exit_codes_are_those_of_the_documentation() {
    let lab = Lab::new();
    let codes = documented();
    let known: Vec<u8> = codes.keys().copied().collect();
    assert_eq!(known, [0, 1, 2, 101, 130, 141, 143]);
    let help = lab.succeed("--help");
    let (_, help) = help.split_once("Exit codes:").expect("they are there");
    let help: Vec<&str> = help
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .collect();
    for code in known.iter().filter(|&&code| code != 101) {
        assert!(
            help.contains(&code.to_string().as_str()),
            "{code}: {help:?}"
        );
    }
    // Done; the answer is no; a wrong request, in our words and in clap's; nobody reads.
    assert_eq!(lab.run("list models").code, 0);
    let known = histogen::weights::KNOWN[0];
    fs::create_dir_all(lab.path("weights")).unwrap();
    fs::write(lab.path("weights").join(known.file), b"damaged").unwrap();
    let verified = lab.run("weights verify --json");
    assert_eq!(verified.code, 1);
    assert_eq!(json(&verified.output)[0]["state"], "damaged");
    assert_eq!(lab.run("list modells").code, 2);
    assert_eq!(lab.run("list --nothing").code, 2);
    assert_eq!(unread(&lab, "list models").status.code(), Some(141));
    // Signals, whenever they come.
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let endless = "train table1 --model dcgan --profile smoke --set training.steps=1000000";
        let mut child = lab.start(endless);
        wait_for(|| lab.path("runs").exists());
        sleep(Duration::from_millis(100));
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "SIG{name}");
        fs::remove_dir_all(lab.path("runs")).unwrap();
    }
}

/// The commands that print a table, or what is as good as one.
const WITH_JSON: [&str; 17] = [
    "ablate",
    "cache show",
    "compare",
    "data show",
    "duplicates",
    "evaluate",
    "list",
    "report",
    "reproduce",
    "retrieve",
    "snn evaluate",
    "snn train",
    "study score",
    "submit",
    "track status",
    "weights list",
    "weights verify",
];

#[test]
fn every_command_that_prints_a_table_prints_json_too() {
    fn find(command: &clap::Command, name: &str, found: &mut Vec<String>) {
        if command
            .get_arguments()
            .any(|option| option.get_id() == "json")
        {
            found.push(name.trim().to_owned());
        }
        for inner in command.get_subcommands() {
            find(inner, &format!("{name} {}", inner.get_name()), found);
        }
    }
    let mut found = Vec::new();
    find(&Cli::command(), "", &mut found);
    found.sort();
    assert_eq!(found, WITH_JSON);
}

#[test]
fn lists_are_the_same_as_json() {
    let lab = Lab::new();
    for what in [
        "models",
        "samplers",
        "metrics",
        "features",
        "reward-models",
        "networks",
        "experiments",
    ] {
        let text = lab.succeed(&format!("list {what}"));
        let entries = json(&lab.succeed(&format!("list {what} --json")));
        let entries = entries.as_array().expect("a list");
        assert!(!entries.is_empty(), "{what}");
        let mut lines = text.lines();
        for entry in entries {
            let name = entry["name"].as_str().expect("a name");
            let is_it = |line: &str| line.split_whitespace().any(|word| word == name);
            assert!(lines.any(is_it), "{what}: `{name}`, in this order");
            for (key, value) in entry["settings"].as_object().into_iter().flatten() {
                let setting = format!("{name}.{key} = {value}");
                let line = lines.next().expect("a setting");
                assert!(line.starts_with("   "), "{line}");
                assert!(
                    line.contains(&format!("{name}.{key} = ")),
                    "{setting}: {line}"
                );
            }
        }
    }
    let settings = json(&lab.succeed("list settings --json"));
    let find = |key: &str| {
        let mut settings = settings.as_array().expect("a list").iter();
        settings.find(|setting| setting["key"] == key).expect("it")
    };
    let size = find("data.patch_size");
    assert_eq!(
        (&size["unit"], &size["range"]),
        (&"pixels".into(), &"1 to 4096".into())
    );
    assert!(size["default"].is_u64() && size["about"].is_string());
    let printed = lab.succeed("list settings");
    let rows = printed.lines().filter(|line| !line.is_empty()).count();
    assert_eq!(rows - 1, settings.as_array().unwrap().len());

    assert_eq!(json(&lab.succeed("list runs --json")), json("[]"));
    assert_eq!(json(&lab.succeed("track status --json")), json("[]"));
    let kernels = lab
        .command("cache show --json")
        .env("HISTOGEN_KERNELS", "k")
        .output();
    let kernels = json(&String::from_utf8_lossy(&kernels.unwrap().stdout));
    assert_eq!(kernels, json(r#"{"kernels": "k", "bytes": 0}"#));
}

#[test]
fn tables_are_the_same_as_json() {
    let lab = Lab::new();
    let tables = lab.succeed(&format!("{ONE} --json"));
    let (tables, again) = (json(&tables), json(&lab.succeed("report table1 --json")));
    assert_eq!(tables.as_array().map(Vec::len), Some(1));
    assert_eq!(again[0], tables[0]);
    assert!(again[3].is_object(), "a report has all tables");
    let table = &tables[0];
    assert_eq!(table["title"], "Table 1: FID");
    // Every cell of the CSV.
    let csv = lab.read("reports/table1/table1.csv");
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let mut count = 0;
    for record in csv.records() {
        let record = record.unwrap();
        let columns = table["columns"].as_array().unwrap();
        let column = columns.iter().position(|column| {
            let (title, group) = (&column["title"], column["group"].as_str().unwrap());
            let title = title.as_str().unwrap();
            record[2] == *title || record[2] == format!("{title} ({group})")
        });
        let rows = table["rows"].as_array().unwrap();
        let row = rows
            .iter()
            .find(|row| row["name"] == record[0])
            .expect("a row");
        assert_eq!(row["reference"], record[1] == *"reference");
        let cell = &row["cells"][column.expect("a column")];
        let number = |text: &str| text.parse::<f64>().ok();
        assert_eq!(cell["value"].as_f64(), number(&record[3]), "{record:?}");
        assert_eq!(cell["note"].as_str().unwrap_or_default(), &record[12]);
        assert_eq!(cell["protocol"].as_str().unwrap_or_default(), &record[11]);
        count += 1;
    }
    assert!(count > 4, "{count} cells");

    // The run behind it.
    assert!(assert_ledgers(&lab.path("runs")) > 5);
    let listed = lab.succeed("list runs");
    let runs = json(&lab.succeed("list runs --json"));
    let run = &runs[0];
    assert_eq!(
        (&run["state"], &run["step"]),
        (&"finished".into(), &3.into())
    );
    let (name, id) = (&run["score"]["name"], &run["score"]["protocol_id"]);
    assert!(
        listed.contains(&format!("{} ", name.as_str().unwrap())),
        "{listed}"
    );
    assert!(
        listed.contains(&format!("({})", id.as_str().unwrap())),
        "{listed}"
    );
    assert!(
        listed.contains(run["described"].as_str().unwrap()),
        "{listed}"
    );
}

#[test]
fn a_store_is_the_same_as_json() {
    let lab = Lab::new();
    let store = phantom(&lab);
    let text = lab.succeed(&format!("data show {store}"));
    let shown = json(&lab.succeed(&format!("data show {store} --json --grid grid.png")));
    assert_eq!(shown["store"], store);
    assert!(text.contains(shown["sha256"].as_str().unwrap()), "{text}");
    let patches = shown["patches"].as_u64().unwrap();
    let slides = shown["slides"].as_array().unwrap();
    let sum: u64 = slides
        .iter()
        .map(|slide| slide["patches"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, patches);
    let classes = shown["classes"].as_array().unwrap();
    let splits = classes
        .iter()
        .flat_map(|class| class["splits"].as_array().unwrap());
    let sum: u64 = splits.map(|split| split["patches"].as_u64().unwrap()).sum();
    assert_eq!(sum, patches);
    let mean = shown["colours"][0][0][0].as_f64().unwrap();
    assert!(text.contains(&format!("{mean:.1} (")), "{mean}: {text}");
    assert_eq!(shown["grid"].as_array().unwrap().len(), classes.len());
}

/// A patch store of phantom slides: its folder.
fn phantom(lab: &Lab) -> String {
    lab.succeed("data phantom --profile smoke");
    let mut stores = fs::read_dir(lab.path("runs/cache/patches")).expect("a cache");
    let store = stores
        .next()
        .expect("a store")
        .expect("an entry")
        .file_name();
    format!("runs/cache/patches/{}", store.to_string_lossy())
}
