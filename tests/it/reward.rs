//! Design point 1: equation 5 of arXiv 2409.20340 as printed has no gradient; the other couplings have one.

use std::path::Path;

use histogen::device;
use histogen::models::{self, GenerativeModel, Scalars};
use histogen::random::Random;

use crate::toy;

const STEPS: u64 = 20;

fn trained(model: &str, pairs: &[&str]) -> (Box<dyn GenerativeModel>, Scalars) {
    let images = toy::images(64, 0);
    let mut model = models::build(&toy::run(model, pairs), Path::new("judges"), &device::cpu())
        .expect("a model");
    let mut last = Scalars::new();
    for position in 0..STEPS {
        let batch = toy::batch(&images, 8, position);
        last = model
            .step(&batch, Random::new(1).at(position))
            .expect("a step");
    }
    (model, last)
}

fn weights(model: &dyn GenerativeModel) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("saved");
    ["generator.bpk", "critic.bpk"]
        .iter()
        .map(|name| std::fs::read(folder.path().join(name)).expect("a file"))
        .collect()
}

fn scalar(scalars: &Scalars, name: &str) -> f64 {
    scalars
        .iter()
        .find(|(known, _)| *known == name)
        .expect("the scalar is logged")
        .1
}

#[test]
fn the_literal_reward_trains_improved_dcgan_bit_for_bit() {
    let (base, base_scalars) = trained("improved-dcgan", &[]);
    let base_weights = weights(base.as_ref());
    for weight in ["0.0", "0.3", "1.0"] {
        let pair = format!("reward.weight={weight}");
        let (rewarded, scalars) = trained("rl-eo", &["reward.coupling=literal", &pair]);
        assert!(
            weights(rewarded.as_ref()) == base_weights,
            "weight {weight} changes the training"
        );
        let difference = scalar(&base_scalars, "critic_loss") - scalar(&scalars, "critic_loss");
        let reward = scalar(&scalars, "reward");
        assert!(
            (difference - reward).abs() < 1e-12,
            "{difference} is not the reward {reward}"
        );
        assert!(
            weight == "0.0" || reward > 0.01,
            "the reported loss does not differ"
        );
    }
}

#[test]
fn every_other_coupling_changes_the_training() {
    let base_weights = weights(trained("improved-dcgan", &[]).0.as_ref());
    let mut seen = vec![base_weights];
    for coupling in ["expected-reward", "soft-label", "loss-scale", "generator"] {
        let pair = format!("reward.coupling={coupling}");
        let (rewarded, scalars) = trained("rl-eo", &[&pair]);
        let similarity = scalar(&scalars, "similarity");
        assert!(
            (0.0..=1.0).contains(&similarity),
            "{coupling}: similarity {similarity}"
        );
        let found = weights(rewarded.as_ref());
        assert!(
            !seen.contains(&found),
            "{coupling} trains as another form does"
        );
        seen.push(found);
    }
}
