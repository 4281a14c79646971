//! One step of the training of any classifier: cross-entropy on logits, Adam.

use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use burn_optim::{GradientsParams, ModuleOptimizer};

use super::ClassifierTask;
use crate::device::{batches, number, tensor, values};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::kernels::together;
use crate::nn::adam::adam;
use crate::nn::record::{EachPart, NetworkPart};

const NETWORK: &str = "network.bpk";
const BEST: &str = "best.bpk";
const OPTIMISER: &str = "optimiser.bpk";

/// Images in a forward pass: bounds memory, changes no number.
const BATCH: usize = 64;

/// The layers of a classifier: images in [-1, 1] to logits, one a class.
pub trait Body: Module + Send + 'static {
    /// [n, channels, h, w] -> [n, classes] in training: batch normalisation normalises by the batch.
    fn forward_training(&mut self, images: Tensor<4>) -> Tensor<2>;

    /// The same for a trained network: what an image becomes does not depend on its batch.
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;

    /// What stands before the last layer of a trained network, [n, channels, h, w] -> [n, features].
    fn features(&self, images: Tensor<4>) -> Tensor<2>;
}

/// What one step says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnerStep {
    /// Cross-entropy of the batch before the step.
    pub loss: f64,
    /// Fraction of the batch whose largest logit was its class's.
    pub accuracy: f64,
}

/// A classifier in training, or trained.
pub trait Classifier: Send {
    /// One step of Adam with the learning rate `rate` on images and the class of each.
    ///
    /// # Errors
    /// Refuses images of another size; the device lost a tensor.
    fn step(&mut self, images: &Images, classes: &[usize], rate: f64) -> Result<LearnerStep>;

    /// The probability of each class for each image, images x classes.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn probabilities(&self, images: &Images) -> Result<Vec<f64>>;

    /// What stands before the last layer, the embedding of each image: images x features.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn embeddings(&self, images: &Images) -> Result<Vec<Vec<f32>>>;

    /// Keeps the weights as they are now as the best so far.
    fn keep(&mut self);

    /// Goes back to the weights that were kept.
    fn take_best(&mut self);

    /// Shows `each` all that the next step depends on.
    ///
    /// # Errors
    /// Those of `each`.
    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()>;
}

/// Any network as a classifier.
pub struct Learner<N> {
    network: N,
    best: N,
    adam: ModuleOptimizer,
    task: ClassifierTask,
    device: Device,
}

impl<N: Body> Learner<N> {
    /// `network` with an optimiser that knows nothing: PyTorch's Adam, decays 0.9 and 0.999, epsilon 1e-8.
    pub fn new(network: N, task: &ClassifierTask, device: &Device) -> Self {
        Self {
            best: network.clone(),
            network,
            adam: adam([0.9, 0.999], 1e-8, None),
            task: task.clone(),
            device: device.clone(),
        }
    }

    fn check(&self, images: &Images) -> Result<()> {
        let ClassifierTask { size, channels, .. } = self.task;
        if (images.size, images.channels) == (size, channels) {
            return Ok(());
        }
        Err(refuse(
            format!(
                "images of {0} x {0} x {1} for a classifier of {size} x {size} x {channels}",
                images.size, images.channels
            ),
            "give it images of the size that it was trained on",
        ))
    }
}

impl<N: Body> Classifier for Learner<N> {
    fn step(&mut self, images: &Images, classes: &[usize], rate: f64) -> Result<LearnerStep> {
        self.check(images)?;
        let logits = self.network.forward_training(tensor(images, &self.device));
        let found = values(logits.clone())?;
        let count = self.task.classes;
        let right = found
            .chunks_exact(count)
            .zip(classes)
            .filter(|(logits, class)| largest(logits) == **class)
            .count();
        let loss = cross_entropy(logits, classes, &self.device);
        let value = number(&loss);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = together(|| self.adam.step(rate, self.network.clone(), gradients));
        Ok(LearnerStep {
            loss: value,
            accuracy: right as f64 / classes.len() as f64,
        })
    }

    fn probabilities(&self, images: &Images) -> Result<Vec<f64>> {
        self.check(images)?;
        let network = self.network.valid();
        let device = self.device.clone().inner();
        let mut all = Vec::with_capacity(images.count * self.task.classes);
        for batch in batches(images, BATCH, &device) {
            let probabilities = values(softmax(network.forward(batch), 1))?;
            all.extend(probabilities.into_iter().map(f64::from));
        }
        Ok(all)
    }

    fn embeddings(&self, images: &Images) -> Result<Vec<Vec<f32>>> {
        self.check(images)?;
        let network = self.network.valid();
        let device = self.device.clone().inner();
        let mut all = Vec::with_capacity(images.count);
        for batch in batches(images, BATCH, &device) {
            let features = network.features(batch);
            let dimension = features.dims()[1];
            let features = values(features)?;
            all.extend(features.chunks_exact(dimension).map(<[f32]>::to_vec));
        }
        Ok(all)
    }

    fn keep(&mut self) {
        self.best = self.network.clone();
    }

    fn take_best(&mut self) {
        self.network = self.best.clone();
    }

    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        each(NETWORK, &mut NetworkPart(&mut self.network))?;
        each(BEST, &mut NetworkPart(&mut self.best))?;
        each(OPTIMISER, &mut self.adam)
    }
}

/// The place of the largest value, the first of equal ones.
pub(crate) fn largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

/// The mean of -log softmax(logits) at the class of each image: [n, classes] -> `[1]`.
fn cross_entropy(logits: Tensor<2>, classes: &[usize], device: &Device) -> Tensor<1> {
    let [images, count] = logits.dims();
    let mut chosen = vec![0.0f32; images * count];
    for (row, class) in chosen.chunks_exact_mut(count).zip(classes) {
        row[*class] = -1.0 / images as f32;
    }
    let chosen = Tensor::from_data(TensorData::new(chosen, [images, count]), device);
    (log_softmax(logits, 1) * chosen).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn cross_entropy_is_minus_the_mean_log_probability_of_the_class() {
        let device = cpu();
        let logits = Tensor::from_data(
            TensorData::new(vec![2.0f32, 0.0, 1000.0, 0.0], [2, 2]),
            &device,
        );
        let loss = number(&cross_entropy(logits, &[1, 0], &device));
        // log(1 + e^2) for the first, 0 for the second, without overflow.
        let expected = (1.0 + 2f64.exp()).ln() / 2.0;
        assert!((loss - expected).abs() < 1e-6, "{loss}, {expected}");
    }

    #[test]
    fn the_first_of_equal_logits_is_the_class() {
        assert_eq!(largest(&[0.5, 0.5]), 0);
        assert_eq!(largest(&[0.1, 0.7, 0.2]), 1);
    }
}
