//! Weight clipping (Arjovsky, Chintala, Bottou 2017, arXiv 1701.07875, Algorithm 1).

use serde::{Deserialize, Serialize};

use super::Term;
use crate::nn::dcgan::Critic;

/// When weights are clipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClipWhen {
    /// Before each step of the critic, as in the authors' code.
    Before,
    /// After it, as in the paper.
    After,
}

/// Every weight and bias of the critic kept in [-`bound`, `bound`]; running statistics never.
#[derive(Clone, Copy, Debug)]
pub struct WeightClipping {
    /// c in the paper.
    pub bound: f64,
    /// Before or after a step.
    pub when: ClipWhen,
    /// Whether scales and shifts of normalisation are clipped too, as in the authors' code.
    pub normalisation: bool,
}

impl<G> Term<G, Critic> for WeightClipping {
    fn constrain(&mut self, network: &mut Critic) {
        if self.when == ClipWhen::Before {
            network.clip_weights(self.bound, self.normalisation);
        }
    }

    fn constrain_after(&mut self, network: &mut Critic) {
        if self.when == ClipWhen::After {
            network.clip_weights(self.bound, self.normalisation);
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is not clipped keeps its bits")]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::Tensor;

    use super::*;
    use crate::device::{cpu, values};
    use crate::nn::dcgan::{CriticNorm, ImageShape};
    use crate::nn::parameters::Parameters;
    use crate::random::Random;

    /// The largest absolute entry of every parameter, by its path.
    #[derive(Default)]
    struct Largest {
        path: Vec<String>,
        found: BTreeMap<String, f32>,
    }

    impl ModuleVisitor for Largest {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let entries = values(parameter.val().reshape([-1])).unwrap();
            let largest = entries
                .into_iter()
                .fold(0.0f32, |largest, entry| largest.max(entry.abs()));
            self.found.insert(self.path.join("."), largest);
        }
    }

    fn largest(normalisation: Option<bool>) -> BTreeMap<String, f32> {
        let image = ImageShape {
            size: 16,
            channels: 3,
        };
        let parameters = Parameters::new("critic", Random::new(0), &cpu());
        let mut critic = Critic::new(&parameters, image, 4, CriticNorm::Batch);
        if let Some(normalisation) = normalisation {
            critic.clip_weights(0.01, normalisation);
        }
        let mut largest = Largest::default();
        critic.visit(&mut largest);
        largest.found
    }

    #[test]
    fn clipping_takes_parameters_and_leaves_statistics_and_normalisation_alone_unless_asked() {
        let (before, plain, all) = (largest(None), largest(Some(false)), largest(Some(true)));
        assert_eq!(
            before.len(),
            3 + 4,
            "two convolutions and a head, a norm of four"
        );
        for (path, &was) in &before {
            let is_norm = path.contains("norms");
            let is_statistic = path.contains("running");
            let clipped = was.min(0.01);
            assert_eq!(plain[path], if is_norm { was } else { clipped }, "{path}");
            assert_eq!(
                all[path],
                if is_statistic { was } else { clipped },
                "{path}"
            );
        }
        let heads: Vec<_> = before
            .iter()
            .filter(|(path, _)| path.contains("head"))
            .collect();
        assert!(
            heads.iter().all(|(_, largest)| **largest > 0.01),
            "there was something to clip"
        );
    }
}
