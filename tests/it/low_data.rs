//! Classification from few images, as a user runs it: tables, trainings that are found again, refusals.

use std::fs;

use crate::lab::Lab;

const SMOKE: &str = "reproduce ac-gan-low-data --profile smoke --seeds 0,1";

#[test]
fn five_columns_by_two_sizes_from_nothing_and_again_without_training() {
    let lab = Lab::new();
    let printed = lab.succeed(SMOKE);
    for row in [
        "baseline-cnn ",
        "ac-gan ",
        "wac-gan-gp ",
        "ac-gan + truncation ",
        "wac-gan-gpt ",
        "wac-gan-gpt, 32 images ",
    ] {
        assert!(
            printed.lines().any(|line| line.starts_with(row)),
            "{row}\n{printed}"
        );
    }
    let folder = "reports/ac-gan-low-data";
    let tau = lab.read(format!("{folder}/low-data-tau.md"));
    assert!(
        tau.contains(
            "wac-gan-gpt: of 0.5, 1.5, that with the highest accuracy on the validation images"
        ),
        "{tau}"
    );
    let protocol = lab.read(format!("{folder}/low-data-protocol.md"));
    assert!(
        protocol.contains("accuracy of 52 patches of `test split of phantom`"),
        "{protocol}"
    );
    // The tau that was taken is one of the grid, and its validation accuracy the highest.
    let record = lab.read(format!("{folder}/experiment.toml"));
    assert!(record.contains("wac-gan-gpt, 16 images"), "{record}");
    let claims = lab.read(format!("{folder}/claims.md"));
    for words in [
        "## 1. WAC-GAN-GPT is best with any number of training images",
        "With 32 images, accuracy of `wac-gan-gpt`",
        "## 2. The best tau grows",
        "over 2 seeds",
    ] {
        assert!(claims.contains(words), "{claims}");
    }
    for figure in [
        "low-data-accuracy",
        "low-data-tau",
        "low-data-centres",
        "losses",
    ] {
        assert!(
            lab.path(&format!("{folder}/figures/{figure}.png")).exists(),
            "{figure}"
        );
    }
    let page = lab.read(format!("{folder}/index.html"));
    assert!(
        page.contains("histogen reproduce ac-gan-low-data --seeds 0,1 --profile smoke"),
        "the command that makes it again"
    );
    // Of each size and seed a CNN, two systems, and two with two values of tau.
    let again = lab.run(SMOKE);
    assert_eq!(again.code, 0, "{}", again.errors);
    assert_eq!(
        again.errors.matches("already trained").count(),
        2 * 2 * (1 + 2 + 2 * 2),
        "{}",
        again.errors
    );
    assert_eq!(again.output, printed);
    assert_eq!(lab.succeed("report ac-gan-low-data"), printed);

    // Another CNN embeds the images of all rows elsewhere: nothing of the one before is taken over.
    let table = format!("{folder}/low-data-centres.csv");
    let before = lab.read(&table);
    lab.succeed(&format!(
        "{SMOKE} --set downstream.classifier.learning_rate=3e-3"
    ));
    let after = lab.read(&table);
    let means = |text: &str| -> Vec<String> {
        let columns = text.lines().map(|line| line.split(',').collect());
        let of_rows = columns.filter(|columns: &Vec<&str>| {
            columns[2].starts_with("mean (") && columns[2].ends_with("images)")
        });
        of_rows.map(|columns| columns[3].to_owned()).collect()
    };
    let (before, after) = (means(&before), means(&after));
    assert_eq!((before.len(), after.len()), (10, 10));
    for (old, new) in before.iter().zip(&after) {
        assert_ne!(old, new);
    }
}

#[test]
fn class_heads_are_tested_on_shifted_images_too() {
    let lab = Lab::new();
    let smoke = "reproduce ac-gan-shift --profile smoke --seeds 0 --set low_data.sizes=[16] --set low_data.tau_grid=[]";
    lab.succeed(smoke);
    let table = lab.read("reports/ac-gan-shift/low-data.md");
    for words in [
        "16 training images (%) (shifted images)",
        "59.3%±0.6",
        "CIFAR 10.1v6",
        "Shifted images: all images of phantom, stain brought to another's by reinhard, with noise of deviation up to 0.1",
    ] {
        assert!(table.contains(words), "{words}\n{table}");
    }
    let protocol = lab.read("reports/ac-gan-shift/low-data-protocol.md");
    assert!(
        protocol.contains("accuracy (noise added = normal, deviation up to 0.1) of"),
        "{protocol}"
    );
    // Images of other classes, and the training's own.
    fs::create_dir_all(lab.path("other/cats")).expect("a folder");
    fs::create_dir_all(lab.path("other/dogs")).expect("a folder");
    for class in ["cats", "dogs"] {
        for number in 0..3 {
            lab.slide(&format!("other/{class}/{number}.png"), 192, 192);
        }
    }
    let error = lab.refused(&format!(
        "{smoke} --set low_data.shifted=other --set low_data.shifted_stain=none"
    ));
    assert!(
        error.starts_with(
            "error: the shifted images are of cats, dogs, those of the training of benign, invasive"
        ),
        "{error}"
    );
    let error = lab.refused(&format!(
        "{smoke} --data other --set low_data.shifted=other"
    ));
    assert!(
        error.starts_with(
            "error: `low_data.shifted` is `other`, the images of the training themselves"
        ),
        "{error}"
    );
    let error =
        lab.refused("reproduce ac-gan-low-data --profile smoke --set low_data.shifted_noise=0.1");
    assert!(
        error.contains("are of shifted images, and there are none"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_trained() {
    let lab = Lab::new();
    let refused = |options: &str| {
        lab.refused(&format!(
            "reproduce ac-gan-low-data --profile smoke {options}"
        ))
    };
    for (options, message) in [
        (
            "--set low_data.sizes=[2]",
            "`low_data.tau_grid` chooses tau by validation images, and of 2 training images none is kept for it",
        ),
        (
            "--set data.classes=[\"benign\"]",
            "a classifier tells classes apart, and `phantom` has one: benign",
        ),
        (
            "--set low_data.sizes=[16,100000]",
            "100000 training images are 50000 of each class, and class `benign` has ",
        ),
        (
            "--set low_data.sizes=[17]",
            "17 training images cannot be shared evenly by 2 classes",
        ),
        (
            "--set systems=[{name=\"sngan\"}]",
            "system `sngan` has no accuracy: the discriminator of `sngan` has no class head",
        ),
        (
            "--set systems=[{name=\"ac-gan\"}]",
            "`low_data.tau_grid` searches for tau, and no system has a truncated prior",
        ),
        (
            "--set prior.truncated.rate=0.1",
            "system `ac-gan + truncation` searches for tau by `prior.truncated.rate`, and the experiment by `low_data.tau_grid`",
        ),
        (
            "--set low_data.tau_grid=[0]",
            "`low_data.tau_grid` has 0; the range of tau is 0.01 to 100",
        ),
        (
            "--set systems=[{name=\"ac-gan\",sampler=\"truncated\"}]",
            "row `ac-gan` names a sampler, and the rows of `ac-gan-low-data` are drawn alike",
        ),
    ] {
        let error = refused(options);
        assert!(
            error.starts_with(&format!("error: {message}")),
            "{options}: {error}"
        );
    }
    let trained = fs::read_dir(lab.path("runs")).expect("runs").flatten();
    let trained = trained.filter(|entry| entry.path().join("config.toml").exists());
    assert_eq!(trained.count(), 0, "nothing was trained");
}

#[test]
fn any_run_takes_a_number_of_training_images_and_is_named_by_it() {
    let lab = Lab::new();
    let train = "train table1 --model lsgan --profile smoke";
    lab.succeed(&format!(
        "{train} --set training.images=24 --set training.validation=0.25"
    ));
    let runs = fs::read_dir(lab.path("runs")).expect("runs").flatten();
    let run = runs
        .map(|entry| entry.path())
        .find(|path| path.join("config.toml").exists())
        .expect("a run");
    let text = fs::read_to_string(run.join("config.toml")).expect("a configuration");
    assert!(
        text.contains("[training_images]\ncount = 24\nvalidation = 0.25"),
        "{text}"
    );
    let error = lab.refused(&format!("{train} --set training.validation=0.25"));
    assert!(
        error.starts_with(
            "error: `training.validation` keeps some of `training.images` for validation"
        ),
        "{error}"
    );
    let error = lab.refused(&format!(
        "{train} --set training.images=24 --set evaluation.samplers=[\"rejection\"]"
    ));
    assert!(
        error.starts_with(
            "error: rejection trains a discriminator further on the whole training split"
        ),
        "{error}"
    );
}
