//! A model of one's own in Table 1, beside DCGAN: a GAN of the Pearson chi-squared divergence.
//!
//!     cargo run --release --example own_model [-- FOLDER]
//!
//! The profile is `smoke`, so the numbers mean nothing; runs and reports go into FOLDER, `target/own-model` without it.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use burn::tensor::Tensor;
use histogen::error::Result;
use histogen::experiment::{Silent, reproduce, resolve};
use histogen::models::game::Game;
use histogen::models::gan::Gan;
use histogen::models::networks::{backbone, fits_backbone};
use histogen::models::{MODELS, Model};
use histogen::nn::dcgan::CriticNorm;
use histogen::report::TABLES;
use histogen::workspace::Workspace;

/// The divergence as a game, T(x) being the critic's score. Nowozin, Cseke, Tomioka: f-GAN: Training Generative Neural
/// Samplers using Variational Divergence Minimization, 2016 (arXiv 1606.00709), tables 1 and 6: f*(t) = t^2 / 4 + t.
struct PearsonChiSquared;

impl Game for PearsonChiSquared {
    fn name(&self) -> &'static str {
        "pearson-chi-squared"
    }

    fn real(&self, scores: Tensor<1>) -> Tensor<1> {
        scores.mean().neg()
    }

    fn generated(&self, scores: Tensor<1>) -> Tensor<1> {
        (scores.clone().powf_scalar(2.0).div_scalar(4.0) + scores).mean()
    }

    fn generator(&self, scores: Tensor<1>) -> Tensor<1> {
        scores.mean().neg()
    }
}

static PEARSON_GAN: Model = Model {
    name: "pearson-gan",
    paper: "Nowozin et al. 2016, arXiv 1606.00709",
    fits: fits_backbone,
    build: |blueprint| {
        let (generator, critic) = backbone(blueprint, CriticNorm::Batch);
        let gan = Gan::new(blueprint, generator, critic, PearsonChiSquared);
        Ok(Box::new(gan))
    },
    ..Model::DEFAULT
};

fn main() -> Result<()> {
    MODELS.add(&PEARSON_GAN)?;
    let folder = std::env::args().nth(1);
    let workspace = Workspace::new(folder.unwrap_or_else(|| "target/own-model".to_owned()));
    let rows = "systems=[{ name = 'dcgan' }, { name = 'pearson-gan' }]".to_owned();
    let config = resolve("table1", "smoke", &[rows, "name=own-model".to_owned()])?;
    let outcome = reproduce(&config, &[&TABLES[0]], &workspace, &mut Silent)?;
    println!("{}", outcome.tables[0].table.terminal());
    Ok(())
}
