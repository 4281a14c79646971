//! The FID network as a feature extractor: 2048 numbers an image, prepared as one of three tools prepares it.

use burn::tensor::{Device, Tensor, TensorData};

use super::resize::Resize;
use super::{Extractor, ExtractorEntry, FeatureConfig, Features};
use crate::device;
use crate::error::Result;
use crate::images::Pixels;
use crate::nn::inception::{FEATURES, InceptionV3, SIZE};
use crate::shutdown;
use crate::weights::{INCEPTION_V3, locate};

/// Images per forward pass: bounds memory, changes no number.
const BATCH: usize = 8;

/// The registry's entry of the network as torch-fidelity and TTUR use it.
pub(super) const INCEPTION: ExtractorEntry = ExtractorEntry {
    name: TORCH_FIDELITY.name,
    about: "the FID network, bilinear resize of TensorFlow 1 (2048 numbers): the FID of TTUR and torch-fidelity",
    load: |config, device| load(TORCH_FIDELITY, config, device),
};

/// The registry's entry of the network as pytorch-fid uses it.
pub(super) const PYTORCH: ExtractorEntry = ExtractorEntry {
    name: PYTORCH_FID.name,
    about: "the FID network, bilinear resize between pixel centres (2048 numbers): the FID of pytorch-fid",
    load: |config, device| load(PYTORCH_FID, config, device),
};

/// The registry's entry of the network as clean-fid uses it.
pub(super) const CLEAN: ExtractorEntry = ExtractorEntry {
    name: CLEAN_FID.name,
    about: "the FID network, antialiased bicubic resize (2048 numbers): the FID of clean-fid",
    load: |config, device| load(CLEAN_FID, config, device),
};

/// How a resized value from 0 to 255 becomes what the network sees.
#[derive(Clone, Copy)]
struct Scale {
    formula: &'static str,
    apply: fn(f32) -> f32,
}

/// TensorFlow's graph, which the network was trained as: [-1, 0.992].
const BY_128: Scale = Scale {
    formula: "(x - 128) / 128",
    apply: |value| (value - 128.0) / 128.0,
};

/// pytorch-fid: [-1, 1].
const BY_255: Scale = Scale {
    formula: "2 x / 255 - 1",
    apply: |value| 2.0 * (value / 255.0) - 1.0,
};

/// What a tool does to an image before the network.
struct Input {
    name: &'static str,
    resize: Resize,
    scale: Scale,
}

const TORCH_FIDELITY: Input = Input {
    name: "inception-v3",
    resize: Resize::BilinearTensorFlow,
    scale: BY_128,
};

const PYTORCH_FID: Input = Input {
    name: "inception-v3-pytorch",
    resize: Resize::BilinearHalfPixel,
    scale: BY_255,
};

const CLEAN_FID: Input = Input {
    name: "inception-v3-clean",
    resize: Resize::BicubicAntialiased,
    scale: BY_128,
};

struct InceptionExtractor {
    input: Input,
    network: InceptionV3,
    device: Device,
    hash: String,
}

fn load(input: Input, config: &FeatureConfig, device: &Device) -> Result<Box<dyn Extractor>> {
    let what = format!("the extractor `{}`", input.name);
    let file = locate(&config.weights, INCEPTION_V3, &what)?;
    let device = device.clone().without_autodiff();
    let (network, hash) = file.load(|path| InceptionV3::from_file(path, &device))?;
    Ok(Box::new(InceptionExtractor {
        input,
        network,
        device,
        hash,
    }))
}

impl Extractor for InceptionExtractor {
    fn describe(&self) -> String {
        let Input { name, scale, .. } = &self.input;
        format!(
            "{name} (2015-12-05, pool3, {SIZE} x {SIZE}, {})",
            scale.formula
        )
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn resize(&self) -> &'static str {
        self.input.resize.describe()
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        let images = images.to_rgb();
        let mut values = Vec::with_capacity(images.count * FEATURES);
        let places: Vec<usize> = (0..images.count).collect();
        for chunk in places.chunks(BATCH) {
            shutdown::check()?;
            let mut planes = self.input.resize.apply(&images.select(chunk), SIZE);
            for value in &mut planes {
                *value = (self.input.scale.apply)(*value);
            }
            let shape = [chunk.len(), 3, SIZE, SIZE];
            let tensor = Tensor::from_data(TensorData::new(planes, shape), &self.device);
            values.extend(device::values(self.network.features(tensor))?);
        }
        Ok(Features::new(images.count, FEATURES, values))
    }
}
