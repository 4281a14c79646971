//! The experiments of related papers, data sets without slides, and rejection sampling, as a user runs them.

use std::fs;

use crate::lab::Lab;

#[test]
fn a_study_has_a_table_with_its_paper_s_numbers_and_an_audit_of_its_claims() {
    let lab = Lab::new();
    lab.succeed("reproduce mnist-zoo --profile smoke");
    let folder = "reports/mnist-zoo";
    let table = lab.read(format!("{folder}/ablation.md"));
    let row = |name: &str| {
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("| {name} |")));
        line.unwrap_or_else(|| panic!("no row {name}: {table}"))
            .to_owned()
    };
    assert!(
        row("lsgan").contains("24.15") && row("wgan-gp").contains("42.21"),
        "{table}"
    );
    assert!(
        table.contains("Published: Askerova, Fontaine, Chen 2024"),
        "{table}"
    );
    let audit = lab.read(format!("{folder}/claims.md"));
    for words in [
        "## 1. LSGAN beats WGAN",
        "## 2. CN-LSGAN does not beat LSGAN",
        "over 1 seed",
    ] {
        assert!(audit.contains(words), "{audit}");
    }
    assert!(
        lab.read(format!("{folder}/index.html"))
            .contains("LSGAN beats WGAN")
    );
    // Again from the ledgers, and the command that the page names.
    fs::remove_file(lab.path(&format!("{folder}/claims.md"))).expect("it was there");
    lab.succeed("report mnist-zoo");
    assert_eq!(lab.read(format!("{folder}/claims.md")), audit);
    let page = lab.read(format!("{folder}/index.html"));
    assert!(
        page.contains("histogen reproduce mnist-zoo --seeds 0 --profile smoke"),
        "{page}"
    );
    let error = lab.refused("reproduce mnist-zoo --experiment table1 --profile smoke");
    assert!(
        error.starts_with("error: `mnist-zoo` is an experiment with a table of its own"),
        "{error}"
    );
}

/// An experiment of one row in a laboratory.
fn one_row(lab: &Lab, model: &str) {
    let text = format!("name = \"mine\"\nquestion = \"?\"\n[[systems]]\nname = \"{model}\"\n");
    fs::write(lab.path("mine.toml"), text).expect("written");
}

#[test]
fn a_discriminator_that_rejection_wants_is_a_run_that_is_found_again() {
    let lab = Lab::new();
    one_row(&lab, "dcgan");
    let command = "reproduce table1 --experiment mine.toml --profile smoke --set evaluation.samplers=[\"rejection\"] \
                   --set samplers.rejection.steps=3 --set samplers.rejection.burn_in=16 --set samplers.rejection.tries=5";
    let said = lab.run(command);
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(
        said.errors.contains("rejection accepted "),
        "{}",
        said.errors
    );
    let runs = || {
        let folder = fs::read_dir(lab.path("runs/discriminators")).expect("a folder");
        let mut names: Vec<_> = folder
            .map(|entry| entry.expect("a run").file_name())
            .collect();
        names.sort();
        names
    };
    let trained = runs();
    assert_eq!(
        trained.len(),
        2,
        "of the untrained row and of the row: {trained:?}"
    );
    for name in &trained {
        let ledger = lab.read(format!(
            "runs/discriminators/{}/ledger.jsonl",
            name.display()
        ));
        assert!(
            ledger.contains("critic_loss") && ledger.contains("finished"),
            "{ledger}"
        );
    }
    let table = lab.read("reports/mine/table1.md");
    assert!(
        table.contains("dcgan seed 0: rejection accepted "),
        "{table}"
    );
    let protocol = lab.read("reports/mine/table1-protocol.md");
    assert!(protocol.contains("rejection (burn_in = 16, "), "{protocol}");
    // The same runs serve a repeated command; a picture by itself needs one.
    fs::remove_dir_all(lab.path("reports")).expect("it was there");
    lab.succeed(command);
    assert_eq!(
        (runs(), lab.read("reports/mine/table1.md")),
        (trained, table)
    );
    let run = fs::read_dir(lab.path("runs"))
        .expect("runs")
        .find_map(|entry| {
            let name = entry
                .expect("a run")
                .file_name()
                .into_string()
                .expect("a name");
            name.starts_with("dcgan-").then_some(name)
        });
    let run = run.expect("a run");
    let error = lab.refused(&format!(
        "sample runs/{run} --sampler rejection --out x.png"
    ));
    assert!(
        error.contains("rejection wants the discriminator trained further"),
        "{error}"
    );
}

#[test]
fn a_class_conditional_system_needs_classes() {
    let lab = Lab::new();
    one_row(&lab, "ac-gan");
    let error = lab
        .refused("train mine.toml --model ac-gan --profile smoke --set data.classes=[\"benign\"]");
    assert!(
        error.starts_with("error: `ac-gan` needs patches of two classes or more, there are 1"),
        "{error}"
    );
}

#[test]
fn digits_are_imported_and_trained_on() {
    let lab = Lab::new();
    one_row(&lab, "wac-gan-gp");
    let row = |number: usize| {
        let pixels = (0..64).map(|place| {
            if (place / 8 + number) % 4 < 2 {
                "255"
            } else {
                "0"
            }
        });
        pixels
            .chain([if number.is_multiple_of(2) { "3" } else { "7" }])
            .collect::<Vec<_>>()
            .join(",")
    };
    let rows: Vec<String> = (0..80).map(row).collect();
    fs::write(lab.path("digits.csv"), rows.join("\n")).expect("written");
    let sizes = "--profile smoke --set data.patch_size=8 --set data.channels=1";
    let said = lab.succeed(&format!("data import digits.csv {sizes}"));
    assert!(said.contains('3') && said.contains('7'), "{said}");
    lab.succeed(&format!(
        "train mine.toml --model wac-gan-gp --data digits.csv {sizes} --set prior.kind=truncated"
    ));
}

#[test]
fn rows_that_are_samplers_have_protocols_of_their_own_and_no_best() {
    let lab = Lab::new();
    let command = "reproduce mnist-drs --profile smoke --seeds 0,1";
    let said = lab.run(command);
    assert_eq!(said.code, 0, "{}", said.errors);
    // One model a seed, whatever the number of rows.
    assert_eq!(
        said.errors.matches("already trained").count(),
        3 * 2,
        "{}",
        said.errors
    );
    let table = lab.read("reports/mnist-drs/samplers.md");
    let cells = |name: &str| -> Vec<String> {
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("| {name} |")));
        let line = line.unwrap_or_else(|| panic!("no row {name}: {table}"));
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let protocols: Vec<String> = ["plain", "drs, percentile 60", "drs, percentile 95"]
        .map(|row| cells(row)[2].clone())
        .to_vec();
    assert!(
        protocols[0] != protocols[1] && protocols[1] != protocols[2],
        "{protocols:?}"
    );
    assert!(cells("plain").contains(&"29.68".to_owned()), "{table}");
    assert!(
        cells("drs, percentile 95").contains(&"28.89".to_owned()),
        "{table}"
    );
    assert!(
        !table.contains("**2") && !table.contains('↓'),
        "none is the best: {table}"
    );
    assert!(
        table.contains("Each row has a protocol of its own"),
        "{table}"
    );
    let protocol = lab.read("reports/mnist-drs/samplers-protocol.md");
    assert!(protocol.contains("percentile = 60"), "{protocol}");
    let claims = lab.read("reports/mnist-drs/claims.md");
    assert!(
        claims.contains("## 1. Rejection sampling improves FID") && claims.contains("over 2 seeds"),
        "{claims}"
    );
    assert_eq!(lab.succeed("report mnist-drs"), said.output);
    let again = lab.run(command);
    assert_eq!(again.output, said.output);
    assert!(!again.errors.contains("drawing"), "{}", again.errors);
    // Rows of other experiments are drawn alike, and these name samplers.
    let error = lab.refused(
        "reproduce table1 --profile smoke --set systems=[{name=\"dcgan\",sampler=\"truncated\"}]",
    );
    assert!(
        error.starts_with(
            "error: row `dcgan` names a sampler, and the rows of `table1` are drawn alike"
        ),
        "{error}"
    );
    let error = lab.refused("reproduce mnist-drs --profile smoke --set systems=[{name=\"dcgan\"}]");
    assert!(
        error.starts_with("error: row `dcgan` names no sampler"),
        "{error}"
    );
    let error = lab.refused(
        "reproduce mnist-drs --profile smoke --set systems=[{name=\"dcgan\",sampler=\"ddim\"}]",
    );
    assert!(
        error.starts_with("error: the sampler `ddim` of row `dcgan` does not fit `dcgan`"),
        "{error}"
    );
}
