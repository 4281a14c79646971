//! Where a network's first parameters come from: named streams of one seed.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::device::Precision;
use crate::random::Random;

/// Draws the parameters of one part of a network, whose names begin with the part's path.
#[derive(Clone)]
pub struct Parameters {
    random: Random,
    device: Device,
    path: String,
    precision: Precision,
}

impl Parameters {
    /// Parameters of the network called `name`, drawn from `random`, on `device`.
    pub fn new(name: &str, random: Random, device: &Device) -> Self {
        Self {
            random,
            device: device.clone(),
            path: name.to_owned(),
            precision: Precision::F32,
        }
    }

    /// The same, for layers that multiply in `precision`.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// What their layers multiply in.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// The same for the part called `name` inside this one.
    pub fn within(&self, name: impl std::fmt::Display) -> Self {
        Self {
            path: format!("{}.{name}", self.path),
            ..self.clone()
        }
    }

    /// A parameter with independent entries from N(`mean`, `deviation`^2).
    pub fn normal<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        mean: f32,
        deviation: f32,
    ) -> Param<Tensor<D>> {
        let mut stream = self.random.stream(&format!("{}.{name}", self.path));
        let mut values = stream.normals(shape.iter().product());
        for value in &mut values {
            *value = mean + deviation * *value;
        }
        self.given(name, shape, values)
    }

    /// A parameter with independent entries from the uniform distribution on [-`bound`, `bound`).
    pub fn uniform<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        bound: f64,
    ) -> Param<Tensor<D>> {
        let mut stream = self.random.stream(&format!("{}.{name}", self.path));
        let count = shape.iter().product();
        let values = (0..count)
            .map(|_| stream.between(-bound, bound) as f32)
            .collect();
        self.given(name, shape, values)
    }

    /// A parameter with every entry equal to `value`.
    pub fn constant<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        value: f32,
    ) -> Param<Tensor<D>> {
        self.given(name, shape, vec![value; shape.iter().product()])
    }

    /// A parameter with the entries `values`.
    pub fn given<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        values: Vec<f32>,
    ) -> Param<Tensor<D>> {
        let digest = Sha256::digest(format!("{}.{name}", self.path));
        let identity = u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
        let tensor = Tensor::from_data(TensorData::new(values, shape), &self.device);
        let tensor = if self.device.is_autodiff() {
            tensor.require_grad()
        } else {
            tensor
        };
        Param::initialized(ParamId::from(identity), tensor)
    }
}

/// Clips every entry of a parameter that an optimiser moves to [-`bound`, `bound`].
pub(crate) fn clip<const D: usize>(parameter: &mut Param<Tensor<D>>, bound: f64) {
    let clipped = parameter.clone();
    let clipped = clipped.map(|value| Tensor::from_inner(value.inner().clamp(-bound, bound)));
    *parameter = clipped.set_require_grad(true);
}

/// Replaces the value of a parameter that no optimiser moves (a running statistic, a power-iteration vector).
pub(crate) fn set_buffer<const D: usize>(parameter: &mut Param<Tensor<D>>, value: Tensor<D>) {
    let old = parameter.clone();
    *parameter = old.map(|_| value.detach()).set_require_grad(false);
}
