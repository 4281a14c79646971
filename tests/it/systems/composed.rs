//! Pieces that any adversarial system takes by settings alone, and the systems that are made of them.
#![allow(clippy::float_cmp, reason = "equal draws and weights are equal bits")]

use std::path::Path;

use histogen::config::RunConfig;
use histogen::device;
use histogen::experiment;
use histogen::images::Images;
use histogen::models::{self, Draws, GenerativeModel, MODELS};
use histogen::random::Random;

use crate::toy::{self, ToyDraws};

fn built(run: &RunConfig) -> Box<dyn GenerativeModel> {
    models::build(run, Path::new("reward models"), &device::cpu()).expect("a model")
}

/// The scalars of `steps` steps of `run`, and the images of two seeds behind them.
fn trained(run: &RunConfig, steps: u64) -> (Vec<models::Scalars>, Images) {
    let (mut model, images) = (built(run), toy::images(64, 0));
    let scalars = (0..steps).map(|position| {
        let batch = toy::batch(&images, 8, position);
        let random = Random::new(1).at(position);
        let step = model.step(&batch, random).expect("a step");
        step.read().expect("numbers")
    });
    let scalars = scalars.collect();
    let drawn = model.sample(&ToyDraws::new([1, 2]).get());
    (scalars, drawn.expect("samples"))
}

fn value(scalars: &models::Scalars, name: &str) -> f64 {
    let found = scalars.iter().find(|(found, _)| found == name);
    found
        .unwrap_or_else(|| panic!("no `{name}` in {scalars:?}"))
        .1
}

fn adversarial() -> impl Iterator<Item = &'static str> {
    let models = MODELS.built_in().iter();
    models
        .filter(|model| model.prior.is_some())
        .map(|model| model.name)
}

#[test]
fn every_adversarial_system_takes_every_piece_by_settings() {
    let pieces = [
        "bcr.real=10",
        "bcr.fake=10",
        "bcr.transform=flip-shift",
        "zcr.discriminator=5",
        "zcr.generator=0.5",
        "prior.kind=mixture",
        "prior.mixture.learned=true",
    ];
    assert!(adversarial().count() >= 10);
    for name in adversarial() {
        let plain = toy::run(name, &[]);
        let all = toy::run(name, &pieces);
        assert_ne!(plain.hash(), all.hash(), "{name}");
        let (scalars, images) = trained(&all, 2);
        for step in &scalars {
            for term in [
                "bcr_real",
                "bcr_fake",
                "zcr",
                "zcr_generator",
                "prior_drift",
                "prior_log_det",
            ] {
                let value = value(step, term);
                assert!(value.is_finite(), "{name}: {term} is {value}");
            }
        }
        assert!(value(&scalars[1], "prior_drift") > value(&scalars[0], "prior_drift"));
        assert_ne!(images, trained(&plain, 2).1, "{name}");
    }
}

#[test]
fn consistency_of_classes_is_of_systems_with_a_class_head() {
    let pairs = ["bcr.real=10", "bcr.fake=10", "bcr.transform=flip-shift"];
    let without = toy::run("ac-gan", &pairs);
    let with = toy::run("ac-gan", &[&pairs[..], &["bcr.classes=true"]].concat());
    assert!(
        !without.to_toml().contains("classes = false"),
        "{}",
        without.to_toml()
    );
    assert_ne!(without.hash(), with.hash());
    assert_eq!(models::read_run(&with.to_toml()).expect("read back"), with);
    let (scalars, images) = trained(&with, 2);
    for term in ["bcr_real", "bcr_real_classes", "bcr_fake_classes"] {
        assert!(value(&scalars[1], term).is_finite(), "{term}");
    }
    assert_ne!(images, trained(&without, 2).1);
    let error = models::check(&toy::run("lsgan", &["bcr.real=10", "bcr.classes=true"]));
    assert_eq!(
        error.expect_err("no classes").to_string(),
        "`bcr.classes` compares the logits of classes, and `lsgan` has none"
    );
}

#[test]
fn a_row_of_settings_is_a_system() {
    let text = "
        [[systems]]
        name = \"sngan with bCR on a mixture prior\"
        model = \"sngan\"
        set.prior.kind = \"mixture\"
        set.bcr = { real = 10, fake = 10 }
        [[systems]]
        name = \"ddpm with bCR\"
        model = \"ddpm\"
        set.bcr = { real = 10 }
    ";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, text).expect("written");
    let config =
        experiment::resolve(path.to_str().expect("a path"), "smoke", &[]).expect("known settings");
    let store = histogen::data::prepare(&config.data, folder.path(), &mut |_, _, _| {});
    let store = store.expect("patches");
    let run = |row: usize| {
        let mut no_reward = |_: &histogen::config::Config| anyhow::bail!("it has no reward");
        experiment::run_config(&config, &config.systems[row], 0, &store, &mut no_reward)
    };
    let row = run(0).expect("a run");
    let text = row.to_toml();
    assert!(
        text.contains("[prior.mixture]") && text.contains("[bcr]"),
        "{text}"
    );
    assert!(!text.contains("[zcr]"), "{text}");
    assert_eq!(models::read_run(&text).expect("read back"), row);
    assert_eq!(
        run(1).expect_err("refused").to_string(),
        "system `ddpm with bCR` sets `bcr`, which `ddpm` does not take"
    );
}

#[test]
fn a_run_without_the_pieces_has_the_settings_of_the_time_before_them() {
    for name in adversarial().filter(|name| *name != "gm-gan") {
        let text = toy::run(name, &[]).to_toml();
        for word in ["prior", "bcr", "zcr", "method", "alpha"] {
            assert!(!text.contains(word), "{name}: {text}");
        }
    }
    let text = toy::run("gm-gan", &[]).to_toml();
    assert!(text.contains("[prior.mixture]"), "{text}");
}

#[test]
fn a_mixture_of_one_standard_component_and_no_truncation_train_as_the_normal_prior() {
    let steps = |pairs: &[&str]| trained(&toy::run("dcgan", pairs), 3);
    let (scalars, images) = steps(&[]);
    let one = [
        "prior.kind=mixture",
        "prior.mixture.components=1",
        "prior.mixture.spread=0",
    ];
    assert_eq!(steps(&one), (scalars.clone(), images.clone()));
    let (wide, of_wide) = steps(&["prior.kind=truncated", "prior.truncated.tau=100"]);
    let without_tau = wide.into_iter().map(|step| {
        let kept = step.into_iter().filter(|(name, _)| name != "tau");
        kept.collect::<models::Scalars>()
    });
    assert_eq!(without_tau.collect::<Vec<_>>(), scalars);
    assert_eq!(of_wide, images);
    // A dynamic mixture begins where the static one does.
    let first = |learned: &str| {
        let learned = format!("prior.mixture.learned={learned}");
        value(
            &trained(&toy::run("gm-gan", &[&learned]), 1).0[0],
            "critic_loss",
        )
    };
    assert!((first("true") - first("false")).abs() < 1e-5);
}

#[test]
fn consistency_of_nothing_altered_is_nothing() {
    let run = toy::run(
        "dcgan",
        &["zcr.discriminator=5", "zcr.generator=0.5", "zcr.sigma=0"],
    );
    let (scalars, images) = trained(&run, 3);
    for step in &scalars {
        assert_eq!(
            (value(step, "zcr"), value(step, "zcr_generator")),
            (0.0, 0.0)
        );
    }
    assert_eq!(images, trained(&toy::run("dcgan", &[]), 3).1);
}

/// The first step of `name`: the same draws whatever the weights, so that losses differ by the terms alone.
fn losses(name: &str, pairs: &[&str]) -> models::Scalars {
    trained(&toy::run(name, pairs), 1).0.remove(0)
}

#[test]
fn terms_enter_the_losses_with_their_weights() {
    let (plain, with) = (
        losses("dcgan", &[]),
        losses(
            "dcgan",
            &["bcr.real=10", "bcr.fake=4", "zcr.discriminator=5"],
        ),
    );
    let expected = value(&plain, "critic_loss")
        + 10.0 * value(&with, "bcr_real")
        + 4.0 * value(&with, "bcr_fake")
        + 5.0 * value(&with, "zcr");
    let found = value(&with, "critic_loss");
    assert!(
        (found - expected).abs() < 1e-5,
        "{found}, expected {expected}"
    );

    let heavy = losses("ac-gan", &["models.ac-gan.class_weight=3"]);
    let light = losses("ac-gan", &["models.ac-gan.class_weight=1"]);
    let classes = value(&light, "class_loss_real") + value(&light, "class_loss_fake");
    let difference = value(&heavy, "critic_loss") - value(&light, "critic_loss");
    assert!((difference - 2.0 * classes).abs() < 1e-5, "{difference}");
    // An untrained head of two classes is undecided.
    assert!((classes / 2.0 - 2.0f64.ln()).abs() < 0.02, "{classes}");
    let real_only = losses("ac-gan", &["models.ac-gan.class_loss_on_fakes=false"]);
    let difference = value(&light, "critic_loss") - value(&real_only, "critic_loss");
    assert!((difference - value(&light, "class_loss_fake")).abs() < 1e-5);

    let (pulled, free) = (
        losses("cn-lsgan", &["models.cn-lsgan.pull=1"]),
        losses("cn-lsgan", &["models.cn-lsgan.pull=0"]),
    );
    let difference = value(&pulled, "generator_loss") - value(&free, "generator_loss");
    assert!((difference - value(&pulled, "pull")).abs() < 1e-5);
}

#[test]
fn tau_is_logged_and_searched_for_by_its_gradient() {
    let run = |pairs: &[&str]| {
        let truncated = ["prior.kind=truncated", "prior.truncated.tau=0.7"];
        toy::run("wac-gan-gp", &[&truncated, pairs].concat())
    };
    let taus = |run: &RunConfig| -> Vec<f64> {
        let (scalars, _) = trained(run, 4);
        scalars.iter().map(|step| value(step, "tau")).collect()
    };
    assert_eq!(taus(&run(&[])), [0.7; 4]);
    let searched = taus(&run(&[
        "prior.truncated.rate=0.5",
        "optimiser.critic_steps=2",
    ]));
    let moves: Vec<bool> = searched.windows(2).map(|two| two[0] != two[1]).collect();
    assert_eq!(
        moves,
        [true, false, true],
        "with the generator: {searched:?}"
    );
    assert!(
        searched.iter().all(|tau| (0.3..1.5).contains(tau)),
        "{searched:?}"
    );
}

#[test]
fn what_learns_of_a_prior_is_part_of_a_checkpoint() {
    let mixture = [
        "prior.kind=mixture",
        "prior.mixture.learned=true",
        "backbone.ema_decay=0.9",
    ];
    let threshold = ["prior.kind=truncated", "prior.truncated.rate=0.5"];
    for (name, pairs) in [("dcgan", &mixture[..]), ("ac-gan", &threshold)] {
        let (run, images) = (toy::run(name, pairs), toy::images(64, 0));
        let take = |model: &mut dyn GenerativeModel, steps: std::ops::Range<u64>| {
            for position in steps {
                let batch = toy::batch(&images, 8, position);
                model
                    .step(&batch, Random::new(1).at(position))
                    .expect("a step");
            }
        };
        let mut whole = built(&run);
        take(whole.as_mut(), 0..2);
        let folder = tempfile::tempdir().expect("a folder");
        models::save(whole.as_mut(), folder.path()).expect("saved");
        assert!(folder.path().join("prior.bpk").exists(), "{name}");
        take(whole.as_mut(), 2..4);
        let mut resumed = built(&run);
        models::load(resumed.as_mut(), folder.path()).expect("loaded");
        take(resumed.as_mut(), 2..4);
        let draws = ToyDraws::new([5, 6, 7]);
        let images = |model: &dyn GenerativeModel| model.sample(&draws.get()).expect("samples");
        assert_eq!(images(whole.as_ref()), images(resumed.as_ref()), "{name}");
    }
}

#[test]
fn a_critic_s_weights_are_clipped_before_a_step_or_after_it() {
    let unclipped = losses("wgan", &["models.wgan.clip=100"]);
    let clipped = losses(
        "wgan",
        &["models.wgan.clip=0.005", "models.wgan.clip_when=before"],
    );
    assert_ne!(
        value(&unclipped, "critic_loss"),
        value(&clipped, "critic_loss")
    );
    // Clipping after a step leaves the first loss alone.
    let after = losses("wgan", &["models.wgan.clip=0.005"]);
    assert_eq!(
        value(&unclipped, "critic_loss"),
        value(&after, "critic_loss")
    );
    assert_ne!(
        value(&unclipped, "generator_loss"),
        value(&after, "generator_loss")
    );
}

#[test]
fn rmsprop_is_a_setting_and_the_paper_s_own() {
    let adam = trained(&toy::run("wgan", &[]), 2).1;
    let run = toy::run("wgan", &["optimiser.method=rmsprop"]);
    assert!(run.to_toml().contains("method = \"rmsprop\""));
    assert_ne!(adam, trained(&run, 2).1);
    let wgan = MODELS.find("wgan").expect("a model");
    let text = toml::to_string(&wgan.canonical).expect("plain values");
    assert!(
        text.contains("method = \"rmsprop\"") && text.contains("learning_rate = 0.00005"),
        "{text}"
    );
}

#[test]
fn a_prior_that_cannot_be_is_refused() {
    let refused = |name: &str, pairs: &[&str]| {
        models::check(&toy::run(name, pairs))
            .expect_err("refused")
            .to_string()
    };
    let search = ["prior.kind=truncated", "prior.truncated.rate=0.1"];
    assert_eq!(
        refused("dcgan", &search),
        "`prior.truncated.rate` searches for tau by the class loss of generated images, and `dcgan` has no classes"
    );
    assert_eq!(
        refused(
            "ac-gan",
            &[&search[..], &["prior.truncated.law=resample"]].concat()
        ),
        "`prior.truncated.rate` searches for tau, and only entries that are clipped have a gradient by it"
    );
    assert_eq!(
        refused("gm-gan", &["backbone.latent=1"]),
        "a circle of means needs latent vectors of two entries or more, `backbone.latent` is 1"
    );
    for tau in ["0", "-1"] {
        let pairs = [format!("prior.truncated.tau={tau}")];
        let error = experiment::resolve("table1", "smoke", &pairs).expect_err("refused");
        assert_eq!(
            error.to_string(),
            format!("`prior.truncated.tau` is {tau} in --set; its range is 0.01 to 100")
        );
    }
}

#[test]
fn a_truncated_sampler_draws_from_the_truncated_prior() {
    use histogen::samplers::Samplers;
    let (model, draws) = (built(&toy::run("dcgan", &[])), ToyDraws::new(0..6));
    let drawn = |settings: &str| {
        let settings = toml::from_str(settings).expect("settings");
        let samplers = Samplers::new(&["truncated".to_owned()], &settings).expect("known");
        let sampler = samplers.of(model.as_ref(), 0, None).expect("a sampler");
        sampler.sample(&draws.get()).expect("samples")
    };
    let plain = model.sample(&draws.get()).expect("samples");
    assert_eq!(drawn("truncated = { law = \"clip\", tau = 100.0 }"), plain);
    assert_eq!(
        drawn("truncated = { law = \"resample\", tau = 100.0 }"),
        plain
    );
    let latents = model.latents().expect("latents");
    let seeds = draws.get();
    let by_hand: Vec<f32> = seeds
        .seeds
        .iter()
        .flat_map(|&seed| latents.prior().expect("a prior").latent(seed))
        .map(|entry| entry.clamp(-0.5, 0.5))
        .collect();
    let expected = latents
        .decode(&by_hand, Draws::of_seeds(&[]).classes)
        .expect("images");
    assert_eq!(drawn("truncated = { law = \"clip\", tau = 0.5 }"), expected);
    assert_ne!(
        drawn("truncated = { law = \"resample\", tau = 0.5 }"),
        expected
    );
}

/// Images of eight seeds by rejection with `settings`, and the sampler's note.
fn rejected(name: &str, settings: &str) -> histogen::error::Result<(Images, String)> {
    use histogen::samplers::Samplers;
    let (model, draws) = (built(&toy::run(name, &[])), ToyDraws::new(0..8));
    let settings = toml::from_str(&format!("rejection = {{ burn_in = 64, {settings} }}"));
    let settings = settings.expect("settings");
    let samplers = Samplers::new(&["rejection".to_owned()], &settings)?;
    let mut kept = model.keep_training().expect("a discriminator");
    let steps = samplers.keep_training(model.as_ref());
    for position in 0..steps {
        let real = toy::batch(&toy::images(64, 0), 8, position).images;
        let generated = model.sample(&draws.get())?;
        kept.step(&real, &generated, Random::new(0).at(position))?;
    }
    let kept = kept.as_ref();
    let sampler = samplers.of(model.as_ref(), 2, (steps > 0).then_some(kept))?;
    let images = sampler.sample(&draws.get())?;
    Ok((images, sampler.note()))
}

#[test]
fn rejection_takes_the_proposals_that_are_rated_high() {
    let (images, note) =
        rejected("ac-gan", "steps = 0, percentile = 50.0, tries = 50").expect("drawn");
    assert_eq!(images.count, 8);
    let expected = "; 0 of 8 images are the best of 50 that were all refused";
    assert!(
        note.starts_with("rejection accepted ") && note.ends_with(expected),
        "{note}"
    );
    // A large gamma refuses everything, and the best proposal is taken.
    let all = "steps = 0, gamma_from = \"number\", gamma = 1000.0, tries = 3";
    let (_, note) = rejected("ac-gan", all).expect("drawn");
    assert_eq!(
        note,
        "rejection accepted 0.0 % of the proposals; 8 of 8 images are the best of 3 that were all refused"
    );
    // A small one accepts the first.
    let none = "steps = 0, gamma_from = \"number\", gamma = -1000.0";
    let (_, note) = rejected("ac-gan", none).expect("drawn");
    assert!(
        note.starts_with("rejection accepted 100.0 % of the proposals; 0 of 8"),
        "{note}"
    );
}

#[test]
fn rejection_is_refused_where_a_score_is_no_log_ratio_unless_it_is_trained_to_be_one() {
    let message = |name: &str| {
        rejected(name, "steps = 0")
            .expect_err("refused")
            .root_cause()
            .to_string()
    };
    let no_ratio = "the discriminator's score is no log ratio: it was trained by the hinge or as a Wasserstein critic";
    for name in ["sngan", "wgan-gp", "wac-gan-gp"] {
        assert_eq!(message(name), no_ratio, "{name}");
    }
    let by_batch = "the discriminator normalises by the batch: its score of an image depends on the images beside it";
    for name in ["dcgan", "lsgan", "wgan"] {
        assert_eq!(message(name), by_batch, "{name}");
    }
    for name in ["sngan", "wgan-gp", "dcgan"] {
        let (images, note) = rejected(name, "steps = 3").expect("drawn");
        assert!(
            images.values.iter().all(|value| value.is_finite()),
            "{name}"
        );
        assert!(note.contains("of the proposals"), "{name}: {note}");
    }
}

#[test]
fn a_percentile_given_as_a_share_is_refused() {
    let pairs = ["samplers.rejection.percentile=0.8".to_owned()];
    let error = experiment::resolve("table1", "smoke", &pairs).expect_err("refused");
    let refusal = error
        .downcast_ref::<histogen::error::Refusal>()
        .expect("a refusal");
    assert_eq!(
        refusal.message,
        "`samplers.rejection.percentile` is 0.8 in --set; its range is 1 to 99.999 (percent)"
    );
    assert_eq!(refusal.hint, "a percentile is of 100: set 80, not 0.8");
}

/// Further training tells real from generated images, by statistics that do not depend on the batch.
#[test]
fn a_discriminator_that_is_trained_further_rates_real_images_higher() {
    for name in ["dcgan", "sngan", "wgan-gp"] {
        let model = built(&toy::run(name, &[]));
        let mut kept = model.keep_training().expect("a discriminator");
        let images = toy::images(64, 0);
        for position in 0..60 {
            let real = toy::batch(&images, 8, position).images;
            let draws = ToyDraws::new((0..8).map(|seed| 100 + 8 * position + seed));
            let generated = model.sample(&draws.get()).expect("samples");
            kept.step(&real, &generated, Random::new(0).at(position))
                .expect("a step");
        }
        let mean = |images: &Images| {
            let ratios = kept.log_ratios(images).expect("ratios");
            ratios.iter().sum::<f64>() / ratios.len() as f64
        };
        let real = toy::images(32, 5).to_images();
        let generated = model.sample(&ToyDraws::new(0..32).get()).expect("samples");
        assert!(mean(&real) > mean(&generated) + 1.0, "{name}");
    }
}
