//! The ablations as a user runs them.

use crate::lab::Lab;

#[test]
fn a_row_that_is_equal_by_construction_is_shown_and_not_trained_again() {
    let lab = Lab::new();
    let said = lab.run("ablate reward-weight --profile smoke --seeds 0");
    assert_eq!(said.code, 0, "{}", said.errors);
    let trained = said.errors.matches(" steps, in `./runs/rl-eo").count();
    assert_eq!(
        trained, 5,
        "literal once, expected-reward at four weights: {}",
        said.errors
    );
    let table = lab.read("reports/ablate-reward-weight/ablation.csv");
    let row = |name: &str| {
        let line = table.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("no row {name}: {table}"));
        line.rsplit_once(name)
            .expect("a name")
            .1
            .trim_start_matches('"')
            .to_owned()
    };
    for same in [
        "literal, w = 0\"",
        "literal, w = 1\"",
        "expected-reward, w = 0\"",
    ] {
        assert_eq!(row(same), row("literal, w = 0.3\""), "{same}");
    }
    assert_ne!(row("expected-reward, w = 0.3\""), row("literal, w = 0.3\""));
    let protocol = lab.read("reports/ablate-reward-weight/ablation-protocol.md");
    assert!(
        protocol.contains(
            "equation 5 as printed has no gradient, so every weight trains the same network"
        ),
        "{protocol}"
    );
    for file in [
        "ablation.md",
        "ablation.tex",
        "figures/ablation-dots.svg",
        "figures/rewards.png",
        "figures/rewards-by-class.png",
    ] {
        assert!(
            lab.path(&format!("reports/ablate-reward-weight/{file}"))
                .exists(),
            "no {file}"
        );
    }
    assert!(
        said.output.contains("RewardModel under literal, w = 0.3 "),
        "{}",
        said.output
    );
}

#[test]
fn a_judge_that_cannot_be_had_fails_its_row_alone_and_says_what_to_set() {
    let lab = Lab::new();
    let said = lab.run("ablate reward-source --profile smoke --seeds 0");
    assert_eq!(said.code, 1, "{}", said.errors);
    assert!(
        said.errors.contains("row `vgg16` goes without numbers"),
        "{}",
        said.errors
    );
    let table = lab.read("reports/ablate-reward-source/ablation.md");
    assert!(table.contains("failed [1]"), "{table}");
    assert!(
        table.contains("--set snn.pretrained=vgg16 --set snn.weights=FILE"),
        "{table}"
    );
    for source in [
        "mft-snn",
        "stage-1",
        "stage-2",
        "untrained",
        "pixels",
        "random",
    ] {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| {source} ")));
        let row = row.unwrap_or_else(|| panic!("no row {source}: {table}"));
        assert!(!row.contains("fail"), "{row}");
    }
    let error = lab.refused("ablate reward-wieght");
    assert!(error.contains("did you mean `reward-weight`?"), "{error}");
}

#[test]
fn layers_are_counted_over_all_thirteen_convolutions_whatever_the_profile() {
    let lab = Lab::new();
    lab.succeed("ablate layers --profile smoke --seeds 0");
    let protocol = lab.read("reports/ablate-layers/ablation-protocol.md");
    assert!(protocol.contains("(last 12 convolutions)"), "{protocol}");
    assert!(protocol.contains("(last 8 convolutions)"), "{protocol}");
}
