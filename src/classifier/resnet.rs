//! Residual networks as arXiv 2409.20340, section 5.0.2, fine-tunes one: all but the last layers frozen, then a fully connected
//! layer of 1,024 units and one of as many as there are classes.
//!
//! What the paper leaves open: which weights ("pre-trained"; ImageNet here), what a layer is and what frozen means
//! ([`crate::nn::resnet`]), and what stands between the two fully connected layers (ReLU here). Its softmax is part of the
//! cross-entropy, which is computed on logits.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::Tensor;

use super::{
    Blueprint, Body, Classifier, ClassifierConfig, ClassifierStart, Learner, Network, hash_of,
};
use crate::error::{Refusal, Result, refuse};
use crate::nn::activation::Activation::Relu;
use crate::nn::conv::WeightInit;
use crate::nn::linear::Linear;
use crate::nn::parameters::Parameters;
use crate::nn::resnet::{Depth, ResNet};
use crate::weights::{KnownFile, Located, RESNET18, RESNET50, RESNET152, locate};

/// Smallest height and width: five halvings leave one place.
const SMALLEST: usize = 32;

/// ResNet-18.
pub(super) const RESNET_18: Network = Network {
    name: "resnet-18",
    about: "ResNet-18 (He et al. 2016), torchvision's weights",
    smallest: SMALLEST,
    takes_width: false,
    layers: Some(17),
    weights: |settings| hash(settings, RESNET18),
    build: |blueprint| build(blueprint, Depth::D18, RESNET18),
};

/// ResNet-50.
pub(super) const RESNET_50: Network = Network {
    name: "resnet-50",
    about: "ResNet-50 (He et al. 2016), torchvision's weights",
    smallest: SMALLEST,
    takes_width: false,
    layers: Some(49),
    weights: |settings| hash(settings, RESNET50),
    build: |blueprint| build(blueprint, Depth::D50, RESNET50),
};

/// ResNet-152, the paper's.
pub(super) const RESNET_152: Network = Network {
    name: "resnet-152",
    about: "ResNet-152 (He et al. 2016), the paper's, torchvision's weights",
    smallest: SMALLEST,
    takes_width: false,
    layers: Some(151),
    weights: |settings| hash(settings, RESNET152),
    build: |blueprint| build(blueprint, Depth::D152, RESNET152),
};

/// Where the pretrained weights lie; none if the network starts from random ones.
fn located(settings: &ClassifierConfig, known: KnownFile) -> Result<Option<Located>> {
    if settings.pretrained == ClassifierStart::None {
        return Ok(None);
    }
    let what = format!("the network `{}`", settings.network);
    let found = locate(&settings.weights, known, &what);
    found.map(Some).map_err(|error| of_setting(error, &known))
}

/// The error of a file that is not there, with the setting that names one.
fn of_setting(error: anyhow::Error, known: &KnownFile) -> anyhow::Error {
    match error.downcast::<Refusal>() {
        Ok(refusal) => refuse(
            refusal.message,
            format!(
                "get it with `histogen weights fetch {}`, or give a file with `--set downstream.classifier.weights=FILE`",
                known.name
            ),
        ),
        Err(error) => error,
    }
}

fn hash(settings: &ClassifierConfig, known: KnownFile) -> Result<String> {
    let Some(located) = located(settings, known)? else {
        return Ok(String::new());
    };
    let load = |path: &std::path::Path| Ok((PathBuf::from(path), hash_of(path)?));
    Ok(located.load(load)?.1)
}

fn build(blueprint: &Blueprint<'_>, depth: Depth, known: KnownFile) -> Result<Box<dyn Classifier>> {
    let Blueprint {
        settings,
        task,
        random,
        device,
        ..
    } = blueprint;
    let body = match located(settings, known)? {
        Some(located) => {
            located
                .load(|path| ResNet::from_file(depth, path, device))?
                .0
        }
        None => ResNet::random(depth, *random, device),
    };
    let parameters = Parameters::new("classifier", *random, device);
    let part = |name: &str| parameters.within(name);
    let init = WeightInit::Glorot;
    let network = Finetuned {
        body: body.with_trainable(depth, settings.trainable_layers),
        hidden: Linear::new(&part("hidden"), depth.dimension(), settings.hidden, init),
        head: Linear::new(&part("head"), settings.hidden, task.classes, init),
    };
    Ok(Box::new(Learner::new(network, task, device)))
}

/// The network.
#[derive(Module, Debug)]
struct Finetuned {
    body: ResNet,
    hidden: Linear,
    head: Linear,
}

impl Finetuned {
    fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.units(features))
    }

    fn units(&self, features: Tensor<2>) -> Tensor<2> {
        Relu.forward(self.hidden.forward(features))
    }
}

impl Body for Finetuned {
    fn forward_training(&mut self, images: Tensor<4>) -> Tensor<2> {
        let features = self.body.forward_training(images);
        self.classify(features)
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.body.forward(images))
    }

    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        self.units(self.body.forward(images))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_knows_the_layers() {
        for (network, depth) in [
            (&RESNET_18, Depth::D18),
            (&RESNET_50, Depth::D50),
            (&RESNET_152, Depth::D152),
        ] {
            assert_eq!(network.layers, Some(depth.layers()), "{}", network.name);
        }
    }
}
